// Package kernelstf is the engine of packet tests in the kernel: a datapath of
// runtime/kernel, with its tables and everything else that tests program. Played
// packets (New) need no netdevs and may be as short as a test wants; what sends them
// through netdevs makes its own Process.
//
// In: core programs, commands of tests. Out: packets, counters, registers. Must not
// import: nicctl, store, adapters.
package kernelstf

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
	"github.com/p4nic/p4nic/internal/kernelrun"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/kernel"
)

// playNow is the time of all packets, as the other engines of tests have it.
const playNow = 5_000_000 // nanoseconds

// Control are the methods of stf engines that need no packets.
type Control struct {
	Plane   *kernel.Plane
	program *ir.Program
	entries []map[uint32]ir.Entry
	rates   map[meterCell]ir.MeterRates
}

// Engine plays packets on a program in the kernel.
type Engine struct{ Control }

var (
	_ stf.Engine     = (*Engine)(nil)
	_ stf.Replicator = (*Engine)(nil)
)

// New loads a core program for a hook, xdp or tc, under the name of an instance.
// What the kernel does not run is *stf.Unsupported.
func New(p *ir.Program, hook, instance string) (*Engine, error) {
	plane, err := kernel.Open(kernel.Options{Instance: instance, Play: hook})
	if err != nil {
		return nil, err
	}
	e := &Engine{Control{Plane: plane}}
	if err := e.Load(p); err != nil {
		return nil, errors.Join(Refused(err), plane.DetachAll())
	}
	return e, nil
}

// Close takes everything out of the kernel.
func (e *Engine) Close() error { return e.Plane.DetachAll() }

// Refused gives errors of the plane the form of tests.
func Refused(err error) error {
	if u, is := errors.AsType[*dataplane.Unsupported](err); is {
		return &stf.Unsupported{Reason: u.Error()}
	}
	return err
}

// Load makes a core program with its initial entries live.
func (c *Control) Load(p *ir.Program) error {
	c.program, c.entries = p, nil
	if err := c.Plane.Check(p); err != nil {
		return err
	}
	conf := dataplane.Config{Program: p, Sequence: 1}
	for _, t := range p.Tables {
		entries, def, err := t.Initial()
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
		conf.Content = append(conf.Content, dataplane.Content{Entries: entries, Default: def})
		held := map[uint32]ir.Entry{}
		for _, en := range entries {
			held[en.Handle] = en
		}
		c.entries = append(c.entries, held)
	}
	g, err := c.Plane.Prepare(conf)
	if err != nil {
		return err
	}
	return g.Commit()
}

// Program is the program that runs.
func (c *Control) Program() *ir.Program { return c.program }

// Process plays a packet.
func (e *Engine) Process(port uint32, data []byte) ([]stf.Packet, error) {
	out, err := e.Plane.Play(port, data, playNow)
	if _, dropped := errors.AsType[*kernelrun.Dropped](err); err != nil && !dropped {
		return nil, err
	}
	var ps []stf.Packet
	for _, o := range out {
		ps = append(ps, stf.Packet{Port: o.Port, Data: slices.Clone(o.Data)})
	}
	return ps, nil
}

// apply makes one change of a table.
func (c *Control) apply(kind dataplane.OpKind, table int, en ir.Entry) error {
	for _, err := range c.Plane.Apply([]dataplane.Op{{Kind: kind, Table: table, Entry: en}}) {
		if err != nil {
			return Refused(err)
		}
	}
	return nil
}

// Insert adds an entry. That its match is a new one is for the owner of a plane to
// know; entries of equal match and priority are told apart by their age alone.
func (c *Control) Insert(table int, en ir.Entry) error {
	if !prioritised(c.program.Tables[table]) {
		for _, old := range c.entries[table] {
			if reflect.DeepEqual(old.Match, en.Match) {
				return fmt.Errorf("table %s: an entry with this match is there", c.program.Tables[table].Name)
			}
		}
	}
	if err := c.apply(dataplane.Insert, table, en); err != nil {
		return err
	}
	c.entries[table][en.Handle] = en
	return nil
}

// prioritised tells whether entries of a table have priorities.
func prioritised(t *ir.Table) bool {
	return slices.ContainsFunc(t.Keys, func(k ir.Key) bool {
		return k.Kind == ir.MatchTernary || k.Kind == ir.MatchRange || k.Kind == ir.MatchOptional
	})
}

// Delete removes an entry that Insert added.
func (c *Control) Delete(table int, handle uint32) error {
	en, is := c.entries[table][handle]
	if !is {
		return fmt.Errorf("table %s: handle %d: %w", c.program.Tables[table].Name, handle, dataplane.ErrNoEntry)
	}
	delete(c.entries[table], handle)
	return c.apply(dataplane.Delete, table, en)
}

// SetDefault changes a default action.
func (c *Control) SetDefault(table int, en ir.Entry) error {
	en.Handle = 0
	return c.apply(dataplane.SetDefault, table, en)
}

// Counter reads the direct counter of an entry.
func (c *Control) Counter(table int, handle uint32) (packets, octets uint64, err error) {
	var n [1]dataplane.Counter
	err = c.Plane.Counters(table, []uint32{handle}, n[:])
	return n[0].Packets, n[0].Bytes, err
}

// InstanceCounter reads a cell of an indirect counter.
func (c *Control) InstanceCounter(name string, index uint32) (packets, octets uint64, err error) {
	var n [1]dataplane.Counter
	err = c.Plane.InstanceCounters(name, []uint32{index}, n[:])
	return n[0].Packets, n[0].Bytes, err
}

// SetMulticastGroup makes or replaces a group.
func (c *Control) SetMulticastGroup(id uint32, replicas []ir.Replica) error {
	return c.Plane.SetMulticastGroup(id, replicas)
}

// DeleteMulticastGroup removes a group.
func (c *Control) DeleteMulticastGroup(id uint32) error { return c.Plane.DeleteMulticastGroup(id) }

// SetCloneSession makes or replaces a clone session.
func (c *Control) SetCloneSession(id uint32, s ir.CloneSession) error {
	return c.Plane.SetCloneSession(id, s)
}

// DeleteCloneSession removes a clone session.
func (c *Control) DeleteCloneSession(id uint32) error { return c.Plane.DeleteCloneSession(id) }
