package rib

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/p4nic/p4nic/internal/recordlog"
)

// The journal holds what gRIBI and operators said, never what the kernel did.
// One record of the log is the changes of one flush.
const magic = "P4NICR1\n"

// Types of changes. Numbers are a file format: never reuse one.
const (
	recElection     byte = 1  // high, low
	recPutHop       byte = 2  // instance, index, spec, raw
	recDelHop       byte = 3  // instance, index
	recPutGroup     byte = 4  // instance, id, members {index, weight}, backup, raw
	recDelGroup     byte = 5  // instance, id
	recPutRoute     byte = 6  // instance, prefix, group, its instance if named, metadata
	recDelRoute     byte = 7  // instance, prefix
	recDropInstance byte = 8  // instance
	recPutStatic    byte = 9  // instance, prefix, hops {spec, weight}
	recDelStatic    byte = 10 // instance, prefix
	recInstances    byte = 11 // {name, id}: all that were added at run time
)

type journal struct{ *recordlog.Log }

func (j *journal) close() error { return j.Log.Close() }

// records collects the changes of one flush.
type records struct{ b []byte }

func (c *records) empty() bool { return len(c.b) == 0 }

func (c *records) reset() {
	if cap(c.b) > 1<<20 {
		c.b = nil
	}
	c.b = c.b[:0]
}

func (c *records) str(s string) {
	c.b = binary.AppendUvarint(c.b, uint64(len(s)))
	c.b = append(c.b, s...)
}

func (c *records) uint(v uint64) { c.b = binary.AppendUvarint(c.b, v) }

func (c *records) start(typ byte, n *Instance) {
	c.b = append(c.b, typ)
	c.str(n.Name)
}

func (c *records) prefix(p netip.Prefix) {
	c.b = append(c.b, byte(p.Addr().BitLen()/8), byte(p.Bits()))
	if a := p.Addr(); a.Is4() {
		v := a.As4()
		c.b = append(c.b, v[:]...)
	} else {
		v := a.As16()
		c.b = append(c.b, v[:]...)
	}
}

func (c *records) spec(s HopSpec) {
	c.b = append(c.b, byte(s.Kind))
	addr := s.Address.AsSlice()
	c.str(string(addr))
	c.b = append(c.b, s.MAC[:]...)
	c.str(s.Interface)
	c.uint(uint64(s.VLAN))
	c.str(s.Instance)
	c.str(s.Unsupported)
}

func (c *records) election(e Election) {
	c.b = append(c.b, recElection)
	c.uint(e.High)
	c.uint(e.Low)
}

func (c *records) instances(cs []InstanceConfig) {
	c.b = append(c.b, recInstances)
	c.uint(uint64(len(cs)))
	for _, x := range cs {
		c.str(x.Name)
		c.uint(uint64(x.ID))
	}
}

func (c *records) putHop(h *Hop) {
	c.start(recPutHop, h.Instance)
	c.uint(h.Index)
	c.spec(h.Spec)
	c.str(h.Raw)
}

func (c *records) delHop(n *Instance, index uint64) {
	c.start(recDelHop, n)
	c.uint(index)
}

func (c *records) putGroup(g *Group) {
	c.start(recPutGroup, g.Instance)
	c.uint(g.ID)
	c.uint(uint64(len(g.Members)))
	for _, m := range g.Members {
		c.uint(m.Hop.Index)
		c.uint(m.Weight)
	}
	if g.Backup != nil {
		c.uint(g.Backup.ID)
	} else {
		c.uint(0)
	}
	c.str(g.Raw)
}

func (c *records) delGroup(n *Instance, id uint64) {
	c.start(recDelGroup, n)
	c.uint(id)
}

func (c *records) putRoute(n *Instance, p netip.Prefix, g *Group, s *RouteSpec) {
	c.start(recPutRoute, n)
	c.prefix(p)
	c.uint(g.ID)
	c.str(s.GroupInstance)
	c.str(s.Metadata)
}

func (c *records) delRoute(n *Instance, p netip.Prefix) {
	c.start(recDelRoute, n)
	c.prefix(p)
}

func (c *records) dropInstance(name string) {
	c.b = append(c.b, recDropInstance)
	c.str(name)
}

func (c *records) putStatic(n *Instance, p netip.Prefix, hops []WeightedHop) {
	c.start(recPutStatic, n)
	c.prefix(p)
	c.uint(uint64(len(hops)))
	for _, w := range hops {
		c.spec(w.Hop)
		c.uint(w.Weight)
	}
}

func (c *records) delStatic(n *Instance, p netip.Prefix) {
	c.start(recDelStatic, n)
	c.prefix(p)
}

func (r *RIB) writeJournal() error {
	if r.journal == nil || r.pending.records.empty() {
		return nil
	}
	return r.journal.Append(r.pending.records.b)
}

func (r *RIB) openJournal() error {
	if r.opts.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(r.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("rib: %w", err)
	}
	p := &replay{r: r}
	l, err := recordlog.Open(filepath.Join(r.opts.Dir, "rib"), magic, r.opts.Power, p.record)
	if err != nil {
		return fmt.Errorf("rib: %w", err)
	}
	r.journal = &journal{l}
	if p.skipped > 0 {
		r.log.Warn("routes of network instances that are not configured are forgotten", "records", p.skipped)
		r.clearPending()
		return r.rewrite()
	}
	return nil
}

// compactIfLarge rewrites a journal that is mostly history.
func (r *RIB) compactIfLarge() {
	if r.journal == nil || r.journal.Size() < r.opts.CompactBytes || r.journal.Size() < 2*r.journal.Base() {
		return
	}
	if err := r.rewrite(); err != nil {
		r.log.Error("the journal of routes cannot be compacted", "error", err)
	}
}

// rewrite makes the journal a snapshot.
func (r *RIB) rewrite() error {
	return r.journal.Rewrite(func(put func([]byte) error) error {
		var c records
		var err error
		cut := func(limit int) {
			if err == nil && len(c.b) > limit {
				err = put(c.b)
				c.b = c.b[:0]
			}
		}
		const chunk = 1 << 16
		if r.elected != (Election{}) {
			c.election(r.elected)
		}
		if len(r.added) > 0 {
			c.instances(r.added)
		}
		list := r.ordered()
		for _, n := range list {
			for _, i := range slices.Sorted(maps.Keys(n.hops)) {
				c.putHop(n.hops[i])
				cut(chunk)
			}
			done := map[*Group]bool{}
			var putGroup func(g *Group)
			putGroup = func(g *Group) {
				if g == nil || done[g] {
					return
				}
				done[g] = true
				putGroup(g.Backup) // it must be there when g is read
				c.putGroup(g)
				cut(chunk)
			}
			for _, id := range slices.Sorted(maps.Keys(n.groups)) {
				putGroup(n.groups[id])
			}
		}
		for _, n := range list {
			for _, rt := range n.sorted() {
				if p := rt.path(GRIBI); p != nil {
					c.putRoute(n, rt.Prefix, p.group, p.spec(n))
				}
				if p := rt.path(Static); p != nil && p.runtime {
					c.putStatic(n, rt.Prefix, p.group.hops())
				}
				cut(chunk)
			}
		}
		cut(0)
		return err
	})
}

// spec is what the client said.
func (p *path) spec(n *Instance) *RouteSpec {
	s := &RouteSpec{Group: p.group.ID, Metadata: p.meta}
	if p.grpNI {
		s.GroupInstance = p.group.Instance.Name
	}
	return s
}

func (g *Group) hops() []WeightedHop {
	out := make([]WeightedHop, len(g.Members))
	for i, m := range g.Members {
		out[i] = WeightedHop{m.Hop.Spec, m.Weight}
	}
	return out
}

var errShort = errors.New("record ends early")

// decoder reads the fields of a record. After the first error everything reads
// zero; nothing it allocates is larger than the record.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail(errShort)
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) str() string { return string(d.take(d.uint())) }

// count reads a number of elements of which each takes a byte at least.
func (d *decoder) count() int {
	v := d.uint()
	if v > uint64(len(d.b)) {
		d.fail(errShort)
		return 0
	}
	return int(v)
}

func (d *decoder) prefix() netip.Prefix {
	size, bits := d.byte(), d.byte()
	if size != 4 && size != 16 || int(bits) > 8*int(size) {
		d.fail(fmt.Errorf("a prefix of %d bytes and length %d", size, bits))
		return netip.Prefix{}
	}
	a, ok := netip.AddrFromSlice(d.take(uint64(size)))
	if !ok {
		return netip.Prefix{}
	}
	p := netip.PrefixFrom(a, int(bits))
	if p != p.Masked() {
		d.fail(fmt.Errorf("prefix %s has host bits", p))
	}
	return p
}

func (d *decoder) spec() HopSpec {
	s := HopSpec{Kind: HopKind(d.byte())}
	if s.Kind > Discard {
		d.fail(fmt.Errorf("next hop of kind %d", s.Kind))
	}
	if b := d.take(d.uint()); len(b) > 0 {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			d.fail(fmt.Errorf("an address of %d bytes", len(b)))
		}
		s.Address = a
	}
	copy(s.MAC[:], d.take(uint64(len(s.MAC))))
	s.Interface = d.str()
	vlan := d.uint()
	if vlan > math.MaxUint32 {
		d.fail(fmt.Errorf("VLAN %d", vlan))
	}
	s.VLAN = uint32(vlan)
	s.Instance = d.str()
	s.Unsupported = d.str()
	return s
}
