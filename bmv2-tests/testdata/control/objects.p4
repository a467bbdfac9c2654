// SPDX-License-Identifier: Apache-2.0
// What control planes program besides tables: members and groups that two tables
// share, meters on cells and on entries, messages, idle timeouts, registers of
// structs and headers; and what copies do to them.
#include <core.p4>
#include <v1model.p4>

header req_h {
    bit<8>  op;
    bit<8>  key;
    bit<16> x;
    bit<40> y;
    bit<8>  colour;
    bit<72> wide;
    bit<16> res;
}

header mark_h {
    bit<4>  a;
    bit<12> b;
}

struct pair_t {
    bit<72> wide;
    mark_h  mark;
    int<5>  small;
}

struct seen_t {
    bit<8>  op;
    bit<72> wide;
    bit<1>  odd;
}

struct headers_t {
    req_h  req;
    mark_h mark;
}

struct meta_t {
    bit<8> colour;
    pair_t pair;
    mark_h mark;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.req);
        transition select(hdr.req.op) {
            7: more;
            default: accept;
        }
    }
    state more {
        packet.extract(hdr.mark);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    action_selector(HashAlgorithm.crc32, 64, 16) pool;
    action_profile(8) plain;
    meter(4, MeterType.packets) frames;
    meter(4, MeterType.bytes) octets;
    direct_meter<bit<8>>(MeterType.packets) of_entry;
    direct_counter(CounterType.packets_and_bytes) of_pool;
    register<pair_t>(4) pairs;
    register<mark_h>(2) marks;
    register<bit<8>>(0) none;
    counter(0, CounterType.packets) nobody;

    action port(bit<9> p) { sm.egress_spec = p; }
    action both(bit<9> p, bit<72> w) { sm.egress_spec = p; hdr.req.wide = w; }
    action tag(bit<16> t) { hdr.req.res = t; sm.egress_spec = 3; }

    table spread {
        key = {
            hdr.req.key: exact @name("key");
            hdr.req.x: selector;
            hdr.req.y: selector;
        }
        actions = { port; both; NoAction; }
        implementation = pool;
        counters = of_pool;
        default_action = NoAction();
    }
    table again {
        key = {
            hdr.req.y: ternary @name("y");
            hdr.req.x: selector;
        }
        actions = { tag; port; }
        implementation = pool;
        default_action = tag(0xdd);
    }
    table single {
        key = { hdr.req.x: lpm @name("x"); }
        actions = { both; tag; }
        implementation = plain;
        default_action = tag(0xee);
    }
    action metered() { of_entry.read(meta.colour); }
    table rated {
        key = { hdr.req.x: ternary @name("x"); }
        actions = { metered; NoAction; }
        meters = of_entry;
        default_action = NoAction();
    }
    table aging {
        key = { hdr.req.key: exact @name("key"); }
        actions = { tag; NoAction; }
        support_timeout = true;
        default_action = NoAction();
    }
    apply {
        sm.egress_spec = 1;
        meta.colour = 9;
        bit<2> c = 3;
        if (hdr.req.op == 1) {
            switch (spread.apply().action_run) {
                port: { hdr.req.res = 1; }
                both: { hdr.req.res = 2; }
                default: { hdr.req.res = 3; }
            }
        } else if (hdr.req.op == 2) {
            if (again.apply().hit) { hdr.req.colour = 1; }
        } else if (hdr.req.op == 3) {
            single.apply();
        } else if (hdr.req.op == 4) {
            frames.execute_meter((bit<32>) hdr.req.key, c);
            hdr.req.colour = (bit<8>) c;
        } else if (hdr.req.op == 5) {
            octets.execute_meter((bit<32>) hdr.req.key, hdr.req.colour);
        } else if (hdr.req.op == 6) {
            rated.apply();
            hdr.req.colour = meta.colour;
        } else if (hdr.req.op == 7) {
            digest<seen_t>(1, { hdr.req.op, hdr.req.wide, hdr.req.x[0:0] });
            if (hdr.req.key == 1) { digest<mark_h>(2, hdr.mark); }
        } else if (hdr.req.op == 8) {
            aging.apply();
        } else if (hdr.req.op == 9) {
            meta.pair.wide = hdr.req.wide;
            meta.pair.small = (int<5>) hdr.req.x[4:0];
            if (hdr.req.colour == 1) {
                meta.pair.mark.setValid();
                meta.pair.mark.a = 5;
                meta.pair.mark.b = hdr.req.x[11:0];
            }
            pairs.write((bit<32>) hdr.req.key, meta.pair);
        } else if (hdr.req.op == 10) {
            pairs.read(meta.pair, (bit<32>) hdr.req.key);
            hdr.req.wide = meta.pair.wide;
            hdr.req.colour = (bit<8>) (bit<5>) meta.pair.small;
            if (meta.pair.mark.isValid()) { hdr.req.res = meta.pair.mark.a ++ meta.pair.mark.b; }
            marks.write(1, meta.pair.mark);
        } else if (hdr.req.op == 11) {
            marks.read(hdr.mark, (bit<32>) hdr.req.key);
            none.read(hdr.req.colour, 0);
            none.write(0, 1);
            nobody.count(0);
        } else if (hdr.req.op == 12) {
            sm.mcast_grp = (bit<16>) hdr.req.key;
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    meter(8, MeterType.bytes) copies;
    register<bit<48>>(8) times;

    action out_of_profile() { hdr.req.res = 0xffff; }
    direct_meter<bit<2>>(MeterType.packets) by_port;
    action in_profile() {
        bit<2> c = 3;
        by_port.read(c);
        hdr.req.res = (bit<16>) c;
    }
    table ports {
        key = { sm.egress_port: exact @name("port"); }
        actions = { in_profile; out_of_profile; }
        meters = by_port;
        support_timeout = true;
        default_action = out_of_profile();
    }
    apply {
        if (hdr.req.op == 12) {
            copies.execute_meter((bit<32>) sm.egress_port, hdr.req.colour);
            times.write((bit<32>) sm.egress_port, sm.egress_global_timestamp);
            ports.apply();
            digest<seen_t>(1, { hdr.req.colour, hdr.req.wide, sm.egress_port[0:0] });
        }
    }
}
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.req);
        packet.emit(hdr.mark);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
