// lang:P24 lang:P25 lang:P26 lang:P27 lang:P14 lang:P15 lang:P12 lang:P13 lang:P16 and lang:P10
// but for match kinds of the program, which are refused: entries of every match kind,
// default actions that are const and with arguments.
#include <core.p4>
#include <v1model.p4>
header h_t { bit<48> dst; bit<16> type; bit<8> ttl; bit<32> addr; int<8> s; bool flag; bit<7> pad; }
struct hs_t { h_t h; }
struct m_t { bit<9> port; }
parser P(packet_in pkt, out hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    state start { pkt.extract(hs.h); transition accept; }
}
control V(inout hs_t hs, inout m_t m) { apply { } }
control ingressImpl(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    action a() { mark_to_drop(sm); }
    action a_params(bit<32> param) { hs.h.addr = param; }
    table t1 {
        key = { hs.h.dst: exact; hs.h.type: ternary; }
        actions = { a; a_params; }
        default_action = a();
        entries = {
            const priority = 10: (0x000000000001, 0x0001 &&& 0x000F): a_params(1);
            priority = 20: (0x000000000002, 0x1181): a_params(2);
            priority = 50: (0x000000000006, _): a_params(6);
        }
    }
    table prefixes {
        key = { hs.h.addr: lpm; }
        actions = { a; a_params; }
        const default_action = a_params(7);
        const entries = {
            32w0x0a000000 &&& 32w0xff000000: a_params(11);
            32w0x0a010203: a();
            _: a();
        }
    }
    table ranges {
        key = { hs.h.type: range; hs.h.ttl: optional @name("ttl"); hs.h.isValid(): exact; }
        actions = { a; @tableonly a_params; @defaultonly NoAction; }
        const entries = {
            (1 .. 5, _, true): a();
            (_, 4, true): a_params(2);
            (7, _, false): a();
        }
        size = 3;
    }
    apply { t1.apply(); prefixes.apply(); ranges.apply(); }
}
control E(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) { apply { } }
control C(inout hs_t hs, inout m_t m) { apply { } }
control D(packet_out pkt, in hs_t hs) { apply { pkt.emit(hs); } }
V1Switch(P(), V(), ingressImpl(), E(), C(), D()) main;
