package kernel

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
)

// outgrown ends the filling of a generation in which a table's match structure has
// become too small for its content.
type outgrown struct {
	table int
	hint  backend.Hint
	err   error
}

func (o *outgrown) Error() string { return o.err.Error() }
func (o *outgrown) Unwrap() error { return o.err }

// outgrow notes what a failed filling asks for; false when nothing does.
func outgrow(opt *backend.LayoutOptions, err error) bool {
	var o *outgrown
	if !errors.As(err, &o) {
		return false
	}
	opt.Hints = maps.Clone(opt.Hints)
	opt.Hints[o.table] = o.hint
	return true
}

// grow gives a table of the live generation a match structure that is larger, or
// another one, without a gap (D3, D7): a generation of the same program, in which
// everything but that structure is the same memory, gets the new one filled with
// the same entries, and one store of the cell makes it live. Changes wait
// meanwhile, so what packets match is the same on both sides of the switch.
//
// It gives the table in its new form, nil where there is none.
func (b *batch) grow(t *table) *table {
	if b.live == nil {
		return nil // Prepare plans anew
	}
	p := b.p
	p.ops.Lock()
	defer p.ops.Unlock()
	writer := t.writer
	opt := backend.LayoutOptions{Plain: b.live.opt.Plain, Hints: maps.Clone(b.live.opt.Hints)}
	if opt.Hints == nil {
		opt.Hints = map[int]backend.Hint{}
	}
	for {
		hint, ok := writer.Grow()
		if !ok {
			return nil
		}
		opt.Hints[t.l.Index] = hint
		next, err := b.regenerate(t, opt)
		switch {
		case err == nil:
			b.live, b.tables = next, next.tables
			larger := next.tables[t.l.Index]
			for k := range b.gone {
				if k.t == t {
					delete(b.gone, k)
					b.gone[goneKey{larger, k.handle}] = true
				}
			}
			p.log.Info("a table has a larger match structure", "table", t.l.IR.Name, "engine", larger.l.Engine.Kind().String(), "generation", next.index)
			return larger
		case next != nil && errors.Is(err, backend.ErrNoRoom):
			writer = next.tables[t.l.Index].writer // larger still
		default:
			p.log.Warn("a table could not be given a larger match structure", "table", t.l.IR.Name, "error", err)
			return nil
		}
	}
}

// regenerate makes the generation and switches to it. With backend.ErrNoRoom it
// gives the one that was too small, of which nothing is left but its writers.
func (b *batch) regenerate(t *table, opt backend.LayoutOptions) (*generation, error) {
	p, old := b.p, b.live
	k, err := p.freeSlot()
	if err != nil {
		return nil, err
	}
	var hooks [2]bool
	for i := range hooks {
		hooks[i] = old.programs[i] != nil
	}
	comp, err := p.compile(old.prog, opt, hooks)
	if err != nil {
		return nil, err
	}
	// Everything that the old generation is, but for what hangs on its number and
	// on the one table.
	g := new(generation)
	*g = *old
	g.index, g.layout, g.opt = k, comp.layout, opt
	g.programs, g.machine = [2]*ebpf.Program{}, nil
	g.maps = maps.Clone(old.maps)
	own := map[string]*ebpf.Map{} // of the old one alone: the table's, and what the programs share with no other
	for _, m := range t.l.Engine.Maps() {
		own[pinName(m)] = g.maps[pinName(m)]
		delete(g.maps, pinName(m))
	}
	shared := maps.Clone(g.maps)
	fail := func(err error) (*generation, error) {
		var errs []error
		for pin, m := range g.maps {
			if shared[pin] != m {
				errs = append(errs, m.Close())
			}
		}
		for _, prog := range []*ebpf.Program{g.programs[0], g.programs[1], g.machine} {
			if prog != nil {
				errs = append(errs, prog.Close())
			}
		}
		if n := g.tables[t.l.Index]; n != t && n != nil {
			errs = append(errs, n.packed.close())
		}
		errs = append(errs, p.clearSlots(k), removeDir(p.dir(genDir(k))))
		if err := errors.Join(errs...); err != nil {
			p.log.Warn("freeing a pipeline that did not become live", "error", err)
		}
		return g, err
	}
	g.tables = append([]*table(nil), old.tables...)
	dir := p.dir(genDir(k))
	if err := errors.Join(removeDir(dir), os.Mkdir(dir, 0o700)); err != nil {
		return fail(err)
	}
	for pin, m := range shared {
		if err := pinAlso(m, filepath.Join(dir, pin)); err != nil {
			return fail(err)
		}
	}
	for _, m := range g.layout.Maps() {
		if _, err := g.addMap(m, dir, ""); err != nil {
			return fail(err)
		}
	}
	larger, err := g.enlarge(t)
	if err != nil {
		return fail(err)
	}
	for i, wanted := range hooks {
		if wanted {
			if err := g.load(hookKind(i), comp.objects[i], dir); err != nil {
				return fail(err)
			}
		}
	}
	if err := p.waitGrace(); err != nil {
		return fail(err)
	}
	larger.writer.Live()
	// What is freed with the old one: its programs, its number, the structure.
	husk := &generation{p: p, index: old.index, programs: old.programs, machine: old.machine, maps: own, tables: []*table{{packed: t.packed}}}
	if x := t.profile; x != nil {
		x.mu.Lock()
		for i := range x.tables {
			if x.tables[i] == t {
				x.tables[i] = larger
			}
		}
		x.mu.Unlock()
	}
	p.mu.Lock()
	for _, x := range g.tables {
		x.g = g
	}
	p.cell.store(0, 0, backend.CellWord(g.sequence, uint8(g.index)))
	p.live = g
	p.slots[g.index] = slotState{}
	p.retire(husk)
	p.mu.Unlock()
	return g, nil
}

// enlarge fills the new match structure of a table. Entry words, data, counters
// and what is known of them are those of the table as it was.
func (g *generation) enlarge(t *table) (*table, error) {
	larger := new(table)
	*larger = *t
	larger.g, larger.l, larger.packed = g, g.layout.Tables[t.l.Index], packed{}
	g.tables[t.l.Index] = larger
	e, ok := larger.l.Engine.(backend.Packed)
	if !ok {
		return nil, fmt.Errorf("table %s: its new match structure is %s", t.l.IR.Name, larger.l.Engine.Kind())
	}
	if err := larger.openPacked(e); err != nil {
		return nil, err
	}
	err := t.writer.Each(func(en *ir.Entry) error { return larger.writer.Insert(en) })
	if err == nil {
		err = larger.writer.Flush()
	}
	return larger, err
}

// pinAlso pins a map at one more place.
func pinAlso(m *ebpf.Map, path string) error {
	// A clone, because pinning a map that knows its pin moves the pin.
	dup, err := m.Clone()
	if err != nil {
		return err
	}
	return errors.Join(dup.Pin(path), dup.Close())
}
