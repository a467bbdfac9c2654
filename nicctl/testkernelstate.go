package nicctl

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// What a kernelEngine has besides tables and copies.
var (
	_ stf.Metered       = (*kernelEngine)(nil)
	_ stf.Profiled      = (*kernelEngine)(nil)
	_ stf.CounterWriter = (*kernelEngine)(nil)
)

// meterCell is a cell of a meter.
type meterCell struct {
	name  string
	index uint32
}

// Register reads an element of a register.
func (e *kernelEngine) Register(name string, index uint32) ([]byte, error) {
	return e.plane.Register(name, index)
}

// SetRegister writes an element of a register.
func (e *kernelEngine) SetRegister(name string, index uint32, value []byte) error {
	return e.plane.SetRegister(name, index, value)
}

// SetMember makes a member of an action profile.
func (e *kernelEngine) SetMember(profile string, m ir.ProfileMember) error {
	return e.plane.SetMember(profile, m)
}

// SetGroup makes a group of an action selector.
func (e *kernelEngine) SetGroup(profile string, g ir.ProfileGroup) error {
	return e.plane.SetGroup(profile, g)
}

// SetMeter configures a cell of a meter.
func (e *kernelEngine) SetMeter(name string, index uint32, r *ir.MeterRates) error {
	if err := e.plane.SetMeter(name, index, r); err != nil {
		return err
	}
	if e.rates == nil {
		e.rates = map[meterCell]ir.MeterRates{}
	}
	delete(e.rates, meterCell{name, index})
	if r != nil {
		e.rates[meterCell{name, index}] = *r
	}
	return nil
}

// Meter gives the rates that a cell was set to.
func (e *kernelEngine) Meter(name string, index uint32) (*ir.MeterRates, error) {
	for _, i := range e.program.Instances {
		if i.Name == name && i.Kind() == "meter" {
			if r, set := e.rates[meterCell{name, index}]; set {
				return &r, nil
			}
			return nil, nil
		}
	}
	return nil, fmt.Errorf("there is no meter %s", name)
}

// SetInstanceCounter writes a cell of a counter.
func (e *kernelEngine) SetInstanceCounter(name string, index uint32, packets, octets uint64) error {
	return e.plane.SetInstanceCounter(name, index, dataplane.Counter{Packets: packets, Bytes: octets})
}
