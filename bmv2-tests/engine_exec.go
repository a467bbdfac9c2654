package bmv2tests

import (
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/passes"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// execEngine is ir/exec at one level.
type execEngine struct {
	m        *exec.Machine
	content  []packetcase.Content // of the tables of this level's program
	res      exec.Result
	out      []packetcase.Packet
	digests  []string
	messages []string // since Digests
	now      uint64
}

// Machine is ir/exec itself, nil for other engines: for what only it has yet,
// sessions, groups and meters.
func Machine(e Engine) *exec.Machine {
	if x, ok := e.(*execEngine); ok {
		return x.m
	}
	return nil
}

func newExecCore(p *Program, content []packetcase.Content) (Engine, error) {
	return newExec(p.Core, content, false)
}

func newExecTyped(p *Program, content []packetcase.Content) (Engine, error) {
	typed, err := retarget(p.Core, p.Typed, content)
	if err != nil {
		return nil, err
	}
	return newExec(p.Typed, typed, false)
}

func newExec(p *ir.Program, content []packetcase.Content, coverage bool) (*execEngine, error) {
	e := &execEngine{content: content, now: fixedNow}
	m, err := exec.New(p, exec.Options{
		Now: func() uint64 { return e.now }, Rand: fixedRand, Coverage: coverage,
		Digest: func(d ir.Digest) {
			e.digests = append(e.digests, fmt.Sprintf("%x", d.Fields))
			e.messages = append(e.messages, digestText(d))
		},
	})
	if err != nil {
		return nil, err
	}
	for i, c := range content {
		if len(p.Tables[i].Actions) == 0 {
			continue
		}
		if err := m.Load(i, c.Entries, c.Default); err != nil {
			return nil, err
		}
	}
	e.m = m
	return e, nil
}

func (e *execEngine) Process(port uint32, data []byte) ([]packetcase.Packet, error) {
	e.m.ProcessTo(&exec.Packet{Port: port, Data: data}, &e.res)
	e.out = e.out[:0]
	for _, o := range e.res.Outputs {
		e.out = append(e.out, packetcase.Packet{Port: o.Port, Data: o.Data})
	}
	if len(e.out) > 0 == e.res.Dropped {
		return nil, fmt.Errorf("%d packets and dropped is %v", len(e.out), e.res.Dropped)
	}
	return e.out, nil
}

func (e *execEngine) SetMulticastGroup(id uint32, rs []ir.Replica) error {
	return e.m.SetMulticastGroup(id, rs)
}

func (e *execEngine) SetCloneSession(id uint32, s ir.CloneSession) error {
	return e.m.SetCloneSession(id, s)
}

func (e *execEngine) State() (State, error) {
	s := State{}
	for i, d := range e.digests {
		s[fmt.Sprintf("digest[%d]", i)] = d
	}
	p := e.m.Program()
	for i, t := range p.Tables {
		if t.Counters == nil {
			continue
		}
		for h := range uint32(len(e.content[i].Entries) + 1) {
			c, err := e.m.Counter(i, h)
			if err != nil {
				return nil, err
			}
			s.count(t.Name, h, c.Packets, c.Bytes)
		}
	}
	for _, in := range p.Instances {
		for i := range cells(in) {
			if in.Type.Name == "CounterArray" {
				n, err := e.m.CounterArray(in.Name, i)
				if err != nil {
					return nil, err
				}
				s.count(in.Name, i, uint64(n), 0)
				continue
			}
			if in.Kind() == "counter" {
				c, err := e.m.InstanceCounter(in.Name, i)
				if err != nil {
					return nil, err
				}
				s.count(in.Name, i, c.Packets, c.Bytes)
				continue
			}
			v, err := e.m.Register(in.Name, i)
			if err != nil {
				return nil, err
			}
			s.register(in.Name, i, v)
		}
	}
	return s, nil
}

func (e *execEngine) Close() error { return nil }

// retarget gives the tables of another level of the same program the same
// content; tables that from does not have keep what the program writes.
func retarget(from, to *ir.Program, content []packetcase.Content) ([]packetcase.Content, error) {
	out := make([]packetcase.Content, len(to.Tables))
	for i, t := range to.Tables {
		f := slices.IndexFunc(from.Tables, func(o *ir.Table) bool { return o.Name == t.Name })
		if f < 0 {
			if len(t.Actions) > 0 {
				es, def, err := t.Initial()
				if err != nil {
					return nil, err
				}
				out[i] = packetcase.Content{Entries: es, Default: def}
			}
			continue
		}
		move := func(e ir.Entry) (ir.Entry, error) {
			if len(from.Tables[f].Actions) == 0 {
				return e, nil
			}
			// Levels differ in actions that are specialised for bound arguments.
			name := passes.ControlName(from.Tables[f].Actions[e.Action].Action)
			e.Action = slices.IndexFunc(t.Actions, func(a ir.ActionRef) bool { return passes.ControlName(a.Action) == name })
			if e.Action < 0 {
				return e, fmt.Errorf("table %s has no action %s at level %s", t.Name, name, to.Level)
			}
			return e, nil
		}
		for _, e := range content[f].Entries {
			e, err := move(e)
			if err != nil {
				return nil, err
			}
			out[i].Entries = append(out[i].Entries, e)
		}
		var err error
		if out[i].Default, err = move(content[f].Default); err != nil {
			return nil, err
		}
	}
	return out, nil
}
