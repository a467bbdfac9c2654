package exec

import (
	"cmp"
	"fmt"
	"slices"
)

// Idle is an entry that no packet has hit for as long as its idle timeout.
type Idle struct {
	Table  int
	Handle uint32
}

// SweepIdle lists the entries that are idle at a time in nanoseconds, of the
// clock that packets have. An entry is listed once, and again only after it was
// hit in between (p4rt: 9.1.5). Entries with an expire time that has passed are
// removed (PNA), which nobody is told.
func (m *Machine) SweepIdle(now uint64) []Idle {
	var out []Idle
	for _, i := range m.insts {
		if i.sessions != nil {
			i.sessions.sweep(now)
		}
		if i.learnt != nil {
			i.learnt.sweep(now)
		}
	}
	for i, t := range m.tables {
		if t.expires {
			t.sweep(now)
			continue
		}
		if !t.aging {
			continue
		}
		t.mu.RLock()
		for _, e := range t.byHandle.all() {
			after, last := e.age.timeout.Load(), e.age.lastHit.Load()
			if after == 0 || now < last || now-last < after || e.age.told.Load() == last+1 {
				continue
			}
			e.age.told.Store(last + 1)
			out = append(out, Idle{i, e.handle})
		}
		t.mu.RUnlock()
	}
	slices.SortFunc(out, func(a, b Idle) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Handle, b.Handle))
	})
	return out
}

// sweep removes the entries whose expire time has passed.
func (t *table) sweep(now uint64) {
	var over []uint32
	t.mu.RLock()
	for handle, e := range t.byHandle.all() {
		if e.expired(now) {
			over = append(over, handle)
		}
	}
	t.mu.RUnlock()
	for _, h := range over {
		_ = t.remove(h) // whoever removes it first
	}
}

// LastHit is when an entry was hit last, or inserted, in nanoseconds.
func (m *Machine) LastHit(table int, handle uint32) (uint64, error) {
	t, err := m.table(table)
	if err != nil {
		return 0, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.byHandle.get(handle)
	switch {
	case !t.aging:
		return 0, fmt.Errorf("table %s has no idle timeouts", t.t.Name)
	case e == nil:
		return 0, fmt.Errorf("table %s: handle %d: %w", t.t.Name, handle, ErrNoEntry)
	}
	return e.age.lastHit.Load(), nil
}

// Now is the machine's clock, in nanoseconds: the time of packets without one of
// their own.
func (m *Machine) Now() uint64 { return m.opts.Now() }
