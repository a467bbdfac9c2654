// Copies as the packet asks for them. The egress parser reads what the ingress
// deparser puts before the packet; with APART it is not always there, and then the
// headers that are read begin within those that were written.
#include <core.p4>
#include <psa.p4>

header bridge_t {
    bit<32> from;
    bit<8>  path;
}

header ask_t {
    bit<8> what;   // 1 clone, 2 resubmit, 4 multicast, 8 drop, 16 no bridge (APART): in ingress
    bit<8> then;   // 1 clone, 2 recirculate, 4 drop, 8 pop: in egress
    bit<8> group;
    bit<8> session;
    bit<8> rounds;
    bit<8> next;   // 1: tag
}

header tag_t {
    bit<12> vid;
    bit<4>  next;  // 1: body
}

header body_t {
    bit<16> sum;
    bit<32> a;
    bit<32> b;
}

header seen_t {
    bit<32> port;
    bit<16> instance;
    bit<8>  class;
    bit<8>  path;
    bit<32> from;
    bit<32> carried;
}

struct headers_t {
    bridge_t bridge;
    ask_t    ask;
    seen_t   seen;
    tag_t    tag;
    body_t   body;
}

struct meta_t {
    bit<32> carried;
}

struct carry_t {
    bit<32> a;
    bit<8>  b;
}

bit<8> path_number(in PSA_PacketPath_t p) {
    if (p == PSA_PacketPath_t.NORMAL_UNICAST) {
        return 1;
    } else if (p == PSA_PacketPath_t.NORMAL_MULTICAST) {
        return 2;
    } else if (p == PSA_PacketPath_t.CLONE_I2E) {
        return 3;
    } else if (p == PSA_PacketPath_t.CLONE_E2E) {
        return 4;
    } else if (p == PSA_PacketPath_t.RESUBMIT) {
        return 5;
    } else if (p == PSA_PacketPath_t.RECIRCULATE) {
        return 6;
    }
    return 0;
}

parser IP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_ingress_parser_input_metadata_t istd,
          in carry_t resub, in carry_t recirc) {
    InternetChecksum() ck;
    state start {
        meta.carried = resub.a ^ recirc.a;
        pkt.extract(hdr.ask);
        transition select(hdr.ask.next) {
            1: tag;
            2: body;
            default: accept;
        }
    }
    state tag {
        pkt.extract(hdr.tag);
        transition select(hdr.tag.next) {
            1: body;
            default: accept;
        }
    }
    state body {
        pkt.extract(hdr.body);
        ck.subtract(hdr.body.sum);
        ck.subtract({ hdr.body.a, hdr.body.b });
        hdr.body.sum = ck.get();
        transition accept;
    }
}

control I(inout headers_t hdr, inout meta_t meta, in psa_ingress_input_metadata_t istd, inout psa_ingress_output_metadata_t ostd) {
    Counter<bit<32>, bit<8>>(8, PSA_CounterType_t.PACKETS_AND_BYTES) came;
    Register<bit<32>, bit<8>>(4) order;
    Hash<bit<16>>(PSA_HashAlgorithm_t.CRC16) h;
    apply {
        came.count(path_number(istd.packet_path));
        order.write(0, order.read(0) * 31 + (bit<32>) path_number(istd.packet_path));
        send_to_port(ostd, (PortId_t) (bit<32>) hdr.ask.group[2:0]);
        ostd.class_of_service = (ClassOfService_t) hdr.ask.rounds;
        hdr.ask.rounds = hdr.ask.rounds - 1;
        hdr.body.b = hdr.body.b + (bit<32>) h.get_hash({ hdr.body.a, hdr.tag.vid });
#ifdef APART
        if (hdr.ask.what[4:4] == 0)
#endif
        {
            hdr.bridge.setValid();
            hdr.bridge.from = (bit<32>) istd.ingress_port;
            hdr.bridge.path = path_number(istd.packet_path);
        }
        ostd.clone = hdr.ask.what[0:0] == 1;
        ostd.clone_session_id = (CloneSessionId_t) (bit<16>) hdr.ask.session;
        ostd.resubmit = hdr.ask.what[1:1] == 1 && istd.packet_path != PSA_PacketPath_t.RESUBMIT;
        if (hdr.ask.what[2:2] == 1) {
            multicast(ostd, (MulticastGroup_t) (bit<32>) hdr.ask.group);
        } else if (hdr.ask.then[1:1] == 1 && istd.packet_path != PSA_PacketPath_t.RECIRCULATE) {
            ostd.egress_port = PSA_PORT_RECIRCULATE;
        }
        if (hdr.ask.what[3:3] == 1) {
            ingress_drop(ostd);
        }
    }
}

control ID(packet_out pkt, out carry_t clone_meta, out carry_t resub, out carry_t normal, inout headers_t hdr, in meta_t meta,
           in psa_ingress_output_metadata_t istd) {
    InternetChecksum() ck;
    apply {
        if (psa_clone_i2e(istd)) {
            clone_meta = { 0x1000 + (bit<32>) hdr.ask.rounds, 1 };
        }
        if (psa_resubmit(istd)) {
            resub = { 0x2000 + (bit<32>) hdr.ask.rounds, 2 };
        }
        if (psa_normal(istd)) {
            normal = { 0x3000 + meta.carried, 3 };
        }
        if (hdr.body.isValid()) {
            ck.subtract(hdr.body.sum);
            ck.add({ hdr.body.a, hdr.body.b });
            hdr.body.sum = ck.get();
        }
        pkt.emit(hdr.bridge);
        pkt.emit(hdr.ask);
        pkt.emit(hdr.tag);
        pkt.emit(hdr.body);
    }
}

parser EP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_egress_parser_input_metadata_t istd,
          in carry_t normal, in carry_t i2e, in carry_t e2e) {
    state start {
        meta.carried = normal.a + i2e.a + e2e.a;
        transition select(istd.packet_path) {
            PSA_PacketPath_t.CLONE_I2E: ask;
            PSA_PacketPath_t.CLONE_E2E: ask;
            default: bridge;
        }
    }
    state bridge {
        pkt.extract(hdr.bridge);
        transition ask;
    }
    state ask {
        pkt.extract(hdr.ask);
        transition select(hdr.ask.next) {
            1: tag;
            default: accept;
        }
    }
    state tag {
        pkt.extract(hdr.tag);
        transition accept;
    }
}

control E(inout headers_t hdr, inout meta_t meta, in psa_egress_input_metadata_t istd, inout psa_egress_output_metadata_t ostd) {
    Counter<bit<32>, bit<8>>(8, PSA_CounterType_t.PACKETS_AND_BYTES) went;
    Register<bit<32>, bit<8>>(4) order;
    apply {
        went.count(path_number(istd.packet_path));
        order.write(0, order.read(0) * 31 + (bit<32>) istd.egress_port);
        if (istd.parser_error != error.NoError) {
            order.write(1, order.read(1) + 1);
        }
        hdr.seen = { (bit<32>) istd.egress_port, (bit<16>) istd.instance, (bit<8>) istd.class_of_service,
                     path_number(istd.packet_path), hdr.bridge.from, meta.carried };
        if (hdr.ask.then[3:3] == 1) {
            hdr.seen.setInvalid();
            hdr.ask.next = hdr.ask.next + 1;
            hdr.tag.setInvalid();
        }
        ostd.clone = hdr.ask.then[0:0] == 1 && istd.packet_path != PSA_PacketPath_t.CLONE_E2E;
        ostd.clone_session_id = (CloneSessionId_t) (bit<16>) hdr.ask.session;
        if (hdr.ask.then[2:2] == 1) {
            egress_drop(ostd);
        }
    }
}

control ED(packet_out pkt, out carry_t e2e, out carry_t recirc, inout headers_t hdr, in meta_t meta,
           in psa_egress_output_metadata_t istd, in psa_egress_deparser_input_metadata_t edstd) {
    Checksum<bit<16>>(PSA_HashAlgorithm_t.CRC16) ck;
    apply {
        if (psa_clone_e2e(istd)) {
            e2e = { 0x4000 + (bit<32>) hdr.ask.rounds, 4 };
        }
        if (psa_recirculate(istd, edstd)) {
            recirc = { 0x5000 + (bit<32>) hdr.ask.rounds, 5 };
        }
        ck.clear();
        ck.update({ hdr.seen.port, hdr.seen.path });
        if (hdr.tag.isValid()) {
            ck.update(hdr.tag);
        }
        ck.update(hdr.seen.class);
        hdr.seen.instance = hdr.seen.instance ^ ck.get();
        pkt.emit(hdr.ask);
        pkt.emit(hdr.seen);
        pkt.emit(hdr.tag);
    }
}

IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
