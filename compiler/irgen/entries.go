package irgen

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/types"
)

// entries lowers the entries of a table (specification, "Entries").
func (g *gen) entries(e *env, t *ir.Table, d *ast.TableDecl, kts []types.Type) {
	t.HasEntries = true
	t.ConstEntries = d.Entries.IsConst
	for _, x := range d.Entries.List {
		use := g.info.Actions[x.Action]
		if use == nil {
			continue
		}
		args, vals := g.dataArgs(e, use)
		if len(vals) > 0 {
			g.errorf(codeUnsupported, x.Span, "an entry cannot supply an argument of type %s", vals[0].Type())
		}
		en := ir.ConstEntry{Action: use.Index, Args: args, Const: x.IsConst || d.Entries.IsConst, Pos: g.pos(x)}
		en.Sets = g.sets(e, x.Keys, kts)
		for i := range en.Sets {
			g.entrySet(t, x, i, &en.Sets[i], kts[i])
		}
		t.Entries = append(t.Entries, en)
	}
	if !t.NeedsPriority() {
		g.distinct(t, d)
	}
	if t.NeedsPriority() && len(t.Entries) == len(d.Entries.List) {
		g.priorities(e, t, d)
	}
}

// distinct refuses what a table without priorities cannot have: two entries
// with the same key, entries with a priority.
func (g *gen) distinct(t *ir.Table, d *ast.TableDecl) {
	seen := map[string]ir.Pos{}
	for i, x := range d.Entries.List {
		if x.Priority != nil && d.Key != nil {
			g.rep.Report(diag.Diagnostic{Code: codeBadPriority, Span: d.Key.Span,
				Message: fmt.Sprintf("the keys of table %s need no priorities, and entries have some", t.Name),
				Notes:   []diag.Note{{Span: span(x.Priority), Message: "a priority"}}})
			return
		}
		if i >= len(t.Entries) {
			return
		}
		key := fmt.Sprint(t.Entries[i].Sets)
		if _, dup := seen[key]; dup {
			g.errorf(codeBadEntry, x.Span, "an earlier entry of table %s has the same key", t.Name)
		}
		seen[key] = t.Entries[i].Pos
	}
}

// entrySet brings one set to the form that suits its key's match kind.
func (g *gen) entrySet(t *ir.Table, x *ast.Entry, i int, s *ir.Set, kt types.Type) {
	at := ast.Node(x)
	if i < len(x.Keys) {
		at = x.Keys[i]
	}
	w := ir.Width(g.conv(kt))
	switch t.Keys[i].Kind {
	case ir.MatchExact:
		if s.Kind != ir.SetValue && len(g.arch.Slots) > 0 { // others may mean something by it
			g.errorf(codeBadEntry, span(at), "an exact key needs a value, not a set")
		}
	case ir.MatchLPM:
		if s.Kind == ir.SetMask && !isPrefix(s.Hi, w) {
			g.errorf(codeNotPrefix, span(at), "the mask of an lpm key must be a run of ones from the top")
		}
	}
	if s.Kind == ir.SetMask {
		all := types.Wrap(big.NewInt(-1), w, false)
		switch {
		case s.Hi.Sign() == 0:
			*s = ir.Set{}
		case s.Hi.Cmp(all) == 0:
			*s = ir.Set{Kind: ir.SetValue, Lo: s.Lo}
		}
	}
}

// isPrefix tells whether m is a prefix mask of w bits.
func isPrefix(m *big.Int, w int) bool {
	inv := new(big.Int).Xor(types.Wrap(m, w, false), types.Wrap(big.NewInt(-1), w, false))
	return new(big.Int).And(inv, new(big.Int).Add(inv, big.NewInt(1))).Sign() == 0
}

// priorities gives entries the priorities that P4Runtime shows, larger first:
// of const entries the first gets the number of entries and the last 1 (P24);
// others have the one written, or one derived from their predecessor (P25,
// L137-L139). Where the program lets the smallest win, the order is reversed
// so that the larger wins here too; Written keeps what p4c shows.
func (g *gen) priorities(e *env, t *ir.Table, d *ast.TableDecl) {
	n := len(t.Entries)
	if t.ConstEntries {
		for i := range t.Entries {
			t.Entries[i].Priority = int32(n - i)
		}
		g.priorityAnnotations(t, d)
		return
	}
	largest, delta := true, int64(1)
	if p := d.Prop("largest_priority_wins"); p != nil {
		if v, ok := g.static(e, p.Value, nil); ok {
			largest = v.Sign() != 0
		}
	}
	if p := d.Prop("priority_delta"); p != nil {
		v, ok := g.static(e, p.Value, nil)
		if !ok || !v.IsInt64() || v.Int64() < 1 || v.Int64() > math.MaxInt32 {
			g.errorf(codeBadPriority, p.Span, "priority_delta must be a positive number")
			return
		}
		delta = v.Int64()
	}
	prio := make([]int64, n)
	next := int64(1)
	if largest {
		next = 1 + int64(n-1)*delta
	}
	for i, x := range d.Entries.List {
		if x.Priority != nil {
			v, ok := g.static(e, x.Priority, nil)
			if !ok {
				return
			}
			next = v.Int64()
			if !v.IsInt64() {
				next = math.MaxInt64 / 2
			}
		}
		if next < 0 || next > math.MaxInt32 {
			g.rep.Report(diag.Diagnostic{Code: codeBadPriority, Span: d.Name.Span,
				Message: fmt.Sprintf("the priorities of table %s go out of range: %d", t.Name, next),
				Notes:   []diag.Note{{Span: x.Span, Message: "at this entry"}}})
			return
		}
		prio[i] = next
		if largest {
			next -= delta
		} else {
			next += delta
		}
	}
	if !largest {
		top := int64(0)
		for _, p := range prio {
			top = max(top, p)
		}
		for i, p := range prio {
			t.Entries[i].Written = int32(p)
			prio[i] = top + 1 - p
		}
	}
	for i := range prio {
		t.Entries[i].Priority = int32(prio[i])
	}
}

// priorityAnnotations applies @priority(n) to entries of a const table: the
// smallest number wins, an entry without one has its position, from 1. It is no
// part of the specification but p4c's, which P4Info does not show.
func (g *gen) priorityAnnotations(t *ir.Table, d *ast.TableDecl) {
	prio, top, any := make([]int64, len(t.Entries)), int64(0), false
	for i, x := range d.Entries.List {
		prio[i] = int64(i + 1)
		for _, a := range x.Annotations {
			if a.Name.Name != "priority" || len(a.Tokens) != 1 {
				continue
			}
			v, err := strconv.ParseInt(a.Tokens[0].Text, 0, 32)
			if err != nil || v < 0 || v == math.MaxInt32 {
				g.errorf(codeBadPriority, a.Span, "@priority takes a number below 2147483647")
				return
			}
			prio[i], any = v, true
		}
		top = max(top, prio[i])
	}
	if !any {
		return
	}
	for i, p := range prio {
		t.Entries[i].Priority = int32(top + 1 - p)
	}
}
