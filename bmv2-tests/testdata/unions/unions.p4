// SPDX-License-Identifier: Apache-2.0
// Header unions, alone and in a stack; structs in structs, compared and copied
// whole; tuples; names that shadow others.
#include <core.p4>
#include <v1model.p4>

header tag_h {
    bit<8> tag;
}

header short_h {
    bit<8> kind;
    bit<8> value;
}

header long_h {
    bit<8>  kind;
    bit<24> value;
}

header_union option_u {
    short_h s;
    long_h  l;
}

struct headers_t {
    tag_h       tag;
    option_u    one;
    option_u[2] many;
}

struct point_t {
    bit<8> x;
    bit<8> y;
}

struct line_t {
    point_t from;
    point_t to;
    bool    set;
}

struct meta_t {
    line_t  a;
    line_t  b;
    bit<8>  n;
}

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.tag);
        transition select(packet.lookahead<bit<8>>()) {
            1: one_short;
            2: one_long;
            default: first;
        }
    }
    state one_short {
        packet.extract(hdr.one.s);
        transition first;
    }
    state one_long {
        packet.extract(hdr.one.l);
        transition first;
    }
    state first {
        transition select(packet.lookahead<bit<8>>()) {
            3: many_short;
            4: many_long;
            default: accept;
        }
    }
    state many_short {
        packet.extract(hdr.many.next.s);
        meta.n = meta.n + 1;
        transition first;
    }
    state many_long {
        packet.extract(hdr.many.next.l);
        meta.n = meta.n + 16;
        transition first;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    bit<8> n = 5;

    action shadow(bit<8> n) {
        hdr.tag.tag = n;
        {
            bit<8> n = 1;
            hdr.tag.tag = hdr.tag.tag + n;
        }
    }

    action points(inout point_t p, in point_t by) {
        p.x = p.x + by.x;
        p.y = p.y + by.y;
    }

    apply {
        sm.egress_spec = 1;
        if (hdr.one.s.isValid()) {
            meta.a.from = { hdr.one.s.kind, hdr.one.s.value };
            meta.a.set = true;
        } else if (hdr.one.l.isValid()) {
            meta.a.to.y = hdr.one.l.value[7:0];
        }
        tuple<bit<8>, bit<16>> pair = { hdr.tag.tag, 16w7 };
        switch (hdr.tag.tag) {
            0: {
                hdr.one.l.setValid();
                hdr.one.l.value = 0xabcdef;
            }
            1: { hdr.one.s.setInvalid(); }
            2: { hdr.one.l = { 9, 0x010203 }; }
            3: { hdr.one = hdr.many[0]; }
            4: {
                meta.b = meta.a;
                meta.b.from.y = meta.b.from.y + (meta.n & 0xf);
                meta.b.to.x = meta.b.to.x + (meta.n >> 4);
                hdr.tag.tag = meta.a == meta.b ? 8w1 : meta.a.from == meta.b.from ? 8w2 : 8w3;
            }
            5: { shadow(n + 3); }
            6: {
                points(meta.a.from, { 1, 2 });
                points(meta.a.from, meta.a.from);
                hdr.tag.tag = meta.a.from.x ^ meta.a.from.y;
            }
            7: { hdr.tag.tag = meta.n; }
            8: { hdr.many.pop_front(1); }
            9: { hdr.many[1].s.setValid(); }
            10: { hdr.tag.tag = hdr.one.isValid() ? 8w0xaa : 8w0xbb; }
            11: { hdr.tag.tag = pair[0] + pair[1][7:0]; }
            12: { hdr.tag.tag = hdr.one.l.value[15:8] + hdr.one.s.value; }
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }

control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
