// lang:E18 lang:E20: uBPF's only object of the control plane.
#include <core.p4>
#include <ubpf_model.p4>

struct headers_t { }
struct meta_t { bit<32> v; }

parser prs(packet_in p, out headers_t h, inout meta_t m, inout standard_metadata s) {
    state start { transition accept; }
}

control pipe(inout headers_t h, inout meta_t m, inout standard_metadata s) {
    Register<bit<32>, bit<32>>(10) r;
    action set(bit<32> v) { r.write(0, v); }
    table t {
        key = { s.input_port : exact; }
        actions = { set; NoAction; }
    }
    apply { t.apply(); m.v = r.read(0); }
}

control dprs(packet_out p, in headers_t h) { apply { } }

ubpf(prs(), pipe(), dprs()) main;
