package p4info

import (
	"math/big"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

// entries makes the WriteRequest of the entries written in the program, in order
// of tables and entries (P24-P27).
func (g *generator) entries() *p4v1.WriteRequest {
	w := &p4v1.WriteRequest{}
	for _, t := range g.visibleTables() {
		ids := g.keyIDs(t)
		for i, e := range t.Entries {
			prio := e.Priority
			if e.Written != 0 {
				prio = e.Written
			}
			if t.ConstEntries && t.NeedsPriority() {
				prio = int32(len(t.Entries) - i) // P24, whatever annotations say
			}
			te := &p4v1.TableEntry{
				TableId:  g.syms.id(prefixTable, t.Name),
				Priority: prio,
				IsConst:  e.Const || t.ConstEntries,
			}
			for i, s := range e.Sets {
				if i >= len(t.Keys) {
					break
				}
				if m := g.match(t.Keys[i], s, ids[i], e.Pos); m != nil {
					te.Match = append(te.Match, m)
				}
			}
			te.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: g.action(t, e)}}
			w.Updates = append(w.Updates, &p4v1.Update{
				Type:   p4v1.Update_INSERT,
				Entity: &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}},
			})
		}
	}
	return w
}

func (g *generator) action(t *ir.Table, e ir.ConstEntry) *p4v1.Action {
	a := t.Actions[e.Action].Action
	out := &p4v1.Action{ActionId: g.syms.id(prefixAction, a.Name)}
	ids := g.paramIDs(a)
	for i, p := range a.DataParams() {
		if i < len(e.Args) && e.Args[i] != nil {
			out.Params = append(out.Params, &p4v1.Action_Param{
				ParamId: ids[i], Value: g.bytes(unsigned(e.Args[i], p.Type), ir.Width(p.Type), e.Pos),
			})
		}
	}
	return out
}

// unsigned is the two's complement of a negative int<W>.
func unsigned(v *big.Int, t ir.Type) *big.Int {
	if w := ir.Width(t); v.Sign() < 0 && w > 0 {
		return new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(w)))
	}
	return v
}

// match is one field of an entry, nil for don't care.
func (g *generator) match(k ir.Key, s ir.Set, id uint32, pos ir.Pos) *p4v1.FieldMatch {
	t := k.Expr.Type()
	w := ir.Width(t)
	ones := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(max(0, w))), big.NewInt(1))
	bytes := func(v *big.Int) []byte { return g.bytes(unsigned(v, t), w, pos) }
	m := &p4v1.FieldMatch{FieldId: id}
	if s.Kind == ir.SetAny {
		if k.Kind == ir.MatchExact {
			g.errorf(pos, "match field %s is exact: an entry cannot leave it open", k.Name)
		}
		return nil
	}
	switch k.Kind {
	case ir.MatchExact:
		m.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: bytes(s.Lo)}}
	case ir.MatchOptional:
		m.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: bytes(s.Lo)}}
	case ir.MatchLPM:
		mask := ones
		if s.Kind == ir.SetMask {
			mask = unsigned(s.Hi, t)
		}
		n, ok := prefixLen(mask, w)
		if !ok {
			g.errorf(pos, "match field %s: %#x is no prefix mask of %d bits", k.Name, mask, w)
			return nil
		}
		if n == 0 {
			return nil
		}
		value := new(big.Int).And(unsigned(s.Lo, t), mask) // P26
		m.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: bytes(value), PrefixLen: int32(n)}}
	case ir.MatchTernary:
		mask := ones
		if s.Kind == ir.SetMask {
			mask = unsigned(s.Hi, t)
		}
		if mask.Sign() == 0 {
			return nil
		}
		value := new(big.Int).And(unsigned(s.Lo, t), mask) // P26
		m.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{Value: bytes(value), Mask: bytes(mask)}}
	case ir.MatchRange:
		lo, hi := s.Lo, s.Lo
		if s.Kind == ir.SetRange {
			hi = s.Hi
		}
		if lo.Cmp(hi) > 0 {
			g.errorf(pos, "match field %s: the range %s..%s is empty", k.Name, lo, hi)
			return nil
		}
		if lo.Sign() == 0 && hi.Cmp(ones) == 0 {
			return nil
		}
		m.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: bytes(lo), High: bytes(hi)}}
	default:
		return nil
	}
	return m
}

// prefixLen is the number of leading ones of a mask of w bits that has no others.
func prefixLen(mask *big.Int, w int) (int, bool) {
	zeros := w
	if mask.Sign() != 0 {
		zeros = int(mask.TrailingZeroBits())
	}
	ones := mask.BitLen() - zeros
	if mask.Sign() == 0 {
		return 0, true
	}
	full := new(big.Int).Lsh(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(max(0, ones))), big.NewInt(1)), uint(zeros))
	return ones, ones+zeros == w && full.Cmp(mask) == 0
}
