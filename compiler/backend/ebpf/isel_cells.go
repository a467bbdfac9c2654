package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// CounterArray of ebpf_model: 32-bit counters in a map that user space finds under
// the object's name, an ARRAY or, where sparse, a HASH of u32 by u32.

func (l *Layout) planCells(in *ir.Instance) (*Instance, error) {
	n, err := cellsOf(in, 1<<24)
	if err != nil {
		return nil, unsupported(l.Prog, in.Pos, in.Type.Name+" "+in.Name, err.Error(), "")
	}
	m := &MapSpec{Name: "cells:" + in.Name, Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: n, Role: State}
	if len(in.Args) > 1 {
		c, ok := in.Args[1].(*ir.Const)
		if !ok {
			return nil, unsupported(l.Prog, in.Pos, in.Type.Name+" "+in.Name, fmt.Sprintf("its argument sparse, %T, is not constant", in.Args[1]), "")
		}
		if c.Val.Sign() != 0 {
			m.Type = ebpf.Hash
		}
	}
	return &Instance{IR: in, Cells: n, Width: 32, CounterArray: m}, nil
}

const bpfNoExist = 1

// cellAdd adds to a cell of a CounterArray. A sparse one gets its cell first, with
// zero and where there is room; whoever is second finds that of the first.
func (g *gen) cellAdd(v *ssa.Value) {
	in := g.instanceOf(v)
	if in == nil || in.CounterArray == nil {
		return
	}
	name := g.useMap(in.CounterArray.Name)
	index, n := g.use(v.Args[0]), g.use(v.Args[1])
	found, done := g.newBlock(), g.newBlock()
	p := g.ptr()
	g.store(fp, 0, index, asm.Word)
	g.call(p, asm.FnMapLookupElem, argMap(name), argKey(0))
	if in.CounterArray.Type == ebpf.Hash {
		g.branchImm(asm.JNE, p, 0, found)
		r := g.scalar()
		g.storeImm(fp, 8, 0, asm.Word)
		g.call(r, asm.FnMapUpdateElem, argMap(name), argKey(0), argKey(8), argImm(bpfNoExist))
		g.call(p, asm.FnMapLookupElem, argMap(name), argKey(0))
		g.branchImm(asm.JEq, p, 0, done)
		g.jump(found)
		g.place(found)
	} else {
		g.branchImm(asm.JEq, p, 0, done)
	}
	g.emit(minst{op: mAtomic, dst: p, src: n, size: asm.Word})
	g.jump(done)
	g.place(done)
}
