package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Copies of a packet, and packets sent back to the start. Whatever an
// architecture makes besides the packet itself is a job: the state that its
// blocks share, and the bytes. Jobs run in the order in which they were made;
// a packet that makes none costs nothing here.

// keepJobs is how many jobs a ctx keeps for its next packet.
const keepJobs = 64

// job is a packet that waits for ingress or egress.
type job struct {
	ingress  bool
	mem      []uint64 // state of the shared parameters; empty: all zero
	data     []byte   // as parsed, or to be parsed
	own      []byte   // memory of data where it is no other packet's
	pos      int
	port     uint32 // egress
	length   uint64 // of the packet, in bytes
	cut      int    // -1, or the length beyond which the copy is cut
	path     int    // why it exists, as the architecture numbers it
	instance uint16 // replication id
	class    uint8  // of service
	bytes    uint64 // what counters count where it is not the frame that came in; 0
	id       int    // number of the copy, for traces
}

// newJob appends a job to the queue, nil when the packet has made too many.
func (c *ctx) newJob(r *Result) *job {
	if c.made >= ir.MaxCopies {
		c.drop(r, fmt.Sprintf("more than %d copies of one packet", ir.MaxCopies))
		return nil
	}
	c.made++
	if c.used == len(c.jobs) {
		c.jobs = append(c.jobs, &job{})
	}
	j := c.jobs[c.used]
	c.used++
	*j = job{mem: j.mem[:0], own: j.own[:0], cut: -1, bytes: c.bytes, id: c.used}
	return j
}

// nextJob takes the oldest job, nil when there is none.
func (c *ctx) nextJob() *job {
	if c.head == c.used {
		return nil
	}
	j := c.jobs[c.head]
	c.head++
	c.copyID = j.id
	return j
}

// waiting tells whether jobs are queued.
func (c *ctx) waiting() bool { return c.head < c.used }

// forgetJobs makes room for the next packet.
func (c *ctx) forgetJobs() {
	if len(c.jobs) > keepJobs {
		clear(c.jobs[keepJobs:])
		c.jobs = c.jobs[:keepJobs]
	}
	for _, j := range c.jobs[:min(c.used, keepJobs)] {
		j.data = nil
	}
	c.head, c.used, c.made, c.copyID = 0, 0, 0, 0
}

// save appends the memory of ss to dst.
func (c *ctx) save(dst []uint64, ss []span) []uint64 {
	for _, s := range ss {
		dst = append(dst, c.mem[s.from:s.to]...)
	}
	return dst
}

// load gives the memory of ss what save appended; nothing for an empty src.
func (c *ctx) load(src []uint64, ss []span) {
	for _, s := range ss {
		src = src[copy(c.mem[s.from:s.to], src):]
	}
}

func (c *ctx) zero(ss []span) {
	for _, s := range ss {
		clear(c.mem[s.from:s.to])
	}
}

// branch notes in the trace that a copy was made.
func (c *ctx) branch(j *job, what, detail string) {
	if c.tracing {
		c.changed()
		c.trace = append(c.trace, Event{Kind: "copy", Name: what, Detail: detail, Copy: c.copyID, Made: j.id})
	}
}

// spanOf is the place of v.
func (k *compiler) spanOf(v *ir.Var) span {
	a := k.varAddr(v)
	return span{a, a + k.lay.slots(v.Type)}
}

// plainSpans are the slots of a value of type t at address at that lie in no
// header: the metadata of copies is reset, their headers are not.
func (k *compiler) plainSpans(t ir.Type, at int) []span {
	switch u := ir.Underlying(t).(type) {
	case *ir.Header, *ir.Union:
		return nil
	case *ir.Struct:
		var ss []span
		for i, f := range u.Fields {
			ss = join(ss, k.plainSpans(f.Type, at+k.lay.field(u, i)))
		}
		return ss
	case *ir.Stack:
		switch ir.Underlying(u.Elem).(type) {
		case *ir.Header, *ir.Union:
			return nil
		}
	}
	return []span{{at, at + k.lay.slots(t)}}
}

// join appends spans, neighbours as one.
func join(a, b []span) []span {
	for _, s := range b {
		if n := len(a); n > 0 && a[n-1].to == s.from {
			a[n-1].to = s.to
		} else if s.to > s.from {
			a = append(a, s)
		}
	}
	return a
}
