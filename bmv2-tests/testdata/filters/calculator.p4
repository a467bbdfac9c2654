#include <core.p4>
#include <ebpf_model.p4>

// lookahead of a whole header, constant entries, an action that calls another.
header Frame {
    bit<48> to;
    bit<48> from;
    bit<16> kind;
}

header Sum {
    bit<16> magic;
    bit<8>  op;
    bit<8>  limit;
    bit<32> a;
    bit<32> b;
}

struct Parts {
    Frame frame;
    Sum   sum;
}

parser Sums(packet_in pkt, out Parts p) {
    state start {
        pkt.extract(p.frame);
        transition select(pkt.lookahead<Sum>().magic) {
            0x4b4c: sum;
            default: accept;
        }
    }
    state sum {
        pkt.extract(p.sum);
        transition accept;
    }
}

control Work(inout Parts p, out bool pass) {
    action judge(bit<32> result) {
        pass = result >= (bit<32>) p.sum.limit;
        p.sum.a = result;
    }
    action add() { judge(p.sum.a + p.sum.b); }
    action sub() { judge(p.sum.a - p.sum.b); }
    action both() { judge(p.sum.a & p.sum.b); }
    action refuse() { pass = false; }
    table work {
        key = { p.sum.op: exact; }
        actions = { add; sub; both; refuse; }
        const default_action = refuse();
        const entries = {
            0x2b: add();
            0x2d: sub();
            0x26: both();
        }
        implementation = hash_table(8);
        size = 100;
    }
    apply {
        pass = true;
        if (p.sum.isValid()) {
            work.apply();
        }
    }
}

ebpfFilter(Sums(), Work()) main;
