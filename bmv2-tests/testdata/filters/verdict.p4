#include <core.p4>
#include <ebpf_model.p4>

// No header at all: every packet is judged, also an empty or a short one.
struct Nothing {}

parser Any(packet_in pkt, out Nothing n) {
    state start {
        transition accept;
    }
}

control Judge(inout Nothing n, out bool ok) {
    action decide(bit<8> open, bit<8> lock) {
        ok = open == 0;
        if (lock == 0) {
            ok = false;
        }
    }
    table gate {
        actions = { decide(); }
        default_action = decide(1, 0);
    }
    apply {
        bool first = true;
        ok = first != false;
        gate.apply();
    }
}

ebpfFilter(Any(), Judge()) main;
