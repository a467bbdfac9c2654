// SPDX-License-Identifier: Apache-2.0
//
// Network address translation: which addresses a new flow gets.

#ifndef NIC_NAT
#define NIC_NAT

#include "types.p4"

// The destination of a new flow: port forwarding and 1:1, before it is routed.
control NatIn(inout headers_t hdr, inout meta_t meta, inout ipv4_t dst, inout bit<16> dst_port, inout tenant_t tenant) {

    action forward_to(ipv4_t address, bit<16> port, tenant_t inside) {
        dst = address;
        dst_port = port;
        tenant = inside;
        meta.translated = 1;
    }

    action as_it_is() { }

    // Port forwarding. Written by the service model: NAT.
    table forwards {
        key = {
            meta.tenant: exact @name("tenant");
            hdr.ipv4.dst: exact @name("address");
            meta.protocol: exact @name("protocol");
            meta.dst_port: exact @name("port");
        }
        actions = { forward_to; as_it_is; }
        const default_action = as_it_is();
        size = 65536;
    }

    action one_to_one(ipv4_t address, tenant_t inside) {
        dst = address;
        tenant = inside;
        meta.translated = 1;
    }

    // Outside addresses that are one host inside. Written by the service model.
    table static_in {
        key = {
            meta.tenant: exact @name("tenant");
            hdr.ipv4.dst: exact @name("address");
        }
        actions = { one_to_one; as_it_is; }
        const default_action = as_it_is();
        size = 65536;
    }

    apply {
        if (!forwards.apply().hit) {
            static_in.apply();
        }
    }
}

// The source of a new flow, when it is known where it leaves: 1:1 and pools.
control NatOut(inout headers_t hdr, inout meta_t meta, inout ipv4_t src, inout bit<16> src_port, out PortLease_t lease) {

    // The ports of each outside address; one pool an address.
    PortPool(1024, 1024, 65535) ports;

    action one_to_one(ipv4_t address) {
        src = address;
    }

    action as_it_is() { }

    // Hosts with an outside address of their own (dp:NA16: before the pools).
    // Written by the service model: NAT.
    table static_out {
        key = {
            meta.out_tenant: exact @name("outside");
            meta.tenant: exact @name("tenant");
            hdr.ipv4.src: exact @name("address");
        }
        actions = { one_to_one; as_it_is; }
        const default_action = as_it_is();
        size = 65536;
    }

    bit<32> pool = 0;
    bit<1>  shared = 0;
    bit<16> pool_count = 1;

    // The flow gets a port of one of count addresses, pools from base on.
    action from_pool(bit<32> base, bit<16> count) {
        pool = base;
        pool_count = count;
        shared = 1;
    }

    action no_address() {
        drop_because(Drop.NO_ADDRESS);
        meta.done = 1;
    }

    // Which sources share which addresses where they leave. Written by the service
    // model: pools.
    table pools {
        key = {
            meta.out_tenant: exact @name("outside");
            meta.tenant: exact @name("tenant");
            meta.out_zone: exact @name("to_zone");
            hdr.ipv4.src: lpm @name("source");
        }
        actions = { from_pool; as_it_is; no_address; }
        const default_action = as_it_is();
        size = 4096;
    }

    action use_address(ipv4_t address) {
        src = address;
    }

    // Pool -> its address. Written by the service model: pools.
    table pool_addresses {
        key = { pool: exact @name("pool"); }
        actions = { use_address; no_address; }
        const default_action = no_address();
        size = 1024;
    }

    Hash<bit<16>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) pairing;

    apply {
        lease = 0;
        if (static_out.apply().hit) {
            return;
        }
        pools.apply();
        if (meta.done == 1 || shared == 0) {
            return;
        }
        // RFC 4787 REQ-2: one host, one outside address.
        if (pool_count > 1) {
            pool = pool + (bit<32>) pairing.get_hash(16w0, { meta.tenant, hdr.ipv4.src }, pool_count);
        }
        pool_addresses.apply();
        if (meta.done == 1) {
            return;
        }
        bit<16> port;
        if (!ports.take(pool, src_port, port, lease)) {
            drop_because(Drop.PORTS_USED_UP);
            meta.done = 1;
            return;
        }
        src_port = port;
    }
}

#endif
