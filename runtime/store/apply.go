package store

import (
	"encoding/binary"
	"errors"

	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// Batch is a list of updates that are tried in order.
type Batch struct {
	Pipeline *Pipeline // what the updates were validated against
	Updates  []entity.Update
	Owner    bool // the batch is the Owner's: it may write its tables
	// Whole: all updates are done or none (p4rt:W8). When one is refused the others
	// are Aborted. What the dataplane did of them until it refused one is taken back,
	// so packets may have seen it. Registers, which packets write too, cannot be
	// taken back and are Unsupported.
	Whole bool
}

type request struct {
	batch Batch
	call  func() error // instead of a batch
	reply chan reply
}

type reply struct {
	each []error
	err  error
}

// groupLimit bounds the updates of batches that share one write to the journal
// and one call of Apply, and so the time that the first of them waits.
const groupLimit = 8192

// Apply makes the changes and returns when each is in the journal and in the
// datapath, or refused. The slice has one error an update, nil where it was
// done; a nil slice means that all were. The error concerns the whole batch, of
// which nothing was done then: ErrPipelineChanged (decode it again),
// ErrNotStarted, ErrClosed, ErrNoPipeline or an *entity.Error.
func (s *Store) Apply(b Batch) ([]error, error) {
	r := request{batch: b, reply: make(chan reply, 1)}
	if err := s.enqueue(r); err != nil {
		return nil, err
	}
	a := s.answer(r)
	return a.each, a.err
}

// run is the applier.
func (s *Store) run() {
	defer close(s.done)
	var ahead *request // taken from the channel, but not part of the last group
	for {
		var r request
		if ahead != nil {
			r, ahead = *ahead, nil
		} else {
			var ok bool
			if r, ok = <-s.reqs; !ok {
				return
			}
		}
		if r.call != nil {
			r.reply <- reply{err: r.call()}
			continue
		}
		group, n := []request{r}, len(r.batch.Updates)
	gather:
		for n < groupLimit && !r.batch.Whole {
			select {
			case more, ok := <-s.reqs:
				if !ok {
					break gather // seen again by the next receive
				}
				if more.call != nil || more.batch.Whole {
					ahead = &more
					break gather
				}
				group = append(group, more)
				n += len(more.batch.Updates)
			default:
				break gather
			}
		}
		s.apply(group)
	}
}

// apply takes a group of batches through D6 and answers them.
func (s *Store) apply(group []request) {
	for i, a := range s.perform(group) {
		group[i].reply <- a
	}
}

func (s *Store) perform(group []request) []reply {
	replies := make([]reply, len(group))
	if s.fault != nil {
		for i := range replies {
			replies[i].err = s.fault
		}
		return replies
	}
	n := 0
	for i := range group {
		n += len(group[i].batch.Updates)
	}
	p := s.work
	p.reset(n)
	defer p.release()
	s.journal.begin()
	seqs := make([]uint64, len(group))
	for i, r := range group {
		switch {
		case s.pipe == nil:
			replies[i].err = ErrNoPipeline
			continue
		case r.batch.Pipeline != s.pipe:
			replies[i].err = ErrPipelineChanged
			continue
		}
		first := len(p.items)
		for j := range r.batch.Updates {
			u := &r.batch.Updates[j]
			err := s.allowed(&r.batch, u)
			if err == nil && r.batch.Whole && u.Object != nil && u.Object.ID.Kind == entity.Register {
				err = entity.Errorf(entity.Unsupported, "%s: packets write registers too, so a write cannot be rolled back", u.Object.ID)
			}
			if err == nil {
				err = p.add(i, j, u)
			}
			if err != nil {
				replies[i].set(len(r.batch.Updates), j, err)
			}
		}
		if n := len(p.items) - first; n > 0 {
			s.seq++
			seqs[i] = s.seq
			s.journal.record(func(b []byte) []byte {
				b = binary.AppendUvarint(append(b, recBatch), s.seq)
				b = binary.AppendUvarint(b, uint64(n))
				for k := range n {
					b = appendChange(b, &p.items[first+k].change)
				}
				return b
			})
		}
	}
	whole := len(group) == 1 && group[0].batch.Whole
	if whole && replies[0].each != nil {
		p.giveBack()
		replies[0].abort()
		return replies
	}
	if len(p.items) == 0 {
		return replies
	}
	s.opts.at(fpPlanned)
	if err := s.journal.commit(); err != nil {
		s.journalFailed(err, false)
		p.giveBack()
		for i := range replies {
			replies[i] = reply{err: &entity.Error{Reason: entity.Unavailable, Msg: err.Error(), Err: err}}
		}
		return replies
	}
	s.opts.at(fpAppended)
	if s.stuck {
		s.stuck = false
		s.log.Info("the journal can be written again")
	}
	if p.perform() {
		p.settle()
		if whole {
			p.takeBack()
		}
	}
	p.endSets()
	s.opts.at(fpApplied)
	if more := p.afterwards(seqs); len(more) > 0 {
		if err := s.journal.append(more...); err != nil {
			s.journalFailed(err, true)
			p.doubt(err)
		}
		s.opts.at(fpCompensated)
	}
	p.publish(seqs)
	s.opts.at(fpPublished)
	s.plane.MarkApplied(s.seq)
	s.opts.at(fpMarked)
	s.watchers.tell()
	for i := range p.items {
		if it := &p.items[i]; it.err != nil {
			replies[it.req].set(len(group[it.req].batch.Updates), it.update, it.err)
		}
	}
	s.compactIfLarge()
	return replies
}

func (r *reply) set(n, i int, err error) {
	if r.each == nil {
		r.each = make([]error, n)
	}
	r.each[i] = err
}

// journalFailed stops all writing where the file disagrees with the content, or
// may. Of failures in a row, as when the disk is full, the log has the first.
func (s *Store) journalFailed(err error, disagrees bool) {
	var torn *tornError
	disagrees = disagrees || errors.As(err, &torn)
	if !s.stuck || disagrees {
		s.log.Error("the journal cannot be written", "error", err)
	}
	s.stuck = true
	if disagrees {
		s.fault = &entity.Error{Reason: entity.Unavailable, Msg: "the journal cannot be written, nothing is accepted until nicd is restarted: " + err.Error(), Err: err}
	}
}

func (s *Store) grace() error {
	g, ok := s.plane.(dataplane.Gracer)
	if !ok {
		return nil
	}
	if err := g.Grace(); err != nil {
		return entity.Errorf(entity.Internal, "%s: grace: %w", s.plane.Name(), err)
	}
	return nil
}

// sum is what the dataplane counted on a handle, whoever owned it.
func (s *Store) sum(table int, handle uint32) (entity.Counter, error) {
	var out [1]dataplane.Counter
	if err := s.plane.Counters(table, []uint32{handle}, out[:]); err != nil {
		return entity.Counter{}, entity.Errorf(entity.Internal, "table %s: read counter: %w", s.tables[table].schema.Name, err)
	}
	return entity.Counter(out[0]), nil
}
