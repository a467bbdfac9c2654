#include <core.p4>
#include <v1model.p4>

// Fields of variable size: kept, copied, compared, dropped; checksums and hashes
// over them and over the payload.

header first_t {
    bit<8>  op;
    bit<4>  n;
    bit<4>  m;
    bit<16> sum;
}

header opts_t {
    bit<8>      kind;
    varbit<120> v;
}

header tail_t {
    varbit<64> v;
    bit<16>    after;
}

header out_t {
    bit<32> crc;
    bit<16> xored;
    bit<64> head;
}

struct headers_t {
    out_t   o;
    first_t first;
    opts_t  a;
    opts_t  b;
    tail_t  t;
}

struct meta_t { }

parser P(packet_in pkt, out headers_t h, inout meta_t m, inout standard_metadata_t sm) {
    state start {
        pkt.extract(h.first);
        pkt.extract(h.a, 8 * (bit<32>)h.first.n);
        transition select(h.first.op) {
            0x00 .. 0x0f: accept;
            default: second;
        }
    }
    state second {
        pkt.extract(h.b, 8 * (bit<32>)h.first.m);
        pkt.extract(h.t, (bit<32>)(h.a.kind & 0x1f));
        transition accept;
    }
}

control V(inout headers_t h, inout meta_t m) {
    apply {
        verify_checksum_with_payload(h.first.op[0:0] == 1, { h.first.op, h.a, h.t }, h.first.sum, HashAlgorithm.csum16);
    }
}

control I(inout headers_t h, inout meta_t m, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 2;
        if (sm.checksum_error == 1) {
            h.a.kind = h.a.kind ^ 0x80;
        }
        if (h.a.v == h.b.v) {
            sm.egress_spec = 3;
        }
        if (h.first.op[2:1] == 1) {
            h.a.v = h.b.v;
        } else if (h.first.op[2:1] == 2) {
            h.b.setInvalid();
            h.t.after = h.t.after + 1;
        } else if (h.first.op[2:1] == 3) {
            h.o.setValid();
            hash(h.o.crc, HashAlgorithm.crc32, 32w0, { h.first.n, 4w0, h.a, h.b.v }, 32w0xffffffff);
            hash(h.o.xored, HashAlgorithm.crc16, 16w0, { h.a.v, h.b, h.t, h.first }, 32w0x10000);
            hash(h.o.head, HashAlgorithm.identity, 64w0, { h.a.v, h.t.v, h.first.op }, 64w0xffffffffffffffff);
        }
    }
}

control E(inout headers_t h, inout meta_t m, inout standard_metadata_t sm) { apply { } }

control C(inout headers_t h, inout meta_t m) {
    apply {
        update_checksum_with_payload(h.first.op[3:3] == 1, { h.a, h.first.op, h.b }, h.first.sum, HashAlgorithm.csum16);
    }
}

control D(packet_out pkt, in headers_t h) { apply { pkt.emit(h); } }

V1Switch(P(), V(), I(), E(), C(), D()) main;
