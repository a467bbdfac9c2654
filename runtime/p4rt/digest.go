package p4rt

import (
	"sync"
	"sync/atomic"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

// Limits of digests: messages that wait for their turn, those of one list whatever
// its configuration says, and lists that wait for an acknowledgement.
const (
	maxDigestsWaiting = 8192
	maxDigestList     = 16384
	maxUnacknowledged = 1 << 16
)

// digests gathers the messages of the pipeline into lists (P4Runtime section
// 9.7). A message is sent once until its list is acknowledged or the
// acknowledgement's time is over.
type digests struct {
	s  *Server
	in chan ir.Digest

	mu     sync.Mutex
	bound  *binding // whose the states are; another one starts anew
	states map[string]*digestState
	lists  uint64 // id of the last list
	timer  *time.Timer
	counts digestCounts
}

// digestState is one digest that is enabled.
type digestState struct {
	info   *digestInfo
	buffer []*p4v1.P4Data
	have   map[string]bool   // messages in the buffer
	keys   []string          // the same in order
	since  time.Time         // when the first came
	cached map[string]uint64 // messages that were sent -> list
	sent   []sentList        // by age
}

type sentList struct {
	id   uint64
	at   time.Time
	keys []string
}

type digestCounts struct{ messages, lists, full, refused, malformed, noPrimary, slow atomic.Uint64 }

// DigestCounts are what became of the pipeline's digests since the server was
// made.
type DigestCounts struct {
	Messages  uint64 // that the pipeline sent
	Lists     uint64 // that were queued for a primary
	Full      uint64 // messages dropped: too many at once
	Disabled  uint64 // messages dropped: no controller wants the digest
	Malformed uint64 // messages dropped: not what the P4Info says
	NoPrimary uint64 // lists dropped: nobody is primary
	Slow      uint64 // lists dropped: the primary does not read fast enough
}

// DigestCounts reads the counts.
func (s *Server) DigestCounts() DigestCounts {
	c := &s.digests.counts
	return DigestCounts{Messages: c.messages.Load(), Lists: c.lists.Load(), Full: c.full.Load(), Disabled: c.refused.Load(), Malformed: c.malformed.Load(),
		NoPrimary: c.noPrimary.Load(), Slow: c.slow.Load()}
}

func newDigests(s *Server) *digests {
	d := &digests{s: s, in: make(chan ir.Digest, maxDigestsWaiting), timer: time.NewTimer(time.Hour)}
	d.timer.Stop()
	return d
}

// receive is called by the engine and does not wait (p4rt:G8).
func (d *digests) receive(m ir.Digest) {
	d.counts.messages.Add(1)
	select {
	case d.in <- m:
	default:
		d.counts.full.Add(1)
	}
}

// run gathers until quit is closed.
func (d *digests) run(quit <-chan struct{}) {
	for {
		select {
		case m := <-d.in:
			d.add(m, time.Now())
		case <-d.timer.C:
			d.flush(time.Now())
		case <-quit:
			d.timer.Stop()
			return
		}
	}
}

// state finds or makes that of a digest; mu is held. It is nil, with the reason
// counted, where nobody wants the message.
func (d *digests) state(name string) (*digestState, *entity.DigestConfig) {
	pl := d.s.store.Pipeline()
	b, err := d.s.binding(pl)
	if err != nil || b == nil {
		return nil, nil
	}
	if d.bound != b {
		d.bound, d.states = b, map[string]*digestState{}
	}
	di := b.digest(name)
	if di == nil || di.problem != nil {
		return nil, nil
	}
	c, ok := d.s.store.Object(pl, di.objectID()).(*entity.DigestConfig)
	if !ok {
		delete(d.states, name)
		return nil, nil
	}
	st := d.states[name]
	if st == nil {
		st = &digestState{info: di, have: map[string]bool{}, cached: map[string]uint64{}}
		d.states[name] = st
	}
	return st, c
}

func (b *binding) digest(name string) *digestInfo {
	for _, di := range b.allDigests {
		if di.name == name {
			return di
		}
	}
	return nil
}

// add takes one message (p4rt:G2-G5).
func (d *digests) add(m ir.Digest, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st, c := d.state(m.Name)
	if st == nil {
		d.counts.refused.Add(1)
		return
	}
	size := 0
	for _, f := range m.Fields {
		size += len(f)
	}
	raw := make([]byte, 0, size)
	for _, f := range m.Fields {
		raw = append(raw, f...)
	}
	key := string(raw) // fields have fixed widths
	st.forget(now, c.AckTimeout)
	if _, sent := st.cached[key]; sent || st.have[key] {
		return
	}
	data, ok := st.info.data.message(m.Fields)
	if !ok {
		d.counts.malformed.Add(1)
		return
	}
	if len(st.buffer) == 0 {
		st.since = now
	}
	st.buffer, st.keys = append(st.buffer, data), append(st.keys, key)
	st.have[key] = true
	if c.MaxTimeout == 0 || c.MaxListSize > 0 && len(st.buffer) >= int(c.MaxListSize) || len(st.buffer) >= maxDigestList {
		d.send(st, c, now)
	} else if len(st.buffer) == 1 {
		d.arm(now)
	}
}

// arm sets the timer to the list that is due first; mu is held.
func (d *digests) arm(now time.Time) {
	var first time.Duration
	for _, st := range d.states {
		c, ok := d.s.store.Object(d.bound.pipe, st.info.objectID()).(*entity.DigestConfig)
		if len(st.buffer) == 0 || !ok {
			continue
		}
		if left := max(1, st.since.Add(time.Duration(c.MaxTimeout)).Sub(now)); first == 0 || left < first {
			first = left
		}
	}
	if first > 0 {
		d.timer.Reset(first)
	}
}

// flush sends the lists that are due.
func (d *digests) flush(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, st := range d.states {
		if len(st.buffer) == 0 {
			continue
		}
		now2, c := d.state(name)
		switch {
		case now2 == nil:
		case now2 != st:
			return // another pipeline: its buffers are empty
		case now.Sub(st.since) >= time.Duration(c.MaxTimeout):
			d.send(st, c, now)
		}
	}
	d.arm(now)
}

// send queues a list for the primaries; mu is held.
func (d *digests) send(st *digestState, c *entity.DigestConfig, now time.Time) {
	data, keys := st.buffer, st.keys
	st.buffer, st.keys, st.have = nil, nil, map[string]bool{}
	to := d.s.arbiter.primaries()
	if len(to) == 0 { // G10
		d.counts.noPrimary.Add(1)
		return
	}
	d.lists++
	m := &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Digest{Digest: &p4v1.DigestList{DigestId: st.info.id, ListId: d.lists, Data: data, Timestamp: now.UnixNano()}}}
	sent := false
	for _, s := range to {
		if s.pushNotice(m) {
			d.counts.lists.Add(1)
			sent = true
		} else {
			d.counts.slow.Add(1)
		}
	}
	if !sent || c.AckTimeout == 0 {
		return
	}
	for _, k := range keys {
		st.cached[k] = d.lists
	}
	st.sent = append(st.sent, sentList{d.lists, now, keys})
	if len(st.cached) > maxUnacknowledged {
		st.drop(0)
	}
}

// forget drops what was not acknowledged in time (p4rt:G4).
func (st *digestState) forget(now time.Time, timeout int64) {
	for len(st.sent) > 0 && (timeout == 0 || now.Sub(st.sent[0].at) >= time.Duration(timeout)) {
		st.drop(0)
	}
}

// drop takes a list out of the cache.
func (st *digestState) drop(i int) {
	for _, k := range st.sent[i].keys {
		if st.cached[k] == st.sent[i].id {
			delete(st.cached, k)
		}
	}
	st.sent = append(st.sent[:i], st.sent[i+1:]...)
}

// ack takes an acknowledgement (p4rt:G7).
func (d *digests) ack(a *p4v1.DigestListAck) error {
	b, err := d.s.binding(d.s.store.Pipeline())
	if err != nil {
		return err
	}
	if b == nil {
		return d.s.noPipeline()
	}
	di, err := byID(b, "digest", b.digests, a.GetDigestId())
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	st := d.states[di.name]
	if st == nil || d.bound != b {
		return nil
	}
	for i := range st.sent {
		if st.sent[i].id == a.GetListId() {
			st.drop(i)
			break
		}
	}
	return nil
}
