package kernel

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
)

// digestReader reads the messages of one generation's programs while somebody
// listens.
type digestReader struct {
	p    *Plane
	l    *backend.DigestLayout
	ring *ringbuf.Reader
	lost *mapped
	once sync.Once
	done chan struct{} // closed when the goroutine has ended; nil before it began
}

// digestSink is who listens.
type digestSink struct {
	mu sync.Mutex
	f  func(ir.Digest)
}

func (g *generation) openDigests(l *backend.DigestLayout) (*digestReader, error) {
	lost, err := mapArray(g.mapOf(l.Lost))
	if err != nil {
		return nil, err
	}
	ring, err := ringbuf.NewReader(g.mapOf(l.Ring))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("digests: %w", err), lost.close())
	}
	return &digestReader{p: g.p, l: l, ring: ring, lost: lost}, nil
}

// start begins to read; what came before anybody listened is dropped.
func (r *digestReader) start() {
	if r == nil {
		return
	}
	r.once.Do(func() {
		r.done = make(chan struct{})
		go r.run()
	})
}

func (r *digestReader) close() error {
	if r == nil {
		return nil
	}
	err := r.ring.Close()
	r.once.Do(func() {})
	if r.done != nil {
		<-r.done
	}
	return errors.Join(err, r.lost.close())
}

// lostReport is how often lost messages are spoken of.
const lostReport = 10 * time.Second

func (r *digestReader) run() {
	defer close(r.done)
	told, last := r.lost.load(0, 0), time.Time{}
	var rec ringbuf.Record
	for {
		err := r.ring.ReadInto(&rec)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			r.p.log.Error("digests are no longer read", "error", err)
			return
		}
		if n := r.lost.load(0, 0); n != told && time.Since(last) > lostReport {
			r.p.log.Warn("digests were lost: the programs send more than is read", "lost", n-told)
			told, last = n, time.Now()
		}
		d, err := r.l.Decode(rec.RawSample)
		if err != nil {
			r.p.log.Error("digest", "error", err)
			continue
		}
		r.p.digests.mu.Lock()
		if f := r.p.digests.f; f != nil {
			f(d)
		}
		r.p.digests.mu.Unlock()
	}
}

// SetDigests implements dataplane.Events. While nobody listens messages are
// dropped.
func (p *Plane) SetDigests(f func(ir.Digest)) {
	p.digests.mu.Lock()
	defer p.digests.mu.Unlock()
	p.digests.f = f
}

// LostDigests counts the messages for which the ring to this process had no room,
// since the state of the live pipeline began.
func (p *Plane) LostDigests() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed || p.live == nil || p.live.objects.digests == nil {
		return 0
	}
	return p.live.objects.digests.lost.load(0, 0)
}
