package bmv2tests

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// TestCopies: packets that ask for clones, multicast, resubmission, recirculation,
// truncation and drops in all combinations become the same packets, in the same order,
// with the same counters and registers on SSA as on the reference, as lowered, as
// optimised, and without the optimisation of frames; copies beyond the limit are
// dropped alike.
func TestCopies(t *testing.T) {
	for _, test := range []struct {
		name, path string
		define     []string
		head       int  // bytes that say what to do
		unordered  bool // copies may overtake each other
	}{
		{"v1model", "testdata/copies/v1model.p4", nil, 6, false},
		{"psa", "testdata/copies/psa.p4", nil, 6, false},
		// A packet that egress reads as bytes goes once more through the queue, which
		// counts as a copy.
		{"psa apart", "testdata/copies/psa.p4", []string{"APART"}, 6, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Compile(test.path, nil, test.define...)
			if err != nil {
				t.Fatal(err)
			}
			content, err := packetcase.ParseEntries(p.Core, "")
			if err != nil {
				t.Fatal(err)
			}
			ref, err := Reference().New(p, content)
			if err != nil {
				t.Fatal(err)
			}
			replicas(t, ref)
			engines := map[string]Engine{}
			for name, o := range map[string]ssa.Options{
				"lowered": {NoOptimize: true}, "optimised": {}, "frames off": {Off: map[string]bool{"frames": true}},
			} {
				if engines[name], err = SSAWith(o)(p, content); err != nil {
					t.Fatal(err)
				}
				replicas(t, engines[name])
			}
			r := rand.New(rand.NewPCG(7, 9))
			outputs := 0
			for i := range 600 {
				b := make([]byte, test.head+r.IntN(60))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				b[2] %= 12
				b[3] %= 11
				if i%100 == 99 && !test.unordered {
					b[3] = 11 // too many
				}
				switch r.IntN(4) {
				case 0:
					b[4] = 0xff
				case 1:
					b = b[:r.IntN(len(b))]
				default:
					b[5] = 1 + byte(r.IntN(3))
				}
				port := uint32(r.IntN(8))
				want, err := ref.Process(port, b)
				if err != nil {
					t.Fatal(err)
				}
				outputs += len(want)
				for name, e := range engines {
					got, err := e.Process(port, b)
					if err != nil {
						t.Fatalf("%s: in %d %x: %v", name, port, b, err)
					}
					if g, w := sentLines(got, test.unordered), sentLines(want, test.unordered); !slices.Equal(g, w) {
						t.Fatalf("%s: in %d %x\n got  %v\n want %v", name, port, b, g, w)
					}
				}
			}
			if outputs < 1000 {
				t.Errorf("%d packets went out", outputs)
			}
			if test.unordered {
				return
			}
			want, err := ref.State()
			if err != nil {
				t.Fatal(err)
			}
			for name, e := range engines {
				got, err := e.State()
				if err != nil {
					t.Fatal(err)
				}
				if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
					t.Errorf("%s: state\n got  %s\n want %s", name, g, w)
				}
			}
		})
	}
}

func sentLines(ps []packetcase.Packet, sorted bool) []string {
	var out []string
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%d %x", p.Port, bytes.Clone(p.Data)))
	}
	if sorted {
		slices.Sort(out)
	}
	return out
}

// replicas makes groups 1 to 11 but 5, and sessions 0 to 11 but 6; some sessions cut,
// some have the replicas of a group, and session 11 makes more copies than there may
// be.
func replicas(t *testing.T, e Engine) {
	t.Helper()
	x := e.(Replicator)
	for id := range uint32(12) {
		var rs []ir.Replica
		for k := range 1 + id%3 {
			rs = append(rs, ir.Replica{Port: 1 + (id+k)%7, Instance: uint16(id*10 + k)})
		}
		if id > 0 && id != 5 {
			if err := x.SetMulticastGroup(id, rs); err != nil {
				t.Fatal(err)
			}
		}
		s := ir.CloneSession{Replicas: rs[:1], ClassOfService: uint8(id % 5)}
		switch {
		case id == 11:
			s.Replicas = slices.Repeat(rs[:1], ir.MaxCopies-1)
		case id%4 == 3:
			s.Truncate = 20
		case id%4 == 2:
			s.Group = 2
		}
		if id != 6 {
			if err := x.SetCloneSession(id, s); err != nil {
				t.Fatal(err)
			}
		}
	}
}
