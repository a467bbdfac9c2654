package driver_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/pass"
	"github.com/p4nic/p4nic/p4src"
)

const frame = `#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<8> b; }
struct hs_t { h_t h; h_t[2] s; }
struct m_t { bit<8> x; }
parser P(packet_in pkt, out hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    PARSER
}
control V(inout hs_t hs, inout m_t m) { apply { } }
control I(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) {
    LOCALS
    apply { BODY }
}
control E(inout hs_t hs, inout m_t m, inout standard_metadata_t sm) { apply { } }
control C(inout hs_t hs, inout m_t m) { apply { } }
control D(packet_out pkt, in hs_t hs) { apply { pkt.emit(hs); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`

func program(parser, locals, body string) string {
	if parser == "" {
		parser = "state start { pkt.extract(hs.h); transition accept; }"
	}
	return strings.NewReplacer("PARSER", parser, "LOCALS", locals, "BODY", body).Replace(frame)
}

// text is the options for a program in memory.
func text(src string) driver.Options {
	return driver.Options{Path: "t.p4", ReadFile: func(path string) ([]byte, error) {
		if path == "t.p4" {
			return []byte(src), nil
		}
		return nil, os.ErrNotExist
	}}
}

func TestCompileRouter(t *testing.T) {
	o := text(p4src.Router())
	o.Verify = true
	now := time.Unix(0, 0)
	o.Now = func() time.Time { now = now.Add(time.Millisecond); return now }
	res, err := driver.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Diags.Err(); err != nil {
		t.Fatal(err)
	}
	// The tables of P4Info are those of the core program, in its order.
	var names []string
	for _, tb := range res.Core.Tables {
		names = append(names, tb.Name)
	}
	var infos []string
	for _, tb := range res.Control.Info.Tables {
		infos = append(infos, tb.Preamble.Name)
	}
	if !slices.Equal(names, infos) {
		t.Errorf("tables of the core program %v, of P4Info %v", names, infos)
	}
	var phases []string
	for _, tm := range res.Timings {
		phases = append(phases, tm.Phase)
	}
	if got := strings.Join(phases[:6], " "); got != "preproc scanner parser types irgen p4info" || !slices.Contains(phases, "pass/order") {
		t.Errorf("phases %v", phases)
	}
}

// Two builds in two folders give the same bytes, whatever the current folder.
func TestDeterministic(t *testing.T) {
	build := func(path string, include ...string) []byte {
		res, err := driver.Compile(driver.Options{Path: path, IncludeDirs: include})
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Diags.Err(); err != nil {
			t.Fatal(err)
		}
		raw, err := res.Bundle("v")
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	make2 := func() string {
		dir := t.TempDir()
		for name, src := range map[string]string{
			"prog.p4":     "#include \"sub/defs.p4\"\n" + program("", "action a(bit<8> n) { hs.h.a = n; } table t { key = { hs.h.b: exact; } actions = { a; } }", "t.apply(); INC(hs.h.b)"),
			"sub/defs.p4": "#define INC(x) x = x + 1;\n",
		} {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	one, two := make2(), make2()
	a := build(filepath.Join(one, "prog.p4"))
	if !bytes.Equal(a, build(filepath.Join(two, "prog.p4"))) {
		t.Error("two folders give different bytes")
	}
	t.Chdir(two)
	if !bytes.Equal(a, build("prog.p4")) {
		t.Error("a relative path gives different bytes")
	}
	b, err := bundle.Read(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range b.Program.Files {
		if filepath.IsAbs(f.Path) || strings.Contains(f.Path, "..") {
			t.Errorf("the source map holds the path %s", f.Path)
		}
	}
}

// Programs that grow without bound are refused, long ones are not.
func TestSize(t *testing.T) {
	chain := "bit<8> f0(in bit<8> x) { return x + 1; }\n"
	for i := range 30 {
		chain += fmt.Sprintf("bit<8> f%d(in bit<8> x) { return f%d(x) + f%d(x); }\n", i+1, i, i)
	}
	res, err := driver.Compile(text(strings.Replace(program("", "", "hs.h.a = f30(hs.h.b);"), "parser P(", chain+"parser P(", 1)))
	if err != nil || !strings.Contains(res.Diags.String(), "larger than 262144 statements") {
		t.Errorf("exponential calls: %v, %.200s", err, res.Diags)
	}
	long := "hs.h.a = hs.h.b" + strings.Repeat(" + hs.h.b", 2000) + ";"
	fields := "header big_t {" + strings.Repeat("X", 500) + "}"
	for i := range 500 {
		fields = strings.Replace(fields, "X", fmt.Sprintf(" bit<8> f%d;", i), 1)
	}
	src := strings.Replace(program("", "big_t p; big_t q;", long+" if (p == q) { hs.h.b = 1; }"), "struct hs_t", fields+" struct hs_t", 1)
	res, err = driver.Compile(text(src))
	if err != nil || res.Core == nil {
		t.Fatalf("a long program: %v, %.200s", err, res.Diags)
	}
	raw, err := res.Bundle("v")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Read(raw); err != nil {
		t.Errorf("a long program: %v", err)
	}
}

// What p4nic cannot compile is refused with the construct and its place.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, parser, locals, body string
		want                       string
	}{
		{
			name:   "parser in a loop",
			parser: "Sub() s; state start { for (bit<8> i = 0; i < 2; i = i + 1) { s.apply(pkt, hs.h); } transition accept; }",
			want:   "t.p4:7:",
		},
		{
			name:   "id of another kind",
			locals: "action a() { } @id(0x01000001) table t { actions = { a; } }",
			body:   "t.apply();",
			want:   "t.p4:11:42: error[p4info]: @id(0x1000001) of I.t has the prefix 0x01 of another kind of object; 0x02 is wanted",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := program(c.parser, c.locals, c.body)
			if strings.Contains(c.parser, "Sub") {
				src = strings.Replace(src, "parser P(", "parser Sub(packet_in pkt, out h_t h) { state start { pkt.extract(h); transition accept; } } parser P(", 1)
			}
			res, err := driver.Compile(text(src))
			if err != nil {
				t.Fatal(err)
			}
			if res.Core != nil || res.Typed != nil || res.Control != nil {
				t.Error("a result although there are errors")
			}
			if got := res.Diags.String(); !strings.Contains(got, c.want) {
				t.Errorf("diagnostics %q, want %q", got, c.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      string // "" accepted
	}{
		{"v1model", program("", "", "hs.h.a = 1;"), ""},
		{"no main", "#include <core.p4>\nstruct s { bit<8> a; }\n", ""},
		{"an architecture of its own", "control c(inout bit<8> x); package top(c a); control d(inout bit<8> x) { apply { } } top(d()) main;", ""},
		{"type error", program("", "", "hs.h.a = true;"), "error["},
		{"syntax error", "control {", "error[syntax]"},
		{"missing file", "#include <nothing.p4>\n", "t.p4:1:10: error[include-not-found]"},
		{
			"names that collide",
			program("", "@name(\"a\") action x() { } @name(\"a\") action y() { } table t { actions = { x; y; } }", "t.apply();"),
			"error[duplicate-name]",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := driver.Check(text(c.src))
			if err != nil {
				t.Fatal(err)
			}
			got := res.Diags.String()
			if c.want == "" && res.Diags.HasErrors() || c.want != "" && !strings.Contains(got, c.want) {
				t.Errorf("diagnostics %q, want %q", got, c.want)
			}
		})
	}
}

// A panic in a phase is one error that names the phase.
func TestPanicNamesThePhase(t *testing.T) {
	res, err := driver.Compile(driver.Options{Path: "t.p4", ReadFile: func(string) ([]byte, error) { panic("boom") }})
	in, ok := errors.AsType[*driver.Internal](err)
	if !ok || in.Phase != "preproc" || in.Err.Error() != "boom" || len(in.Stack) == 0 {
		t.Fatalf("error %v", err)
	}
	if strings.Contains(in.Error(), "\n") {
		t.Errorf("the message has several lines: %q", in.Error())
	}
	if res == nil || res.Core != nil {
		t.Errorf("result %+v", res)
	}
}

func TestDebugOptions(t *testing.T) {
	var out strings.Builder
	o := text(program("", "", "hs.h.a = 1 + 2;"))
	o.DebugOut = &out
	o.Debug = pass.Debug{"dead": {Dump: true}, "fold": {Off: true}}
	res, err := driver.Compile(o)
	if err != nil || res.Core == nil {
		t.Fatalf("%v, %v", err, res.Diags)
	}
	if !strings.HasPrefix(out.String(), "--- after pass/dead ---\np4nic-ir 1 core\n") {
		t.Errorf("dump begins %.60q", out.String())
	}
	o.Debug = pass.Debug{"order": {Off: true}}
	if _, err := driver.Compile(o); err == nil || !strings.Contains(err.Error(), "-d pass/order/off") {
		t.Errorf("error %v", err)
	}
}

// No program text makes the compiler panic, and what compiles can be packed and
// read back.
func FuzzCompile(f *testing.F) {
	f.Add(program("", "", "hs.h.a = 1;"))
	f.Add(program("", "action a(inout bit<8> x, bit<8> n) { x = n; exit; } table t { key = { hs.h.b: ternary; } actions = { a(hs.h.a); } }", "if (t.apply().hit) { return; } hs.s[hs.h.a] = hs.h;"))
	f.Fuzz(func(t *testing.T, src string) {
		res, err := driver.Compile(text(src))
		if err != nil {
			in, _ := errors.AsType[*driver.Internal](err)
			t.Fatalf("%v\n%s", err, in.Stack)
		}
		if res.Core == nil {
			return
		}
		raw, err := res.Bundle("v")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.Read(raw); err != nil {
			t.Fatal(err)
		}
	})
}
