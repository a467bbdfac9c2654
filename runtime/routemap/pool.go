package routemap

import "math/bits"

// pool hands out the ids 1..limit.
type pool struct {
	limit, next uint32
	free        []uint32
	used        map[uint32]bool
}

func newPool(width int) *pool {
	limit := uint32(1)<<min(width, 31) - 1
	return &pool{limit: limit, next: 1, used: map[uint32]bool{}}
}

func (p *pool) take() (uint32, bool) {
	for len(p.free) > 0 {
		id := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		if !p.used[id] {
			p.used[id] = true
			return id, true
		}
	}
	for p.next <= p.limit {
		p.next++
		if id := p.next - 1; !p.used[id] {
			p.used[id] = true
			return id, true
		}
	}
	return 0, false
}

// reserve takes a certain id; it fails when that is taken or none of the pool.
func (p *pool) reserve(id uint32) bool {
	if id == 0 || id > p.limit || p.used[id] {
		return false
	}
	p.used[id] = true
	return true
}

func (p *pool) release(id uint32) {
	delete(p.used, id)
	p.free = append(p.free, id)
}

// buddy hands out ranges of powers of two from [0, 1<<order).
type buddy struct {
	order int
	free  []map[uint32]struct{} // by order: bases
	lists [][]uint32            // by order: candidates, of which free tells the truth
}

func newBuddy(order int) *buddy {
	b := &buddy{order: order, free: make([]map[uint32]struct{}, order+1), lists: make([][]uint32, order+1)}
	for i := range b.free {
		b.free[i] = map[uint32]struct{}{}
	}
	b.put(order, 0)
	return b
}

func (b *buddy) put(order int, base uint32) {
	b.free[order][base] = struct{}{}
	b.lists[order] = append(b.lists[order], base)
}

func (b *buddy) pop(order int) (uint32, bool) {
	for l := b.lists[order]; len(l) > 0; l = b.lists[order] {
		base := l[len(l)-1]
		b.lists[order] = l[:len(l)-1]
		if _, ok := b.free[order][base]; ok {
			delete(b.free[order], base)
			return base, true
		}
	}
	return 0, false
}

func orderOf(n int) int { return bits.Len(uint(n - 1)) }

// take gives a range of at least n.
func (b *buddy) take(n int) (uint32, bool) {
	want := orderOf(n)
	for o := want; o <= b.order; o++ {
		base, ok := b.pop(o)
		if !ok {
			continue
		}
		for o > want {
			o--
			b.put(o, base+1<<o)
		}
		return base, true
	}
	return 0, false
}

// reserve takes the range that take(n) would have given at base.
func (b *buddy) reserve(base uint32, n int) bool {
	want := orderOf(n)
	if n <= 0 || want > b.order || base&(1<<want-1) != 0 || uint64(base)+1<<want > 1<<b.order {
		return false
	}
	for o := want; o <= b.order; o++ {
		outer := base &^ (1<<o - 1)
		if _, ok := b.free[o][outer]; !ok {
			continue
		}
		delete(b.free[o], outer)
		for o > want {
			o--
			half := outer + 1<<o
			if base >= half {
				b.put(o, outer)
				outer = half
			} else {
				b.put(o, half)
			}
		}
		return true
	}
	return false
}

// release gives a range of take(n) back.
func (b *buddy) release(base uint32, n int) {
	o := orderOf(n)
	for o < b.order {
		other := base ^ 1<<o
		if _, ok := b.free[o][other]; !ok {
			break
		}
		delete(b.free[o], other)
		base &^= 1 << o
		o++
	}
	b.put(o, base)
}

// spread turns weights, which are 1 and more, into numbers of buckets, at most
// limit together where that is possible: each gets one at least. Small weights are
// exact; larger ones are scaled, the rest going to the largest remainders.
func spread(weights []uint64, limit int) []int {
	out := make([]int, len(weights))
	var total, divisor uint64
	over := false
	for _, w := range weights {
		divisor = gcd(divisor, w)
		if total+w < total {
			over = true
		}
		total += w
	}
	if !over && divisor > 0 && total/divisor <= uint64(limit) {
		for i, w := range weights {
			out[i] = int(w / divisor)
		}
		return out
	}
	if len(weights) >= limit {
		for i := range out {
			out[i] = 1
		}
		return out
	}
	// Float64 is exact enough: what is left goes by remainders anyway.
	var sum float64
	for _, w := range weights {
		sum += float64(w)
	}
	left := limit
	type rest struct {
		i int
		r float64
	}
	rests := make([]rest, len(weights))
	for i, w := range weights {
		share := float64(w) / sum * float64(limit)
		out[i] = max(1, int(share))
		rests[i] = rest{i, share - float64(int(share))}
		if share < 1 {
			rests[i].r = 0
		}
		left -= out[i]
	}
	for ; left > 0; left-- {
		best := 0
		for k := range rests {
			if rests[k].r > rests[best].r {
				best = k
			}
		}
		out[rests[best].i]++
		rests[best].r--
	}
	for ; left < 0; left++ {
		best := 0
		for i := range out {
			if out[i] > out[best] {
				best = i
			}
		}
		out[best]--
	}
	return out
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
