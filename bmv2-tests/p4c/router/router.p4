// SPDX-License-Identifier: Apache-2.0
//
// router.p4: an IPv4 and IPv6 router with 802.1Q interfaces, an access list and
// weighted next-hop groups, for v1model.
//
// A packet's way:
//
//   interfaces (port, VLAN) -> not for the router's MAC: host or drop
//   ARP, ND, multicast, link-local -> host; impossible addresses -> drop
//   acl / acl6; IPv4 options, hop-by-hop options -> host
//   ipv4_routes / ipv6_routes; TTL expired -> host -> next_hop_groups -> buckets
//   -> next_hops -> neighbours_v4 / neighbours_v6 -> egress_interfaces
//
// "Host" is port 509: the network stack of the netdev the packet came in on. It
// answers ARP and ND, sends ICMP errors and runs the routing protocols.
//
// @p4nic_bind says which tables take routes (proto/bindings.proto): they are
// routemap's once the configuration names a network instance.
//
// With -D ROUTED_DSCP=N every routed packet leaves with that DSCP.

#include <core.p4>
#include <v1model.p4>

const bit<16> TYPE_IPV4 = 0x0800;
const bit<16> TYPE_VLAN = 0x8100;
const bit<16> TYPE_IPV6 = 0x86dd;

const bit<8> PROTO_TCP    = 6;
const bit<8> PROTO_UDP    = 17;
const bit<8> PROTO_ICMPV6 = 58;

const bit<9> PORT_HOST = 509;

typedef bit<9>   port_t;
typedef bit<12>  vlan_t;
typedef bit<48>  mac_t;
typedef bit<32>  ipv4_t;
typedef bit<128> ipv6_t;
typedef bit<16>  vrf_t;
typedef bit<16>  group_t;
typedef bit<16>  bucket_t;
typedef bit<16>  next_hop_t;

header ethernet_h {
    mac_t   dst_addr;
    mac_t   src_addr;
    bit<16> ether_type;
}

header vlan_h {
    bit<3>  pcp;
    bit<1>  dei;
    vlan_t  vid;
    bit<16> ether_type;
}

header ipv4_h {
    bit<4>  version;
    bit<4>  ihl;
    bit<8>  diffserv;
    bit<16> total_len;
    bit<16> identification;
    bit<3>  flags;
    bit<13> frag_offset;
    bit<8>  ttl;
    bit<8>  protocol;
    bit<16> checksum;
    ipv4_t  src_addr;
    ipv4_t  dst_addr;
}

header ipv6_h {
    bit<4>  version;
    bit<8>  traffic_class;
    bit<20> flow_label;
    bit<16> payload_len;
    bit<8>  next_header;
    bit<8>  hop_limit;
    ipv6_t  src_addr;
    ipv6_t  dst_addr;
}

// The first four bytes of TCP and UDP.
header l4_ports_h {
    bit<16> src_port;
    bit<16> dst_port;
}

// The first two bytes of ICMPv6.
header icmpv6_h {
    bit<8> type;
    bit<8> code;
}

struct headers_t {
    ethernet_h ethernet;
    vlan_h     vlan;
    ipv4_h     ipv4;
    ipv6_h     ipv6;
    l4_ports_h l4;
    icmpv6_h   icmpv6;
}

struct meta_t {
    bit<16>    ether_type;  // of the packet inside the VLAN tag
    vlan_t     vid;         // of the ingress interface, 0 = untagged
    mac_t      router_mac;  // of the ingress interface
    vrf_t      vrf;
    bit<1>     routed;      // the packet leaves through next_hops
    bit<1>     denied;
    bit<1>     connected;   // the destination itself is the neighbour
    group_t    group;
    bucket_t   bucket;
    bucket_t   bucket_base;
    bit<16>    bucket_count;
    next_hop_t next_hop;
    port_t     out_port;
    vlan_t     out_vid;
    ipv4_t     gateway_v4;
    ipv6_t     gateway_v6;
    bit<1>     gateway_is_v6;
    bit<8>     protocol;
    bit<16>    src_port;
    bit<16>    dst_port;
}

parser RouterParser(packet_in packet,
                    out headers_t hdr,
                    inout meta_t meta,
                    inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        meta.ether_type = hdr.ethernet.ether_type;
        transition select(hdr.ethernet.ether_type) {
            TYPE_VLAN: parse_vlan;
            TYPE_IPV4: parse_ipv4;
            TYPE_IPV6: parse_ipv6;
            default: accept;
        }
    }

    state parse_vlan {
        packet.extract(hdr.vlan);
        meta.vid = hdr.vlan.vid;
        meta.ether_type = hdr.vlan.ether_type;
        transition select(hdr.vlan.ether_type) {
            TYPE_IPV4: parse_ipv4;
            TYPE_IPV6: parse_ipv6;
            default: accept;
        }
    }

    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        meta.protocol = hdr.ipv4.protocol;
        // Ports are read from whole packets and first fragments without options.
        transition select(hdr.ipv4.ihl, hdr.ipv4.frag_offset, hdr.ipv4.protocol) {
            (5, 0, PROTO_TCP): parse_l4;
            (5, 0, PROTO_UDP): parse_l4;
            default: accept;
        }
    }

    state parse_ipv6 {
        packet.extract(hdr.ipv6);
        meta.protocol = hdr.ipv6.next_header;
        transition select(hdr.ipv6.next_header) {
            PROTO_TCP: parse_l4;
            PROTO_UDP: parse_l4;
            PROTO_ICMPV6: parse_icmpv6;
            default: accept;
        }
    }

    state parse_l4 {
        packet.extract(hdr.l4);
        meta.src_port = hdr.l4.src_port;
        meta.dst_port = hdr.l4.dst_port;
        transition accept;
    }

    state parse_icmpv6 {
        packet.extract(hdr.icmpv6);
        transition accept;
    }
}

control RouterVerifyChecksum(inout headers_t hdr, inout meta_t meta) {
    apply {
        verify_checksum(hdr.ipv4.isValid() && hdr.ipv4.ihl == 5,
            { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.diffserv,
              hdr.ipv4.total_len, hdr.ipv4.identification,
              hdr.ipv4.flags, hdr.ipv4.frag_offset,
              hdr.ipv4.ttl, hdr.ipv4.protocol,
              hdr.ipv4.src_addr, hdr.ipv4.dst_addr },
            hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}

control RouterIngress(inout headers_t hdr,
                      inout meta_t meta,
                      inout standard_metadata_t standard_metadata) {

    direct_counter(CounterType.packets_and_bytes) acl_counter;
    direct_counter(CounterType.packets_and_bytes) acl6_counter;
    direct_counter(CounterType.packets_and_bytes) ipv4_route_counter;
    direct_counter(CounterType.packets_and_bytes) ipv6_route_counter;

    @p4nic_bind[is="drop"]
    action drop() {
        mark_to_drop(standard_metadata);
        meta.routed = 0;
    }

    @p4nic_bind[is="host"]
    action to_host() {
        standard_metadata.egress_spec = PORT_HOST;
        meta.routed = 0;
    }

    // The packet came in on a router interface of this tenant with this MAC.
    action set_interface(vrf_t vrf, mac_t mac) {
        meta.vrf = vrf;
        meta.router_mac = mac;
    }

    // Router interfaces: (port, VLAN), 0 = untagged. Written by the operator.
    // What is on none of them belongs to the host.
    table interfaces {
        key = {
            standard_metadata.ingress_port: exact @name("port");
            meta.vid: exact @name("vlan");
        }
        actions = { set_interface; to_host; drop; }
        const default_action = to_host();
        size = 1024;
    }

    action permit() { }

    action deny() {
        meta.denied = 1;
    }

    // Access list for IPv4, first match by priority. Written by the operator.
    table acl {
        key = {
            standard_metadata.ingress_port: optional @name("port");
            hdr.ipv4.src_addr: ternary @name("src");
            hdr.ipv4.dst_addr: ternary @name("dst");
            meta.protocol: ternary @name("protocol");
            meta.src_port: range @name("src_port");
            meta.dst_port: range @name("dst_port");
        }
        actions = { permit; deny; }
        default_action = permit();
        counters = acl_counter;
        size = 512;
    }

    // The same for IPv6.
    table acl6 {
        key = {
            standard_metadata.ingress_port: optional @name("port");
            hdr.ipv6.src_addr: ternary @name("src");
            hdr.ipv6.dst_addr: ternary @name("dst");
            meta.protocol: ternary @name("protocol");
            meta.src_port: range @name("src_port");
            meta.dst_port: range @name("dst_port");
        }
        actions = { permit; deny; }
        default_action = permit();
        counters = acl6_counter;
        size = 512;
    }

    @p4nic_bind[is="to_group"]
    action set_group(@p4nic_bind[is="group"] group_t group) {
        meta.group = group;
        meta.routed = 1;
    }

    // Routes of a tenant. An address of the router itself is a /32 with to_host.
    @p4nic_bind[role="route_v4"]
    table ipv4_routes {
        key = {
            meta.vrf: exact @name("vrf") @p4nic_bind[is="vrf"];
            hdr.ipv4.dst_addr: lpm @name("prefix") @p4nic_bind[is="prefix"];
        }
        actions = { set_group; to_host; drop; }
        default_action = drop();
        counters = ipv4_route_counter;
        size = 524288;
    }

    @p4nic_bind[role="route_v6"]
    table ipv6_routes {
        key = {
            meta.vrf: exact @name("vrf") @p4nic_bind[is="vrf"];
            hdr.ipv6.dst_addr: lpm @name("prefix") @p4nic_bind[is="prefix"];
        }
        actions = { set_group; to_host; drop; }
        default_action = drop();
        counters = ipv6_route_counter;
        size = 262144;
    }

    @p4nic_bind[is="to_buckets"]
    action set_buckets(@p4nic_bind[is="bucket_base"] bucket_t base,
                       @p4nic_bind[is="bucket_count"] bit<16> count) {
        meta.bucket_base = base;
        meta.bucket_count = count;
    }

    // A group is a range of buckets: a change writes a new range, then one entry
    // here. Weights are numbers of buckets.
    @p4nic_bind[role="group"]
    table next_hop_groups {
        key = { meta.group: exact @name("group") @p4nic_bind[is="group"]; }
        actions = { set_buckets; drop; }
        const default_action = drop();
        size = 16384;
    }

    @p4nic_bind[is="to_next_hop"]
    action set_next_hop(@p4nic_bind[is="next_hop"] next_hop_t next_hop) {
        meta.next_hop = next_hop;
    }

    @p4nic_bind[role="bucket"]
    table buckets {
        key = { meta.bucket: exact @name("bucket") @p4nic_bind[is="bucket"]; }
        actions = { set_next_hop; drop; }
        const default_action = drop();
        size = 65535;
    }

    // The next hop is a router with this IPv4 or IPv6 address ...
    @p4nic_bind[is="via_v4"]
    action via_v4(@p4nic_bind[is="port"] port_t port,
                  @p4nic_bind[is="vlan"] vlan_t vlan,
                  @p4nic_bind[is="gateway"] ipv4_t gateway) {
        meta.out_port = port;
        meta.out_vid = vlan;
        meta.gateway_v4 = gateway;
        meta.gateway_is_v6 = 0;
    }

    @p4nic_bind[is="via_v6"]
    action via_v6(@p4nic_bind[is="port"] port_t port,
                  @p4nic_bind[is="vlan"] vlan_t vlan,
                  @p4nic_bind[is="gateway"] ipv6_t gateway) {
        meta.out_port = port;
        meta.out_vid = vlan;
        meta.gateway_v6 = gateway;
        meta.gateway_is_v6 = 1;
    }

    // ... or the destination itself is on the link.
    @p4nic_bind[is="on_link"]
    action on_link(@p4nic_bind[is="port"] port_t port,
                   @p4nic_bind[is="vlan"] vlan_t vlan) {
        meta.out_port = port;
        meta.out_vid = vlan;
        meta.connected = 1;
    }

    @p4nic_bind[role="next_hop"]
    table next_hops {
        key = { meta.next_hop: exact @name("next_hop") @p4nic_bind[is="next_hop"]; }
        actions = { via_v4; via_v6; on_link; to_host; drop; }
        const default_action = drop();
        size = 16384;
    }

    @p4nic_bind[is="set_mac"]
    action set_neighbour(@p4nic_bind[is="mac"] mac_t mac) {
        hdr.ethernet.dst_addr = mac;
        standard_metadata.egress_spec = meta.out_port;
    }

    // Neighbours: address on a port -> MAC. Unknown ones are the host's business,
    // which resolves them.
    @p4nic_bind[role="neighbour_v4"]
    table neighbours_v4 {
        key = {
            meta.out_port: exact @name("port") @p4nic_bind[is="port"];
            meta.gateway_v4: exact @name("address") @p4nic_bind[is="address"];
        }
        actions = { set_neighbour; to_host; drop; }
        const default_action = to_host();
        size = 16384;
    }

    @p4nic_bind[role="neighbour_v6"]
    table neighbours_v6 {
        key = {
            meta.out_port: exact @name("port") @p4nic_bind[is="port"];
            meta.gateway_v6: exact @name("address") @p4nic_bind[is="address"];
        }
        actions = { set_neighbour; to_host; drop; }
        const default_action = to_host();
        size = 16384;
    }

    apply {
        // A frame too short for its own headers, or a bad IPv4 header checksum.
        if (standard_metadata.parser_error != error.NoError ||
            standard_metadata.checksum_error == 1) {
            drop();
            return;
        }
        switch (interfaces.apply().action_run) {
            to_host: { return; }
            drop: { return; }
            default: { }
        }

        if (hdr.ethernet.dst_addr != meta.router_mac) {
            // Broadcast and multicast (ARP, ND, routing protocols) are for the
            // host; frames for other stations are nobody's.
            if (hdr.ethernet.dst_addr[40:40] == 1) {
                to_host();
            } else {
                drop();
            }
            return;
        }

        if (hdr.ipv4.isValid()) {
            // RFC 1812 section 5.2.2: version, header length, total length.
            if (hdr.ipv4.version != 4 || hdr.ipv4.ihl < 5 || hdr.ipv4.total_len < 20) {
                drop();
                return;
            }
            bit<32> frame_len = 14 + (bit<32>) hdr.ipv4.total_len;
            if (hdr.vlan.isValid()) {
                frame_len = frame_len + 4;
            }
            if (frame_len > standard_metadata.packet_length) {
                drop();
                return;
            }
            // Multicast and limited broadcast are the host's.
            if (hdr.ipv4.dst_addr[31:28] == 0xe || hdr.ipv4.dst_addr == 0xffffffff) {
                to_host();
                return;
            }
            // RFC 1812 section 5.3.7: addresses that no packet on a wire has.
            if (hdr.ipv4.src_addr[31:24] == 0 || hdr.ipv4.src_addr[31:24] == 127 ||
                hdr.ipv4.src_addr[31:28] == 0xe || hdr.ipv4.src_addr == 0xffffffff ||
                hdr.ipv4.dst_addr[31:24] == 0 || hdr.ipv4.dst_addr[31:24] == 127) {
                drop();
                return;
            }
            acl.apply();
            if (meta.denied == 1) {
                drop();
                return;
            }
            // Options, whose checksum is not verified here, are the host's.
            if (hdr.ipv4.ihl != 5) {
                to_host();
                return;
            }
            ipv4_routes.apply();
            if (meta.routed == 0) {
                return;
            }
            if (hdr.ipv4.ttl <= 1) {
                to_host();
                return;
            }
        } else if (hdr.ipv6.isValid()) {
            if (hdr.ipv6.version != 6) {
                drop();
                return;
            }
            bit<32> frame_len = 54 + (bit<32>) hdr.ipv6.payload_len;
            if (hdr.vlan.isValid()) {
                frame_len = frame_len + 4;
            }
            if (frame_len > standard_metadata.packet_length) {
                drop();
                return;
            }
            // Multicast, link-local destinations, ND.
            if (hdr.ipv6.dst_addr[127:120] == 0xff ||
                hdr.ipv6.dst_addr[127:118] == 0x3fa ||
                (hdr.icmpv6.isValid() && hdr.icmpv6.type >= 133 && hdr.icmpv6.type <= 137)) {
                to_host();
                return;
            }
            // RFC 4291 section 2: multicast sources, and :: and ::1 (127 zeros).
            if (hdr.ipv6.src_addr[127:120] == 0xff || hdr.ipv6.src_addr[127:1] == 0 ||
                hdr.ipv6.dst_addr[127:1] == 0) {
                drop();
                return;
            }
            acl6.apply();
            if (meta.denied == 1) {
                drop();
                return;
            }
            // Hop-by-hop options.
            if (hdr.ipv6.next_header == 0) {
                to_host();
                return;
            }
            ipv6_routes.apply();
            if (meta.routed == 0) {
                return;
            }
            // Link-local sources reach the router and no further (RFC 4291
            // section 2.5.6); the host says so to them.
            if (hdr.ipv6.hop_limit <= 1 || hdr.ipv6.src_addr[127:118] == 0x3fa) {
                to_host();
                return;
            }
        } else {
            // ARP for our MAC (a unicast probe), and everything that is not IP.
            to_host();
            return;
        }

        next_hop_groups.apply();
        if (meta.routed == 0) {
            return;
        }
        // One flow, one path; fragments, the first too, hash on addresses and
        // protocol only.
        if (hdr.ipv4.isValid()) {
            if (hdr.ipv4.flags[0:0] == 1) {
                meta.src_port = 0;
                meta.dst_port = 0;
            }
            hash(meta.bucket, HashAlgorithm.crc16, meta.bucket_base,
                { hdr.ipv4.src_addr, hdr.ipv4.dst_addr, hdr.ipv4.protocol,
                  meta.src_port, meta.dst_port },
                meta.bucket_count);
        } else {
            hash(meta.bucket, HashAlgorithm.crc16, meta.bucket_base,
                { hdr.ipv6.src_addr, hdr.ipv6.dst_addr, hdr.ipv6.next_header,
                  meta.src_port, meta.dst_port },
                meta.bucket_count);
        }
        buckets.apply();
        if (meta.routed == 0) {
            return;
        }
        next_hops.apply();
        if (meta.routed == 0) {
            return;
        }
        if (meta.connected == 1) {
            meta.gateway_v4 = hdr.ipv4.dst_addr;
            meta.gateway_v6 = hdr.ipv6.dst_addr;
            if (hdr.ipv6.isValid()) {
                meta.gateway_is_v6 = 1;
            }
        }
        if (meta.gateway_is_v6 == 1) {
            neighbours_v6.apply();
        } else {
            neighbours_v4.apply();
        }
    }
}

control RouterEgress(inout headers_t hdr,
                     inout meta_t meta,
                     inout standard_metadata_t standard_metadata) {

    action drop() {
        mark_to_drop(standard_metadata);
        meta.routed = 0;
    }

    action set_source(mac_t mac) {
        hdr.ethernet.src_addr = mac;
    }

    // The router's own MAC on the egress interface (port, VLAN).
    table egress_interfaces {
        key = {
            standard_metadata.egress_port: exact @name("port");
            meta.out_vid: exact @name("vlan");
        }
        actions = { set_source; drop; }
        const default_action = drop();
        size = 1024;
    }

    apply {
        if (meta.routed == 1) {
            egress_interfaces.apply();
        }
        if (meta.routed == 1) {
            if (hdr.ipv4.isValid()) {
                hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
            } else {
                hdr.ipv6.hop_limit = hdr.ipv6.hop_limit - 1;
            }
#ifdef ROUTED_DSCP
            // Marks what this router forwarded (RFC 2474).
            if (hdr.ipv4.isValid()) {
                hdr.ipv4.diffserv[7:2] = ROUTED_DSCP;
            } else {
                hdr.ipv6.traffic_class[7:2] = ROUTED_DSCP;
            }
#endif
            if (meta.out_vid != 0) {
                if (!hdr.vlan.isValid()) {
                    hdr.vlan.setValid();
                    hdr.ethernet.ether_type = TYPE_VLAN;
                    hdr.vlan.ether_type = meta.ether_type;
                }
                hdr.vlan.vid = meta.out_vid;
            } else if (hdr.vlan.isValid()) {
                hdr.vlan.setInvalid();
                hdr.ethernet.ether_type = meta.ether_type;
            }
        }
    }
}

control RouterComputeChecksum(inout headers_t hdr, inout meta_t meta) {
    apply {
        update_checksum(hdr.ipv4.isValid() && meta.routed == 1,
            { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.diffserv,
              hdr.ipv4.total_len, hdr.ipv4.identification,
              hdr.ipv4.flags, hdr.ipv4.frag_offset,
              hdr.ipv4.ttl, hdr.ipv4.protocol,
              hdr.ipv4.src_addr, hdr.ipv4.dst_addr },
            hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}

control RouterDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.vlan);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.ipv6);
        packet.emit(hdr.l4);
        packet.emit(hdr.icmpv6);
    }
}

V1Switch(RouterParser(),
         RouterVerifyChecksum(),
         RouterIngress(),
         RouterEgress(),
         RouterComputeChecksum(),
         RouterDeparser()) main;
