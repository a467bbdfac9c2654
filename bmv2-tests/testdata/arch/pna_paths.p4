// The ways of a packet through a PNA NIC, and what each block sees of it.
#include <core.p4>
#include <pna.p4>

header ask_t {
    bit<8> what;   // 1 send, 2 drop after sending, 4 recirculate once, 8 mirror, 16 send after dropping, 32 mirror again in the same slot
    bit<8> port;
    bit<8> session;
    bit<8> second; // session of the other mirror slot, 0 for none
}

header seen_t {
    bit<8>  direction;  // 1 from the network, 2 from the host: parser, pre control
    bit<8>  pass;
    bit<8>  looped;
    bit<32> port;
    bit<8>  flags;      // parser error is none for pre and main control, time runs, class of service is 0
    bit<8>  selected;
    bit<8>  path;
    bit<8>  decrypt;    // pre output metadata as pre control finds them
}

struct headers_t {
    ask_t  ask;
    seen_t seen;
}

struct meta_t {
    bit<4>  direction;
    bit<4>  pass;
    bit<4>  looped;
    bit<32> port;
    bit<4>  pre_direction;
    bit<4>  pre_pass;
    bit<4>  pre_looped;
    bit<1>  pre_error;
    bit<8>  decrypt;
    bool    pre_port;
}

PNA_PacketPath_t path_of(in PNA_Direction_t direction, in bool looped) {
    if (direction == PNA_Direction_t.NET_TO_HOST) {
        return looped ? PNA_PacketPath_t.FROM_NET_RECIRCULATED : PNA_PacketPath_t.FROM_NET_PORT;
    }
    return looped ? PNA_PacketPath_t.FROM_HOST_RECIRCULATED : PNA_PacketPath_t.FROM_HOST;
}

bit<8> path_number(in PNA_PacketPath_t path) {
    if (path == PNA_PacketPath_t.FROM_NET_PORT) {
        return 1;
    } else if (path == PNA_PacketPath_t.FROM_NET_LOOPEDBACK) {
        return 2;
    } else if (path == PNA_PacketPath_t.FROM_NET_RECIRCULATED) {
        return 3;
    } else if (path == PNA_PacketPath_t.FROM_HOST) {
        return 4;
    } else if (path == PNA_PacketPath_t.FROM_HOST_LOOPEDBACK) {
        return 5;
    }
    return 6;
}

parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, in pna_main_parser_input_metadata_t istd) {
    state start {
        meta.direction = istd.direction == PNA_Direction_t.HOST_TO_NET ? 4w2 : 4w1;
        meta.pass = (bit<4>)(PassNumberUint_t)istd.pass;
        meta.looped = (bit<4>)(bit<1>)istd.loopedback;
        meta.port = (PortIdInHeaderUint_t)pna_PortId_int_to_header(istd.input_port);
        pkt.extract(hdr.ask);
        transition accept;
    }
}

control Pre(in headers_t hdr, inout meta_t meta, in pna_pre_input_metadata_t istd, inout pna_pre_output_metadata_t ostd) {
    apply {
        meta.pre_direction = istd.direction == PNA_Direction_t.HOST_TO_NET ? 4w2 : 4w1;
        meta.pre_pass = (bit<4>)(PassNumberUint_t)istd.pass;
        meta.pre_looped = (bit<4>)(bit<1>)istd.loopedback;
        meta.pre_error = (bit<1>)(istd.parser_error == error.NoError);
        meta.pre_port = (PortIdUint_t)istd.input_port == meta.port;
        meta.decrypt = (bit<8>)(bit<1>)ostd.decrypt + (bit<8>)(bit<1>)((SecurityAssocIdUint_t)ostd.said != 0)
                       + (bit<8>)(bit<1>)(ostd.decrypt_start_offset != 0);
        ostd.decrypt = false;
        ostd.said = (SecurityAssocId_t)(SecurityAssocIdUint_t)7;
        ostd.decrypt_start_offset = 14;
    }
}

control M(inout headers_t hdr, inout meta_t meta, in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    apply {
        hdr.seen.setValid();
        hdr.seen.direction = meta.direction ++ meta.pre_direction;
        if ((istd.direction == PNA_Direction_t.HOST_TO_NET) != (meta.direction == 2)) {
            hdr.seen.direction = 0xff;
        }
        hdr.seen.pass = meta.pass ++ meta.pre_pass;
        if ((PassNumberUint_t)istd.pass != meta.pass[2:0]) {
            hdr.seen.pass = 0xff;
        }
        hdr.seen.looped = meta.looped ++ meta.pre_looped;
        if (istd.loopedback != (meta.looped == 1)) {
            hdr.seen.looped = 0xff;
        }
        hdr.seen.port = meta.port;
        hdr.seen.flags = 3w0 ++ meta.pre_error ++ (bit<1>)(istd.parser_error == error.NoError)
                         ++ (bit<1>)((TimestampUint_t)istd.timestamp != 0)
                         ++ (bit<1>)((ClassOfServiceUint_t)istd.class_of_service == 0 && (ClassOfServiceUint_t)ostd.class_of_service == 0)
                         ++ (bit<1>)(meta.pre_port && (PortIdUint_t)istd.input_port == meta.port);
        hdr.seen.selected = SelectByDirection(istd.direction, 8w0xaa, 8w0xbb);
        hdr.seen.path = path_number(path_of(istd.direction, istd.loopedback));
        hdr.seen.decrypt = meta.decrypt;
        if (hdr.ask.what & 16 == 16) {
            drop_packet();
        }
        if (hdr.ask.what & 17 != 0) {
            send_to_port((PortId_t)(PortIdUint_t)hdr.ask.port);
        }
        if (hdr.ask.what & 2 == 2) {
            drop_packet();
        }
        if (hdr.ask.what & 8 == 8) {
            mirror_packet((MirrorSlotId_t)0, (MirrorSessionId_t)(MirrorSessionIdUint_t)hdr.ask.session);
            if (hdr.ask.second != 0) {
                mirror_packet((MirrorSlotId_t)1, (MirrorSessionId_t)(MirrorSessionIdUint_t)hdr.ask.second);
            }
            if (hdr.ask.what & 32 == 32) { // the last session of a slot counts
                mirror_packet((MirrorSlotId_t)0, (MirrorSessionId_t)(MirrorSessionIdUint_t)hdr.ask.second);
            }
        }
        if (hdr.ask.what & 4 == 4 && !istd.loopedback) {
            recirculate();
        }
    }
}

control D(packet_out pkt, in headers_t hdr, in meta_t meta, in pna_main_output_metadata_t ostd) {
    apply {
        pkt.emit(hdr.ask);
        pkt.emit(hdr.seen);
    }
}

PNA_NIC(P(), Pre(), M(), D()) main;
