package routemap

import (
	"time"

	"github.com/p4nic/p4nic/runtime/entity"
)

// trash is what nothing uses any more, but packets that looked a user up before
// may still ask for. It is deleted after a grace period, and its ids are given
// away only then.
type trash struct {
	updates []entity.Update
	release func() // nil = nothing to give back
}

// passing is longer than any packet takes through a program.
const passing = 10 * time.Millisecond

func (f *fib) throw(us []entity.Update, release func()) {
	f.trash = append(f.trash, trash{us, release})
}

func (m *Map) wakeSweeper() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// sweeper sweeps some time after it was woken.
func (m *Map) sweeper() {
	defer m.done.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		select {
		case <-m.stop:
			return
		case <-m.wake:
		}
		timer.Reset(m.delay)
		select {
		case <-m.stop:
			return
		case <-timer.C:
			m.Sweep()
		}
	}
}

// Sweep deletes what nothing uses now.
func (m *Map) Sweep() {
	m.sweepMu.Lock()
	defer m.sweepMu.Unlock()
	m.rib.Lock()
	f := m.live
	if f == nil || len(f.trash) == 0 {
		m.rib.Unlock()
		return
	}
	list := f.trash
	f.trash = nil
	m.rib.Unlock()
	// Nobody else touches these entries: their ids are not given away yet, and
	// where the pipeline changes meanwhile the store refuses them as outdated.
	ok := f.sweep(list)
	m.rib.Lock()
	defer m.rib.Unlock()
	if !ok {
		f.trash = append(list, f.trash...)
		return
	}
	f.release(list)
}

// sweep deletes the entries; it is false when that must be tried again.
func (f *fib) sweep(list []trash) bool {
	if err := f.m.grace(); err != nil {
		f.m.log.Warn("unused entries stay for now", "error", err)
		return false
	}
	var us []entity.Update
	for _, t := range list {
		us = append(us, t.updates...)
	}
	// An entry that was never written is not found, which is all right.
	f.m.apply(f.pl, us)
	return true
}

func (f *fib) release(list []trash) {
	for _, t := range list {
		if t.release != nil {
			t.release()
		}
	}
}

// sweepNow makes room while the RIB's lock is held: it sweeps what was thrown
// away before the changes under way. It is false when there was nothing.
func (f *fib) sweepNow() bool {
	if f.adopted != nil || f.settled == 0 {
		return false
	}
	list := f.trash[:f.settled:f.settled]
	// The store's grace covers what was deleted. Packets that found an entry
	// before it was changed need only the time of one packet.
	<-time.After(passing)
	if !f.sweep(list) {
		return false
	}
	f.trash = append([]trash(nil), f.trash[f.settled:]...)
	f.settled = 0
	f.release(list)
	return true
}
