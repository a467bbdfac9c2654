// lang:L102 lang:R5 lang:R6 lang:R8: copy-in, copy-out,
// overlapping and dynamic arguments, fields of invalid headers, slices as l-values
// that overlap, out parameters that nobody sets.
#include "skel.p4"

void swap(inout bit<8> a, inout bit<8> b) { bit<8> t = a; a = b; b = t; }
bit<8> set(out bit<8> o, in bit<8> i) { if (i == 2) { return o; } o = i + 1; return i; }
void hdr(inout b_h h, in bit<8> v, inout bit<8> w) {
    if (v == 1) { h.setInvalid(); }
    if (v == 2) { h.setValid(); }
    h.a = v;
    w = w + h.a;
}
void fresh(out b_h h) { h.b = 1; if (h.isValid()) { h.c = 9; } h.setValid(); h.d = h.a + 7; }

void nib(inout bit<4> a, inout bit<4> b) { bit<4> t = a + 1; a = b; b = t; }

control I(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    action act(inout bit<8> a, bit<8> n) {
        hs.x.b = a + n;
        a = a + hs.x.b;
    }
    apply {
        sm.egress_spec = 1;
        swap(hs.x.a, hs.x.b);
        swap(hs.y.a, hs.x.b);
        swap(hs.x.a, hs.x.a);
        swap(hs.s[hs.x.a & 3].a, hs.x.a);
        swap(m.p, m.q);
        nib(hs.x.a[7:4], hs.x.a[3:0]);
        nib(hs.x.b[5:2], hs.x.b[4:1]);
        hs.x.c[6:3] = hs.x.c[3:0] + hs.x.d[7:4];
        m.p = set(m.p, hs.x.c) + m.p;
        hs.x.d = set(hs.y.d, m.p);
        hdr(hs.y, hs.x.a & 3, m.q);
        hdr(hs.x, hs.x.b, hs.x.c);
        act(hs.x.b, 3);
        act(m.q, hs.x.c);
        if (hs.x.d == 3) { fresh(hs.y); }
        if (hs.x.d == 4) { fresh(hs.s[1]); }
        hs.x.e = m.p ++ m.q;
    }
}
MAIN
