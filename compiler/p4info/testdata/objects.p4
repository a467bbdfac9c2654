// lang:P4 lang:P5 lang:P8 lang:P9 lang:P11 lang:P17 lang:P18 lang:P19 lang:P20 lang:P21
// lang:P22 lang:P23: everything that is not a plain table.
#include <core.p4>
#include <v1model.p4>
@p4runtime_translation("p4nic/port", string)
type bit<9> port_id_t;
@p4runtime_translation("p4nic/vrf", bit<32>)
type bit<10> vrf_t;
@mark type bit<16> plain_t;
enum bit<8> proto_t { TCP = 6, UDP = 17 }

@controller_header("packet_in")
header pin_t { port_id_t ingress; @id(7) bit<7> pad; bit<16> reason; }
@controller_header("packet_out")
header pout_t { bit<9> egress; bit<7> pad; }

header h_t { bit<8> a; bit<8> b; bit<16> c; }
struct hs_t { pin_t pin; pout_t pout; h_t h; h_t[2] s; }
struct m_t { port_id_t port; vrf_t vrf; plain_t plain; proto_t proto; bit<16> sel; }
struct learn_t { bit<8> who; proto_t proto; vrf_t vrf; error e; bool t; }
struct vs_t { @match(ternary) bit<8> a; @id(5) bit<16> c; }

parser P(packet_in pkt, out hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    @name("kinds") value_set<vs_t>(4) vs;
    value_set<bit<8>>(8) plain_vs;
    state start {
        pkt.extract(hs.h);
        transition select(hs.h.a, hs.h.c) { vs: accept; default: next; }
    }
    state next { transition select(hs.h.b) { plain_vs: accept; default: reject; } }
}
control V(inout hs_t hs, inout m_t m) { apply { } }

control Sub(inout hs_t hs, inout m_t m) {
    direct_counter(CounterType.bytes) c;
    @brief("sets the type") @description("and nothing else")
    action set(@id(3) @myanno bit<8> v, plain_t p, proto_t q, bool r) { hs.h.a = v; m.plain = p; m.proto = q; }
    @hidden action secret() { hs.h.b = 1; }
    action unlisted() { hs.h.b = 2; }
    table t {
        key = {
            m.vrf: exact; m.port: exact; hs.h.a & 8w0xf0: ternary; hs.s[1].c: exact; hs.h.c[7:4]: exact;
            hs.h.isValid(): exact; m.proto: optional @name("proto") @fieldanno[k = 1, s = "x"];
            m.sel: selector;
        }
        actions = { set; secret; }
        counters = c;
        implementation = action_selector(HashAlgorithm.crc16, 32w64, 32w10);
    }
    apply { t.apply(); unlisted(); }
}

@pkg[1, "two", true]
control I(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    Sub() one;
    @name("other.two") Sub() two;
    counter(512, CounterType.packets_and_bytes) n;
    meter(16, MeterType.bytes) rate;
    direct_meter<bit<8>>(MeterType.packets) colour;
    register<bit<48>>(128) last;
    @max_group_size(8) action_selector(HashAlgorithm.crc32, 32w256, 32w14) group;
    action_profile(100) profile;
    @name(".fixed") action go() { n.count(1); last.write(0, 1); }
    action report() { digest<learn_t>(1, { hs.h.a, m.proto, m.vrf, error.NoError, true }); }
    @id(0x02001234) @name("renamed")
    table u {
        key = { hs.h.b: exact; hs.h.c: selector; }
        actions = { go; report; }
        implementation = group;
        meters = colour;
        support_timeout = true;
    }
    table v { key = { hs.h.b: exact; } actions = { go; } implementation = profile; default_action = go; }
    table unused { key = { hs.h.b: exact; } actions = { go; } }
    @hidden table w { actions = { go; } }
    apply {
        one.apply(hs, m);
        two.apply(hs, m);
        u.apply();
        v.apply();
        w.apply();
        bit<2> r;
        rate.execute_meter(32w1, r);
    }
}
control E(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) { apply { } }
control C(inout hs_t hs, inout m_t m) { apply { } }
control D(packet_out pkt, in hs_t hs) { apply { pkt.emit(hs); } }
@pkginfo[name = "objects", version = "1", url = "https://example.org"]
@brief("all objects") @platform_property[multicast_group_table_size = 10]
V1Switch(P(), V(), I(), E(), C(), D()) main;
