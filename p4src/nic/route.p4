// SPDX-License-Identifier: Apache-2.0
//
// Routing by tenant: longest prefixes, weighted groups, next hops that are
// neighbours, tunnels, or stations of a bridge domain. @p4nic_bind says which
// tables take routes (proto/bindings.proto).

#ifndef NIC_ROUTE
#define NIC_ROUTE

#include "types.p4"

typedef bit<16> group_t;
typedef bit<16> bucket_t;
typedef bit<16> next_hop_t;

// Destination -> next hop.
control Route(inout headers_t hdr, inout meta_t meta, in nic_main_input_metadata_t istd) {

    DirectCounter<bit<64>>(PNA_CounterType_t.PACKETS_AND_BYTES) ipv4_route_counter;
    DirectCounter<bit<64>>(PNA_CounterType_t.PACKETS_AND_BYTES) ipv6_route_counter;
    Hash<bit<16>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) flow_hash;

    group_t    group = 0;
    bucket_t   bucket = 0;
    bucket_t   bucket_base = 0;
    bit<16>    bucket_count = 1;
    next_hop_t next_hop = 0;
    bit<1>     on_wire = 0; // the destination itself is the neighbour
    ipv4_t     gateway_v4 = 0;

    @p4nic_bind[is="drop"]
    action no_route() {
        drop_because(Drop.NO_ROUTE);
        meta.done = 1;
    }

    @p4nic_bind[is="host"]
    action host() {
        send_to_host();
        meta.done = 1;
    }

    @p4nic_bind[is="to_group"]
    action to_group(@p4nic_bind[is="group"] group_t id) {
        group = id;
    }

    // Routes of a tenant. An address of the router itself is a /32 with host.
    // Written by routemap: gRIBI, the configuration, the kernel's routes.
    @p4nic_bind[role="route_v4"]
    table ipv4_routes {
        key = {
            meta.tenant: exact @name("vrf") @p4nic_bind[is="vrf"];
            meta.dst_v4: lpm @name("prefix") @p4nic_bind[is="prefix"];
        }
        actions = { to_group; host; no_route; }
        default_action = no_route();
        pna_direct_counter = ipv4_route_counter;
        size = 1048576;
    }

    @p4nic_bind[role="route_v6"]
    table ipv6_routes {
        key = {
            meta.tenant: exact @name("vrf") @p4nic_bind[is="vrf"];
            hdr.ipv6.dst: lpm @name("prefix") @p4nic_bind[is="prefix"];
        }
        actions = { to_group; host; no_route; }
        default_action = no_route();
        pna_direct_counter = ipv6_route_counter;
        size = 262144;
    }

    @p4nic_bind[is="to_buckets"]
    action set_buckets(@p4nic_bind[is="bucket_base"] bucket_t base,
                       @p4nic_bind[is="bucket_count"] bit<16> count) {
        bucket_base = base;
        bucket_count = count;
    }

    @p4nic_bind[is="drop"]
    action no_next_hop() {
        drop_because(Drop.NO_NEXT_HOP);
        meta.done = 1;
    }

    // A group is a range of buckets: a change writes a new range, then one entry
    // here (D17).
    @p4nic_bind[role="group"]
    table next_hop_groups {
        key = { group: exact @name("group") @p4nic_bind[is="group"]; }
        actions = { set_buckets; no_next_hop; }
        const default_action = no_next_hop();
        size = 16384;
    }

    @p4nic_bind[is="to_next_hop"]
    action set_next_hop(@p4nic_bind[is="next_hop"] next_hop_t id) {
        next_hop = id;
    }

    @p4nic_bind[role="bucket"]
    table buckets {
        key = { bucket: exact @name("bucket") @p4nic_bind[is="bucket"]; }
        actions = { set_next_hop; no_next_hop; }
        const default_action = no_next_hop();
        size = 65535;
    }

    // The next hop is a router whose MAC address is known ...
    @p4nic_bind[is="via_v4"]
    action via(@p4nic_bind[is="port"] bit<32> port,
               @p4nic_bind[is="vlan"] vlan_t vlan,
               @p4nic_bind[is="gateway"] ipv4_t gateway) {
        meta.out_port = port;
        meta.out_vid = vlan;
        gateway_v4 = gateway;
    }

    // ... or the destination itself is on the wire ...
    @p4nic_bind[is="on_link"]
    action on_link(@p4nic_bind[is="port"] bit<32> port,
                   @p4nic_bind[is="vlan"] vlan_t vlan) {
        meta.out_port = port;
        meta.out_vid = vlan;
        on_wire = 1;
    }

    // ... or behind a tunnel's end, whose MAC address in that network is known.
    action through_tunnel(bit<32> port, tunnel_t tunnel, vni_t vni, mac_t mac) {
        meta.out_port = port;
        meta.out_tunnel = tunnel;
        meta.out_vni = vni;
        meta.next_mac = mac;
    }

    // ... or a station of a bridge domain.
    action in_domain(domain_t domain) {
        meta.out_domain = domain;
        on_wire = 1;
    }

    @p4nic_bind[role="next_hop"]
    table next_hops {
        key = { next_hop: exact @name("next_hop") @p4nic_bind[is="next_hop"]; }
        actions = { via; on_link; through_tunnel; in_domain; host; no_next_hop; }
        const default_action = no_next_hop();
        size = 16384;
    }

    @p4nic_bind[is="set_mac"]
    action set_neighbour(@p4nic_bind[is="mac"] mac_t mac) {
        meta.next_mac = mac;
    }

    // Neighbours on a port: address -> MAC. Unknown ones are the host's business,
    // which resolves them.
    @p4nic_bind[role="neighbour_v4"]
    table neighbours_v4 {
        key = {
            meta.out_port: exact @name("port") @p4nic_bind[is="port"];
            gateway_v4: exact @name("address") @p4nic_bind[is="address"];
        }
        actions = { set_neighbour; host; }
        const default_action = host();
        size = 65536;
    }

    @p4nic_bind[role="neighbour_v6"]
    table neighbours_v6 {
        key = {
            meta.out_port: exact @name("port") @p4nic_bind[is="port"];
            hdr.ipv6.dst: exact @name("address") @p4nic_bind[is="address"];
        }
        actions = { set_neighbour; host; }
        const default_action = host();
        size = 65536;
    }

    action unknown_station() {
        send_to_controller();
        meta.done = 1;
    }

    // Stations of a bridge domain: address -> MAC. Written by nicd from ARP and ND,
    // and by the service model.
    table stations_v4 {
        key = {
            meta.out_domain: exact @name("domain");
            meta.dst_v4: exact @name("address");
        }
        actions = { set_neighbour; unknown_station; }
        const default_action = unknown_station();
        size = 262144;
    }

    table stations_v6 {
        key = {
            meta.out_domain: exact @name("domain");
            hdr.ipv6.dst: exact @name("address");
        }
        actions = { set_neighbour; unknown_station; }
        const default_action = unknown_station();
        size = 262144;
    }

    apply {
        meta.out_port = 0;
        meta.out_tunnel = 0;
        meta.out_domain = 0;
        meta.out_vid = 0;
        if (hdr.ipv4.isValid()) {
            ipv4_routes.apply();
        } else {
            ipv6_routes.apply();
        }
        if (meta.done == 1) {
            return;
        }
        // dp:RO1: what would leave with none left is the host's, which says so.
        if (hdr.ipv4.isValid() && hdr.ipv4.ttl <= 1 || hdr.ipv6.isValid() && hdr.ipv6.hop_limit <= 1) {
            host();
            return;
        }
        next_hop_groups.apply();
        if (meta.done == 1) {
            return;
        }
        // dp:RO7: one flow, one path; every fragment of it too.
        bit<16> src_port = meta.src_port;
        bit<16> dst_port = meta.dst_port;
        if (meta.fragment == 1) {
            src_port = 0;
            dst_port = 0;
        }
        if (bucket_count > 1) {
            if (hdr.ipv4.isValid()) {
                bucket = flow_hash.get_hash(bucket_base, { hdr.ipv4.src, meta.dst_v4, meta.protocol, src_port, dst_port }, bucket_count);
            } else {
                bucket = flow_hash.get_hash(bucket_base, { hdr.ipv6.src, hdr.ipv6.dst, meta.protocol, src_port, dst_port }, bucket_count);
            }
        } else {
            bucket = bucket_base;
        }
        buckets.apply();
        if (meta.done == 1) {
            return;
        }
        next_hops.apply();
        if (meta.done == 1 || meta.out_tunnel != 0) {
            return;
        }
        if (on_wire == 1) {
            gateway_v4 = meta.dst_v4;
        }
        if (meta.out_domain != 0) {
            if (hdr.ipv4.isValid()) {
                stations_v4.apply();
            } else {
                stations_v6.apply();
            }
        } else if (hdr.ipv4.isValid() || on_wire == 0) {
            // An IPv6 route over an IPv4 gateway has an IPv4 neighbour (RFC 5549
            // the other way round).
            neighbours_v4.apply();
        } else {
            neighbours_v6.apply();
        }
    }
}

// The interface that a routed packet leaves by: its addresses, its tenant, the size
// of its packets; and the packet's own new addresses.
control Leave(inout headers_t hdr, inout meta_t meta, in nic_main_input_metadata_t istd) {

    action leave_by(mac_t mac, tenant_t tenant, bit<8> zone, bit<16> mtu) {
        meta.source_mac = mac;
        meta.out_tenant = tenant;
        meta.out_zone = zone;
        meta.mtu = mtu;
    }

    action no_interface() {
        drop_because(Drop.NO_INTERFACE);
        meta.done = 1;
    }

    // Written by the service model: routers.
    table out_interfaces {
        key = {
            meta.out_port: exact @name("port");
            meta.out_vid: exact @name("vlan");
            meta.out_domain: exact @name("domain");
            meta.out_vni: exact @name("vni");
        }
        actions = { leave_by; no_interface; }
        const default_action = no_interface();
        size = 16384;
    }

    apply {
        out_interfaces.apply();
    }
}

// The rewriting that every routed packet gets.
control Forward(inout headers_t hdr, inout meta_t meta) {
    InternetChecksum() sum;
    InternetChecksum() outer_sum;

    apply {
        hdr.ethernet.src = meta.source_mac;
        hdr.ethernet.dst = meta.next_mac;
        if (hdr.ipv4.isValid()) {
            // RFC 1624: the checksum follows the change.
            sum.clear();
            sum.set_state(~hdr.ipv4.checksum);
            sum.subtract({ hdr.ipv4.ttl, hdr.ipv4.protocol });
            hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
            sum.add({ hdr.ipv4.ttl, hdr.ipv4.protocol });
            hdr.ipv4.checksum = sum.get();
        } else {
            hdr.ipv6.hop_limit = hdr.ipv6.hop_limit - 1;
        }
        meta.routed = 1;
        // RFC 2003, for balancing by direct return: TTL and addresses of its own, the
        // type of service of the packet.
        if (meta.backend != 0) {
            hdr.ipip.setValid();
            hdr.ipip.version_ihl = 0x45;
            hdr.ipip.tos = hdr.ipv4.tos;
            hdr.ipip.length = hdr.ipv4.length + 20;
            hdr.ipip.id = 0;
            hdr.ipip.fragment = 0x4000;
            hdr.ipip.ttl = 64;
            hdr.ipip.protocol = PROTO_IPIP;
            hdr.ipip.src = hdr.ipv4.dst;
            hdr.ipip.dst = meta.backend;
            outer_sum.clear();
            outer_sum.add({ hdr.ipip.version_ihl, hdr.ipip.tos, hdr.ipip.length, hdr.ipip.id, hdr.ipip.fragment,
                hdr.ipip.ttl, hdr.ipip.protocol, hdr.ipip.src, hdr.ipip.dst });
            hdr.ipip.checksum = outer_sum.get();
            meta.length = meta.length + 20;
        }
    }
}

#endif
