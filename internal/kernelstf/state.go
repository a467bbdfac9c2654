package kernelstf

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// What an engine has besides tables and copies.
var (
	_ stf.Metered       = (*Engine)(nil)
	_ stf.Profiled      = (*Engine)(nil)
	_ stf.CounterWriter = (*Engine)(nil)
)

// meterCell is a cell of a meter.
type meterCell struct {
	name  string
	index uint32
}

// Register reads an element of a register.
func (c *Control) Register(name string, index uint32) ([]byte, error) {
	return c.Plane.Register(name, index)
}

// SetRegister writes an element of a register.
func (c *Control) SetRegister(name string, index uint32, value []byte) error {
	return c.Plane.SetRegister(name, index, value)
}

// SetMember makes a member of an action profile.
func (c *Control) SetMember(profile string, m ir.ProfileMember) error {
	return c.Plane.SetMember(profile, m)
}

// SetGroup makes a group of an action selector.
func (c *Control) SetGroup(profile string, g ir.ProfileGroup) error {
	return c.Plane.SetGroup(profile, g)
}

// SetMeter configures a cell of a meter.
func (c *Control) SetMeter(name string, index uint32, r *ir.MeterRates) error {
	if err := c.Plane.SetMeter(name, index, r); err != nil {
		return err
	}
	if c.rates == nil {
		c.rates = map[meterCell]ir.MeterRates{}
	}
	delete(c.rates, meterCell{name, index})
	if r != nil {
		c.rates[meterCell{name, index}] = *r
	}
	return nil
}

// Meter gives the rates that a cell was set to.
func (c *Control) Meter(name string, index uint32) (*ir.MeterRates, error) {
	for _, i := range c.program.Instances {
		if i.Name == name && i.Kind() == "meter" {
			if r, set := c.rates[meterCell{name, index}]; set {
				return &r, nil
			}
			return nil, nil
		}
	}
	return nil, fmt.Errorf("there is no meter %s", name)
}

// SetInstanceCounter writes a cell of a counter.
func (c *Control) SetInstanceCounter(name string, index uint32, packets, octets uint64) error {
	return c.Plane.SetInstanceCounter(name, index, dataplane.Counter{Packets: packets, Bytes: octets})
}
