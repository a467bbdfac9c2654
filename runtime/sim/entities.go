package sim

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

var (
	_ dataplane.Entities = (*Plane)(nil)
	_ dataplane.Entities = (*generation)(nil)
	_ dataplane.Events   = (*Plane)(nil)
)

// entities is dataplane.Entities on a machine: the live one, or that of a
// generation.
type entities struct{ machine func() *exec.Machine }

// with runs f on the machine and gives its errors the names of the contract.
func (e entities) with(f func(m *exec.Machine) error) error {
	m := e.machine()
	if m == nil {
		return errors.New("no pipeline is loaded")
	}
	err := f(m)
	switch {
	case errors.Is(err, exec.ErrNoEntry):
		return fmt.Errorf("%w: %w", dataplane.ErrNoEntry, err)
	case errors.Is(err, exec.ErrInUse):
		return fmt.Errorf("%w: %w", dataplane.ErrInUse, err)
	}
	return err
}

func (e entities) SetMulticastGroup(id uint32, replicas []ir.Replica) error {
	return e.with(func(m *exec.Machine) error { return m.SetMulticastGroup(id, replicas) })
}

func (e entities) DeleteMulticastGroup(id uint32) error {
	return e.with(func(m *exec.Machine) error { return m.DeleteMulticastGroup(id) })
}

func (e entities) SetCloneSession(id uint32, s ir.CloneSession) error {
	return e.with(func(m *exec.Machine) error { return m.SetCloneSession(id, s) })
}

func (e entities) DeleteCloneSession(id uint32) error {
	return e.with(func(m *exec.Machine) error { return m.DeleteCloneSession(id) })
}

func (e entities) SetMember(profile string, x ir.ProfileMember) error {
	return e.with(func(m *exec.Machine) error { return m.SetMember(profile, x) })
}

func (e entities) DeleteMember(profile string, id uint32) error {
	return e.with(func(m *exec.Machine) error { return m.DeleteMember(profile, id) })
}

func (e entities) SetGroup(profile string, g ir.ProfileGroup) error {
	return e.with(func(m *exec.Machine) error { return m.SetGroup(profile, g) })
}

func (e entities) DeleteGroup(profile string, id uint32) error {
	return e.with(func(m *exec.Machine) error { return m.DeleteGroup(profile, id) })
}

func (e entities) SetMeter(name string, index uint32, r *ir.MeterRates) error {
	return e.with(func(m *exec.Machine) error { return m.SetMeter(name, index, r) })
}

func (e entities) SetDirectMeter(table int, handle uint32, r *ir.MeterRates) error {
	return e.with(func(m *exec.Machine) error { return m.SetDirectMeter(table, handle, r) })
}

func (e entities) SetValueSet(index int, members [][]ir.Match) error {
	return e.with(func(m *exec.Machine) error { return m.SetValueSet(index, members) })
}

func (e entities) Register(name string, index uint32) (v []byte, err error) {
	err = e.with(func(m *exec.Machine) (err error) {
		v, err = m.Register(name, index)
		return err
	})
	return v, err
}

func (e entities) SetRegister(name string, index uint32, value []byte) error {
	return e.with(func(m *exec.Machine) error { return m.SetRegister(name, index, value) })
}

func (e entities) SetInstanceCounter(name string, index uint32, v dataplane.Counter) error {
	return e.with(func(m *exec.Machine) error {
		return m.SetInstanceCounter(name, index, exec.Counter{Packets: v.Packets, Bytes: v.Bytes})
	})
}

func (e entities) LastHits(table int, handles []uint32, out []uint64) error {
	return e.with(func(m *exec.Machine) error {
		now := m.Now()
		for i, h := range handles {
			at, err := m.LastHit(table, h)
			if err != nil {
				return err
			}
			out[i] = now - min(at, now)
		}
		return nil
	})
}

// sweepEvery is how often idle entries are looked for, as bmv2 does.
const sweepEvery = time.Second

// events is what the programs of a plane tell.
type events struct {
	mu      sync.Mutex // one digest at a time
	digests func(ir.Digest)

	idleMu sync.Mutex // serialises SetIdle
	stop   chan struct{}
	done   chan struct{}
}

// SetDigests implements dataplane.Events.
func (v *events) SetDigests(f func(ir.Digest)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.digests = f
}

func (v *events) digest(d ir.Digest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.digests != nil {
		v.digests(d)
	}
}

// SetIdle implements dataplane.Events.
func (p *Plane) SetIdle(f func(table int, handle uint32)) {
	v := &p.events
	v.idleMu.Lock()
	defer v.idleMu.Unlock()
	if v.stop != nil {
		close(v.stop)
		<-v.done
		v.stop = nil
	}
	if f == nil {
		return
	}
	v.stop, v.done = make(chan struct{}), make(chan struct{})
	go p.sweep(f, v.stop, v.done)
}

func (p *Plane) sweep(f func(table int, handle uint32), stop, done chan struct{}) {
	defer close(done)
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		if m := p.live.Load(); m != nil {
			for _, idle := range m.SweepIdle(m.Now()) {
				f(idle.Table, idle.Handle)
			}
		}
	}
}

// portDown tells a selector whether a watched port is down: one that is not
// attached is.
func (p *Plane) portDown(number uint32) bool {
	return (*p.ports.Load())[number] == nil
}
