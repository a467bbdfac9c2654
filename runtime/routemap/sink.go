package routemap

import (
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/store"
)

// sink takes the entries that a fib wants. Without a view it makes updates of
// the running tables, at flush; with one it compares the entries with what the
// view shows and collects the differences for the store (store.Change).
type sink struct {
	m       *Map
	pl      *store.Pipeline
	updates []entity.Update
	calls   []call // what each update calls

	view *store.View
	want []map[string]bool // by table: index keys of wanted entries
}

// call says whom to tell what became of an update.
type call struct {
	done func(error) // nil: it is about rt
	fib  *fib
	rt   *rib.Route
	a    act
	gone bool
}

func (c *call) tell(err error) {
	if c.done != nil {
		c.done(err)
		return
	}
	c.fib.routeDone(c.rt, c.a, c.gone, err)
}

// applyBatch bounds the updates that wait for each other's end.
const applyBatch = 8192

// put wants an entry; present tells whether it is there with another action.
func (s *sink) put(t *tableMap, key string, priority int32, a act, name string, present bool, c call) {
	u := entity.Update{Kind: entity.Insert, Table: t.t.Index, Key: key, Priority: priority, HasAction: true, Action: int(a.action), Args: a.args}
	if name != "" {
		u.Extra.Metadata = []byte(name)
	}
	if s.view == nil {
		if present {
			u.Kind = entity.Modify
		}
		s.updates, s.calls = append(s.updates, u), append(s.calls, c)
		if len(s.updates) >= applyBatch {
			s.flush()
		}
		return
	}
	if s.want[u.Table] == nil {
		s.want[u.Table] = map[string]bool{}
	}
	s.want[u.Table][entity.IndexKey(key, priority)] = true
	// What the view's tables get is known only later; until then all is well.
	c.tell(nil)
	if e := s.view.Find(u.Table, key, priority); e != nil {
		u.Kind = entity.Modify
		if e.Action == a.action && e.Args == a.args && metadata(e) == name {
			return
		}
	}
	s.updates, s.calls = append(s.updates, u), append(s.calls, c)
}

// remove wants an entry gone. In a view what is not wanted goes anyway.
func (s *sink) remove(t *tableMap, key string, priority int32, c call) {
	if s.view != nil {
		c.tell(nil)
		return
	}
	s.updates = append(s.updates, entity.Update{Kind: entity.Delete, Table: t.t.Index, Key: key, Priority: priority})
	s.calls = append(s.calls, c)
	if len(s.updates) >= applyBatch {
		s.flush()
	}
}

// flush makes what follows wait for what was put before.
func (s *sink) flush() {
	if s.view != nil || len(s.updates) == 0 {
		return
	}
	updates, calls := s.updates, s.calls
	s.updates, s.calls = nil, nil
	errs := s.m.apply(s.pl, updates)
	for i := range calls {
		calls[i].tell(at(errs, i))
	}
	s.updates, s.calls = updates[:0], calls[:0]
	clear(calls)
	clear(updates)
}

// leftovers are deletions of what the view's tables hold and nobody wants, users
// before what they use.
func (s *sink) leftovers(t *tables) []entity.Update {
	var out []entity.Update
	for _, m := range []*tableMap{t.route[v4], t.route[v6], t.group, t.bucket, t.hop, t.neighbour[v4], t.neighbour[v6]} {
		if m == nil {
			continue
		}
		for e := range s.view.Entries(m.t.Index) {
			if !e.Is(entity.Const) && !s.want[m.t.Index][entity.IndexKey(e.Key, e.Priority)] {
				out = append(out, entity.Update{Kind: entity.Delete, Table: m.t.Index, Key: e.Key, Priority: e.Priority})
			}
		}
	}
	return out
}

func metadata(e *entity.Entry) string {
	if e.Extra == nil {
		return ""
	}
	return string(e.Extra.Metadata)
}
