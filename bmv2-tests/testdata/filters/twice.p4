#include <core.p4>
#include <ebpf_model.p4>
#include "frame.p4"

// One control applied twice, each time by value, and the action that ran.
control Listed(in bit<32> address, inout bool pass) {
    action refuse() {
        pass = false;
    }
    table list {
        key = { address: exact; }
        actions = { refuse; NoAction; }
        implementation = hash_table(64);
        const default_action = NoAction;
    }
    apply {
        switch (list.apply().action_run) {
            refuse: {
                pass = false;
            }
            NoAction: {
            }
        }
    }
}

control Both(inout Stack s, out bool pass) {
    Listed() c1;
    apply {
        pass = true;
        if (!s.inet.isValid()) {
            pass = false;
            return;
        }
        c1.apply(s.inet.src, pass);
        c1.apply(s.inet.dst, pass);
    }
}

ebpfFilter(Frames(), Both()) main;
