package p4rt

import (
	"sync/atomic"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// Limits of idle timeouts.
const (
	maxIdleWaiting = 65536
	maxIdleList    = 1024        // entries of one notification
	idleRepeat     = time.Second // an entry that stays idle is told no more often
)

// idles tells primaries of entries that nobody hits (P4Runtime section 6.9): when
// the engine finds one, and again after each further timeout without a hit.
type idles struct {
	s    *Server
	in   chan idleEntry
	told map[idleEntry]idleState // of the goroutine alone
	pipe *store.Pipeline         // whose they are
	full atomic.Uint64
}

type idleEntry struct {
	table  int
	handle uint32
}

type idleState struct {
	birth uint64
	again time.Time
}

func newIdles(s *Server) *idles {
	return &idles{s: s, in: make(chan idleEntry, maxIdleWaiting), told: map[idleEntry]idleState{}}
}

// receive is called by the engine and does not wait.
func (d *idles) receive(table int, handle uint32) {
	select {
	case d.in <- idleEntry{table, handle}:
	default:
		d.full.Add(1) // it is told when it is idle the next time
	}
}

func (d *idles) run(quit <-chan struct{}) {
	t := time.NewTicker(idleRepeat)
	defer t.Stop()
	for {
		select {
		case e := <-d.in:
			due := []idleEntry{e}
		more:
			for len(due) < maxIdleList {
				select {
				case e := <-d.in:
					due = append(due, e)
				default:
					break more
				}
			}
			d.tell(due, time.Now())
		case <-t.C:
			d.repeat(time.Now())
		case <-quit:
			return
		}
	}
}

// repeat tells again of entries whose next timeout is over (p4rt:IT5).
func (d *idles) repeat(now time.Time) {
	if len(d.told) == 0 {
		return
	}
	pl := d.s.store.Pipeline()
	if pl != d.pipe {
		clear(d.told)
		return
	}
	byTable := map[int][]entity.Entry{}
	for e, st := range d.told {
		if now.Before(st.again) {
			continue
		}
		x := d.s.store.Entry(pl, e.table, e.handle)
		if x == nil || x.Birth != st.birth || x.Extra == nil || x.Extra.IdleTimeout == 0 {
			delete(d.told, e)
			continue
		}
		byTable[e.table] = append(byTable[e.table], *x)
	}
	var due []idleEntry
	snap := &store.Snapshot{}
	if len(byTable) > 0 {
		snap = d.s.store.Snapshot(pl)
	}
	for table, es := range byTable {
		hits := make([]uint64, len(es))
		if err := snap.LastHits(table, es, hits); err != nil {
			continue // the pipeline changed
		}
		for i := range es {
			e := idleEntry{table, es[i].Handle}
			if hits[i] < uint64(es[i].Extra.IdleTimeout) {
				delete(d.told, e) // hit since; the engine tells when it is idle again
				continue
			}
			due = append(due, e)
		}
	}
	for len(due) > 0 {
		n := min(len(due), maxIdleList)
		d.tell(due[:n], now)
		due = due[n:]
	}
}

// tell sends one notification (p4rt:IT4, IT7).
func (d *idles) tell(due []idleEntry, now time.Time) {
	pl := d.s.store.Pipeline()
	b, err := d.s.binding(pl)
	if err != nil || b == nil {
		return
	}
	if d.pipe != pl {
		d.pipe = pl
		clear(d.told)
	}
	m := &p4v1.IdleTimeoutNotification{Timestamp: now.UnixNano()}
	for _, e := range due {
		x := d.s.store.Entry(pl, e.table, e.handle)
		if x == nil || x.Extra == nil || x.Extra.IdleTimeout == 0 || e.table >= len(b.byIndex) || b.byIndex[e.table] == nil {
			continue // gone meanwhile
		}
		d.told[e] = idleState{x.Birth, now.Add(max(idleRepeat, time.Duration(x.Extra.IdleTimeout)))}
		if te := b.byIndex[e.table].notice(x); te != nil {
			m.TableEntry = append(m.TableEntry, te)
		}
	}
	if len(m.TableEntry) == 0 {
		return
	}
	for _, st := range d.s.arbiter.primaries() {
		st.pushNotice(&p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_IdleTimeoutNotification{IdleTimeoutNotification: m}})
	}
}

// notice is an entry as notifications show it: key, metadata and timeout.
func (t *tableInfo) notice(e *entity.Entry) *p4v1.TableEntry {
	b := t.appendIdentity(nil, e)
	b = appendUintField(b, 4, uint64(e.Priority))
	b = t.appendExtra(b, e, asked{})
	te := &p4v1.TableEntry{}
	if proto.Unmarshal(b, te) != nil {
		return nil
	}
	return te
}
