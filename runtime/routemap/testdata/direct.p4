// SPDX-License-Identifier: Apache-2.0
//
// A program that knows nothing of p4nic: its routes name the neighbour's MAC and
// the port, there are no groups, no next hops and no VRF.

#include <core.p4>
#include <v1model.p4>

header eth_h  { bit<48> dst; bit<48> src; bit<16> type; }
header ipv4_h {
    bit<64> a; bit<8> ttl; bit<8> proto; bit<16> csum; bit<32> src; bit<32> dst;
}
struct headers { eth_h eth; ipv4_h ip; }
struct metadata { }

parser P(packet_in pkt, out headers h, inout metadata m, inout standard_metadata_t s) {
    state start {
        pkt.extract(h.eth);
        transition select(h.eth.type) {
            0x800: ip;
            default: accept;
        }
    }
    state ip { pkt.extract(h.ip); transition accept; }
}

control V(inout headers h, inout metadata m) { apply { } }

control I(inout headers h, inout metadata m, inout standard_metadata_t s) {
    action nowhere() { mark_to_drop(s); }
    action forward(bit<48> mac, bit<9> port) {
        s.egress_spec = port;
        h.eth.src = h.eth.dst;
        h.eth.dst = mac;
        h.ip.ttl = h.ip.ttl - 1;
    }
    table lpm {
        key = { h.ip.dst: lpm; }
        actions = { forward; nowhere; NoAction; }
        size = 1024;
        default_action = nowhere();
    }
    apply {
        if (h.ip.isValid()) {
            lpm.apply();
        }
    }
}

control E(inout headers h, inout metadata m, inout standard_metadata_t s) { apply { } }
control C(inout headers h, inout metadata m) { apply { } }
control D(packet_out pkt, in headers h) { apply { pkt.emit(h.eth); pkt.emit(h.ip); } }

V1Switch(P(), V(), I(), E(), C(), D()) main;
