// Ways of a program that bmv2 JSON has to spell out: lookahead of a stack, the last
// header of a stack copied whole, a table in both branches of an if. p4c writes the
// copy as a field called "last", which the switch does not know.
#include <core.p4>
#include <v1model.p4>

header elem_t { bit<8> a; bit<8> b; }
struct pair_t { elem_t[2] e; }
struct headers_t { elem_t[3] stack; elem_t copy; }
struct meta_t { bit<8> kind; }

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    state start {
        pair_t ahead = packet.lookahead<pair_t>();
        meta.kind = ahead.e[1].b;
        transition select(ahead.e[0].a, ahead.e[1].a) {
            (1, _): one;
            (2, 1): two;
            default: accept;
        }
    }
    state one {
        packet.extract(hdr.stack.next);
        hdr.copy = hdr.stack.last;
        transition accept;
    }
    state two {
        packet.extract(hdr.stack.next);
        packet.extract(hdr.stack.next);
        hdr.copy = hdr.stack.last;
        transition accept;
    }
}
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    action mark(bit<8> v) { hdr.copy.b = v; }
    table t {
        key = { hdr.copy.a: exact; }
        actions = { mark; NoAction; }
    }
    apply {
        std.egress_spec = 1;
        if (meta.kind == 7) {
            hdr.copy.a = hdr.copy.a + 1;
            t.apply();
        } else {
            t.apply();
        }
    }
}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) { apply { } }
control D(packet_out packet, in headers_t hdr) { apply { packet.emit(hdr.copy); packet.emit(hdr.stack); } }
V1Switch(P(), V(), I(), E(), V(), D()) main;
