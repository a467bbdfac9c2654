package ssa

import (
	"cmp"
	"errors"
	"fmt"
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
	entries, def, err := t.Initial()
	if err != nil {
		return nil, fmt.Errorf("ssa: table %s: %w", t.Name, err)
	}
	if err := s.setDefault(def); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := s.insert(e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// check refuses entries that are not in machine form.
func (s *tableState) check(e *ir.Entry) error {
	t := s.t
	if e.Ref == ir.RefNone {
		if e.Action < 0 || e.Action >= len(t.Actions) {
			return fmt.Errorf("ssa: table %s: there is no action %d", t.Name, e.Action)
		}
		if err := checkArgs(t.Actions[e.Action].Action, e.Args); err != nil {
			return fmt.Errorf("ssa: table %s: %w", t.Name, err)
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
		if k.Kind == ir.MatchSelector {
			continue
		}
		n := ir.ByteWidth(ir.Width(k.Expr.Type()))
		m := e.Match[i]
		needed := k.Kind == ir.MatchExact || k.Kind == ir.MatchLPM
		if (m.Value != nil || needed) && len(m.Value) != n || m.Mask != nil && len(m.Mask) != n {
			return fmt.Errorf("ssa: table %s: key %s has %d bytes", t.Name, k.Name, len(m.Value))
		}
	}
	return nil
}

func checkArgs(a *ir.Action, args [][]byte) error {
	ps := a.DataParams()
	if len(ps) != len(args) {
		return fmt.Errorf("action %s has %d parameters, not %d", a.Name, len(ps), len(args))
	}
	for i, p := range ps {
		if len(args[i]) != ir.ByteWidth(ir.Width(p.Type)) {
			return fmt.Errorf("parameter %s has %d bytes", p.Name, len(args[i]))
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

// lookup finds the entry that matches: the largest priority, or in tables
// without priorities the longest prefix; among equals the lower handle. 0 is a
// miss.
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
		case prio && e.Priority != best.Priority:
			better = e.Priority > best.Priority
		case !prio && n != bestLen:
			better = n > bestLen
		default:
			better = e.Handle < best.Handle
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
		if k.Kind == ir.MatchSelector {
			continue
		}
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
			s := isSigned(k.Expr.Type())
			ok = m.Mask == nil || compareLimbs(limbsOf(m.Value, w), v, w, s) <= 0 && compareLimbs(v, limbsOf(m.Mask, w), w, s) <= 0
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

// compareLimbs orders values of w bits.
func compareLimbs(a, b []uint64, w int, isSigned bool) int {
	if isSigned && len(a) > 0 {
		t := Limbs(w)[0]
		if c := cmp.Compare(signed(a[0], t), signed(b[0], t)); c != 0 {
			return c
		}
	}
	return slices.Compare(a, b)
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
	if err := in.checkRef(s.t, &e); err != nil {
		return err
	}
	if err := s.insert(e); err != nil {
		return err
	}
	delete(in.objects.direct[s.t], e.Handle) // its meter has no rates yet
	return nil
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
	if err := errors.Join(s.check(&e), in.checkRef(s.t, &e)); err != nil {
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
	if err := in.checkRef(s.t, &e); err != nil {
		return err
	}
	return s.setDefault(e)
}
