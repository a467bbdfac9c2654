package telemetry

import (
	"context"
	"errors"
	"sync"
	"time"
	"weak"

	"github.com/p4nic/p4nic/runtime/store"
)

// Clock is the time, replaceable in tests.
type Clock interface {
	Now() time.Time
	// Timer fires once when d has passed.
	Timer(d time.Duration) (fired <-chan time.Time, stop func())
}

// RealClock is the system's.
type RealClock struct{}

// Now implements Clock.
func (RealClock) Now() time.Time { return time.Now() }

// Timer implements Clock.
func (RealClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// Hub collects frames and hands each to all who ask. It keeps the latest frame of
// a source only as long as somebody uses it.
type Hub struct {
	Schema *Schema
	clock  Clock

	mu       sync.Mutex
	slots    map[slotKey]*slot
	watchers map[*Watcher]bool
	at       [numEvents]time.Time // the last event of each kind
}

type slotKey struct {
	source *Source
	part   string
}

type slot struct {
	mu   sync.Mutex
	last weak.Pointer[Frame]
	took time.Duration
}

// NewHub makes a hub of a table of paths.
func NewHub(s *Schema, c Clock) *Hub {
	if c == nil {
		c = RealClock{}
	}
	return &Hub{Schema: s, clock: c, slots: map[slotKey]*slot{}, watchers: map[*Watcher]bool{}}
}

// Clock is the hub's.
func (h *Hub) Clock() Clock { return h.clock }

// Frame gives a frame whose collection began after the given time: the latest one
// when it did, else a new one. part is "" for the whole source, or the first
// key of a source that is Parted. A part that does not exist is an empty frame.
func (h *Hub) Frame(ctx context.Context, s *Source, part string, after time.Time) (*Frame, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sl := h.slot(slotKey{s, part})
	sl.mu.Lock()
	defer sl.mu.Unlock()
	before := sl.last.Value()
	if before != nil && before.Time > after.UnixNano() {
		return before, nil
	}
	start := h.clock.Now()
	rows, err := s.collect(part, before)
	for try := 0; errors.Is(err, store.ErrPipelineChanged) && try < 4; try++ {
		start = h.clock.Now()
		rows, err = s.collect(part, before)
	}
	if err != nil {
		return nil, err
	}
	f := &Frame{Source: s, Time: start.UnixNano(), Rows: settle(s, before, rows)}
	sl.last, sl.took = weak.Make(f), h.clock.Now().Sub(start)
	return f, nil
}

// Cost is how long the last collection took.
func (h *Hub) Cost(s *Source, part string) time.Duration {
	sl := h.slot(slotKey{s, part})
	sl.mu.Lock()
	defer sl.mu.Unlock()
	return sl.took
}

func (h *Hub) slot(k slotKey) *slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Parts come from clients: those that nobody uses must not pile up.
	if h.slots[k] == nil && len(h.slots) >= maxSlots {
		for k, sl := range h.slots {
			if sl.mu.TryLock() {
				if sl.last.Value() == nil {
					delete(h.slots, k)
				}
				sl.mu.Unlock()
			}
		}
	}
	if h.slots[k] == nil {
		h.slots[k] = &slot{}
	}
	return h.slots[k]
}

const maxSlots = 1024

// Notify says that something happened; it never blocks.
func (h *Hub) Notify(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at[e] = h.clock.Now()
	for w := range h.watchers {
		if w.wants[e] {
			w.count[e]++
			select {
			case w.C <- struct{}{}:
			default:
			}
		}
	}
}

// Watcher hears of events.
type Watcher struct {
	// C has one value when something happened since the last call of Take.
	C     chan struct{}
	hub   *Hub
	wants [numEvents]bool
	count [numEvents]int
}

// Watch makes a watcher of the events that concern the sources. Stop ends it.
func (h *Hub) Watch(sources ...*Source) *Watcher {
	w := &Watcher{C: make(chan struct{}, 1), hub: h}
	for _, s := range sources {
		for _, e := range s.events {
			w.wants[e] = true
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[w] = true
	return w
}

// Events are what a watcher heard.
type Events struct {
	count [numEvents]int
	at    [numEvents]time.Time
}

// Take gives the events since the last call.
func (w *Watcher) Take() Events {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	select {
	case <-w.C:
	default:
	}
	e := Events{count: w.count, at: w.hub.at}
	w.count = [numEvents]int{}
	return e
}

// Add joins later events to e.
func (e *Events) Add(f Events) {
	for i := range e.count {
		if f.count[i] > 0 {
			e.count[i] += f.count[i]
			e.at[i] = f.at[i]
		}
	}
}

// Any tells whether something happened.
func (e *Events) Any() bool { return e.count != [numEvents]int{} }

// Of gives the number of events that concern a source and the time of the last.
func (e *Events) Of(s *Source) (n int, last time.Time) {
	for _, i := range s.events {
		if e.count[i] > 0 {
			n += e.count[i]
			if e.at[i].After(last) {
				last = e.at[i]
			}
		}
	}
	return n, last
}

// Told tells whether changes of the source are events; else it is sampled.
func (s *Source) Told() bool { return len(s.events) > 0 }

// Stop ends the watcher.
func (w *Watcher) Stop() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.hub.watchers, w)
}
