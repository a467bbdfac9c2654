package ssa

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/internal/packetcase"
	"golang.org/x/tools/txtar"
)

// pair is one program on the reference interpreter and on one or more lowered
// forms.
type pair struct {
	prog *ir.Program
	ref  *exec.Machine
	ssa  []*Interp
	name []string
}

const testNow = 1234567890123

// newPair makes the machines. An error is a refusal to lower.
func newPair(t testing.TB, p *ir.Program, content []packetcase.Content, opts map[string]Options) (*pair, error) {
	t.Helper()
	rnd := func() uint32 { return 0x9e3779b9 }
	m, err := exec.New(p, exec.Options{Rand: rnd})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range content {
		if len(p.Tables[i].Actions) == 0 {
			continue
		}
		if err := m.SetDefault(i, c.Default); err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Entries[len(p.Tables[i].Entries):] {
			if err := m.Insert(i, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	out := &pair{prog: p, ref: m}
	for name, o := range opts {
		f, err := Lower(p, o)
		if err != nil {
			return nil, err
		}
		in, err := NewInterp(f, InterpOptions{Now: func() uint64 { return testNow }, Rand: rnd})
		if err != nil {
			t.Fatal(err)
		}
		load(t, in, content)
		out.ssa, out.name = append(out.ssa, in), append(out.name, name)
	}
	return out, nil
}

// frame runs one frame on all; "" when they agree.
func (p *pair) frame(port uint32, data []byte) string {
	want := p.ref.Process(exec.Packet{Port: port, Data: data, Now: testNow})
	for i, in := range p.ssa {
		got, err := in.Process(Packet{Port: port, Data: data})
		if err != nil {
			return fmt.Sprintf("%s: %v", p.name[i], err)
		}
		switch {
		case want.Dropped != got.Dropped:
			return fmt.Sprintf("%s: in %d %x: dropped %v (%s), reference %v (%s)", p.name[i], port, data, got.Dropped, got.Reason, want.Dropped, want.Reason)
		case len(want.Outputs) != len(got.Outputs):
			return fmt.Sprintf("%s: in %d %x: %d packets go out, reference %d", p.name[i], port, data, len(got.Outputs), len(want.Outputs))
		}
		for k, w := range want.Outputs {
			if g := got.Outputs[k]; w.Port != g.Port || !bytes.Equal(w.Data, g.Data) {
				return fmt.Sprintf("%s: in %d %x: output %d\n got  %d %x\n want %d %x", p.name[i], port, data, k, g.Port, g.Data, w.Port, w.Data)
			}
		}
	}
	return ""
}

// state compares direct counters, indirect counters and registers.
func (p *pair) state(content []packetcase.Content) string {
	for i, in := range p.ssa {
		for ti, t := range p.prog.Tables {
			if t.Counters == nil {
				continue
			}
			for h := range uint32(len(content[ti].Entries) + 1) {
				want, err := p.ref.Counter(ti, h)
				if err != nil {
					return err.Error()
				}
				if got := in.Counter(ti, h); got != Count(want) {
					return fmt.Sprintf("%s: table %s entry %d counts %v, reference %v", p.name[i], t.Name, h, got, want)
				}
			}
		}
		for _, o := range p.prog.Instances {
			n, err := arraySize(o)
			if err != nil {
				return err.Error()
			}
			for c := range n {
				switch o.Type.Name {
				case "counter":
					want, err := p.ref.InstanceCounter(o.Name, uint32(c))
					got, ok := in.InstanceCounter(o, c)
					if err != nil || !ok || got != Count(want) {
						return fmt.Sprintf("%s: counter %s[%d] is %v, reference %v (%v)", p.name[i], o.Name, c, got, want, err)
					}
				case "register":
					want, err := p.ref.Register(o.Name, uint32(c))
					got, _ := in.Register(o, c)
					if err != nil {
						return err.Error()
					}
					if got == nil {
						got = make([]uint64, (len(want)+7)/8)
					}
					if fmt.Sprint(got) != fmt.Sprint(limbsOf(want, 8*len(want))) {
						return fmt.Sprintf("%s: register %s[%d] is %x, reference %x", p.name[i], o.Name, c, got, want)
					}
				}
			}
		}
	}
	return ""
}

// mutate makes a frame from a seed: cut, extended, bits flipped, or random.
func mutate(r *rand.Rand, seeds [][]byte) []byte {
	var b []byte
	if len(seeds) > 0 && r.IntN(8) > 0 {
		b = append(b, seeds[r.IntN(len(seeds))]...)
	} else {
		b = randomBytes(r, r.IntN(80))
	}
	switch r.IntN(4) {
	case 0:
		b = b[:r.IntN(len(b)+1)]
	case 1:
		b = append(b, randomBytes(r, r.IntN(30))...)
	}
	for range r.IntN(4) {
		if len(b) > 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	}
	return b
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestAgainstReference plays the packet cases and frames made from them on the
// reference interpreter and on SSA.
func TestAgainstReference(t *testing.T) {
	refused := map[string]string{ // cases that cannot be lowered, with the reason
	}
	type test struct {
		name    string
		prog    *ir.Program
		entries string
		packets string
	}
	var tests []test
	samples, _ := filepath.Glob("testdata/lower/*.txtar")
	for _, path := range samples {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, test{filepath.Base(path), coreProgram(t, string(file(t, a, "core.ir").Data)),
			string(file(t, a, "entries").Data), string(file(t, a, "packets").Data)})
	}
	cases, _ := filepath.Glob("../ir/exec/testdata/*.txtar")
	for _, path := range cases {
		c, err := packetcase.Load(path)
		if err != nil || c.IR == nil {
			continue
		}
		p, err := ir.Parse("program.ir", c.IR)
		if err != nil || p.Level != ir.Core {
			continue
		}
		tests = append(tests, test{"exec/" + filepath.Base(path), p, c.Entries, string(c.Files["packets"])})
	}
	if len(tests) < 2 {
		t.Fatal("no programs")
	}
	for _, test := range tests {
		t.Run(strings.TrimSuffix(test.name, ".txtar"), func(t *testing.T) {
			content, err := packetcase.ParseEntries(test.prog, test.entries)
			if err != nil {
				t.Fatal(err)
			}
			p, err := newPair(t, test.prog, content, map[string]Options{"lowered": {NoOptimize: true}, "optimised": {}})
			if want := refused[test.name]; want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want a refusal with %q", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			steps, err := packetcase.ParsePackets(test.packets)
			if err != nil {
				t.Fatal(err)
			}
			var seeds [][]byte
			for _, s := range steps {
				seeds = append(seeds, s.In.Data)
				if d := p.frame(s.In.Port, s.In.Data); d != "" {
					t.Errorf("line %d: %s", s.Line, d)
				}
			}
			r := rand.New(rand.NewPCG(1, 2))
			for range 2000 {
				if d := p.frame(uint32(r.IntN(6)), mutate(r, seeds)); d != "" {
					t.Fatal(d)
				}
			}
			if d := p.state(content); d != "" {
				t.Error(d)
			}
		})
	}
}
