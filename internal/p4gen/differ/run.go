package differ

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	bmv2tests "github.com/p4nic/p4nic/bmv2-tests"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// recorded is what the reference does with a case.
type recorded struct {
	c     *Case
	out   [][]packetcase.Packet
	state bmv2tests.State
}

// reference plays the case on ir/exec at core; nil when it refuses the program.
func (p *compiled) reference(c *Case, s *setup, fig *Figures) (*recorded, *Failure) {
	k := bmv2tests.Reference()
	e, err := k.New(p.prog, s.fresh())
	if err != nil {
		if r := refusal(err); r != "" {
			fig.refuse(k.Name, r, 1)
			return nil, nil
		}
		return nil, &Failure{Stage: k.Name, What: err.Error(), Packet: -1}
	}
	defer e.Close()
	if err := s.program(e, p.prog.Core); err != nil {
		return nil, &Failure{Stage: k.Name, What: err.Error(), Packet: -1}
	}
	w := &recorded{c: c}
	for i, in := range c.Packets {
		tick(e, i)
		out, err := e.Process(in.Port, in.Data)
		if err != nil {
			return nil, &Failure{Stage: k.Name, What: err.Error(), Packet: i}
		}
		var keep []packetcase.Packet
		for _, o := range out {
			keep = append(keep, packetcase.Packet{Port: o.Port, Data: bytes.Clone(o.Data)})
		}
		w.out = append(w.out, keep)
		fig.Packets++
		if len(keep) > 0 {
			fig.Sent++
		}
	}
	if w.state, err = left(e, p.prog.Core); err != nil {
		return nil, &Failure{Stage: k.Name, What: err.Error(), Packet: -1}
	}
	fig.Runs[k.Name]++
	return w, nil
}

// tick sets the time of packet i: one comes every millisecond.
func tick(e bmv2tests.Engine, i int) {
	if c, is := e.(bmv2tests.Control); is {
		c.SetNow(5_000_000 + uint64(i+1)*1_000_000)
	}
}

// against plays the case on another engine and compares all that can be seen.
// level is what the engine runs.
func (w *recorded) against(name string, p *bmv2tests.Program, level *ir.Program, s *setup,
	make func(*bmv2tests.Program, []packetcase.Content) (bmv2tests.Engine, error), fig *Figures) *Failure {
	e, err := make(p, s.fresh())
	if err != nil {
		if r := refusal(err); r != "" {
			fig.refuse(name, r, 1)
			return nil
		}
		return &Failure{Stage: name, What: fmt.Sprintf("%+v", err), Packet: -1}
	}
	defer e.Close()
	if err := s.program(e, level); err != nil {
		return &Failure{Stage: name, What: err.Error(), Packet: -1}
	}
	for i, in := range w.c.Packets {
		tick(e, i)
		got, err := e.Process(in.Port, in.Data)
		if err != nil {
			return &Failure{Stage: name, What: err.Error(), Packet: i}
		}
		if d := differs(w.out[i], got); d != "" {
			return &Failure{Stage: name, What: fmt.Sprintf("packets differ\npacket %d: in %d %x\n%s", i, in.Port, in.Data, d), Packet: i}
		}
	}
	got, err := left(e, level)
	if err != nil {
		return &Failure{Stage: name, What: err.Error(), Packet: -1}
	}
	if d := stateDiffers(w.state, got); d != "" {
		return &Failure{Stage: name, What: "state differs\n" + d, Packet: -1}
	}
	fig.Runs[name]++
	return nil
}

func differs(want, got []packetcase.Packet) string {
	if slices.EqualFunc(want, got, func(a, b packetcase.Packet) bool { return a.Port == b.Port && bytes.Equal(a.Data, b.Data) }) {
		return ""
	}
	var b strings.Builder
	write := func(word string, ps []packetcase.Packet) {
		if len(ps) == 0 {
			fmt.Fprintf(&b, "  %s nothing\n", word)
		}
		for _, p := range ps {
			fmt.Fprintf(&b, "  %s %d %x\n", word, p.Port, p.Data)
		}
	}
	write("want", want)
	write("got ", got)
	return b.String()
}

func stateDiffers(want, got bmv2tests.State) string {
	keys := map[string]bool{}
	for k := range want {
		keys[k] = true
	}
	for k := range got {
		keys[k] = true
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if want[k] != got[k] {
			fmt.Fprintf(&b, "  %s: want %q, got %q\n", k, want[k], got[k])
		}
	}
	return b.String()
}
