#include <core.p4>
#include <v1model.p4>

// Loops whose end only the packet knows, stack indices that only the packet
// knows, and arithmetic over 64 bits.

header opt_t {
    bit<8> kind;
    bit<8> size;
}

header wide_t {
    bit<128> a;
    bit<128> b;
    bit<8>   n;
    bit<8>   op;
}

header tail_t {
    bit<8> sum;
    bit<8> rounds;
}

struct headers_t {
    opt_t    first;
    opt_t[2] opts;
    wide_t   w;
    tail_t   t;
}

struct meta_t {
    bit<8> skipped;
}

parser P(packet_in pkt, out headers_t h, inout meta_t m, inout standard_metadata_t sm) {
    state start {
        pkt.extract(h.first);
        transition select(h.first.kind) {
            0x80 &&& 0x80: keep;
            default: skip;
        }
    }
    // Each skipped byte is a round: the loop ends with the packet.
    state skip {
        m.skipped = m.skipped + 1;
        transition select(pkt.lookahead<bit<8>>()) {
            0xff: keep;
            0x00 .. 0x3f: drop_one;
            default: next;
        }
    }
    state drop_one {
        pkt.advance(8);
        transition skip;
    }
    state keep {
        pkt.extract(h.opts.next);
        transition select(h.opts.last.size) {
            0x40 &&& 0xc0: last;
            default: next;
        }
    }
    state last {
        pkt.extract(h.opts.next);
        transition next;
    }
    state next {
        pkt.extract(h.w);
        pkt.extract(h.t);
        transition accept;
    }
}

control V(inout headers_t h, inout meta_t m) { apply { } }

control I(inout headers_t h, inout meta_t m, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 2;
        if (h.w.isValid()) {
            for (bit<8> i = 0; i < h.w.n; i = i + 1) {
                if (i == 200) {
                    break;
                }
                h.t.rounds = h.t.rounds + 1;
                h.t.sum = h.t.sum + h.t.rounds * i;
            }
            if (h.w.op == 0) {
                h.w.a = h.w.a * h.w.b;
            } else if (h.w.op == 1) {
                h.w.a = h.w.a << h.w.n;
            } else if (h.w.op == 2) {
                h.w.a = h.w.a >> h.w.n;
            } else if (h.w.op < 0x80) {
                h.w.a = (bit<128>)((int<128>)h.w.a >> h.w.n);
            }
        }
        h.opts[(bit<2>)h.first.size].kind = m.skipped;
    }
}

control E(inout headers_t h, inout meta_t m, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t h, inout meta_t m) { apply { } }
control D(packet_out pkt, in headers_t h) { apply { pkt.emit(h); } }

V1Switch(P(), V(), I(), E(), C(), D()) main;
