// SPDX-License-Identifier: Apache-2.0
// What state_test.go programs: a selector, meters, a digest, idle timeouts and a
// register, one an operation; packets leave at port 1. state.ir is made from it:
//     nicctl build state.p4 --emit ir=state.ir
#include <core.p4>
#include <v1model.p4>

header eth_h {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

header req_h {
    bit<8>  op;
    bit<8>  key;
    bit<16> x;
    bit<8>  colour;
    bit<8>  member;
    bit<32> value;
}

struct pair_t {
    bit<32> value;
    bit<16> x;
}

struct seen_t {
    bit<8>  key;
    bit<32> value;
}

struct headers_t {
    eth_h eth;
    req_h req;
}

struct meta_t {
    bit<8> colour;
    pair_t pair;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.eth);
        transition select(hdr.eth.type) {
            0x88b5: more;
            default: accept;
        }
    }
    state more {
        packet.extract(hdr.req);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    action_selector(HashAlgorithm.crc32, 32, 16) pool;
    meter(4, MeterType.packets) frames;
    direct_meter<bit<8>>(MeterType.bytes) of_entry;
    direct_counter(CounterType.packets) of_pool;
    register<pair_t>(4) pairs;
    register<bit<32>>(2) words;
    counter(4, CounterType.packets) counts;

    action to(bit<8> member, bit<64> wide) {
        hdr.req.member = member;
        hdr.req.value = wide[63:32];
    }
    table spread {
        key = {
            hdr.req.key: exact @name("key");
            hdr.req.x: selector;
        }
        actions = { to; NoAction; }
        implementation = pool;
        counters = of_pool;
        size = 16;
        default_action = NoAction();
    }
    action metered() { of_entry.read(hdr.req.colour); }
    table rated {
        key = { hdr.req.x: ternary @name("x"); }
        actions = { metered; NoAction; }
        meters = of_entry;
        size = 16;
        default_action = NoAction();
    }
    table aging {
        key = { hdr.req.key: exact @name("key"); }
        actions = { NoAction; }
        support_timeout = true;
        size = 16;
        default_action = NoAction();
    }
    apply {
        sm.egress_spec = 509;
        if (hdr.req.isValid()) {
            sm.egress_spec = 1;
            if (hdr.req.op == 1) {
                spread.apply();
            } else if (hdr.req.op == 2) {
                frames.execute_meter((bit<32>) hdr.req.key, hdr.req.colour);
            } else if (hdr.req.op == 3) {
                digest<seen_t>(1, { hdr.req.key, hdr.req.value });
            } else if (hdr.req.op == 4) {
                aging.apply();
            } else if (hdr.req.op == 5) {
                pairs.write((bit<32>) hdr.req.key, { hdr.req.value, hdr.req.x });
            } else if (hdr.req.op == 6) {
                pairs.read(meta.pair, (bit<32>) hdr.req.key);
                hdr.req.value = meta.pair.value;
                hdr.req.x = meta.pair.x;
            } else if (hdr.req.op == 7) {
                rated.apply();
            } else if (hdr.req.op == 8) {
                counts.count((bit<32>) hdr.req.key);
            } else if (hdr.req.op == 9) {
                words.read(hdr.req.value, (bit<32>) hdr.req.key);
            }
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.eth);
        packet.emit(hdr.req);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
