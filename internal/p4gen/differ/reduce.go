package differ

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/internal/p4gen"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// Reduce makes a failing case small: packets, entries, program. tries bounds how
// often a program is run.
func Reduce(c *Case, f *Failure, e Engines, tries int) (*Case, *Failure) {
	e.Only = f.Stage
	r := &reducer{want: f.Class(), e: e, best: *c, fail: f, left: tries}
	r.packets()
	r.entries()
	for range 3 {
		size := len(r.best.Source)
		r.best.Source = p4gen.Shrink(r.best.Source, r.left, func(src string) bool {
			t := r.best
			t.Source = src
			return r.try(t)
		})
		r.entries()
		r.packets()
		r.bytes()
		if r.left <= 0 || len(r.best.Source) == size {
			break
		}
	}
	return &r.best, r.fail
}

type reducer struct {
	want string
	e    Engines
	best Case
	fail *Failure
	left int
}

// try keeps t when it fails in the same way.
func (r *reducer) try(t Case) bool {
	if r.left--; r.left < 0 {
		return false
	}
	f := runOnce(&t, r.e)
	if f == nil || f.Class() != r.want {
		return false
	}
	r.best, r.fail = t, f
	return true
}

// runOnce runs a case; a panic of an engine is a failure like any other.
func runOnce(c *Case, e Engines) (f *Failure) {
	defer func() {
		if v := recover(); v != nil {
			f = &Failure{Stage: "panic", What: fmt.Sprint(v), Packet: -1}
		}
	}()
	return Run(c, e, NewFigures())
}

func (r *reducer) packets() {
	if i := r.fail.Packet; i >= 0 {
		t := r.best
		t.Packets = r.best.Packets[i : i+1]
		if len(r.best.Packets) > 1 && r.try(t) {
			return
		}
		t.Packets = r.best.Packets[:i+1]
		if i+1 < len(r.best.Packets) {
			r.try(t)
		}
	} else {
		t := r.best
		t.Packets = nil
		if len(r.best.Packets) > 0 && r.try(t) {
			return
		}
	}
	for n := len(r.best.Packets) / 2; n >= 1; n /= 2 {
		for at := len(r.best.Packets) - n; at >= 0; at -= n {
			if at+n > len(r.best.Packets) {
				continue
			}
			t := r.best
			t.Packets = append(append([]packetcase.Packet(nil), r.best.Packets[:at]...), r.best.Packets[at+n:]...)
			r.try(t)
		}
	}
}

func (r *reducer) entries() {
	lines := func() []string { return strings.SplitAfter(r.best.Entries, "\n") }
	t := r.best
	t.Entries = ""
	if r.best.Entries == "" || r.try(t) {
		return
	}
	for i := len(lines()) - 1; i >= 0; i-- {
		l := lines()
		if i >= len(l) || l[i] == "" {
			continue
		}
		t := r.best
		t.Entries = strings.Join(append(append([]string(nil), l[:i]...), l[i+1:]...), "")
		r.try(t)
	}
}

// bytes shortens the packets and sets bytes to zero.
func (r *reducer) bytes() {
	for i := range r.best.Packets {
		change := func(f func([]byte) []byte) bool {
			t := r.best
			t.Packets = append([]packetcase.Packet(nil), r.best.Packets...)
			t.Packets[i].Data = f(append([]byte(nil), t.Packets[i].Data...))
			return r.try(t)
		}
		for n := len(r.best.Packets[i].Data); n > 0; n /= 2 {
			for len(r.best.Packets[i].Data) >= n && change(func(b []byte) []byte { return b[:len(b)-n] }) {
			}
		}
		for j := range r.best.Packets[i].Data {
			if r.best.Packets[i].Data[j] != 0 {
				change(func(b []byte) []byte { b[j] = 0; return b })
			}
		}
	}
}

// Text is a case as a file of internal/packetcase.
func (c *Case) Text(comment string) string {
	var b strings.Builder
	for _, l := range strings.Split(strings.TrimSpace(comment), "\n") {
		fmt.Fprintf(&b, "%s\n", l)
	}
	fmt.Fprintf(&b, "-- program.p4 --\n%s", c.Source)
	if !strings.HasSuffix(c.Source, "\n") {
		b.WriteByte('\n')
	}
	if c.Entries != "" {
		fmt.Fprintf(&b, "-- entries --\n%s", c.Entries)
	}
	if c.Control != "" {
		fmt.Fprintf(&b, "-- control --\n%s", c.Control)
	}
	if len(c.Packets) > 0 {
		b.WriteString("-- packets --\n")
	}
	for _, p := range c.Packets {
		fmt.Fprintf(&b, "in %d %x\n", p.Port, p.Data)
	}
	return b.String()
}
