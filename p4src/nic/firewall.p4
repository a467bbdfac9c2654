// SPDX-License-Identifier: Apache-2.0
//
// The rules of the firewall: who may begin a flow. What is not permitted is denied.

#ifndef NIC_FIREWALL
#define NIC_FIREWALL

#include "types.p4"

control Firewall(inout headers_t hdr, inout meta_t meta) {

    DirectCounter<bit<64>>(PNA_CounterType_t.PACKETS_AND_BYTES) rule_counter;
    DirectCounter<bit<64>>(PNA_CounterType_t.PACKETS_AND_BYTES) rule_counter6;

    action permit() { }

    action deny() {
        drop_because(Drop.DENIED);
        meta.done = 1;
    }

    // Ordered rules for IPv4, with the addresses that the hosts of the tenant see:
    // the source before it is translated, the destination after. Changes concern
    // new flows; those that are there go on. Written by the service model: rules.
    table rules {
        key = {
            meta.tenant: exact @name("tenant");
            meta.zone: optional @name("from_zone");
            meta.out_zone: optional @name("to_zone");
            hdr.ipv4.src: ternary @name("src");
            meta.rule_dst: ternary @name("dst");
            meta.protocol: optional @name("protocol");
            meta.src_port: range @name("src_port");
            meta.rule_port: range @name("dst_port");
        }
        actions = { permit; deny; }
        const default_action = deny();
        pna_direct_counter = rule_counter;
        size = 4096;
    }

    // The same for IPv6, packet by packet.
    table rules6 {
        key = {
            meta.tenant: exact @name("tenant");
            meta.zone: optional @name("from_zone");
            meta.out_zone: optional @name("to_zone");
            hdr.ipv6.src: ternary @name("src");
            hdr.ipv6.dst: ternary @name("dst");
            meta.protocol: optional @name("protocol");
            meta.src_port: range @name("src_port");
            meta.dst_port: range @name("dst_port");
        }
        actions = { permit; deny; }
        const default_action = deny();
        pna_direct_counter = rule_counter6;
        size = 4096;
    }

    apply {
        if (hdr.ipv4.isValid()) {
            rules.apply();
        } else {
            rules6.apply();
        }
    }
}

#endif
