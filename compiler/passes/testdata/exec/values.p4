// lang:L34 lang:L37 lang:L65 lang:L71 lang:L82: tuples, new types, struct values,
// equality, constants.
#include "skel.p4"

type bit<8> id_t;
enum bit<8> kind_t { One = 1, Two = 2 }
struct pair_t { bit<8> a; b_h h; }

tuple<bit<8>, bool> both(in bit<8> x) { return { x + 1, x == 1 }; }
pair_t mk(in b_h h, in bit<8> v) { return { v, h }; }

control I(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 1;
        id_t id = (id_t) hs.x.b;
        if (id == (id_t) 8w2) { hs.x.c = (bit<8>) id + 1; }
        tuple<bit<8>, bool> t = both(hs.x.a);
        hs.x.b = t[0];
        if (t[1]) { hs.x.d = 1; }
        if (t == { 8w3, false }) { hs.x.d = 2; }
        pair_t p = mk(hs.y, hs.x.a);
        pair_t q = mk(hs.x, hs.x.a);
        if (p == q) { hs.x.e = hs.x.e + 1; }
        if (p.h != hs.x) { hs.x.e = hs.x.e + 2; }
        if (hs.x == hs.y) { hs.x.e = hs.x.e + 4; }
        if (hs.s[0] == hs.s[1]) { hs.x.e = hs.x.e + 8; }
        kind_t k = (kind_t) hs.x.a;
        if (k == kind_t.Two) { hs.x.f = -hs.x.f; }
        hs.x.f = hs.x.f + (int<8>) (8s3 - 8s5);
        q = { 1, { 1, 2, 3, 4, 5, 6, 7, 8 } };
        hs.y = q.h;
        bit<16> sum;
        hash(sum, HashAlgorithm.crc16, 16w0, { hs.x.a, p.h.b, { hs.x.c, hs.x.d } }, 16w0xffff);
        hs.x.e = hs.x.e ^ sum;
    }
}
MAIN
