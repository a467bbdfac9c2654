// SPDX-License-Identifier: Apache-2.0
//
// nic_bridge.p4: the NIC's bridging by itself: 802.1Q, VXLAN, learning, flooding.
// nic.p4 has all functions.

#include "nic/parser.p4"
#include "nic/interfaces.p4"
#include "nic/bridge.p4"
#include "nic/egress.p4"

control NicMain(inout headers_t hdr, inout meta_t meta, in nic_main_input_metadata_t istd) {
    Interfaces() interfaces;
    Bridge() bridge;

    apply {
        meta.length = istd.length;
        if (hdr.vxlan.isValid()) {
            meta.length = istd.length - 50;
        }
        if (istd.parser_error != error.NoError && !hdr.ethernet.isValid()) {
            drop_because(Drop.MALFORMED);
            return;
        }
        interfaces.apply(hdr, meta, istd);
        if (meta.done == 1) {
            return;
        }
        if (meta.domain == 0) {
            drop_because(Drop.NOT_ROUTED);
            return;
        }
        meta.out_domain = meta.domain;
        bridge.apply(hdr, meta);
    }
}

P4NIC(NicParser(), NicMain(), NicEgress(), NicDeparser()) main;
