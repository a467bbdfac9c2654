// SPDX-License-Identifier: Apache-2.0
// A parser that uses what parsers have: masks, ranges, tuples and constants in
// select, lookahead, advance, verify, sub-parsers, errors of its own, metadata
// computed on the way; deparsing in a sub-control, conditionally.
#include <core.p4>
#include <v1model.p4>

error {
    BadVersion,
    BadLength
}

header kind_h {
    bit<8> kind;
    bit<8> len;
}

header fixed_h {
    bit<4>  version;
    bit<4>  flags;
    bit<16> value;
    bit<8>  rest;
}

header tlv_h {
    bit<8> tag;
    bit<8> value;
}

header mark_h {
    bit<32> bits;
}

struct peek_t {
    bit<4> hi;
    bit<12> lo;
}

struct headers_t {
    kind_h   kind;
    fixed_h  fixed;
    fixed_h  inner;
    tlv_h[3] tlvs;
    mark_h   mark;
}

struct meta_t {
    bit<8>  path;
    bit<8>  peeked;
    bit<16> sum;
    bit<32> length;
}

// Version 4, or an error.
parser Fixed(packet_in packet, out fixed_h f, inout meta_t meta)(bit<4> version) {
    state start {
        packet.extract(f);
        verify(f.version == version, error.BadVersion);
        meta.sum = meta.sum + f.value;
        transition select(f.flags) {
            0b1000 &&& 0b1000: flagged;
            default: accept;
        }
    }
    state flagged {
        meta.path = meta.path | 0x80;
        transition accept;
    }
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    Fixed(4) four;
    Fixed(6) six;

    state start {
        meta.length = packet.length();
        packet.extract(hdr.kind);
        bool long = hdr.kind.len > 8;
        verify(hdr.kind.len != 0xff, error.BadLength);
        verify(hdr.kind.len != 0xfd, error.HeaderTooShort);
        transition select(hdr.kind.kind, hdr.kind.len, long) {
            (0x10 &&& 0xf0, _, _): parse_four;
            (0x20 .. 0x2f, 0 .. 3, _): parse_six;
            (0x20 .. 0x2f, _, true): parse_both;
            (0x30, 1, false): peek;
            (0x40, _, _): skip;
            (0x50 &&& 0xfe, 5, _): tlvs;
            (0xff, _, _): reject;
            (0x60, _, _): wide;
            (0, _, _): accept;
        }
    }
    state parse_four {
        meta.path = 1;
        four.apply(packet, hdr.fixed, meta);
        transition accept;
    }
    state parse_six {
        meta.path = 2;
        six.apply(packet, hdr.fixed, meta);
        transition accept;
    }
    state parse_both {
        meta.path = 3;
        four.apply(packet, hdr.fixed, meta);
        meta.path = meta.path + 1;
        six.apply(packet, hdr.inner, meta);
        transition accept;
    }
    state peek {
        meta.peeked = packet.lookahead<bit<8>>();
        peek_t p = packet.lookahead<peek_t>();
        transition select(p.hi, p.lo[3:0]) {
            (4, 4): parse_four;
            (6, _): parse_six;
            (_, 0xf): tlvs;
            default: accept;
        }
    }
    // The length counts bytes to leave out.
    state skip {
        packet.advance((bit<32>) hdr.kind.len * 8);
        meta.path = 5;
        packet.extract(hdr.mark);
        transition accept;
    }
    state tlvs {
        transition select(packet.lookahead<tlv_h>().tag) {
            0: accept;
            1: one_tlv;
            2 .. 9: one_tlv;
        }
    }
    state one_tlv {
        packet.extract(hdr.tlvs.next);
        meta.sum = meta.sum + (bit<16>) hdr.tlvs.last.value;
        meta.path = (bit<8>) hdr.tlvs.lastIndex;
        transition tlvs;
    }
    state wide {
        transition select(packet.lookahead<bit<128>>()) {
            0: accept;
            0xff00000000000000000000000000000f &&& 0xff00000000000000000000000000000f: marked;
            0x100 .. 0x1ff0000000000000000000: both;
            default: reject;
        }
    }
    state marked {
        meta.path = 7;
        packet.extract(hdr.mark);
        transition accept;
    }
    state both {
        meta.path = 8;
        packet.extract(hdr.mark);
        packet.extract(hdr.fixed);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    action tell(bit<8> what) {
        hdr.kind.kind = what;
        hdr.kind.len = meta.path;
    }
    apply {
        sm.egress_spec = 1;
        if (sm.parser_error == error.NoError) {
            tell(0xa0);
        } else if (sm.parser_error == error.BadVersion) {
            tell(0xa1);
        } else if (sm.parser_error == error.BadLength) {
            tell(0xa2);
        } else if (sm.parser_error == error.NoMatch) {
            tell(0xa3);
        } else if (sm.parser_error == error.StackOutOfBounds) {
            tell(0xa4);
        } else if (sm.parser_error == error.PacketTooShort) {
            tell(0xa5);
        } else {
            tell(0xa6);
        }
        hdr.fixed.value = meta.sum;
        hdr.inner.value = meta.length[15:0];
        hdr.mark.bits = meta.length ++ meta.peeked == 40w0 ? 32w0 : hdr.mark.bits ^ (bit<32>) meta.peeked;
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }

control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control Tail(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.tlvs);
        if (hdr.kind.len == 0x81) {
            packet.emit(hdr.kind);
        }
        packet.emit(hdr.mark);
    }
}

control D(packet_out packet, in headers_t hdr) {
    Tail() tail;
    apply {
        packet.emit(hdr.kind);
        packet.emit(hdr.inner);
        packet.emit(hdr.fixed);
        tail.apply(packet, hdr);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
