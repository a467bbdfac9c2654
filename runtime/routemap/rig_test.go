package routemap_test

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/gribitest"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/routemap"
	"github.com/p4nic/p4nic/runtime/store"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// recorder is a dataplane that writes down every change in order.
type recorder struct {
	*storetest.Plane
	mu   sync.Mutex
	log  []string
	fail func(line string) error
}

func (r *recorder) Apply(ops []dataplane.Op) []error {
	errs := make([]error, len(ops))
	var pass []dataplane.Op
	var at []int
	r.mu.Lock()
	for i, op := range ops {
		line := r.line(op)
		if r.fail != nil {
			if errs[i] = r.fail(line); errs[i] != nil {
				continue
			}
		}
		r.log = append(r.log, line)
		pass, at = append(pass, op), append(at, i)
	}
	r.mu.Unlock()
	for i, err := range r.Plane.Apply(pass) {
		errs[at[i]] = err
	}
	if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return errs
	}
	return nil
}

func (r *recorder) Grace() error {
	r.mu.Lock()
	r.log = append(r.log, "grace")
	r.mu.Unlock()
	return r.Plane.Grace()
}

func (r *recorder) line(op dataplane.Op) string {
	t := r.Program().Tables[op.Table]
	kind := [...]string{"insert", "modify", "delete", "default"}[op.Kind]
	if op.Kind == dataplane.Delete {
		return kind + " " + short(t.Name) + " " + keyText(t, op.Entry)
	}
	return kind + " " + entryText(t, op.Entry)
}

func short(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func entryText(t *ir.Table, e ir.Entry) string {
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = valueText(a)
	}
	return fmt.Sprintf("%s %s %s(%s)", short(t.Name), keyText(t, e), short(t.Actions[e.Action].Action.Name), strings.Join(args, " "))
}

func keyText(t *ir.Table, e ir.Entry) string {
	var out []string
	for i, m := range e.Match {
		v := valueText(m.Value)
		if t.Keys[i].Kind == ir.MatchLPM {
			if m.Value == nil {
				v = "any"
			}
			v = fmt.Sprintf("%s/%d", v, m.PrefixLen)
		}
		out = append(out, v)
	}
	return strings.Join(out, ",")
}

// valueText shows addresses as such and short values as numbers.
func valueText(b []byte) string {
	switch len(b) {
	case 4, 16:
		a, _ := netip.AddrFromSlice(b)
		return a.String()
	case 6:
		return fmt.Sprintf("%x", b)
	}
	return new(big.Int).SetBytes(b).String()
}

// take gives what was written since the last call.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.log
	r.log = nil
	return out
}

// rig is a device with a recorder, ports p1 and p2, and no automatic sweeping.
type rig struct {
	*gribitest.Rig
	t     *testing.T
	plane *recorder
}

func newRig(t *testing.T, change func(*gribitest.Options)) *rig {
	t.Helper()
	r := &rig{t: t}
	o := gribitest.Options{SweepDelay: time.Hour, Ports: []routemap.Port{{Number: 1, Netdev: "p1"}, {Number: 2, Netdev: "p2", Host: "h2"}},
		Plane: func() dataplane.Plane { r.plane = &recorder{Plane: storetest.NewPlane()}; return r.plane }}
	if change != nil {
		change(&o)
	}
	r.Rig = gribitest.New(t, o)
	r.plane.take()
	t.Cleanup(func() {
		if b := r.plane.Breaches(); len(b) > 0 {
			t.Errorf("the store broke the dataplane's contract: %v", b)
		}
	})
	return r
}

// Operations in short form.
func hop(index uint64, s rib.HopSpec) rib.Op {
	return rib.Op{Kind: rib.Add, Instance: "DEFAULT", Entity: rib.HopEntity, Hop: index, Spec: s}
}

func via(address, dev string) rib.HopSpec {
	s := rib.HopSpec{Interface: dev}
	if address != "" {
		s.Address = netip.MustParseAddr(address)
	}
	return s
}

func group(id uint64, hopWeights ...uint64) rib.Op {
	op := rib.Op{Kind: rib.Add, Instance: "DEFAULT", Entity: rib.GroupEntity, Group: id}
	for i := 0; i < len(hopWeights); i += 2 {
		op.Next.Members = append(op.Next.Members, rib.MemberSpec{Hop: hopWeights[i], Weight: hopWeights[i+1]})
	}
	return op
}

func route(prefix string, group uint64) rib.Op {
	return rib.Op{Kind: rib.Add, Instance: "DEFAULT", Entity: rib.RouteEntity, Prefix: netip.MustParsePrefix(prefix), Route: rib.RouteSpec{Group: group}}
}

func in(instance string, op rib.Op) rib.Op { op.Instance = instance; return op }

func del(op rib.Op) rib.Op { op.Kind = rib.Delete; return op }

// apply makes operations and wants each in the FIB.
func (r *rig) apply(ops ...rib.Op) {
	r.t.Helper()
	out := make([]rib.Result, len(ops))
	r.RIB.Apply(ops, out)
	for i, x := range out {
		if x.Outcome != rib.InFIB {
			r.t.Fatalf("operation %d: outcome %d: %s", i, x.Outcome, x.Problem)
		}
	}
}

// one makes an operation and gives its result.
func (r *rig) one(op rib.Op) rib.Result {
	out := make([]rib.Result, 1)
	r.RIB.Apply([]rib.Op{op}, out)
	return out[0]
}

// wrote compares what reached the dataplane.
func (r *rig) wrote(want ...string) {
	r.t.Helper()
	if got := r.plane.take(); !slices.Equal(got, want) {
		r.t.Errorf("the dataplane got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// holds compares the content of a table.
func (r *rig) holds(table string, want ...string) {
	r.t.Helper()
	var got []string
	for i, t := range r.plane.Program().Tables {
		if short(t.Name) != table {
			continue
		}
		for h, e := range r.plane.Table(i) {
			if h != 0 {
				got = append(got, strings.TrimPrefix(entryText(t, e), table+" "))
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("table %s holds\n\t%s\nwant\n\t%s", table, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (r *rig) set(m store.Mode, raw []byte) error { return r.Set(m, raw) }
