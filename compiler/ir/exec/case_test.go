package exec

import (
	"path/filepath"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// load makes a machine for a case, with the tables filled.
func load(t testing.TB, c *packetcase.Case, o Options) *Machine {
	t.Helper()
	p, content, err := c.Program()
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(p, o)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, m, content)
	return m
}

func fill(t testing.TB, m *Machine, content []packetcase.Content) {
	t.Helper()
	for i, tc := range content {
		if err := m.SetDefault(i, tc.Default); err != nil {
			t.Fatal(err)
		}
		for _, e := range tc.Entries[len(m.prog.Tables[i].Entries):] {
			if err := m.Insert(i, e); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func play(t *testing.T, m *Machine, steps []packetcase.Step) {
	t.Helper()
	for _, s := range steps {
		r := m.Process(Packet{Port: s.In.Port, Data: s.In.Data, Trace: true})
		var got []packetcase.Packet
		for _, o := range r.Outputs {
			got = append(got, packetcase.Packet{Port: o.Port, Data: o.Data})
		}
		if d := s.Diff(got); d != "" {
			t.Error(d)
			for _, e := range r.Trace {
				t.Log(e)
			}
		}
	}
}

// Packet cases of testdata/*.txtar, each also from its printed text.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, f := range files {
		c, err := packetcase.Load(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(c.Name, func(t *testing.T) {
			play(t, load(t, c, fixed(Options{Coverage: true})), c.Steps)
			p, err := ir.Parse(f, c.IR)
			if err != nil {
				t.Fatal(err)
			}
			c.IR = []byte(p.String())
			play(t, load(t, c, fixed(Options{})), c.Steps)
		})
	}
}

// fixed makes time and chance known: 5 ms, and 7 always.
func fixed(o Options) Options {
	o.Now = func() uint64 { return 5_000_000 }
	o.Rand = func() uint32 { return 7 }
	return o
}
