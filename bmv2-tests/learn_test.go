package bmv2tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// learner is an engine with tables that packets add to.
type learner interface {
	process(t *testing.T, packet []byte) string
	// later lets so many nanoseconds pass.
	later(t *testing.T, ns uint64)
	// learned lists the entries that packets have added: key, action and arguments.
	learned(t *testing.T) []string
}

// TestAddOnMiss: what packets add is what later packets find, on every engine: the
// key that was missed, arguments of any width, times and the table's size.
//
// lang:N24 lang:N25 lang:N26 lang:N28 D7
func TestAddOnMiss(t *testing.T) {
	p, err := Compile("testdata/learn/flows.p4", nil)
	check(t, err)
	table := slices.IndexFunc(p.Core.Tables, func(tb *ir.Table) bool { return tb.Name == "M.flows" })
	fixed := ir.Entry{Handle: 1, Action: 2, Args: [][]byte{{0xab, 0xcd}},
		Match: []ir.Match{{Value: []byte{9}}, {Value: []byte{0, 0, 0, 9}}}}
	const second = 1_000_000_000
	times := exec.ExpireTimes{1: 10 * second, 2: 30 * second}
	engines := []struct {
		name string
		make func(t *testing.T) learner
	}{
		{"exec", func(t *testing.T) learner { return newExecLearner(t, p.Core, table, fixed, times) }},
		{"typed", func(t *testing.T) learner { return newExecLearner(t, p.Typed, table, fixed, times) }},
		{"ssa", func(t *testing.T) learner { return newSSALearner(t, p, table, fixed, times) }},
		{"xdp", func(t *testing.T) learner { return newKernelLearner(t, p, table, fixed, times, backend.XDP) }},
		{"tc", func(t *testing.T) learner { return newKernelLearner(t, p, table, fixed, times, backend.TC) }},
	}
	const v = "000102030405060708090a0b0c0d0e0f"
	steps := []struct {
		later      uint64
		what, key  byte
		more       uint32
		profile    byte
		hit, out   byte // what the packet tells: hit, key as it leaves
		answer     uint32
		valueFirst byte
	}{
		{0, 0, 7, 1, 0, 0, 0, 0xfe, 0}, // a miss that adds nothing
		{0, 1, 7, 1, 1, 0, 0, 0xff, 0}, // adds narrow, flow 1
		{0, 0, 7, 1, 0, 1, 7, 0x010f0001, 0},
		{0, 0, 7, 2, 0, 0, 0, 0xfe, 0}, // another key
		{0, 0, 9, 9, 0, 1, 9, 0x0300abcd, 0},
		{0, 2, 7, 2, 1, 0, 0, 0xff, 0}, // adds wide, flow 2
		{0, 0, 7, 2, 0, 1, 7, 0x020f0002, 0},
		{0, 5, 8, 8, 0, 0, 0, 0xff, 0},                // a profile without time, flow 3
		{0, 1, 8, 9, 0, 0, 0, 0xfe, 0},                // the table is full; flow 4 is gone
		{6 * second, 3, 7, 2, 0, 1, 7, 0x020f0002, 0}, // restarts
		{4 * second, 0, 7, 2, 0, 1, 7, 0x020f0002, 0},
		{0, 0, 7, 1, 0, 0, 0, 0xfe, 0},       // 10 s without a restart: over
		{0, 1, 8, 9, 2, 0, 0, 0xff, 0},       // there is room: flow 5
		{0, 4, 7, 2, 2, 1, 7, 0x020f0002, 0}, // to 30 s
		{29 * second, 0, 7, 2, 0, 1, 7, 0x020f0002, 0},
		{second + 1, 0, 7, 2, 0, 0, 0, 0xfe, 0},
		{1000 * second, 0, 8, 8, 0, 1, 8, 0x010f0003, 0}, // never over
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			if e.name == "xdp" || e.name == "tc" {
				netnstest.NeedBPF(t)
			}
			m := e.make(t)
			for i, s := range steps {
				m.later(t, s.later)
				in := fmt.Sprintf("%02x%02x%08x%02x%s%08x", s.what, s.key, s.more, s.profile, v, 0)
				want := fmt.Sprintf("2 %02x%02x%08x%02x%s%08x", s.hit, s.out, s.more, s.profile, v, s.answer)
				if got := m.process(t, hexBytes(t, in)); got != want {
					t.Errorf("step %d: %s gave\n%s, expected\n%s", i+1, in, got, want)
				}
			}
			got := strings.Join(m.learned(t), "\n")
			if want := "08 00000008: 0 0f 00000003"; !strings.Contains(got, want) {
				t.Errorf("it has learned\n%s\nexpected a line %q", got, want)
			}
		})
	}
}

func hexBytes(t *testing.T, s string) []byte {
	t.Helper()
	var b []byte
	if _, err := fmt.Sscanf(s, "%x", &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func learnedLine(e ir.Entry) string {
	s := ""
	for _, m := range e.Match {
		s += fmt.Sprintf("%x ", m.Value)
	}
	s = strings.TrimSpace(s) + fmt.Sprintf(": %d", e.Action)
	for _, a := range e.Args {
		s += fmt.Sprintf(" %x", a)
	}
	return s
}

type execLearner struct {
	m     *exec.Machine
	table int
	now   uint64
}

func newExecLearner(t *testing.T, p *ir.Program, table int, fixed ir.Entry, times exec.ExpireTimes) learner {
	l := &execLearner{table: table, now: 1}
	m, err := exec.New(p, exec.Options{Now: func() uint64 { return l.now }})
	check(t, err)
	l.m = m
	m.SetExpireTimes(times)
	check(t, m.Insert(table, fixed))
	return l
}

func (l *execLearner) later(_ *testing.T, ns uint64) { l.now += ns }

func (l *execLearner) process(_ *testing.T, packet []byte) string {
	r := l.m.Process(exec.Packet{Port: 1, Data: packet})
	if len(r.Outputs) != 1 {
		return r.Reason
	}
	return fmt.Sprintf("%d %x", r.Outputs[0].Port, r.Outputs[0].Data)
}

func (l *execLearner) learned(t *testing.T) (out []string) {
	es, err := l.m.Entries(l.table)
	check(t, err)
	for _, e := range es {
		if e.Handle > 1 {
			out = append(out, learnedLine(e))
		}
	}
	return out
}

type ssaLearner struct {
	in    *ssa.Interp
	table *ir.Table
	now   uint64
}

func newSSALearner(t *testing.T, p *Program, table int, fixed ir.Entry, times exec.ExpireTimes) learner {
	f, err := ssa.Lower(p.Core, ssa.Options{})
	check(t, err)
	l := &ssaLearner{table: p.Core.Tables[table], now: 1}
	l.in, err = ssa.NewInterp(f, ssa.InterpOptions{Now: func() uint64 { return l.now }})
	check(t, err)
	l.in.SetExpireTimes(times)
	check(t, l.in.Insert(table, fixed))
	return l
}

func (l *ssaLearner) later(_ *testing.T, ns uint64) { l.now += ns }

func (l *ssaLearner) process(t *testing.T, packet []byte) string {
	r, err := l.in.Process(ssa.Packet{Port: 1, Data: packet})
	check(t, err)
	if len(r.Outputs) != 1 {
		return "dropped"
	}
	return fmt.Sprintf("%d %x", r.Outputs[0].Port, r.Outputs[0].Data)
}

func (l *ssaLearner) learned(*testing.T) (out []string) {
	keys, args := l.in.Learned(l.table)
	for i := range keys {
		out = append(out, fmt.Sprintf("%02x %08x: 0 %02x %08x", keys[i][0], keys[i][1], args[i][0], args[i][len(args[i])-1]))
	}
	return out
}

type kernelLearner struct {
	k *kernelEngine
	l *backend.LearnLayout
}

func newKernelLearner(t *testing.T, p *Program, table int, fixed ir.Entry, times exec.ExpireTimes, hook backend.Hook) learner {
	content := make([]packetcase.Content, len(p.Core.Tables))
	for i, tb := range p.Core.Tables {
		es, def, err := tb.Initial()
		check(t, err)
		content[i] = packetcase.Content{Entries: es, Default: def}
	}
	content[table].Entries = append(content[table].Entries, fixed)
	e, err := newKernel(p, content, ssa.Options{}, backend.Options{Hook: hook})
	check(t, err)
	t.Cleanup(func() { check(t, e.Close()) })
	k := e.(*kernelEngine)
	for n, ns := range times {
		check(t, k.maps[backend.MapExpire].Put(uint32(n), ns))
	}
	return &kernelLearner{k, k.l.Tables[table].Learn}
}

func (l *kernelLearner) later(_ *testing.T, ns uint64) { l.k.now += ns }

func (l *kernelLearner) process(t *testing.T, packet []byte) string {
	var n uint32 // nicd gives numbers back that no packet can hold any more
	for l.k.maps[l.l.Dead.Name].LookupAndDelete(nil, &n) == nil {
		check(t, l.k.maps[l.l.Free.Name].Put(nil, n))
	}
	out, err := l.k.Process(1, packet)
	check(t, err)
	if len(out) != 1 {
		return "dropped"
	}
	return fmt.Sprintf("%d %x", out[0].Port, out[0].Data)
}

func (l *kernelLearner) learned(t *testing.T) (out []string) {
	var key []byte
	var n uint32
	it := l.k.maps[l.l.Match.Name].Iterate()
	for it.Next(&key, &n) {
		record := make([]byte, l.l.Records.ValueSize)
		check(t, l.k.maps[l.l.Records.Name].Lookup(n, record))
		e, err := l.l.Entry(key, record)
		check(t, err)
		out = append(out, learnedLine(e))
	}
	check(t, it.Err())
	return out
}
