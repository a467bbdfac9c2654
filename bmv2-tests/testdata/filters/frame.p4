// What the filters of this directory look at.
header Frame {
    bit<48> to;
    bit<48> from;
    bit<16> kind;
}

header Inet {
    bit<8>  version_ihl;
    bit<8>  tos;
    bit<16> length;
    bit<16> id;
    bit<16> frag;
    bit<8>  ttl;
    bit<8>  proto;
    bit<16> sum;
    bit<32> src;
    bit<32> dst;
}

struct Stack {
    Frame frame;
    Inet  inet;
}

parser Frames(packet_in pkt, out Stack s) {
    state start {
        pkt.extract(s.frame);
        transition select(s.frame.kind) {
            0x0800: inet;
            default: reject;
        }
    }
    state inet {
        pkt.extract(s.inet);
        transition accept;
    }
}
