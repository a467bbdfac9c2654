package store

import (
	"errors"
	"fmt"

	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// doObject makes an item's change of an object in the dataplane.
func (p *plan) doObject(it *item) error {
	c := it.object
	if err := c.do(p.plane, p.pipe.Schema); err != nil {
		return p.refused(c.id.String(), err)
	}
	return nil
}

// refused words an error of the dataplane about an object.
func (p *plan) refused(what string, err error) error {
	e := &entity.Error{Reason: entity.Internal, Err: err, Msg: fmt.Sprintf("%s: %s: %v", what, p.plane.Name(), err)}
	var un *dataplane.Unsupported
	switch {
	case errors.Is(err, dataplane.ErrFull):
		e.Reason = entity.Full
	case errors.Is(err, dataplane.ErrNoEntry):
		e.Reason = entity.NotFound
	case errors.Is(err, dataplane.ErrInUse):
		e.Reason = entity.Precondition
	case errors.As(err, &un):
		e.Reason = entity.Unsupported
	}
	return e
}

// makeSet gives the dataplane an action set, all or nothing.
func makeSet(e dataplane.Entities, pr *entity.Profile, s *entity.ActionSet) error {
	for i, a := range s.Actions {
		if err := e.SetMember(pr.Name, pr.Machine(a.Member, a.Action, a.Args)); err != nil {
			return errors.Join(err, dropMembers(e, pr, s.Actions[:i]))
		}
	}
	if err := e.SetGroup(pr.Name, s.Machine()); err != nil {
		return errors.Join(err, dropMembers(e, pr, s.Actions))
	}
	return nil
}

func dropSet(e dataplane.Entities, pr *entity.Profile, s *entity.ActionSet) error {
	if err := e.DeleteGroup(pr.Name, s.Group); err != nil {
		return err
	}
	return dropMembers(e, pr, s.Actions)
}

func dropMembers(e dataplane.Entities, pr *entity.Profile, as []entity.SetAction) error {
	var errs []error
	for _, a := range as {
		errs = append(errs, e.DeleteMember(pr.Name, a.Member))
	}
	return errors.Join(errs...)
}

// beginSet makes the action set that an item's entry has.
func (p *plan) beginSet(it *item) error {
	pr := p.tables[it.table].schema.Implementation
	what := "action set of table " + p.tables[it.table].schema.Name
	e, err := p.entities(what)
	if err != nil {
		return err
	}
	if err := makeSet(e, pr, it.made); err != nil {
		it.made = nil
		return p.refused(what, err)
	}
	return nil
}

// endSets takes away the action sets that no entry has any more: those that were
// replaced, and those whose entry the dataplane refused.
func (p *plan) endSets() {
	waited := false
	for i := range p.items {
		it := &p.items[i]
		s := it.gone
		if it.err != nil {
			s = it.made
		}
		if s == nil {
			continue
		}
		if !waited { // packets that found the entry may be on their way to the group
			waited = true
			if err := p.grace(); err != nil {
				p.log.Warn("an action set goes without grace", "error", err)
			}
		}
		pr := p.tables[it.table].schema.Implementation
		if e, err := p.entities(pr.Name); err == nil {
			if err := dropSet(e, pr, s); err != nil {
				p.log.Warn("an action set stays behind", "profile", pr.Name, "error", err)
				continue // its ids stay in use
			}
		}
		p.hidden.release(pr.Name, s)
	}
}

// meter gives the entry of an item the rates of its direct meter.
func (p *plan) meter(it *item) error {
	ts := p.tables[it.table].schema
	e, err := p.entities("direct meter of table " + ts.Name)
	if err != nil {
		return err
	}
	var rates *entity.MeterConfig
	if it.entry.Extra != nil {
		rates = it.entry.Extra.Meter
	}
	if err := e.SetDirectMeter(it.table, it.entry.Handle, rates.Rates()); err != nil {
		return p.refused("direct meter of table "+ts.Name, err)
	}
	return nil
}

// unmetered takes back an entry whose meter the dataplane refused.
func (p *plan) unmetered(it *item, former *entity.Former) {
	t := p.tables[it.table]
	op := dataplane.Op{Kind: dataplane.Delete, Table: it.table, Entry: former.Machine(t.schema, &it.entry)}
	if !it.isInsert() {
		old := t.get(it.entry.Handle)
		if old == nil || old.Key != it.entry.Key {
			return // of this group: it is taken back itself
		}
		op.Kind, op.Entry = dataplane.Modify, former.Machine(t.schema, old)
	}
	if errs := p.plane.Apply([]dataplane.Op{op}); errs != nil && errs[0] != nil {
		p.log.Error("an entry whose meter was refused stays as it is", "table", t.schema.Name, "error", errs[0])
	}
}

// fillRefs is dataplane.Config.Fill: what entries refer to.
func fillRefs(sc *entity.Schema, tables []*table, objs objects) func(dataplane.Entities) error {
	some := false
	for scope := range objs {
		some = some || scope.Kind == entity.Member
	}
	for _, t := range tables {
		some = some || t.schema.Profile != ""
	}
	if !some {
		return nil
	}
	return func(e dataplane.Entities) error {
		for c := range objs.all(sc) {
			if c.id.Kind == entity.Member || c.id.Kind == entity.Group {
				if err := c.do(e, sc); err != nil {
					return fmt.Errorf("%s: %w", c.id, err)
				}
			}
		}
		for _, t := range tables {
			if t.schema.Profile == "" {
				continue
			}
			for x := range t.each {
				if x.Extra == nil || x.Extra.Set == nil {
					continue
				}
				if err := makeSet(e, t.schema.Implementation, x.Extra.Set); err != nil {
					return fmt.Errorf("action set of table %s: %w", t.schema.Name, err)
				}
			}
		}
		return nil
	}
}

// fillObjects gives a prepared generation everything else. Registers tells which
// cells are written: others hold what packets left there.
func fillObjects(gen dataplane.Generation, plane dataplane.Plane, sc *entity.Schema, tables []*table, objs objects, registers func(*entity.RegisterValue) bool) error {
	for c := range objs.all(sc) {
		switch c.id.Kind {
		case entity.Member, entity.Group:
			continue
		case entity.Digest:
			if !able(plane, c.id.Kind) {
				return unable(c.id.String(), plane)
			}
			continue
		case entity.Register:
			if r, ok := c.value.(*entity.RegisterValue); !ok || !registers(r) {
				continue
			}
		}
		if !able(gen, c.id.Kind) {
			return unable(c.id.String(), plane)
		}
		if err := c.do(gen, sc); err != nil {
			return fmt.Errorf("%s: %w", c.id, err)
		}
	}
	for _, t := range tables {
		if t.schema.Meter == "" {
			continue
		}
		for x := range t.each {
			if x.Extra == nil || x.Extra.Meter == nil {
				continue
			}
			e, ok := gen.(dataplane.Entities)
			if !ok {
				return unable("direct meter of table "+t.schema.Name, plane)
			}
			if err := e.SetDirectMeter(t.schema.Index, x.Handle, x.Extra.Meter.Rates()); err != nil {
				return fmt.Errorf("direct meter of table %s: %w", t.schema.Name, err)
			}
		}
	}
	return nil
}

// prepare makes a generation with all content.
func prepare(plane dataplane.Plane, pl *Pipeline, tables []*table, objs objects, keep bool, seq uint64, registers func(*entity.RegisterValue) bool) (dataplane.Generation, error) {
	gen, err := plane.Prepare(dataplane.Config{Program: pl.Program, Content: content(tables), KeepState: keep, Fill: fillRefs(pl.Schema, tables, objs), Sequence: seq})
	if err != nil {
		return nil, err
	}
	if err := fillObjects(gen, plane, pl.Schema, tables, objs, registers); err != nil {
		gen.Abort()
		return nil, err
	}
	return gen, nil
}
