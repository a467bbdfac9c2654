package store

import (
	"fmt"

	"github.com/p4nic/p4nic/runtime/entity"
)

// abort says of the updates of a refused batch that were not refused themselves
// that they were not done.
func (r *reply) abort() {
	for i, err := range r.each {
		if err == nil {
			r.each[i] = aborted()
		}
	}
}

func aborted() error {
	return entity.Errorf(entity.Aborted, "not done: another update of the batch failed")
}

// takeBack restores what the store has published, which the batch's items are not
// part of yet, after the dataplane has refused one of them: a generation that is
// filled from it, as after a start, takes the place of the live one. Cells of
// meters, which generations share, are set one by one.
func (p *plan) takeBack() {
	p.seq++
	err := p.restoreMeters()
	gen, e := prepare(p.plane, p.pipe, p.tables, p.objects, true, p.seq, func(*entity.RegisterValue) bool { return false })
	if err == nil {
		err = e
	}
	if e == nil {
		p.planeMu.Lock()
		if e = gen.Commit(); e != nil {
			gen.Abort()
			err = e
		}
		p.planeMu.Unlock()
	}
	if err != nil {
		p.log.Error("a batch cannot be rolled back", "error", err)
	}
	for i := range p.items {
		it := &p.items[i]
		switch {
		case err != nil && it.err != nil: // the others stay done, and whoever asks is told
			it.err = &entity.Error{Reason: entity.Internal, Err: it.err, Msg: fmt.Sprintf("%v; what else the batch did cannot be rolled back: %v", it.err, err)}
		case err == nil:
			if it.err == nil {
				it.err = aborted()
			}
			if it.made != nil { // the new generation never had it
				p.hidden.release(p.tables[it.table].schema.Profile, it.made)
				it.made = nil
			}
		}
	}
}

// restoreMeters gives the cells of meters that items changed their published
// rates.
func (p *plan) restoreMeters() error {
	for i := len(p.items) - 1; i >= 0; i-- {
		it := &p.items[i]
		if it.err != nil || it.kind != chObject || it.object.id.Kind != entity.Meter {
			continue
		}
		for k := range it.object.count {
			c := &objectChange{id: it.object.id, count: 1}
			c.id.ID += k
			c.value = p.objects.get(c.id)
			if err := c.do(p.plane, p.pipe.Schema); err != nil {
				return err
			}
		}
	}
	return nil
}
