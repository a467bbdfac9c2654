// Every way a packet takes through a PSA switch, and what each block sees of it.
// The packet asks; ingress and egress write what they found behind the question.
#include <core.p4>
#include <bmv2/psa.p4>

header ask_t {
    bit<8> ig;      // what ingress does: 1 send, 2 multicast, 4 clone, 8 resubmit, 16 drop, 32 CPU, 64 recirculate
    bit<8> eg;      // what egress does: 1 clone, 2 drop, 4 recirculated: multicast once more
    bit<8> port;
    bit<8> group;
    bit<8> session;
    bit<8> cos;
}

header ig_seen_t {
    bit<8>  path;
    bit<32> port;     // of the parser, as a header shows it
    bit<32> port2;    // of ingress
    bit<8>  path2;
    bit<8>  flags;    // drop, clone, resubmit as ingress begins; parser error is none; time runs
    bit<8>  cos;
    bit<8>  group;
}

header eg_seen_t {
    bit<8>  path;
    bit<32> port;
    bit<32> port2;
    bit<8>  path2;
    bit<8>  cos;
    bit<16> instance;
    bit<8>  flags;    // drop, clone as egress begins; parser error is none; egress is not before ingress
    bit<32> port3;    // of the deparser
}

struct headers_t {
    ask_t     ask;
    ig_seen_t ig;
    eg_seen_t eg;
    eg_seen_t eg2;
}

struct meta_t {
    bit<8>  path;
    bit<32> port;
}

struct none_t { }

bit<8> path_number(in PSA_PacketPath_t p) {
    if (p == PSA_PacketPath_t.NORMAL) {
        return 1;
    } else if (p == PSA_PacketPath_t.NORMAL_UNICAST) {
        return 2;
    } else if (p == PSA_PacketPath_t.NORMAL_MULTICAST) {
        return 3;
    } else if (p == PSA_PacketPath_t.CLONE_I2E) {
        return 4;
    } else if (p == PSA_PacketPath_t.CLONE_E2E) {
        return 5;
    } else if (p == PSA_PacketPath_t.RESUBMIT) {
        return 6;
    } else if (p == PSA_PacketPath_t.RECIRCULATE) {
        return 7;
    }
    return 0;
}

parser IP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_ingress_parser_input_metadata_t istd,
          in none_t resubmitted, in none_t recirculated) {
    state start {
        meta.port = (PortIdInHeaderUint_t)psa_PortId_int_to_header(istd.ingress_port);
        meta.path = path_number(istd.packet_path);
        pkt.extract(hdr.ask);
        transition select(istd.packet_path) {
            PSA_PacketPath_t.RECIRCULATE: again;
            default: accept;
        }
    }
    state again { // what egress wrote the first time
        pkt.extract(hdr.eg2);
        transition accept;
    }
}

control I(inout headers_t hdr, inout meta_t meta, in psa_ingress_input_metadata_t istd,
          inout psa_ingress_output_metadata_t ostd) {
    apply {
        hdr.ig.setValid();
        hdr.ig.path = meta.path;
        hdr.ig.port = meta.port;
        hdr.ig.port2 = (PortIdUint_t)istd.ingress_port;
        hdr.ig.path2 = path_number(istd.packet_path);
        hdr.ig.flags = 3w0 ++ (bit<1>)ostd.drop ++ (bit<1>)ostd.clone ++ (bit<1>)ostd.resubmit
                       ++ (bit<1>)(istd.parser_error == error.NoError)
                       ++ (bit<1>)((TimestampUint_t)istd.ingress_timestamp != 0);
        hdr.ig.cos = (ClassOfServiceUint_t)ostd.class_of_service;
        hdr.ig.group = (bit<8>)(MulticastGroupUint_t)ostd.multicast_group;

        PortId_t to = (PortId_t)(PortIdUint_t)hdr.ask.port;
        if (hdr.ask.cos != 0) {
            ostd.class_of_service = (ClassOfService_t)hdr.ask.cos;
        }
        if (hdr.ask.ig & 1 == 1) {
            send_to_port(ostd, to);
        }
        if (hdr.ask.ig & 2 == 2) {
            multicast(ostd, (MulticastGroup_t)(MulticastGroupUint_t)hdr.ask.group);
        }
        if (hdr.ask.ig & 4 == 4) {
            ostd.clone = true;
            ostd.clone_session_id = (CloneSessionId_t)(CloneSessionIdUint_t)hdr.ask.session;
        }
        if (hdr.ask.ig & 32 == 32) {
            send_to_port(ostd, PSA_PORT_CPU);
            ostd.clone = true;
            ostd.clone_session_id = PSA_CLONE_SESSION_TO_CPU;
        }
        if (hdr.ask.ig & 64 == 64 && istd.packet_path != PSA_PacketPath_t.RECIRCULATE) {
            send_to_port(ostd, PSA_PORT_RECIRCULATE);
        }
        if (hdr.ask.ig & 8 == 8 && istd.packet_path != PSA_PacketPath_t.RESUBMIT) {
            ostd.resubmit = true;
        }
        if (istd.packet_path == PSA_PacketPath_t.RECIRCULATE && hdr.ask.eg & 4 == 4) {
            multicast(ostd, (MulticastGroup_t)(MulticastGroupUint_t)hdr.ask.group);
        }
        if (hdr.ask.ig & 16 == 16) {
            ingress_drop(ostd);
        }
    }
}

control ID(packet_out pkt, out none_t cloned, out none_t resubmitted, out none_t normal,
           inout headers_t hdr, in meta_t meta, in psa_ingress_output_metadata_t istd) {
    apply {
        pkt.emit(hdr.ask);
        pkt.emit(hdr.ig);
        pkt.emit(hdr.eg2);
    }
}

parser EP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_egress_parser_input_metadata_t istd,
          in none_t normal, in none_t cloned, in none_t cloned2) {
    state start {
        meta.port = (PortIdUint_t)istd.egress_port;
        meta.path = path_number(istd.packet_path);
        pkt.extract(hdr.ask);
        transition accept;
    }
}

control E(inout headers_t hdr, inout meta_t meta, in psa_egress_input_metadata_t istd,
          inout psa_egress_output_metadata_t ostd) {
    apply {
        hdr.eg.setValid();
        hdr.eg.path = meta.path;
        hdr.eg.port = meta.port;
        hdr.eg.port2 = (PortIdUint_t)istd.egress_port;
        hdr.eg.path2 = path_number(istd.packet_path);
        hdr.eg.cos = (ClassOfServiceUint_t)istd.class_of_service;
        hdr.eg.instance = (EgressInstanceUint_t)istd.instance;
        hdr.eg.flags = 4w0 ++ (bit<1>)ostd.drop ++ (bit<1>)ostd.clone
                       ++ (bit<1>)(istd.parser_error == error.NoError)
                       ++ (bit<1>)((TimestampUint_t)istd.egress_timestamp != 0);
        if (hdr.ask.eg & 1 == 1 && istd.packet_path != PSA_PacketPath_t.CLONE_E2E) {
            ostd.clone = true;
            ostd.clone_session_id = (CloneSessionId_t)(CloneSessionIdUint_t)hdr.ask.session;
        }
        if (hdr.ask.eg & 2 == 2 && istd.packet_path != PSA_PacketPath_t.CLONE_E2E) {
            egress_drop(ostd);
        }
    }
}

control ED(packet_out pkt, out none_t cloned2, out none_t recirculated, inout headers_t hdr, in meta_t meta,
           in psa_egress_output_metadata_t istd, in psa_egress_deparser_input_metadata_t edstd) {
    apply {
        hdr.eg.port3 = (PortIdUint_t)edstd.egress_port;
        pkt.emit(hdr.ask);
        pkt.emit(hdr.eg);
    }
}

IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
