package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// Mode tells what SetPipeline does.
type Mode uint8

const (
	// Verify changes nothing.
	Verify Mode = iota
	// Commit starts from the program's own entries, counters at zero.
	Commit
	// Reconcile keeps entries and state, or refuses with the list of what would
	// be lost (D1).
	Reconcile
)

// LossError lists what a Reconcile would lose; nothing was changed.
type LossError struct {
	Lost []string // "table MyIngress.acl: gone, 12 entries"
}

// lossLines bounds the message: it travels in a gRPC trailer.
const lossLines = 20

func (e *LossError) Error() string {
	lost := e.Lost
	more := ""
	if len(lost) > lossLines {
		more = fmt.Sprintf("; and %d more", len(lost)-lossLines)
		lost = lost[:lossLines]
	}
	return "reconcile would lose: " + strings.Join(lost, "; ") + more
}

// SetPipeline verifies, or makes pl the live pipeline. After an error the old
// one and its entries are as before. Errors are *entity.Error, ErrNotStarted or
// ErrClosed.
func (s *Store) SetPipeline(m Mode, pl *Pipeline) error {
	ch := s.change(pl)
	err := s.send(request{call: func() error { return s.setPipeline(m, pl, ch) }})
	if ch != nil {
		ch.Done(nil, err == nil && m != Verify)
	}
	return err
}

// setPipeline is the applier's part; ch is nil without an owner.
func (s *Store) setPipeline(m Mode, pl *Pipeline, ch Change) error {
	if err := s.plane.Check(pl.Program); err != nil {
		return cannotRun(s.plane.Name(), err)
	}
	img := &image{pipe: pl, cells: map[string]*cells{}, objects: objects{}, elections: s.elections, boot: s.opts.BootID}
	birth := s.birth
	var err error
	if m == Reconcile && s.pipe != nil {
		img.tables, img.objects, img.rebase, err = s.reconcile(pl, &birth)
		if err == nil {
			img.cells = keptCells(s.cells, s.pipe.Program, pl.Program)
		}
	} else {
		img.tables, err = initialTables(pl.Schema, &birth)
	}
	if err == nil && ch != nil {
		err = img.fill(ch, &birth, m == Reconcile)
	}
	if err != nil || m == Verify {
		return err
	}
	if s.fault != nil {
		return s.fault
	}
	s.seq++
	img.seq = s.seq
	if m == Commit {
		img.zero = s.seq
	}
	// Registers are zero, or what packets left: nothing is written into them.
	gen, err := prepare(s.plane, pl, img.tables, img.objects, m == Reconcile, s.seq, func(*entity.RegisterValue) bool { return false })
	if err != nil {
		return cannotRun(s.plane.Name(), err)
	}
	s.opts.at(fpSetPrepared)
	settle, err := s.journal.rotate(img.save())
	if err != nil {
		gen.Abort()
		s.journalFailed(err, false)
		return &entity.Error{Reason: entity.Unavailable, Msg: err.Error(), Err: err}
	}
	s.planeMu.Lock()
	defer s.planeMu.Unlock()
	if err := gen.Commit(); err != nil {
		gen.Abort()
		if e := settle(false); e != nil {
			s.journalFailed(e, true)
		}
		return entity.Errorf(entity.Internal, "%s: commit: %w", s.plane.Name(), err)
	}
	s.opts.at(fpSetCommitted)
	if c := s.compacting; c != nil {
		c.void.Store(true) // what it reads is not the journal any more
	}
	if err := settle(true); err != nil {
		s.log.Warn("journal", "error", err) // the file is good, its predecessor stays behind
	}
	s.opts.at(fpSetSettled)
	s.mu.Lock()
	s.pipe, s.tables, s.cells, s.objects, s.birth = pl, img.tables, img.cells, img.objects, birth
	s.uses, s.hidden = references(s.tables, s.objects)
	s.owned = owned(ch, pl)
	s.mu.Unlock()
	s.rebase(img.rebase)
	s.plane.MarkApplied(s.seq)
	s.watchers.tell()
	return nil
}

// rebase gives new entries on used handles a base that hides what the old
// generation counted there until its last packet.
func (s *Store) rebase(hs []handleID) {
	if len(hs) == 0 {
		return
	}
	var records [][]byte
	for _, h := range hs {
		sum, err := s.sum(h.table, h.handle)
		if err != nil {
			s.log.Warn("a new entry shows the counts of an older one", "error", err)
			continue
		}
		records = append(records, encodeShift(h.table, h.handle, sum))
		s.mu.Lock()
		t := s.tables[h.table]
		e := *t.get(h.handle)
		e.Base.Packets += sum.Packets
		e.Base.Bytes += sum.Bytes
		t.set(&e, s.epoch.Load())
		s.mu.Unlock()
	}
	if err := s.journal.append(records...); err != nil {
		s.journalFailed(err, true)
	}
}

// cannotRun words a refusal of the engine: the program's fault where a construct
// is named, the engine's otherwise.
func cannotRun(plane string, err error) error {
	var un *dataplane.Unsupported
	if errors.As(err, &un) {
		return entity.Errorf(entity.Invalid, "the program cannot run on %s: %w", plane, err)
	}
	var e *entity.Error
	if errors.As(err, &e) {
		return err
	}
	return entity.Errorf(entity.Internal, "%s: %w", plane, err)
}

// initialTables hold the program's own entries and nothing else.
func initialTables(sc *entity.Schema, birth *uint64) ([]*table, error) {
	out := make([]*table, len(sc.Tables))
	for i, ts := range sc.Tables {
		def, err := ts.Default()
		if err != nil {
			return nil, err
		}
		t := newTable(ts, def)
		es, err := ts.InitialEntries()
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			t.adopt(e, birth)
		}
		out[i] = t
	}
	return out, nil
}

// adopt inserts an entry that has no handle into a table that is being built;
// it is false when the table is full.
func (t *table) adopt(e *entity.Entry, birth *uint64) bool {
	h, _, ok := t.free.take()
	if !ok {
		return false
	}
	*birth++
	e.Handle, e.Birth = h, *birth
	t.add(e)
	return true
}
