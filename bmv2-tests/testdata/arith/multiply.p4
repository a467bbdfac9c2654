// SPDX-License-Identifier: Apache-2.0
// A product of 128 bits.
#include <core.p4>
#include <v1model.p4>
#include "wide.p4"

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 1;
        hdr.x.a = hdr.x.a * hdr.x.b;
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
