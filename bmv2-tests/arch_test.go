package bmv2tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
)

const archRoot = "testdata/arch"

// archLevel is a form of a program that ir/exec runs.
type archLevel struct {
	name string
	make func(p *Program) (*ir.Program, error)
}

var archLevels = []archLevel{
	{"core", func(p *Program) (*ir.Program, error) { return p.Core, nil }},
	{"typed", func(p *Program) (*ir.Program, error) { return p.Typed, nil }},
	{"json", func(p *Program) (*ir.Program, error) {
		js, err := bmv2.Export(p.Core)
		if err != nil {
			return nil, err
		}
		return bmv2.Import(js, p.Info, p.Name)
	}},
}

// TestArchitectures plays testdata/arch/*.stf: what the blocks and externs of an
// architecture do, packet by packet. Comments in a test say
//
//	# program FILE     the program, when it is not the .p4 of the same name
//	# levels NAME...   the levels that it is for, when not all
//	# nojson TEXT      bmv2 JSON cannot say the program, and what the export says
//	# nossa TEXT       SSA cannot, and what the lowering says
//
// With -update the expectations behind each packet are rewritten; review the diff.
func TestArchitectures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(archRoot, "*.stf"))
	check(t, err)
	if len(files) == 0 {
		t.Fatal("no tests")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".stf"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			check(t, err)
			p, err := Compile(archProgram(f, text), nil)
			check(t, err)
			only, nojson := directive(text, "levels"), directive(text, "nojson")
			var levels []archLevel
			for _, l := range archLevels {
				if only == "" || slices.Contains(strings.Fields(only), l.name) {
					levels = append(levels, l)
				}
			}
			if *update {
				q, err := levels[0].make(p)
				check(t, err)
				text = expectations(t, f, text, q)
				check(t, os.WriteFile(f, text, 0o644))
			}
			test, err := stf.Parse(f, text)
			check(t, err)
			t.Run("ssa", func(t *testing.T) {
				if only != "" && !slices.Contains(strings.Fields(only), "core") {
					return // SSA is lowered from core
				}
				e, err := stf.NewSSA(p.Core)
				if refused, is := errors.AsType[*stf.Unsupported](err); is {
					if strings.Contains(refused.Reason, "there is no lowering for it") {
						return // of the architecture
					}
					if why := directive(text, "nossa"); why == "" || !strings.Contains(refused.Reason, why) {
						t.Errorf("SSA says %v, expected %q", err, why)
					}
					return
				}
				check(t, err)
				if r := stf.Run(test, e, nil); r.Status == stf.Failed {
					t.Errorf("%s\n%s", r.Status, r.Report)
				}
			})
			for _, l := range levels {
				t.Run(l.name, func(t *testing.T) {
					q, err := l.make(p)
					if l.name == "json" && nojson != "" {
						if err == nil || !strings.Contains(err.Error(), nojson) {
							t.Errorf("the export says %v, expected %q", err, nojson)
						}
						return
					}
					check(t, err)
					e, err := stf.NewSim(q)
					check(t, err)
					if r := stf.Run(test, e, nil); r.Status != stf.Passed {
						t.Errorf("%s\n%s", r.Status, r.Report)
					}
				})
			}
		})
	}
}

// directive is what a comment of a test says behind a word, "" without one.
func directive(text []byte, word string) string {
	for _, line := range strings.Split(string(text), "\n") {
		if s, is := strings.CutPrefix(line, "# "+word+" "); is {
			return strings.TrimSpace(s)
		}
	}
	return ""
}

func archProgram(file string, text []byte) string {
	if p := directive(text, "program"); p != "" {
		return filepath.Join(filepath.Dir(file), p)
	}
	return strings.TrimSuffix(file, ".stf") + ".p4"
}

// expectations is the test with what the program sends behind each packet.
func expectations(t *testing.T, name string, text []byte, p *ir.Program) []byte {
	t.Helper()
	var kept []string
	for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if !strings.HasPrefix(line, "expect ") {
			kept = append(kept, line)
		}
	}
	test, err := stf.Parse(name, []byte(strings.Join(kept, "\n")))
	check(t, err)
	sim, err := stf.NewSim(p)
	check(t, err)
	e := &listener{simEngine: sim.(simEngine)}
	stf.Run(test, e, nil)
	var lines []string
	for i, line := range kept {
		lines = append(lines, line)
		if slices.ContainsFunc(test.Commands, func(c stf.Command) bool { return c.Kind == stf.SendPacket && c.Line == i+1 }) && len(e.sent) > 0 {
			for _, o := range e.sent[0] {
				lines = append(lines, fmt.Sprintf("expect %d %x$", o.Port, o.Data))
			}
			e.sent = e.sent[1:]
		}
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// simEngine is all that the simulator can do for a test.
type simEngine interface {
	stf.Engine
	stf.Replicator
	stf.Metered
	stf.Profiled
	stf.CounterWriter
}

// listener keeps what each packet made.
type listener struct {
	simEngine
	sent [][]stf.Packet
}

func (l *listener) Process(port uint32, data []byte) ([]stf.Packet, error) {
	out, err := l.simEngine.Process(port, data)
	var kept []stf.Packet
	for _, o := range out {
		kept = append(kept, stf.Packet{Port: o.Port, Data: slices.Clone(o.Data)})
	}
	l.sent = append(l.sent, kept)
	return out, err
}

// TestNotInJSON: what bmv2 cannot do is refused by the export, not left out.
func TestNotInJSON(t *testing.T) {
	path := filepath.Join(archRoot, "psa_objects.p4")
	source, err := os.ReadFile(path)
	check(t, err)
	for _, c := range []struct{ name, old, new, want string }{
		{"lang:S29 initial value", "Register<bit<32>, bit<8>>(4) r_plain", "Register<bit<32>, bit<8>>(4, 5) r_plain", "bmv2's registers begin with 0"},
		{"lang:S29 initial value 0", "Register<bit<32>, bit<8>>(4) r_plain", "Register<bit<32>, bit<8>>(4, 0) r_plain", ""},
		{"lang:S27 colour", "m_packets.execute(hdr.ask.index)", "m_packets.execute(hdr.ask.index, PSA_MeterColor_t.RED)", ""},
		{"lang:S28 colour", "m_direct.execute()", "m_direct.execute(PSA_MeterColor_t.RED)", "the meters of bmv2 take no colour"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := strings.Replace(string(source), c.old, c.new, 1)
			if changed == string(source) {
				t.Fatalf("the program has no %q", c.old)
			}
			p, err := Compile(path, []byte(changed))
			check(t, err)
			_, err = bmv2.Export(p.Core)
			if c.want == "" {
				check(t, err)
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the export says %v, expected %q", err, c.want)
			}
		})
	}
}
