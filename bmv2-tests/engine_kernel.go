package bmv2tests

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/kernelrun"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// kernelEngine is the kernel, by BPF_PROG_TEST_RUN on a harness program: the
// packet lies behind a prefix, since TEST_RUN takes no fewer than 14 bytes (D20).
type kernelEngine struct {
	l       *backend.Layout
	content []packetcase.Content
	maps    map[string]*ebpf.Map
	run     kernelrun.Run
	next    uint32 // row of the replication maps
	out     []packetcase.Packet
	controlled
}

const prefix = kernelrun.Prefix

func newXDP(p *Program, content []packetcase.Content) (Engine, error) {
	return newKernel(p, content, ssa.Options{}, backend.Options{Hook: backend.XDP})
}

func newTC(p *Program, content []packetcase.Content) (Engine, error) {
	return newKernel(p, content, ssa.Options{}, backend.Options{Hook: backend.TC})
}

// KernelWith makes engines in the kernel of what is lowered with so and compiled
// with o.
func KernelWith(so ssa.Options, o backend.Options) func(*Program, []packetcase.Content) (Engine, error) {
	return func(p *Program, content []packetcase.Content) (Engine, error) {
		return newKernel(p, content, so, o)
	}
}

func newKernel(p *Program, content []packetcase.Content, so ssa.Options, o backend.Options) (_ Engine, err error) {
	f, err := ssa.Lower(p.Core, so)
	if err != nil {
		return nil, err
	}
	ncpu, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, err
	}
	l, err := backend.PlanLayout(p.Core, ncpu)
	if err != nil {
		return nil, err
	}
	o.Harness, o.StartOffset = true, prefix
	obj, err := backend.Compile(f, l, o)
	if err != nil {
		return nil, err
	}
	k := &kernelEngine{l: l, content: content, maps: map[string]*ebpf.Map{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.Close())
		}
	}()
	for _, s := range l.Maps() {
		if err := k.create(s); err != nil {
			return nil, fmt.Errorf("map %s: %w", s.Name, err)
		}
	}
	k.run = kernelrun.Run{Maps: func(name string) *ebpf.Map { return k.maps[name] }}
	if k.run.Main, err = k.load(obj); err != nil {
		return nil, err
	}
	if obj.Machine != nil {
		if k.run.Machine, err = k.load(obj.Machine); err != nil {
			return nil, err
		}
		if err := k.maps[backend.MapProgsTC].Put(backend.ProgSlot(0, backend.StageMachine), k.run.Machine); err != nil {
			return nil, err
		}
	}
	if err := k.openState(); err != nil {
		return nil, err
	}
	for i := range content {
		if err := k.fill(i); err != nil {
			return nil, fmt.Errorf("table %s: %w", l.Tables[i].IR.Name, err)
		}
	}
	return k, nil
}

// load loads a program. The scratch map is each program's own.
func (k *kernelEngine) load(obj *backend.Object) (*ebpf.Program, error) {
	if old := k.maps[backend.MapScratch]; old != nil {
		delete(k.maps, backend.MapScratch)
		if err := old.Close(); err != nil {
			return nil, err
		}
	}
	maps := obj.Maps
	if obj.Machine != nil {
		for _, s := range backend.DeviceMaps() {
			if s.Name == backend.MapProgsTC {
				maps = append(slices.Clone(maps), s)
			}
		}
	}
	for _, s := range maps {
		if err := k.create(s); err != nil {
			return nil, fmt.Errorf("map %s: %w", s.Name, err)
		}
	}
	spec, err := obj.Spec("p4nic_case", k.maps)
	if err != nil {
		return nil, err
	}
	return ebpf.NewProgram(spec)
}

func (k *kernelEngine) create(s *backend.MapSpec) error {
	if k.maps[s.Name] != nil {
		return nil
	}
	m, err := ebpf.NewMap(s.Spec())
	if err != nil {
		return err
	}
	k.maps[s.Name] = m
	if s.Contents == nil {
		return nil
	}
	if err := m.Put(uint32(0), s.Contents); err != nil {
		return err
	}
	return m.Freeze()
}

// fill writes the content of table i.
func (k *kernelEngine) fill(i int) error {
	t, c := k.l.Tables[i], k.content[i]
	if len(t.IR.Actions) == 0 {
		return nil
	}
	def := c.Default
	def.Handle = 0
	for _, e := range append([]ir.Entry{def}, c.Entries...) {
		word, err := k.entryWord(i, e)
		if err != nil {
			return err
		}
		if err := k.maps[t.Entry.Name].Put(t.EntryBase+e.Handle, word); err != nil {
			return err
		}
		if keyed, ok := t.Engine.(backend.Keyed); ok && e.Handle != 0 {
			key, err := keyed.EncodeKey(&e)
			if err != nil {
				return err
			}
			if err := k.maps[keyed.Map().Name].Put(key, e.Handle); err != nil {
				return err
			}
		}
	}
	if packed, ok := t.Engine.(backend.Packed); ok {
		_, err := backend.Pack(packed, c.Entries, func(m *backend.MapSpec, key, value []byte) error {
			return k.maps[m.Name].Put(key, value)
		})
		return err
	}
	lin, ok := t.Engine.(*backend.Linear)
	if !ok {
		return nil
	}
	rows, err := lin.EncodeRows(c.Entries)
	if err != nil {
		return err
	}
	half := i & 1 // either must do
	all := make([]byte, lin.Rows.ValueSize)
	copy(all[lin.HalfOffset(half):], rows)
	if err := k.maps[lin.Rows.Name].Put(uint32(0), all); err != nil {
		return err
	}
	return k.maps[lin.Control.Name].Put(uint32(0), lin.ControlWord(half, len(c.Entries)))
}

func (k *kernelEngine) Process(port uint32, data []byte) ([]packetcase.Packet, error) {
	k.run.Now = k.now
	out, err := k.run.Process(port, data)
	if d, is := errors.AsType[*kernelrun.Dropped](err); is {
		err = nil
		if d.Reason != backend.DropCopies { // those beyond ir.MaxCopies end on every engine
			err = programDrop(ssa.DropReason(d.Reason))
		}
	}
	if err != nil {
		return nil, err
	}
	k.out = k.out[:0]
	for _, p := range out {
		k.out = append(k.out, packetcase.Packet{Port: p.Port, Data: p.Data})
	}
	return k.out, nil
}

var _ Replicator = (*kernelEngine)(nil)

// SetMulticastGroup makes or replaces a group; rows are not used again.
func (k *kernelEngine) SetMulticastGroup(id uint32, replicas []ir.Replica) error {
	return k.setRows(backend.MapGroups, id, backend.Rows(replicas))
}

// SetCloneSession makes or replaces a session.
func (k *kernelEngine) SetCloneSession(id uint32, s ir.CloneSession) error {
	return k.setRows(backend.MapSessions, id, backend.SessionRows(s))
}

func (k *kernelEngine) setRows(words string, id uint32, rows []backend.Row) error {
	if k.run.Machine == nil {
		return nil
	}
	word := uint64(0)
	if len(rows) > 0 {
		word = backend.RangeWord(k.next+1, uint32(len(rows)))
	}
	for _, r := range rows {
		k.next++
		if err := k.maps[backend.MapRows].Put(k.next, r); err != nil {
			return err
		}
	}
	return k.maps[words].Put(id, word)
}

func (k *kernelEngine) State() (State, error) {
	s := State{}
	for i, t := range k.l.Tables {
		if t.Counter == nil {
			continue
		}
		for h := range uint32(len(k.content[i].Entries) + 1) {
			if err := k.counter(s, t.IR.Name, t.Counter, h); err != nil {
				return nil, err
			}
		}
	}
	for _, in := range k.l.Instances {
		if in == nil {
			continue
		}
		if in.CounterArray != nil {
			for c := range in.Cells {
				var n uint32
				if err := k.maps[in.CounterArray.Name].Lookup(c, &n); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
					return nil, err
				}
				s.count(in.IR.Name, c, uint64(n), 0)
			}
			continue
		}
		for c := range in.Cells {
			if in.Counter != nil {
				if err := k.counter(s, in.IR.Name, in.Counter, c); err != nil {
					return nil, err
				}
				continue
			}
			if in.Register == nil {
				continue
			}
			v, err := k.Register(in.IR.Name, c)
			if err != nil {
				return nil, err
			}
			s.register(in.IR.Name, c, v)
		}
	}
	return s, nil
}

// counter sums a cell over the CPUs (D12).
func (k *kernelEngine) counter(s State, name string, c *backend.CounterLayout, cell uint32) error {
	var sum [2]uint64
	for cpu := range c.Copies(k.l.NCPU) {
		var v [2]uint64
		if err := k.maps[c.Map.Name].Lookup(c.Index(cpu, cell), &v); err != nil {
			return err
		}
		sum[0] += v[0]
		sum[1] += v[1]
	}
	s.count(name, cell, sum[0], sum[1])
	return nil
}

func (k *kernelEngine) Close() error {
	errs := []error{k.closeState()}
	for _, p := range []*ebpf.Program{k.run.Main, k.run.Machine} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	for _, m := range k.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
