package p4prog

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/bench"
	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// Options of Load.
type Options struct {
	Hook bench.Hook
	// Off names optimisations that are not done, of SSA and of the back end.
	Off []string
	// Maps are maps of an earlier Program with the same layout, to be used in place
	// of new ones: two compilations then share their content.
	Maps map[string]*ebpf.Map
	// Plain: match structures that are the kernel's own tables, or are scanned.
	Plain bool
}

// Program is a loaded program with its maps.
type Program struct {
	Layout *backend.Layout
	Object *backend.Object
	Maps   map[string]*ebpf.Map
	Main   *ebpf.Program
	// Dispatcher is the program that stays attached and calls Main (D3).
	Dispatcher *ebpf.Program

	dispatch *backend.Object
	own      []*ebpf.Map
}

// Compile brings a P4 program to core.
func Compile(path string) (*ir.Program, error) {
	res, err := driver.Compile(driver.Options{Path: path})
	if err != nil {
		return nil, err
	}
	if res.Diags.HasErrors() {
		return nil, fmt.Errorf("%s: %v", path, res.Diags.All()[0])
	}
	return res.Core, nil
}

// Optimisations lists what Options.Off knows.
func Optimisations() []string {
	var names []string
	for _, p := range ssa.Passes() {
		names = append(names, p.Name)
	}
	return append(names, backend.Optimisations()...)
}

// Load compiles and loads a program and writes content, one a table, into its
// maps. Packets come from lo, which is port 0, and lo is all ports.
func Load(p *ir.Program, content []packetcase.Content, o Options) (*Program, error) {
	off := map[string]bool{}
	for _, name := range o.Off {
		if !slices.Contains(Optimisations(), name) {
			return nil, fmt.Errorf("there is no optimisation %q; there are %v", name, Optimisations())
		}
		off[name] = true
	}
	ncpu, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, err
	}
	l, err := plan(p, content, ncpu, o.Plain)
	if err != nil {
		return nil, err
	}
	f, err := ssa.Lower(p, ssa.Options{Off: off})
	if err != nil {
		return nil, err
	}
	hook := backend.XDP
	if o.Hook == bench.TC {
		hook = backend.TC
	}
	obj, err := backend.Compile(f, l, backend.Options{Hook: hook, Off: off})
	if err != nil {
		return nil, err
	}
	x := &Program{Layout: l, Object: obj, Maps: maps.Clone(o.Maps)}
	if x.Maps == nil {
		x.Maps = map[string]*ebpf.Map{}
	}
	delete(x.Maps, backend.MapScratch) // its size is the compilation's own
	if err := x.load(content, hook); err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

// plan lays tables out so that content fits: as nicd does when a pipeline is set.
func plan(p *ir.Program, content []packetcase.Content, ncpu int, plain bool) (*backend.Layout, error) {
	opt := backend.LayoutOptions{Plain: plain, Hints: map[int]backend.Hint{}}
again:
	l, err := backend.PlanLayoutFor(p, ncpu, opt)
	if err != nil {
		return nil, err
	}
	for i, t := range l.Tables {
		e, ok := t.Engine.(backend.Packed)
		if !ok {
			continue
		}
		w, err := backend.Pack(e, content[i].Entries, func(*backend.MapSpec, []byte, []byte) error { return nil })
		if hint, ok := w.Grow(); ok && errors.Is(err, backend.ErrNoRoom) {
			opt.Hints[i] = hint
			goto again
		}
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.IR.Name, err)
		}
	}
	return l, nil
}

func (x *Program) load(content []packetcase.Content, hook backend.Hook) error {
	fresh := len(x.Maps) == 0
	specs := slices.Concat(x.Layout.Maps(), x.Object.Maps, backend.DeviceMaps())
	for _, s := range specs {
		if x.Maps[s.Name] != nil {
			continue
		}
		m, err := ebpf.NewMap(s.Spec())
		if err != nil {
			return fmt.Errorf("map %s: %w", s.Name, err)
		}
		x.Maps[s.Name] = m
		x.own = append(x.own, m)
		if s.Contents != nil {
			if err := errors.Join(m.Put(uint32(0), s.Contents), m.Freeze()); err != nil {
				return fmt.Errorf("map %s: %w", s.Name, err)
			}
		}
	}
	if fresh {
		if err := x.ports(); err != nil {
			return err
		}
		for i, t := range x.Layout.Tables {
			if err := x.fill(t, content[i]); err != nil {
				return fmt.Errorf("table %s: %w", t.IR.Name, err)
			}
		}
	}
	var err error
	x.dispatch = backend.Dispatcher(hook)
	if x.Main, err = x.LoadMain(); err != nil {
		return err
	}
	x.Dispatcher, err = x.LoadDispatcher()
	return err
}

// LoadMain loads the program once more.
func (x *Program) LoadMain() (*ebpf.Program, error) { return x.program(x.Object, "p4_bench", x.Maps) }

// LoadDispatcher loads a dispatcher with a program array and a copy of the
// program of its own.
func (x *Program) LoadDispatcher() (*ebpf.Program, error) {
	name := backend.MapProgsXDP
	if x.Object.Type == ebpf.SchedCLS {
		name = backend.MapProgsTC
	}
	// The array must stay open: the kernel empties it with its last descriptor.
	progs, err := x.Maps[name].Info()
	if err != nil {
		return nil, err
	}
	array, err := ebpf.NewMap(&ebpf.MapSpec{Type: progs.Type, KeySize: progs.KeySize, ValueSize: progs.ValueSize, MaxEntries: progs.MaxEntries})
	if err != nil {
		return nil, err
	}
	x.own = append(x.own, array)
	p, err := x.LoadMain()
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if err := array.Put(backend.ProgSlot(0, 0), p); err != nil {
		return nil, err
	}
	given := maps.Clone(x.Maps)
	given[name] = array
	return x.program(x.dispatch, "p4_dispatch", given)
}

func (x *Program) program(o *backend.Object, name string, given map[string]*ebpf.Map) (*ebpf.Program, error) {
	spec, err := o.Spec(name, given)
	if err != nil {
		return nil, err
	}
	return ebpf.NewProgram(spec)
}

// Close frees programs and the maps that Load made.
func (x *Program) Close() {
	for _, p := range []*ebpf.Program{x.Main, x.Dispatcher} {
		if p != nil {
			p.Close()
		}
	}
	for _, m := range x.own {
		m.Close()
	}
}

func (x *Program) ports() error {
	if err := x.Maps[backend.MapIfPort].Put(uint32(bench.Loopback), uint32(0)); err != nil {
		return err
	}
	if err := x.Maps[backend.MapIfIndex].Put(uint32(bench.Loopback), uint32(0+1)); err != nil {
		return err
	}
	if err := x.Maps[backend.MapCell].Put(uint32(0), backend.CellWord(1, 0)); err != nil {
		return err
	}
	for port := range uint32(8) {
		if err := x.Maps[backend.MapPorts].Put(port, uint32(bench.Loopback)); err != nil {
			return err
		}
		if err := x.Maps[backend.MapDevmap].Put(port, uint32(bench.Loopback)); err != nil {
			return err
		}
	}
	return nil
}

// fill writes a table.
func (x *Program) fill(t *backend.Table, c packetcase.Content) error {
	slot := uint32(0)
	write := func(e *ir.Entry) error {
		w, needs := t.EncodeWord(e, slot)
		if needs {
			if err := x.Maps[t.Data.Name].Put(t.DataBase+slot, t.EncodeData(e)); err != nil {
				return err
			}
			slot++
		}
		return x.Maps[t.Entry.Name].Put(t.EntryBase+e.Handle, w)
	}
	if err := write(&c.Default); err != nil {
		return err
	}
	for i := range c.Entries {
		if err := write(&c.Entries[i]); err != nil {
			return err
		}
	}
	switch e := t.Engine.(type) {
	case backend.Packed:
		_, err := backend.Pack(e, c.Entries, func(m *backend.MapSpec, key, value []byte) error { return x.Maps[m.Name].Put(key, value) })
		return err
	case backend.Keyed:
		for i := range c.Entries {
			k, err := e.EncodeKey(&c.Entries[i])
			if err != nil {
				return err
			}
			if err := x.Maps[e.Map().Name].Put(k, c.Entries[i].Handle); err != nil {
				return err
			}
		}
	case *backend.Linear:
		rows, err := e.EncodeRows(c.Entries)
		if err != nil {
			return err
		}
		all := make([]byte, e.Rows.ValueSize)
		copy(all, rows)
		if err := x.Maps[e.Rows.Name].Put(uint32(0), all); err != nil {
			return err
		}
		return x.Maps[e.Control.Name].Put(uint32(0), e.ControlWord(0, len(c.Entries)))
	default:
		if t.Engine.Kind() != backend.KindNone {
			return fmt.Errorf("the benchmark does not know how to fill an engine of kind %s", t.Engine.Kind())
		}
	}
	return nil
}
