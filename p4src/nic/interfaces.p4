// SPDX-License-Identifier: Apache-2.0
//
// Interfaces: what a packet's port and VLAN, or its VXLAN network, mean.

#ifndef NIC_INTERFACES
#define NIC_INTERFACES

#include "types.p4"

control Interfaces(inout headers_t hdr, inout meta_t meta, in nic_main_input_metadata_t istd) {

    action bridged(domain_t domain, tenant_t tenant, mac_t router_mac, bit<8> zone) {
        meta.domain = domain;
        meta.tenant = tenant;
        meta.router_mac = router_mac;
        meta.zone = zone;
    }

    action routed(tenant_t tenant, mac_t router_mac, bit<8> zone) {
        meta.domain = 0;
        meta.tenant = tenant;
        meta.router_mac = router_mac;
        meta.zone = zone;
    }

    action no_interface() {
        drop_because(Drop.NO_INTERFACE);
        meta.done = 1;
    }

    // The packet belongs to the stack of the netdev.
    action host() {
        send_to_host();
        meta.done = 1;
    }

    // Port and VLAN (0 = untagged) -> bridge domain or tenant. Written by the
    // service model: ports, bridges, routers.
    table interfaces {
        key = {
            meta.in_port: exact @name("port");
            meta.vid: exact @name("vlan");
        }
        actions = { bridged; routed; host; no_interface; }
        default_action = no_interface();
        size = 16384;
    }

    action no_vni() {
        drop_because(Drop.NO_VNI);
        meta.done = 1;
    }

    // Network of a tunnel's packet -> bridge domain or tenant. Written by the
    // service model: tunnels.
    table networks {
        key = { hdr.vxlan.vni: exact @name("vni"); }
        actions = { bridged; routed; no_vni; }
        default_action = no_vni();
        size = 16384;
    }

    action set_tunnel(tunnel_t tunnel) {
        meta.in_tunnel = tunnel;
    }

    action unknown_tunnel() {
        drop_because(Drop.NO_VNI);
        meta.done = 1;
    }

    // The remote end of a tunnel -> its number, for learning and split horizon.
    // Written by the service model: tunnels.
    table tunnel_ends {
        key = { hdr.outer_ipv4.src: exact @name("address"); }
        actions = { set_tunnel; unknown_tunnel; }
        default_action = unknown_tunnel();
        size = 4096;
    }

    action guard() {
        meta.guarded = 1;
    }

    action allowed() { }

    // Ports whose sources are checked. Written by the service model: ports with
    // anti-spoofing.
    table guarded_ports {
        key = {
            meta.in_port: exact @name("port");
            meta.vid: exact @name("vlan");
        }
        actions = { guard; allowed; }
        const default_action = allowed();
        size = 4096;
    }

    action spoofed() {
        drop_because(Drop.SPOOFED);
        meta.done = 1;
    }

    // The sources that such a port may use; ARP counts as the address that it
    // speaks for, what is neither IPv4 nor IPv6 as the address 0.
    table sources {
        key = {
            meta.in_port: exact @name("port");
            meta.vid: exact @name("vlan");
            hdr.ethernet.src: exact @name("mac");
            meta.claimed: exact @name("address");
        }
        actions = { allowed; spoofed; }
        const default_action = spoofed();
        size = 65536;
    }

    apply {
        if (hdr.vxlan.isValid()) {
            // RFC 7348 section 5: the flag I says that the VNI counts.
            if (hdr.vxlan.flags & 8 == 0) {
                no_vni();
                return;
            }
            networks.apply();
            if (meta.done == 0) {
                tunnel_ends.apply();
            }
            meta.vid = 0;
            return;
        }
        interfaces.apply();
        if (meta.done == 1) {
            return;
        }
        guarded_ports.apply();
        if (meta.guarded == 1) {
            if (hdr.ipv4.isValid()) {
                meta.claimed = 96w0 ++ hdr.ipv4.src;
            } else if (hdr.ipv6.isValid()) {
                meta.claimed = hdr.ipv6.src;
            } else if (hdr.arp.isValid()) {
                meta.claimed = 96w0 ++ hdr.arp.sender;
            }
            sources.apply();
        }
    }
}

#endif
