#include <core.p4>
#include <ebpf_model.p4>
#include "frame.p4"

// Counters at any index, as many as there is room for, and an array of few.
control Counts(inout Stack s, out bool pass) {
    CounterArray(3, true) seen;
    CounterArray(16, true) bytes;
    CounterArray(4, false) tos;

    action strip() {
        s.inet.setInvalid();
        s.frame.setInvalid();
    }
    table other {
        actions = { strip; }
        implementation = array_table(1);
        default_action = strip;
    }
    apply {
        if (s.inet.isValid()) {
            seen.increment(s.inet.dst);
            bytes.add(s.inet.dst & 0xf, (bit<32>) s.inet.length);
            tos.increment((bit<32>) s.inet.tos);
            pass = true;
        } else {
            other.apply();
            pass = false;
        }
    }
}

ebpfFilter(Frames(), Counts()) main;
