package kernel

import (
	"errors"
	"fmt"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// meter is the rates of a meter's cells: content of a generation, while the buckets
// are state that the packets alone write (backend.MeterLayout). A cell that is given
// other rates gets a new nonce with them, and its buckets are full at the next
// packet. Cells with equal rates share a value of Rates.
type meter struct {
	g     *generation
	l     *backend.MeterLayout
	word  *mapped
	rates *mapped
	slots slots
	known map[ir.MeterRates]*sharedRates

	// Of the generation whose buckets this one shares; nil without.
	oldWord, oldRates *mapped
}

type sharedRates struct {
	slot uint32
	uses int
}

func (g *generation) openMeter(name string, l *backend.MeterLayout, keep string) (*meter, error) {
	m := &meter{g: g, l: l, known: map[ir.MeterRates]*sharedRates{}, slots: slots{limit: l.Rates.MaxEntries}}
	var err error
	if m.word, err = mapArray(g.mapOf(l.Word)); err == nil {
		m.rates, err = mapArray(g.mapOf(l.Rates))
	}
	if err == nil && keep != "" && g.isKept(l.Buckets) {
		if m.oldWord, err = mapOld(l.Word, keep); err == nil {
			m.oldRates, err = mapOld(l.Rates, keep)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("meter %s: %w", name, err), m.close())
	}
	return m, nil
}

func (m *meter) close() error {
	if m == nil {
		return nil
	}
	return errors.Join(m.word.close(), m.rates.close(), m.settle())
}

// settle gives up the rates of the generation before.
func (m *meter) settle() error {
	err := errors.Join(m.oldWord.close(), m.oldRates.close())
	m.oldWord, m.oldRates = nil, nil
	return err
}

// allMeters are the meters of a generation, indirect and direct.
func (g *generation) allMeters() []*meter {
	var out []*meter
	for _, in := range g.layout.Instances {
		if in != nil && in.Meter != nil {
			out = append(out, g.objects.meters[in.IR.Name])
		}
	}
	for _, t := range g.tables {
		if t.meter != nil {
			out = append(out, t.meter)
		}
	}
	return out
}

// readRates gives the rates of a cell and its nonce; nil for none.
func readRates(word, rates *mapped, cell uint32) (*ir.MeterRates, uint64) {
	w := word.load(cell, 0)
	if w == 0 {
		return nil, 0
	}
	nonce, at := backend.MeterWordParts(w)
	r := backend.MeterRatesOf(rates.value(at))
	return &r, nonce
}

// set gives a cell rates, nil for none. Rates that it has change nothing.
func (m *meter) set(cell uint32, r *ir.MeterRates) error {
	if r == nil {
		m.forget(cell)
		return nil
	}
	if r.CIR > r.PIR {
		return fmt.Errorf("the committed rate %d is above the peak rate %d", r.CIR, r.PIR)
	}
	have, _ := readRates(m.word, m.rates, cell)
	if have != nil && *have == *r {
		return nil
	}
	s := m.known[*r]
	if s == nil {
		slot, err := m.g.takeSlot(&m.slots, "rates")
		if err != nil {
			return err
		}
		backend.PutMeterRates(m.rates.value(slot), r)
		s = &sharedRates{slot: slot}
		m.known[*r] = s
	}
	s.uses++
	m.word.store(cell, 0, backend.MeterWord(m.nonce(cell, r), s.slot))
	m.drop(have)
	return nil
}

// nonce is that of the generation before where it has the same rates there, else a
// new one.
func (m *meter) nonce(cell uint32, r *ir.MeterRates) uint64 {
	if m.oldWord != nil && m.oldRates != nil {
		if old, nonce := readRates(m.oldWord, m.oldRates, cell); old != nil && *old == *r {
			return nonce
		}
	}
	p := m.g.p
	p.nonce = (p.nonce + 1) & backend.MaxMeterNonce
	if p.nonce == 0 { // the nonce of buckets that no packet has met
		p.nonce = 1
	}
	return p.nonce
}

// forget takes a cell's rates away.
func (m *meter) forget(cell uint32) {
	if have, _ := readRates(m.word, m.rates, cell); have != nil {
		m.word.store(cell, 0, 0)
		m.drop(have)
	}
}

// drop ends a use of rates.
func (m *meter) drop(r *ir.MeterRates) {
	if r == nil {
		return
	}
	if s := m.known[*r]; s != nil {
		if s.uses--; s.uses == 0 {
			m.slots.retire(s.slot, m.g.p.epoch)
			delete(m.known, *r)
		}
	}
}

// takeSlot gives a free slot, after a grace period where one must end first.
func (g *generation) takeSlot(s *slots, what string) (uint32, error) {
	if n, ok := s.take(g.p.epoch); ok {
		return n, nil
	}
	if s.waiting() {
		if err := g.p.waitGrace(); err != nil {
			return 0, err
		}
		if n, ok := s.take(g.p.epoch); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("no room for %s: %w", what, dataplane.ErrFull)
}

func (g *generation) SetMeter(name string, index uint32, r *ir.MeterRates) error {
	if _, err := g.cellOf("meter", name, index); err != nil {
		return err
	}
	if err := g.objects.meters[name].set(index, r); err != nil {
		return fmt.Errorf("meter %s[%d]: %w", name, index, err)
	}
	return nil
}

func (g *generation) SetDirectMeter(table int, handle uint32, r *ir.MeterRates) error {
	t, err := g.tableAt(table)
	if err != nil {
		return err
	}
	switch {
	case t.meter == nil:
		return fmt.Errorf("table %s has no direct meter", t.l.IR.Name)
	case handle == 0 || handle > t.l.Size || !t.isLive(handle):
		return noEntry(t, handle)
	}
	if err := t.meter.set(handle, r); err != nil {
		return fmt.Errorf("table %s: handle %d: %w", t.l.IR.Name, handle, err)
	}
	return nil
}

// SetMeter gives a cell of an indirect meter rates; nil takes them away. Its
// buckets are full then, unless it has these rates already.
func (p *Plane) SetMeter(name string, index uint32, r *ir.MeterRates) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetMeter(name, index, r)
}

// SetDirectMeter is SetMeter for the meter of an entry.
func (p *Plane) SetDirectMeter(table int, handle uint32, r *ir.MeterRates) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetDirectMeter(table, handle, r)
}
