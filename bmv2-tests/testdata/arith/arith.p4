// SPDX-License-Identifier: Apache-2.0
// A calculator: op selects what becomes of the operands. Every operator, in
// widths from 1 to 128 bits, signed and not, and hashes.
#include <core.p4>
#include <v1model.p4>

header calc_h {
    bit<8>   op;
    bit<8>   a;
    bit<8>   b;
    int<8>   s;
    int<8>   t;
    bit<16>  c;
    bit<16>  d;
    bit<5>   e;
    bit<11>  f;
    bit<64>  g;
    bit<64>  h;
    bit<128> i;
    bit<128> j;
    int<72>  k;
    bit<32>  r;
    bit<128> w;
}

struct headers_t {
    calc_h x;
}

struct pair_t {
    bit<16> lo;
    bit<16> hi;
}

struct meta_t {
    pair_t pair;
}

enum bit<8> Op {
    FIRST = 100,
    SECOND = 101
}

typedef bit<16> word_t;
type bit<16> opaque_t;
const bit<128> MASK = 128w0xffff0000ffff0000ffff0000ffff;

bit<16> add3(in bit<16> x, in bit<16> y, in bit<16> z) {
    return x + y + z;
}

bit<16> biggest(in bit<16> x, in bit<16> y) {
    if (x > y) {
        return x;
    }
    return y;
}

void exchange(inout bit<16> x, inout bit<16> y) {
    bit<16> t = x;
    x = y;
    y = t;
}

bool divide(in bit<16> x, in bit<16> y, out bit<16> q) {
    if (y == 0) {
        return false;
    }
    q = x;
    return true;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.x);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control Mix(inout pair_t p, in bit<16> by)(bit<16> factor) {
    apply {
        p.lo = p.lo * factor + by;
        p.hi = p.hi ^ p.lo;
    }
}

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    Mix(3) mix3;
    Mix(5) mix5;

    apply {
        sm.egress_spec = 1;
        meta.pair = { hdr.x.c, hdr.x.d };
        switch (hdr.x.op) {
            0: { hdr.x.r = (bit<32>) (hdr.x.a |+| hdr.x.b); }
            1: { hdr.x.r = (bit<32>) (hdr.x.a |-| hdr.x.b); }
            2: { hdr.x.r = (bit<32>) (bit<8>) (hdr.x.s |+| hdr.x.t); }
            3: { hdr.x.r = (bit<32>) (bit<8>) (hdr.x.s |-| hdr.x.t); }
            4: { hdr.x.r = (bit<32>) (int<32>) (hdr.x.s * hdr.x.t); }
            5: {
                hdr.x.r[0:0] = (bit<1>) (hdr.x.s < hdr.x.t);
                hdr.x.r[1:1] = (bit<1>) (hdr.x.s <= hdr.x.t);
                hdr.x.r[2:2] = (bit<1>) (hdr.x.s > hdr.x.t);
                hdr.x.r[3:3] = (bit<1>) (hdr.x.s >= hdr.x.t);
                hdr.x.r[4:4] = (bit<1>) (hdr.x.a < hdr.x.b);
                hdr.x.r[5:5] = (bit<1>) (hdr.x.a >= hdr.x.b);
                hdr.x.r[6:6] = (bit<1>) (hdr.x.k < 0);
                hdr.x.r[7:7] = (bit<1>) (hdr.x.k > -72s1);
            }
            6: { hdr.x.r = (bit<32>) (bit<8>) (hdr.x.s >> hdr.x.a); }
            7: { hdr.x.r = (bit<32>) (hdr.x.c >> hdr.x.a) ++ 16w0 == 48w0 ? 32w1 : (bit<32>) (hdr.x.c << hdr.x.a); }
            8: { hdr.x.w = hdr.x.i + hdr.x.j; }
            9: { hdr.x.w = hdr.x.i - hdr.x.j; }
            10: { hdr.x.w = (hdr.x.i & MASK) | (hdr.x.j & ~MASK); }
            11: { hdr.x.w = hdr.x.i ^ hdr.x.j; }
            12: {
                hdr.x.r[0:0] = (bit<1>) (hdr.x.i < hdr.x.j);
                hdr.x.r[1:1] = (bit<1>) (hdr.x.i <= hdr.x.j);
                hdr.x.r[2:2] = (bit<1>) (hdr.x.i == hdr.x.j);
                hdr.x.r[3:3] = (bit<1>) (hdr.x.i != hdr.x.j);
                hdr.x.r[4:4] = (bit<1>) (hdr.x.g < hdr.x.h);
                hdr.x.r[5:5] = (bit<1>) (hdr.x.g >= hdr.x.h);
            }
            13: { hdr.x.w = hdr.x.i >> 1; }
            14: { hdr.x.w = hdr.x.i << 68; }
            15: { hdr.x.w[99:30] = hdr.x.i[69:0]; }
            16: { hdr.x.r = hdr.x.i[100:69]; }
            17: { hdr.x.w = hdr.x.h ++ hdr.x.g; }
            18: { hdr.x.w = (bit<128>) hdr.x.e ++ hdr.x.f == 139w0 ? 128w0 : 128w1; }
            19: { hdr.x.f = hdr.x.e ++ hdr.x.a[5:0]; }
            20: { hdr.x.e = (bit<5>) hdr.x.f; }
            21: { hdr.x.w = (bit<128>) (int<128>) hdr.x.k; }
            22: { hdr.x.k = hdr.x.k + (int<72>) hdr.x.s; }
            23: { hdr.x.k = -hdr.x.k; }
            24: { hdr.x.r = (bit<32>) (-hdr.x.c); }
            25: { hdr.x.r = (bit<32>) (~hdr.x.c); }
            26: { hdr.x.r = (bit<32>) add3(hdr.x.c, biggest(hdr.x.c, hdr.x.d), 1); }
            27: { exchange(hdr.x.c, hdr.x.d); }
            28: {
                bit<16> q;
                bool ok = divide(hdr.x.c, hdr.x.d, q);
                hdr.x.r = ok ? (bit<32>) q : 32w0xffffffff;
            }
            29: {
                mix3.apply(meta.pair, hdr.x.c);
                mix5.apply(meta.pair, hdr.x.d);
                mix3.apply(meta.pair, 7);
                hdr.x.r = meta.pair.hi ++ meta.pair.lo;
            }
            30: { hash(hdr.x.r, HashAlgorithm.crc32, 32w0, { hdr.x.a, hdr.x.c, hdr.x.i }, 64w0x100000000); }
            31: { hash(hdr.x.r, HashAlgorithm.crc16, 32w7, { hdr.x.e, hdr.x.f, hdr.x.k }, 32w1000); }
            32: { hash(hdr.x.c, HashAlgorithm.csum16, 16w0, { hdr.x.a, hdr.x.b, hdr.x.g }, 32w65536); }
            33: { hash(hdr.x.c, HashAlgorithm.identity, 16w0, { hdr.x.d }, 32w65536); }
            34: {
                if (hdr.x.a == 1 && hdr.x.b == 2 || !(hdr.x.c == 3) && hdr.x.d != 4) {
                    hdr.x.r = 1;
                }
            }
            35: { hdr.x.c[11:4] = hdr.x.a; }
            36: { hdr.x.c[7:0] = hdr.x.c[15:8]; }
            37: { hdr.x.r = (bit<32>) ((hdr.x.c * 13) & 0xfff0) | 5; }
            38: { hdr.x.w = (bit<128>) (hdr.x.g * 3); }
            39: { hdr.x.g = hdr.x.g * hdr.x.h; }
            40: { hdr.x.r = (bit<32>) (hdr.x.a / 7) << 16 | (bit<32>) (hdr.x.a % 7); }
            41: { hdr.x.i = hdr.x.i |+| hdr.x.j; }
            42: { hdr.x.i = hdr.x.i |-| hdr.x.j; }
            43: { hdr.x.r = (bit<32>) hdr.x.op << (bit<8>) hdr.x.e; }
            44: { hdr.x.h = hdr.x.h >> hdr.x.e; }
            45: { hdr.x.k = hdr.x.k >> 9; }
            Op.FIRST: { hdr.x.r = 0xf1; }
            Op.SECOND: { hdr.x.r = (bit<32>) (bit<16>) (opaque_t) (word_t) hdr.x.c; }
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }

control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.x);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
