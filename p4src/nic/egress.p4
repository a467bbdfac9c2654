// SPDX-License-Identifier: Apache-2.0
//
// What each copy gets on its way out: split horizon, the tag of its port, the outer
// headers of its tunnel.

#ifndef NIC_EGRESS
#define NIC_EGRESS

#include "types.p4"

control NicEgress(inout headers_t hdr, inout meta_t meta, in nic_egress_input_metadata_t istd) {

    InternetChecksum() outer_sum;

    action tag(vlan_t vid) {
        meta.out_vid = vid;
    }

    action untagged() {
        meta.out_vid = 0;
    }

    // How a bridge domain leaves a port. Written by the service model: bridges.
    table domain_tags {
        key = {
            istd.egress_port: exact @name("port");
            meta.out_domain: exact @name("domain");
        }
        actions = { tag; untagged; }
        const default_action = untagged();
        size = 16384;
    }

    action encapsulate(vni_t vni) {
        meta.out_vni = vni;
    }

    action no_network() {
        drop_because(Drop.NO_VNI);
    }

    // Bridge domain -> network of its tunnels. Written by the service model.
    table domain_networks {
        key = { meta.out_domain: exact @name("domain"); }
        actions = { encapsulate; no_network; }
        const default_action = no_network();
        size = 4096;
    }

    action outer(ipv4_t local, ipv4_t remote, mac_t source, mac_t next) {
        hdr.outer_ethernet.setValid();
        hdr.outer_ethernet.src = source;
        hdr.outer_ethernet.dst = next;
        hdr.outer_ethernet.type = TYPE_IPV4;
        hdr.outer_ipv4.setValid();
        hdr.outer_ipv4.src = local;
        hdr.outer_ipv4.dst = remote;
    }

    action no_tunnel() {
        drop_because(Drop.NO_VNI);
    }

    // A tunnel's end -> how to reach it. Written by the service model: tunnels.
    table tunnels {
        key = { meta.out_tunnel: exact @name("tunnel"); }
        actions = { outer; no_tunnel; }
        const default_action = no_tunnel();
        size = 4096;
    }

    // RFC 7348 section 5, with the flow's entropy in the source port and, as RFC 6040
    // has it, the inner ECN and DSCP outside.
    action vxlan_headers() {
        bit<16> inner = (bit<16>) meta.length;
        hdr.outer_ipv4.version_ihl = 0x45;
        hdr.outer_ipv4.length = inner + 36;
        hdr.outer_ipv4.id = 0;
        hdr.outer_ipv4.fragment = 0x4000; // do not fragment
        hdr.outer_ipv4.ttl = 64;
        hdr.outer_ipv4.protocol = PROTO_UDP;
        hdr.outer_udp.setValid();
        hdr.outer_udp.dst = PORT_VXLAN;
        hdr.outer_udp.length = inner + 16;
        hdr.outer_udp.checksum = 0;
        hdr.vxlan.setValid();
        hdr.vxlan.flags = 8;
        hdr.vxlan.reserved = 0;
        hdr.vxlan.vni = meta.out_vni;
        hdr.vxlan.reserved2 = 0;
    }

    Hash<bit<16>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) entropy;

    apply {
        // Copies for watchers, the host and the controller are as they came in.
        if (istd.path != NicPath_t.UNICAST && istd.path != NicPath_t.MULTICAST) {
            return;
        }
        bool tunnelled = hdr.vxlan.isValid();
        if (istd.path == NicPath_t.MULTICAST) {
            meta.out_tunnel = (tunnel_t)(MulticastInstanceUint_t) istd.instance;
            // Never back to where it came from, and never from tunnel to tunnel
            // (dp:BR1, TU11).
            if (meta.routed == 0 && (tunnelled && meta.out_tunnel != 0 ||
                !tunnelled && meta.out_tunnel == 0 && istd.egress_port == istd.input_port)) {
                drop_because(Drop.SPLIT_HORIZON);
                return;
            }
        }
        // What came in a tunnel leaves it; the length of the frame follows.
        if (tunnelled) {
            hdr.outer_ethernet.setInvalid();
            hdr.outer_ipv4.setInvalid();
            hdr.outer_udp.setInvalid();
            hdr.vxlan.setInvalid();
        }
        // A routed packet that leaves by no bridge domain knows its tag or network.
        if (meta.out_domain != 0) {
            if (meta.out_tunnel != 0) {
                domain_networks.apply();
            } else {
                domain_tags.apply();
            }
        }
        if (hdr.vlan.isValid() && meta.out_vid == 0) {
            hdr.ethernet.type = hdr.vlan.type;
            hdr.vlan.setInvalid();
            meta.length = meta.length - 4;
        } else if (!hdr.vlan.isValid() && meta.out_vid != 0) {
            hdr.vlan.setValid();
            hdr.vlan.pcp = 0;
            hdr.vlan.dei = 0;
            hdr.vlan.type = hdr.ethernet.type;
            hdr.ethernet.type = TYPE_VLAN;
            meta.length = meta.length + 4;
        }
        if (meta.out_vid != 0) {
            hdr.vlan.vid = meta.out_vid;
        }
        if (meta.out_tunnel != 0) {
            tunnels.apply();
            if (hdr.outer_ipv4.isValid()) {
                vxlan_headers();
                bit<16> port = entropy.get_hash({ hdr.ethernet.src, hdr.ethernet.dst, hdr.ipv4.src, hdr.ipv4.dst,
                    hdr.ipv6.src, hdr.ipv6.dst, meta.protocol, meta.src_port, meta.dst_port });
                hdr.outer_udp.src = port | 0xc000;
                if (hdr.ipv4.isValid()) {
                    hdr.outer_ipv4.tos = hdr.ipv4.tos;
                } else if (hdr.ipv6.isValid()) {
                    hdr.outer_ipv4.tos = hdr.ipv6.version_class_label[27:20];
                } else {
                    hdr.outer_ipv4.tos = 0;
                }
                outer_sum.clear();
                outer_sum.add({ hdr.outer_ipv4.version_ihl, hdr.outer_ipv4.tos, hdr.outer_ipv4.length, hdr.outer_ipv4.id,
                    hdr.outer_ipv4.fragment, hdr.outer_ipv4.ttl, hdr.outer_ipv4.protocol, hdr.outer_ipv4.src, hdr.outer_ipv4.dst });
                hdr.outer_ipv4.checksum = outer_sum.get();
            }
        }
    }
}

#endif
