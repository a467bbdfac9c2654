// What simple_switch does with copies of packets: the first bytes of a packet say
// what to ask for, the header `seen` of what comes out shows what the program saw.
#include <core.p4>
#include <v1model.p4>

header ask_t {
    bit<8> ingress;  // 1 clone, 2 resubmit, 4 multicast, 8 drop, 16 add seen, 32 truncate, 64 clone with fields, 128 remove ask
    bit<8> egress;   // 1 clone, 2 recirculate, 4 drop, 8 clone with fields, 16 truncate
    bit<8> session;
    bit<8> group;
    bit<8> port;
    bit<8> passes;   // counted up by every pass of ingress
    bit<8> mark;
}

header seen_t {
    bit<32> instance;
    bit<16> ingress_port;
    bit<16> egress_port;
    bit<16> egress_spec;
    bit<32> length;
    bit<32> ingress_length;
    bit<16> group;
    bit<16> rid;
    bit<8>  kept;
    bit<8>  lost;
    bit<8>  parsed;
    bit<8>  deep;
    bit<32> deltas;
    bit<8>  priority;
    bit<8>  zero;
}


struct metadata {
    @field_list(1, 2)
    bit<8> kept;
    bit<8> lost;
    @field_list(2)
    bit<8> parsed;
    bit<8> deep;
    bit<32> ingress_length;
}

struct headers {
    ask_t  ask;
    seen_t seen;
}

parser P(packet_in pkt, out headers hdr, inout metadata meta, inout standard_metadata_t std) {
    state start {
        pkt.extract(hdr.ask);
        meta.parsed = hdr.ask.passes + 1;
        transition accept;
    }
}

control V(inout headers hdr, inout metadata meta) {
    apply { }
}

control I(inout headers hdr, inout metadata meta, inout standard_metadata_t std) {
    apply {
        meta.ingress_length = std.packet_length;
        std.egress_spec = (bit<9>)hdr.ask.port;
        std.enq_qdepth = 3;
        std.deq_qdepth = 4;
        std.deq_timedelta = 5;
        if (std.instance_type == 6 || std.instance_type == 4) {
            // Second passes only forward, and show what they have.
            hdr.ask.passes = hdr.ask.passes + 1;
            meta.lost = (bit<8>)std.ingress_port;
            hdr.ask.egress = 0;
        } else {
            hdr.ask.passes = hdr.ask.passes + 1;
            meta.kept = 0xa1;
            meta.lost = 0xb2;
            if (hdr.ask.ingress & 16 != 0) {
                hdr.seen.setValid();
            }
            if (hdr.ask.ingress & 1 != 0) {
                clone(CloneType.I2E, (bit<32>)hdr.ask.session);
            }
            if (hdr.ask.ingress & 64 != 0) {
                clone_preserving_field_list(CloneType.I2E, (bit<32>)hdr.ask.session, 2);
            }
            if (hdr.ask.ingress & 2 != 0) {
                resubmit_preserving_field_list(1);
            }
            if (hdr.ask.ingress & 4 != 0) {
                std.mcast_grp = (bit<16>)hdr.ask.group;
            }
            if (hdr.ask.ingress & 8 != 0) {
                mark_to_drop(std);
            }
            if (hdr.ask.ingress & 32 != 0) {
                truncate(12);
            }
            hdr.ask.mark = hdr.ask.mark + 1;
            meta.kept = meta.kept + 1;
        }
    }
}

control E(inout headers hdr, inout metadata meta, inout standard_metadata_t std) {
    apply {
        bit<9> spec = std.egress_spec;
        hdr.seen.setValid();
        hdr.seen.instance = std.instance_type;
        hdr.seen.ingress_port = (bit<16>)std.ingress_port;
        hdr.seen.egress_port = (bit<16>)std.egress_port;
        hdr.seen.egress_spec = (bit<16>)spec;
        hdr.seen.length = std.packet_length;
        hdr.seen.ingress_length = meta.ingress_length;
        hdr.seen.group = std.mcast_grp;
        hdr.seen.rid = std.egress_rid;
        hdr.seen.kept = meta.kept;
        hdr.seen.lost = meta.lost;
        hdr.seen.parsed = meta.parsed;
        hdr.seen.deep = 0;
        hdr.seen.priority = (bit<8>)std.priority;
        hdr.seen.deltas = 0;
        hdr.seen.zero = 0;
        if (std.instance_type == 0 || std.instance_type == 5) {
            if (hdr.ask.egress & 1 != 0) {
                clone(CloneType.E2E, (bit<32>)hdr.ask.session);
            }
            if (hdr.ask.egress & 8 != 0) {
                clone_preserving_field_list(CloneType.E2E, (bit<32>)hdr.ask.session, 1);
            }
            if (hdr.ask.egress & 2 != 0) {
                recirculate_preserving_field_list(2);
            }
            if (hdr.ask.egress & 4 != 0) {
                mark_to_drop(std);
            }
            if (hdr.ask.egress & 16 != 0) {
                truncate(20);
                truncate(40);
            }
        }
        if (hdr.ask.ingress & 128 != 0) {
            hdr.ask.setInvalid();
        }
    }
}

control C(inout headers hdr, inout metadata meta) {
    apply { }
}

control D(packet_out pkt, in headers hdr) {
    apply {
        pkt.emit(hdr.ask);
        pkt.emit(hdr.seen);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
