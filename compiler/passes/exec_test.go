package passes_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/passes"
)

// Every program of testdata/exec does the same before the passes, after each of
// them, and at core.
func TestPassesKeepBehaviour(t *testing.T) {
	files, err := filepath.Glob("testdata/exec/*.p4")
	if err != nil || len(files) < 2 {
		t.Fatalf("testdata/exec: %v, %d files", err, len(files))
	}
	pl, err := passes.Pipeline()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".p4")
		if name == "skel" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := driver.Compile(driver.Options{Path: file})
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Diags.Err(); err != nil {
				t.Fatal(err)
			}
			inputs := packets(rand.New(rand.NewPCG(1, uint64(len(name)))), 3000)
			want, lines := play(t, res.Typed, inputs)
			if lines < 100 {
				t.Errorf("only %d different results: the packets do not reach much of the program", lines)
			}
			before := res.Typed.String()
			p := ir.Clone(res.Typed)
			if got := p.String(); got != before {
				t.Errorf("the clone prints as\n%s\nthe program as\n%s", got, before)
			}
			for _, pass := range pl.Names() {
				if err := passes.RunOne(pass, p); err != nil {
					t.Fatalf("pass %s: %v", pass, err)
				}
				got, _ := play(t, p, inputs)
				for i := range inputs {
					if got[i] != want[i] {
						t.Fatalf("after pass %s, packet %x: %s\nbefore the passes: %s", pass, inputs[i].Data, got[i], want[i])
					}
				}
			}
			// The passes changed the clone only.
			if res.Typed.String() != before {
				t.Error("passes on a clone changed the program")
			}
			again, err := ir.Parse(name, []byte(p.String()))
			if err != nil {
				t.Fatal(err)
			}
			got, _ := play(t, again, inputs)
			for i := range inputs {
				if got[i] != want[i] {
					t.Fatalf("printed and parsed, packet %x: %s\nbefore: %s", inputs[i].Data, got[i], want[i])
				}
			}
		})
	}
}

// packets are random frames of small numbers, which reach the branches of the
// programs, some of them cut short.
func packets(r *rand.Rand, n int) []exec.Packet {
	out := make([]exec.Packet, n)
	for i := range out {
		data := make([]byte, r.IntN(5)*8+r.IntN(2)*r.IntN(8))
		for j := range data {
			switch r.IntN(8) {
			case 0:
				data[j] = byte(r.Uint32())
			default:
				data[j] = byte(r.IntN(8))
			}
		}
		out[i] = exec.Packet{Port: uint32(r.IntN(4)), Data: data, Now: 1}
	}
	return out
}

// play runs the packets through a new machine and describes the results; lines
// is the number of different ones.
func play(t *testing.T, p *ir.Program, in []exec.Packet) (out []string, lines int) {
	t.Helper()
	m, err := exec.New(p, exec.Options{Rand: func() uint32 { return 4 }})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, pkt := range in {
		r := m.Process(pkt)
		var b bytes.Buffer
		for _, o := range r.Outputs {
			fmt.Fprintf(&b, "port %d %x ", o.Port, o.Data)
		}
		if r.Dropped {
			fmt.Fprintf(&b, "dropped: %s ", r.Reason)
		}
		fmt.Fprintf(&b, "parser error %d", r.ParserError)
		out = append(out, b.String())
		seen[b.String()] = true
	}
	return out, len(seen)
}
