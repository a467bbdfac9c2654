// What psa_switch does with copies of packets, and its meters and sums: the first
// bytes of a packet say what to ask for, the header `seen` what egress saw.
#include <core.p4>
#include <bmv2/psa.p4>

header ask_t {
    bit<8>  ingress; // 1 clone, 2 resubmit, 4 multicast, 8 drop, 16 recirculate
    bit<8>  egress;  // 1 clone, 4 drop
    bit<8>  session;
    bit<8>  group;
    bit<8>  port;
    bit<8>  passes;
    bit<8>  class;
    bit<8>  meter;
}

header seen_t {
    bit<32> ingress_port;
    bit<32> ingress_path;
    bit<32> egress_port;
    bit<32> egress_path;
    bit<16> instance;
    bit<8>  class;
    bit<8>  zero;
    bit<16> sum;
    bit<16> diff;
    bit<16> hash;
    bit<16> bounded;
    bit<32> colour;
    bit<32> register;
}

struct empty_t { }

struct metadata {
    bit<8> unused;
}

struct headers {
    ask_t  ask;
    seen_t seen;
}

parser IP(packet_in pkt, out headers hdr, inout metadata meta, in psa_ingress_parser_input_metadata_t istd,
          in empty_t resubmit_meta, in empty_t recirculate_meta) {
    state start {
        pkt.extract(hdr.ask);
        transition select(istd.packet_path) {
            PSA_PacketPath_t.RECIRCULATE: seen;
            default: accept;
        }
    }
    state seen {
        pkt.extract(hdr.seen);
        transition accept;
    }
}

control I(inout headers hdr, inout metadata meta, in psa_ingress_input_metadata_t istd, inout psa_ingress_output_metadata_t ostd) {
    Register<bit<32>, bit<8>>(16) cells;
    Meter<bit<8>>(4, PSA_MeterType_t.PACKETS) meter0;
    Counter<bit<32>, bit<8>>(16, PSA_CounterType_t.PACKETS_AND_BYTES) passed;
    Hash<bit<16>>(PSA_HashAlgorithm_t.CRC16) crc;

    apply {
        ostd.drop = false;
        ostd.egress_port = (PortId_t)(PortIdUint_t)hdr.ask.port;
        ostd.class_of_service = (ClassOfService_t)hdr.ask.class;
        passed.count(hdr.ask.port);
        if (istd.packet_path == PSA_PacketPath_t.RECIRCULATE) {
            hdr.ask.ingress = 0;
            hdr.ask.egress = 0;
        } else {
            hdr.seen.setValid();
        }
        hdr.seen.ingress_port = (bit<32>)(PortIdUint_t)istd.ingress_port;
        if (istd.packet_path == PSA_PacketPath_t.RECIRCULATE) {
            hdr.seen.ingress_path = 6;
        } else if (istd.packet_path == PSA_PacketPath_t.RESUBMIT) {
            hdr.seen.ingress_path = 5;
        } else {
            hdr.seen.ingress_path = 0;
        }
        hdr.seen.hash = crc.get_hash({ hdr.ask.port, hdr.ask.session });
        hdr.seen.bounded = crc.get_hash((bit<16>)100, { hdr.ask.port }, (bit<16>)7);
        PSA_MeterColor_t colour = meter0.execute(hdr.ask.meter);
        if (colour == PSA_MeterColor_t.RED) {
            hdr.seen.colour = 0xdead;
        } else if (colour == PSA_MeterColor_t.YELLOW) {
            hdr.seen.colour = 0xe110;
        } else {
            hdr.seen.colour = 0x6ee2;
        }
        bit<32> count = cells.read(hdr.ask.port);
        count = count + 1;
        cells.write(hdr.ask.port, count);
        hdr.seen.register = count;
        hdr.ask.passes = hdr.ask.passes + 1;
        if (hdr.ask.ingress & 1 != 0) {
            ostd.clone = true;
            ostd.clone_session_id = (CloneSessionId_t)(bit<16>)hdr.ask.session;
        }
        if (hdr.ask.ingress & 2 != 0 && istd.packet_path == PSA_PacketPath_t.NORMAL) {
            ostd.resubmit = true;
        }
        if (hdr.ask.ingress & 4 != 0) {
            ostd.multicast_group = (MulticastGroup_t)(MulticastGroupUint_t)hdr.ask.group;
        }
        if (hdr.ask.ingress & 8 != 0) {
            ostd.drop = true;
        }
        if (hdr.ask.ingress & 16 != 0) {
            ostd.egress_port = (PortId_t)32w0xfffffffa;
        }
    }
}

control ID(packet_out pkt, out empty_t clone_meta, out empty_t resubmit_meta, out empty_t normal_meta,
           inout headers hdr, in metadata meta, in psa_ingress_output_metadata_t istd) {
    InternetChecksum() sum;
    apply {
        sum.clear();
        sum.add({ hdr.ask.port, hdr.ask.session });
        sum.add({ hdr.ask.ingress, hdr.ask.egress });
        hdr.seen.sum = sum.get();
        sum.subtract({ hdr.ask.port, hdr.ask.session });
        hdr.seen.diff = sum.get_state();
        pkt.emit(hdr.ask);
        pkt.emit(hdr.seen);
    }
}

parser EP(packet_in pkt, out headers hdr, inout metadata meta, in psa_egress_parser_input_metadata_t istd,
          in empty_t normal_meta, in empty_t clone_i2e_meta, in empty_t clone_e2e_meta) {
    state start {
        pkt.extract(hdr.ask);
        transition select(istd.packet_path) {
            PSA_PacketPath_t.CLONE_I2E: accept;
            default: seen;
        }
    }
    state seen {
        pkt.extract(hdr.seen);
        transition accept;
    }
}

control E(inout headers hdr, inout metadata meta, in psa_egress_input_metadata_t istd, inout psa_egress_output_metadata_t ostd) {
    apply {
        if (!hdr.seen.isValid()) {
            hdr.seen.setValid();
            hdr.seen.ingress_port = 0;
            hdr.seen.ingress_path = 0;
            hdr.seen.sum = 0;
            hdr.seen.diff = 0;
            hdr.seen.hash = 0;
            hdr.seen.bounded = 0;
            hdr.seen.colour = 0;
            hdr.seen.register = 0;
        }
        hdr.seen.egress_port = (bit<32>)(PortIdUint_t)istd.egress_port;
        if (istd.packet_path == PSA_PacketPath_t.NORMAL_UNICAST) {
            hdr.seen.egress_path = 1;
        } else if (istd.packet_path == PSA_PacketPath_t.NORMAL_MULTICAST) {
            hdr.seen.egress_path = 2;
        } else if (istd.packet_path == PSA_PacketPath_t.CLONE_I2E) {
            hdr.seen.egress_path = 3;
        } else {
            hdr.seen.egress_path = 4;
        }
        hdr.seen.instance = (bit<16>)(EgressInstanceUint_t)istd.instance;
        hdr.seen.class = (bit<8>)(ClassOfServiceUint_t)istd.class_of_service;
        hdr.seen.zero = 0;
        if (hdr.ask.egress & 1 != 0 && istd.packet_path != PSA_PacketPath_t.CLONE_E2E) {
            ostd.clone = true;
            ostd.clone_session_id = (CloneSessionId_t)(bit<16>)hdr.ask.session;
        }
        if (hdr.ask.egress & 4 != 0) {
            ostd.drop = true;
        }
    }
}

control ED(packet_out pkt, out empty_t clone_e2e_meta, out empty_t recirculate_meta,
           inout headers hdr, in metadata meta, in psa_egress_output_metadata_t istd, in psa_egress_deparser_input_metadata_t edstd) {
    apply {
        pkt.emit(hdr.ask);
        pkt.emit(hdr.seen);
    }
}

IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
