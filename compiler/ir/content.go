package ir

import (
	"fmt"
	"math/big"
)

// MachineBytes is v as W bits in machine form: big-endian, ByteWidth(w) bytes,
// two's complement for negative numbers, higher bits cut off.
func MachineBytes(v *big.Int, w int) []byte {
	b := make([]byte, ByteWidth(w))
	m := new(big.Int)
	if v != nil {
		m.And(v, onesBig(w)) // And of a negative number works in two's complement
	}
	return m.FillBytes(b)
}

func onesBig(w int) *big.Int {
	m := new(big.Int).Lsh(big.NewInt(1), uint(w))
	return m.Sub(m, big.NewInt(1))
}

// Initial gives the entries that the program writes into t, in order with
// handles from 1, and its default action, all in machine form.
func (t *Table) Initial() (entries []Entry, def Entry, err error) {
	def, err = t.entryAction(Entry{}, t.DefaultAction, t.DefaultArgs)
	if err != nil {
		return nil, Entry{}, fmt.Errorf("default action: %w", err)
	}
	for i, c := range t.Entries {
		e := Entry{Handle: uint32(i + 1), Priority: c.Priority}
		if len(c.Sets) != len(t.Keys) {
			return nil, Entry{}, fmt.Errorf("entry %d has %d key fields, the table has %d", i+1, len(c.Sets), len(t.Keys))
		}
		for j, s := range c.Sets {
			m, err := setMatch(t.Keys[j], s)
			if err != nil {
				return nil, Entry{}, fmt.Errorf("entry %d: key %s: %w", i+1, t.Keys[j].Name, err)
			}
			e.Match = append(e.Match, m)
		}
		if e, err = t.entryAction(e, c.Action, c.Args); err != nil {
			return nil, Entry{}, fmt.Errorf("entry %d: %w", i+1, err)
		}
		entries = append(entries, e)
	}
	return entries, def, nil
}

func (t *Table) entryAction(e Entry, action int, args []*big.Int) (Entry, error) {
	if action < 0 || action >= len(t.Actions) {
		return e, fmt.Errorf("action index %d is not in the table's list of %d", action, len(t.Actions))
	}
	e.Action = action
	ps := t.Actions[action].Action.DataParams()
	if len(ps) != len(args) {
		return e, fmt.Errorf("action %s takes %d arguments, not %d", t.Actions[action].Action.Name, len(ps), len(args))
	}
	for i, p := range ps {
		if Width(p.Type) < 0 {
			return e, fmt.Errorf("parameter %s of action %s is no scalar", p.Name, t.Actions[action].Action.Name)
		}
		e.Args = append(e.Args, MachineBytes(args[i], Width(p.Type)))
	}
	return e, nil
}

// setMatch turns a key set of the program into a match.
func setMatch(k Key, s Set) (Match, error) {
	w := Width(k.Expr.Type())
	if w < 0 {
		return Match{}, fmt.Errorf("type %s is no scalar", typeText(k.Expr.Type()))
	}
	lo := func() []byte { return MachineBytes(s.Lo, w) }
	switch k.Kind {
	case MatchExact, MatchSelector:
		if s.Kind == SetValue {
			return Match{Value: lo()}, nil
		}
	case MatchLPM:
		switch s.Kind {
		case SetAny:
			return Match{Value: make([]byte, ByteWidth(w))}, nil
		case SetValue:
			return Match{Value: lo(), PrefixLen: w}, nil
		case SetMask:
			mask := new(big.Int).And(s.Hi, onesBig(w))
			n := 0
			for n < w && mask.Bit(w-1-n) == 1 {
				n++
			}
			if int(mask.TrailingZeroBits()) == w-n || mask.Sign() == 0 {
				return Match{Value: MachineBytes(new(big.Int).And(s.Lo, mask), w), PrefixLen: n}, nil
			}
			return Match{}, fmt.Errorf("mask %#x is no prefix", mask)
		}
	case MatchTernary:
		switch s.Kind {
		case SetAny:
			return Match{}, nil
		case SetValue:
			return Match{Value: lo(), Mask: MachineBytes(onesBig(w), w)}, nil
		case SetMask:
			return Match{Value: MachineBytes(new(big.Int).And(s.Lo, s.Hi), w), Mask: MachineBytes(s.Hi, w)}, nil
		}
	case MatchRange:
		switch s.Kind {
		case SetAny:
			return Match{}, nil
		case SetValue:
			return Match{Value: lo(), Mask: lo()}, nil
		case SetRange:
			return Match{Value: lo(), Mask: MachineBytes(s.Hi, w)}, nil
		}
	case MatchOptional:
		switch s.Kind {
		case SetAny:
			return Match{}, nil
		case SetValue:
			return Match{Value: lo()}, nil
		}
	}
	return Match{}, fmt.Errorf("this set cannot be matched by kind %s", k.Kind)
}
