// One exact-match table of SIZE entries, the first thing every packet meets.
#include <core.p4>
#include <v1model.p4>

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

struct headers_t {
    ethernet_t eth;
}

struct meta_t { }

parser P(packet_in pkt, out headers_t h, inout meta_t m, inout standard_metadata_t sm) {
    state start {
        pkt.extract(h.eth);
        transition accept;
    }
}

control VC(inout headers_t h, inout meta_t m) {
    apply { }
}

control I(inout headers_t h, inout meta_t m, inout standard_metadata_t sm) {
    action drop() {
        mark_to_drop(sm);
    }
    action to_port(bit<9> port) {
        sm.egress_spec = port;
    }
    table l2 {
        key = {
            h.eth.dst: exact;
        }
        actions = {
            to_port;
            drop;
        }
        default_action = drop();
        size = SIZE;
    }
    apply {
        l2.apply();
    }
}

control E(inout headers_t h, inout meta_t m, inout standard_metadata_t sm) {
    apply { }
}

control CC(inout headers_t h, inout meta_t m) {
    apply { }
}

control D(packet_out pkt, in headers_t h) {
    apply {
        pkt.emit(h.eth);
    }
}

V1Switch(P(), VC(), I(), E(), CC(), D()) main;
