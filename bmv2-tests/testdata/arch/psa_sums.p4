// Checksums in parsers and deparsers of PSA. The packet has two words and sums over
// them; the parser verifies, the deparser updates.
#include <core.p4>
#include <bmv2/psa.p4>

header ask_t {
    bit<16> a;
    bit<16> b;
    bit<16> sum;   // the Internet checksum of a and b
    bit<16> state;
    bit<16> after; // of a, and b + 1, from the sum
}

struct headers_t {
    ask_t ask;
}

struct meta_t {
    bit<16> state;
    bit<1>  good;
    bit<32> crc;
}

struct none_t { }

header answer_t {
    bit<8>  good;
    bit<32> crc;
    bit<16> crc16;
}

struct out_t {
    ask_t    ask;
    answer_t answer;
}

parser IP(packet_in pkt, out out_t hdr, inout meta_t meta, in psa_ingress_parser_input_metadata_t istd,
          in none_t resubmitted, in none_t recirculated) {
    InternetChecksum() inet;
    Checksum<bit<32>>(PSA_HashAlgorithm_t.CRC32) crc;
    state start {
        pkt.extract(hdr.ask);
        inet.clear();
        inet.add({ hdr.ask.a, hdr.ask.b });
        meta.good = (bit<1>)(inet.get() == hdr.ask.sum);
        inet.subtract(hdr.ask.a);
        meta.state = inet.get_state();
        crc.clear();
        crc.update({ hdr.ask.a, hdr.ask.b });
        crc.update(hdr.ask.sum);
        meta.crc = crc.get();
        transition accept;
    }
}

control I(inout out_t hdr, inout meta_t meta, in psa_ingress_input_metadata_t istd,
          inout psa_ingress_output_metadata_t ostd) {
    apply {
        send_to_port(ostd, (PortId_t)2);
        hdr.answer = { 7w0 ++ meta.good, meta.crc, 0 };
        hdr.ask.state = meta.state;
    }
}

control ID(packet_out pkt, out none_t cloned, out none_t resubmitted, out none_t normal,
           inout out_t hdr, in meta_t meta, in psa_ingress_output_metadata_t istd) {
    InternetChecksum() inet;
    Checksum<bit<16>>(PSA_HashAlgorithm_t.CRC16) crc;
    apply {
        inet.set_state(~hdr.ask.sum);
        inet.subtract(hdr.ask.b);
        hdr.ask.b = hdr.ask.b + 1;
        inet.add(hdr.ask.b);
        hdr.ask.after = inet.get();
        crc.clear();
        crc.update({ hdr.ask.a, hdr.ask.b });
        hdr.answer.crc16 = crc.get();
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
    apply { }
}

IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
