package store

import (
	"fmt"
	"iter"

	"github.com/p4nic/p4nic/runtime/entity"
)

// Owner writes some tables in the place of P4Runtime's clients: routemap writes
// those that hold routes. While a table is owned, a batch that is not the
// owner's is refused for it.
type Owner interface {
	// Name is what refusals name.
	Name() string
	// Change begins a change of pipeline (nil: there is none), or a new filling
	// of the one that runs. Until its end the owner applies nothing by itself.
	Change(pl *Pipeline) Change
}

// Change is one change of pipeline, as its owner sees it.
type Change interface {
	// Owns says what the owner keeps in a table ("routes"), "" when it is not
	// the owner's.
	Owns(table int) string
	// Fill gives the updates that make the owned tables what the owner wants, in
	// order, from what v shows. lost lists what was in the datapath and finds no
	// place in the new pipeline, which is then refused (D1). It is called in the
	// applier's goroutine, at most once.
	Fill(v View) (updates []entity.Update, lost []string)
	// Done ends the change: live tells whether the pipeline runs with what Fill
	// gave, errs has the error of each update (nil = all done).
	Done(errs []error, live bool)
}

// View is content that an owner compares with what it wants.
type View struct{ tables []*table }

// Find looks an entry up, nil = none.
func (v View) Find(table int, key string, priority int32) *entity.Entry {
	return v.tables[table].find(key, priority)
}

// Entries gives the table's entries in order of handles, without the default.
func (v View) Entries(table int) iter.Seq[*entity.Entry] {
	return func(yield func(*entity.Entry) bool) {
		for e := range v.tables[table].each {
			if !yield(v.tables[table].copyOf(e.Handle)) {
				return
			}
		}
	}
}

// SetOwner names the owner, once, after Start and before anybody writes. Its
// tables are its own from the next Refill or SetPipeline on.
func (s *Store) SetOwner(o Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner = o
}

// change begins a change with the owner, if there is one.
func (s *Store) change(pl *Pipeline) Change {
	s.mu.RLock()
	o := s.owner
	s.mu.RUnlock()
	if o == nil {
		return nil
	}
	return o.Change(pl)
}

// Refill lets the owner fill the tables of the running pipeline anew: after a
// start, or when its configuration has changed.
func (s *Store) Refill() error {
	for {
		pl := s.Pipeline()
		ch := s.change(pl)
		if ch == nil {
			return nil
		}
		// A change of pipeline waits until Done, so this answer stays true.
		if s.Pipeline() != pl {
			ch.Done(nil, false)
			continue
		}
		if pl == nil {
			ch.Done(nil, true)
			return nil
		}
		var errs []error
		err := s.send(request{call: func() error {
			updates, _ := ch.Fill(View{s.tables})
			s.owned = owned(ch, pl)
			r := request{batch: Batch{Pipeline: pl, Updates: updates, Owner: true}}
			if len(updates) > 0 {
				a := s.perform([]request{r})[0]
				errs = a.each
				return a.err
			}
			return nil
		}})
		ch.Done(errs, err == nil)
		return err
	}
}

func owned(ch Change, pl *Pipeline) []string {
	if ch == nil {
		return nil
	}
	out := make([]string, len(pl.Schema.Tables))
	for i := range out {
		out[i] = ch.Owns(i)
	}
	return out
}

// allowed tells whether a batch may make an update.
func (s *Store) allowed(b *Batch, u *entity.Update) error {
	table := u.Table
	if b.Owner || u.Kind == entity.SetCells || table < 0 || table >= len(s.owned) || s.owned[table] == "" {
		return nil
	}
	return entity.Errorf(entity.Denied, "table %s holds %s and is written by %s, from the moment the configuration names a network instance",
		s.tables[table].schema.Name, s.owned[table], s.owner.Name())
}

// fill makes the owner's updates in tables that are being built. It lists
// handles that had an owner before, whose counters must be hidden.
func (img *image) fill(ch Change, birth *uint64, keepCounters bool) error {
	updates, lost := ch.Fill(View{img.tables})
	for i := range updates {
		u := &updates[i]
		if err := img.fillOne(u, birth, keepCounters); err != nil {
			lost = append(lost, fmt.Sprintf("table %s: %s: %v", img.tables[u.Table].schema.Name, u.Kind, err))
		}
	}
	if lost != nil {
		err := &LossError{Lost: lost}
		return &entity.Error{Reason: entity.Invalid, Msg: err.Error(), Err: err}
	}
	return nil
}

func (img *image) fillOne(u *entity.Update, birth *uint64, keepCounters bool) error {
	t := img.tables[u.Table]
	if err := checkShape(t.schema, u); err != nil {
		return err
	}
	name := t.schema.FormatKey(u.Key, u.Priority)
	old := t.find(u.Key, u.Priority)
	switch {
	case t.schema.Const:
		return fmt.Errorf("its entries are const")
	case u.Kind == entity.Insert && old != nil:
		return fmt.Errorf("entry %s exists", name)
	case u.Kind != entity.Insert && old == nil:
		return fmt.Errorf("there is no entry %s", name)
	case old != nil && old.Is(entity.Const):
		return fmt.Errorf("entry %s is const", name)
	}
	switch u.Kind {
	case entity.Insert:
		h, used, ok := t.free.take()
		if !ok {
			return fmt.Errorf("entry %s: the table is full, its size is %d", name, t.schema.Size)
		}
		if used && keepCounters && t.schema.Counter != "" {
			img.rebase = append(img.rebase, handleID{u.Table, h})
		}
		*birth++
		t.add(&entity.Entry{Key: u.Key, Args: u.Args, Extra: extra(u), Priority: u.Priority, Action: uint16(u.Action), Handle: h, Birth: *birth})
	case entity.Modify:
		e := *old
		e.Action, e.Args, e.Extra = uint16(u.Action), u.Args, extra(u)
		e.Flags &^= entity.Initial
		t.set(&e, 0)
	case entity.Delete:
		t.remove(old.Handle, t.index.hash(old.Key, old.Priority), 0)
		// The new generation's packets never saw it: its handle is free at once.
		t.free.ready = append(t.free.ready, old.Handle)
	default:
		return fmt.Errorf("an owner does not make updates of this kind")
	}
	return nil
}
