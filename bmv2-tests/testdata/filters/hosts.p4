#include <core.p4>
#include <ebpf_model.p4>
#include "frame.p4"

// A list of senders: what no entry names passes. What actions write into headers
// is seen by nobody: a filter has no deparser.
control Hosts(inout Stack s, out bool pass) {
    action refuse(bit<32> mark) {
        pass = false;
        s.inet.src[31:0] = mark[31:16] ++ mark[15:0];
    }
    action paint(bit<32> mark) {
        s.inet.src = mark;
    }
    table senders {
        key = { s.inet.src: exact; }
        actions = { refuse; paint; NoAction; }
        implementation = hash_table(1024);
        const default_action = NoAction;
    }
    apply {
        pass = true;
        if (!s.inet.isValid()) {
            pass = false;
            return;
        }
        if (senders.apply().hit) {
            pass = pass;
        }
    }
}

ebpfFilter(Frames(), Hosts()) main;
