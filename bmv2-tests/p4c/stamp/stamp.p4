// A wire between ports that stamps VERSION into each frame: in two controls, and
// through the content of a table of each. A frame whose four stamps differ saw
// two programs.
#include <core.p4>
#include <v1model.p4>

#ifndef VERSION
#define VERSION 1
#endif

header ethernet_h {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

header ipv4_h {
    bit<160> fields;
}

header udp_h {
    bit<16> src_port;
    bit<16> dst_port;
    bit<16> len;
    bit<16> checksum;
}

header stamps_h {
    bit<64> number;
    bit<16> in_code;
    bit<16> in_table;
    bit<16> out_code;
    bit<16> out_table;
}

struct headers_t {
    ethernet_h ethernet;
    ipv4_h     ipv4;
    udp_h      udp;
    stamps_h   stamps;
}

struct meta_t { }

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            0x0800: parse_ipv4;
            default: accept;
        }
    }
    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        packet.extract(hdr.udp);
        transition select(hdr.udp.dst_port) {
            7777: parse_stamps;
            default: accept;
        }
    }
    state parse_stamps {
        packet.extract(hdr.stamps);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    direct_counter(CounterType.packets_and_bytes) wire_counter;

    action drop() { mark_to_drop(sm); }
    action to_port(bit<9> port) { sm.egress_spec = port; }
    action to_host() { sm.egress_spec = 509; }
    action stamp(bit<16> version) { hdr.stamps.in_table = version; }

    table wires {
        key = { sm.ingress_port: exact @name("port"); }
        actions = { to_port; to_host; drop; }
        default_action = drop();
        counters = wire_counter;
        size = 16;
    }
    // Entries that only have to survive.
    table ballast {
        key = { hdr.ethernet.dst: exact @name("mac"); }
        actions = { to_port; NoAction; }
        size = 4096;
    }
    table stamp_in {
        actions = { stamp; }
        const default_action = stamp(VERSION);
    }
    apply {
        wires.apply();
        if (hdr.stamps.isValid()) {
            hdr.stamps.in_code = VERSION;
            stamp_in.apply();
        } else {
            to_host();
        }
        ballast.apply();
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    action stamp(bit<16> version) { hdr.stamps.out_table = version; }
    table stamp_out {
        key = { hdr.stamps.isValid(): exact @name("stamped"); }
        actions = { stamp; NoAction; }
        const entries = {
            true: stamp(VERSION);
        }
    }
    apply {
        if (hdr.stamps.isValid()) {
            hdr.stamps.out_code = VERSION;
        }
        stamp_out.apply();
    }
}

control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.udp);
        packet.emit(hdr.stamps);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
