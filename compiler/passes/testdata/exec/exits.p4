// lang:L95 lang:L96 lang:L144 lang:L145 lang:R3 lang:R4: return and exit from
// any depth pass copy-out; conditions in actions.
#include "skel.p4"

control Deep(inout bit<8> a, out bit<8> r, in bit<8> n) {
    bit<8> local;
    action stop() { local = 5; exit; }
    action go(bit<8> k) { if (a == k) { return; } a = a + k; local = a; }
    table t {
        key = { n: exact; a: ternary; }
        actions = { stop; go; }
        const entries = {
            (1, _): stop();
            (2, 1 &&& 3): go(3);
            (2, _): go(1);
            (3, 2): stop();
        }
        default_action = go(7);
    }
    apply {
        local = 1;
        r = 9;
        switch (t.apply().action_run) {
            go: { r = local; }
            default: { r = 4; }
        }
        if (a == 4) { exit; }
        if (a == 5) { return; }
        r = r + local;
    }
}

control Mid(inout bit<8> a, inout bit<8> b, in bit<8> n) {
    Deep() d;
    apply {
        if (n == 0) { return; }
        d.apply(a, b, n);
        b = b + 1;
        d.apply(b, a, n);
        a = a + 1;
    }
}

control I(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    Mid() mid;
    action maybe(inout bit<8> v) { v = v + 1; if (v == 6) { exit; } v = v + 1; }
    apply {
        sm.egress_spec = 1;
        maybe(hs.x.d);
        mid.apply(hs.x.b, hs.x.c, hs.x.a & 3);
        maybe(hs.x.c);
        mid.apply(m.p, hs.x.c, hs.x.b);
        hs.x.d = m.p;
        Deep.apply(hs.x.b, hs.x.d, hs.x.g == 1 ? hs.x.c : 2);
        hs.x.e = 0xffff;
    }
}
MAIN
