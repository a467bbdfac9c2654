// lang:S8 lang:S25 lang:S26 lang:S27 lang:S28 lang:S29 lang:S31 lang:S32 lang:S33 lang:S35
// lang:P18 lang:P19 lang:P20: what the control plane sees of PSA's objects.
#include <core.p4>
#include <bmv2/psa.p4>

struct EMPTY { }
header eth_t { bit<48> dst; bit<48> src; bit<16> type; }
struct inner_t { bit<4> a; bit<4> b; }
header odd_t { inner_t i; bit<8> c; }
struct headers_t { eth_t eth; odd_t odd; }
struct meta_t { bit<16> sel; PSA_MeterColor_t color; }

@name("renamed_t")
struct digest_t { @name("address") bit<48> mac; PortId_t port; PSA_MeterColor_t color; error why; }
struct pair_t<T> { T x; bit<8> y; }
enum bit<16> kind_t { a = 1, b = 2 }
type bit<10> Index_t;

parser IP(packet_in buffer, out headers_t h, inout meta_t m, in psa_ingress_parser_input_metadata_t i, in EMPTY r, in EMPTY c) {
    state start { buffer.extract(h.eth); buffer.extract(h.odd); transition accept; }
}

control IG(inout headers_t h, inout meta_t m, in psa_ingress_input_metadata_t i, inout psa_ingress_output_metadata_t o) {
    ActionProfile(128) profile;
    @max_group_size(4) @selector_size_semantics("sum_of_members") @max_member_weight(9)
    ActionSelector(PSA_HashAlgorithm_t.CRC32, 64, 16) selector;
    Counter<bit<32>, Index_t>(1024, PSA_CounterType_t.PACKETS_AND_BYTES) counter;
    Meter<PortId_t>(16, PSA_MeterType_t.BYTES) meter;
    DirectCounter<bit<32>>(PSA_CounterType_t.BYTES) direct;
    DirectMeter(PSA_MeterType_t.PACKETS) dmeter;
    Register<pair_t<bit<32>>, bit<10>>(512) register;
    Register<kind_t, Index_t>(4, kind_t.a) kinds;
    action forward(PortId_t port, kind_t k) { send_to_port(o, port); counter.count((Index_t) 10w3); }
    action police(PSA_MeterColor_t color, bit<16> n) { m.color = dmeter.execute(color); direct.count(); m.sel = n; }
    action drop() { ingress_drop(o); register.write(1, { 1, 2 }); kinds.write((Index_t) 10w1, kind_t.b); }
    table profiled {
        key = { h.eth.dst : lpm; i.ingress_port : exact; }
        actions = { forward; drop; }
        psa_implementation = profile;
    }
    table selected {
        key = { h.eth.dst : exact; m.sel : selector; }
        actions = { forward; NoAction; }
        psa_implementation = selector;
    }
    table policed {
        key = { h.eth.type : ternary; h.odd.isValid() : exact; h.odd.i.a[2:1] : exact; }
        actions = { police; drop; }
        psa_direct_counter = direct;
        psa_direct_meter = dmeter;
        psa_idle_timeout = PSA_IdleTimeout_t.NOTIFY_CONTROL;
        default_action = drop;
        size = 77;
    }
    apply {
        profiled.apply();
        selected.apply();
        policed.apply();
        m.color = meter.execute(i.ingress_port);
    }
}

control ID(packet_out packet, out EMPTY c, out EMPTY r, out EMPTY n, inout headers_t h, in meta_t m, in psa_ingress_output_metadata_t o) {
    Digest<digest_t>() learn;
    apply {
        learn.pack({ h.eth.src, o.egress_port, m.color, error.NoError });
        packet.emit(h);
    }
}

parser EP(packet_in buffer, out headers_t h, inout meta_t m, in psa_egress_parser_input_metadata_t i, in EMPTY n, in EMPTY c, in EMPTY d) {
    state start { transition accept; }
}

control EG(inout headers_t h, inout meta_t m, in psa_egress_input_metadata_t i, inout psa_egress_output_metadata_t o) { apply { } }

control ED(packet_out packet, out EMPTY c, out EMPTY r, inout headers_t h, in meta_t m, in psa_egress_output_metadata_t o, in psa_egress_deparser_input_metadata_t d) {
    apply { packet.emit(h); }
}

IngressPipeline(IP(), IG(), ID()) ip;
EgressPipeline(EP(), EG(), ED()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
