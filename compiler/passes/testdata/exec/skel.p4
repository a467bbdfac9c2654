// The frame of the programs of this folder: a packet is up to four headers of
// eight bytes; CONTROL is the ingress control, PARSER the parser.
#include <core.p4>
#include <v1model.p4>

header b_h {
    bit<8> a;
    bit<8> b;
    bit<8> c;
    bit<8> d;
    bit<16> e;
    int<8> f;
    bit<4> g;
    bit<4> h;
}

struct hs_t {
    b_h x;
    b_h y;
    b_h[3] s;
}

struct m_t {
    bit<8> p;
    bit<8> q;
    bool t;
}

#ifndef OWN_PARSER
parser P(packet_in pkt, out hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    state start {
        pkt.extract(hs.x);
        transition select(hs.x.a) {
            0 .. 3: more;
            4 &&& 6: stack;
            default: accept;
        }
    }
    state more {
        pkt.extract(hs.y);
        transition stack;
    }
    state stack {
        pkt.extract(hs.s.next);
        transition select(hs.s.last.b) {
            0 .. 4: stack;
            default: accept;
        }
    }
}
#endif

control V(inout hs_t hs, inout m_t m) { apply { } }
control E(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) { apply { } }
control C(inout hs_t hs, inout m_t m) { apply { } }
control D(packet_out pkt, in hs_t hs) { apply { pkt.emit(hs); } }

#define MAIN V1Switch(P(), V(), I(), E(), C(), D()) main;
