#include <core.p4>
#include <ebpf_model.p4>
#include "frame.p4"

// The longest prefix decides; then bits under a mask, by priority.
control Nets(inout Stack s, out bool pass) {
    action set(bool ok) {
        pass = ok;
    }
    table nets {
        key = { s.inet.src: lpm; }
        actions = { set; NoAction; }
        implementation = hash_table(16);
        const default_action = NoAction;
    }
    table ports {
        key = { s.inet.dst: ternary; }
        actions = { set; NoAction; }
        implementation = hash_table(16);
        const default_action = NoAction;
    }
    table kinds {
        key = { s.inet.proto: exact; }
        actions = { set; NoAction; }
        implementation = array_table(256);
        const entries = {
            17: set(false);
            6: set(true);
        }
    }
    apply {
        pass = true;
        kinds.apply();
        nets.apply();
        ports.apply();
    }
}

ebpfFilter(Frames(), Nets()) main;
