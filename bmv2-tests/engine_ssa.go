package bmv2tests

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// ssaEngine is the interpreter of package ssa.
type ssaEngine struct {
	in       *ssa.Interp
	p        *ir.Program
	content  []packetcase.Content
	out      []packetcase.Packet
	now      uint64
	messages []string
}

func newSSA(plain bool) func(*Program, []packetcase.Content) (Engine, error) {
	return SSAWith(ssa.Options{NoOptimize: plain})
}

// SSAWith makes interpreters of what is lowered with o.
func SSAWith(o ssa.Options) func(*Program, []packetcase.Content) (Engine, error) {
	return func(p *Program, content []packetcase.Content) (Engine, error) {
		f, err := ssa.Lower(p.Core, o)
		if err != nil {
			return nil, err
		}
		e := &ssaEngine{p: p.Core, content: content, now: fixedNow}
		in, err := ssa.NewInterp(f, optionsOf(e))
		if err != nil {
			return nil, err
		}
		for i, t := range p.Core.Tables {
			if len(t.Actions) == 0 {
				continue
			}
			if err := in.SetDefault(i, content[i].Default); err != nil {
				return nil, err
			}
			for _, e := range content[i].Entries {
				// What the program itself writes is there already.
				if int(e.Handle) <= len(t.Entries) {
					continue
				}
				if err := in.Insert(i, e); err != nil {
					return nil, err
				}
			}
		}
		e.in = in
		return e, nil
	}
}

func (e *ssaEngine) Process(port uint32, data []byte) ([]packetcase.Packet, error) {
	r, err := e.in.Process(ssa.Packet{Port: port, Data: data})
	if err != nil {
		return nil, err
	}
	if r.Dropped {
		return nil, programDrop(r.Reason)
	}
	e.out = e.out[:0]
	for _, o := range r.Outputs {
		e.out = append(e.out, packetcase.Packet{Port: o.Port, Data: o.Data})
	}
	return e.out, nil
}

// programDrop tells the drops that a program asks for from those that an engine
// decides on.
func programDrop(r ssa.DropReason) error {
	if r != ssa.DropProgram && r != ssa.DropParser {
		return fmt.Errorf("dropped for reason %d, which is none of the program's", r)
	}
	return nil
}

func (e *ssaEngine) SetMulticastGroup(id uint32, rs []ir.Replica) error {
	return e.in.SetMulticastGroup(id, rs)
}

func (e *ssaEngine) SetCloneSession(id uint32, s ir.CloneSession) error {
	return e.in.SetCloneSession(id, s)
}

func (e *ssaEngine) State() (State, error) {
	s := State{}
	for i, t := range e.p.Tables {
		if t.Counters == nil {
			continue
		}
		for h := range uint32(len(e.content[i].Entries) + 1) {
			c := e.in.Counter(i, h)
			s.count(t.Name, h, c.Packets, c.Bytes)
		}
	}
	for _, in := range e.p.Instances {
		for i := range cells(in) {
			if in.Type.Name == "CounterArray" {
				n, _ := e.in.CounterArray(in, i)
				s.count(in.Name, i, uint64(n), 0)
				continue
			}
			if in.Kind() == "counter" {
				c, ok := e.in.InstanceCounter(in, uint64(i))
				if !ok {
					return nil, fmt.Errorf("there is no %s[%d]", in.Name, i)
				}
				s.count(in.Name, i, c.Packets, c.Bytes)
				continue
			}
			limbs, ok := e.in.Register(in, uint64(i))
			if !ok {
				return nil, fmt.Errorf("there is no %s[%d]", in.Name, i)
			}
			if limbs != nil {
				leaves, _ := ir.Leaves(in.Type.Args[0])
				s.register(in.Name, i, ir.PackLeaves(leaves, limbs))
			}
		}
	}
	return s, nil
}

func (e *ssaEngine) Close() error { return nil }
