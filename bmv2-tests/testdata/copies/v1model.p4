// Copies as the packet asks for them: each bit of what is one thing to do.
#include <core.p4>
#include <v1model.p4>

header ask_t {
    bit<8>  what;   // 1 clone, 2 resubmit, 4 multicast, 8 drop, 16 truncate: in ingress
    bit<8>  then;   // 1 clone, 2 recirculate, 4 truncate, 8 drop: in egress
    bit<8>  group;
    bit<8>  session;
    bit<8>  rounds;
    bit<8>  length;
}

header seen_t {
    bit<32> instance;
    bit<16> rid;
    bit<16> port;
    bit<16> ingress;
    bit<32> length;
    bit<32> kept;
    bit<32> lost;
}

header tail_t {
    bit<16> x;
    bit<16> y;
}

struct headers_t {
    ask_t     ask;
    seen_t[2] seen;
    tail_t    tail;
}

struct inner_t {
    @field_list(2, 3)
    bit<32> a;
    bit<32> b;
}

struct meta_t {
    @field_list(1, 2)
    bit<32> kept;
    bit<32> lost;
    inner_t inner;
    @field_list(3)
    bit<72> wide;
    tail_t  shadow;
}

parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start {
        pkt.extract(hdr.ask);
        transition select(hdr.ask.rounds) {
            0xff: second;
            default: accept;
        }
    }
    state second {
        pkt.extract(hdr.tail);
        meta.shadow = hdr.tail;
        transition accept;
    }
}

control V(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    counter(8, CounterType.packets_and_bytes) came;
    register<bit<32>>(4) order;
    apply {
        came.count(sm.instance_type);
        bit<32> n;
        order.read(n, 0);
        order.write(0, n * 31 + sm.instance_type);
        sm.egress_spec = (bit<9>) hdr.ask.length[1:0];
        meta.lost = 7;
        meta.wide = meta.wide + 72w0x123456789abcdef012;
        meta.kept = meta.kept + (bit<32>) hdr.ask.rounds;
        meta.inner.a = meta.inner.a + 1;
        hdr.ask.rounds = hdr.ask.rounds - 1;
        if (hdr.ask.what[0:0] == 1) {
            if (hdr.ask.session[0:0] == 1) {
                clone_preserving_field_list(CloneType.I2E, (bit<32>) hdr.ask.session, 1);
            } else {
                clone_preserving_field_list(CloneType.I2E, (bit<32>) hdr.ask.session, 3);
            }
        }
        if (hdr.ask.what[1:1] == 1 && meta.inner.a < 3) {
            resubmit_preserving_field_list(2);
        }
        if (hdr.ask.what[2:2] == 1) {
            sm.mcast_grp = (bit<16>) hdr.ask.group;
        }
        if (hdr.ask.what[3:3] == 1) {
            mark_to_drop(sm);
        }
        if (hdr.ask.what[4:4] == 1) {
            truncate((bit<32>) hdr.ask.length);
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    counter(8, CounterType.packets_and_bytes) went;
    register<bit<32>>(4) order;
    apply {
        went.count(sm.instance_type);
        bit<32> n;
        order.read(n, 0);
        order.write(0, n * 31 + (bit<32>) sm.egress_port);
        if (!hdr.seen[0].isValid()) {
            hdr.seen[0] = { sm.instance_type, sm.egress_rid, (bit<16>) sm.egress_port, (bit<16>) sm.ingress_port,
                            sm.packet_length, meta.kept, meta.lost ++ meta.inner.a[0:0] == 33w0 ? 32w0 : meta.inner.a };
        } else {
            hdr.seen[1] = { sm.instance_type, sm.egress_rid, (bit<16>) sm.egress_port, (bit<16>) sm.ingress_port,
                            sm.packet_length, meta.wide[31:0], meta.lost };
        }
        bool again = hdr.ask.then[1:1] == 1 && sm.instance_type != 4 && !hdr.seen[1].isValid();
        if (hdr.ask.then[0:0] == 1 && (sm.instance_type == 0 || sm.instance_type == 5)) {
            clone_preserving_field_list(CloneType.E2E, (bit<32>) hdr.ask.session, 2);
        }
        if (again && sm.instance_type != 2) {
            recirculate_preserving_field_list(3);
        }
        if (hdr.ask.then[2:2] == 1) {
            truncate((bit<32>) hdr.ask.length);
        }
        if (hdr.ask.then[3:3] == 1) {
            mark_to_drop(sm);
        }
    }
}

control C(inout headers_t hdr, inout meta_t meta) {
    apply { meta.kept = meta.kept ^ 1; }
}

control D(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.ask);
        pkt.emit(hdr.seen);
        pkt.emit(hdr.tail);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
