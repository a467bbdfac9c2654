// Every type that P4Info describes, in digests and registers (lang:P19, lang:P20),
// and annotations of every form (lang:P22, lang:P23).
#include <core.p4>
#include <v1model.p4>

enum Plain { one, two }
enum bit<8> Coded { a = 1, b = 0x80 }
enum int<4> Signed { m = 1, p = 3 }
type bit<9> Port;
@p4runtime_translation("p4nic.org/port", bit<32>) type bit<9> PortId;
@p4runtime_translation("p4nic.org/name", string) type bit<16> Name;
type Port Outer;
struct Inner { bit<8> x; bool y; }
@brief("a header") @my(note) header H { bit<8> a; int<8> b; bool c; Coded d; Port e; @id(7) bit<6> rest; varbit<16> v; }
header G { Inner sub; bit<7> z; }
header_union U { H h; G g; }
struct Inner2 { @match(ternary) bit<8> p; @id(4) bit<8> q; }
struct All {
    bit<8> bits;
    int<12> ints;
    bool truth;
    error err;
    Plain plain;
    Coded coded;
    Signed signed;
    Port port;
    PortId portId;
    Name name;
    Outer outer;
    Inner inner;
    tuple<bit<8>, bool, tuple<bit<1>, Plain>> tup;
    H h;
    U u;
    H[3] hs;
    U[2] us;
}
struct headers_t { H h; G g; U u; H[3] hs; U[2] us; }
struct meta_t { All all; PortId p; Name n; Outer o; }
@controller_header("packet_in") header packet_in_t { PortId port; bit<7> pad; @id(9) bit<8> why; }
@controller_header("packet_out") header packet_out_t { bit<9> port; @hidden bit<7> pad; }

parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    @id(0x03000011) value_set<bit<8>>(4) one;
    value_set<Coded>(5) coded;
    value_set<Inner2>(6) fields;
    state start {
        pkt.extract(hdr.g);
        transition select(hdr.g.z) { 0: a; default: accept; }
    }
    state a { transition select(hdr.g.sub.x) { one: accept; default: b; } }
    state b { transition select(meta.all.coded) { coded: accept; default: c; } }
    state c { transition select(hdr.g.sub.x, meta.all.bits) { fields: accept; default: accept; } }
}
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
@brief("the ingress") control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    register<bit<8>>(4) rBit;
    register<int<12>>(4) rInt;
    register<bool>(4) rBool;
    register<Coded>(4) rCoded;
    register<PortId>(4) rPort;
    @id(0x12000033) @brief("of bytes") @description("and\tmore\n\"quoted\" \\ text") counter(16, CounterType.bytes) c;
    counter(17, CounterType.packets_and_bytes) cBoth;
    meter(18, MeterType.bytes) m;
    @max_group_size(12) @selector_size_semantics("sum_of_members") @max_member_weight(5) action_selector(HashAlgorithm.crc16, 64, 10) sel1;
    @max_group_size(13) @selector_size_semantics("sum_of_weights") action_selector(HashAlgorithm.crc32, 65, 11) sel2;
    action_profile(66) prof;
    @my[a = 1, b = "s", c = true] @other[1, "two", false] @raw(anything (goes) , here) @empty @list[]
    action act(@my2(p) @id(5) bit<9> x, Port y, PortId z, Name n, Coded co, bool b, int<4> i) { sm.egress_spec = x; }
    @name(".absolute") action abs() { }
    @name("local") action loc(bit<8> v) { hdr.g.sub.x = v; }
    @hidden action hid() { }
    @description("a table") table t {
        key = {
            hdr.g.sub.x: exact @name("x") @id(3) @my(k);
            meta.p: ternary;
            meta.n: exact;
            meta.o: range;
            meta.all.truth: optional;
            meta.all.coded: exact;
            meta.all.signed: exact;
            hdr.g.isValid(): exact;
            hdr.hs[1].a: lpm;
            hdr.g.z[3:1]: ternary;
            hdr.g.z & 0x0f: ternary;
        }
        actions = { act; abs; loc; @tableonly NoAction; @defaultonly @my(ref) hid; }
        const default_action = abs();
        size = 77;
        support_timeout = true;
    }
    table s1 { key = { meta.all.bits: exact; hdr.g.z: selector; meta.all.ints: selector; } actions = { loc; abs; } implementation = sel1; }
    table s2 { key = { meta.all.bits: exact; hdr.g.z: selector; } actions = { loc; abs; } implementation = sel2; }
    table s3 { key = { meta.all.bits: exact; } actions = { loc; abs; } implementation = prof; }
    @hidden table hiddenT { actions = { abs; } default_action = abs(); }
    table def { actions = { loc; } default_action = loc(0xfe); }
    table ents {
        key = { hdr.g.sub.x: exact; hdr.g.z: lpm; meta.all.ints: ternary; meta.all.bits: range; meta.all.truth: optional; meta.all.coded: exact; }
        actions = { loc; abs; }
        entries = {
            const priority = 60: (1, 0x40 &&& 0x70, -2, 3 .. 9, true, Coded.b): loc(1);
            priority = 40: (2, _, _, _, _, Coded.a): abs();
            (3, 1, 5 &&& 7, 0 .. 255, _, Coded.a): loc(3);
        }
    }
    apply {
        t.apply(); s1.apply(); s2.apply(); s3.apply(); hiddenT.apply(); def.apply(); ents.apply();
        digest(1, meta.all);
        digest(1, { hdr.g.sub.x, meta.p });
        digest<Inner>(1, meta.all.inner);
        rBit.write(0, 1); rInt.write(0, 1); rBool.write(0, true); rCoded.write(0, Coded.a); rPort.write(0, meta.p);
        c.count(1); cBoth.count(2); m.execute_meter(1, meta.all.bits);
    }
}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr.g); } }
@pkginfo(name = "types", version = "1.2", organization = "p4nic", contact = "c", url = "u", arch = "x")
@platform_property(multicast_group_table_size = 5, multicast_group_table_total_replicas = 6, multicast_group_table_max_replicas_per_entry = 7)
@my(package) V1Switch(P(), V(), I(), E(), C(), D()) main;
