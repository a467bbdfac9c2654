// The extern objects of PNA. The packet names one; what it gives is in the answer.
#include <core.p4>
#include <pna.p4>

header ask_t {
    bit<8>  what;
    bit<8>  index;
    bit<32> a;
    bit<32> b;
    bit<16> sum;
}

header answer_t {
    bit<32> v0;
    bit<32> v1;
    bit<32> v2;
    bit<32> v3;
    bit<32> v4;
}

struct headers_t {
    ask_t    ask;
    answer_t answer;
}

struct meta_t {
    bit<32> sum;
    bit<16> state;
}

bit<32> colour_number(in PNA_MeterColor_t c) {
    if (c == PNA_MeterColor_t.GREEN) {
        return 1;
    } else if (c == PNA_MeterColor_t.YELLOW) {
        return 2;
    }
    return 3;
}

PNA_MeterColor_t to_colour(in bit<32> c) {
    if (c == 2) {
        return PNA_MeterColor_t.YELLOW;
    } else if (c == 3) {
        return PNA_MeterColor_t.RED;
    }
    return PNA_MeterColor_t.GREEN;
}

parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, in pna_main_parser_input_metadata_t istd) {
    Checksum<bit<32>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) sum;
    InternetChecksum() inet;
    state start {
        pkt.extract(hdr.ask);
        sum.update(hdr.ask.what);
        sum.clear();
        sum.update({ hdr.ask.a, hdr.ask.b });
        meta.sum = sum.get();
        inet.clear();
        inet.add({ hdr.ask.a, hdr.ask.b });
        inet.subtract(hdr.ask.b);
        meta.state = inet.get_state();
        transition accept;
    }
}

control Pre(in headers_t hdr, inout meta_t meta, in pna_pre_input_metadata_t istd, inout pna_pre_output_metadata_t ostd) {
    apply { }
}

control M(inout headers_t hdr, inout meta_t meta, in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    Hash<bit<32>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) h_default;
    Counter<bit<32>, bit<8>>(4, PNA_CounterType_t.PACKETS_AND_BYTES) counter;
    DirectCounter<bit<32>>(PNA_CounterType_t.PACKETS_AND_BYTES) direct;
    DirectCounter<bit<32>>(PNA_CounterType_t.PACKETS_AND_BYTES) direct_by;
    Meter<bit<8>>(4, PNA_MeterType_t.PACKETS) meter;
    DirectMeter(PNA_MeterType_t.BYTES) m_direct;
    Register<bit<32>, bit<8>>(4) r_plain;
    Register<bit<32>, bit<8>>(4, 32w0x12345678) r_initial;
    Random<bit<16>>(16w5, 16w5) five;
    ActionProfile(16) prof;
    ActionSelector(PNA_HashAlgorithm_t.TARGET_DEFAULT, 16, 16) sel;

    action give(bit<32> v) {
        hdr.answer.v0 = v;
    }

    action twice(bit<32> v) {
        hdr.answer.v0 = v + v;
    }

    action counted(bit<32> v) {
        direct.count();
        hdr.answer.v0 = v;
    }

    action counted_by(bit<32> v) {
        direct_by.count(v);
        hdr.answer.v0 = v;
    }

    action metered() {
        hdr.answer.v0 = colour_number(m_direct.execute());
    }

    action metered_by() {
        hdr.answer.v0 = colour_number(m_direct.execute(to_colour(hdr.ask.a), hdr.ask.b));
    }

    table with_counter {
        key = { hdr.ask.index : exact; }
        actions = { counted; NoAction; }
        pna_direct_counter = direct;
        default_action = NoAction();
    }

    table with_counter_by {
        key = { hdr.ask.index : exact; }
        actions = { counted_by; NoAction; }
        pna_direct_counter = direct_by;
        default_action = NoAction();
    }

    table with_meter {
        key = { hdr.ask.index : exact; }
        actions = { metered; metered_by; NoAction; }
        pna_direct_meter = m_direct;
        default_action = NoAction();
    }

    table with_profile {
        key = { hdr.ask.index : exact; }
        actions = { give; twice; NoAction; }
        pna_implementation = prof;
        default_action = NoAction();
    }

    table with_selector {
        key = {
            hdr.ask.index : exact;
            hdr.ask.a     : selector;
        }
        actions = { give; twice; NoAction; }
        pna_implementation = sel;
        pna_empty_group_action = twice(0x30);
        default_action = NoAction();
    }

    table kinds {
        key = {
            hdr.ask.index : range;
            hdr.ask.a     : ternary;
            hdr.ask.b     : optional;
        }
        actions = { give; NoAction; }
        pna_idle_timeout = PNA_IdleTimeout_t.NOTIFY_CONTROL;
        default_action = give(0xffff);
    }

    apply {
        send_to_port((PortId_t)2);
        hdr.answer = { 0, 0, 0, 0, 0 };
        if (hdr.ask.what == 1) { // the hash is the target's: it depends on the data, and base and max hold it
            bit<32> x = h_default.get_hash({ hdr.ask.a, hdr.ask.b });
            bit<32> y = h_default.get_hash({ hdr.ask.a, hdr.ask.b });
            bit<32> z = h_default.get_hash({ hdr.ask.b, hdr.ask.a });
            hdr.answer.v0 = x == y ? 32w1 : 0;
            hdr.answer.v1 = x == z ? 32w1 : 0;
            bit<32> m = h_default.get_hash(32w1000, { hdr.ask.a, hdr.ask.b }, 32w16);
            hdr.answer.v2 = m >= 1000 && m < 1016 ? 32w1 : 0;
            hdr.answer.v3 = m - 1000 == (x & 15) ? 32w1 : 0;
            hdr.answer.v4 = meta.sum == x ? 32w1 : 0;
        } else if (hdr.ask.what == 2) {
            counter.count(hdr.ask.index);
        } else if (hdr.ask.what == 3) {
            counter.count(hdr.ask.index, hdr.ask.a);
        } else if (hdr.ask.what == 4) {
            with_counter.apply();
        } else if (hdr.ask.what == 5) {
            with_counter_by.apply();
        } else if (hdr.ask.what == 6) {
            hdr.answer.v0 = colour_number(meter.execute(hdr.ask.index));
        } else if (hdr.ask.what == 7) {
            hdr.answer.v0 = colour_number(meter.execute(hdr.ask.index, to_colour(hdr.ask.a)));
        } else if (hdr.ask.what == 8) {
            with_meter.apply();
        } else if (hdr.ask.what == 9) {
            hdr.answer.v0 = r_plain.read(hdr.ask.index);
            hdr.answer.v1 = r_initial.read(hdr.ask.index);
            r_plain.write(hdr.ask.index, hdr.ask.a);
            r_initial.write(hdr.ask.index, hdr.ask.b);
        } else if (hdr.ask.what == 10) {
            hdr.answer.v0 = (bit<32>)five.read();
        } else if (hdr.ask.what == 11) {
            if (with_profile.apply().hit) {
                hdr.answer.v1 = 1;
            }
        } else if (hdr.ask.what == 12) {
            if (with_selector.apply().hit) {
                hdr.answer.v1 = 1;
            }
        } else if (hdr.ask.what == 13) {
            kinds.apply();
        } else if (hdr.ask.what == 14) {
            hdr.answer.v0 = (bit<32>)meta.state;
        }
    }
}

control D(packet_out pkt, in headers_t hdr, in meta_t meta, in pna_main_output_metadata_t ostd) {
    InternetChecksum() inet;
    apply {
        inet.set_state(meta.state);
        inet.add(hdr.ask.b);
        ask_t ask = hdr.ask;
        if (ask.what == 14) {
            ask.sum = inet.get();
        }
        pkt.emit(ask);
        pkt.emit(hdr.answer);
    }
}

PNA_NIC(P(), Pre(), M(), D()) main;
