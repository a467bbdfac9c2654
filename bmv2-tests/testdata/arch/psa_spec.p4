// What PSA has and bmv2 JSON has not: a meter that is told a colour, a register
// with an initial value, a random number of one value, an action for a group without
// members.
#include <core.p4>
#include <psa.p4>

header ask_t {
    bit<8>  what;
    bit<8>  index;
    bit<8>  colour;
    bit<8>  answer;
    bit<32> value;
}

struct headers_t {
    ask_t ask;
}

struct meta_t { }

struct none_t { }

PSA_MeterColor_t to_colour(in bit<8> c) {
    if (c == 2) {
        return PSA_MeterColor_t.YELLOW;
    } else if (c == 3) {
        return PSA_MeterColor_t.RED;
    }
    return PSA_MeterColor_t.GREEN;
}

bit<8> colour_number(in PSA_MeterColor_t c) {
    if (c == PSA_MeterColor_t.GREEN) {
        return 1;
    } else if (c == PSA_MeterColor_t.YELLOW) {
        return 2;
    }
    return 3;
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
    Meter<bit<8>>(4, PSA_MeterType_t.PACKETS) meter;
    Register<bit<32>, bit<8>>(4, 32w0x12345678) reg;
    Random<bit<16>>(16w5, 16w5) five;
    ActionSelector(PSA_HashAlgorithm_t.CRC16, 16, 16) sel;

    action give(bit<8> v) {
        hdr.ask.answer = v;
    }

    table grouped {
        key = {
            hdr.ask.index : exact;
            hdr.ask.value : selector;
        }
        actions = { give; NoAction; }
        psa_implementation = sel;
        psa_empty_group_action = give(0x99);
        default_action = NoAction();
    }

    apply {
        send_to_port(ostd, (PortId_t)2);
        if (hdr.ask.what == 1) {
            hdr.ask.answer = colour_number(meter.execute(hdr.ask.index, to_colour(hdr.ask.colour)));
        } else if (hdr.ask.what == 2) {
            bit<32> v = reg.read(hdr.ask.index);
            reg.write(hdr.ask.index, hdr.ask.value);
            hdr.ask.value = v;
        } else if (hdr.ask.what == 3) {
            hdr.ask.answer = (bit<8>)five.read();
        } else if (hdr.ask.what == 4) {
            switch (grouped.apply().action_run) {
                give: { hdr.ask.colour = 1; }
                NoAction: { hdr.ask.colour = 2; }
            }
        }
    }
}

control ID(packet_out pkt, out none_t cloned, out none_t resubmitted, out none_t normal,
           inout headers_t hdr, in meta_t meta, in psa_ingress_output_metadata_t istd) {
    apply {
        pkt.emit(hdr.ask);
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
    apply { }
}

IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
