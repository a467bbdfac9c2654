package stf

import (
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// What the SSA interpreter has besides tables and copies.
var (
	_ Metered       = (*ssaEngine)(nil)
	_ Profiled      = (*ssaEngine)(nil)
	_ CounterWriter = (*ssaEngine)(nil)
)

// on runs f with the object of that control-plane name.
func on[T any](s *ssaEngine, name string, f func(i *ir.Instance) (T, error)) (T, error) {
	i, err := s.find(name)
	if err != nil {
		var none T
		return none, err
	}
	return f(i)
}

// change is on without a result.
func (s *ssaEngine) change(name string, f func(i *ir.Instance) error) error {
	_, err := on(s, name, func(i *ir.Instance) (struct{}, error) { return struct{}{}, f(i) })
	return err
}

func (s *ssaEngine) Register(name string, index uint32) ([]byte, error) {
	return on(s, name, func(i *ir.Instance) ([]byte, error) { return s.in.ReadRegister(i, uint64(index)) })
}

func (s *ssaEngine) SetRegister(name string, index uint32, value []byte) error {
	return s.change(name, func(i *ir.Instance) error { return s.in.WriteRegister(i, uint64(index), value) })
}

func (s *ssaEngine) SetMember(name string, m ir.ProfileMember) error {
	return s.change(name, func(i *ir.Instance) error { return s.in.SetMember(i, m) })
}

func (s *ssaEngine) SetGroup(name string, g ir.ProfileGroup) error {
	return s.change(name, func(i *ir.Instance) error { return s.in.SetGroup(i, g) })
}

func (s *ssaEngine) SetMeter(name string, index uint32, r *ir.MeterRates) error {
	return s.change(name, func(i *ir.Instance) error { return s.in.SetMeter(i, index, r) })
}

func (s *ssaEngine) Meter(name string, index uint32) (*ir.MeterRates, error) {
	return on(s, name, func(i *ir.Instance) (*ir.MeterRates, error) { return s.in.Meter(i, index) })
}

func (s *ssaEngine) SetInstanceCounter(name string, index uint32, packets, bytes uint64) error {
	return s.change(name, func(i *ir.Instance) error {
		return s.in.SetInstanceCounter(i, uint64(index), ssa.Count{Packets: packets, Bytes: bytes})
	})
}
