// One of everything that P4Runtime programs besides tables. The last byte of the
// source address of what comes out says what was done. With COPIES there are only
// multicast and clones, with NOSETS everything but value sets.
#include <core.p4>
#include <v1model.p4>

header ethernet_t {
    bit<48> dst;
    bit<40> src;
    bit<8> stamp;
    bit<16> type;
    bit<64> number;
}

struct headers_t { ethernet_t ethernet; }

struct meta_t {
    bit<2> color;
    bit<1> listed;
}

struct seen_t {
    bit<48> dst;
    bit<9> port;
}

parser P(packet_in pkt, out headers_t hdr, inout meta_t m, inout standard_metadata_t sm) {
#ifdef COPIES
#define NOSETS
#endif
#ifndef NOSETS
    value_set<bit<16>>(4) types;
#endif
    state start {
        pkt.extract(hdr.ethernet);
#ifdef NOSETS
        transition accept;
#else
        transition select(hdr.ethernet.type) {
            types: listed;
            default: accept;
        }
    }
    state listed {
        m.listed = 1;
        transition accept;
#endif
    }
}

control V(inout headers_t hdr, inout meta_t m) { apply {} }

control I(inout headers_t hdr, inout meta_t m, inout standard_metadata_t sm) {
    action drop() { mark_to_drop(sm); }
    action flood(bit<16> group) { sm.mcast_grp = group; }
    action mirror(bit<32> session, bit<9> port) {
        clone(CloneType.I2E, session);
        sm.egress_spec = port;
    }
    action forward(bit<9> port) { sm.egress_spec = port; }
#ifndef COPIES
    register<bit<8>>(4) cells;
    counter(4, CounterType.packets) counts;
    meter(4, MeterType.packets) rates;
    direct_meter<bit<2>>(MeterType.packets) entry_rates;
    action_selector(HashAlgorithm.crc16, 16, 14) spreader;

    action stamp(bit<8> value) { hdr.ethernet.stamp = value; }
    action learn(bit<9> port) {
        digest<seen_t>(1, { hdr.ethernet.dst, sm.ingress_port });
        sm.egress_spec = port;
    }
    action cell(bit<32> index, bit<9> port) {
        cells.read(hdr.ethernet.stamp, index);
        counts.count(index);
        sm.egress_spec = port;
    }
    action police(bit<32> index, bit<9> port) {
        rates.execute_meter(index, m.color);
        hdr.ethernet.stamp = 0x30 + (bit<8>)m.color;
        sm.egress_spec = port;
    }
    action metered(bit<9> port) {
        entry_rates.read(m.color);
        sm.egress_spec = port;
    }
    table spread {
        key = {
            hdr.ethernet.dst : exact @name("dst");
            hdr.ethernet.number : selector;
        }
        actions = { stamp; NoAction; }
        default_action = NoAction;
        implementation = spreader;
        size = 16;
    }
    table policed {
        key = { hdr.ethernet.dst : exact @name("dst"); }
        actions = { metered; NoAction; }
        default_action = NoAction;
        meters = entry_rates;
        size = 16;
    }
    table aged {
        key = { hdr.ethernet.dst : exact @name("dst"); }
        actions = { forward; NoAction; }
        default_action = NoAction;
        support_timeout = true;
        size = 16;
    }
#endif
    table act {
        key = { hdr.ethernet.dst : exact @name("dst"); }
#ifdef COPIES
        actions = { drop; flood; mirror; forward; }
#else
        actions = { drop; flood; mirror; forward; learn; cell; police; }
#endif
        default_action = drop;
        size = 64;
    }
    apply {
        act.apply();
#ifndef COPIES
        spread.apply();
        if (policed.apply().hit) {
            hdr.ethernet.stamp = 0x40 + (bit<8>)m.color;
        }
        aged.apply();
        if (m.listed == 1) {
            hdr.ethernet.stamp = 0x77;
        }
#endif
    }
}

control E(inout headers_t hdr, inout meta_t m, inout standard_metadata_t sm) {
    apply {
        if (sm.instance_type == 1) {
            hdr.ethernet.stamp = 0xc1;
        } else if (sm.egress_rid != 0) {
            hdr.ethernet.stamp = (bit<8>)sm.egress_rid;
        }
    }
}

control C(inout headers_t hdr, inout meta_t m) { apply {} }

control D(packet_out pkt, in headers_t hdr) {
    apply { pkt.emit(hdr.ethernet); }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
