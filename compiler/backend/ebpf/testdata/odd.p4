#include <core.p4>
#include <v1model.p4>

// Headers of parts of bytes: the parser moves bit by bit, and where one comes or
// goes the payload moves by a part of a byte.

header three_t { bit<3> kind; }
header five_t  { bit<5> n; }
header rest_t  { bit<9> a; bit<70> b; varbit<24> v; bit<2> c; }

struct headers_t {
    three_t three;
    five_t  five;
    rest_t  rest;
}

struct meta_t { bit<11> seen; }

parser P(packet_in pkt, out headers_t h, inout meta_t m, inout standard_metadata_t sm) {
    state start {
        pkt.extract(h.three);
        transition select(h.three.kind) {
            0 .. 3: five;
            4: skip;
            default: rest;
        }
    }
    state five {
        pkt.extract(h.five);
        transition accept;
    }
    state skip {
        pkt.advance(7);
        m.seen = pkt.lookahead<bit<11>>();
        transition rest;
    }
    state rest {
        pkt.extract(h.rest, 8 * (bit<32>)h.three.kind[1:0]);
        transition accept;
    }
}

control V(inout headers_t h, inout meta_t m) { apply { } }

control I(inout headers_t h, inout meta_t m, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 2;
        h.rest.b[10:0] = h.rest.b[10:0] ^ m.seen;
        if (h.five.n == 1) {
            h.five.setInvalid();
        } else if (h.five.n == 2) {
            h.rest.setValid();
            h.rest.a = 0x155;
        } else if (h.five.n == 3) {
            h.three.setInvalid();
            h.five.setInvalid();
        }
    }
}

control E(inout headers_t h, inout meta_t m, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t h, inout meta_t m) { apply { } }
control D(packet_out pkt, in headers_t h) { apply { pkt.emit(h); } }

V1Switch(P(), V(), I(), E(), C(), D()) main;
