// SPDX-License-Identifier: Apache-2.0
// What multiply.p4 and shift.p4 share.

header wide_h {
    bit<8>   n;
    bit<128> a;
    bit<128> b;
}

struct headers_t {
    wide_h x;
}

struct meta_t { }

parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        packet.extract(hdr.x);
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply { } }

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }

control C(inout headers_t hdr, inout meta_t meta) { apply { } }

control D(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr);
    }
}
