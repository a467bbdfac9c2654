// SPDX-License-Identifier: Apache-2.0
// Meters that know a colour, messages, selectors with an action for empty groups and
// registers that do not begin with zeros, as PSA has them.
#include <core.p4>
#include <dpdk/psa.p4>

header req_h {
    bit<8>  op;
    bit<8>  key;
    bit<16> x;
    bit<8>  colour;
    bit<40> y;
    bit<16> res;
}

struct headers_t { req_h req; }
struct meta_t { PSA_MeterColor_t before; PSA_MeterColor_t after; }
struct none_t { }
struct message_t {
    bit<16>  x;
    PortId_t port;
    bit<3>   narrow;
    bit<40>  y;
}

parser IP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_ingress_parser_input_metadata_t istd,
          in none_t resubmitted, in none_t recirculated) {
    state start {
        pkt.extract(hdr.req);
        transition accept;
    }
}

control I(inout headers_t hdr, inout meta_t meta, in psa_ingress_input_metadata_t istd,
          inout psa_ingress_output_metadata_t ostd) {
    Meter<bit<8>>(4, PSA_MeterType_t.BYTES) octets;
    Meter<bit<8>>(4, PSA_MeterType_t.PACKETS) frames;
    DirectMeter(PSA_MeterType_t.PACKETS) direct;
    ActionSelector(PSA_HashAlgorithm_t.CRC16, 32, 16) pool;
    Register<bit<16>, bit<8>>(4, 16w0x1234) words;

    action give(bit<16> v) { hdr.req.res = v; }
    action far(PortId_t p) { send_to_port(ostd, p); }
    action metered() { meta.after = direct.execute(meta.before); }

    table spread {
        key = {
            hdr.req.key: exact;
            hdr.req.x: selector;
            hdr.req.y: selector;
        }
        actions = { give; far; NoAction; }
        psa_implementation = pool;
        psa_empty_group_action = give(0xe0e0);
        size = 16;
    }
    table rated {
        key = { hdr.req.x: ternary; }
        actions = { metered; NoAction; }
        psa_direct_meter = direct;
        size = 16;
    }
    apply {
        send_to_port(ostd, (PortId_t) 2);
        meta.before = PSA_MeterColor_t.GREEN;
        if (hdr.req.colour == 1) { meta.before = PSA_MeterColor_t.YELLOW; }
        if (hdr.req.colour == 2) { meta.before = PSA_MeterColor_t.RED; }
        meta.after = meta.before;
        if (hdr.req.op == 1) {
            spread.apply();
        } else if (hdr.req.op == 2) {
            meta.after = octets.execute(hdr.req.key, meta.before);
        } else if (hdr.req.op == 3) {
            if (hdr.req.y[0:0] == 1) {
                meta.after = octets.dpdk_execute(hdr.req.key, meta.before, (bit<32>) hdr.req.x[4:0]);
            } else {
                meta.after = frames.dpdk_execute(hdr.req.key, 1);
            }
        } else if (hdr.req.op == 4) {
            rated.apply();
        } else if (hdr.req.op == 5) {
            hdr.req.res = words.read(hdr.req.key);
            words.write(hdr.req.key, hdr.req.res + 1);
        }
        if (meta.after == PSA_MeterColor_t.GREEN) {
            hdr.req.colour = 0x10;
        } else if (meta.after == PSA_MeterColor_t.YELLOW) {
            hdr.req.colour = 0x11;
        } else {
            hdr.req.colour = 0x12;
        }
    }
}

control ID(packet_out pkt, out none_t cloned, out none_t resubmitted, out none_t normal,
           inout headers_t hdr, in meta_t meta, in psa_ingress_output_metadata_t istd) {
    Digest<message_t>() messages;
    apply {
        if (hdr.req.op == 6) {
            messages.pack({ hdr.req.x, istd.egress_port, 3w5, hdr.req.y });
        }
        pkt.emit(hdr.req);
    }
}

parser EP(packet_in pkt, out headers_t hdr, inout meta_t meta, in psa_egress_parser_input_metadata_t istd,
          in none_t normal, in none_t cloned, in none_t cloned2) {
    state start {
        pkt.extract(hdr.req);
        transition accept;
    }
}

control E(inout headers_t hdr, inout meta_t meta, in psa_egress_input_metadata_t istd,
          inout psa_egress_output_metadata_t ostd) {
    apply { }
}

control ED(packet_out pkt, out none_t cloned2, out none_t recirculated, inout headers_t hdr, in meta_t meta,
           in psa_egress_output_metadata_t istd, in psa_egress_deparser_input_metadata_t edstd) {
    apply { pkt.emit(hdr.req); }
}

IngressPipeline(IP(), I(), ID()) ip;
EgressPipeline(EP(), E(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
