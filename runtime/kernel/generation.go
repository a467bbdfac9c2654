package kernel

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/kernelrun"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

var (
	errClosed     = errors.New("the datapath is closed")
	errNoPipeline = errors.New("no pipeline is loaded")
)

// generation is a program on all hooks in use with its maps and their content.
type generation struct {
	p        *Plane
	index    int // 0 to 3: the slots index*StagesPerGen on are its own
	sequence uint64
	prog     *ir.Program
	layout   *backend.Layout
	opt      backend.LayoutOptions // what layout was planned with
	maps     map[string]*ebpf.Map  // by pinName: two hooks may differ in the shape of a scratch map
	tables   []*table
	sets     []*table           // of the program's value sets
	states   map[string]*mapped // memory of instances, by map name
	programs [2]*ebpf.Program   // nil: the hook is not in use
	machine  *ebpf.Program      // where packets with copies go on; nil: the program makes none
	pre      *replication
	run      *kernelrun.Run // of Play; nil before the first packet
	ended    bool
	objects  objects
	kept     map[string]bool // by pinName: state of the generation before
	filling  bool            // its content is being written, before Commit
}

var _ dataplane.Generation = (*generation)(nil)

// slotState is what one of the four generation slots is doing, besides carrying
// the live generation.
type slotState struct {
	gen   *generation   // prepared, or waiting for its grace period
	freed chan struct{} // closed when a waiting one is gone
}

// freeAfter is how long after grace a generation stays: frames that it has sent
// on may still be in a queue (D3).
const freeAfter = 2 * time.Second

// freeing are the goroutines that free old generations.
type freeing struct {
	wg   sync.WaitGroup
	stop chan struct{} // made by the first, closed by stopFreeing
}

func genDir(k int) string { return "gen" + strconv.Itoa(k) }

// liveIndex is the generation that the cell names, also one of an earlier
// process; -1 when there is none.
func (p *Plane) liveIndex() int {
	sequence, k := backend.CellParts(p.cell.load(0, 0))
	if sequence == 0 {
		return -1
	}
	return int(k)
}

// Prepare loads a pipeline beside the live one.
func (p *Plane) Prepare(c dataplane.Config) (dataplane.Generation, error) {
	p.ops.Lock()
	defer p.ops.Unlock()
	if c.Sequence == 0 || c.Sequence >= 1<<56 {
		return nil, fmt.Errorf("sequence %d of a pipeline: it takes 1 to 2^56-1", c.Sequence)
	}
	if len(c.Content) != len(c.Program.Tables) {
		return nil, fmt.Errorf("content of %d tables for a program of %d", len(c.Content), len(c.Program.Tables))
	}
	k, err := p.freeSlot()
	if err != nil {
		return nil, err
	}
	var g *generation
	opt := backend.LayoutOptions{Hints: map[int]backend.Hint{}}
	for i := range c.Content {
		opt.Hints[i] = backend.Hint{Entries: c.Content[i].Len() + 1}
	}
	for {
		g = &generation{p: p, index: k, sequence: c.Sequence, prog: c.Program, opt: opt, maps: map[string]*ebpf.Map{}, states: map[string]*mapped{}, kept: map[string]bool{}}
		err := g.build(c)
		if err == nil {
			break
		}
		if closed := g.discard(); closed != nil || !outgrow(&opt, err) {
			return nil, errors.Join(err, closed)
		}
	}
	p.mu.Lock()
	p.slots[k] = slotState{gen: g}
	p.mu.Unlock()
	return g, nil
}

// freeSlot finds a slot that nothing uses. When all others wait for their
// grace period it waits for one of them.
func (p *Plane) freeSlot() (int, error) {
	// Also while nothing is live: dispatchers already run what the empty cell
	// names as soon as it is there.
	_, live := backend.CellParts(p.cell.load(0, 0))
	var wait chan struct{}
	p.mu.RLock()
	closed := p.closed
	free := -1
	for k := range p.slots {
		switch s := p.slots[k]; {
		case k == int(live):
		case s.gen == nil:
			if free < 0 {
				free = k
			}
		case s.freed != nil && wait == nil:
			wait = s.freed
		}
	}
	p.mu.RUnlock()
	switch {
	case closed:
		return 0, errClosed
	case free >= 0:
		return free, nil
	case wait == nil:
		return 0, errors.New("every other generation holds a prepared pipeline; commit or abort one")
	}
	<-wait
	return p.freeSlot()
}

func (g *generation) build(c dataplane.Config) error {
	p := g.p
	dir := p.dir(genDir(g.index))
	// What an earlier process left there is not live.
	if err := removeDir(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	want := p.wantedHooks()
	comp, err := p.compile(c.Program, g.opt, want)
	if err != nil {
		return err
	}
	g.layout = comp.layout
	keep := ""
	if live := p.liveIndex(); c.KeepState && live >= 0 {
		keep = p.dir(genDir(live))
	}
	for _, m := range g.layout.Maps() {
		if _, err := g.addMap(m, dir, keep); err != nil {
			return err
		}
	}
	g.filling = true
	defer func() { g.filling = false }()
	if err := g.openObjects(keep); err != nil {
		return err
	}
	for _, t := range g.layout.Tables {
		tab, err := g.openTable(t)
		if err != nil {
			return fmt.Errorf("table %s: %w", t.IR.Name, err)
		}
		g.tables = append(g.tables, tab)
		if err := tab.openState(keep); err != nil {
			return fmt.Errorf("table %s: %w", t.IR.Name, err)
		}
	}
	if err := g.setExpireTimes(p.expire); err != nil {
		return err
	}
	if err := g.openValueSets(); err != nil {
		return err
	}
	if c.Fill != nil {
		if err := c.Fill(g); err != nil {
			return err
		}
	}
	for i, t := range g.layout.Tables {
		tab := g.tables[i]
		if err := tab.fill(c.Content[i]); err != nil {
			return fmt.Errorf("table %s: %w", t.IR.Name, err)
		}
	}
	copies := slices.ContainsFunc(comp.objects[:], func(o *backend.Object) bool { return o != nil && o.Machine != nil })
	if g.pre, err = g.openReplication(dir, copies); err != nil {
		return err
	}
	for k, wanted := range want {
		if wanted {
			if err := g.load(hookKind(k), comp.objects[k], dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// addMap makes a map of the generation, or for state takes the one in keep.
func (g *generation) addMap(m *backend.MapSpec, dir, keep string) (*ebpf.Map, error) {
	pin := pinName(m)
	if km := g.maps[pin]; km != nil {
		return km, nil
	}
	var km *ebpf.Map
	var err error
	if m.Role == backend.State && keep != "" {
		if km, err = g.share(m, dir, keep); err != nil {
			return nil, err
		}
		g.kept[pin] = km != nil
	}
	if km == nil {
		if km, err = newMap(m, dir); err != nil {
			return nil, err
		}
	}
	g.maps[pin] = km
	return km, nil
}

// mapOf finds a map of the layout; build has made all of them.
func (g *generation) mapOf(m *backend.MapSpec) *ebpf.Map { return g.maps[pinName(m)] }

// share opens the state map of that name and shape, if the live generation has
// one, and pins it in this generation's directory too.
func (g *generation) share(m *backend.MapSpec, dir, keep string) (*ebpf.Map, error) {
	km, err := openMap(m, keep)
	if errors.Is(err, os.ErrNotExist) {
		g.p.log.Info("state starts at zero: the live pipeline has none of this name and shape", "map", m.Name)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// A clone, because pinning a map that knows its pin moves the pin.
	dup, err := km.Clone()
	if err == nil {
		if err = dup.Pin(dir + "/" + pinName(m)); err != nil {
			err = errors.Join(err, dup.Close())
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map %s: %w", m.Name, err), km.Close())
	}
	return dup, km.Close()
}

// Commit makes the generation live with one store of the cell.
func (g *generation) Commit() error {
	p := g.p
	p.ops.Lock()
	defer p.ops.Unlock()
	if g.ended {
		return errors.New("this pipeline was committed or aborted already")
	}
	// A port may have come with another hook since Prepare.
	for k, used := range p.usedHooks() {
		if used {
			if err := g.ensure(hookKind(k)); err != nil {
				return err
			}
		}
	}
	if err := p.ns.DoHere(func() error { return p.completeHandover(g) }); err != nil {
		return err
	}
	// All that was written above is seen by every program run that starts after
	// the store of the cell.
	if err := p.waitGrace(); err != nil {
		return err
	}
	g.ended = true
	old := p.liveIndex()
	p.mu.Lock()
	p.cell.store(0, 0, backend.CellWord(g.sequence, uint8(g.index)))
	oldGen := p.live
	p.live = g
	g.objects.digests.start()
	p.watchLearned(g)
	p.slots[g.index] = slotState{}
	if oldGen == nil && old >= 0 && old != g.index {
		oldGen = &generation{p: p, index: old} // of an earlier process: only slots and pins
	}
	if oldGen != nil {
		p.retire(oldGen)
	}
	p.mu.Unlock()
	p.portsChanged() // since Prepare
	for _, m := range g.allMeters() {
		if err := m.settle(); err != nil {
			p.log.Warn("meters of the old pipeline", "error", err)
		}
	}
	p.log.Info("pipeline is live", "program", g.prog.Name, "sequence", g.sequence, "generation", g.index)
	return nil
}

// Abort frees the generation.
func (g *generation) Abort() {
	g.p.ops.Lock()
	defer g.p.ops.Unlock()
	if g.ended {
		return
	}
	g.ended = true
	if err := g.discard(); err != nil {
		g.p.log.Warn("freeing a prepared pipeline", "error", err)
	}
	g.p.mu.Lock()
	defer g.p.mu.Unlock()
	g.p.slots[g.index] = slotState{}
}

// retire frees a generation after grace and freeAfter. p.mu is held.
func (p *Plane) retire(g *generation) {
	if p.freeing.stop == nil {
		p.freeing.stop = make(chan struct{})
	}
	freed, stop := make(chan struct{}), p.freeing.stop
	p.slots[g.index] = slotState{gen: g, freed: freed}
	p.freeing.wg.Go(func() {
		defer close(freed)
		if err := p.grace.wait(); err != nil {
			p.log.Warn("waiting for the old pipeline", "error", err)
		}
		timer := time.NewTimer(p.linger)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-stop:
			return // the next Open sweeps it
		}
		// Nobody reads it: it has not been p.live since Commit let go of p.mu.
		if err := g.discard(); err != nil {
			p.log.Warn("freeing the old pipeline", "error", err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.slots[g.index] = slotState{}
	})
}

func (p *Plane) stopFreeing() {
	p.mu.Lock()
	stop := p.freeing.stop
	p.freeing.stop = nil
	p.mu.Unlock()
	if stop != nil {
		close(stop)
	}
	p.freeing.wg.Wait()
}

// discard removes the generation from the kernel.
func (g *generation) discard() error {
	return errors.Join(g.p.clearSlots(g.index), removeDir(g.p.dir(genDir(g.index))), g.close())
}

// clearSlots empties the program array slots of a generation that is not live.
func (p *Plane) clearSlots(k int) error {
	for _, name := range []string{backend.MapProgsXDP, backend.MapProgsTC} {
		for s := range uint32(backend.StagesPerGen) {
			err := p.maps[name].Delete(uint32(k*backend.StagesPerGen) + s)
			if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("map %s: %w", name, err)
			}
		}
	}
	return nil
}

// sweepGenerations removes what an earlier process left and did not switch to,
// or had switched away from.
func (p *Plane) sweepGenerations() error {
	live := p.liveIndex()
	for k := range backend.Generations {
		if k == live {
			continue
		}
		if err := p.clearSlots(k); err != nil {
			return err
		}
		if err := removeDir(p.dir(genDir(k))); err != nil {
			return err
		}
	}
	return nil
}

// close gives up what this process holds of the generation; pins stay.
func (g *generation) close() error {
	if g == nil {
		return nil
	}
	var errs []error
	errs = append(errs, g.pre.close(), g.objects.close())
	for _, prog := range []*ebpf.Program{g.programs[0], g.programs[1], g.machine} {
		if prog != nil {
			errs = append(errs, prog.Close())
		}
	}
	for _, t := range append(g.tables, g.sets...) {
		errs = append(errs, t.close())
	}
	g.tables, g.sets = nil, nil
	for _, m := range g.states {
		errs = append(errs, m.close())
	}
	for _, m := range g.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
