package p4rt

import (
	"bytes"
	"runtime"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// batchSize is how many entries or cells are asked of the dataplane at once.
const batchSize = 1024

// tableQuery decodes a read of table entries (p4rt:RD5-RD9, DR6).
func (b *binding) tableQuery(te *p4v1.TableEntry) (query, error) {
	if te.GetTableId() == 0 {
		if len(te.GetMatch()) > 0 || te.GetAction() != nil || te.GetPriority() != 0 || controllerMetadata(te) != 0 || len(te.GetMetadata()) > 0 {
			return query{}, invalid("table_id is not set: all tables are read without any other filter")
		}
		return query{run: func(rd *reader, _ *entity.Entry) error {
			for _, t := range b.inOrder {
				if err := rd.table(t, te, filter{}); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
	t, err := b.find(te.GetTableId())
	if err != nil {
		return query{}, err
	}
	q, err := t.query(te)
	if err != nil {
		return query{}, within(err, "table %s", t.Name)
	}
	return q, nil
}

// filter holds what an entry must have, beside what te itself says.
type filter struct {
	key    string // packed; "" = any
	action int    // index + 1, 0 = any
}

func (t *tableInfo) query(te *p4v1.TableEntry) (query, error) {
	if te.GetMeterCounterData() != nil && t.meter != nil {
		return query{}, unsupported("counters of a meter's colours are not supported")
	}
	if te.GetTimeSinceLastHit() != nil {
		if !t.IdleTimeout {
			return query{}, invalid("time_since_last_hit, but the table has no idle timeout")
		}
	}
	var f filter
	if ta := te.GetAction(); ta != nil {
		if ta.GetAction() == nil {
			return query{}, invalid("entries can only be filtered by a plain action")
		}
		a := t.action(ta.GetAction().GetActionId())
		if a == nil {
			return query{}, invalid("action_id 0x%08x is none of its actions", ta.GetAction().GetActionId())
		}
		f.action = a.Index + 1
	}
	if te.GetIsDefaultAction() && (len(te.GetMatch()) > 0 || te.GetPriority() != 0) {
		return query{}, invalid("is_default_action with match fields or priority")
	}
	if te.GetPriority() < 0 || te.GetPriority() > 0 && !t.NeedsPriority {
		_, err := t.priority(te.GetPriority())
		return query{}, err
	}
	if len(te.GetMatch()) == 0 {
		return query{run: func(rd *reader, _ *entity.Entry) error { return rd.table(t, te, f) }}, nil
	}
	var err error
	if f.key, err = t.key(te.GetMatch()); err != nil {
		return query{}, err
	}
	if t.NeedsPriority && te.GetPriority() == 0 {
		return query{run: func(rd *reader, _ *entity.Entry) error { return rd.table(t, te, f) }}, nil
	}
	return query{key: &store.Key{Table: t.Index, Key: f.key, Priority: te.GetPriority()}, run: func(rd *reader, e *entity.Entry) error {
		if e == nil || !f.pass(te, e) {
			return nil // an absent entry is no error (RD7, D-7)
		}
		return rd.entries(t, te, []entity.Entry{*e})
	}}, nil
}

func (f filter) pass(te *p4v1.TableEntry, e *entity.Entry) bool {
	x := e.Extra
	if x == nil {
		x = &entity.Extra{}
	}
	return (f.key == "" || f.key == e.Key) &&
		(f.action == 0 || f.action == int(e.Action)+1) &&
		(te.GetPriority() == 0 || te.GetPriority() == e.Priority) &&
		(controllerMetadata(te) == 0 || controllerMetadata(te) == x.ControllerMetadata) &&
		(len(te.GetMetadata()) == 0 || bytes.Equal(te.GetMetadata(), x.Metadata))
}

// table answers with the default entry, or with those others that pass.
func (rd *reader) table(t *tableInfo, te *p4v1.TableEntry, f filter) error {
	if te.GetIsDefaultAction() {
		if e := rd.snap.Default(t.Index); f.pass(te, e) {
			return rd.entries(t, te, []entity.Entry{*e})
		}
		return nil
	}
	return rd.each(t, func(es []entity.Entry) error {
		pass := es[:0]
		for i := range es {
			if f.pass(te, &es[i]) {
				pass = append(pass, es[i])
			}
		}
		return rd.entries(t, te, pass)
	})
}

// each gives the entries of a table in batches, which the function may change.
func (rd *reader) each(t *tableInfo, do func([]entity.Entry) error) error {
	buf := make([]entity.Entry, min(batchSize, rd.snap.Count(t.Index)))
	for next := uint32(0); len(buf) > 0; {
		var n int
		n, next = rd.snap.Fill(t.Index, next, buf)
		if err := do(buf[:n]); err != nil {
			return err
		}
		if next == 0 {
			break
		}
		// A long answer must not keep a write waiting for a processor.
		runtime.Gosched()
	}
	return nil
}

// entries sends entries, with their counters where the request asks.
func (rd *reader) entries(t *tableInfo, te *p4v1.TableEntry, es []entity.Entry) error {
	var counts []entity.Counter
	if te.GetCounterData() != nil && t.Counter != "" && len(es) > 0 {
		counts = make([]entity.Counter, len(es))
		if err := rd.snap.Counters(t.Index, es, counts); err != nil {
			return err
		}
	}
	var hits []uint64
	if te.GetTimeSinceLastHit() != nil && t.IdleTimeout && len(es) > 0 && es[0].Handle != 0 {
		hits = make([]uint64, len(es))
		if err := rd.snap.LastHits(t.Index, es, hits); err != nil {
			return err
		}
	}
	for i := range es {
		x := asked{meter: te.GetMeterConfig() != nil}
		if counts != nil {
			x.count = &counts[i]
		}
		if hits != nil && es[i].Handle != 0 {
			x.hit = &hits[i]
		}
		if err := rd.out.add(func(b []byte) []byte { return t.appendEntry(b, &es[i], x) }); err != nil {
			return err
		}
	}
	return nil
}

// directQuery decodes a read of direct counters (p4rt:C6, C7).
func (b *binding) directQuery(d *p4v1.DirectCounterEntry) (query, error) {
	te := d.GetTableEntry()
	if te == nil {
		return query{}, invalid("direct_counter_entry.table_entry is not set")
	}
	whole := len(te.GetMatch()) == 0 && te.GetPriority() == 0
	if te.GetTableId() == 0 {
		if !whole {
			return query{}, invalid("table_id is not set: the counters of all tables are read without match or priority")
		}
		return query{run: func(rd *reader, _ *entity.Entry) error {
			for _, t := range b.inOrder {
				if t.Counter == "" {
					continue
				}
				if err := rd.directTable(t, te.GetIsDefaultAction()); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
	t, err := b.find(te.GetTableId())
	if err != nil {
		return query{}, err
	}
	if t.Counter == "" {
		return query{}, invalid("table %s has no direct counter", t.Name)
	}
	if whole {
		return query{run: func(rd *reader, _ *entity.Entry) error { return rd.directTable(t, te.GetIsDefaultAction()) }}, nil
	}
	u, err := t.directTarget(te)
	if err != nil {
		return query{}, within(err, "table %s", t.Name)
	}
	return query{key: &store.Key{Table: t.Index, Key: u.Key, Priority: u.Priority}, run: func(rd *reader, e *entity.Entry) error {
		if e == nil {
			return entity.Errorf(entity.NotFound, "table %s: no entry %s", t.Name, t.FormatKey(u.Key, u.Priority))
		}
		return rd.directCounters(t, []entity.Entry{*e})
	}}, nil
}

func (rd *reader) directTable(t *tableInfo, def bool) error {
	if def {
		return rd.directCounters(t, []entity.Entry{*rd.snap.Default(t.Index)})
	}
	return rd.each(t, func(es []entity.Entry) error { return rd.directCounters(t, es) })
}

func (rd *reader) directCounters(t *tableInfo, es []entity.Entry) error {
	if len(es) == 0 {
		return nil
	}
	counts := make([]entity.Counter, len(es))
	if err := rd.snap.Counters(t.Index, es, counts); err != nil {
		return err
	}
	for i := range es {
		if err := rd.out.add(func(b []byte) []byte { return t.appendDirectCounter(b, &es[i], counts[i]) }); err != nil {
			return err
		}
	}
	return nil
}

// cellsQuery decodes a read of indirect counters (p4rt:C2, C5).
func (b *binding) cellsQuery(c *p4v1.CounterEntry) (query, error) {
	if c.GetCounterId() == 0 {
		if c.GetIndex() != nil {
			return query{}, invalid("counter_id is not set: all counters are read without index")
		}
		return query{run: func(rd *reader, _ *entity.Entry) error {
			for _, ci := range b.cells {
				if err := rd.cells(ci, 0, uint32(ci.size)); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
	ci, err := b.findCounter(c.GetCounterId())
	if err != nil {
		return query{}, err
	}
	first, count, err := cells(c.GetIndex(), ci.size)
	if err != nil {
		return query{}, within(err, "counter %s", ci.name)
	}
	return query{run: func(rd *reader, _ *entity.Entry) error { return rd.cells(ci, first, count) }}, nil
}

func (rd *reader) cells(ci *counterInfo, first, count uint32) error {
	for count > 0 {
		n := min(count, batchSize)
		index := make([]uint32, n)
		for i := range index {
			index[i] = first + uint32(i)
		}
		counts := make([]entity.Counter, n)
		if err := rd.snap.Cells(ci.name, index, counts); err != nil {
			return err
		}
		for i, c := range counts {
			m := &p4v1.CounterEntry{CounterId: ci.id, Index: &p4v1.Index{Index: int64(index[i])}, Data: counterData(c)}
			if err := rd.out.addMessage(&p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: m}}); err != nil {
				return err
			}
		}
		first, count = first+n, count-n
	}
	return nil
}
