#include <core.p4>
#include <ebpf_model.p4>
#include "frame.p4"

// Keys that are expressions, of several widths; an action that makes the headers
// invalid, which changes nothing of what leaves.
control Keys(inout Stack s, out bool pass) {
    action strip() {
        s.inet.setInvalid();
        s.frame.setInvalid();
        pass = true;
    }
    action drop() {
        pass = false;
    }
    table known {
        key = {
            s.inet.src + 1: exact @name("src");
            s.inet.dst: exact;
            s.frame.to: exact;
            s.frame.from: exact;
        }
        actions = { strip; drop; }
        implementation = hash_table(10);
        default_action = drop;
    }
    apply {
        bool hit;
        hit = known.apply().hit;
    }
}

ebpfFilter(Frames(), Keys()) main;
