// SPDX-License-Identifier: Apache-2.0
// Shifts of 128 bits by an amount known at run time.
#include <core.p4>
#include <v1model.p4>
#include "wide.p4"

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 1;
        hdr.x.a = hdr.x.a << hdr.x.n;
        hdr.x.b = hdr.x.b >> hdr.x.n;
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
