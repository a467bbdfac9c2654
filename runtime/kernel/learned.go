package kernel

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
)

// Entries that packets add (PNA's add_on_miss): the programs add and find them by
// themselves; see backend.LearnLayout. The plane takes out those whose time is over
// and that no packet meets, and gives their numbers back after grace.

// sweepLearnedEvery is how often it looks for them.
const sweepLearnedEvery = time.Second

// learnWatch is the goroutine that does; it runs from the first generation with such
// a table on.
type learnWatch struct {
	mu         sync.Mutex
	stop, done chan struct{}
}

// watchLearned starts the goroutine where the generation needs it.
func (p *Plane) watchLearned(g *generation) {
	w := &p.learning
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil || !g.learns() {
		return
	}
	stop, done := make(chan struct{}), make(chan struct{})
	w.stop, w.done = stop, done
	go func() {
		defer close(done)
		tick := time.NewTicker(sweepLearnedEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if err := p.sweepLearned(); err != nil {
					p.log.Warn("entries that packets added are not looked after", "err", err)
				}
			}
		}
	}()
}

func (p *Plane) stopLearned() {
	w := &p.learning
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		close(w.stop)
		<-w.done
		w.stop = nil
	}
}

func (g *generation) learns() bool {
	for _, t := range g.layout.Tables {
		if t.Learn != nil {
			return true
		}
	}
	return false
}

// sweepLearned takes out what is over. Whoever changes generations waits for it, at
// most a grace period.
func (p *Plane) sweepLearned() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	g := p.live
	if g == nil || p.closed {
		return nil
	}
	type free struct {
		m       *ebpf.Map
		numbers []uint32
	}
	var all []free
	var errs []error
	now := bootTime()
	for _, t := range g.layout.Tables {
		if t.Learn == nil {
			continue
		}
		f := free{m: g.mapOf(t.Learn.Free)}
		var over [][]byte
		errs = append(errs, g.eachLearned(t.Learn, func(key, record []byte, n uint32) {
			limit, last := backend.LearnWord(record, backend.LearnTimeout), backend.LearnWord(record, backend.LearnLast)
			if limit != 0 && now >= last && now-last >= limit {
				over = append(over, key)
				f.numbers = append(f.numbers, n)
			}
		}))
		kept := f.numbers[:0]
		for i, key := range over {
			// Whoever deletes the key has its number.
			if g.mapOf(t.Learn.Match).Delete(key) == nil {
				kept = append(kept, f.numbers[i])
			}
		}
		f.numbers = kept
		var n uint32
		for g.mapOf(t.Learn.Dead).LookupAndDelete(nil, &n) == nil {
			f.numbers = append(f.numbers, n)
		}
		if len(f.numbers) > 0 {
			all = append(all, f)
		}
	}
	if len(all) > 0 {
		errs = append(errs, p.grace.wait())
	}
	for _, f := range all {
		for _, n := range f.numbers {
			errs = append(errs, f.m.Put(nil, n))
		}
	}
	return errors.Join(errs...)
}

// eachLearned calls f with every entry that packets have added to a table.
func (g *generation) eachLearned(l *backend.LearnLayout, f func(key, record []byte, n uint32)) error {
	records := g.mapOf(l.Records)
	var key []byte
	var n uint32
	it := g.mapOf(l.Match).Iterate()
	for it.Next(&key, &n) {
		record := make([]byte, l.Records.ValueSize)
		if err := records.Lookup(n, record); err != nil {
			return fmt.Errorf("a learned entry with number %d: %w", n, err)
		}
		f(append([]byte(nil), key...), record, n)
	}
	// A table that changes all the time cannot be walked to the end; the next walk
	// sees the rest.
	if err := it.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return err
	}
	return nil
}

// Learned lists the entries that packets have added to a table of the live
// generation, in no order. Their handles are 0: they are no entries of the store.
func (p *Plane) Learned(table int) ([]ir.Entry, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed || p.live == nil {
		return nil, errNoPipeline
	}
	if table < 0 || table >= len(p.live.layout.Tables) {
		return nil, fmt.Errorf("there is no table %d", table)
	}
	l := p.live.layout.Tables[table].Learn
	if l == nil {
		return nil, nil
	}
	var out []ir.Entry
	var bad error
	err := p.live.eachLearned(l, func(key, record []byte, _ uint32) {
		e, err := l.Entry(key, record)
		if err != nil {
			bad = err
			return
		}
		out = append(out, e)
	})
	return out, errors.Join(err, bad)
}

// SetExpireTimes gives the expire time profiles of the live generation their times;
// a profile that is not there never expires. Entries keep the time that they have.
func (p *Plane) SetExpireTimes(times map[uint8]time.Duration) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed || p.live == nil {
		return errNoPipeline
	}
	if !p.live.learns() {
		return errors.New("the pipeline has no table that packets add entries to")
	}
	return p.live.setExpireTimes(times)
}

// setExpireTimes writes the times of all profiles, where the pipeline has such.
func (g *generation) setExpireTimes(times map[uint8]time.Duration) error {
	for _, m := range g.layout.Maps() {
		if m.Name != backend.MapExpire {
			continue
		}
		for n := range backend.ExpireProfiles {
			if err := g.mapOf(m).Put(uint32(n), uint64(times[uint8(n)])); err != nil {
				return err
			}
		}
	}
	return nil
}
