package irgen_test

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

// use is one construct of an architecture: declarations and statements of one of
// its blocks. A want is a part of the IR's text; with a "!" before it, of the
// diagnostics.
type use struct{ id, decl, body, want string }

func (u use) check(t *testing.T, program string) {
	t.Run(u.id, func(t *testing.T) {
		p, rep := compile("t.p4", program)
		if msg, refused := strings.CutPrefix(u.want, "!"); refused {
			if !strings.Contains(rep.String(), msg) {
				t.Errorf("no %q in\n%s", msg, rep)
			}
			return
		}
		if p == nil {
			t.Fatalf("refused:\n%s", rep)
		}
		if err := ir.Check(p); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := p.Print(&b, ir.PrintOptions{NoPos: true}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), u.want) {
			t.Errorf("no %q in\n%s", u.want, &b)
		}
	})
}

// psa is a PSA program with a construct in one of its blocks: ip, ig, id, ep, eg
// or ed.
func psa(block string, u use) string {
	at := func(name string) (string, string) {
		if name == block {
			return u.decl, u.body
		}
		return "", ""
	}
	parser := func(name, params string) string {
		d, b := at(name)
		return "parser " + name + "_t(" + params + ") { " + d + " state start { " + b + " transition accept; } }\n"
	}
	control := func(name, params string) string {
		d, b := at(name)
		return "control " + name + "_t(" + params + ") { " + d + " apply { " + b + " } }\n"
	}
	return `#include <core.p4>
#include <bmv2/psa.p4>
header E { bit<48> dst; bit<48> src; bit<16> type; }
struct H { E e; }
struct M { bit<8> a; bit<16> b; bit<32> c; bool f; PSA_MeterColor_t color; PortId_t port; }
struct X { bit<8> x; }
` +
		parser("ip", "packet_in p, out H h, inout M m, in psa_ingress_parser_input_metadata_t i, in X resub, in X recirc") +
		control("ig", "inout H h, inout M m, in psa_ingress_input_metadata_t i, inout psa_ingress_output_metadata_t o") +
		control("id", "packet_out p, out X clone, out X resub, out X normal, inout H h, in M m, in psa_ingress_output_metadata_t o") +
		parser("ep", "packet_in p, out H h, inout M m, in psa_egress_parser_input_metadata_t i, in X normal, in X ci, in X ce") +
		control("eg", "inout H h, inout M m, in psa_egress_input_metadata_t i, inout psa_egress_output_metadata_t o") +
		control("ed", "packet_out p, out X clone, out X recirc, inout H h, in M m, in psa_egress_output_metadata_t o, in psa_egress_deparser_input_metadata_t d") + `
IngressPipeline(ip_t(), ig_t(), id_t()) ip;
EgressPipeline(ep_t(), eg_t(), ed_t()) ep;
PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;
`
}

func TestPSA(t *testing.T) {
	for block, uses := range map[string][]use{
		"ip": {
			{"lang:S2", "", "p.extract(h.e); m.a = resub.x; m.b = (bit<16>) recirc.x; m.port = i.ingress_port;", "parser ip_t decl ip_t (packet_in p, out H h, inout M m, in psa_ingress_parser_input_metadata_t i, in X resub, in X recirc)"},
			{"lang:S15", "", "m.f = i.packet_path == PSA_PacketPath_t.RESUBMIT;", "PSA_PacketPath_t::RESUBMIT"},
			{"lang:S15 no such path", "", "m.f = i.packet_path == PSA_PacketPath_t.LOST;", "!has no member LOST"},
			{"lang:S23 in a parser", "Checksum<bit<16>>(PSA_HashAlgorithm_t.CRC16) ck;", "ck.clear(); ck.update(h.e); m.b = ck.get();", "Checksum.update on ip_t.ck"},
		},
		"ig": {
			{"lang:S1", "", "", "pipeline { ip = ip_t; ig = ig_t; id = id_t; ep = ep_t; eg = eg_t; ed = ed_t; }"},
			{"lang:S3", "", "o.egress_port = i.ingress_port; o.class_of_service = (ClassOfService_t) 8w3;", "o.egress_port = i.ingress_port"},
			{"lang:S8", "", "m.port = 5;", "m.port = const<PortId_t>(5)"},
			{"lang:S8 a port is no group", "", "o.multicast_group = i.ingress_port;", "!cannot give a value of type PortId_t"},
			{"lang:S9", "", "m.c = (bit<32>) (PortIdInHeaderUint_t) psa_PortId_int_to_header(i.ingress_port);", "function psa_PortId_int_to_header"},
			{"lang:S9 back", "", "m.port = psa_PortId_header_to_int((PortIdInHeader_t) 32w3);", "function psa_PortId_header_to_int"},
			{"lang:S10", "", "o.egress_port = PSA_PORT_RECIRCULATE;", "const<PortId_t>(0xfffffffa)"},
			{"lang:S11", "", "o.egress_port = PSA_PORT_CPU;", "const<PortId_t>(0xfffffffd)"},
			{"lang:S12", "", "o.clone_session_id = PSA_CLONE_SESSION_TO_CPU;", "const<CloneSessionId_t>(0)"},
			{"lang:S13", "", "m.f = i.parser_error == error.NoError; m.c = (bit<32>) (TimestampUint_t) i.ingress_timestamp;", "i.ingress_timestamp"},
			{"lang:S13 read-only", "", "i.packet_path = PSA_PacketPath_t.NORMAL;", "!cannot be assigned to"},
			{"lang:S14", "", "o.drop = false; o.clone = true; o.resubmit = true; o.multicast_group = (MulticastGroup_t) 32w1;", "o.resubmit = true"},
			{"lang:S16", "table t { key = { m.a : exact; } actions = { NoAction; } psa_idle_timeout = PSA_IdleTimeout_t.NOTIFY_CONTROL; }", "t.apply();", "timeout;"},
			{"lang:S17", "ActionSelector(PSA_HashAlgorithm_t.CRC32, 8, 8) s; table t { key = { m.a : range; m.b : optional; m.c : selector; } actions = { NoAction; } psa_implementation = s; }", "t.apply();", "implementation ig_t.s;"},
			{"lang:S18", "", "send_to_port(o, m.port); multicast(o, (MulticastGroup_t) 32w2); ingress_drop(o);", "call action multicast("},
			{"lang:S18 of the wrong pipeline", "", "egress_drop(o);", "!parameter meta has type psa_egress_output_metadata_t"},
			{"lang:S21", "", "assert(m.a == 1); assume(m.f);", "extern assume("},
			{"lang:S22", "Hash<bit<16>>(PSA_HashAlgorithm_t.CRC16) hash;", "m.b = hash.get_hash({ m.a, m.c }); m.b = hash.get_hash(16w1, { m.a }, 16w7);", "Hash.get_hash on ig_t.hash <bit<16>, tuple<bit<8>>>"},
			{"lang:S22 two arguments", "Hash<bit<16>>(PSA_HashAlgorithm_t.CRC16) hash;", "m.b = hash.get_hash(16w1, { m.a });", "!no get_hash takes these arguments"},
			{"lang:S25", "Counter<bit<32>, bit<8>>(16, PSA_CounterType_t.PACKETS) c;", "c.count(m.a);", "Counter.count on ig_t.c"},
			{"lang:S26", "DirectCounter<bit<32>>(PSA_CounterType_t.BYTES) c; action a() { c.count(); } table t { key = { m.a : exact; } actions = { a; } psa_direct_counter = c; }", "t.apply();", "counters ig_t.c;"},
			{"lang:S26 a list, as PSA for eBPF has it", "DirectCounter<bit<32>>(PSA_CounterType_t.BYTES) c; DirectCounter<bit<32>>(PSA_CounterType_t.PACKETS) d; action a() { c.count(); d.count(); } table t { key = { m.a : exact; } actions = { a; } psa_direct_counter = { c, d }; }", "t.apply();", "counters ig_t.c;"},
			{"lang:L141 a list of objects", "Register<bit<32>, bit<8>>(2) r; Register<bit<32>, bit<8>>(2) q; action a() { r.write(0, q.read(1)); } table t { key = { m.a : exact; } actions = { a; NoAction; } registers = { r, q }; }", "t.apply();", "prop registers ="},
			{"lang:L141 an action without parentheses", "table t { key = { m.a : exact; } actions = { NoAction; } const psa_empty_group_action = NoAction; }", "t.apply();", "prop psa_empty_group_action ="},
			{"lang:S27", "Meter<bit<8>>(16, PSA_MeterType_t.BYTES) mt;", "m.color = mt.execute(m.a); m.color = mt.execute(m.a, PSA_MeterColor_t.RED);", "PSA_MeterColor_t::RED"},
			{"lang:S28", "DirectMeter(PSA_MeterType_t.BYTES) mt; action a() { m.color = mt.execute(); } table t { key = { m.a : exact; } actions = { a; } psa_direct_meter = mt; }", "t.apply();", "meters ig_t.mt;"},
			{"lang:S29", "Register<bit<16>, bit<8>>(8) r; Register<bit<16>, bit<8>>(8, 3) q;", "r.write(1, m.b); m.b = q.read(m.a);", "instance ig_t.q Register<bit<16>, bit<8>>(32w8, 16w3)"},
			{"lang:S30", "Random<bit<16>>(3, 9) r;", "m.b = r.read();", "Random.read on ig_t.r"},
			{"lang:S31", "ActionProfile(8) ap; table t { key = { m.a : exact; } actions = { NoAction; } psa_implementation = ap; }", "t.apply();", "implementation ig_t.ap;"},
			{"lang:S35", "ActionProfile(8) ap; action def() { } table t { key = { m.a : exact; } actions = { NoAction; def; } psa_implementation = ap; psa_empty_group_action = def(); }", "t.apply();", `prop psa_empty_group_action = "ig_t.def"`},
			{"lang:S35 not PSA's", "table t { key = { m.a : exact; } actions = { NoAction; } implementation = 3; }", "t.apply();", "prop implementation = 32w3"},
			{"lang:S37", "", "o.clone = true; o.clone_session_id = (CloneSessionId_t) 16w3;", "o.clone_session_id"},
			{"lang:S38", "", "o.resubmit = true; o.drop = false;", "o.resubmit = true"},
		},
		"id": {
			{"lang:S4", "", "normal.x = 1; p.emit(h.e);", "normal.x = 8w1"},
			{"lang:S19", "", "if (psa_clone_i2e(o)) { clone.x = 1; }", "extern psa_clone_i2e("},
			{"lang:S20", "", "if (psa_resubmit(o)) { resub.x = 1; } if (psa_normal(o)) { normal.x = 2; }", "extern psa_normal("},
			{"lang:S20 of egress", "", "if (psa_recirculate(o)) { }", "!argument for parameter edstd of psa_recirculate is missing"},
			{"lang:S24", "InternetChecksum() ck;", "ck.clear(); ck.add(h.e); ck.subtract({ h.e.type }); ck.set_state(ck.get_state()); h.e.type = ck.get();", "InternetChecksum.set_state on id_t.ck"},
			{"lang:S33", "Digest<X>() d;", "d.pack({ 1 });", "Digest.pack on id_t.d"},
			{"lang:S34", "Checksum<bit<32>>(PSA_HashAlgorithm_t.ONES_COMPLEMENT16) ck;", "ck.update(h.e);", "PSA_HashAlgorithm_t::ONES_COMPLEMENT16"},
			{"lang:S36", "Digest<X>() d; Checksum<bit<16>>(PSA_HashAlgorithm_t.IDENTITY) ck;", "d.pack({ 1 });", "instance id_t.ck"},
		},
		"ep": {{"lang:S5", "", "p.extract(h.e); m.a = normal.x + ci.x + ce.x; m.port = i.egress_port;", "i.egress_port"}},
		"eg": {
			{"lang:S6", "", "m.b = (bit<16>) (EgressInstanceUint_t) i.instance; o.drop = true;", "i.instance"},
			{"lang:S18 egress", "", "egress_drop(o);", "call action egress_drop("},
		},
		"ed": {
			{"lang:S7", "", "p.emit(h); recirc.x = 3;", "recirc.x = 8w3"},
			{"lang:S19 egress", "", "if (psa_clone_e2e(o)) { clone.x = 1; }", "extern psa_clone_e2e("},
			{"lang:S20 recirculate", "", "if (psa_recirculate(o, d)) { recirc.x = 1; }", "extern psa_recirculate("},
		},
	} {
		for _, u := range uses {
			u.check(t, psa(block, u))
		}
	}
	t.Run("lang:S1 a switch without a pipeline", func(t *testing.T) {
		text := strings.Replace(psa("", use{}), "PSA_Switch(ip, PacketReplicationEngine(), ep, BufferingQueueingEngine()) main;", "PSA_Switch(ip, PacketReplicationEngine(), BufferingQueueingEngine()) main;", 1)
		_, rep := compile("t.p4", text)
		if !strings.Contains(rep.String(), "the argument for parameter bqe of PSA_Switch is missing") {
			t.Errorf("diagnostics:\n%s", rep)
		}
	})
}

// pna is a PNA program with a construct in its main control, or in its parser.
func pna(file, block string, u use) string {
	old := file != "pna.p4" && file != "dpdk/pna.p4"
	pre, preArg, dir := "control pre_t(in H h, inout M m, in pna_pre_input_metadata_t i, inout pna_pre_output_metadata_t o) { apply { PRE } }\n", "pre_t(), ", "in"
	if old {
		pre, preArg, dir = "", "", "inout"
	}
	text := `#include <core.p4>
#include <` + file + `>
header E { bit<48> dst; bit<48> src; bit<16> type; }
struct H { E e; }
struct M { bit<8> a; bit<16> b; bit<32> c; bool f; PNA_MeterColor_t color; PortId_t port; FlowId_t flow; }
struct X { bit<8> x; }
parser mp_t(packet_in p, out H h, inout M m, in pna_main_parser_input_metadata_t i) { state start { p.extract(h.e); PARSER transition accept; } }
` + pre + `
control mc_t(inout H h, inout M m, in pna_main_input_metadata_t i, inout pna_main_output_metadata_t o) { DECL apply { BODY } }
control md_t(packet_out p, ` + dir + ` H h, in M m, in pna_main_output_metadata_t o) { DDECL apply { p.emit(h); } }
PNA_NIC(mp_t(), ` + preArg + `mc_t(), md_t()) main;
`
	put := map[string]string{"PARSER": "", "PRE": "", "DECL": "", "BODY": "", "DDECL": ""}
	switch block {
	case "parser":
		put["PARSER"] = u.body
	case "pre":
		put["PRE"] = u.body
	case "deparser":
		put["DDECL"] = u.decl
	default:
		put["DECL"], put["BODY"] = u.decl, u.body
	}
	for k, v := range put {
		text = strings.Replace(text, k+" ", v+" ", 1)
	}
	return text
}

func TestPNA(t *testing.T) {
	const learn = `action hit(bit<8> x) { m.a = x; } action miss() { m.f = add_entry("hit", (X) { 1 }, (ExpireTimeProfileId_t) 8w1); } table t { key = { m.a : exact; } actions = { @tableonly hit; @defaultonly miss; } add_on_miss = true; const default_action = miss; }`
	for block, uses := range map[string][]use{
		"parser": {
			{"lang:N4", "", "m.f = i.loopedback; m.a = (bit<8>) (bit<3>) i.pass;", "i.loopedback"},
			{"lang:N7 parser", "", "m.port = i.input_port; m.f = i.direction == PNA_Direction_t.HOST_TO_NET;", "PNA_Direction_t::HOST_TO_NET"},
		},
		"pre": {{"lang:N6", "", "o.decrypt = true; o.said = (SecurityAssocId_t) 32w3; o.decrypt_start_offset = 16w14; m.f = i.parser_error == error.NoError;", "o.decrypt_start_offset = 16w14"}},
		"main": {
			{"lang:N1", "", "", "pipeline { main_parser = mp_t; pre_control = pre_t; main_control = mc_t; main_deparser = md_t; }"},
			{"lang:N2", "", "m.f = i.direction == PNA_Direction_t.NET_TO_HOST;", "PNA_Direction_t::NET_TO_HOST"},
			{"lang:N2 no such direction", "", "m.f = i.direction == PNA_Direction_t.UP;", "!has no member UP"},
			{"lang:N3", "", "m.f = PNA_PacketPath_t.FROM_HOST == PNA_PacketPath_t.FROM_NET_PORT;", "m.f = false"},
			{"lang:N5", "", "m.flow = (FlowId_t) 32w9;", "const<FlowId_t>(9)"},
			{"lang:N5 a flow is no port", "", "m.port = m.flow;", "!cannot give a value of type FlowId_t"},
			{"lang:N7", "", "o.class_of_service = i.class_of_service; m.f = i.parser_error != error.NoError;", "o.class_of_service = i.class_of_service"},
			{"lang:N8", "table t { key = { m.a : range; m.b : optional; m.c : ternary; } actions = { NoAction; } }", "t.apply();", "optional"},
			{"lang:N9", "Hash<bit<16>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) hash;", "m.b = hash.get_hash({ m.a }); m.b = hash.get_hash(16w1, { m.a }, 16w7);", "Hash.get_hash on mc_t.hash"},
			{"lang:N10", "Checksum<bit<16>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) ck;", "ck.update(h.e); m.b = ck.get();", "Checksum.get on mc_t.ck"},
			{"lang:N11", "InternetChecksum() ck;", "ck.add({ h.e.type }); m.b = ck.get();", "InternetChecksum.add on mc_t.ck"},
			{"lang:N12", "Counter<bit<32>, bit<8>>(16, PNA_CounterType_t.BYTES) c; DirectCounter<bit<32>>(PNA_CounterType_t.PACKETS) d; action a() { d.count(); d.count(3); } table t { key = { m.a : exact; } actions = { a; } pna_direct_counter = d; }", "c.count(m.a); c.count(m.a, 32w7); t.apply();", "counters mc_t.d;"},
			{"lang:N13", "Meter<bit<8>>(16, PNA_MeterType_t.BYTES) mt;", "m.color = mt.execute(m.a); m.color = mt.execute(m.a, PNA_MeterColor_t.GREEN);", "Meter.execute on mc_t.mt"},
			{"lang:N14", "DirectMeter(PNA_MeterType_t.BYTES) mt; action a() { m.color = mt.execute(PNA_MeterColor_t.RED, 32w100); } table t { key = { m.a : exact; } actions = { a; } pna_direct_meter = mt; }", "t.apply();", "meters mc_t.mt;"},
			{"lang:N15", "Register<bit<16>, bit<8>>(8, 1) r;", "r.write(1, r.read(m.a));", "Register.read on mc_t.r"},
			{"lang:N16", "Random<bit<16>>(3, 9) r;", "m.b = r.read();", "Random.read on mc_t.r"},
			{"lang:N17", "ActionProfile(8) ap; table t { key = { m.a : exact; } actions = { NoAction; } pna_implementation = ap; }", "t.apply();", "implementation mc_t.ap;"},
			{"lang:N18", "ActionSelector(PNA_HashAlgorithm_t.TARGET_DEFAULT, 8, 8) s; table t { key = { m.a : exact; m.b : selector; } actions = { NoAction; } pna_implementation = s; }", "t.apply();", "implementation mc_t.s;"},
			{"lang:N19", "Digest<X>() d;", "d.pack({ 1 });", "Digest.pack on mc_t.d"},
			{"lang:N20", "Hash<bit<16>>(PNA_HashAlgorithm_t.CRC16) hash;", "m.b = hash.get_hash({ m.a });", "!has no member CRC16"},
			{"lang:N21", "", "if (m.f) { drop_packet(); } else { send_to_port(m.port); }", "extern send_to_port("},
			{"lang:N22", "", "mirror_packet((MirrorSlotId_t) 8w1, (MirrorSessionId_t) 16w2);", "extern mirror_packet("},
			{"lang:N23", "", "recirculate();", "extern recirculate("},
			{"lang:N24", learn, "t.apply();", `extern add_entry <X> (none "hit", `},
			{"lang:N24 of run time", "action miss(bit<8> x) { m.f = add_entry(x, (X) { 1 }, (ExpireTimeProfileId_t) 8w1); } table t { actions = { miss; } }", "t.apply();", "!action_name"},
			{"lang:N25", "", "m.flow = allocate_flow_id();", "extern allocate_flow_id("},
			{"lang:N26", "action a() { set_entry_expire_time((ExpireTimeProfileId_t) 8w2); restart_expire_timer(); } table t { key = { m.a : exact; } actions = { a; } idle_timeout_with_auto_delete = true; }", "t.apply();", "prop idle_timeout_with_auto_delete = true"},
			{"lang:N27", "", "m.a = SelectByDirection(i.direction, m.a, 8w3);", "extern SelectByDirection <bit<8>> ("},
			{"lang:N27 of two types", "", "m.a = SelectByDirection(i.direction, m.a, m.b);", "!cannot give a value of type bit<16>"},
			{"lang:N28", learn + "table u { key = { m.a : exact; } actions = { NoAction; } pna_idle_timeout = PNA_IdleTimeout_t.NOTIFY_CONTROL; }", "t.apply(); u.apply();", "prop add_on_miss = true"},
		},
	} {
		for _, u := range uses {
			u.check(t, pna("pna.p4", block, u))
		}
	}
	for file, uses := range map[string][]use{
		"dpdk/pna.p4": {{"lang:N20 dpdk", "Hash<bit<16>>(PNA_HashAlgorithm_t.TOEPLITZ) hash; ipsec_accelerator() ipsec;", "m.b = hash.get_hash({ m.a }); ipsec.enable();", "PNA_HashAlgorithm_t::TOEPLITZ"}},
		"bmv2/pna.p4": {
			{"lang:N1 bmv2", "", "", "pipeline { main_parser = mp_t; main_control = mc_t; main_deparser = md_t; }"},
			{"lang:N24 bmv2", "action miss() { m.f = add_entry_if(m.f, \"hit\", (X) { 1 }, (ExpireTimeProfileId_t) 8w1) == ADD_ENTRY_SUCCESS; } table t { actions = { miss; } }", "t.apply();", "extern add_entry_if <X> ("},
			{"lang:N27 bmv2", "", "m.a = SelectByDirection(is_net_port(i.input_port), m.a, 8w3);", "extern is_net_port("},
		},
		"tc/pna.p4": {
			{"lang:N1 tc", "", "o.class_of_service = i.class_of_service; m.f = i.recirculate;", "i.recirculate"},
			{"lang:N28 tc", "Counter<bit<32>, bit<8>>(16, PNA_CounterType_t.BYTES) c;", "c.count(m.a); skb_set_mark(skb_get_mark());", "extern skb_set_mark("},
		},
	} {
		for _, u := range uses {
			u.check(t, pna(file, "main", u))
		}
	}
}

func TestFilters(t *testing.T) {
	const headers = "header E { bit<48> dst; bit<48> src; bit<16> type; }\nstruct H { E e; }\nstruct M { bit<8> a; bit<16> b; bit<32> c; }\n"
	ebpf := func(u use) string {
		return "#include <core.p4>\n#include <ebpf_model.p4>\n" + headers + `parser p(packet_in b, out H h) { state start { b.extract(h.e); transition accept; } }
control f(inout H h, out bool accept) { ` + u.decl + " apply { accept = true; " + u.body + " } }\nebpfFilter(p(), f()) main;\n"
	}
	xdp := func(u use) string {
		return "#include <core.p4>\n#include <xdp_model.p4>\n" + headers + `parser p(packet_in b, out H h) { state start { b.extract(h.e); transition accept; } }
control s(inout H h, in xdp_input i, out xdp_output o) { ` + u.decl + " apply { o.output_action = xdp_action.XDP_PASS; o.output_port = 0; " + u.body + " } }\ncontrol d(in H h, packet_out b) { apply { b.emit(h.e); } }\nxdp(p(), s(), d()) main;\n"
	}
	ubpf := func(u use) string {
		return "#include <core.p4>\n#include <ubpf_model.p4>\n" + headers + `parser p(packet_in b, out H h, inout M m, inout standard_metadata s) { state start { b.extract(h.e); transition accept; } }
control c(inout H h, inout M m, inout standard_metadata s) { ` + u.decl + " apply { " + u.body + " } }\ncontrol d(packet_out b, in H h) { apply { b.emit(h.e); } }\nubpf(p(), c(), d()) main;\n"
	}
	const key = "key = { h.e.type : exact; } actions = { NoAction; } "
	for _, c := range []struct {
		in func(use) string
		use
	}{
		{ebpf, use{"lang:E1", "", "accept = h.e.isValid();", "pipeline { prs = p; filt = f; }"}},
		{ebpf, use{"lang:E2", "CounterArray(16, true) c;", "", "instance f.c CounterArray(32w16, true)"}},
		{ebpf, use{"lang:E3", "CounterArray(16, true) c;", "c.increment(1);", "CounterArray.increment on f.c"}},
		{ebpf, use{"lang:E4", "CounterArray(16, false) c;", "c.add(1, 5);", "CounterArray.add on f.c"}},
		{ebpf, use{"lang:E4 one argument", "CounterArray(16, false) c;", "c.add(1);", "!argument for parameter value of add is missing"}},
		{ebpf, use{"lang:E5", "table t { " + key + "implementation = array_table(8); }", "t.apply();", "size 8;\n\tprop implementation = \"array_table\";"}},
		{ebpf, use{"lang:E6", "table t { " + key + "implementation = hash_table(8); }", "t.apply();", "prop implementation = \"hash_table\";"}},
		{ebpf, use{"lang:E7", "table t { key = { h.e.type : lpm; } actions = { NoAction; } implementation = hash_table(8); }", "t.apply();", "lpm"}},
		{ebpf, use{"lang:E7 no object", "table t { " + key + "implementation = 3; }", "t.apply();", "!property implementation needs an extern object"}},
		{ebpf, use{"lang:E8", "action no() { } table t { key = { h.e.type : exact; } actions = { NoAction; no; } const entries = { 0x800 : no(); } const default_action = NoAction; implementation = hash_table(8); }", "t.apply();", "entries const"}},
		{xdp, use{"lang:E9", "", "", "pipeline { p = p; s = s; d = d; }"}},
		{xdp, use{"lang:E10", "", "o.output_port = i.input_port;", "o.output_port = i.input_port"}},
		{xdp, use{"lang:E11", "", "o.output_action = xdp_action.XDP_REDIRECT; o.output_port = 3;", "o.output_port = 32w3"}},
		{xdp, use{"lang:E12", "", "o.output_action = xdp_action.XDP_ABORTED; o.output_action = xdp_action.XDP_DROP; o.output_action = xdp_action.XDP_TX;", "xdp_action::XDP_TX"}},
		{xdp, use{"lang:E12 no such action", "", "o.output_action = xdp_action.XDP_LOOP;", "!has no member XDP_LOOP"}},
		{xdp, use{"lang:E13", "", "h.e.type = ebpf_ipv4_checksum(4, 5, 0, 20, 0, 0, 0, 64, 6, 1, 2);", "extern ebpf_ipv4_checksum("}},
		{xdp, use{"lang:E14", "", "h.e.type = csum_replace2(h.e.type, 1, 2); h.e.type = csum_replace4(h.e.type, 1, 2);", "extern csum_replace4("}},
		{xdp, use{"lang:E15", "", "o.output_port = BPF_PERF_EVENT_OUTPUT();", "extern BPF_PERF_EVENT_OUTPUT("}},
		{xdp, use{"lang:E16", "", "o.output_port = BPF_KTIME_GET_NS();", "extern BPF_KTIME_GET_NS("}},
		{func(u use) string { return strings.Replace(ebpf(u), "ebpf_model", "xdp_model", 1) }, use{"lang:E17", "", "", `program "test" arch "ebpf"`}},
		{ubpf, use{"lang:E18", "", "m.c = s.packet_length + s.input_port; s.clone = true; s.clone_port = 2;", "s.clone_port = 32w2"}},
		{ubpf, use{"lang:E19", "", "s.output_action = ubpf_action.REDIRECT; s.output_port = 3;", "ubpf_action::REDIRECT"}},
		{ubpf, use{"lang:E20", "Register<bit<16>, bit<8>>(8) r;", "r.write(1, r.read(m.a));", "Register.write on c.r"}},
		{ubpf, use{"lang:E21", "", "hash(m.c, HashAlgorithm.lookup3, { m.a, m.b });", "extern hash <tuple<bit<8>, bit<16>>> ("}},
		{ubpf, use{"lang:E21 crc", "", "hash(m.c, HashAlgorithm.crc32, { m.a, m.b });", "!has no member crc32"}},
		{ubpf, use{"lang:E22", "", "truncate(100);", "extern truncate("}},
		{ubpf, use{"lang:E23", "", "mark_to_drop(); mark_to_pass();", "extern mark_to_pass("}},
		{ubpf, use{"lang:E24", "", "m.c = (bit<32>) ubpf_time_get_ns();", "extern ubpf_time_get_ns("}},
		{func(u use) string {
			return "#define UBPF_MODEL_VERSION 20200101\n" + strings.ReplaceAll(ubpf(u), ", inout standard_metadata s", "")
		}, use{"lang:E24 old version", "", "mark_to_drop();", "control c decl c (inout H h, inout M m)"}},
	} {
		c.check(t, c.in(c.use))
	}
}

// An architecture of the program's own is checked and described; the slots are
// the parameters of its package, nested ones with the names before them.
func TestOwnArchitecture(t *testing.T) {
	for _, u := range []use{
		{"lang:L40", "control A(inout bit<8> x); package Inner(A a); package Outer(Inner left, Inner right, A last);\ncontrol c(inout bit<8> x) { apply { x = 1; } } control d(inout bit<8> x) { apply { x = 2; } } control e(inout bit<8> x) { apply { } }\nInner(c()) one;", "Outer(one, Inner(d()), e()) main;", "pipeline { $\"left.a\" = c; $\"right.a\" = d; last = e; }"},
		{"lang:L40 the name of a known one", "control A(inout bit<8> x); package ubpf(A a);\ncontrol c(inout bit<8> x) { apply { x = 1; } }", "ubpf(c()) main;", `arch "package ubpf"`},
		{"lang:L40 a copy of a known one", "parser P<H>(packet_in b, out H h); control F<H>(inout H h, out bool accept); package ebpfFilter<H>(P<H> prs, F<H> filt);\nstruct S { }\nparser p(packet_in b, out S h) { state start { transition accept; } } control f(inout S h, out bool accept) { apply { accept = true; } }", "ebpfFilter(p(), f()) main;", `arch "ebpf"`},
		{"lang:L40 another property", "control A(inout bit<8> x); package Mine(A a); extern Impl { Impl(int n); }\ncontrol c(inout bit<8> x) { table t { key = { x : exact; } actions = { NoAction; } where = Impl(3); } apply { t.apply(); } }", "Mine(c()) main;", "prop where = objref(c.t)"},
		{"lang:L40 a missing argument", "control A(inout bit<8> x); package Mine(A a, A b);\ncontrol c(inout bit<8> x) { apply { } }", "Mine(c()) main;", "!the argument for parameter b of Mine is missing"},
	} {
		u.check(t, "#include <core.p4>\n"+u.decl+"\n"+u.body+"\n")
	}
}
