package ssa

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
	"golang.org/x/tools/txtar"
)

// variants are ways to lower a program that must all behave alike: as lowered,
// with all passes, with one pass off, with one pass alone.
func variants() map[string]Options {
	m := map[string]Options{"lowered": {NoOptimize: true}, "optimised": {}}
	for _, p := range Passes() {
		alone := map[string]bool{}
		for _, q := range Passes() {
			alone[q.Name] = q.Name != p.Name
		}
		m["without "+p.Name] = Options{Off: map[string]bool{p.Name: true}}
		m["only "+p.Name] = Options{Off: alone}
	}
	return m
}

// machine prepares an interpreter with entries.
func machine(t testing.TB, f *Func, entries string) *Interp {
	t.Helper()
	in, err := NewInterp(f, InterpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	content, err := packetcase.ParseEntries(f.Prog, entries)
	if err != nil {
		t.Fatal(err)
	}
	load(t, in, content)
	return in
}

// load makes content what the tables hold.
func load(t testing.TB, in *Interp, content []packetcase.Content) {
	t.Helper()
	for i, c := range content {
		if len(in.f.Prog.Tables[i].Actions) > 0 {
			if err := in.SetDefault(i, c.Default); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range c.Entries {
			if err := in.Insert(i, e); err != nil && err != ErrExists {
				t.Fatal(err)
			}
		}
	}
}

// TestSamples plays the packets of the lowered programs.
func TestSamples(t *testing.T) {
	paths, err := filepath.Glob("testdata/lower/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no programs", err)
	}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, opt := range variants() {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+name, func(t *testing.T) {
				f, err := Lower(coreProgram(t, string(file(t, a, "core.ir").Data)), opt)
				if err != nil {
					t.Fatal(err)
				}
				steps, err := packetcase.ParsePackets(string(file(t, a, "packets").Data))
				if err != nil {
					t.Fatal(err)
				}
				in := machine(t, f, string(file(t, a, "entries").Data))
				for _, s := range steps {
					r, err := in.Process(Packet{Port: s.In.Port, Data: s.In.Data})
					if err != nil {
						t.Fatal(err)
					}
					var got []packetcase.Packet
					if !r.Dropped {
						got = append(got, packetcase.Packet{Port: r.Port, Data: r.Data})
					}
					if d := s.Diff(got); d != "" {
						t.Errorf("line %d: %s", s.Line, d)
					}
				}
			})
		}
	}
}

// TestCounters: direct counters count hits by handle and misses on handle 0
// (D2, D12).
func TestCounters(t *testing.T) {
	in := machine(t, sample(t, "router", Options{}), "routes dst=10.0.0.0/8 -> forward(1, 2)\n")
	frame := func(dst byte) []byte {
		b := append(bytes.Repeat([]byte{0}, 12), 8, 0)
		ip := []byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 1, 1, 1, 1, dst, 0, 0, 1}
		s := uint32(0)
		for i := 0; i < 20; i += 2 {
			s += uint32(ip[i])<<8 | uint32(ip[i+1])
		}
		s = s>>16 + s&0xffff
		s = ^(s>>16 + s)
		ip[10], ip[11] = byte(s>>8), byte(s)
		return append(b, ip...)
	}
	for _, p := range []Packet{
		{Data: frame(10)},
		{Data: frame(10), WireLen: 100},
		{Data: frame(11), Segments: 3, Bytes: 500},
	} {
		if _, err := in.Process(p); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := in.Counter(0, 1), (Count{2, 134}); got != want {
		t.Errorf("entry: %v, want %v", got, want)
	}
	if got, want := in.Counter(0, 0), (Count{3, 500}); got != want {
		t.Errorf("default: %v, want %v", got, want)
	}
	if err := in.Delete(0, 1); err != nil {
		t.Fatal(err)
	}
	if got := in.Counter(0, 1); got != (Count{}) {
		t.Errorf("deleted entry: %v", got)
	}
	if err := in.Delete(0, 1); err != ErrNoEntry {
		t.Errorf("deleted twice: %v", err)
	}
	if err := in.Modify(0, ir.Entry{Handle: 1}); err != ErrNoEntry {
		t.Errorf("modify of nothing: %v", err)
	}
}
