// SPDX-License-Identifier: Apache-2.0
//
// Load balancing: virtual addresses over weighted backends by a Maglev table. A
// session keeps its backend whatever the table becomes.

#ifndef NIC_BALANCE
#define NIC_BALANCE

#include "types.p4"

control Balance(inout headers_t hdr, inout meta_t meta,
                inout ipv4_t dst, inout bit<16> dst_port, inout tenant_t tenant, out ipv4_t encapsulated) {

    Hash<bit<16>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) maglev_hash;

    bit<32> base = 0;
    bit<16> size = 0;
    bit<32> bucket = 0;
    bit<1>  by_source = 0;

    action balance(bit<32> first, bit<16> count, bit<1> sticky) {
        base = first;
        size = count;
        by_source = sticky;
    }

    action not_virtual() { }

    action no_backend() {
        drop_because(Drop.NO_BACKEND);
        meta.done = 1;
    }

    // Virtual address -> its part of the Maglev table. Written by the service
    // model: VIPs; one without a backend that is alive has no_backend.
    table virtual_addresses {
        key = {
            meta.tenant: exact @name("tenant");
            hdr.ipv4.dst: exact @name("address");
            meta.protocol: exact @name("protocol");
            meta.dst_port: exact @name("port");
        }
        actions = { balance; no_backend; not_virtual; }
        const default_action = not_virtual();
        size = 4096;
    }

    action to_backend(ipv4_t address, bit<16> port, tenant_t inside) {
        dst = address;
        dst_port = port;
        tenant = inside;
        meta.translated = 1;
    }

    // The packet goes to the backend as it is, in IP: it answers the client itself.
    action direct_return(ipv4_t address, tenant_t inside) {
        encapsulated = address;
        tenant = inside;
    }

    // The Maglev tables of all virtual addresses. Written by nicd from the service
    // model and the health of the backends.
    table maglev {
        key = { bucket: exact @name("bucket"); }
        actions = { to_backend; direct_return; no_backend; }
        const default_action = no_backend();
        size = 1048576;
    }

    apply {
        encapsulated = 0;
        virtual_addresses.apply();
        if (size == 0 || meta.done == 1) {
            return;
        }
        bit<16> port = meta.src_port;
        if (by_source == 1) {
            port = 0;
        }
        bucket = base + (bit<32>) maglev_hash.get_hash(16w0, { hdr.ipv4.src, hdr.ipv4.dst, meta.protocol, port, meta.dst_port }, size);
        maglev.apply();
    }
}

#endif
