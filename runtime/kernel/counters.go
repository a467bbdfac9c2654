package kernel

import (
	"fmt"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// Counters sums the direct counters of entries over the CPUs (D12). They are
// only ever added to; what a new owner of a handle starts from is the store's
// to remember.
func (p *Plane) Counters(tableIndex int, handles []uint32, out []dataplane.Counter) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed || p.live == nil {
		return errNoPipeline
	}
	if tableIndex < 0 || tableIndex >= len(p.live.tables) {
		return fmt.Errorf("there is no table %d", tableIndex)
	}
	t := p.live.tables[tableIndex]
	if t.counter == nil {
		return fmt.Errorf("table %s has no direct counter", t.l.IR.Name)
	}
	if err := sum(t.counter, t.l.Counter, p.live.layout.NCPU, handles, out); err != nil {
		return fmt.Errorf("table %s: %w", t.l.IR.Name, err)
	}
	return nil
}

// InstanceCounters sums cells of an indirect counter.
func (p *Plane) InstanceCounters(name string, index []uint32, out []dataplane.Counter) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed || p.live == nil {
		return errNoPipeline
	}
	for _, in := range p.live.layout.Instances {
		if in == nil || in.Counter == nil || in.IR.Name != name {
			continue
		}
		if err := sum(p.live.states[in.Counter.Map.Name], in.Counter, p.live.layout.NCPU, index, out); err != nil {
			return fmt.Errorf("counter %s: %w", name, err)
		}
		p.live.lessBase(in, index, out)
		return nil
	}
	return fmt.Errorf("there is no counter %s", name)
}

func sum(m *mapped, c *backend.CounterLayout, ncpu int, cells []uint32, out []dataplane.Counter) error {
	if len(out) < len(cells) {
		return fmt.Errorf("room for %d values, %d asked for", len(out), len(cells))
	}
	for i, cell := range cells {
		if cell >= c.Cells {
			return fmt.Errorf("there is no cell %d of %d", cell, c.Cells)
		}
		var s dataplane.Counter
		for cpu := range c.Copies(ncpu) {
			n := c.Index(cpu, cell)
			s.Packets += m.load(n, 0)
			s.Bytes += m.load(n, 1)
		}
		out[i] = s
	}
	return nil
}

// Drops gives, by reason (ssa.DropReason and the Drop constants of the back
// end), the packets and bytes dropped since the instance was made.
func (p *Plane) Drops() ([]dataplane.Counter, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return nil, errClosed
	}
	out := make([]dataplane.Counter, backend.DropReasons)
	for i := range out {
		var cpus []backend.DropStats
		if err := p.maps[backend.MapDrops].Lookup(uint32(i), &cpus); err != nil {
			return nil, fmt.Errorf("drop counters: %w", err)
		}
		for _, c := range cpus {
			out[i].Packets += c.Packets
			out[i].Bytes += c.Bytes
		}
	}
	return out, nil
}
