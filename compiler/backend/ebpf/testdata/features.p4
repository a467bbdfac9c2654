// SPDX-License-Identifier: Apache-2.0
//
// features.p4: what router.p4 does not use: header stacks, headers of odd sizes
// that come and go, wide arithmetic and keys, registers, counters, CRC-32.

#include <core.p4>
#include <v1model.p4>

header ethernet_h {
    bit<48> dst_addr;
    bit<48> src_addr;
    bit<16> ether_type;
}

// Seven bytes, so that removing it is no multiple of four.
header option_h {
    bit<8>  kind;
    bit<40> value;
    bit<7>  rest;
    bit<1>  more;
}

header label_h {
    bit<20> label;
    bit<3>  tc;
    bit<1>  last;
    bit<8>  ttl;
}

header wide_h {
    bit<128> a;
    bit<100> b;
    bit<28>  c;
}

struct headers_t {
    ethernet_h ethernet;
    option_h   option;
    label_h[3] labels;
    wide_h     wide;
}

struct meta_t {
    bit<48>  seen;
    bit<100> total;
    bit<32>  digest;
    bit<16>  digest16;
    int<24>  delta;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.ether_type) {
            0x0800 &&& 0xff00: option;
            0x86dd: labels;
            0x8100 .. 0x81ff: wide;
            default: accept;
        }
    }
    state option {
        packet.extract(hdr.option);
        transition select(hdr.option.more, hdr.option.kind) {
            (1, _): labels;
            (0, 0 .. 69): wide;
            default: accept;
        }
    }
    state labels {
        packet.extract(hdr.labels.next);
        transition select(hdr.labels.last.last) {
            0: labels;
            1: wide;
        }
    }
    state wide {
        packet.extract(hdr.wide);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    register<bit<48>>(16) seen;
    register<bit<100>>(4) totals;
    counter(8, CounterType.packets_and_bytes) packets;

    action drop() { mark_to_drop(sm); }
    action none() { }
    action rewrite(bit<128> a, bit<100> b, bit<5> k) {
        hdr.wide.a = a + hdr.wide.a;
        hdr.wide.b = b ^ hdr.wide.b;
        hdr.wide.c = (bit<28>) k;
    }
    action grow() {
        hdr.wide.setValid();
        hdr.wide.a = 128w0x0123456789abcdeffedcba9876543210;
        hdr.wide.b = hdr.wide.b - 1;
    }
    action shrink() {
        hdr.option.setInvalid();
    }
    action pop() {
        hdr.labels.pop_front(1);
    }
    action push(bit<20> label) {
        hdr.labels.push_front(1);
        hdr.labels[0].setValid();
        hdr.labels[0].label = label;
        hdr.labels[0].ttl = hdr.labels[1].ttl - 1;
    }

    table wide {
        key = {
            hdr.wide.a: exact;
            hdr.wide.b[7:0]: exact;
        }
        actions = { rewrite; shrink; none; }
        default_action = none();
        size = 64;
    }

    table layout {
        key = {
            hdr.ethernet.dst_addr: ternary;
            hdr.option.isValid(): exact;
            sm.ingress_port: range;
        }
        actions = { shrink; grow; pop; push; none; drop; }
        default_action = none();
        size = 200;
    }

    apply {
        sm.egress_spec = sm.ingress_port ^ 1;
        bit<32> slot = (bit<32>) hdr.ethernet.src_addr[4:0];
        packets.count(slot);
        seen.read(meta.seen, slot);
        meta.seen = meta.seen + (bit<48>) sm.packet_length;
        seen.write(slot, meta.seen);
        totals.read(meta.total, slot >> 2);
        meta.total = (meta.total << 1) + hdr.wide.b;
        totals.write(slot >> 2, meta.total);
        hash(meta.digest, HashAlgorithm.crc32, 32w0,
             { hdr.ethernet.dst_addr, hdr.wide.a, hdr.option.value }, 32w0xffffffff);
        hash(meta.digest16, HashAlgorithm.crc16, 16w5, { hdr.ethernet.src_addr }, 16w100);
        meta.delta = (int<24>) (bit<24>) hdr.ethernet.dst_addr[23:0];
        meta.delta = meta.delta >> 3;
        wide.apply();
        layout.apply();
        if (meta.delta < -1000 || meta.delta > 70000) {
            hdr.ethernet.src_addr = hdr.ethernet.src_addr |+| (bit<48>) (bit<24>) meta.delta;
        }
        if (hdr.option.isValid()) {
            hdr.option.value = meta.digest ++ meta.digest16[7:0];
        } else if (hdr.labels[0].isValid()) {
            hdr.labels[0].tc = hdr.labels[0].tc |-| 2;
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.option);
        packet.emit(hdr.labels);
        packet.emit(hdr.wide);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
