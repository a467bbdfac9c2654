package bmv2tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// meaning is a v1model program whose parts a test writes.
const meaning = `
#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<8> b; }
header v_t { bit<8> len; varbit<32> v; }
struct headers_t { h_t h; v_t[3] s; h_t last; }
struct meta_t { bit<8> m; }
struct message_t { bit<8> a; bit<16> b; bool c; }
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start { pkt.extract(hdr.h); $P }
    state options { pkt.extract(hdr.s.next, (bit<32>)pkt.lookahead<bit<8>>()); transition select(hdr.s.lastIndex) { 2: end; default: options; } }
    state end { pkt.extract(hdr.last); transition accept; }
}
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { $D apply { sm.egress_spec = 1; $I } }
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr.h); pkt.emit(hdr.last); pkt.emit(hdr.s); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`

func meaningOf(t *testing.T, parser, decls, body string) *Program {
	t.Helper()
	src := strings.NewReplacer("$P", parser, "$D", decls, "$I", body).Replace(meaning)
	p, err := Compile("meaning.p4", []byte(src))
	check(t, err)
	return p
}

// both plays f on ir/exec at both levels.
func both(t *testing.T, p *Program, o func() exec.Options, f func(t *testing.T, m *exec.Machine)) {
	for _, q := range []*ir.Program{p.Typed, p.Core} {
		t.Run(q.Level.String(), func(t *testing.T) {
			m, err := exec.New(q, o())
			check(t, err)
			f(t, m)
		})
	}
}

// TestVarbitStack: lang:L113 lang:L114, headers of variable size extracted to the next
// element of a stack, each with the size its packet says, fill one element after the
// other; one too long, or cut short, ends the parser where it stands.
func TestVarbitStack(t *testing.T) {
	p := meaningOf(t, "transition options;", "", "hdr.h.b = (hdr.s[0].isValid() ? 8w1 : 0) + (hdr.s[1].isValid() ? 8w2 : 0) + (hdr.s[2].isValid() ? 8w4 : 0) + (hdr.last.isValid() ? 8w8 : 0) + (sm.parser_error == error.NoError ? 8w0 : (sm.parser_error == error.HeaderTooShort ? 8w16 : (sm.parser_error == error.PacketTooShort ? 8w32 : 64)));")
	both(t, p, func() exec.Options { return exec.Options{} }, func(t *testing.T, m *exec.Machine) {
		for _, c := range []struct{ name, in, want string }{
			{"three sizes", "aa00" + "08dd" + "00" + "20eeeeeeee" + "7788" + "99", "aa0f" + "7788" + "08dd" + "00" + "20eeeeeeee" + "99"},
			{"too long", "aa00" + "08dd" + "281122334455" + "7788", "aa11" + "08dd" + "281122334455" + "7788"},
			{"cut short", "aa00" + "08dd" + "201122", "aa21" + "08dd" + "201122"},
			{"no whole byte more", "aa00" + "08dd" + "00" + "00" + "77", "aa27" + "08dd" + "00" + "00" + "77"},
		} {
			var got []string
			var in []byte
			_, err := fmt.Sscanf(c.in, "%x", &in)
			check(t, err)
			for _, o := range m.Process(exec.Packet{Data: in}).Outputs {
				got = append(got, fmt.Sprintf("%x", o.Data))
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%s: %s, want %s", c.name, s, c.want)
			}
		}
	})
}

// TestIdleOrder: lang:V46, entries that are idle are told in order of tables and
// handles, each once, and again when they were hit in between.
func TestIdleOrder(t *testing.T) {
	p := meaningOf(t, "transition accept;", "table t { key = { hdr.h.a: exact; } actions = { NoAction; } support_timeout = true; } table u { key = { hdr.h.a: exact; } actions = { NoAction; } support_timeout = true; }"+
		" table w { key = { hdr.h.a: exact; } actions = { NoAction; } }", "t.apply(); u.apply(); w.apply();")
	now := uint64(0)
	both(t, p, func() exec.Options { return exec.Options{Now: func() uint64 { return now }} }, func(t *testing.T, m *exec.Machine) {
		now = 0
		tables := map[int]string{}
		for i, x := range m.Program().Tables {
			if x.Name == "I.w" {
				continue
			}
			tables[i] = x.Name
			for _, h := range []uint32{5, 3, 9, 4, 2, 8} {
				timeout := uint64(1000)
				if h == 9 {
					timeout = 0 // never
				}
				check(t, m.Insert(i, ir.Entry{Handle: h, Match: []ir.Match{{Value: []byte{byte(h)}}}, IdleTimeout: timeout}))
			}
		}
		sweep := func(at uint64) string {
			var out []string
			for _, x := range m.SweepIdle(at) {
				out = append(out, fmt.Sprintf("%s:%d", tables[x.Table], x.Handle))
			}
			return strings.Join(out, " ")
		}
		all := "I.t:2 I.t:3 I.t:4 I.t:5 I.t:8 I.u:2 I.u:3 I.u:4 I.u:5 I.u:8"
		for _, c := range []struct {
			at, hit uint64 // hit: the packet's key before, 0 for none
			want    string
		}{{999, 0, ""}, {1000, 0, all}, {5000, 0, ""}, {6000, 4, ""}, {6999, 0, ""}, {7000, 0, "I.t:4 I.u:4"}, {9000, 9, ""}} {
			if c.hit != 0 {
				now = c.at
				m.Process(exec.Packet{Data: []byte{byte(c.hit), 0}})
			}
			if got := sweep(c.at); got != c.want {
				t.Errorf("at %d: %q, want %q", c.at, got, c.want)
			}
		}
	})
}

// TestDigestTold: lang:V29, a message has the values at the call, whole bytes each,
// goes to who listens, and is in the trace of a packet whether or not someone does.
func TestDigestTold(t *testing.T) {
	p := meaningOf(t, "transition accept;", "", "digest<message_t>(1, { hdr.h.a, 8w1 ++ hdr.h.b, hdr.h.a == 7 }); hdr.h.a = 0; hdr.h.b = 0;")
	var told []string
	for _, listen := range []bool{true, false} {
		both(t, p, func() exec.Options {
			told = nil
			if !listen {
				return exec.Options{}
			}
			return exec.Options{Digest: func(d ir.Digest) { told = append(told, fmt.Sprintf("%s %x", d.Name, d.Fields)) }}
		}, func(t *testing.T, m *exec.Machine) {
			for i, trace := range []bool{false, true} {
				r := m.Process(exec.Packet{Data: []byte{7, byte(0x20 + i)}, Trace: trace})
				if len(r.Outputs) != 1 || string(r.Outputs[0].Data) != "\x00\x00" {
					t.Errorf("outputs %v", r.Outputs)
				}
				var events []string
				for _, e := range r.Trace {
					if strings.HasPrefix(e.Name, "digest") {
						events = append(events, e.Name+" "+e.Detail)
					}
				}
				want := "[]"
				if trace {
					want = "[digest message_t [07 0121 01]]"
				}
				if got := fmt.Sprint(events); got != want {
					t.Errorf("listening %v: trace %s, want %s", listen, got, want)
				}
			}
			want := "[]"
			if listen {
				want = "[message_t [07 0120 01] message_t [07 0121 01]]"
			}
			if got := fmt.Sprint(told); got != want {
				t.Errorf("told %s, want %s", got, want)
			}
		})
	}
}

// TestCoverageFiles: a place of the program has the file it is written in, and its
// line there.
func TestCoverageFiles(t *testing.T) {
	files := map[string]string{
		"main.p4": strings.NewReplacer("$P", "transition accept;", "$D", "\n#include \"part.p4\"\n", "$I", "\n    t.apply();").Replace(meaning),
		"part.p4": "action one() {\n    meta.m = 1;\n}\ntable t {\n    actions = { one; }\n    default_action = one();\n}\n",
	}
	r, err := driver.Compile(driver.Options{Path: "main.p4", ReadFile: func(name string) ([]byte, error) {
		if s, is := files[filepath.Base(name)]; is {
			return []byte(s), nil
		}
		return nil, os.ErrNotExist
	}})
	check(t, err)
	if r.Diags.HasErrors() {
		t.Fatal(r.Diags)
	}
	m, err := exec.New(r.Core, exec.Options{Coverage: true})
	check(t, err)
	m.Process(exec.Packet{Data: []byte{1, 2}})
	var got []string
	for _, p := range m.Coverage() {
		if p.Name == "I.one" || p.Name == "I.t" || p.Name == "P.start" {
			got = append(got, fmt.Sprintf("%s %s %s:%d=%d", p.Kind, p.Name, filepath.Base(p.File), p.Line, p.Count))
		}
	}
	slices.Sort(got)
	want := "action I.one part.p4:1=1, hit I.t part.p4:4=0, miss I.t part.p4:4=1, state P.start main.p4:10=1"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	m, err = exec.New(r.Core, exec.Options{})
	check(t, err)
	if m.Process(exec.Packet{Data: []byte{1, 2}}); m.Coverage() != nil {
		t.Error("coverage without having asked for it")
	}
}

// TestRefusedByName: what ir/exec does not run is refused with the construct's name
// first and the reason behind it.
func TestRefusedByName(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(archRoot, "pna_learn.p4"))
	check(t, err)
	for _, c := range []struct{ name, old, new, construct, reason string }{
		{"a key that is not exact", "key = { hdr.ask.key : exact; }\n        actions = { @tableonly known;", "key = { hdr.ask.key : lpm; }\n        actions = { @tableonly known;", "key hdr.ask.key of table M.flows", "only exact keys can be added on a miss"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := strings.Replace(string(source), c.old, c.new, 1)
			if changed == string(source) {
				t.Fatalf("the program has no %q", c.old)
			}
			p, err := Compile(filepath.Join(archRoot, "pna_learn.p4"), []byte(changed))
			check(t, err)
			_, err = exec.New(p.Core, exec.Options{})
			if u, is := err.(*exec.Unsupported); !is || u.Construct != c.construct || u.Reason != c.reason {
				t.Errorf("error %#v, want %s: %s", err, c.construct, c.reason)
			}
		})
	}
}
