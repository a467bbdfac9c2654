// SPDX-License-Identifier: Apache-2.0
//
// stacks.p4: stacks that grow at a device and are walked over whatever their length: the
// program with the most ways through parser and deparser for its size. Frames of
// type 0x0900 carry records (a bit says which is the last) and, behind them, the
// ports to leave by.
#include <core.p4>
#include <v1model.p4>

#define RECORDS 8
#define PORTS 8

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

header count_t {
    bit<8> hops;
}

header record_t {
    bit<1>  last;
    bit<7>  device;
    bit<8>  port;
    bit<32> bytes;
    bit<48> now;
}

header port_t {
    bit<8> port;
}

struct headers_t {
    ethernet_t        ethernet;
    count_t           count;
    record_t[RECORDS] records;
    port_t[PORTS]     ports;
}

struct meta_t {
    bit<8> left;
    bit<8> port;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            0x0900: count;
            default: accept;
        }
    }
    state count {
        packet.extract(hdr.count);
        meta.left = hdr.count.hops + 1;
        transition select(hdr.count.hops) {
            0: ports;
            default: records;
        }
    }
    state records {
        packet.extract(hdr.records.next);
        transition select(hdr.records.last.last) {
            1: ports;
            default: records;
        }
    }
    state ports {
        packet.extract(hdr.ports.next);
        meta.left = meta.left - 1;
        meta.port = hdr.ports.last.port;
        transition select(meta.left) {
            0: accept;
            default: ports;
        }
    }
}

control V(inout headers_t hdr, inout meta_t meta) {
    apply {}
}

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    apply {
        if (hdr.count.isValid()) {
            sm.egress_spec = (bit<9>)meta.port;
            hdr.count.hops = hdr.count.hops + 1;
        } else {
            sm.egress_spec = 1;
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    register<bit<32>>(16) bytes;

    action set_device(bit<7> device) {
        hdr.records[0].device = device;
    }

    table device {
        actions = {
            set_device;
            NoAction;
        }
        default_action = NoAction();
    }

    apply {
        bit<32> n;
        bytes.read(n, (bit<32>)sm.egress_port);
        n = n + sm.packet_length;
        bytes.write((bit<32>)sm.egress_port, hdr.count.isValid() ? 0 : n);
        if (hdr.count.isValid()) {
            hdr.records.push_front(1);
            hdr.records[0].setValid();
            hdr.records[0].last = hdr.count.hops == 1 ? 1w1 : 0;
            device.apply();
            hdr.records[0].port = (bit<8>)sm.egress_port;
            hdr.records[0].bytes = n;
        }
    }
}

control C(inout headers_t hdr, inout meta_t meta) {
    apply {}
}

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.count);
        packet.emit(hdr.records);
        packet.emit(hdr.ports);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
