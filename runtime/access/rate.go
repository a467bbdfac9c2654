package access

import (
	"sync"
	"time"
)

// rate bounds the changes of each client: a bucket that fills with rate tokens a
// second up to burst. A request may take more than there is and leaves a debt,
// so that one of any size gets through, and what follows waits for it.
type rate struct {
	perSecond, burst float64
	now              func() time.Time
	mu               sync.Mutex
	buckets          map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds the clients that are remembered. Full buckets say nothing and
// go first; then everybody starts anew, which an attacker with that many
// identities could have anyway.
const maxBuckets = 4096

// take asks for n changes; wait is 0 when they may be made now.
func (r *rate) take(key string, n int) (wait time.Duration) {
	if r.perSecond == 0 || n == 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	b := r.buckets[key]
	if b == nil {
		if len(r.buckets) >= maxBuckets {
			r.forget(now)
		}
		b = &bucket{r.burst, now}
		r.buckets[key] = b
	}
	r.fill(b, now)
	if b.tokens <= 0 {
		return max(time.Duration((1-b.tokens)/r.perSecond*float64(time.Second)), time.Millisecond)
	}
	b.tokens -= float64(n)
	return 0
}

func (r *rate) fill(b *bucket, now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(r.burst, b.tokens+d.Seconds()*r.perSecond)
		b.at = now
	}
}

func (r *rate) forget(now time.Time) {
	for k, b := range r.buckets {
		if r.fill(b, now); b.tokens == r.burst {
			delete(r.buckets, k)
		}
	}
	if len(r.buckets) >= maxBuckets {
		clear(r.buckets)
	}
}
