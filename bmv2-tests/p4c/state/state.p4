// SPDX-License-Identifier: Apache-2.0
// What packets leave behind: registers and counters, indices in and out of range;
// and the order in which side effects happen.
#include <core.p4>
#include <v1model.p4>

header req_h {
    bit<8>  op;
    bit<8>  index;
    bit<32> value;
    bit<32> result;
}

header big_h {
    bit<128> x;
    bit<5>   y;
    bit<3>   z;
}

struct headers_t {
    req_h req;
    big_h big;
}

struct meta_t {
    bit<32> old;
    bit<16> trace;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.req);
        transition select(hdr.req.op) {
            8 .. 15: more;
            default: accept;
        }
    }
    state more {
        packet.extract(hdr.big);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

register<bit<32>>(16) shared;

control Bump(inout bit<32> v)(bit<32> by) {
    register<bit<32>>(4) own;
    counter(3, CounterType.packets) uses;
    apply {
        bit<32> n;
        own.read(n, 1);
        n = n + by;
        own.write(1, n);
        uses.count(by);
        v = v ^ n;
    }
}

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    register<bit<128>>(4) wide;
    register<bit<5>>(8) narrow;
    register<int<16>>(2) signed;
    counter(8, CounterType.packets_and_bytes) counts;
    direct_counter(CounterType.packets) twice_counter;
    Bump(1) one;
    Bump(2) two;

    action remember(bit<32> n) {
        counts.count(n);
        shared.write(n, hdr.req.value);
    }
    action forget() {
        shared.write((bit<32>) hdr.req.index, 0);
        exit;
    }
    table twice {
        key = { hdr.req.index: exact @name("index"); }
        actions = { remember; forget; NoAction; }
        counters = twice_counter;
        default_action = remember(7);
        size = 16;
    }
    action note(in bit<16> n) {
        meta.trace = meta.trace << 4 | n;
    }

    apply {
        sm.egress_spec = sm.ingress_port ^ 1;
        switch (hdr.req.op) {
            0: {
                shared.read(meta.old, (bit<32>) hdr.req.index);
                hdr.req.result = meta.old;
            }
            1: {
                shared.write((bit<32>) hdr.req.index, hdr.req.value);
            }
            2: {
                shared.read(meta.old, (bit<32>) hdr.req.index);
                shared.write((bit<32>) hdr.req.index, meta.old + hdr.req.value);
                shared.read(hdr.req.result, (bit<32>) hdr.req.index);
            }
            3: { counts.count((bit<32>) hdr.req.index); }
            4: {
                twice.apply();
                hdr.req.index = hdr.req.index + 1;
            }
            5: {
                one.apply(hdr.req.result);
                two.apply(hdr.req.result);
                one.apply(hdr.req.value);
            }
            6: {
                note(1);
                note(hdr.req.index == 0 ? 16w2 : 16w3);
                hdr.req.result[15:0] = meta.trace;
            }
            7: {
                int<16> s;
                signed.read(s, (bit<32>) hdr.req.index);
                s = s |+| (int<16>) hdr.req.value[15:0];
                signed.write((bit<32>) hdr.req.index, s);
                hdr.req.result = (bit<32>) (int<32>) s;
            }
            8: { wide.write((bit<32>) hdr.req.index, hdr.big.x); }
            9: { wide.read(hdr.big.x, (bit<32>) hdr.req.index); }
            10: { narrow.write((bit<32>) hdr.req.index, hdr.big.y); }
            11: { narrow.read(hdr.big.y, hdr.req.value); }
            12: {
                bit<128> t;
                wide.read(t, 0);
                wide.write(1, t + hdr.big.x);
                wide.read(t, 1);
                hdr.big.x = t;
                shared.write(15, t[63:32]);
            }
            13: { shared.write(hdr.req.value, hdr.big.x[31:0]); }
            14: { truncate(hdr.req.value); }
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    counter(4, CounterType.bytes) sent;
    apply {
        sent.count((bit<32>) sm.egress_port);
        shared.write(14, (bit<32>) sm.egress_port);
    }
}

control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
