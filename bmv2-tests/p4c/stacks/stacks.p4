// SPDX-License-Identifier: Apache-2.0
// A label switch: a stack of labels that is pushed, popped and swapped, headers
// that appear, vanish and change their order.
#include <core.p4>
#include <v1model.p4>

header start_h {
    bit<8> op;
    bit<8> arg;
}

header label_h {
    bit<20> label;
    bit<3>  tc;
    bit<1>  bottom;
    bit<8>  ttl;
}

header tail_h {
    bit<4>  a;
    bit<12> b;
}

struct headers_t {
    start_h    begin;
    label_h[4] labels;
    tail_h     first;
    tail_h     second;
}

struct meta_t {
    bit<32> count;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.begin);
        transition select(hdr.begin.op) {
            0xff: tails;
            default: labels;
        }
    }
    state labels {
        packet.extract(hdr.labels.next);
        meta.count = meta.count + 1;
        transition select(hdr.labels.last.bottom) {
            0: labels;
            1: tails;
        }
    }
    state tails {
        packet.extract(hdr.first);
        transition select(hdr.first.a) {
            0: accept;
            1 .. 14: more;
        }
    }
    state more {
        packet.extract(hdr.second);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    action swap(bit<20> label) {
        hdr.labels[0].label = label;
        hdr.labels[0].ttl = hdr.labels[0].ttl |-| 1;
    }

    action push(bit<20> label, bit<3> tc) {
        hdr.labels.push_front(1);
        hdr.labels[0].setValid();
        hdr.labels[0].label = label;
        hdr.labels[0].tc = tc;
        hdr.labels[0].ttl = 255;
        // The old top is the second now; on an empty stack it is not there.
        hdr.labels[0].bottom = hdr.labels[1].isValid() ? 1w0 : 1w1;
    }

    action pop() {
        hdr.labels.pop_front(1);
    }

    table fib {
        key = { hdr.labels[0].label: exact @name("label"); }
        actions = { swap; push; pop; NoAction; }
        default_action = NoAction();
        size = 64;
    }

    apply {
        sm.egress_spec = 1;
        if (sm.parser_error == error.StackOutOfBounds) {
            hdr.begin.arg = 0xee;
        } else if (sm.parser_error == error.NoMatch) {
            hdr.begin.arg = 0xdd;
        } else if (sm.parser_error != error.NoError) {
            hdr.begin.arg = 0xcc;
        }
        switch (hdr.begin.op) {
            1: { fib.apply(); }
            2: { hdr.labels.push_front(2); }
            3: { hdr.labels.pop_front(2); }
            4: { hdr.labels.push_front(5); }
            5: { hdr.labels.pop_front(4); }
            6: { hdr.labels[1].setInvalid(); }
            7: { hdr.labels[2] = hdr.labels[0]; }
            8: {
                tail_h t = hdr.first;
                hdr.first = hdr.second;
                hdr.second = t;
            }
            9: {
                hdr.second.setValid();
                hdr.second.b = 0xabc;
            }
            10: {
                hdr.first.setInvalid();
                hdr.first.b = 0xfff;      // nobody's
                hdr.first.setValid();     // zero again
            }
            11: { hdr.labels[hdr.begin.arg[1:0]].label = 0xfffff; }
            12: {
                bit<20> x = hdr.labels[hdr.begin.arg[1:0]].label;
                hdr.first.b = x[11:0];
            }
            13: { hdr.begin.setInvalid(); }
            14: { hdr.begin.arg = (bit<8>) meta.count; }
            15: { hdr.labels[3] = { 0x12345, 7, 0, 9 }; }
            16: {
                if (hdr.first == hdr.second) {
                    hdr.begin.arg = 1;
                } else if (hdr.first != { 4w3, 12w4 }) {
                    hdr.begin.arg = 2;
                } else {
                    hdr.begin.arg = 3;
                }
            }
            default: { }
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }

control C(inout headers_t hdr, inout meta_t meta) { apply { } }

// The second tail leaves before the first.
control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.begin);
        packet.emit(hdr.labels);
        packet.emit(hdr.second);
        packet.emit(hdr.first);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
