package stf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Status is how a test ended.
type Status int

// Outcomes.
const (
	Passed Status = iota
	Failed
	Skipped
)

func (s Status) String() string { return [...]string{"PASS", "FAIL", "SKIP"}[s] }

// Result is the outcome of a test with its report: of a failure what was
// expected and received, of a skipped test the reason.
type Result struct {
	Status Status
	Report string
}

// player plays one test.
type player struct {
	t       *Test
	e       Engine
	handles []uint32 // last one given, by table
	entries map[string]ref
	expects map[uint32][]*Command
	got     map[uint32][]Packet
	ports   []uint32 // in order of appearance
	nothing int      // line of no_packet, 0
	total   int
	verbose func(line string)
	pre     pre
}

// ref is an entry that has a name.
type ref struct {
	table  int
	handle uint32
}

// Run plays a test on an engine with a fresh program. say, which may be nil,
// gets what commands print.
func Run(t *Test, e Engine, say func(line string)) Result {
	if say == nil {
		say = func(string) {}
	}
	p := &player{t: t, e: e, handles: make([]uint32, len(e.Program().Tables)), entries: map[string]ref{},
		expects: map[uint32][]*Command{}, got: map[uint32][]Packet{}, verbose: say}
	for i, tb := range e.Program().Tables {
		p.handles[i] = uint32(len(tb.Entries))
	}
	for i := range t.Commands {
		c := &t.Commands[i]
		err := p.do(c)
		if err == nil {
			continue
		}
		at := fmt.Sprintf("%s:%d: ", t.Name, c.Line)
		if u, is := errors.AsType[*Unsupported](err); is {
			return Result{Skipped, at + u.Reason}
		}
		return Result{Failed, at + err.Error()}
	}
	return p.compare()
}

func (p *player) do(c *Command) error {
	switch c.Kind {
	case Add, SetDefault:
		return p.entry(c)
	case RemoveAll:
		for i, h := range p.handles {
			for n := uint32(len(p.e.Program().Tables[i].Entries)) + 1; n <= h; n++ {
				if err := p.e.Delete(i, n); err != nil {
					return err
				}
			}
			p.handles[i] = uint32(len(p.e.Program().Tables[i].Entries))
		}
		clear(p.entries)
	case SendPacket:
		if len(c.Data) == 0 {
			return nil // there is no such frame
		}
		out, err := p.e.Process(c.Port, c.Data)
		if err != nil {
			return err
		}
		p.trace(c)
		for _, o := range out {
			o.Port = hostOf(p.e.Program(), o.Port, c.Port)
			p.port(o.Port)
			p.got[o.Port] = append(p.got[o.Port], Packet{o.Port, slices.Clone(o.Data)})
			p.total++
		}
	case Expect:
		p.port(c.Port)
		p.expects[c.Port] = append(p.expects[c.Port], c)
	case NoPacket:
		p.nothing = c.Line
	case Wait:
		// Packets are through when Process returns (T14).
	case CheckCounter:
		return p.checkCounter(c)
	case CounterRead:
		pk, by, err := p.instance(c)
		if err != nil {
			return err
		}
		p.verbose(fmt.Sprintf("%s[%d]: %d packets, %d bytes", c.Name, c.Index, pk, by))
	case RegisterRead, RegisterWrite, RegisterReset:
		return p.register(c)
	case CounterWrite, CounterReset:
		return p.writeCounter(c)
	case MeterRead, MeterSet, MeterSetAll:
		return p.meter(c)
	case Member, Group:
		return p.profile(c)
	default:
		return p.replication(c)
	}
	return nil
}

// portHost is the port of D8 that leads to the stack of the ingress port.
const portHost = 509

// hostOf: the packet filters of ebpf_model, xdp_model and ubpf_model pass packets on
// to the stack behind the port they came in, and their tests expect them at that
// port.
func hostOf(p *ir.Program, port, in uint32) uint32 {
	switch p.Arch {
	case "ebpf", "xdp", "ubpf":
		if port == portHost {
			return in
		}
	}
	return port
}

// trace prints what became of a packet, where the engine tells.
func (p *player) trace(c *Command) {
	t, is := p.e.(Tracer)
	if !is {
		return
	}
	steps := t.Trace()
	if len(steps) > 0 {
		p.verbose(fmt.Sprintf("%s:%d: packet on port %d, %d bytes", p.t.Name, c.Line, c.Port, len(c.Data)))
	}
	for _, s := range steps {
		p.verbose("  " + s)
	}
}

func (p *player) port(n uint32) {
	if !slices.Contains(p.ports, n) {
		p.ports = append(p.ports, n)
	}
}

func (p *player) entry(c *Command) error {
	ts := p.e.Program().Tables
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = t.Name
	}
	i, err := find("table", names, c.Table)
	if err != nil {
		return err
	}
	e, err := entry(ts[i], c)
	if err != nil {
		return fmt.Errorf("table %s: %w", ts[i].Name, err)
	}
	if c.Kind == SetDefault {
		return p.e.SetDefault(i, e)
	}
	e.Handle = p.handles[i] + 1
	if err := p.e.Insert(i, e); err != nil {
		return err
	}
	p.handles[i]++
	if c.ID != "" {
		p.entries[c.ID] = ref{i, e.Handle}
	}
	return nil
}

func (p *player) array(kind, name string) (*ir.Instance, error) {
	var is []*ir.Instance
	var names []string
	for _, i := range p.e.Program().Instances {
		if strings.EqualFold(i.Type.Name, kind) || kind == "counter" && i.Type.Name == "CounterArray" {
			is, names = append(is, i), append(names, i.Name)
		}
	}
	i, err := find(kind, names, name)
	if err != nil {
		return nil, err
	}
	return is[i], nil
}

func (p *player) instance(c *Command) (packets, bytes uint64, err error) {
	i, err := p.array("counter", c.Name)
	if err != nil {
		return 0, 0, err
	}
	return p.e.InstanceCounter(i.Name, c.Index)
}

// checkCounter: the counter is an array with an index, or the direct counter of
// an entry. p4c's own runner never looks (T13).
func (p *player) checkCounter(c *Command) error {
	var packets, bytes uint64
	var err error
	if c.Handle != "" {
		r, is := p.entries[c.Handle]
		if !is {
			return fmt.Errorf("no entry is called %s", c.Handle)
		}
		packets, bytes, err = p.e.Counter(r.table, r.handle)
	} else {
		packets, bytes, err = p.instance(c)
	}
	if err != nil || c.Op == "" {
		return err
	}
	got, unit := packets, "packets"
	if c.Bytes {
		got, unit = bytes, "bytes"
	}
	ok := false
	switch c.Op {
	case "==":
		ok = got == c.Value
	case "!=":
		ok = got != c.Value
	case "<=":
		ok = got <= c.Value
	case ">=":
		ok = got >= c.Value
	case "<":
		ok = got < c.Value
	case ">":
		ok = got > c.Value
	}
	if !ok {
		return fmt.Errorf("counter %s: expected %s %s %d, received %d", c.Name, unit, c.Op, c.Value, got)
	}
	return nil
}

func (p *player) register(c *Command) error {
	i, err := p.array("register", c.Name)
	if err != nil {
		return err
	}
	size := arraySize(i)
	w := ir.Width(i.Type.Args[0])
	leaves, _ := ir.Leaves(i.Type.Args[0])
	switch c.Kind {
	case RegisterWrite:
		if w < 0 {
			return &Unsupported{fmt.Sprintf("register_write %s: its elements are of type %s, which one number is not", c.Name, i.Type.Args[0])}
		}
		v, err := parseNumber(c.Text, w)
		if err != nil {
			return err
		}
		return p.e.SetRegister(i.Name, c.Index, ir.MachineBytes(v, w))
	case RegisterReset:
		for n := range size {
			if err := p.e.SetRegister(i.Name, n, make([]byte, ir.LeafBytes(leaves))); err != nil {
				return err
			}
		}
		return nil
	}
	from, to := c.Index, c.Index+1
	if c.All {
		from, to = 0, size
	}
	for n := from; n < to; n++ {
		v, err := p.e.Register(i.Name, n)
		if err != nil {
			return err
		}
		p.verbose(fmt.Sprintf("%s[%d]: 0x%x", c.Name, n, v))
	}
	return nil
}
