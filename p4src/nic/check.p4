// SPDX-License-Identifier: Apache-2.0
//
// What a router looks at before it routes (RFC 1812 section 5.2.2; dp:RO5, RO11 to
// RO13).

#ifndef NIC_CHECK
#define NIC_CHECK

#include "types.p4"

control Check(inout headers_t hdr, inout meta_t meta) {
    InternetChecksum() sum;

    action malformed() {
        drop_because(Drop.MALFORMED);
        meta.done = 1;
    }

    action host() {
        send_to_host();
        meta.done = 1;
    }

    apply {
        bit<32> tag = 0;
        if (hdr.vlan.isValid()) {
            tag = 4;
        }
        if (hdr.ipv4.isValid()) {
            if (hdr.ipv4.version_ihl < 0x45 || hdr.ipv4.version_ihl > 0x4f || hdr.ipv4.length < 20 ||
                14 + tag + (bit<32>) hdr.ipv4.length > meta.length) {
                malformed();
                return;
            }
            // Multicast and limited broadcast are the host's, and so is what has
            // options.
            if (hdr.ipv4.dst[31:28] == 0xe || hdr.ipv4.dst == 0xffffffff || hdr.ipv4.version_ihl != 0x45) {
                host();
                return;
            }
            sum.clear();
            sum.add({ hdr.ipv4.version_ihl, hdr.ipv4.tos, hdr.ipv4.length, hdr.ipv4.id, hdr.ipv4.fragment,
                hdr.ipv4.ttl, hdr.ipv4.protocol, hdr.ipv4.checksum, hdr.ipv4.src, hdr.ipv4.dst });
            if (sum.get() != 0) {
                malformed();
                return;
            }
            // RFC 1812 section 5.3.7: addresses that no packet on a wire has.
            if (hdr.ipv4.src[31:24] == 0 || hdr.ipv4.src[31:24] == 127 || hdr.ipv4.src[31:28] == 0xe ||
                hdr.ipv4.src == 0xffffffff || hdr.ipv4.dst[31:24] == 0 || hdr.ipv4.dst[31:24] == 127) {
                malformed();
            }
        } else {
            if (hdr.ipv6.version_class_label[31:28] != 6 || 54 + tag + (bit<32>) hdr.ipv6.length > meta.length) {
                malformed();
                return;
            }
            // Multicast, link-local destinations, neighbour discovery, hop-by-hop
            // options.
            if (hdr.ipv6.dst[127:120] == 0xff || hdr.ipv6.dst[127:118] == 0x3fa || hdr.ipv6.next_header == 0 ||
                hdr.icmp.isValid() && hdr.icmp.type >= 133 && hdr.icmp.type <= 137) {
                host();
                return;
            }
            // RFC 4291 section 2: multicast sources, and :: and ::1 (127 zeros).
            if (hdr.ipv6.src[127:120] == 0xff || hdr.ipv6.src[127:1] == 0 || hdr.ipv6.dst[127:1] == 0) {
                malformed();
                return;
            }
            // A link-local source reaches the router and no further.
            if (hdr.ipv6.src[127:118] == 0x3fa) {
                host();
            }
        }
    }
}

#endif
