// SPDX-License-Identifier: Apache-2.0
//
// wire.p4: ports 0-1 and 2-3 are wires, with counters. Frames to
// 02:00:00:00:00:99 go to the host: on VLAN 6 as VLAN 5, on VLAN 7 without the tag, and
// untagged ones from port 2 with a tag of VLAN 5.

#include <core.p4>
#include <v1model.p4>

header ethernet_h {
    bit<48> dst_addr;
    bit<48> src_addr;
    bit<16> ether_type;
}

header vlan_h {
    bit<3>  pcp;
    bit<1>  dei;
    bit<12> vid;
    bit<16> ether_type;
}

struct headers_t {
    ethernet_h ethernet;
    vlan_h     vlan;
}

struct meta_t {
    bit<32> longest;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.ether_type) {
            0x8100: vlan;
            default: accept;
        }
    }
    state vlan {
        packet.extract(hdr.vlan);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    counter(4, CounterType.packets_and_bytes) packets;
    register<bit<32>>(4) longest;

    apply {
        packets.count((bit<32>) sm.ingress_port);
        longest.read(meta.longest, (bit<32>) sm.ingress_port);
        if (sm.packet_length > meta.longest) {
            longest.write((bit<32>) sm.ingress_port, sm.packet_length);
        }
        sm.egress_spec = sm.ingress_port ^ 1;
        if (hdr.ethernet.dst_addr == 0x020000000099) {
            sm.egress_spec = 509;
            if (hdr.vlan.isValid() && hdr.vlan.vid == 6) {
                hdr.vlan.vid = 5;
            } else if (hdr.vlan.isValid() && hdr.vlan.vid == 7) {
                hdr.ethernet.ether_type = hdr.vlan.ether_type;
                hdr.vlan.setInvalid();
            } else if (!hdr.vlan.isValid() && sm.ingress_port == 2) {
                hdr.vlan.setValid();
                hdr.vlan.vid = 5;
                hdr.vlan.ether_type = hdr.ethernet.ether_type;
                hdr.ethernet.ether_type = 0x8100;
            }
        } else if (hdr.ethernet.dst_addr == 0x020000000098) {
            sm.egress_spec = 510;
        } else if (hdr.ethernet.dst_addr == 0x020000000097) {
            sm.egress_spec = 300;
        } else if (hdr.ethernet.dst_addr == 0x020000000096) {
            mark_to_drop(sm);
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.vlan);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
