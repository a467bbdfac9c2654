package bmv2_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/p4info"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata")

func compileText(t testing.TB, src string) *driver.Result {
	t.Helper()
	r, err := driver.Compile(driver.Options{Path: "prog.p4", ReadFile: func(string) ([]byte, error) { return []byte(src), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if r.Diags.HasErrors() {
		t.Fatal(r.Diags)
	}
	return r
}

// TestGolden: the JSON of small programs, and the core program that comes back
// (lang:J1-J18).
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := compileText(t, string(a.Files[0].Data))
			js, err := bmv2.Export(r.Core)
			if err != nil {
				t.Fatal(err)
			}
			back, err := bmv2.Import(js, r.Control.Info, "prog")
			if err != nil {
				t.Fatal(err)
			}
			_, text, _ := strings.Cut(back.String(), "\nerrors ") // without the sources
			want := &txtar.Archive{Comment: a.Comment, Files: []txtar.File{a.Files[0], {Name: "json", Data: js}, {Name: "core", Data: []byte("errors " + text)}}}
			if *update {
				if err := os.WriteFile(file, txtar.Format(want), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(a.Files) != 3 {
				t.Fatal("no goldens; run with -update")
			}
			for i, f := range want.Files[1:] {
				if got := a.Files[i+1].Data; !bytes.Equal(got, f.Data) {
					t.Errorf("%s differs from the golden at line %d", f.Name, firstDifference(got, f.Data))
				}
			}
		})
	}
}

func firstDifference(a, b []byte) int {
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range x {
		if i >= len(y) || !bytes.Equal(x[i], y[i]) {
			return i + 1
		}
	}
	return len(x) + 1
}

// TestStable: what comes back is exported as the same JSON twice, and the JSON is
// a function of the program.
func TestStable(t *testing.T) {
	src, err := os.ReadFile("../../../bmv2-tests/testdata/state/state.p4")
	if err != nil {
		t.Fatal(err)
	}
	var first []byte
	for range 3 {
		js, err := bmv2.Export(compileText(t, string(src)).Core)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = js
		}
		if !bytes.Equal(first, js) {
			t.Fatalf("line %d differs", firstDifference(first, js))
		}
	}
}

const skeleton = `
#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<8> b; }
struct headers_t { h_t h; h_t[2] s; }
struct meta_t { bit<8> m; }
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start { pkt.extract(hdr.h); transition accept; }
}
control V(inout headers_t hdr, inout meta_t meta) { apply { $V } }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { $D apply { $I } }
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr.h); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`

// TestExportRefused: what the format cannot say is named with its line.
func TestExportRefused(t *testing.T) {
	for _, c := range []struct{ name, v, d, i, want string }{
		{"lang:J16 twice", "", "table t { actions = { NoAction; } }", "t.apply(); t.apply();", "table I.t: it is applied more than once"},
		{"statement", "meta.m = 1;", "", "", "a statement of V: bmv2 JSON has only verify_checksum there"},
		{"two lpm keys", "", "table t { key = { hdr.h.a: lpm; meta.m: ternary; hdr.h.b: lpm; } actions = { NoAction; } }", "t.apply();", "table I.t: it has two lpm keys; the tables of bmv2 have one"},
		{"expression in a checksum", "verify_checksum(true, { hdr.h.a + 1 }, hdr.h.b, HashAlgorithm.csum16);", "", "", "an element of a field list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := strings.NewReplacer("$V", c.v, "$D", c.d, "$I", c.i).Replace(skeleton)
			_, err := bmv2.Export(compileText(t, src).Core)
			e, is := errors.AsType[*bmv2.Error](err)
			if !is || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(e.At, "prog.p4:") {
				t.Errorf("error %v, want prog.p4:LINE: %s", err, c.want)
			}
		})
	}
}

// TestImportRefused: every error names the place in the JSON.
func TestImportRefused(t *testing.T) {
	good := minimal("")
	for _, c := range []struct{ name, from, to, want string }{
		{"syntax", `"id": 0,`, `"id": 0`, "bmv2 JSON: invalid character"},
		{"cut", good[200:], "", "unexpected"},
		{"no object", good, "[1]", "an object is wanted, not a list"},
		{"text behind", good, good + "x", "text after the end"},
		{"version", `[2, 23]`, `[3, 0]`, "__meta__.version[0]: bmv2 JSON: version 3 of the format"},
		{"string for number", `["a", 8, false]`, `["a", "8", false]`, "header_types[2].fields[0][1]: bmv2 JSON: a number is wanted, not a string"},
		{"width", `["a", 8, false]`, `["a", 70000, false]`, "70000 is no whole number within 1 and 65536"},
		{"header type", `"header_type": "h_t"`, `"header_type": "x_t"`, "headers[2].header_type: header type x_t: there is none"},
		{"no standard_metadata", `"name": "standard_metadata", "id": 1, "header_type"`, `"name": "sm", "id": 1, "header_type"`, "standard_metadata: there is no such header"},
		{"start", `"init_state": "start"`, `"init_state": "begin"`, "parsers[0].init_state: parse state begin: there is none"},
		{"next state", `"next_state": null`, `"next_state": "other"`, "transitions[0].next_state: parse state other: there is none"},
		{"extract", `"type": "regular"`, `"type": "irregular"`, `extract: unknown type "irregular"`},
		{"parser operation", `"op": "extract"`, `"op": "swallow"`, "parser_ops[0]: parser operation swallow: it is not imported"},
		{"deparser", `"order": ["h"]`, `"order": ["x"]`, "deparsers[0].order[0]: header x: there is none"},
		{"init table", `"init_table": "t"`, `"init_table": "u"`, `there is no table or condition "u"`},
		{"next table", `"next_tables": {"act": null}`, `"next_tables": {"act": "u"}`, `pipelines[0].tables[0].next_tables.act: a node of the pipeline: there is no table or condition "u"`},
		{"action", `"default_entry": {"action_id": 0`, `"default_entry": {"action_id": 7`, "there is none with id 7"},
		{"lang:J10 indirect", `"key": [], "match_type": "exact", "type": "simple"`, `"key": [{"match_type": "exact", "target": ["h", "a"], "mask": null}], "match_type": "exact", "type": "indirect", "action_profile": "p"`, `table t: there is no action profile p`},
		{"lang:J10 type", `"key": [], "match_type": "exact", "type": "simple"`, `"key": [{"match_type": "exact", "target": ["h", "a"], "mask": null}], "match_type": "exact", "type": "odd"`, `its type "odd" is not known`},
		{"lang:J9 kind", `"key": []`, `"key": [{"match_type": "fuzzy", "target": ["h", "a"], "mask": null}]`, `match kind "fuzzy" is not imported`},
		{"data", `"action_data": []`, `"action_data": ["0x1"]`, "it takes 0 arguments, not 1"},
		{"pipeline", `"name": "egress"`, `"name": "outgress"`, "pipeline egress: there is none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.from) {
				t.Fatal("nothing to replace")
			}
			_, err := bmv2.Import([]byte(strings.Replace(good, c.from, c.to, 1)), &p4configv1.P4Info{}, "")
			if _, is := errors.AsType[*bmv2.Error](err); !is || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant %s", err, c.want)
			}
		})
	}
	if _, err := bmv2.Import([]byte(good), nil, ""); err == nil || !strings.Contains(err.Error(), "P4Info") {
		t.Errorf("without P4Info: %v", err)
	}
}

// TestPrimitives: lang:J5, J7, J8, primitives whose effect is not in the goldens.
func TestPrimitives(t *testing.T) {
	f := func(name string) string { return `{"type": "field", "value": ["h", "` + name + `"]}` }
	hex := func(v string) string { return `{"type": "hexstr", "value": "` + v + `"}` }
	for _, c := range []struct{ name, prims, want string }{
		{"assign cuts", `{"op": "assign", "parameters": [` + f("a") + `, ` + hex("0x1234") + `]}`, "34"},
		{"negative", `{"op": "assign", "parameters": [` + f("a") + `, ` + hex("-0x1") + `]}`, "ff"},
		{"add_to_field", `{"op": "add_to_field", "parameters": [` + f("a") + `, ` + hex("0xff") + `]}`, "00"},
		{"_jump", `{"op": "_jump", "parameters": [` + hex("0x2") + `]}, {"op": "assign", "parameters": [` + f("a") + `, ` + hex("0x9") + `]}, {"op": "no_op", "parameters": []}`, "01"},
		{"_jump_if_zero", `{"op": "_jump_if_zero", "parameters": [` + f("b") + `, ` + hex("0x2") + `]}, {"op": "assign", "parameters": [` + f("a") + `, ` + hex("0x9") + `]}`, "01"},
		{"loop", `{"op": "assign", "parameters": [` + f("b") + `, ` + hex("0x3") + `]},
			{"op": "_jump_if_zero", "parameters": [` + f("b") + `, ` + hex("0x5") + `]},
			{"op": "add_to_field", "parameters": [` + f("a") + `, ` + hex("0x10") + `]},
			{"op": "subtract_from_field", "parameters": [` + f("b") + `, ` + hex("0x1") + `]},
			{"op": "_jump", "parameters": [` + hex("0x1") + `]}`, "31"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mc, err := machine(t, minimal(c.prims))
			if err != nil {
				t.Fatal(err)
			}
			out := mc.Process(exec.Packet{Data: append([]byte{1}, make([]byte, 17)...)}).Outputs
			if len(out) != 1 || hexOf(out[0].Data[:1]) != c.want {
				t.Errorf("got %v, want %s", out, c.want)
			}
		})
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	s := ""
	for _, x := range b {
		s += string(digits[x>>4]) + string(digits[x&15])
	}
	return s
}

// TestAgree: D5, a P4Info that is not the JSON's is refused with the first
// difference.
func TestAgree(t *testing.T) {
	src := strings.NewReplacer("$V", "", "$D", "action a(bit<8> x) { meta.m = x; } table t { key = { hdr.h.a: exact; } actions = { a; NoAction; } }", "$I", "t.apply();").Replace(skeleton)
	r := compileText(t, src)
	js, err := bmv2.Export(r.Core)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{"bitwidth: 8\n    match_type: EXACT", "bitwidth: 9\n    match_type: EXACT", "match field hdr.h.a has 9 bits, in the JSON 8"},
		{"match_type: EXACT", "match_type: LPM", "match field hdr.h.a is lpm, in the JSON exact"},
		{`name: "I.a"`, `name: "I.b"`, "it has action I.b, the JSON has not"},
	} {
		text := string(p4info.Text(r.Control.Info))
		if !strings.Contains(text, c.from) {
			t.Fatalf("no %q in\n%s", c.from, text)
		}
		info, err := p4info.Parse([]byte(strings.Replace(text, c.from, c.to, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bmv2.Import(js, info, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

// TestDeviceConfig: p4rt:Q4, raw JSON and JSON in a P4DeviceConfig.
func TestDeviceConfig(t *testing.T) {
	wrapped := protowire.AppendTag(nil, 1, protowire.VarintType)
	wrapped = protowire.AppendVarint(wrapped, 1)
	wrapped = protowire.AppendTag(wrapped, 3, protowire.BytesType)
	wrapped = protowire.AppendBytes(wrapped, []byte(" {}"))
	for _, c := range []struct {
		in   []byte
		want string
		is   bool
	}{
		{[]byte("\n{}"), "\n{}", true}, {wrapped, " {}", true},
		{[]byte("PK\x03\x04"), "", false}, {nil, "", false}, {[]byte{0xff}, "", false}, {wrapped[:4], "", false},
	} {
		got, is := bmv2.DeviceConfig(c.in)
		if is != c.is || is && string(got) != c.want {
			t.Errorf("%q: %q, %v", c.in, got, is)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(minimal("")))
	f.Add([]byte(minimal(`{"op": "_jump_if_zero", "parameters": [{"type": "field", "value": ["h", "b"]}, {"type": "hexstr", "value": "0x1"}]}`)))
	js, err := os.ReadFile("../../../bmv2-tests/p4c/stamp/stamp.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(js)
	info := &p4configv1.P4Info{}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := bmv2.Import(data, info, "fuzz")
		if err != nil {
			if _, is := errors.AsType[*bmv2.Error](err); !is {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if err := ir.Check(p); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDeviceConfig(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add([]byte{0x1a, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if js, is := bmv2.DeviceConfig(b); is && len(js) == 0 {
			t.Fatal("JSON without bytes")
		}
	})
}
