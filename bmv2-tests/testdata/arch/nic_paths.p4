// The ways of a packet through p4nic's NIC, and what each block sees of it.
#include <core.p4>
#include <p4nic.p4>

header ask_t {
    bit<8> what;  // 1 send, 2 multicast, 4 mirror, 8 drop with a reason, 16 recirculate once, 32 to the host, 64 to the controller, 128 egress drops where port is 9
    bit<8> port;  // or group
    bit<8> other; // session, or reason
}

header seen_t {
    bit<8>  pass;
    bit<8>  direction; // 1 from the network, 2 from the host
    bit<8>  input;
    bit<8>  path;      // 1 unicast, 2 multicast, 3 mirror, 4 host, 5 controller
    bit<8>  egress;
    bit<16> instance;
    bit<8>  length;
    bit<8>  flags;     // 1 no parser error, 2 both controls read one time
    bit<8>  mark;      // what main control left, and egress added to
}

struct headers_t {
    ask_t  ask;
    seen_t seen;
}

struct meta_t {
    bit<8>  mark;
    bit<8>  length;
    bit<1>  fine;
    bit<64> now;
    bit<8>  pass;
    bit<8>  direction;
}

parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, in pna_main_parser_input_metadata_t istd) {
    state start {
        meta.pass = (bit<8>)(PassNumberUint_t) istd.pass;
        meta.direction = istd.direction == PNA_Direction_t.HOST_TO_NET ? 8w2 : 8w1;
        pkt.extract(hdr.ask);
        transition accept;
    }
}

control M(inout headers_t hdr, inout meta_t meta, in nic_main_input_metadata_t istd) {
    apply {
        meta.mark = 7;
        meta.length = (bit<8>) istd.length;
        meta.fine = (bit<1>)(istd.parser_error == error.NoError);
        meta.now = (TimestampUint_t) istd.now;
        if (hdr.ask.what & 1 != 0) {
            send_to_port((PortId_t)(PortIdUint_t)(bit<32>) hdr.ask.port);
        }
        if (hdr.ask.what & 2 != 0) {
            multicast((MulticastGroup_t)(MulticastGroupUint_t)(bit<32>) hdr.ask.port);
        }
        if (hdr.ask.what & 4 != 0) {
            mirror_packet((MirrorSlotId_t) 0, (MirrorSessionId_t)(MirrorSessionIdUint_t)(bit<16>) hdr.ask.other);
        }
        if (hdr.ask.what & 8 != 0) {
            drop_because(hdr.ask.other);
        }
        if (hdr.ask.what & 16 != 0 && meta.pass == 0) {
            recirculate();
        }
        if (hdr.ask.what & 32 != 0) {
            send_to_host();
        }
        if (hdr.ask.what & 64 != 0) {
            send_to_controller();
        }
    }
}

control E(inout headers_t hdr, inout meta_t meta, in nic_egress_input_metadata_t istd) {
    apply {
        meta.mark = meta.mark + 1;
        hdr.seen.setValid();
        hdr.seen.pass = (bit<8>)(PassNumberUint_t) istd.pass;
        hdr.seen.direction = meta.direction;
        hdr.seen.input = (bit<8>)(PortIdUint_t) istd.input_port;
        hdr.seen.path = istd.path == NicPath_t.MULTICAST ? 8w2 : istd.path == NicPath_t.MIRROR ? 8w3
            : istd.path == NicPath_t.HOST ? 8w4 : istd.path == NicPath_t.CONTROLLER ? 8w5 : 8w1;
        hdr.seen.egress = (bit<8>)(PortIdUint_t) istd.egress_port;
        hdr.seen.instance = (MulticastInstanceUint_t) istd.instance;
        hdr.seen.length = meta.length;
        hdr.seen.flags = 6w0 ++ (bit<1>)(meta.now == (TimestampUint_t) istd.now && meta.now != 0) ++ meta.fine;
        hdr.seen.mark = meta.mark;
        if (hdr.ask.what & 128 != 0 && istd.egress_port == (PortId_t) 9) {
            drop_because(8w77);
        }
    }
}

control D(packet_out pkt, inout headers_t hdr, in meta_t meta) {
    apply {
        pkt.emit(hdr);
    }
}

P4NIC(P(), M(), E(), D()) main;
