package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The extern objects that PSA and PNA share: methods with a result, checksums
// that live as long as a packet, meters that are asked at the call.

// objectCall compiles a method of such an object, nil for other externs.
func (k *compiler) objectCall(s *externSite) stmt {
	switch s.name {
	case "Counter.count":
		if len(s.args) > 1 && s.args[1] != nil {
			return k.counterAdd(s)
		}
		s.args = s.args[:min(1, len(s.args))]
		return k.counterCount(s)
	case "DirectCounter.count":
		if len(s.args) > 0 && s.args[0] != nil {
			return k.directCounterAdd(s)
		}
		return k.nothing() // counted by the table's apply
	case "Register.read":
		k.need(s, 1, 1)
		if s.dst == nil {
			return k.nothing()
		}
		return k.registerRead(s)
	case "Register.write":
		return k.registerWrite(s)
	case "Meter.execute", "Meter.dpdk_execute":
		return k.meterExecute(s)
	case "DirectMeter.execute", "DirectMeter.dpdk_execute":
		return k.directMeterExecute(s)
	case "Hash.get_hash":
		return k.getHash(s)
	case "Random.read":
		return k.randomRead(s)
	case "Digest.pack":
		k.need(s, 1, 1)
		if s.object == nil {
			k.fail(s.pos, "extern "+s.name, "it is not called on a Digest")
		}
		return k.sendDigest(s, s.object.Name, s.args[0])
	case "Checksum.clear", "Checksum.update", "Checksum.get":
		return k.checksumObject(s)
	case "InternetChecksum.clear", "InternetChecksum.add", "InternetChecksum.subtract",
		"InternetChecksum.get", "InternetChecksum.get_state", "InternetChecksum.set_state":
		return k.internetChecksum(s)
	}
	return nil
}

func (k *compiler) nothing() stmt { return func(*ctx) status { return next } }

// result stores what a method returns, where it goes anywhere.
func (k *compiler) result64(s *externSite) func(*ctx, uint64) {
	if s.dst == nil {
		return func(*ctx, uint64) {}
	}
	return k.setter(s.dst)
}

// counterAdd counts bytes that the program names (PNA).
func (k *compiler) counterAdd(s *externSite) stmt {
	k.need(s, 2, 2)
	i := k.object(s, "counter")
	index, by := k.indexArg(s, 0), k.indexArg(s, 1)
	return after(func(c *ctx) {
		n, v := index(c), by(c)
		if c.pend == next && n < i.size {
			i.cells[n].packets.Add(1)
			i.cells[n].bytes.Add(v)
		}
	})
}

// directCounterAdd counts bytes that the program names (PNA) in the place of those
// that the table's apply has counted.
func (k *compiler) directCounterAdd(s *externSite) stmt {
	k.need(s, 1, 1)
	at := k.entryOf(k.object(s, "direct_counter"))
	by := k.indexArg(s, 0)
	return after(func(c *ctx) {
		v := by(c)
		if e := c.hits[at]; e != nil && c.pend == next {
			_, counted := c.counts()
			e.count.bytes.Add(v - counted)
		}
	})
}

// colours of an architecture by their names, for a meter's result and argument.
type colours struct {
	of   [3]uint64 // value of green, yellow, red
	back map[uint64]uint64
}

func (k *compiler) colours(s *externSite, t ir.Type) colours {
	e, ok := t.(*ir.Enum)
	cs := colours{of: [3]uint64{ir.Green, ir.Yellow, ir.Red}, back: map[uint64]uint64{}}
	names := [...]string{"GREEN", "YELLOW", "RED"}
	for i, n := range names {
		if ok {
			for _, m := range e.Members {
				if m.Name == n {
					cs.of[i] = m.Value.Uint64()
				}
			}
		}
		cs.back[cs.of[i]] = uint64(i)
	}
	return cs
}

// preColour compiles the colour that a packet has already, green without one.
func (k *compiler) preColour(s *externSite, at int) func(*ctx) uint64 {
	if len(s.args) <= at || s.args[at] == nil {
		return func(*ctx) uint64 { return ir.Green }
	}
	x := k.slotArg(s, at)
	cs := k.colours(s, s.args[at].Type())
	return func(c *ctx) uint64 { return cs.back[x.u(c)] }
}

// meterExecute is Meter.execute(index [, colour]), and dpdk_execute(index [, colour],
// length), where a meter of bytes counts the length; the packet keeps its colour
// where there is no cell.
func (k *compiler) meterExecute(s *externSite) stmt {
	if len(s.args) < 1 || s.args[0] == nil {
		k.fail(s.pos, "extern "+s.name, "the index is absent")
	}
	i := k.object(s, "meter")
	colour, amount := 1, i.amount
	if s.name == "Meter.dpdk_execute" {
		length := len(s.args) - 1
		k.need(s, 2, 3)
		if length == 1 {
			colour = 2 // none
		}
		if i.bytes {
			x := k.slotArg(s, length)
			amount = func(c *ctx) uint64 { return x.u(c) }
		}
	}
	index, pre := k.indexArg(s, 0), k.preColour(s, colour)
	set := k.result64(s)
	var t ir.Type = &ir.Bit{W: 8}
	if s.dst != nil {
		t = s.dst.Type()
	}
	cs := k.colours(s, t)
	pos := s.pos
	return after(func(c *ctx) {
		n, p := index(c), pre(c)
		if c.pend != next {
			return
		}
		v := p
		if n < i.size {
			v = i.meters[n].execute(c.now, amount(c), p)
		}
		set(c, cs.of[v])
		c.meterEvent(i.name, n, v, pos)
	})
}

// directMeterExecute is DirectMeter.execute([colour] [, length]), on the entry that
// the table hit last; the packet keeps its colour after a miss. A length (PNA) is
// what a meter of bytes counts instead of the packet's.
func (k *compiler) directMeterExecute(s *externSite) stmt {
	i := k.object(s, "direct_meter")
	colour, length := 0, 1
	if len(s.args) > 0 && s.args[0] != nil {
		if _, is := s.args[0].Type().(*ir.Enum); !is {
			colour, length = 1, 0
		}
	}
	pre, amount := k.preColour(s, colour), i.amount
	if i.bytes && length < len(s.args) && s.args[length] != nil {
		x := k.slotArg(s, length)
		amount = func(c *ctx) uint64 { return x.u(c) }
	}
	set := k.result64(s)
	var t ir.Type = &ir.Bit{W: 8}
	if s.dst != nil {
		t = s.dst.Type()
	}
	cs := k.colours(s, t)
	at := k.entryOf(i)
	pos := s.pos
	return after(func(c *ctx) {
		v := pre(c)
		if e := c.hits[at]; e != nil && c.pend == next {
			v = e.meter.execute(c.now, amount(c), v)
			c.meterEvent(i.name, uint64(e.handle), v, pos)
		}
		set(c, cs.of[v])
	})
}

// entryOf is the index in ctx.hits of the entry that the table of a direct meter hit;
// of a direct counter, of that or the default one.
func (k *compiler) entryOf(i *instance) int {
	if !i.atCall {
		i.atCall, i.colour = true, k.m.hitSlots
		k.m.hitSlots++
	}
	return i.colour
}

// getHash is Hash.get_hash(data) and get_hash(base, data, max): base + hash mod
// max. Data that fill no whole byte have zeros before them.
func (k *compiler) getHash(s *externSite) stmt {
	if s.object == nil || len(s.object.Args) < 1 {
		k.fail(s.pos, "extern "+s.name, "it is not called on a Hash")
	}
	if s.dst == nil {
		return k.nothing()
	}
	algo := k.algorithm(s.object.Args[0])
	at := 0
	var base, limit *xp
	switch len(s.args) {
	case 1:
	case 3:
		at, base, limit = 1, k.slotArg(s, 0), k.slotArg(s, 2)
	default:
		k.need(s, 1, 1)
	}
	data, _ := k.fieldList(s.args[at])
	w := ir.Width(s.dst.Type())
	if w < 0 {
		k.fail(s.pos, "extern "+s.name, "the result is no scalar")
	}
	set := k.setter(s.dst)
	return after(func(c *ctx) {
		c.sum.reset()
		data(c, &c.sum)
		c.sum.right()
		h := algo(c, c.sum.b)
		if base != nil {
			b, m := base.u(c), limit.u(c)
			if m > 0 {
				h = b + h%m
			} else {
				h = b
			}
		}
		if c.pend == next {
			set(c, h)
		}
	})
}

// right moves the bits to the end of the last byte, zeros before the first.
func (o *bitWriter) right() {
	n := uint(-o.bit & 7)
	if n == 0 {
		return
	}
	carry := byte(0)
	for i, x := range o.b {
		o.b[i] = x>>n | carry
		carry = x << (8 - n)
	}
	o.bit += int(n)
}

// randomRead is Random.read, uniform in the range that the constructor gives.
func (k *compiler) randomRead(s *externSite) stmt {
	if s.object == nil || len(s.object.Args) != 2 {
		k.fail(s.pos, "extern "+s.name, "it is not called on a Random")
	}
	if s.dst == nil {
		return k.nothing()
	}
	s.args = []ir.Expr{s.dst, s.object.Args[0], s.object.Args[1]}
	return k.random(s)
}

// sums are the checksums in progress; they begin cleared in every parser and
// control.
type sums struct {
	index map[*ir.Instance]int // in ctx.sums
	slots map[*ir.Instance]int // of an InternetChecksum: its state
	spans []span
}

// checksumObject is Checksum: the algorithm over all data since clear.
func (k *compiler) checksumObject(s *externSite) stmt {
	if s.object == nil || len(s.object.Args) < 1 {
		k.fail(s.pos, "extern "+s.name, "it is not called on a Checksum")
	}
	at, ok := k.sums.index[s.object]
	if !ok {
		at = len(k.sums.index)
		k.sums.index[s.object] = at
		k.m.sumSlots = at + 1
	}
	switch s.name {
	case "Checksum.clear":
		return func(c *ctx) status {
			c.sums[at].reset()
			return next
		}
	case "Checksum.update":
		k.need(s, 1, 1)
		data, _ := k.fieldList(s.args[0])
		return after(func(c *ctx) { data(c, &c.sums[at]) })
	}
	algo := k.algorithm(s.object.Args[0])
	set := k.result64(s)
	return after(func(c *ctx) { set(c, algo(c, c.sums[at].b)) })
}

// internetChecksum is InternetChecksum: the one's complement sum of 16-bit words,
// to which data can be added and from which it can be taken (RFC 1624).
func (k *compiler) internetChecksum(s *externSite) stmt {
	if s.object == nil {
		k.fail(s.pos, "extern "+s.name, "it is not called on an InternetChecksum")
	}
	at, ok := k.sums.slots[s.object]
	if !ok {
		at = k.alloc(1)
		k.sums.slots[s.object] = at
		k.sums.spans = append(k.sums.spans, span{at, at + 1})
	}
	set := k.result64(s)
	switch s.name {
	case "InternetChecksum.clear":
		return func(c *ctx) status {
			c.mem[at] = 0
			return next
		}
	case "InternetChecksum.get":
		return after(func(c *ctx) { set(c, ^c.mem[at]&0xffff) })
	case "InternetChecksum.get_state":
		return after(func(c *ctx) { set(c, c.mem[at]) })
	case "InternetChecksum.set_state":
		k.need(s, 1, 1)
		x := k.slotArg(s, 0)
		return after(func(c *ctx) { c.mem[at] = x.u(c) & 0xffff })
	}
	k.need(s, 1, 1)
	data, _ := k.fieldList(s.args[0])
	if w := k.listBits(s.args[0]); w%16 != 0 {
		k.fail(s.pos, "extern "+s.name, fmt.Sprintf("%d bits of data are no multiple of 16", w))
	}
	minus := s.name == "InternetChecksum.subtract"
	return after(func(c *ctx) {
		c.sum.reset()
		data(c, &c.sum)
		v := c.mem[at]
		for b := c.sum.b; len(b) >= 2; b = b[2:] {
			w := uint64(b[0])<<8 | uint64(b[1])
			if minus {
				w = ^w & 0xffff
			}
			if v += w; v > 0xffff {
				v = v&0xffff + 1
			}
		}
		c.mem[at] = v
	})
}

// listBits is the size of a field list, as far as it is fixed.
func (k *compiler) listBits(x ir.Expr) int {
	if l, ok := x.(*ir.ListExpr); ok {
		n := 0
		for _, e := range l.Elems {
			n += k.listBits(e)
		}
		return n
	}
	h := k.headerIO(x.Type(), "")
	return h.bits
}

// newSums clears the checksums, at the start of a parser or control.
func (c *ctx) newSums(ss []span) {
	c.zero(ss)
	for i := range c.sums {
		c.sums[i].reset()
	}
}
