// Package storetest has a dataplane that keeps books instead of carrying
// packets, and small programs, for tests of the store and its adapters.
//
// In: what a store asks of its Plane. Out: the content, and every breach of the
// contract of runtime/dataplane that the store commits.
// Must not import: store, adapters, engines.
package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
)

// Plane is a dataplane.Plane without packets.
type Plane struct {
	entities
	mu      sync.Mutex
	books   *books
	digests func(ir.Digest)
	idle    func(table int, handle uint32)
	program *ir.Program
	tables  []map[uint32]ir.Entry
	counts  []map[uint32]dataplane.Counter
	cells   map[string]map[uint32]dataplane.Counter
	freed   map[[2]uint32]bool // table, handle: deleted since the last Grace
	applied uint64
	seq     uint64
	breach  []string

	// FailOp, when set, is asked before every op of Apply. FailPrepare and
	// FailCommit make the next such call fail; FailCheck every one.
	FailOp func(dataplane.Op) error
	// FailObject, when set, is asked before every change of an object, with the
	// beginning of its line in Objects.
	FailObject                         func(what string) error
	FailCheck, FailPrepare, FailCommit error
	// Entered, when set, is called at the start of Apply without the lock.
	Entered func()
	// Graces counts calls of Grace.
	Graces int
}

var (
	_ dataplane.Plane  = (*Plane)(nil)
	_ dataplane.Gracer = (*Plane)(nil)
)

// NewPlane is an empty Plane.
func NewPlane() *Plane {
	p := &Plane{cells: map[string]map[uint32]dataplane.Counter{}, freed: map[[2]uint32]bool{}}
	p.entities = entities{p, func() (*books, []map[uint32]ir.Entry) { return p.books, p.tables }}
	return p
}

// Breaches are the contract's violations so far.
func (p *Plane) Breaches() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.breach)
}

func (p *Plane) broke(format string, args ...any) {
	p.breach = append(p.breach, fmt.Sprintf(format, args...))
}

// Program is the live program, nil before the first.
func (p *Plane) Program() *ir.Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.program
}

// Table gives the content of a table by handle; 0 is the default.
func (p *Plane) Table(i int) map[uint32]ir.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[uint32]ir.Entry, len(p.tables[i]))
	for h, e := range p.tables[i] {
		out[h] = e
	}
	return out
}

// Count adds packets of 100 bytes to a direct counter.
func (p *Plane) Count(table int, handle uint32, packets uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counts[table][handle]
	c.Packets += packets
	c.Bytes += 100 * packets
	p.counts[table][handle] = c
}

// CountCell adds packets of 100 bytes to a cell of an indirect counter.
func (p *Plane) CountCell(name string, index uint32, packets uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cells[name] == nil {
		p.cells[name] = map[uint32]dataplane.Counter{}
	}
	c := p.cells[name][index]
	c.Packets += packets
	c.Bytes += 100 * packets
	p.cells[name][index] = c
}

// Name implements dataplane.Plane, as do the methods that follow.
func (p *Plane) Name() string { return "books" }

func (p *Plane) Check(*ir.Program) error { return p.FailCheck }

type generation struct {
	entities
	p       *Plane
	books   *books
	c       dataplane.Config
	tables  []map[uint32]ir.Entry
	aborted bool
}

func (p *Plane) Prepare(c dataplane.Config) (dataplane.Generation, error) {
	g := &generation{p: p, c: c, books: newBooks(c.Program)}
	g.entities = entities{p, func() (*books, []map[uint32]ir.Entry) { return g.books, g.tables }}
	if c.Fill != nil {
		if err := c.Fill(g); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.FailPrepare; err != nil {
		p.FailPrepare = nil
		return nil, err
	}
	if c.Sequence <= p.seq {
		p.broke("Prepare with sequence %d after %d", c.Sequence, p.seq)
	}
	if len(c.Content) != len(c.Program.Tables) {
		p.broke("Prepare with %d contents for %d tables", len(c.Content), len(c.Program.Tables))
		return nil, errors.New("content missing")
	}
	for i, t := range c.Program.Tables {
		m := map[uint32]ir.Entry{0: c.Content[i].Default}
		if c.Content[i].Default.Handle != 0 {
			p.broke("default of %s has a handle", t.Name)
		}
		for e := range c.Content[i].All() {
			if err := p.fits(g.books, t, m, e); err != nil {
				p.broke("Prepare: %v", err)
			}
			m[e.Handle] = e
		}
		g.tables = append(g.tables, m)
	}
	return g, nil
}

// fits checks a new entry against a table.
func (p *Plane) fits(b *books, t *ir.Table, have map[uint32]ir.Entry, e ir.Entry) error {
	if e.Handle < 1 || e.Handle > uint32(entity.Capacity(t)) {
		return fmt.Errorf("%s: handle %d of %d", t.Name, e.Handle, entity.Capacity(t))
	}
	if _, ok := have[e.Handle]; ok {
		return fmt.Errorf("%s: handle %d is in use", t.Name, e.Handle)
	}
	if len(e.Match) != len(t.Keys) {
		return fmt.Errorf("%s: %d matches for %d keys", t.Name, len(e.Match), len(t.Keys))
	}
	return args(b, t, e)
}

func args(b *books, t *ir.Table, e ir.Entry) error {
	if e.IdleTimeout != 0 && !t.SupportTimeout {
		return fmt.Errorf("%s: handle %d has an idle timeout", t.Name, e.Handle)
	}
	if e.Ref != ir.RefNone {
		ok := false
		k := objectKey{t.Implementation.Name, e.Target}
		if e.Ref == ir.RefMember {
			_, ok = b.members[k]
		} else {
			_, ok = b.selectors[k]
		}
		if !ok {
			return fmt.Errorf("%s: handle %d refers to %d of kind %d, which is not there", t.Name, e.Handle, e.Target, e.Ref)
		}
		return nil
	}
	if n := len(t.Actions[e.Action].Action.DataParams()); n != len(e.Args) {
		return fmt.Errorf("%s: %d arguments for %d parameters", t.Name, len(e.Args), n)
	}
	return nil
}

func (g *generation) Commit() error {
	p := g.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.FailCommit; err != nil {
		p.FailCommit = nil
		return err
	}
	counts := make([]map[uint32]dataplane.Counter, len(g.c.Program.Tables))
	cells := map[string]map[uint32]dataplane.Counter{}
	for i, t := range g.c.Program.Tables {
		counts[i] = map[uint32]dataplane.Counter{}
		if p.program == nil || !g.c.KeepState {
			continue
		}
		for k, o := range p.program.Tables {
			if o.Name == t.Name && entity.Capacity(o) == entity.Capacity(t) && (o.Counters == nil) == (t.Counters == nil) {
				counts[i] = p.counts[k]
			}
		}
	}
	if p.program != nil && g.c.KeepState {
		for _, in := range g.c.Program.Instances {
			for _, o := range p.program.Instances {
				if o.Name == in.Name && reflect.DeepEqual(o.Args, in.Args) {
					cells[in.Name] = p.cells[in.Name]
				}
			}
		}
	}
	if g.c.KeepState {
		g.books.keep(p.books)
	}
	p.books = g.books
	p.program, p.tables, p.counts, p.cells = g.c.Program, g.tables, counts, cells
	p.freed = map[[2]uint32]bool{}
	p.seq = g.c.Sequence
	return nil
}

func (g *generation) Abort() {
	g.p.mu.Lock()
	defer g.p.mu.Unlock()
	if g.aborted {
		g.p.broke("a generation aborted twice")
	}
	g.aborted = true
}

// Grace implements dataplane.Gracer.
func (p *Plane) Grace() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Graces++
	p.freed = map[[2]uint32]bool{}
	return nil
}

func (p *Plane) Apply(ops []dataplane.Op) []error {
	if p.Entered != nil {
		p.Entered()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []error
	for i, op := range ops {
		if err := p.apply(op); err != nil {
			if out == nil {
				out = make([]error, len(ops))
			}
			out[i] = err
		}
	}
	return out
}

func (p *Plane) apply(op dataplane.Op) error {
	if p.FailOp != nil {
		if err := p.FailOp(op); err != nil {
			return err
		}
	}
	t, m, e := p.program.Tables[op.Table], p.tables[op.Table], op.Entry
	old, ok := m[e.Handle]
	switch op.Kind {
	case dataplane.Insert:
		if p.freed[[2]uint32{uint32(op.Table), e.Handle}] {
			p.broke("%s: handle %d given away without grace", t.Name, e.Handle)
		}
		if err := p.fits(p.books, t, m, e); err != nil {
			p.broke("Insert: %v", err)
			return err
		}
		m[e.Handle] = e
		delete(p.books.direct, [2]uint32{uint32(op.Table), e.Handle})
	case dataplane.Modify:
		if !ok || e.Handle == 0 {
			return dataplane.ErrNoEntry
		}
		if !reflect.DeepEqual(old.Match, e.Match) || old.Priority != e.Priority {
			p.broke("Modify: %s: handle %d with another match", t.Name, e.Handle)
		}
		if err := args(p.books, t, e); err != nil {
			p.broke("Modify: %v", err)
		}
		m[e.Handle] = e
	case dataplane.Delete:
		if !ok || e.Handle == 0 {
			return dataplane.ErrNoEntry
		}
		if !reflect.DeepEqual(old.Match, e.Match) || old.Priority != e.Priority {
			p.broke("Delete: %s: handle %d with another match", t.Name, e.Handle)
		}
		delete(m, e.Handle)
		delete(p.books.direct, [2]uint32{uint32(op.Table), e.Handle})
		p.freed[[2]uint32{uint32(op.Table), e.Handle}] = true
	case dataplane.SetDefault:
		if e.Handle != 0 {
			p.broke("SetDefault: %s: handle %d", t.Name, e.Handle)
		}
		if err := args(p.books, t, e); err != nil {
			p.broke("SetDefault: %v", err)
		}
		m[0] = e
	}
	return nil
}

func (p *Plane) Counters(table int, handles []uint32, out []dataplane.Counter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.program.Tables[table].Counters == nil {
		p.broke("Counters of %s, which has none", p.program.Tables[table].Name)
	}
	for i, h := range handles {
		out[i] = p.counts[table][h]
	}
	return nil
}

func (p *Plane) InstanceCounters(name string, index []uint32, out []dataplane.Counter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, n := range index {
		out[i] = p.cells[name][n]
	}
	return nil
}

func (p *Plane) Attach(dataplane.Port) error { return nil }
func (p *Plane) Detach(uint32) error         { return dataplane.ErrNoPort }
func (p *Plane) Ports() []dataplane.Port     { return nil }
func (p *Plane) PortStats(uint32) (dataplane.Stats, error) {
	return dataplane.Stats{}, dataplane.ErrNoPort
}

func (p *Plane) AppliedSequence() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.applied
}

func (p *Plane) MarkApplied(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq < p.applied {
		p.broke("MarkApplied %d after %d", seq, p.applied)
	}
	p.applied = seq
}

func (p *Plane) Close() error     { return nil }
func (p *Plane) DetachAll() error { return nil }
