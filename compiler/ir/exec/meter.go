package exec

import (
	"fmt"
	"math/bits"
	"sync"

	"github.com/p4nic/p4nic/compiler/ir"
)

// meterCell is one two-rate three-colour marker, as simple_switch computes it:
// each bucket holds what the time since the machine began has filled in and
// packets have taken out, up to its burst. A packet that finds too little in the
// peak bucket is red and takes from none; one that finds too little in the
// committed bucket is yellow and takes from the peak bucket alone.
type meterCell struct {
	mu        sync.Mutex
	set       bool
	rates     ir.MeterRates
	peak, com bucket
}

// bucket holds tokens; filled is how many the rate has given since time 0.
type bucket struct{ tokens, filled uint64 }

// take fills the bucket up to time now in microseconds and takes n tokens out of
// it; false when there are fewer.
func (b *bucket) take(now, rate, burst, n uint64) bool {
	hi, lo := bits.Mul64(now, rate)
	const most = uint64(1)<<63 - 1
	filled := most
	if hi < 1_000_000 {
		filled, _ = bits.Div64(hi, lo, 1_000_000)
		filled = min(filled, most)
	}
	if filled > b.filled {
		add := filled - b.filled
		b.filled = filled
		if b.tokens += add; b.tokens > burst || b.tokens < add {
			b.tokens = burst
		}
	}
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// execute marks n bytes or packets at a time in nanoseconds. A packet that comes
// with a colour is marked as RFC 2698 says for colour-aware mode: never better than
// it comes, and a red one takes from no bucket, a yellow one from the peak bucket
// alone.
func (m *meterCell) execute(now, n, before uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.set {
		return before
	}
	us := now / 1000
	if before == ir.Red || !m.peak.take(us, m.rates.PIR, m.rates.PBurst, n) {
		return ir.Red
	}
	if before == ir.Yellow || !m.com.take(us, m.rates.CIR, m.rates.CBurst, n) {
		return ir.Yellow
	}
	return ir.Green
}

// configure sets the rates; nil takes them away. Both buckets are full then, but
// a cell that has the rates already goes on: a pipeline is replaced without a
// burst for everybody.
func (m *meterCell) configure(r *ir.MeterRates) error {
	if r != nil && r.CIR > r.PIR {
		return fmt.Errorf("the committed rate %d is above the peak rate %d", r.CIR, r.PIR)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r != nil && m.set && m.rates == *r {
		return nil
	}
	m.set = r != nil
	if r != nil {
		m.rates = *r
		m.peak, m.com = bucket{tokens: r.PBurst}, bucket{tokens: r.CBurst}
	}
	return nil
}

func (m *meterCell) read() *ir.MeterRates {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.set {
		return nil
	}
	r := m.rates
	return &r
}

// amount is what a meter of the instance counts for the frame.
func (i *instance) amount(c *ctx) uint64 {
	p, b := c.counts()
	if i.bytes {
		return b
	}
	return p
}

// executeMeter is meter.execute_meter(index, result): green where there is no such
// cell, as out parameters start at 0 (D19).
func (k *compiler) executeMeter(s *externSite) stmt {
	k.need(s, 2, 2)
	i := k.object(s, "meter")
	index := k.indexArg(s, 0)
	set := k.setter(s.args[1])
	pos := s.pos
	return after(func(c *ctx) {
		n := index(c)
		if c.pend != next {
			return
		}
		if n >= i.size {
			set(c, ir.Green)
			return
		}
		v := i.meters[n].execute(c.now, i.amount(c), ir.Green)
		set(c, v)
		c.meterEvent(i.name, n, v, pos)
	})
}

func (c *ctx) meterEvent(name string, index, colour uint64, pos ir.Pos) {
	if c.tracing {
		c.event("extern", fmt.Sprintf("meter %s[%d]", name, index), [...]string{"green", "yellow", "red"}[min(colour, 2)], pos)
	}
}

// directMeterRead gives the colour that the table's look-up found; the result
// stays as it is after a miss.
func (k *compiler) directMeterRead(s *externSite) stmt {
	k.need(s, 1, 1)
	i := k.object(s, "direct_meter")
	set := k.setter(s.args[0])
	at := k.colourOf(i)
	return after(func(c *ctx) {
		if v := c.mem[at]; v > 0 {
			set(c, v-1)
		}
	})
}

// colourOf is the slot with the colour of the last entry that a direct meter
// metered, plus 1; 0 after a miss.
func (k *compiler) colourOf(i *instance) int {
	if i.colour == 0 {
		i.colour = k.alloc(1) + 1
	}
	return i.colour - 1
}

// SetMeter configures a cell of an indirect meter; nil rates take them away.
func (m *Machine) SetMeter(name string, index uint32, r *ir.MeterRates) error {
	c, err := m.meterCell(name, index)
	if err == nil {
		err = c.configure(r)
	}
	if err != nil {
		return fmt.Errorf("meter %s[%d]: %w", name, index, err)
	}
	return nil
}

// Meter reads the rates of a cell, nil where it has none.
func (m *Machine) Meter(name string, index uint32) (*ir.MeterRates, error) {
	c, err := m.meterCell(name, index)
	if err != nil {
		return nil, fmt.Errorf("meter %s[%d]: %w", name, index, err)
	}
	return c.read(), nil
}

func (m *Machine) meterCell(name string, index uint32) (*meterCell, error) {
	i, err := m.instanceByName(name, "meter")
	if err != nil {
		return nil, err
	}
	if uint64(index) >= i.size {
		return nil, fmt.Errorf("there are %d cells", i.size)
	}
	return &i.meters[index], nil
}

// SetDirectMeter configures the meter of an entry; nil rates take them away. An
// entry has none when it is inserted.
func (m *Machine) SetDirectMeter(table int, handle uint32, r *ir.MeterRates) error {
	e, err := m.metered(table, handle)
	if err != nil {
		return err
	}
	return e.meter.configure(r)
}

// DirectMeter reads the rates of an entry's meter, nil where it has none.
func (m *Machine) DirectMeter(table int, handle uint32) (*ir.MeterRates, error) {
	e, err := m.metered(table, handle)
	if err != nil {
		return nil, err
	}
	return e.meter.read(), nil
}

func (m *Machine) metered(table int, handle uint32) (*entry, error) {
	t, err := m.table(table)
	if err != nil {
		return nil, err
	}
	if t.meter == nil {
		return nil, fmt.Errorf("table %s has no direct meter", t.t.Name)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.byHandle.get(handle)
	if e == nil {
		return nil, fmt.Errorf("table %s: handle %d: %w", t.t.Name, handle, ErrNoEntry)
	}
	return e, nil
}
