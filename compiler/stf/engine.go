package stf

import (
	"errors"
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// Time and chance of tests: a test cannot expect what depends on them.
const testNow = 5_000_000 // nanoseconds

func testRand() uint32 { return 7 }

// NewSim makes an engine of ir/exec, for a program of any level. What exec does
// not run is *Unsupported.
func NewSim(p *ir.Program) (Engine, error) { return NewSimExterns(p, nil) }

// NewSimExterns is NewSim for a program that declares extern functions of its own,
// which come from elsewhere: to bmv2, as modules.
func NewSimExterns(p *ir.Program, externs map[string]exec.Extern) (Engine, error) {
	m, err := exec.New(p, exec.Options{Now: func() uint64 { return testNow }, Rand: testRand, Externs: externs})
	if u, is := errors.AsType[*exec.Unsupported](err); is {
		return nil, &Unsupported{u.Error()}
	}
	if err != nil {
		return nil, err
	}
	return &sim{m: m}, nil
}

type sim struct {
	m       *exec.Machine
	res     exec.Result
	tracing bool
}

func (s *sim) Program() *ir.Program { return s.m.Program() }

func (s *sim) Process(port uint32, data []byte) ([]Packet, error) {
	s.m.ProcessTo(&exec.Packet{Port: port, Data: data, Trace: s.tracing}, &s.res)
	var out []Packet
	for _, o := range s.res.Outputs {
		out = append(out, Packet{o.Port, o.Data})
	}
	return out, nil
}

func (s *sim) Insert(t int, e ir.Entry) error              { return s.m.Insert(t, e) }
func (s *sim) Delete(t int, h uint32) error                { return s.m.Delete(t, h) }
func (s *sim) SetDefault(t int, e ir.Entry) error          { return s.m.SetDefault(t, e) }
func (s *sim) Register(n string, i uint32) ([]byte, error) { return s.m.Register(n, i) }
func (s *sim) SetRegister(n string, i uint32, v []byte) error {
	return s.m.SetRegister(n, i, v)
}

func (s *sim) SetTrace(on bool) { s.tracing = on }

func (s *sim) Trace() []string {
	var out []string
	for _, e := range s.res.Trace {
		out = append(out, e.String())
	}
	return out
}

func (s *sim) SetMulticastGroup(id uint32, rs []ir.Replica) error {
	return s.m.SetMulticastGroup(id, rs)
}
func (s *sim) DeleteMulticastGroup(id uint32) error               { return s.m.DeleteMulticastGroup(id) }
func (s *sim) SetCloneSession(id uint32, c ir.CloneSession) error { return s.m.SetCloneSession(id, c) }
func (s *sim) DeleteCloneSession(id uint32) error                 { return s.m.DeleteCloneSession(id) }
func (s *sim) SetMember(n string, m ir.ProfileMember) error       { return s.m.SetMember(n, m) }
func (s *sim) SetGroup(n string, g ir.ProfileGroup) error         { return s.m.SetGroup(n, g) }
func (s *sim) Meter(n string, i uint32) (*ir.MeterRates, error)   { return s.m.Meter(n, i) }
func (s *sim) SetMeter(n string, i uint32, r *ir.MeterRates) error {
	return s.m.SetMeter(n, i, r)
}
func (s *sim) SetInstanceCounter(n string, i uint32, packets, bytes uint64) error {
	return s.m.SetInstanceCounter(n, i, exec.Counter{Packets: packets, Bytes: bytes})
}

// What sim can do besides Engine.
var (
	_ Tracer        = (*sim)(nil)
	_ Replicator    = (*sim)(nil)
	_ Metered       = (*sim)(nil)
	_ Profiled      = (*sim)(nil)
	_ CounterWriter = (*sim)(nil)
)

func (s *sim) Counter(t int, h uint32) (packets, bytes uint64, err error) {
	c, err := s.m.Counter(t, h)
	return c.Packets, c.Bytes, err
}

func (s *sim) InstanceCounter(n string, i uint32) (packets, bytes uint64, err error) {
	c, err := s.m.InstanceCounter(n, i)
	return c.Packets, c.Bytes, err
}

// NewSSA makes an engine of the SSA interpreter, for a core program. What SSA
// has no lowering for is *Unsupported.
func NewSSA(p *ir.Program) (Engine, error) {
	f, err := ssa.Lower(p, ssa.Options{})
	if u, is := errors.AsType[*ssa.Unsupported](err); is {
		return nil, &Unsupported{u.Error()}
	}
	if err != nil {
		return nil, err
	}
	in, err := ssa.NewInterp(f, ssa.InterpOptions{Now: func() uint64 { return testNow }, Rand: testRand})
	if err != nil {
		return nil, err
	}
	return &ssaEngine{in: in, p: p}, nil
}

type ssaEngine struct {
	in *ssa.Interp
	p  *ir.Program
}

func (s *ssaEngine) Program() *ir.Program { return s.p }

func (s *ssaEngine) Process(port uint32, data []byte) ([]Packet, error) {
	r, err := s.in.Process(ssa.Packet{Port: port, Data: data})
	var out []Packet
	for _, o := range r.Outputs {
		out = append(out, Packet{o.Port, o.Data})
	}
	return out, err
}

var _ Replicator = (*ssaEngine)(nil)

func (s *ssaEngine) SetMulticastGroup(id uint32, rs []ir.Replica) error {
	return s.in.SetMulticastGroup(id, rs)
}
func (s *ssaEngine) DeleteMulticastGroup(id uint32) error { return s.in.DeleteMulticastGroup(id) }
func (s *ssaEngine) SetCloneSession(id uint32, c ir.CloneSession) error {
	return s.in.SetCloneSession(id, c)
}
func (s *ssaEngine) DeleteCloneSession(id uint32) error { return s.in.DeleteCloneSession(id) }

func (s *ssaEngine) Insert(t int, e ir.Entry) error     { return s.in.Insert(t, e) }
func (s *ssaEngine) Delete(t int, h uint32) error       { return s.in.Delete(t, h) }
func (s *ssaEngine) SetDefault(t int, e ir.Entry) error { return s.in.SetDefault(t, e) }

func (s *ssaEngine) Counter(t int, h uint32) (packets, bytes uint64, err error) {
	c := s.in.Counter(t, h)
	return c.Packets, c.Bytes, nil
}

func (s *ssaEngine) find(name string) (*ir.Instance, error) {
	for _, i := range s.p.Instances {
		if i.Name == name {
			return i, nil
		}
	}
	return nil, fmt.Errorf("there is no %s", name)
}

func (s *ssaEngine) InstanceCounter(name string, index uint32) (packets, bytes uint64, err error) {
	i, err := s.find(name)
	if err != nil {
		return 0, 0, err
	}
	c, ok := s.in.InstanceCounter(i, uint64(index))
	if !ok {
		return 0, 0, fmt.Errorf("there is no %s[%d]", name, index)
	}
	return c.Packets, c.Bytes, nil
}
