package exec

import (
	"fmt"
	"math/bits"
	"sync"

	"github.com/p4nic/p4nic/compiler/ir"
)

// portPool is p4nic's PortPool: pools of equal size, a bit a port. A lease is the
// number of its port among those of all pools, plus 1.
type portPool struct {
	pools       uint64
	first, last uint16

	*portState
}

// portState is what packets write; machines may share it (AdoptState).
type portState struct {
	mu    sync.Mutex
	taken []uint64 // bits of all pools, one after the other
	next  []uint32 // of each pool: where the search goes on
	used  []uint32 // of each pool: ports taken
}

// maxPoolPorts bounds the ports of all pools of one object.
const maxPoolPorts = 1 << 26

func (p *portPool) size() uint64 { return uint64(p.last-p.first) + 1 }

func (k *compiler) portPool(r *instance, i *ir.Instance) {
	what := "extern PortPool " + i.Name
	r.size = k.size(i, maxPoolPorts)
	var ends [2]uint64
	for j := range ends {
		if len(i.Args) < 3 || constVal(i.Args[1+j]) == nil {
			k.fail(i.Pos, what, "its ports are not constants")
		}
		ends[j] = constVal(i.Args[1+j]).Uint64()
	}
	p := &portPool{pools: r.size, first: uint16(ends[0]), last: uint16(ends[1]), portState: &portState{}}
	switch {
	case r.size == 0:
		k.fail(i.Pos, what, "it has no pools")
	case ends[0] == 0 || ends[0] > ends[1]:
		k.fail(i.Pos, what, fmt.Sprintf("ports %d to %d: the first is at least 1 and not above the last", ends[0], ends[1]))
	case p.size()*r.size > maxPoolPorts:
		k.fail(i.Pos, what, fmt.Sprintf("its pools have %d ports, %d are possible", p.size()*r.size, maxPoolPorts))
	}
	p.taken = make([]uint64, (p.size()*r.size+63)/64)
	p.next, p.used = make([]uint32, r.size), make([]uint32, r.size)
	r.pool = p
}

// take finds a free port of a pool: wanted, or else the next one behind the one
// that was taken last.
func (p *portPool) take(pool uint64, wanted uint16) (port uint16, lease uint32, ok bool) {
	if pool >= p.pools {
		return 0, 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	base, n := pool*p.size(), p.size()
	if uint64(p.used[pool]) == n {
		return 0, 0, false
	}
	at := uint64(p.next[pool])
	if wanted >= p.first && wanted <= p.last && !p.bit(base+uint64(wanted-p.first)) {
		at = uint64(wanted - p.first)
	} else {
		at = p.free(base, at, n)
		p.next[pool] = uint32((at + 1) % n)
	}
	p.taken[(base+at)/64] |= 1 << ((base + at) % 64)
	p.used[pool]++
	return p.first + uint16(at), uint32(base + at + 1), true
}

func (p *portPool) bit(i uint64) bool { return p.taken[i/64]>>(i%64)&1 != 0 }

// free is the first free port from at on, around the end; there is one.
func (p *portPool) free(base, at, n uint64) uint64 {
	for i := at; ; {
		if i >= n {
			i = 0
		}
		word := base + i
		rest := ^p.taken[word/64] >> (word % 64)
		if rest == 0 {
			i += 64 - word%64
			continue
		}
		i += uint64(bits.TrailingZeros64(rest))
		if i < n {
			return i
		}
		i = 0
	}
}

// give frees a port; a lease that is none, or of a free port, changes nothing.
func (p *portPool) give(lease uint32) {
	i := uint64(lease) - 1
	if lease == 0 || i >= p.pools*p.size() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bit(i) {
		p.taken[i/64] &^= 1 << (i % 64)
		p.used[i/p.size()]--
	}
}

// lease is a port that a packet holds.
type lease struct {
	pool *portPool
	id   uint32
}

// keepLease notes that the packet holds a lease.
func (c *ctx) keepLease(p *portPool, id uint32) { c.leases = append(c.leases, lease{p, id}) }

// passLease takes a lease from the packet, to give it to a session or back; false
// when the packet does not hold it.
func (c *ctx) passLease(id uint32) (*portPool, bool) {
	for i, l := range c.leases {
		if l.id == id {
			c.leases = append(c.leases[:i], c.leases[i+1:]...)
			return l.pool, true
		}
	}
	return nil, false
}

// endLeases gives back what the packet still holds.
func (c *ctx) endLeases() {
	for _, l := range c.leases {
		l.pool.give(l.id)
	}
	c.leases = c.leases[:0]
}

// poolCall compiles the methods of PortPool, nil for others.
func (k *compiler) poolCall(s *externSite) stmt {
	switch s.name {
	case "PortPool.take":
		k.need(s, 4, 4)
		p := k.object(s, "PortPool").pool
		index, wanted := k.indexArg(s, 0), k.slotArg(s, 1)
		port, held, done := k.setter(s.args[2]), k.setter(s.args[3]), k.result64(s)
		return after(func(c *ctx) {
			pool, w := index(c), uint16(wanted.u(c))
			if c.pend != next {
				return
			}
			n, id, ok := p.take(pool, w)
			if ok {
				c.keepLease(p, id)
			}
			port(c, uint64(n))
			held(c, uint64(id))
			done(c, b2u(ok))
		})
	case "PortPool.give":
		k.need(s, 1, 1)
		k.object(s, "PortPool")
		x := k.slotArg(s, 0)
		return after(func(c *ctx) {
			id := uint32(x.u(c))
			if c.pend != next {
				return
			}
			if p, ok := c.passLease(id); ok {
				p.give(id)
			}
		})
	}
	return nil
}
