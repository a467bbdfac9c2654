// The extern objects of PSA. The packet names one; what it gives is in the answer.
#include <core.p4>
#include <bmv2/psa.p4>

header ask_t {
    bit<8>  what;
    bit<8>  index;
    bit<32> a;
    bit<32> b;
}

header answer_t {
    bit<32> v0;
    bit<32> v1;
    bit<32> v2;
    bit<32> v3;
    bit<32> v4;
    bit<32> v5;
    bit<32> v6;
    bit<32> v7;
}

struct headers_t {
    ask_t    ask;
    answer_t answer;
}

struct meta_t { }

struct none_t { }

bit<32> colour_number(in PSA_MeterColor_t c) {
    if (c == PSA_MeterColor_t.GREEN) {
        return 1;
    } else if (c == PSA_MeterColor_t.YELLOW) {
        return 2;
    } else if (c == PSA_MeterColor_t.RED) {
        return 3;
    }
    return 0;
}

parser IP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_ingress_parser_input_metadata_t istd,
          in none_t resubmitted, in none_t recirculated) {
    state start {
        pkt.extract(hdr.ask);
        transition accept;
    }
}

control I(inout headers_t hdr, inout meta_t meta, in psa_ingress_input_metadata_t istd,
          inout psa_ingress_output_metadata_t ostd) {
    Hash<bit<32>>(PSA_HashAlgorithm_t.IDENTITY) h_identity;
    Hash<bit<32>>(PSA_HashAlgorithm_t.CRC32) h_crc32;
    Hash<bit<32>>(PSA_HashAlgorithm_t.CRC32_CUSTOM) h_crc32_custom;
    Hash<bit<16>>(PSA_HashAlgorithm_t.CRC16) h_crc16;
    Hash<bit<16>>(PSA_HashAlgorithm_t.CRC16_CUSTOM) h_crc16_custom;
    Hash<bit<16>>(PSA_HashAlgorithm_t.ONES_COMPLEMENT16) h_ones;
    Hash<bit<32>>(PSA_HashAlgorithm_t.TARGET_DEFAULT) h_default;

    Counter<bit<32>, bit<8>>(4, PSA_CounterType_t.PACKETS) c_packets;
    Counter<bit<32>, bit<8>>(4, PSA_CounterType_t.BYTES) c_bytes;
    Counter<bit<32>, bit<8>>(4, PSA_CounterType_t.PACKETS_AND_BYTES) c_both;
    DirectCounter<bit<32>>(PSA_CounterType_t.PACKETS_AND_BYTES) c_direct;

    Meter<bit<8>>(4, PSA_MeterType_t.PACKETS) m_packets;
    Meter<bit<8>>(4, PSA_MeterType_t.BYTES) m_bytes;
    DirectMeter(PSA_MeterType_t.PACKETS) m_direct;

    Register<bit<32>, bit<8>>(4) r_plain;
    Register<bit<64>, bit<8>>(4) r_wide;
    Random<bit<16>>(16w5, 16w6) five;
    Random<bit<16>>(16w100, 16w103) few;
    ActionProfile(16) prof;
    ActionSelector(PSA_HashAlgorithm_t.CRC16, 16, 16) sel;

    action give(bit<32> v) {
        hdr.answer.v0 = v;
    }

    action twice(bit<32> v) {
        hdr.answer.v0 = v + v;
    }

    action counted(bit<32> v) {
        c_direct.count();
        hdr.answer.v0 = v;
    }

    action metered(bit<32> v) {
        hdr.answer.v0 = v;
        hdr.answer.v1 = colour_number(m_direct.execute());
    }

    table with_counter {
        key = { hdr.ask.index : exact; }
        actions = { counted; NoAction; }
        psa_direct_counter = c_direct;
        default_action = NoAction();
    }

    table with_meter {
        key = { hdr.ask.index : exact; }
        actions = { metered; NoAction; }
        psa_direct_meter = m_direct;
        default_action = NoAction();
    }

    table with_profile {
        key = { hdr.ask.index : exact; }
        actions = { give; twice; NoAction; }
        psa_implementation = prof;
        default_action = NoAction();
    }

    table with_selector {
        key = {
            hdr.ask.index : exact;
            hdr.ask.a     : selector;
            hdr.ask.b     : selector;
        }
        actions = { give; twice; NoAction; }
        psa_implementation = sel;
        default_action = NoAction();
    }

    table kinds {
        key = {
            hdr.ask.index : range;
            hdr.ask.a     : ternary;
            hdr.ask.b     : optional;
        }
        actions = { give; NoAction; }
        psa_idle_timeout = PSA_IdleTimeout_t.NOTIFY_CONTROL;
        default_action = give(0xffff);
    }

    apply {
        send_to_port(ostd, (PortId_t)2);
        hdr.answer = { 0, 0, 0, 0, 0, 0, 0, 0 };
        if (hdr.ask.what == 1) {
            hdr.answer.v0 = h_identity.get_hash(hdr.ask.a);
            hdr.answer.v1 = h_crc32.get_hash({ hdr.ask.a, hdr.ask.b });
            hdr.answer.v2 = h_crc32_custom.get_hash({ hdr.ask.a, hdr.ask.b });
            hdr.answer.v3 = (bit<32>)h_crc16.get_hash({ hdr.ask.a, hdr.ask.b });
            hdr.answer.v4 = (bit<32>)h_crc16_custom.get_hash({ hdr.ask.a, hdr.ask.b });
            hdr.answer.v5 = (bit<32>)h_ones.get_hash({ hdr.ask.a, hdr.ask.b });
            hdr.answer.v6 = h_crc32.get_hash(32w1000, { hdr.ask.a, hdr.ask.b }, 32w16);
            hdr.answer.v7 = (bit<32>)h_crc16.get_hash(16w1000, { hdr.ask.a, hdr.ask.b }, 16w16);
        } else if (hdr.ask.what == 2) {
            c_packets.count(hdr.ask.index);
            c_bytes.count(hdr.ask.index);
            c_both.count(hdr.ask.index);
        } else if (hdr.ask.what == 3) {
            with_counter.apply();
        } else if (hdr.ask.what == 4) {
            hdr.answer.v0 = colour_number(m_packets.execute(hdr.ask.index));
            hdr.answer.v1 = colour_number(m_bytes.execute(hdr.ask.index));
        } else if (hdr.ask.what == 6) {
            with_meter.apply();
        } else if (hdr.ask.what == 7) {
            hdr.answer.v0 = r_plain.read(hdr.ask.index);
            bit<64> w = r_wide.read(hdr.ask.index);
            hdr.answer.v1 = w[31:0];
            r_plain.write(hdr.ask.index, hdr.ask.a);
            r_wide.write(hdr.ask.index, hdr.ask.a ++ hdr.ask.b);
            hdr.answer.v2 = r_plain.read(hdr.ask.index);
            w = r_wide.read(hdr.ask.index);
            hdr.answer.v3 = w[63:32];
            hdr.answer.v4 = w[31:0];
        } else if (hdr.ask.what == 8) {
            bit<16> r = five.read();
            if (r >= 5 && r <= 6) {
                hdr.answer.v0 = 1;
            }
            r = few.read();
            if (r >= 100 && r <= 103) {
                hdr.answer.v1 = 1;
            }
        } else if (hdr.ask.what == 9) {
            if (with_profile.apply().hit) {
                hdr.answer.v1 = 1;
            }
        } else if (hdr.ask.what == 10) {
            if (with_selector.apply().hit) {
                hdr.answer.v1 = 1;
            }
        } else if (hdr.ask.what == 11) {
            kinds.apply();
        } else if (hdr.ask.what == 12) {
            assert(hdr.ask.a == 1);
            assume(hdr.ask.b == 1);
            hdr.answer.v0 = 1;
        } else if (hdr.ask.what == 13) {
            hdr.answer.v0 = h_default.get_hash({ hdr.ask.a, hdr.ask.b });
            hdr.answer.v1 = h_default.get_hash({ hdr.ask.a, hdr.ask.b });
            if (hdr.answer.v0 == hdr.answer.v1) {
                hdr.answer.v2 = 1;
            }
            hdr.answer.v0 = 0;
            hdr.answer.v1 = 0;
        }
    }
}

control ID(packet_out pkt, out none_t cloned, out none_t resubmitted, out none_t normal,
           inout headers_t hdr, in meta_t meta, in psa_ingress_output_metadata_t istd) {
    apply {
        pkt.emit(hdr);
    }
}

parser EP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_egress_parser_input_metadata_t istd,
          in none_t normal, in none_t cloned, in none_t cloned2) {
    state start {
        transition accept;
    }
}

control E(inout headers_t hdr, inout meta_t meta, in psa_egress_input_metadata_t istd,
          inout psa_egress_output_metadata_t ostd) {
    apply { }
}

control ED(packet_out pkt, out none_t cloned2, out none_t recirculated, inout headers_t hdr, in meta_t meta,
           in psa_egress_output_metadata_t istd, in psa_egress_deparser_input_metadata_t edstd) {
    apply {
        pkt.emit(hdr);
    }
}

IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
