// Sessions and pools of ports, driven by the first byte of a packet.
#include <core.p4>
#include <p4nic.p4>

header ask_t {
    bit<8>  op;      // 0 look up, 1 make, 2 mark, 3 restart the timer, 4 set the expire time, 5 count, 6 remove, 7 take a port and make, 8 take a port and forget it, 9 take and give, 10 look up the other object, 11 make there, 12 learn, 13 look up what was learnt, 14 forget
    bit<8>  a;       // key, or pool
    bit<8>  b;       // reply key
    bit<8>  arg;     // state, marks, profile, or the port wanted
    bit<8>  profile;
}

header said_t {
    bit<8>  hit;    // 0 miss, 1 original, 2 reply
    bit<8>  state;
    bit<8>  ok;
    bit<32> value;
}

struct headers_t {
    ask_t  ask;
    said_t said;
}

struct meta_t {
}

struct key_t {
    bit<8>  x;
    bit<72> wide;
}

struct state_t {
    bit<8>  x;
    bit<72> wide;
}

parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, in pna_main_parser_input_metadata_t istd) {
    state start {
        pkt.extract(hdr.ask);
        transition accept;
    }
}

struct value_t {
    bit<8>  x;
    bit<48> wide;
}

control M(inout headers_t hdr, inout meta_t meta, in nic_main_input_metadata_t istd) {
    Session<key_t, state_t>(3, SessionFull_t.REFUSE) strict;
    Session<key_t, state_t>(3, SessionFull_t.EVICT) lenient;
    PortPool(2, 1000, 1002) ports;
    LearnTable<key_t, value_t>(2) learnt;

    apply {
        state_t state = { 0, 0 };
        key_t key = { hdr.ask.a, 72w0x112233445566778899 };
        key_t other = { hdr.ask.b, 72w0x112233445566778899 };
        ExpireTimeProfileId_t profile = (ExpireTimeProfileId_t) hdr.ask.profile;
        hdr.said.setValid();
        SessionHit_t hit;
        if (hdr.ask.op >= 10) {
            hit = lenient.lookup(key, state);
        } else {
            hit = strict.lookup(key, state);
        }
        hdr.said.hit = hit == SessionHit_t.ORIGINAL ? 8w1 : hit == SessionHit_t.REPLY ? 8w2 : 8w0;
        hdr.said.state = state.x + state.wide[71:64];
        bit<16> port = 0;
        PortLease_t lease = 0;
        bool ok = false;
        state_t fresh = { hdr.ask.arg, 72w0x010000000000000000 };
        if (hdr.ask.op == 1) {
            ok = strict.create(key, other, fresh, profile, 0);
        } else if (hdr.ask.op == 2) {
            hdr.said.value = strict.mark((bit<32>) hdr.ask.arg);
        } else if (hdr.ask.op == 3) {
            strict.restart_timer();
        } else if (hdr.ask.op == 4) {
            strict.set_expire_time(profile);
        } else if (hdr.ask.op == 5) {
            strict.count();
        } else if (hdr.ask.op == 6) {
            ok = strict.remove();
        } else if (hdr.ask.op == 7 || hdr.ask.op == 8 || hdr.ask.op == 9) {
            ok = ports.take((bit<32>) hdr.ask.profile, (bit<16>) hdr.ask.arg + 900, port, lease);
            hdr.said.value = (bit<32>) port;
            if (ok && hdr.ask.op == 7) {
                ok = strict.create(key, other, fresh, (ExpireTimeProfileId_t) 1, lease);
            } else if (hdr.ask.op == 9) {
                ports.give(lease);
                ports.give(lease); // it is no longer ours
            }
        } else if (hdr.ask.op == 11) {
            ok = lenient.create(key, other, fresh, profile, 0);
        } else if (hdr.ask.op == 12) {
            value_t value = { hdr.ask.arg, 48w0x0a0b0c0d0e0f };
            Learnt_t what = learnt.learn(key, value, profile);
            hdr.said.value = what == Learnt_t.KNOWN ? 32w1 : what == Learnt_t.ADDED ? 32w2 : what == Learnt_t.MOVED ? 32w3 : 32w4;
        } else if (hdr.ask.op == 13) {
            value_t value;
            ok = learnt.lookup(key, value);
            hdr.said.value = value.wide[31:8] ++ value.x;
        } else if (hdr.ask.op == 14) {
            ok = learnt.forget(key);
        }
        hdr.said.ok = (bit<8>)(bit<1>) ok;
        send_to_port((PortId_t) 2);
    }
}

control E(inout headers_t hdr, inout meta_t meta, in nic_egress_input_metadata_t istd) {
    apply { }
}

control D(packet_out pkt, inout headers_t hdr, in meta_t meta) {
    apply {
        pkt.emit(hdr.said);
    }
}

P4NIC(P(), M(), E(), D()) main;
