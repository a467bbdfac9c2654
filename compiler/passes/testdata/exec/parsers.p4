// lang:L119 lang:L120 lang:L121 lang:L110 lang:L111 lang:L116 lang:R9: sub-parsers,
// also in loops and conditions; errors leave what was extracted.
#define OWN_PARSER
#include "skel.p4"

bit<8> twice(in bit<8> x) { return x * 2; }

parser One(packet_in pkt, out b_h h, inout bit<8> n) {
    bit<8> seen;
    state start {
        seen = seen + 1;
        transition select(pkt.lookahead<bit<8>>()) {
            7: skip;
            default: take;
        }
    }
    state skip {
        pkt.advance(8);
        n = n + 1;
        transition start;
    }
    state take {
        pkt.extract(h);
        n = n + seen;
        verify(h.b != 6, error.NoMatch);
        transition accept;
    }
}

parser P(packet_in pkt, out hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    One() one;
    One() two;
    state start {
        one.apply(pkt, hs.x, m.p);
        if (hs.x.a == 1) {
            two.apply(pkt, hs.y, m.p);
            m.q = twice(hs.y.b);
        } else {
            m.q = 3;
        }
        transition select(hs.x.c, twice(hs.x.d)) {
            (1, _): start;
            (_, 0 .. 6): stack;
            (2, 8): accept;
        }
    }
    state stack {
        pkt.extract(hs.s.next);
        one.apply(pkt, hs.y, m.q);
        transition select(hs.s.last.b) {
            0 .. 4: stack;
            default: accept;
        }
    }
}

control I(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 1;
        hs.x.e = m.p ++ m.q;
        if (sm.parser_error == error.NoMatch) { hs.x.f = 1; }
        if (sm.parser_error == error.PacketTooShort) { hs.x.f = 2; }
        if (sm.parser_error == error.StackOutOfBounds) { hs.x.f = 3; }
        if (sm.parser_error != error.NoError) { hs.x.setValid(); hs.x.g = 1; }
    }
}
MAIN
