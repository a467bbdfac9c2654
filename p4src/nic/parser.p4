// SPDX-License-Identifier: Apache-2.0
//
// The parser and the deparser of the NIC. VXLAN for one of our own addresses (the
// value set vteps, of which nicd holds the members) is taken apart here: its outer
// headers are outer_*, so that everything behind reads one set of headers.

#ifndef NIC_PARSER
#define NIC_PARSER

#include "types.p4"

// Enough of an IPv4 packet to tell a tunnel's.
header peek_ipv4_h {
    bit<112> ethernet;
    bit<8>  version_ihl;
    bit<40> up_to_id;
    bit<16> fragment;
    bit<8>  ttl;
    bit<8>  protocol;
    bit<48> up_to_src;
    ipv4_t  dst;
}

parser NicParser(packet_in packet,
                 out headers_t hdr,
                 inout meta_t meta,
                 in pna_main_parser_input_metadata_t istd) {
    value_set<ipv4_t>(16) vteps;

    state start {
        meta.in_port = (PortIdUint_t) istd.input_port;
        ethernet_h ethernet = packet.lookahead<ethernet_h>();
        transition select(ethernet.type) {
            TYPE_IPV4: peek_ipv4;
            default: parse_ethernet;
        }
    }

    state peek_ipv4 {
        peek_ipv4_h peek = packet.lookahead<peek_ipv4_h>();
        transition select(peek.version_ihl, peek.fragment & 0x3fff, peek.protocol) {
            (0x45, 0, PROTO_UDP): peek_address;
            default: parse_ethernet;
        }
    }

    state peek_address {
        transition select(packet.lookahead<peek_ipv4_h>().dst) {
            vteps: peek_udp;
            default: parse_ethernet;
        }
    }

    state peek_udp {
        bit<304> peek = packet.lookahead<bit<304>>(); // to the end of the UDP ports
        transition select(peek[15:0]) {
            PORT_VXLAN: parse_tunnel;
            default: parse_ethernet;
        }
    }

    state parse_tunnel {
        packet.extract(hdr.outer_ethernet);
        packet.extract(hdr.outer_ipv4);
        packet.extract(hdr.outer_udp);
        packet.extract(hdr.vxlan);
        transition parse_ethernet;
    }

    state parse_ethernet {
        packet.extract(hdr.ethernet);
        meta.type = hdr.ethernet.type;
        transition select(hdr.ethernet.type) {
            TYPE_VLAN: parse_vlan;
            TYPE_IPV4: parse_ipv4;
            TYPE_IPV6: parse_ipv6;
            TYPE_ARP: parse_arp;
            default: accept;
        }
    }

    state parse_vlan {
        packet.extract(hdr.vlan);
        meta.vid = hdr.vlan.vid;
        meta.type = hdr.vlan.type;
        transition select(hdr.vlan.type) {
            TYPE_IPV4: parse_ipv4;
            TYPE_IPV6: parse_ipv6;
            TYPE_ARP: parse_arp;
            default: accept;
        }
    }

    state parse_arp {
        packet.extract(hdr.arp);
        transition accept;
    }

    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        meta.protocol = hdr.ipv4.protocol;
        meta.fragment = (bit<1>)(hdr.ipv4.fragment & 0x3fff != 0);
        meta.later = (bit<1>)(hdr.ipv4.fragment & 0x1fff != 0);
        // Ports are read where there are no options before them.
        transition select(hdr.ipv4.version_ihl, hdr.ipv4.fragment & 0x1fff, hdr.ipv4.protocol) {
            (0x45, 0, PROTO_TCP): parse_tcp;
            (0x45, 0, PROTO_UDP): parse_udp;
            (0x45, 0, PROTO_ICMP): parse_icmp;
            default: accept;
        }
    }

    state parse_ipv6 {
        packet.extract(hdr.ipv6);
        meta.protocol = hdr.ipv6.next_header;
        transition select(hdr.ipv6.next_header) {
            PROTO_TCP: parse_tcp;
            PROTO_UDP: parse_udp;
            PROTO_ICMPV6: parse_icmp;
            default: accept;
        }
    }

    state parse_tcp {
        packet.extract(hdr.tcp);
        meta.src_port = hdr.tcp.src;
        meta.dst_port = hdr.tcp.dst;
        transition accept;
    }

    state parse_udp {
        packet.extract(hdr.udp);
        meta.src_port = hdr.udp.src;
        meta.dst_port = hdr.udp.dst;
        transition accept;
    }

    // RFC 792: echo and its answer have an id; destination unreachable, time
    // exceeded and parameter problem quote the packet that they are about.
    state parse_icmp {
        packet.extract(hdr.icmp);
        transition select(hdr.ipv4.isValid(), hdr.icmp.type) {
            (true, 0): parse_echo;
            (true, 8): parse_echo;
            (true, 3): parse_quoted;
            (true, 11): parse_quoted;
            (true, 12): parse_quoted;
            (false, 128): parse_echo;
            (false, 129): parse_echo;
            default: accept;
        }
    }

    state parse_echo {
        meta.src_port = hdr.icmp.id;
        meta.dst_port = hdr.icmp.id;
        transition accept;
    }

    state parse_quoted {
        packet.extract(hdr.quoted_ipv4);
        meta.quotes = 1;
        transition select(hdr.quoted_ipv4.version_ihl, hdr.quoted_ipv4.fragment & 0x1fff) {
            (0x45, 0): parse_quoted_ports;
            default: accept;
        }
    }

    state parse_quoted_ports {
        packet.extract(hdr.quoted);
        transition accept;
    }
}

control NicDeparser(packet_out packet, inout headers_t hdr, in meta_t meta) {
    apply {
        packet.emit(hdr);
    }
}

#endif
