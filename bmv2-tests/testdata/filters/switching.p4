#include <xdp_model.p4>

// What the first byte of the source address says is done.
header Frame {
    bit<48> to;
    bit<48> from;
    bit<16> kind;
}

header Tag {
    bit<3>  pcp;
    bit<1>  dei;
    bit<12> vid;
    bit<16> kind;
}

header Inet {
    bit<4>  version;
    bit<4>  ihl;
    bit<8>  diffserv;
    bit<16> totalLen;
    bit<16> identification;
    bit<3>  flags;
    bit<13> fragOffset;
    bit<8>  ttl;
    bit<8>  protocol;
    bit<16> sum;
    bit<32> src;
    bit<32> dst;
}

struct Parts {
    Frame frame;
    Tag   tag;
    Inet  inet;
}

parser Tags(packet_in pkt, out Parts p) {
    state start {
        pkt.extract(p.frame);
        transition select(p.frame.kind) {
            0x8100: tag;
            0x0800: inet;
            0xffff: reject;
            default: accept;
        }
    }
    state tag {
        pkt.extract(p.tag);
        transition accept;
    }
    state inet {
        pkt.extract(p.inet);
        transition accept;
    }
}

control Switch(inout Parts p, in xdp_input i, out xdp_output o) {
    CounterArray(8, false) ports;
    apply {
        ports.increment(i.input_port);
        o.output_action = xdp_action.XDP_PASS;
        o.output_port = i.input_port;
        if (p.tag.isValid()) {
            p.frame.kind = p.tag.kind;
            p.tag.setInvalid();
        } else if (p.inet.isValid()) {
            bit<16> old = p.inet.ttl ++ p.inet.protocol;
            p.inet.ttl = p.inet.ttl - 1;
            p.inet.sum = csum_replace2(p.inet.sum, old, p.inet.ttl ++ p.inet.protocol);
            bit<32> dst = p.inet.dst;
            p.inet.dst = 0x0a0a0a0a;
            p.inet.sum = csum_replace4(p.inet.sum, dst, p.inet.dst);
            if (p.inet.sum != ebpf_ipv4_checksum(p.inet.version, p.inet.ihl, p.inet.diffserv, p.inet.totalLen,
                                                 p.inet.identification, p.inet.flags, p.inet.fragOffset,
                                                 p.inet.ttl, p.inet.protocol, p.inet.src, p.inet.dst)) {
                o.output_action = xdp_action.XDP_ABORTED;
            }
        } else {
            p.tag.setValid();
            p.tag.kind = p.frame.kind;
            p.frame.kind = 0x8100;
            p.tag.vid = 42;
        }
        switch (p.frame.from[47:40]) {
            1: { o.output_action = xdp_action.XDP_TX; }
            2: { o.output_action = xdp_action.XDP_REDIRECT; o.output_port = 7; }
            3: { o.output_action = xdp_action.XDP_DROP; }
            4: { o.output_action = xdp_action.XDP_ABORTED; }
        }
    }
}

control Out(in Parts p, packet_out pkt) {
    apply {
        pkt.emit(p.frame);
        pkt.emit(p.tag);
        pkt.emit(p.inet);
    }
}

xdp(Tags(), Switch(), Out()) main;
