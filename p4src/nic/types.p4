// SPDX-License-Identifier: Apache-2.0
//
// What all functions of the NIC share: headers, metadata, reasons for drops,
// profiles of timers.

#ifndef NIC_TYPES
#define NIC_TYPES

#include <core.p4>
#include <p4nic.p4>

typedef bit<12>  vlan_t;
typedef bit<48>  mac_t;
typedef bit<32>  ipv4_t;
typedef bit<128> ipv6_t;
typedef bit<16>  tenant_t; // network instance, VRF
typedef bit<16>  domain_t; // bridge domain
typedef bit<16>  tunnel_t; // remote tunnel end point, 0 = none
typedef bit<24>  vni_t;

const bit<16> TYPE_IPV4 = 0x0800;
const bit<16> TYPE_ARP  = 0x0806;
const bit<16> TYPE_VLAN = 0x8100;
const bit<16> TYPE_IPV6 = 0x86dd;

const bit<8> PROTO_ICMP   = 1;
const bit<8> PROTO_IPIP   = 4;
const bit<8> PROTO_TCP    = 6;
const bit<8> PROTO_UDP    = 17;
const bit<8> PROTO_ICMPV6 = 58;

const bit<16> PORT_VXLAN = 4789; // RFC 7348 section 5

// Profiles of timers: what nicd gives expire times to. 0 never expires.
const ExpireTimeProfileId_t TIMER_MAC         = (ExpireTimeProfileId_t) 1;
const ExpireTimeProfileId_t TIMER_TRANSITORY  = (ExpireTimeProfileId_t) 2; // TCP opening and closing
const ExpireTimeProfileId_t TIMER_ESTABLISHED = (ExpireTimeProfileId_t) 3; // TCP
const ExpireTimeProfileId_t TIMER_SINGLE      = (ExpireTimeProfileId_t) 4; // UDP and others, one side has spoken
const ExpireTimeProfileId_t TIMER_STREAM      = (ExpireTimeProfileId_t) 5; // both have
const ExpireTimeProfileId_t TIMER_ICMP        = (ExpireTimeProfileId_t) 6;

// Why a packet was dropped: every drop of this program has a reason.
enum bit<8> Drop {
    MALFORMED      = 1,  // too short for its headers, impossible lengths or addresses, a bad checksum
    NO_INTERFACE   = 2,  // the port has no such VLAN
    NO_VNI         = 3,  // VXLAN for a network that is not here
    SPOOFED        = 4,  // a source that the port may not use
    HAIRPIN        = 5,  // the destination is where the packet came from
    NO_DOMAIN      = 6,  // nothing to flood to
    NOT_ROUTED     = 7,  // no bridge domain, and not for the router
    NO_ROUTE       = 8,
    NO_NEXT_HOP    = 9,
    UNKNOWN_TYPE   = 10, // neither ARP, IPv4 nor IPv6 where only those may pass
    DENIED         = 11, // by a rule, or by none
    NOT_A_START    = 12, // TCP without a session that does not begin one
    SESSIONS_FULL  = 13,
    PORTS_USED_UP  = 14, // of a NAT pool
    NO_BACKEND     = 15, // of a virtual address
    FRAGMENT       = 16, // where ports are needed
    RATE           = 17, // a meter
    SPLIT_HORIZON  = 18, // a copy for the place that the packet came from
    TOO_BIG        = 19, // for the way out, and nobody to tell
    NO_ADDRESS     = 20  // nothing translates this source
}

header ethernet_h {
    mac_t   dst;
    mac_t   src;
    bit<16> type;
}

header vlan_h {
    bit<3>  pcp;
    bit<1>  dei;
    vlan_t  vid;
    bit<16> type;
}

header ipv4_h {
    bit<8>  version_ihl;
    bit<8>  tos;
    bit<16> length;
    bit<16> id;
    bit<16> fragment; // flags and offset
    bit<8>  ttl;
    bit<8>  protocol;
    bit<16> checksum;
    ipv4_t  src;
    ipv4_t  dst;
}

header ipv6_h {
    bit<32>  version_class_label;
    bit<16>  length;
    bit<8>   next_header;
    bit<8>   hop_limit;
    ipv6_t   src;
    ipv6_t   dst;
}

header arp_h {
    bit<16> hardware;
    bit<16> protocol;
    bit<16> sizes;
    bit<16> operation;
    mac_t   sender_mac;
    ipv4_t  sender;
    mac_t   target_mac;
    ipv4_t  target;
}

header tcp_h {
    bit<16> src;
    bit<16> dst;
    bit<32> seq;
    bit<32> ack;
    bit<8>  offset;
    bit<8>  flags;
    bit<16> window;
    bit<16> checksum;
    bit<16> urgent;
}

header udp_h {
    bit<16> src;
    bit<16> dst;
    bit<16> length;
    bit<16> checksum;
}

// Echo has its id where others have something else.
header icmp_h {
    bit<8>  type;
    bit<8>  code;
    bit<16> checksum;
    bit<16> id;
    bit<16> seq;
}

// The first eight bytes behind the IPv4 header that an ICMP error quotes.
header quoted_h {
    bit<16> src; // of TCP and UDP; of ICMP type and code
    bit<16> dst; // of ICMP its checksum
    bit<16> third; // of ICMP echo its id, of UDP the length
    bit<16> fourth; // of UDP the checksum
}

header vxlan_h {
    bit<8>  flags;
    bit<24> reserved;
    vni_t   vni;
    bit<8>  reserved2;
}

struct headers_t {
    ethernet_h outer_ethernet; // of a tunnel
    ipv4_h     outer_ipv4;
    udp_h      outer_udp;
    vxlan_h    vxlan;
    ethernet_h ethernet;
    vlan_h     vlan;
    arp_h      arp;
    ipv4_h     ipip;           // in front of the packet, for balancing by direct return
    ipv4_h     ipv4;
    ipv6_h     ipv6;
    tcp_h      tcp;
    udp_h      udp;
    icmp_h     icmp;
    ipv4_h     quoted_ipv4;    // in an ICMP error
    quoted_h   quoted;
}

struct meta_t {
    // Where the packet came from.
    bit<32>  in_port;
    vlan_t   vid;        // 0 = untagged
    tunnel_t in_tunnel;
    tenant_t tenant;
    domain_t domain;     // 0 = none: a routed interface
    mac_t    router_mac; // of the interface or domain
    bit<8>   zone;       // of the interface, for rules
    bit<16>  type;       // Ethernet type behind the tag
    bit<1>   guarded;    // the source is checked
    ipv6_t   claimed;    // the source's address, IPv4 in the low bits
    // The flow.
    bit<8>   protocol;
    bit<16>  src_port;   // of TCP and UDP; the id of ICMP echo
    bit<16>  dst_port;
    bit<1>   fragment;   // one of several
    bit<1>   later;      // not the first fragment: no ports
    bit<1>   quotes;     // an ICMP error with a quoted packet
    bit<32>  length;     // of the frame, without the tunnel that it came in
    // What becomes of it.
    bit<1>   done;       // its fate is decided
    bit<1>   routed;
    ipv4_t   dst_v4;     // where an IPv4 packet is routed to: its destination once translated, or its backend
    ipv4_t   rule_dst;   // what rules see as destination
    bit<16>  rule_port;
    bit<1>   translated;
    ipv4_t   backend;    // of a packet that goes in IP, 0 = none
    bit<1>   found;      // where the station is
    bit<1>   answered;   // it is the answer to itself
    bit<32>  out_port;
    vlan_t   out_vid;
    domain_t out_domain;
    tunnel_t out_tunnel;
    vni_t    out_vni;
    tenant_t out_tenant;
    bit<8>   out_zone;
    mac_t    next_mac;
    mac_t    source_mac;
    bit<16>  mtu;
}

#endif
