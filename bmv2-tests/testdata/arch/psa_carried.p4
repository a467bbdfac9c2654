// What a PSA deparser gives along with a cloned, resubmitted, recirculated or
// normal packet, which the next parser finds; what its functions say of the packet.
#include <core.p4>
#include <bmv2/psa.p4>

header ask_t {
    bit<8> ig;      // 1 send, 4 clone, 8 resubmit, 16 drop, 64 recirculate
    bit<8> eg;      // 1 clone, 2 drop
    bit<8> port;
    bit<8> session;
}

header seen_t {
    bit<16> resubmitted;
    bit<16> recirculated;
    bit<16> normal;
    bit<16> cloned;
    bit<16> cloned2;
    bit<8>  told;   // by ingress deparser: clone, resubmit, normal; by egress deparser: clone, recirculate
}

struct headers_t {
    ask_t  ask;
    seen_t seen;
}

struct meta_t {
    bit<16> one;
    bit<16> two;
    bit<16> three;
    bit<8>  path;
}

struct tag_t {
    bit<16> tag;
}

struct none_t { }

parser IP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_ingress_parser_input_metadata_t istd,
          in tag_t resubmitted, in tag_t recirculated) {
    state start {
        meta.one = resubmitted.tag;
        meta.two = recirculated.tag;
        pkt.extract(hdr.ask);
        transition select(istd.packet_path) {
            PSA_PacketPath_t.RECIRCULATE: again;
            default: accept;
        }
    }
    state again {
        pkt.extract(hdr.seen);
        transition accept;
    }
}

control I(inout headers_t hdr, inout meta_t meta, in psa_ingress_input_metadata_t istd,
          inout psa_ingress_output_metadata_t ostd) {
    apply {
        hdr.seen.setValid();
        if (istd.packet_path == PSA_PacketPath_t.NORMAL) {
            hdr.seen.told = 0;
        }
        hdr.seen.resubmitted = meta.one;
        hdr.seen.recirculated = meta.two;
        if (hdr.ask.ig & 1 == 1) {
            send_to_port(ostd, (PortId_t)(PortIdUint_t)hdr.ask.port);
        }
        if (hdr.ask.ig & 4 == 4) {
            ostd.clone = true;
            ostd.clone_session_id = (CloneSessionId_t)(CloneSessionIdUint_t)hdr.ask.session;
        }
        if (hdr.ask.ig & 64 == 64 && istd.packet_path != PSA_PacketPath_t.RECIRCULATE) {
            send_to_port(ostd, PSA_PORT_RECIRCULATE);
        }
        if (hdr.ask.ig & 8 == 8 && istd.packet_path != PSA_PacketPath_t.RESUBMIT) {
            ostd.resubmit = true;
        }
        if (hdr.ask.ig & 16 == 16) {
            ingress_drop(ostd);
        }
    }
}

control ID(packet_out pkt, out tag_t cloned, out tag_t resubmitted, out tag_t normal,
           inout headers_t hdr, in meta_t meta, in psa_ingress_output_metadata_t istd) {
    apply {
        if (psa_clone_i2e(istd)) {
            cloned.tag = 0xc11c;
            hdr.seen.told = hdr.seen.told | 0x10;
        }
        if (psa_resubmit(istd)) {
            resubmitted.tag = 0x5ab1;
        }
        if (psa_normal(istd)) {
            normal.tag = 0x4041;
            hdr.seen.told = hdr.seen.told | 0x20;
        }
        pkt.emit(hdr.ask);
        pkt.emit(hdr.seen);
    }
}

parser EP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_egress_parser_input_metadata_t istd,
          in tag_t normal, in tag_t cloned, in tag_t cloned2) {
    state start {
        meta.one = normal.tag;
        meta.two = cloned.tag;
        meta.three = cloned2.tag;
        pkt.extract(hdr.ask);
        transition select(istd.packet_path) {
            PSA_PacketPath_t.CLONE_I2E: accept;
            default: whole;
        }
    }
    state whole {
        pkt.extract(hdr.seen);
        transition accept;
    }
}

control E(inout headers_t hdr, inout meta_t meta, in psa_egress_input_metadata_t istd,
          inout psa_egress_output_metadata_t ostd) {
    apply {
        if (!hdr.seen.isValid()) {
            hdr.seen = { 0, 0, 0, 0, 0, 0 };
        }
        hdr.seen.normal = meta.one;
        hdr.seen.cloned = meta.two;
        hdr.seen.cloned2 = meta.three;
        if (hdr.ask.eg & 1 == 1 && istd.packet_path != PSA_PacketPath_t.CLONE_E2E) {
            ostd.clone = true;
            ostd.clone_session_id = (CloneSessionId_t)(CloneSessionIdUint_t)hdr.ask.session;
        }
        if (hdr.ask.eg & 2 == 2 && istd.packet_path != PSA_PacketPath_t.CLONE_E2E) {
            egress_drop(ostd);
        }
    }
}

control ED(packet_out pkt, out tag_t cloned2, out tag_t recirculated, inout headers_t hdr, in meta_t meta,
           in psa_egress_output_metadata_t istd, in psa_egress_deparser_input_metadata_t edstd) {
    apply {
        if (psa_clone_e2e(istd)) {
            cloned2.tag = 0xc22c;
            hdr.seen.told = hdr.seen.told | 1;
        }
        if (psa_recirculate(istd, edstd)) {
            recirculated.tag = 0x4ec1;
            hdr.seen.told = hdr.seen.told | 2;
        }
        pkt.emit(hdr.ask);
        pkt.emit(hdr.seen);
    }
}

IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
