// lang:L127 lang:L132 lang:L143: keys from expressions and calls, bound arguments,
// hit and miss in expressions.
#include "skel.p4"

bit<8> bump(inout bit<8> x) { x = x + 1; return x; }
bit<8> half(in bit<8> x) { return x >> 1; }

control I(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    action add(inout bit<8> o, in bit<8> v, bit<8> n) { o = o + v + n; }
    action none() { }
    table t {
        key = { half(hs.x.b) + 1: exact @name("half"); hs.y.isValid(): exact; hs.x.e[3:0]: range @name("low"); }
        actions = { add(hs.x.c, hs.x.d); none; }
        const entries = {
            (1, true, _): add(1);
            (2, true , 1 .. 5): add(2);
            (2, false, _): none();
            (3, true, 3): add(4);
        }
        default_action = none();
    }
    table u {
        key = { hs.x.c: lpm; }
        actions = { add(m.p, hs.x.c); @defaultonly none; }
        entries = {
            const 8w0x00 &&& 8w0xfe: add(1);
            8w0x04 &&& 8w0xfc: add(2);
        }
    }
    apply {
        sm.egress_spec = 1;
        if (t.apply().hit && u.apply().miss) { hs.x.a = 1; }
        else { hs.x.a = 2; }
        bit<8> z = bump(hs.x.c);
        hs.x.f = (int<8>) m.p;
    }
}
MAIN
