package kernel

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// objects are what a generation has behind extern objects, by control-plane name,
// besides counters and replication.
type objects struct {
	profiles map[string]*profile
	meters   map[string]*meter
	digests  *digestReader
}

// tableState is what a table has besides its entries.
type tableState struct {
	profile *profile // nil without an implementation
	targets targets
	meter   *meter // direct meter; nil without
	ages    *ages  // idle timeouts; nil without
}

// openObjects opens the memory of the generation's objects; keep is where the pins
// of the generation are whose state it shares, "" for none.
func (g *generation) openObjects(keep string) error {
	g.objects = objects{profiles: map[string]*profile{}, meters: map[string]*meter{}}
	for _, in := range g.layout.Instances {
		if in == nil {
			continue
		}
		var err error
		name := in.IR.Name
		switch {
		case in.Counter != nil:
			if g.states[in.Counter.Map.Name], err = mapArray(g.mapOf(in.Counter.Map)); err == nil {
				g.states[in.Base.Name], err = mapArray(g.mapOf(in.Base))
			}
		case in.Register != nil:
			err = g.openRegister(in)
		case in.Meter != nil:
			g.objects.meters[name], err = g.openMeter(name, in.Meter, keep)
		case in.Profile != nil:
			g.objects.profiles[name], err = g.openProfile(name, in.Profile)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if d := g.layout.Digests; d != nil {
		var err error
		if g.objects.digests, err = g.openDigests(d); err != nil {
			return err
		}
	}
	return nil
}

// openState opens what a table has besides its entries.
func (t *table) openState(keep string) error {
	if im := t.l.IR.Implementation; im != nil {
		if t.profile = t.g.objects.profiles[im.Name]; t.profile == nil {
			return fmt.Errorf("there is no action profile %s", im.Name)
		}
		t.profile.tables = append(t.profile.tables, t)
	}
	var err error
	if t.l.Meter != nil {
		if t.meter, err = t.g.openMeter(t.l.IR.Name, t.l.Meter, keep); err != nil {
			return err
		}
	}
	if t.l.Hits != nil {
		t.ages, err = t.g.openAges(t)
	}
	return err
}

func (t *tableState) close() error {
	return errors.Join(t.meter.close(), t.ages.close())
}

func (o *objects) close() error {
	errs := []error{o.digests.close()}
	for _, m := range o.meters {
		errs = append(errs, m.close())
	}
	for _, p := range o.profiles {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

// begin prepares the state of a handle for a new entry, before any packet can see
// it; set follows every change of one, end its removal.
func (t *table) begin(e *ir.Entry) {
	if e.Handle == 0 {
		return
	}
	if t.meter != nil {
		t.meter.forget(e.Handle)
	}
	if t.ages != nil {
		t.ages.begin(e.Handle)
	}
}

func (t *table) set(e *ir.Entry) {
	if t.ages != nil && e.Handle != 0 {
		t.ages.set(e.Handle, e.IdleTimeout)
	}
}

func (t *table) end(handle uint32) {
	if t.profile != nil {
		t.profile.release(t, handle)
	}
	if t.meter != nil && handle != 0 {
		t.meter.forget(handle)
	}
	if t.ages != nil {
		t.ages.set(handle, 0)
	}
}

// checkState looks at what an entry says besides its action.
func (t *table) checkState(e *ir.Entry) error {
	if e.IdleTimeout != 0 && t.ages == nil {
		return errors.New("the table has no idle timeouts")
	}
	if e.Ref != ir.RefNone && t.profile == nil {
		return errors.New("the table has no action profile")
	}
	return nil
}

// kept tells whether the map is that of the generation before.
func (g *generation) isKept(m *backend.MapSpec) bool { return g.kept[pinName(m)] }

// mapOld maps the memory of a map of the generation whose pins are in keep; nil
// where it has none of this shape.
func mapOld(m *backend.MapSpec, keep string) (*mapped, error) {
	km, err := openMap(m, keep)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	mem, err := mapArray(km)
	return mem, errors.Join(err, km.Close())
}

// newNonce begins the nonces of meters somewhere in their range, so that those of
// an earlier process do not come again.
func newNonce() (uint64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("random numbers: %w", err)
	}
	return binary.NativeEndian.Uint64(b[:]) & backend.MaxMeterNonce, nil
}

// instanceOf finds an object of a kind by its name.
func (g *generation) instanceOf(kind, name string) (*backend.Instance, error) {
	for _, in := range g.layout.Instances {
		if in != nil && in.IR.Name == name {
			if in.IR.Kind() != kind {
				return nil, fmt.Errorf("%s is a %s, not a %s", name, in.IR.Type.Name, kind)
			}
			return in, nil
		}
	}
	return nil, fmt.Errorf("there is no %s %s", kind, name)
}

// cellOf finds a cell of such an object.
func (g *generation) cellOf(kind, name string, index uint32) (*backend.Instance, error) {
	in, err := g.instanceOf(kind, name)
	if err == nil && index >= in.Cells {
		err = fmt.Errorf("%s has %d cells, there is no %d", name, in.Cells, index)
	}
	return in, err
}

// tableAt finds a table by its index.
func (g *generation) tableAt(index int) (*table, error) {
	if index < 0 || index >= len(g.tables) {
		return nil, fmt.Errorf("there is no table %d", index)
	}
	return g.tables[index], nil
}

// noEntry is the error for a handle that no entry has.
func noEntry(t *table, handle uint32) error {
	return fmt.Errorf("table %s: handle %d: %w", t.l.IR.Name, handle, dataplane.ErrNoEntry)
}
