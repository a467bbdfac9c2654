package ssa

import "github.com/p4nic/p4nic/compiler/ir"

// cellArray is a CounterArray: counters of 32 bits. A sparse one has cells at any
// index, at most as many as its size; the others have those below it.
type cellArray struct {
	size   uint64
	sparse bool
	cells  map[uint32]uint32
}

func newCellArray(i *ir.Instance, size uint64) *cellArray {
	c := &cellArray{size: size, cells: map[uint32]uint32{}}
	if len(i.Args) > 1 {
		x, ok := i.Args[1].(*ir.Const)
		c.sparse = ok && x.Val.Sign() != 0
	}
	return c
}

func (c *cellArray) add(index, n uint32) {
	_, is := c.cells[index]
	switch {
	case is:
	case c.sparse && uint64(len(c.cells)) == c.size, !c.sparse && uint64(index) >= c.size:
		return
	}
	c.cells[index] += n
}

// CounterArray reads a cell of a CounterArray; false for an index that it does not
// have.
func (in *Interp) CounterArray(i *ir.Instance, index uint32) (uint32, bool) {
	c := in.arrays[i]
	if c == nil || !c.sparse && uint64(index) >= c.size {
		return 0, false
	}
	return c.cells[index], true
}
