package ebpf

import (
	"github.com/p4nic/p4nic/compiler/ssa"
)

// fn builds SSA functions by hand.
type fn struct {
	*ssa.Func
	id int
}

func newFn(l *Layout) *fn {
	return &fn{Func: &ssa.Func{Name: "test", Prog: l.Prog, HeaderImage: 64}}
}

func (f *fn) block(name string, params ...ssa.Type) *blk {
	b := &ssa.Block{ID: len(f.Blocks), Name: name}
	for _, t := range params {
		b.Params = append(b.Params, f.val(ssa.OpParam, t))
	}
	f.Blocks = append(f.Blocks, b)
	return &blk{b, f}
}

func (f *fn) val(op ssa.Op, t ssa.Type, args ...*ssa.Value) *ssa.Value {
	f.id++
	return &ssa.Value{ID: f.id, Op: op, Type: t, Args: args}
}

type blk struct {
	*ssa.Block
	f *fn
}

func (b *blk) op(op ssa.Op, t ssa.Type, args ...*ssa.Value) *ssa.Value {
	v := b.f.val(op, t, args...)
	b.Instrs = append(b.Instrs, v)
	return v
}

func (b *blk) c(t ssa.Type, x uint64) *ssa.Value {
	v := b.op(ssa.OpConst, t)
	v.Aux = x
	return v
}

func (b *blk) load(p *ssa.Value, off, n int) *ssa.Value {
	v := b.op(ssa.OpLoad, ssa.Type(8*n), p)
	v.Aux, v.N = uint64(off), n
	return v
}

func (b *blk) store(p *ssa.Value, off, n int, x *ssa.Value) {
	v := b.op(ssa.OpStore, 0, p, x)
	v.Aux, v.N = uint64(off), n
}

func (b *blk) sym(op ssa.Op, t ssa.Type, sym any, args ...*ssa.Value) *ssa.Value {
	v := b.op(op, t, args...)
	v.Sym = sym
	return v
}

func to(b *blk, args ...*ssa.Value) ssa.Edge { return ssa.Edge{To: b.Block, Args: args} }

func (b *blk) check(off *ssa.Value, n int, yes, no ssa.Edge) {
	b.Term = ssa.Term{Kind: ssa.TermCheck, Cond: off, N: n, Succs: []ssa.Edge{yes, no}}
}

func (b *blk) output(port *ssa.Value) { b.Term = ssa.Term{Kind: ssa.TermOutput, Cond: port} }

func (b *blk) drop(r ssa.DropReason) { b.Term = ssa.Term{Kind: ssa.TermDrop, Reason: r} }

// Param gives a block's parameter.
func (b *blk) param(i int) *ssa.Value { return b.Params[i] }
