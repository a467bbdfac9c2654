// lang:L53 lang:L54 lang:L84 lang:R1: order and conditions of evaluation.
#include "skel.p4"

bit<8> bump(inout bit<8> x) { x = x + 1; return x; }
bool over(inout bit<8> x, in bit<8> n) { x = x + 1; return x > n; }

control I(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 1;
        hs.x.b = hs.x.b + bump(hs.x.b) * hs.x.b;
        if (over(hs.x.c, 3) && over(hs.x.c, 5) || over(hs.x.d, 2)) {
            hs.x.e = hs.x.e + 1;
        }
        hs.x.d = hs.x.a == 1 ? bump(hs.x.c) : bump(hs.x.d) + hs.x.d;
        hs.s[bump(m.p)].a = bump(m.p) + m.p;
        hs.s[m.q].b = bump(m.q);
        hs.s[m.p & 1].c = bump(m.p);
        hs.y = hs.x.a == 2 ? hs.x : hs.y;
        hs.x.e[7:0] = bump(hs.x.b);
        switch (bump(hs.x.a)) {
            1: { hs.x.f = 1; }
            2:
            3: { hs.x.f = hs.x.f |-| 100; }
            default: { hs.x.f = hs.x.f |+| 100; }
        }
    }
}
MAIN
