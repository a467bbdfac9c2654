package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// CounterArray of ebpf_model.p4: counters of 32 bits that wrap. Its argument
// max_index is the number of cells. An array has the indices below it; a sparse
// one has any, as many as there are cells, and counts nothing for one more.

func (k *compiler) counterArray(r *instance, i *ir.Instance) {
	r.size = k.size(i, maxCells)
	sparse := len(i.Args) > 1 && constVal(i.Args[1]) != nil && constVal(i.Args[1]).Sign() != 0
	if sparse {
		r.sparse = map[uint32]uint32{}
		return
	}
	r.cells = make([]cell, r.size)
}

// addTo counts n at an index.
func (i *instance) addTo(index, n uint32) {
	if i.sparse == nil {
		if uint64(index) < i.size {
			i.cells[index].packets.Add(uint64(n))
		}
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, is := i.sparse[index]; is || uint64(len(i.sparse)) < i.size {
		i.sparse[index] += n
	}
}

func (k *compiler) counterArrayAdd(s *externSite) stmt {
	i := k.object(s, "CounterArray")
	by := func(*ctx) uint64 { return 1 }
	if s.name == "CounterArray.add" {
		k.need(s, 2, 2)
		by = k.slotArg(s, 1).u
	} else {
		k.need(s, 1, 1)
	}
	index := k.slotArg(s, 0)
	return after(func(c *ctx) {
		n, v := index.u(c), by(c)
		if c.pend == next {
			i.addTo(uint32(n), uint32(v))
		}
	})
}

// CounterArray reads a cell of a CounterArray with that control-plane name.
func (m *Machine) CounterArray(name string, index uint32) (uint32, error) {
	i, err := m.instanceByName(name, "CounterArray")
	if err != nil {
		return 0, err
	}
	if i.sparse != nil {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.sparse[index], nil
	}
	if uint64(index) >= i.size {
		return 0, fmt.Errorf("%s has %d cells, there is no %d", name, i.size, index)
	}
	return uint32(i.cells[index].packets.Load()), nil
}
