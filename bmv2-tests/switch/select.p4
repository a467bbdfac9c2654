// Meters, action profiles and selectors, and every hash, as simple_switch has them.
#include <core.p4>
#include <v1model.p4>

header ask_t {
    bit<8>  what;  // 1 profile, 2 selector by crc16, 3 selector by identity, 4 meter, 5 direct meter, 6 hashes
    bit<8>  key;
    bit<32> a;
    bit<32> b;
    bit<13> c;
    bit<3>  d;
    bit<8>  colour;
    bit<16> res;
}

header hashes_t {
    bit<64> crc32;
    bit<64> crc16;
    bit<64> csum16;
    bit<64> xor16;
    bit<64> identity;
    bit<64> crc32c;
    bit<64> crc16c;
    bit<64> odd;
    bit<16> based;
    bit<8>  narrow;
}

struct metadata {
    bit<8> colour;
}

struct headers {
    ask_t    ask;
    hashes_t hashes;
}

parser P(packet_in pkt, out headers hdr, inout metadata meta, inout standard_metadata_t std) {
    state start {
        pkt.extract(hdr.ask);
        transition accept;
    }
}

control V(inout headers hdr, inout metadata meta) {
    apply { }
}

control I(inout headers hdr, inout metadata meta, inout standard_metadata_t std) {
    action_profile(16) prof;
    action_selector(HashAlgorithm.crc16, 32, 16) sel;
    action_selector(HashAlgorithm.identity, 32, 16) ident;
    meter(4, MeterType.packets) per_packet;
    meter(4, MeterType.bytes) per_byte;
    direct_meter<bit<8>>(MeterType.packets) direct;

    action give(bit<16> v) {
        hdr.ask.res = v;
    }

    action twice(bit<16> v) {
        hdr.ask.res = v + v;
    }

    action mark(bit<16> v) {
        hdr.ask.res = v;
        direct.read(meta.colour);
    }

    table profiled {
        key = { hdr.ask.key : exact; }
        actions = { give; twice; NoAction; }
        implementation = prof;
        default_action = NoAction();
    }

    table selected {
        key = {
            hdr.ask.key : exact;
            hdr.ask.a   : selector;
            hdr.ask.c   : selector;
            hdr.ask.b   : selector;
        }
        actions = { give; twice; NoAction; }
        implementation = sel;
        default_action = NoAction();
    }

    table identified {
        key = {
            hdr.ask.key : exact;
            hdr.ask.a   : selector;
        }
        actions = { give; twice; NoAction; }
        implementation = ident;
        default_action = NoAction();
    }

    table metered {
        key = { hdr.ask.key : exact; }
        actions = { mark; NoAction; }
        meters = direct;
        default_action = NoAction();
    }

    apply {
        std.egress_spec = 2;
        meta.colour = 0x77;
        if (hdr.ask.what == 1) {
            if (profiled.apply().hit) {
                hdr.ask.d = 1;
            }
        } else if (hdr.ask.what == 2) {
            switch (selected.apply().action_run) {
                give: { hdr.ask.d = 2; }
                twice: { hdr.ask.d = 3; }
            }
        } else if (hdr.ask.what == 3) {
            identified.apply();
        } else if (hdr.ask.what == 4) {
            bit<8> c = 0x55;
            per_packet.execute_meter((bit<32>)hdr.ask.key, c);
            hdr.ask.colour = c;
            bit<16> w = 0x5555;
            per_byte.execute_meter((bit<32>)hdr.ask.key, w);
            hdr.ask.res = w;
        } else if (hdr.ask.what == 5) {
            metered.apply();
            hdr.ask.colour = meta.colour;
        } else {
            hdr.hashes.setValid();
            hash(hdr.hashes.crc32, HashAlgorithm.crc32, 64w0, { hdr.ask.a, hdr.ask.b }, 64w0xffffffffffffffff);
            hash(hdr.hashes.crc16, HashAlgorithm.crc16, 64w0, { hdr.ask.a, hdr.ask.b }, 64w0xffffffffffffffff);
            hash(hdr.hashes.csum16, HashAlgorithm.csum16, 64w0, { hdr.ask.a, hdr.ask.b, hdr.ask.key }, 64w0xffffffffffffffff);
            hash(hdr.hashes.xor16, HashAlgorithm.xor16, 64w0, { hdr.ask.a, hdr.ask.b, hdr.ask.key }, 64w0xffffffffffffffff);
            hash(hdr.hashes.identity, HashAlgorithm.identity, 64w0, { hdr.ask.a, hdr.ask.key }, 64w0xffffffffffffffff);
            hash(hdr.hashes.crc32c, HashAlgorithm.crc32_custom, 64w0, { hdr.ask.a, hdr.ask.b }, 64w0xffffffffffffffff);
            hash(hdr.hashes.crc16c, HashAlgorithm.crc16_custom, 64w0, { hdr.ask.a, hdr.ask.b }, 64w0xffffffffffffffff);
            hash(hdr.hashes.odd, HashAlgorithm.crc32, 64w0, { hdr.ask.c, hdr.ask.a, 3w5 }, 64w0xffffffffffffffff);
            hash(hdr.hashes.based, HashAlgorithm.crc16, 16w100, { hdr.ask.a }, 16w10);
            hash(hdr.hashes.narrow, HashAlgorithm.crc32, 16w0xfff0, { hdr.ask.b }, 16w0x40);
        }
    }
}

control E(inout headers hdr, inout metadata meta, inout standard_metadata_t std) {
    apply { }
}

control C(inout headers hdr, inout metadata meta) {
    apply { }
}

control D(packet_out pkt, in headers hdr) {
    apply {
        pkt.emit(hdr.ask);
        pkt.emit(hdr.hashes);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
