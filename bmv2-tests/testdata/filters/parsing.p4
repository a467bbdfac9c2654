#include <core.p4>
#include <ebpf_model.p4>

// What a parser rejects is dropped: an error of its own, a packet too short, a
// transition to reject, a length.
header Lead {
    bit<8> value;
}

header Odd {
    bit<1>  a;
    bit<3>  b;
    bit<2>  c;
    bit<16> d;
    bit<2>  e;
}

error {
    WrongLead
}

struct Parts {
    Lead   lead;
    Lead   next;
    Odd    odd;
    Lead[2] pair;
}

parser Steps(packet_in pkt, out Parts p) {
    state start {
        pkt.extract(p.lead);
        transition select(p.lead.value) {
            1: checked;
            2: far;
            3: sized;
            4: odd;
            5: pair;
            default: reject;
        }
    }
    state checked {
        pkt.extract(p.next);
        verify(p.next.value == 7, error.WrongLead);
        transition accept;
    }
    state far {
        pkt.advance(128);
        pkt.extract(p.next);
        transition accept;
    }
    state sized {
        transition select(pkt.length()) {
            16: accept;
            default: reject;
        }
    }
    state odd {
        pkt.extract(p.odd);
        transition select(p.odd.b, p.odd.d) {
            (0, 0): reject;
            (_, 17): accept;
            (5, _): accept;
        }
    }
    state pair {
        pkt.extract(p.pair[0]);
        pkt.extract(p.pair[1]);
        transition accept;
    }
}

control Last(inout Parts p, out bool pass) {
    apply {
        pass = true;
        if (p.lead.value == 2) {
            pass = p.next.value == 1;
        }
        if (p.pair[1].isValid()) {
            pass = p.pair[1].value == 9;
        }
    }
}

ebpfFilter(Steps(), Last()) main;
