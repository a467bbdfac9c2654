// A switch that asks its controller: what it does not know goes to the CPU port
// behind a packet_in header, and a packet_out header says where a packet of the
// controller's goes.
#include <core.p4>
#include <v1model.p4>

#ifndef CPU_PORT
#define CPU_PORT 510
#endif
const bit<9> CPU = CPU_PORT;

@controller_header("packet_in")
header packet_in_t {
    bit<9> ingress_port;
    bit<3> reason;
    bit<4> queue;
    bit<16> length;
}

@controller_header("packet_out")
header packet_out_t {
    bit<9> egress_port;
    bit<1> to_ingress;
    @padding bit<6> pad;
}

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

struct headers_t {
    packet_in_t pin;
    packet_out_t pout;
    ethernet_t ethernet;
}

struct meta_t {}

parser P(packet_in pkt, out headers_t hdr, inout meta_t m, inout standard_metadata_t sm) {
    state start {
        transition select(sm.ingress_port) {
            CPU: controller;
            default: ethernet;
        }
    }
    state controller {
        pkt.extract(hdr.pout);
        transition ethernet;
    }
    state ethernet {
        pkt.extract(hdr.ethernet);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t m) { apply {} }

control I(inout headers_t hdr, inout meta_t m, inout standard_metadata_t sm) {
    action to_cpu(bit<3> reason) {
        hdr.pin.setValid();
        hdr.pin.ingress_port = sm.ingress_port;
        hdr.pin.reason = reason;
        hdr.pin.queue = 0xa;
        hdr.pin.length = (bit<16>)sm.packet_length;
        sm.egress_spec = CPU;
    }
    action forward(bit<9> port) { sm.egress_spec = port; }
    action drop() { mark_to_drop(sm); }
    table l2 {
        key = { hdr.ethernet.dst : exact @name("dst"); }
        actions = { to_cpu; forward; drop; }
        default_action = to_cpu(5);
        size = 1024;
    }
    apply {
        if (hdr.pout.isValid()) {
            bit<9> port = hdr.pout.egress_port;
            bit<1> again = hdr.pout.to_ingress;
            hdr.pout.setInvalid();
            if (again == 1) { l2.apply(); } else { sm.egress_spec = port; }
        } else {
            l2.apply();
        }
    }
}

control E(inout headers_t hdr, inout meta_t m, inout standard_metadata_t sm) { apply {} }
control C(inout headers_t hdr, inout meta_t m) { apply {} }

control D(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.pin);
        pkt.emit(hdr.ethernet);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
