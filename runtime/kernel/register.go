package kernel

import (
	"fmt"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// openRegister maps a register; one that begins with something else than zeros is
// filled, unless packets have written it already.
func (g *generation) openRegister(in *backend.Instance) error {
	mem, err := mapArray(g.mapOf(in.Register))
	if err != nil {
		return err
	}
	g.states[in.Register.Name] = mem
	if in.Initial == nil || g.isKept(in.Register) {
		return nil
	}
	for c := range in.Cells {
		for k, v := range in.Initial {
			mem.store(c, k, v)
		}
	}
	return nil
}

// Register reads a cell in machine form (ir.Leaves). Each 64 bits of it are read
// at once; a cell of more may be one that a packet has half written.
func (p *Plane) Register(name string, index uint32) ([]byte, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed || p.live == nil {
		return nil, errNoPipeline
	}
	return p.live.Register(name, index)
}

// SetRegister writes a cell.
func (p *Plane) SetRegister(name string, index uint32, value []byte) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetRegister(name, index, value)
}

// SetInstanceCounter sets a cell of an indirect counter. The programs' counts are
// not touched: what they show when it is set is subtracted from then on (D12).
func (p *Plane) SetInstanceCounter(name string, index uint32, v dataplane.Counter) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetInstanceCounter(name, index, v)
}

func (g *generation) Register(name string, index uint32) ([]byte, error) {
	in, err := g.cellOf("register", name, index)
	if err != nil {
		return nil, err
	}
	mem := g.states[in.Register.Name]
	limbs := make([]uint64, in.Register.ValueSize/8)
	for k := range limbs {
		limbs[k] = mem.load(index, k)
	}
	return ir.PackLeaves(in.Leaves, limbs), nil
}

func (g *generation) SetRegister(name string, index uint32, value []byte) error {
	in, err := g.cellOf("register", name, index)
	if err != nil {
		return err
	}
	limbs, err := ir.UnpackLeaves(in.Leaves, value)
	if err != nil {
		return fmt.Errorf("register %s: %w", name, err)
	}
	mem := g.states[in.Register.Name]
	for k, v := range limbs {
		mem.store(index, k, v)
	}
	return nil
}

func (g *generation) SetInstanceCounter(name string, index uint32, v dataplane.Counter) error {
	in, err := g.cellOf("counter", name, index)
	if err != nil {
		return err
	}
	var now [1]dataplane.Counter
	if err := sum(g.states[in.Counter.Map.Name], in.Counter, g.layout.NCPU, []uint32{index}, now[:]); err != nil {
		return fmt.Errorf("counter %s: %w", name, err)
	}
	base := g.states[in.Base.Name]
	base.store(index, 0, now[0].Packets-v.Packets)
	base.store(index, 1, now[0].Bytes-v.Bytes)
	return nil
}

// lessBase turns what programs counted into what counters show.
func (g *generation) lessBase(in *backend.Instance, index []uint32, out []dataplane.Counter) {
	base := g.states[in.Base.Name]
	for i, n := range index {
		out[i].Packets -= base.load(n, 0)
		out[i].Bytes -= base.load(n, 1)
	}
}
