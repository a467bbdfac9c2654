// A wire between ports with an access list. LESS takes the access list away,
// DEFAULT sets what happens to frames of other ports.
#include <core.p4>
#include <v1model.p4>

#ifndef DEFAULT
#define DEFAULT drop
#endif

header ethernet_h {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

header ipv4_h {
    bit<64> before;
    bit<8>  ttl;
    bit<8>  protocol;
    bit<16> checksum;
    bit<32> src;
    bit<32> dst;
}

struct headers_t {
    ethernet_h ethernet;
    ipv4_h     ipv4;
}

struct meta_t { }

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            0x0800: ipv4;
            default: accept;
        }
    }
    state ipv4 {
        packet.extract(hdr.ipv4);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    direct_counter(CounterType.packets_and_bytes) wire_counter;

    action drop() { mark_to_drop(sm); }
    action to_port(bit<9> port) { sm.egress_spec = port; }
    action to_host() { sm.egress_spec = 509; }

    table wires {
        key = { sm.ingress_port: exact @name("port"); }
        actions = { to_port; to_host; drop; }
        default_action = DEFAULT();
        counters = wire_counter;
        size = 4;
    }
#ifndef LESS
    table acl {
        key = {
            hdr.ipv4.src: ternary @name("src");
            hdr.ipv4.protocol: range @name("protocol");
            sm.ingress_port: optional @name("port");
        }
        actions = { drop; NoAction; }
        default_action = NoAction();
        size = 16;
    }
#endif
    apply {
        wires.apply();
#ifndef LESS
        if (hdr.ipv4.isValid()) {
            acl.apply();
        }
#endif
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }

control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.ipv4);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
