package store

import "sync"

// watchers are told that content changed.
type watchers struct {
	mu   sync.Mutex
	next int
	all  map[int]chan struct{}
}

// Watch gives a channel that gets a value after changes of entries, counters'
// bases or the pipeline; one value may stand for many. Cancel ends it.
func (s *Store) Watch() (changed <-chan struct{}, cancel func()) {
	w := &s.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[int]chan struct{}{}
	}
	id, c := w.next, make(chan struct{}, 1)
	w.next++
	w.all[id] = c
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, id)
	}
}

// tell never blocks.
func (w *watchers) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.all {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
