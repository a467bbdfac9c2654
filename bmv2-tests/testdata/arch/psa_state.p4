// What the control plane hears from and tells a PSA switch besides entries: digests,
// direct meters, idle entries.
#include <core.p4>
#include <bmv2/psa.p4>

header ask_t {
    bit<8>  what;
    bit<8>  index;
    bit<16> value;
}

struct headers_t {
    ask_t ask;
}

struct meta_t { }

struct none_t { }

struct message_t {
    bit<16>  value;
    PortId_t port;
    bit<3>   narrow;
}

bit<16> colour_number(in PSA_MeterColor_t c) {
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
    DirectMeter(PSA_MeterType_t.BYTES) meter;

    action metered() {
        hdr.ask.value = colour_number(meter.execute());
    }

    action give(bit<16> v) {
        hdr.ask.value = v;
    }

    table with_meter {
        key = { hdr.ask.index : exact; }
        actions = { metered; NoAction; }
        psa_direct_meter = meter;
        default_action = metered();
    }

    table ageing {
        key = { hdr.ask.index : exact; }
        actions = { give; }
        psa_idle_timeout = PSA_IdleTimeout_t.NOTIFY_CONTROL;
        default_action = give(0);
    }

    table ageless {
        key = { hdr.ask.index : exact; }
        actions = { give; }
        psa_idle_timeout = PSA_IdleTimeout_t.NO_TIMEOUT;
        default_action = give(0);
    }

    apply {
        send_to_port(ostd, (PortId_t)2);
        if (hdr.ask.what == 1) {
            with_meter.apply();
        } else if (hdr.ask.what == 2) {
            ageing.apply();
        } else if (hdr.ask.what == 3) {
            ageless.apply();
        } else if (hdr.ask.what == 5) {
            ingress_drop(ostd);
        } else if (hdr.ask.what == 6) {
            ingress_drop(ostd);
            ostd.clone = true;
            ostd.clone_session_id = (CloneSessionId_t)9;
        }
    }
}

control ID(packet_out pkt, out none_t cloned, out none_t resubmitted, out none_t normal,
           inout headers_t hdr, in meta_t meta, in psa_ingress_output_metadata_t istd) {
    Digest<message_t>() messages;
    apply {
        if (hdr.ask.what == 4) {
            messages.pack({ hdr.ask.value, istd.egress_port, 3w5 });
        }
        pkt.emit(hdr.ask);
    }
}

parser EP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_egress_parser_input_metadata_t istd,
          in none_t normal, in none_t cloned, in none_t cloned2) {
    state start {
        pkt.extract(hdr.ask);
        transition accept;
    }
}

control E(inout headers_t hdr, inout meta_t meta, in psa_egress_input_metadata_t istd,
          inout psa_egress_output_metadata_t ostd) {
    apply {
        if (hdr.ask.what == 6) {
            hdr.ask.index = (ClassOfServiceUint_t)istd.class_of_service;
            hdr.ask.value = (EgressInstanceUint_t)istd.instance;
        }
    }
}

control ED(packet_out pkt, out none_t cloned2, out none_t recirculated, inout headers_t hdr, in meta_t meta,
           in psa_egress_output_metadata_t istd, in psa_egress_deparser_input_metadata_t edstd) {
    apply {
        pkt.emit(hdr.ask);
    }
}

IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
