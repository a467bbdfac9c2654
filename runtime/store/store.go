// Package store decides what a device's tables hold. One goroutine, the
// applier, makes every change: validate and reserve, append to the journal,
// apply to the dataplane, publish, acknowledge (D6).
//
// In: pipelines and batches of entity.Update from adapters. Out: acknowledgements
// that mean "in the journal and in the datapath", snapshots for reading.
// Must not import: protobuf, adapters, engines.
//
// The files: apply.go is the applier and group commit; plan.go validates and
// reserves; table.go holds one table's entries and handles; objects.go holds what
// is no table entry (groups, members, meters, ...), planobject.go, performobject.go
// and carryobject.go are the parts of the above for it; whole.go takes back batches
// that are done as a whole or not at all; set.go and
// reconcile.go change pipelines (D1); owner.go is who writes tables in the place
// of P4Runtime; snapshot.go reads; journal.go, record.go
// and replay.go are the journal, image.go and compact.go rewrite it, files.go is
// its directory, failpoint.go where tests make it fail.
//
// Locks, in this order: planeMu (a generation switch against counter reads),
// mu (published content). The applier alone changes content, so it reads it
// without a lock.
package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// Durability tells what an acknowledged write survives.
type Durability uint8

const (
	// Process: the death of the daemon, kill -9 included, but not of the host.
	Process Durability = iota
	// Power: the loss of power too, at the price of one fdatasync per group.
	Power
)

// Options of Open.
type Options struct {
	// Dir holds the journal and the lock; it is created when missing.
	Dir        string
	Durability Durability
	// Load gives the core program of a configuration that the journal holds.
	Load func(Config) (*ir.Program, error)
	// BootID names the boot; "" reads the kernel's. Election ids of another boot
	// are forgotten (p4rt:S6).
	BootID string
	// CompactBytes is the size from which a journal that has grown to twice its
	// last snapshot is rewritten; 0 means 16 MiB.
	CompactBytes int64
	Log          *slog.Logger // nil = slog.Default

	folder folder          // nil: Dir on the disk
	fail   func(failPoint) // for tests, see failpoint.go
}

// Config is what a Set carried, byte by byte, so that Get returns it.
type Config struct {
	HasCookie bool
	Cookie    uint64
	P4Info    []byte // as the adapter encodes it
	Device    []byte // p4_device_config
}

// Pipeline is a configuration with its program. Pointers identify pipelines: a
// batch is valid for the one it was decoded against.
type Pipeline struct {
	Config  Config
	Program *ir.Program
	Schema  *entity.Schema
}

// NewPipeline compiles the schema of a core program. Errors are *entity.Error.
func NewPipeline(c Config, p *ir.Program) (*Pipeline, error) {
	sc, err := entity.NewSchema(p)
	if err != nil {
		return nil, err
	}
	return &Pipeline{Config: c, Program: p, Schema: sc}, nil
}

// Election is a P4Runtime election id.
type Election struct {
	High, Low uint64
}

// Errors that concern a whole call.
var (
	ErrPipelineChanged = errors.New("the pipeline changed meanwhile")
	ErrNoPipeline      = errors.New("no forwarding pipeline config is set")
	ErrNotStarted      = errors.New("the dataplane is not ready yet")
	ErrClosed          = errors.New("the store is closed")
)

// Store is one device's content.
type Store struct {
	opts    Options
	log     *slog.Logger
	journal *journal
	lock    *os.File

	planeMu sync.RWMutex
	plane   dataplane.Plane

	mu        sync.RWMutex
	pipe      *Pipeline
	tables    []*table
	cells     map[string]*cells
	objects   objects
	elections map[string]Election
	owner     Owner
	epoch     atomic.Uint64 // rises with every snapshot; see table.go

	// Of the applier alone.
	seq    uint64
	birth  uint64
	owned  []string // by table: what its owner keeps there, "" = P4Runtime writes it
	fault  error    // set when journal and content may differ: nothing is written any more
	stuck  bool     // the last write to the journal failed, which is in the log
	work   *plan
	uses   uses
	hidden hidden
	// unfinished is what the journal shows begun and not ended, from Open to Start.
	unfinished struct {
		zero   uint64     // a change of pipeline to state zero, which runs once the applied sequence says so
		shifts []handleID // handles whose base does not yet hide what their last owner counted
	}
	// compacting is the rewriting of the journal that is under way, nil = none.
	compacting *compaction

	watchers watchers

	reqs chan request
	done chan struct{} // closed when the applier has ended
	life sync.RWMutex  // held for reading while a request is sent
	end  bool
}

// Open takes the directory's lock and replays the journal. A directory that
// another process holds gives a *LockedError.
func Open(o Options) (*Store, error) {
	if o.Load == nil {
		return nil, errors.New("store: Options.Load is missing")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.CompactBytes <= 0 {
		o.CompactBytes = 16 << 20
	}
	if o.BootID == "" {
		b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return nil, fmt.Errorf("store: boot id: %w", err)
		}
		o.BootID = strings.TrimSpace(string(b))
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{opts: o, log: o.Log, cells: map[string]*cells{}, objects: objects{}, elections: map[string]Election{},
		reqs: make(chan request, 256), done: make(chan struct{})}
	s.work = newPlan(s)
	var err error
	if s.lock, err = takeLock(o.Dir); err != nil {
		return nil, err
	}
	if err := s.openJournal(); err != nil {
		_ = s.lock.Close()
		return nil, err
	}
	return s, nil
}

// Start gives the store its dataplane: what the journal holds is prepared as a
// fresh generation that adopts the running one's state, and committed (D6). Then
// writes are accepted. It is called once.
func (s *Store) Start(p dataplane.Plane) error {
	if s.plane != nil {
		return errors.New("store: started twice")
	}
	applied := p.AppliedSequence()
	// Without a surviving cell the counters start at zero, so bases must too.
	// The same where the last life ended before the pipeline ran that shall start
	// from zero.
	fresh := applied < max(1, s.unfinished.zero)
	s.seq = max(s.seq, applied) + 1
	if err := s.journal.append(encodeStart(s.seq, fresh)); err != nil {
		return err
	}
	s.opts.at(fpStartAppended)
	if fresh {
		s.forgetBases()
	}
	if s.pipe != nil {
		if err := p.Check(s.pipe.Program); err != nil {
			return fmt.Errorf("store: the stored pipeline cannot run on %s: %w", p.Name(), err)
		}
		// Registers that go on hold what packets left, but for what the controller
		// wrote after the last change that reached the dataplane.
		gen, err := prepare(p, s.pipe, s.tables, s.objects, !fresh, s.seq, func(r *entity.RegisterValue) bool { return fresh || r.Seq > applied })
		if err != nil {
			return fmt.Errorf("store: prepare the stored pipeline: %w", err)
		}
		s.opts.at(fpStartPrepared)
		if err := gen.Commit(); err != nil {
			gen.Abort()
			return fmt.Errorf("store: commit the stored pipeline: %w", err)
		}
		s.opts.at(fpStartCommitted)
	}
	s.planeMu.Lock()
	s.plane = p
	s.planeMu.Unlock()
	if !fresh {
		s.rebase(s.unfinished.shifts)
	}
	s.unfinished.shifts = nil
	p.MarkApplied(s.seq)
	go s.run()
	return nil
}

// Close ends the applier after the requests that it has and releases the lock.
// The dataplane stays as it is.
func (s *Store) Close() error {
	s.life.Lock()
	if s.end {
		s.life.Unlock()
		return nil
	}
	s.end = true
	close(s.reqs)
	s.life.Unlock()
	s.planeMu.RLock()
	started := s.plane != nil
	s.planeMu.RUnlock()
	if started {
		<-s.done
		if c := s.compacting; c != nil {
			c.void.Store(true)
			<-c.done
		}
	}
	err := s.journal.close()
	if e := s.lock.Close(); err == nil {
		err = e
	}
	return err
}

// Pipeline is the live pipeline, nil before the first Set.
func (s *Store) Pipeline() *Pipeline {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pipe
}

// Able tells whether the engine holds objects of a kind.
func (s *Store) Able(k entity.ObjectKind) bool {
	s.planeMu.RLock()
	defer s.planeMu.RUnlock()
	return able(s.plane, k)
}

// Events is the engine's, nil where it has none.
func (s *Store) Events() dataplane.Events {
	s.planeMu.RLock()
	defer s.planeMu.RUnlock()
	e, _ := s.plane.(dataplane.Events)
	return e
}

// Election is the highest election id ever seen for a role in this boot.
func (s *Store) Election(role string) (Election, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.elections[role]
	return e, ok
}

// SaveElection remembers the highest election id of a role. It works before
// Start too.
func (s *Store) SaveElection(role string, e Election) error {
	return s.send(request{call: func() error {
		if s.fault != nil {
			return s.fault
		}
		if err := s.journal.append(encodeElection(s.opts.BootID, role, e)); err != nil {
			return err
		}
		s.mu.Lock()
		s.elections[role] = e
		s.mu.Unlock()
		return nil
	}})
}

// Do runs f in the applier's goroutine, for calls of the Plane that must not
// overlap with Apply: Attach, Detach.
func (s *Store) Do(f func(dataplane.Plane) error) error {
	return s.send(request{call: func() error { return f(s.plane) }})
}

// send hands a call to the applier and waits for its end.
func (s *Store) send(r request) error {
	r.reply = make(chan reply, 1)
	if err := s.enqueue(r); err != nil {
		return err
	}
	return s.answer(r).err
}

// answer waits for the applier.
func (s *Store) answer(r request) reply {
	select {
	case a := <-r.reply:
		return a
	case <-s.done:
	}
	// It has ended, perhaps after it had answered.
	select {
	case a := <-r.reply:
		return a
	default:
		return reply{err: ErrClosed}
	}
}

func (s *Store) enqueue(r request) error {
	s.planeMu.RLock()
	started := s.plane != nil
	s.planeMu.RUnlock()
	s.life.RLock()
	defer s.life.RUnlock()
	switch {
	case s.end:
		return ErrClosed
	case !started:
		return ErrNotStarted
	}
	s.reqs <- r
	return nil
}

func (s *Store) forgetBases() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tables {
		t.forgetBases(s.epoch.Load())
	}
	s.cells = map[string]*cells{}
}
