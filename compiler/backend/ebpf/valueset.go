package ebpf

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// A parser value set is a table without actions: its fields are ternary keys, its
// members rows that are scanned. The entry words are never read.

func (l *Layout) planValueSet(v *ir.ValueSet) (*Table, error) {
	bad := func(reason, remedy string) error {
		return unsupported(l.Prog, v.Pos, "value set "+v.Name, reason, remedy)
	}
	if v.Size > maxLinearRows {
		return nil, bad(fmt.Sprintf("%d members, at most %d are searched", v.Size, maxLinearRows), "declare a smaller size")
	}
	t := &ir.Table{Name: "value_set " + v.Name, Size: max(v.Size, 1), Pos: v.Pos}
	kl := keyLayout{table: t}
	for i, w := range ssa.ValueSetWidths(v) {
		if w < 0 {
			return nil, bad(fmt.Sprintf("field %d is no scalar", i+1), "")
		}
		kl.width = append(kl.width, w)
		t.Keys = append(t.Keys, ir.Key{
			Name: fmt.Sprint(i), Kind: ir.MatchTernary, Pos: v.Pos,
			Expr: &ir.VarRef{Meta: ir.Meta{T: &ir.Bit{W: w}, P: v.Pos}},
		})
	}
	tl := &Table{Index: -1, IR: t, Size: uint32(t.Size)}
	tl.Engine = newLinear(tl, kl)
	return tl, l.planWords(tl, "entry:"+t.Name, "")
}

// Members gives the entries of a value set's table: any order does, since it only
// matters whether one matches.
func (t *Table) Members(members [][]ir.Match) ([]ir.Entry, error) {
	if len(members) > int(t.Size) {
		return nil, fmt.Errorf("%s has room for %d members, not %d", t.IR.Name, t.Size, len(members))
	}
	out := make([]ir.Entry, len(members))
	for i, m := range members {
		if len(m) != len(t.IR.Keys) {
			return nil, fmt.Errorf("%s: a member has %d fields, not %d", t.IR.Name, len(m), len(t.IR.Keys))
		}
		e := ir.Entry{Handle: uint32(i + 1), Match: slices.Clone(m)}
		for k := range e.Match {
			w := ir.Width(t.IR.Keys[k].Expr.Type())
			f := &e.Match[k]
			if n := ir.ByteWidth(w); len(f.Value) != n || f.Mask != nil && len(f.Mask) != n {
				return nil, fmt.Errorf("%s: field %d has %d bytes, not %d", t.IR.Name, k+1, len(f.Value), n)
			}
			if f.Mask == nil {
				f.Mask = limbsToBytes(onesOf(w), w)
			}
		}
		out[i] = e
	}
	return out, nil
}

// setOf finds the table of OpInSet's value set.
func (g *gen) setOf(v *ssa.Value) *Table {
	i := slices.Index(g.l.Prog.ValueSets, v.Sym.(*ir.ValueSet))
	if i < 0 || i >= len(g.l.ValueSets) {
		g.fail(v.Pos, "value set "+v.Name, "the layout is of another program")
		return nil
	}
	return g.l.ValueSets[i]
}

func (g *gen) scanSet(v *ssa.Value) {
	if t := g.setOf(v); t != nil {
		if size := keyBytes(t.Engine); size > maxStackKey {
			g.need.scratch = true
			g.need.bigKey = max(g.need.bigKey, size)
		}
	}
}

// inSet looks the fields up: 1 where there is a member.
func (g *gen) inSet(v *ssa.Value) {
	t := g.setOf(v)
	if t == nil {
		return
	}
	keys := make([]vreg, len(v.Args))
	for i, a := range v.Args {
		keys[i] = g.use(a)
	}
	r := g.result(v)
	t.Engine.emit(g, keys, r)
	// Handles start at 1: the top bit of r - 1 is set for 0 alone.
	g.aluImm(asm.Sub, r, 1)
	g.aluImm(asm.RSh, r, 63)
	g.aluImm(asm.Xor, r, 1)
}
