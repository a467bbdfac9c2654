// SPDX-License-Identifier: Apache-2.0
//
// Sessions of IPv4: one look-up tells firewall, NAT and balancer what a flow is.
// Both directions are found by their own key; the state says what the addresses of
// each become.

#ifndef NIC_SESSION
#define NIC_SESSION

#include "types.p4"

struct flow_t {
    tenant_t tenant; // where the packet is routed before any translation
    ipv4_t   src;
    ipv4_t   dst;
    bit<16>  src_port;
    bit<16>  dst_port;
    bit<8>   protocol;
}

// Addresses and ports of the flow's first direction, before and after translation.
struct session_t {
    tenant_t from_tenant;
    ipv4_t   from_src;
    ipv4_t   from_dst;
    bit<16>  from_src_port;
    bit<16>  from_dst_port;
    tenant_t to_tenant;
    ipv4_t   to_src;
    ipv4_t   to_dst;
    bit<16>  to_src_port;
    bit<16>  to_dst_port;
    ipv4_t   backend; // behind IP in IP, 0 = none
}

// A session's marks: what TCP has seen from each side.
const bit<32> MARK_REPLIED     = 1;
const bit<32> MARK_ESTABLISHED = 2; // the opening side has answered the answer
const bit<32> MARK_FIN         = 4; // of the original side
const bit<32> MARK_FIN_REPLY   = 8;
const bit<32> MARK_RESET       = 16;

// New addresses and ports, and every checksum that covers them (RFC 1624). UDP
// without a checksum stays without, and none becomes 0 (RFC 768; dp:NA5).
control Translate(inout headers_t hdr, inout meta_t meta,
                  in ipv4_t src, in ipv4_t dst, in bit<16> src_port, in bit<16> dst_port) {
    InternetChecksum() ip_sum;
    InternetChecksum() l4_sum;

    apply {
        ip_sum.clear();
        ip_sum.set_state(~hdr.ipv4.checksum);
        ip_sum.subtract({ hdr.ipv4.src, hdr.ipv4.dst });
        ip_sum.add({ src, dst });
        hdr.ipv4.checksum = ip_sum.get();
        if (hdr.tcp.isValid()) {
            l4_sum.clear();
            l4_sum.set_state(~hdr.tcp.checksum);
            l4_sum.subtract({ hdr.ipv4.src, hdr.ipv4.dst, hdr.tcp.src, hdr.tcp.dst });
            l4_sum.add({ src, dst, src_port, dst_port });
            hdr.tcp.src = src_port;
            hdr.tcp.dst = dst_port;
            hdr.tcp.checksum = l4_sum.get();
        } else if (hdr.udp.isValid()) {
            if (hdr.udp.checksum != 0) {
                l4_sum.clear();
                l4_sum.set_state(~hdr.udp.checksum);
                l4_sum.subtract({ hdr.ipv4.src, hdr.ipv4.dst, hdr.udp.src, hdr.udp.dst });
                l4_sum.add({ src, dst, src_port, dst_port });
                hdr.udp.checksum = l4_sum.get();
                if (hdr.udp.checksum == 0) {
                    hdr.udp.checksum = 0xffff;
                }
            }
            hdr.udp.src = src_port;
            hdr.udp.dst = dst_port;
        } else if (hdr.icmp.isValid()) {
            // An echo's id is both ports; what translates has changed one of them.
            bit<16> id = src_port;
            if (src_port == hdr.icmp.id) {
                id = dst_port;
            }
            l4_sum.clear();
            l4_sum.set_state(~hdr.icmp.checksum);
            l4_sum.subtract({ hdr.icmp.id });
            l4_sum.add({ id });
            hdr.icmp.id = id;
            hdr.icmp.checksum = l4_sum.get();
        }
        hdr.ipv4.src = src;
        hdr.ipv4.dst = dst;
        meta.src_port = src_port;
        meta.dst_port = dst_port;
    }
}

// An ICMP error about a packet of a session: the quoted packet becomes what its
// sender sent, the error goes to that sender (RFC 5508 section 4; dp:NA8).
control TranslateError(inout headers_t hdr, inout meta_t meta,
                       in ipv4_t outer_src, in ipv4_t src, in ipv4_t dst, in bit<16> src_port, in bit<16> dst_port) {
    InternetChecksum() sum;
    InternetChecksum() ip_sum;
    InternetChecksum() quoted_sum;
    InternetChecksum() l4_sum;

    apply {
        // The quoted header, and in 8 bytes of UDP or echo their checksum.
        quoted_sum.clear();
        quoted_sum.set_state(~hdr.quoted_ipv4.checksum);
        quoted_sum.subtract({ hdr.quoted_ipv4.src, hdr.quoted_ipv4.dst });
        quoted_sum.add({ src, dst });
        sum.clear();
        sum.set_state(~hdr.icmp.checksum);
        sum.subtract({ hdr.quoted_ipv4.checksum, hdr.quoted_ipv4.src, hdr.quoted_ipv4.dst,
            hdr.quoted.src, hdr.quoted.dst, hdr.quoted.third, hdr.quoted.fourth });
        if (hdr.quoted_ipv4.protocol == PROTO_ICMP) {
            bit<16> id = src_port;
            if (src_port == hdr.quoted.third) {
                id = dst_port;
            }
            l4_sum.clear();
            l4_sum.set_state(~hdr.quoted.dst);
            l4_sum.subtract({ hdr.quoted.third });
            l4_sum.add({ id });
            hdr.quoted.dst = l4_sum.get();
            hdr.quoted.third = id;
        } else {
            if (hdr.quoted_ipv4.protocol == PROTO_UDP && hdr.quoted.fourth != 0) {
                l4_sum.clear();
                l4_sum.set_state(~hdr.quoted.fourth);
                l4_sum.subtract({ hdr.quoted_ipv4.src, hdr.quoted_ipv4.dst, hdr.quoted.src, hdr.quoted.dst });
                l4_sum.add({ src, dst, src_port, dst_port });
                hdr.quoted.fourth = l4_sum.get();
                if (hdr.quoted.fourth == 0) {
                    hdr.quoted.fourth = 0xffff;
                }
            }
            hdr.quoted.src = src_port;
            hdr.quoted.dst = dst_port;
        }
        hdr.quoted_ipv4.checksum = quoted_sum.get();
        hdr.quoted_ipv4.src = src;
        hdr.quoted_ipv4.dst = dst;
        sum.add({ hdr.quoted_ipv4.checksum, hdr.quoted_ipv4.src, hdr.quoted_ipv4.dst,
            hdr.quoted.src, hdr.quoted.dst, hdr.quoted.third, hdr.quoted.fourth });
        hdr.icmp.checksum = sum.get();
        ip_sum.clear();
        ip_sum.set_state(~hdr.ipv4.checksum);
        ip_sum.subtract({ hdr.ipv4.src, hdr.ipv4.dst });
        ip_sum.add({ outer_src, src });
        hdr.ipv4.checksum = ip_sum.get();
        hdr.ipv4.src = outer_src;
        hdr.ipv4.dst = src;
    }
}

#endif
