package ssa

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Errors of Insert, Modify and Delete.
var (
	ErrExists  = errors.New("ssa: the handle or the match is taken")
	ErrNoEntry = errors.New("ssa: there is no such entry")
)

// tableState is a table's content: entries in order of insertion, searched one
// by one.
type tableState struct {
	t       *ir.Table
	entries []ir.Entry
	def     ir.Entry
	counts  map[uint32]Count
}

func newTableState(t *ir.Table) (*tableState, error) {
	s := &tableState{t: t, counts: map[uint32]Count{}}
	if len(t.Actions) == 0 {
		return s, nil
	}
	def := ir.Entry{Action: t.DefaultAction}
	var err error
	if def.Args, err = actionArgs(t, t.DefaultAction, t.DefaultArgs); err != nil {
		return nil, err
	}
	if err := s.setDefault(def); err != nil {
		return nil, err
	}
	for i, c := range t.Entries {
		e, err := constEntry(t, c)
		if err != nil {
			return nil, err
		}
		e.Handle = uint32(i + 1)
		if err := s.insert(e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func actionArgs(t *ir.Table, action int, vals []*big.Int) ([][]byte, error) {
	if action < 0 || action >= len(t.Actions) {
		return nil, fmt.Errorf("ssa: table %s: there is no action %d", t.Name, action)
	}
	ps := t.Actions[action].Action.DataParams()
	if len(ps) != len(vals) {
		return nil, fmt.Errorf("ssa: table %s: action %s has %d parameters, not %d", t.Name, t.Actions[action].Action.Name, len(ps), len(vals))
	}
	var out [][]byte
	for i, p := range ps {
		out = append(out, fixedBytes(vals[i], ir.Width(p.Type)))
	}
	return out, nil
}

// fixedBytes gives v in two's complement of w bits, big-endian.
func fixedBytes(v *big.Int, w int) []byte {
	m := new(big.Int).Lsh(big.NewInt(1), uint(w))
	v = new(big.Int).Mod(v, m)
	return v.FillBytes(make([]byte, ir.ByteWidth(w)))
}

// constEntry turns an entry of the program into machine form.
func constEntry(t *ir.Table, c ir.ConstEntry) (ir.Entry, error) {
	e := ir.Entry{Action: c.Action, Priority: c.Priority}
	var err error
	if e.Args, err = actionArgs(t, c.Action, c.Args); err != nil {
		return e, err
	}
	if len(c.Sets) != len(t.Keys) {
		return e, fmt.Errorf("ssa: table %s: an entry has %d keys, not %d", t.Name, len(c.Sets), len(t.Keys))
	}
	for i, k := range t.Keys {
		m, err := constMatch(k.Kind, c.Sets[i], ir.Width(k.Expr.Type()))
		if err != nil {
			return e, fmt.Errorf("ssa: table %s: key %s: %w", t.Name, k.Name, err)
		}
		e.Match = append(e.Match, m)
	}
	return e, nil
}

func constMatch(kind ir.MatchKind, s ir.Set, w int) (ir.Match, error) {
	ones := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(1))
	var m ir.Match
	lo, hi := s.Lo, s.Hi
	switch {
	case s.Kind == ir.SetAny && kind == ir.MatchLPM:
		m.Value = fixedBytes(new(big.Int), w)
		return m, nil
	case s.Kind == ir.SetAny && kind == ir.MatchExact:
		return m, errors.New("an exact key needs a value")
	case s.Kind == ir.SetAny:
		return m, nil
	case s.Kind == ir.SetValue:
		m.Value = fixedBytes(lo, w)
		switch kind {
		case ir.MatchLPM:
			m.PrefixLen = w
		case ir.MatchTernary:
			m.Mask = fixedBytes(ones, w)
		case ir.MatchRange:
			m.Mask = m.Value
		}
		return m, nil
	case s.Kind == ir.SetMask && kind == ir.MatchTernary:
		m.Mask = fixedBytes(hi, w)
		m.Value = fixedBytes(lo, w)
		for i := range m.Value {
			m.Value[i] &= m.Mask[i]
		}
		return m, nil
	case s.Kind == ir.SetMask && kind == ir.MatchLPM:
		mask := new(big.Int).And(hi, ones)
		n := w - int(mask.TrailingZeroBits())
		if mask.Sign() == 0 {
			n = 0
		}
		want := new(big.Int).Lsh(ones, uint(w-n))
		if want.And(want, ones).Cmp(mask) != 0 {
			return m, errors.New("the mask of an lpm key is no prefix")
		}
		m.PrefixLen = n
		m.Value = fixedBytes(new(big.Int).And(lo, mask), w)
		return m, nil
	case s.Kind == ir.SetRange && kind == ir.MatchRange:
		m.Value, m.Mask = fixedBytes(lo, w), fixedBytes(hi, w)
		return m, nil
	}
	return m, errors.New("a set of that form does not fit the match kind")
}

// check refuses entries that are not in machine form.
func (s *tableState) check(e *ir.Entry) error {
	t := s.t
	if e.Action < 0 || e.Action >= len(t.Actions) {
		return fmt.Errorf("ssa: table %s: there is no action %d", t.Name, e.Action)
	}
	ps := t.Actions[e.Action].Action.DataParams()
	if len(ps) != len(e.Args) {
		return fmt.Errorf("ssa: table %s: action %s has %d parameters, not %d", t.Name, t.Actions[e.Action].Action.Name, len(ps), len(e.Args))
	}
	for i, p := range ps {
		if len(e.Args[i]) != ir.ByteWidth(ir.Width(p.Type)) {
			return fmt.Errorf("ssa: table %s: parameter %s has %d bytes", t.Name, p.Name, len(e.Args[i]))
		}
	}
	if e.Handle == 0 {
		if e.Match != nil {
			return fmt.Errorf("ssa: table %s: the default action has a match", t.Name)
		}
		return nil
	}
	if len(e.Match) != len(t.Keys) {
		return fmt.Errorf("ssa: table %s: an entry has %d keys, not %d", t.Name, len(e.Match), len(t.Keys))
	}
	for i, k := range t.Keys {
		n := ir.ByteWidth(ir.Width(k.Expr.Type()))
		m := e.Match[i]
		needed := k.Kind == ir.MatchExact || k.Kind == ir.MatchLPM
		if (m.Value != nil || needed) && len(m.Value) != n || m.Mask != nil && len(m.Mask) != n {
			return fmt.Errorf("ssa: table %s: key %s has %d bytes", t.Name, k.Name, len(m.Value))
		}
	}
	return nil
}

func (s *tableState) setDefault(e ir.Entry) error {
	e.Handle = 0
	if err := s.check(&e); err != nil {
		return err
	}
	s.def = e
	return nil
}

func (s *tableState) find(handle uint32) int {
	return slices.IndexFunc(s.entries, func(e ir.Entry) bool { return e.Handle == handle })
}

func (s *tableState) byHandle(h uint32) (ir.Entry, bool) {
	if h == 0 {
		return s.def, len(s.t.Actions) > 0
	}
	if i := s.find(h); i >= 0 {
		return s.entries[i], true
	}
	return ir.Entry{}, false
}

func (s *tableState) insert(e ir.Entry) error {
	if e.Handle == 0 {
		return ErrNoEntry
	}
	if err := s.check(&e); err != nil {
		return err
	}
	if s.find(e.Handle) >= 0 {
		return ErrExists
	}
	s.entries = append(s.entries, e)
	return nil
}

// lookup finds the entry that matches: the largest priority, then the longest
// prefix, then the one inserted first. 0 is a miss.
func (s *tableState) lookup(key []uint64) uint32 {
	var best *ir.Entry
	bestLen := -1
	prio := s.t.NeedsPriority()
	for i := range s.entries {
		e := &s.entries[i]
		n, ok := s.matches(e, key)
		if !ok {
			continue
		}
		better := best == nil
		switch {
		case better:
		case prio:
			better = e.Priority > best.Priority
		default:
			better = n > bestLen
		}
		if better {
			best, bestLen = e, n
		}
	}
	if best == nil {
		return 0
	}
	return best.Handle
}

// matches tells whether e matches and how long its prefix is.
func (s *tableState) matches(e *ir.Entry, key []uint64) (prefix int, ok bool) {
	at := 0
	for i, k := range s.t.Keys {
		w := ir.Width(k.Expr.Type())
		n := len(Limbs(w))
		v := key[at : at+n]
		at += n
		m := e.Match[i]
		switch k.Kind {
		case ir.MatchExact:
			ok = slices.Equal(v, limbsOf(m.Value, w))
		case ir.MatchLPM:
			prefix = m.PrefixLen
			ok = samePrefix(v, limbsOf(m.Value, w), w, m.PrefixLen)
		case ir.MatchTernary:
			ok = m.Mask == nil || sameMasked(v, limbsOf(m.Value, w), limbsOf(m.Mask, w))
		case ir.MatchRange:
			ok = m.Mask == nil || slices.Compare(limbsOf(m.Value, w), v) <= 0 && slices.Compare(v, limbsOf(m.Mask, w)) <= 0
		case ir.MatchOptional:
			ok = m.Value == nil || slices.Equal(v, limbsOf(m.Value, w))
		default:
			ok = false
		}
		if !ok {
			return 0, false
		}
	}
	return prefix, true
}

// samePrefix compares the n most significant bits of values of w bits.
func samePrefix(a, b []uint64, w, n int) bool {
	low := w - n // bits that do not matter
	for i := len(a) - 1; i >= 0; i-- {
		d := a[i] ^ b[i]
		if low >= 64 {
			d = 0
		} else if low > 0 {
			d >>= uint(low)
		}
		low -= 64
		if d != 0 {
			return false
		}
	}
	return true
}

func sameMasked(a, b, mask []uint64) bool {
	for i := range a {
		if (a[i]^b[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}

func (in *Interp) table(t int) (*tableState, error) {
	if t < 0 || t >= len(in.f.Prog.Tables) {
		return nil, fmt.Errorf("ssa: there is no table %d", t)
	}
	return in.tables[in.f.Prog.Tables[t]], nil
}

// Insert adds an entry to table t (its index in the program's Tables). Handles
// are the caller's choice, from 1 and unused; entries of the program have 1, 2
// and so on.
func (in *Interp) Insert(t int, e ir.Entry) error {
	s, err := in.table(t)
	if err != nil {
		return err
	}
	return s.insert(e)
}

// Modify gives the entry with e's handle another action and arguments.
func (in *Interp) Modify(t int, e ir.Entry) error {
	s, err := in.table(t)
	if err != nil {
		return err
	}
	i := s.find(e.Handle)
	if i < 0 {
		return ErrNoEntry
	}
	e.Match, e.Priority = s.entries[i].Match, s.entries[i].Priority
	if err := s.check(&e); err != nil {
		return err
	}
	s.entries[i] = e
	return nil
}

// Delete removes the entry with that handle; its counter ends with it.
func (in *Interp) Delete(t int, handle uint32) error {
	s, err := in.table(t)
	if err != nil {
		return err
	}
	i := s.find(handle)
	if i < 0 {
		return ErrNoEntry
	}
	s.entries = slices.Delete(s.entries, i, i+1)
	delete(s.counts, handle)
	return nil
}

// SetDefault sets the default action.
func (in *Interp) SetDefault(t int, e ir.Entry) error {
	s, err := in.table(t)
	if err != nil {
		return err
	}
	return s.setDefault(e)
}
