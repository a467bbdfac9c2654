// SPDX-License-Identifier: Apache-2.0
// Tables of every match kind, keys of every width, entries of the program, and
// what a table's outcome decides: action_run, hit, miss, exit.
#include <core.p4>
#include <v1model.p4>

header in_h {
    bit<8>   select_table;
    bit<8>   a;
    int<8>   s;
    bit<16>  b;
    bit<4>   c;
    bit<12>  d;
    bit<48>  e;
    bit<128> f;
}

header out_h {
    bit<8>  first;
    bit<8>  second;
    bit<16> trail;
}

struct headers_t {
    in_h  i;
    out_h o;
}

struct meta_t {
    bit<7> odd;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.i);
        packet.extract(hdr.o);
        meta.odd = hdr.i.a[7:1];
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    direct_counter(CounterType.packets) ternary_counter;
    direct_counter(CounterType.bytes) lpm_counter;
    direct_counter(CounterType.packets_and_bytes) fixed_counter;

    action first(bit<8> x) { hdr.o.first = x; }
    action second(bit<8> x) { hdr.o.second = x; }
    action both(bit<8> x, bit<8> y) { hdr.o.first = x; hdr.o.second = y; }
    action stop(bit<8> x) {
        hdr.o.first = x;
        exit;
    }
    action step(inout bit<16> acc, in bit<8> by, bit<8> n) {
        acc = acc + (bit<16>) by + (bit<16>) n;
    }
    // Parameters that do not fit beside the action id.
    action wide(bit<128> x, bit<9> port, bit<48> y, bit<1> z) {
        hdr.i.f = x;
        hdr.i.e = y;
        sm.egress_spec = port;
        hdr.o.first[0:0] = z;
    }
    action gone() { mark_to_drop(sm); }

    table ternaries {
        key = {
            hdr.i.a: ternary;
            hdr.i.f: ternary;
            hdr.i.d: ternary @name("d");
        }
        actions = { first; second; both; stop; wide; }
        default_action = first(0xfe);
        counters = ternary_counter;
        size = 100;
    }
    table ranges {
        key = {
            hdr.i.b: range;
            hdr.i.s: range;
            hdr.i.f: range;
        }
        actions = { first; second; @defaultonly gone; }
        default_action = gone();
    }
    table optionals {
        key = {
            hdr.i.e: optional;
            hdr.i.c: exact;
            sm.ingress_port: optional @name("port");
        }
        actions = { both; NoAction; }
    }
    table prefixes {
        key = {
            hdr.i.c: exact;
            hdr.i.f: lpm;
            hdr.i.d: exact;
        }
        actions = { first; second; wide; }
        counters = lpm_counter;
        default_action = second(0xfd);
    }
    // A prefix and a mask: priorities decide, not the length.
    table mixed {
        key = {
            hdr.i.b: lpm;
            hdr.i.a: ternary;
        }
        actions = { first; stop; NoAction; }
        default_action = NoAction();
    }
    table small {
        key = { meta.odd: exact; }
        actions = { step(hdr.o.trail, hdr.i.a); @tableonly first; }
        default_action = step(hdr.o.trail, hdr.i.a, 1);
    }
    table fixed {
        key = {
            hdr.i.a: ternary;
            hdr.i.c: ternary;
        }
        actions = { first; second; gone; }
        const default_action = second(1);
        counters = fixed_counter;
        const entries = {
            (0x10 &&& 0xf0, 3):  first(0x11);
            (0x10 &&& 0xf0, _):  first(0x12);
            (0x1f, 4):           first(0x13);   // hidden by the one before
            (_, 0b1000 &&& 0b1000): second(0x14);
            (0x55, 7):           gone();
        }
    }
    table keyless {
        actions = { second; first; }
        default_action = second(0x77);
    }

    apply {
        sm.egress_spec = 1;
        switch (hdr.i.select_table) {
            0: { ternaries.apply(); }
            1: { ranges.apply(); }
            2: {
                if (optionals.apply().hit) {
                    hdr.o.trail = 0x4849;
                } else {
                    hdr.o.trail = 0x4d49;
                }
            }
            3: {
                switch (prefixes.apply().action_run) {
                    first: { hdr.o.trail = 1; }
                    second: { hdr.o.trail = 2; }
                    default: { hdr.o.trail = 3; }
                }
            }
            4: { mixed.apply(); }
            5:
            6: { small.apply(); }
            7: { fixed.apply(); }
            8: { keyless.apply(); }
            9: {
                // One after the other; exit ends all but the deparser.
                mixed.apply();
                if (ternaries.apply().miss) {
                    ranges.apply();
                }
                fixed.apply();
            }
        }
        hdr.o.trail = hdr.o.trail + 0x100;
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    apply {
        if (sm.egress_port == 77) {
            mark_to_drop(sm);
        }
    }
}

control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
