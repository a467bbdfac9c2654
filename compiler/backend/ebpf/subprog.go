package ebpf

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// subprog is a global function beside the program: one argument, one number as
// result. The verifier walks it once, whatever states of the program call it, so
// loops belong here.
type subprog struct {
	*builder
	name   string
	what   string // the construct it serves, for refusals
	pos    ir.Pos
	of     any // the engine it serves
	arg    vreg
	fn     *btf.Func
	blocks []*mblock
	calls  *subprog // the deepest function that it calls, nil for none
	as     *assignment
}

// newSubprog starts a function.
func newSubprog(name string, argType btf.Type) *subprog {
	s := &subprog{builder: newBuilder(), name: name}
	s.arg = s.ptr()
	s.place(s.newBlock())
	s.emit(minst{op: mEntry, dst: s.arg})
	s.fn = &btf.Func{
		Name: name,
		Type: &btf.FuncProto{
			Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
			Params: []btf.FuncParam{{Name: "arg", Type: argType}},
		},
		Linkage: btf.GlobalFunc,
	}
	return s
}

func (s *subprog) keyArea() int { return (s.keyMax + 7) &^ 7 }

// allocate gives registers; false when its values do not fit the stack.
func (s *subprog) allocate(join bool) bool {
	s.blocks = reachable(s.builder.blocks)
	removeDead(s.blocks, len(s.vregs), noReg)
	var ok bool
	s.as, ok = allocate(s.builder, s.blocks, (stackBytes-s.keyArea())/8, noReg, join)
	return ok
}

// frame is the stack that the kernel counts for it.
func (s *subprog) frame() int {
	return (max(s.keyArea()+8*s.as.stack, 1) + 31) &^ 31
}

// depth is the stack of it and of what it calls.
func (s *subprog) depth() int {
	if s.calls == nil {
		return s.frame()
	}
	return s.frame() + s.calls.depth()
}

// instructions emits it.
func (s *subprog) instructions(lines *lineTable, slots bool) (asm.Instructions, error) {
	e := &emitter{as: s.as, keyBase: -s.keyArea(), source: lines.source, pos: s.pos, slots: slots}
	if err := e.program(s.blocks); err != nil {
		return nil, err
	}
	e.out[0] = btf.WithFuncMetadata(e.out[0].WithSymbol(s.name), s.fn)
	return e.out, nil
}

// contextType is the program's argument as the verifier wants it named.
func contextType(h Hook) btf.Type {
	name := "xdp_md"
	if h == TC {
		name = "__sk_buff"
	}
	return &btf.Pointer{Target: &btf.Struct{Name: name, Size: 4}}
}
