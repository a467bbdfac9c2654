package kernel

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/runtime/dataplane"
)

// ages are the idle timeouts of a table's entries. The times of the last hits are
// state, which packets write; timeouts are content.
type ages struct {
	g    *generation
	hits *mapped // by handle, nanoseconds since boot

	mu      sync.Mutex
	timeout map[uint32]uint64 // nanoseconds, of entries that have one
	told    map[uint32]uint64 // the hit of the last report
}

func (g *generation) openAges(t *table) (*ages, error) {
	hits, err := mapArray(g.mapOf(t.l.Hits))
	if err != nil {
		return nil, err
	}
	a := &ages{g: g, hits: hits, timeout: map[uint32]uint64{}, told: map[uint32]uint64{}}
	if old := g.p.live; g.isKept(t.l.Hits) && old != nil {
		for _, o := range old.tables {
			if o.ages != nil && o.l.IR.Name == t.l.IR.Name {
				a.inherit(o.ages)
			}
		}
	}
	return a, nil
}

// inherit takes over what the generation before has reported.
func (a *ages) inherit(o *ages) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for h, at := range o.told {
		a.told[h] = at
	}
}

func (a *ages) close() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hits.close()
}

// bootTime is the clock that programs read (CLOCK_MONOTONIC), in nanoseconds.
func bootTime() uint64 {
	var ts unix.Timespec
	// It cannot fail for this clock.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return uint64(ts.Nano())
}

// begin starts the time of a new entry. While a generation is filled whose times go
// on, those stay.
func (a *ages) begin(handle uint32) {
	if a.g.filling && a.hits.load(handle, 0) != 0 {
		return
	}
	a.hits.store(handle, 0, bootTime())
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.told, handle)
}

func (a *ages) set(handle uint32, timeout uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if timeout != 0 {
		a.timeout[handle] = timeout
		return
	}
	delete(a.timeout, handle)
}

// sweep lists the entries that are idle and not reported yet.
func (a *ages) sweep(now uint64) []uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []uint32
	if a.hits.raw == nil {
		return nil
	}
	for h, after := range a.timeout {
		at := a.hits.load(h, 0)
		if now < at || now-at < after {
			continue
		}
		if told, ok := a.told[h]; ok && told == at {
			continue
		}
		a.told[h] = at
		out = append(out, h)
	}
	return out
}

// LastHits gives the nanoseconds since entries were hit or inserted.
func (p *Plane) LastHits(table int, handles []uint32, out []uint64) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed || p.live == nil {
		return errNoPipeline
	}
	return p.live.LastHits(table, handles, out)
}

func (g *generation) LastHits(table int, handles []uint32, out []uint64) error {
	t, err := g.tableAt(table)
	switch {
	case err != nil:
		return err
	case t.ages == nil:
		return fmt.Errorf("table %s has no idle timeouts", t.l.IR.Name)
	case len(out) < len(handles):
		return errors.New("less room than handles")
	}
	now := bootTime()
	for i, h := range handles {
		if h > t.l.Size {
			return noEntry(t, h)
		}
		out[i] = now - min(t.ages.hits.load(h, 0), now)
	}
	return nil
}

// sweepEvery is how often idle entries are looked for.
const sweepEvery = time.Second

// idleWatch is the subscription of SetIdle.
type idleWatch struct {
	mu         sync.Mutex
	stop, done chan struct{}
}

// SetIdle implements dataplane.Events.
func (p *Plane) SetIdle(f func(table int, handle uint32)) {
	w := &p.idle
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		close(w.stop)
		<-w.done
		w.stop = nil
	}
	if f == nil {
		return
	}
	stop, done := make(chan struct{}), make(chan struct{})
	w.stop, w.done = stop, done
	go func() {
		defer close(done)
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				p.sweepIdle(f)
			}
		}
	}()
}

// sweepIdle reports the entries that are idle now.
func (p *Plane) sweepIdle(f func(table int, handle uint32)) {
	type idle struct {
		table  int
		handle uint32
	}
	var all []idle
	p.mu.RLock()
	if g := p.live; g != nil && !p.closed {
		now := bootTime()
		for i, t := range g.tables {
			if t.ages == nil {
				continue
			}
			for _, h := range t.ages.sweep(now) {
				all = append(all, idle{i, h})
			}
		}
	}
	p.mu.RUnlock()
	for _, e := range all {
		f(e.table, e.handle)
	}
}

var _ dataplane.Events = (*Plane)(nil)
