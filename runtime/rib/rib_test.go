package rib

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// accept is a FIB that takes everything and checks what it is told.
type accept struct {
	t     *testing.T
	calls int
	log   []string
}

func (a *accept) Program(c *Changes) {
	a.calls++
	seen := map[any]bool{}
	once := func(x any) {
		if seen[x] {
			a.t.Errorf("%v is there twice", x)
		}
		seen[x] = true
	}
	for _, h := range c.Hops {
		once(h)
		h.State = Programmed
		a.log = append(a.log, h.Name())
	}
	for _, g := range c.Groups {
		once(g)
		g.State = Programmed
		a.log = append(a.log, g.Name())
	}
	for _, rt := range c.Routes {
		once(rt)
		rt.FIB.Present = rt.Best() != nil
		rt.State = Programmed
		if !rt.FIB.Present {
			rt.State = Unprogrammed
		}
		a.log = append(a.log, rt.Prefix.String())
	}
}

var two = []InstanceConfig{{"DEFAULT", 0}, {"VRF-1", 1}}

func open(t *testing.T, dir string, instances ...InstanceConfig) (*RIB, *accept) {
	t.Helper()
	if instances == nil {
		instances = two
	}
	r, err := Open(Options{Dir: dir, Instances: instances})
	if err != nil {
		t.Fatal(err)
	}
	f := &accept{t: t}
	r.SetFIB(f)
	t.Cleanup(func() { _ = r.Close() })
	return r, f
}

func hopOp(i uint64) Op {
	return Op{Kind: Add, Instance: "DEFAULT", Entity: HopEntity, Hop: i, Spec: HopSpec{Interface: "p1"}, Raw: fmt.Sprint("hop", i)}
}

func groupOp(id uint64, hops ...uint64) Op {
	op := Op{Kind: Add, Instance: "DEFAULT", Entity: GroupEntity, Group: id, Raw: fmt.Sprint("group", id)}
	for _, h := range hops {
		op.Next.Members = append(op.Next.Members, MemberSpec{h, h})
	}
	return op
}

func routeOp(p string, g uint64) Op {
	return Op{Kind: Add, Instance: "DEFAULT", Entity: RouteEntity, Prefix: netip.MustParsePrefix(p), Route: RouteSpec{Group: g, Metadata: "m" + p}}
}

func kind(k OpKind, op Op) Op { op.Kind = k; return op }

func vrf(op Op) Op { op.Instance = "VRF-1"; return op }

func from(instance string, op Op) Op { op.Route.GroupInstance = instance; return op }

func do(r *RIB, ops ...Op) []Result {
	out := make([]Result, len(ops))
	r.Apply(ops, out)
	return out
}

func TestOperations(t *testing.T) {
	backup := func(id uint64, op Op) Op { op.Next.Backup = id; return op }
	base := []Op{hopOp(1), hopOp(2), groupOp(1, 1), groupOp(2, 2), routeOp("10.0.0.0/8", 1), from("DEFAULT", vrf(routeOp("10.0.0.0/8", 2)))}
	for _, c := range []struct {
		name string
		op   Op
		want string // part of the problem; "" = accepted
	}{
		{"gribi:GR31 ADD replaces", routeOp("10.0.0.0/8", 2), ""},
		{"gribi:GR32 REPLACE of what is there", kind(Replace, groupOp(1, 2)), ""},
		{"gribi:GR32 REPLACE of a missing route", kind(Replace, routeOp("11.0.0.0/8", 1)), "REPLACE of an entry"},
		{"gribi:GR32 REPLACE of a missing group", kind(Replace, groupOp(3, 1)), "REPLACE of an entry"},
		{"gribi:GR32 REPLACE of a missing next hop", kind(Replace, hopOp(3)), "REPLACE of an entry"},
		{"gribi:GR33 DELETE of a missing route", kind(Delete, routeOp("11.0.0.0/8", 9)), ""},
		{"gribi:GR33 DELETE of a missing group", kind(Delete, groupOp(9)), ""},
		{"gribi:GR33 DELETE of a missing next hop", kind(Delete, hopOp(9)), ""},
		{"gribi:GR34 DELETE of a used group", kind(Delete, groupOp(1)), "used by 1 prefixes"},
		{"gribi:GR34 DELETE of a group that another instance uses", kind(Delete, groupOp(2)), "used by 1 prefixes"},
		{"gribi:GR34 DELETE of a used next hop", kind(Delete, hopOp(1)), "used by 1 next-hop groups"},
		{"gribi:GR35 operation INVALID", kind(0, hopOp(1)), "none of ADD"},
		{"gribi:GR35 no instance", Op{Kind: Add, Entity: HopEntity, Hop: 1}, "instance is missing"},
		{"gribi:GR36 unknown instance", Op{Kind: Add, Instance: "x", Entity: HopEntity, Hop: 1}, `"x" is not configured`},
		{"gribi:GR37 next hop 0", hopOp(0), "index 0"},
		{"gribi:GR37 group 0", groupOp(0, 1), "id 0"},
		{"gribi:GR37 empty group", groupOp(3), "has no next hop"},
		{"gribi:GR37 next hop 0 in a group", groupOp(3, 0), "index 0"},
		{"gribi:GR37 route without group", routeOp("11.0.0.0/8", 0), "group is missing"},
		{"gribi:GR44 forward reference to a group", routeOp("11.0.0.0/8", 9), "no next-hop group 9"},
		{"gribi:GR44 forward reference to a next hop", groupOp(3, 9), "no next hop 9"},
		{"the same next hop twice", groupOp(3, 1, 1), "there twice"},
		{"gribi:GR51 groups resolve in their own instance", vrf(groupOp(3, 1)), "no next hop 1"},
		{"gribi:GR51 routes look in their own instance", vrf(routeOp("11.0.0.0/8", 1)), "no next-hop group 1"},
		{"gribi:GR51 unless they name another", from("DEFAULT", vrf(routeOp("11.0.0.0/8", 1))), ""},
		{"unknown instance of a group", from("x", routeOp("11.0.0.0/8", 1)), `"x"`},
		{"gribi:GR49 backup", backup(2, groupOp(3, 1)), ""},
		{"gribi:GR49 missing backup", backup(9, groupOp(3, 1)), "no backup group 9"},
		{"gribi:GR49 its own backup", backup(1, groupOp(1, 1)), "its own backup"},
		{"unknown instance of a next hop", Op{Kind: Add, Instance: "DEFAULT", Entity: HopEntity, Hop: 3, Spec: HopSpec{Instance: "x"}}, `"x"`},
		{"what the adapter refused", Op{Invalid: "no good"}, "no good"},
		{"nothing", Op{Kind: Add, Instance: "DEFAULT"}, "no entry"},
		{"no prefix", Op{Kind: Add, Instance: "DEFAULT", Entity: RouteEntity}, "prefix is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := open(t, t.TempDir())
			for i, x := range do(r, base...) {
				if x.Outcome != InFIB {
					t.Fatalf("base %d: %+v", i, x)
				}
			}
			before := everything(t, r)
			got := do(r, c.op)[0]
			switch {
			case c.want == "" && got.Outcome != InFIB, c.want != "" && (got.Outcome != Refused || !strings.Contains(got.Problem, c.want)):
				t.Errorf("%+v, want %q", got, c.want)
			case c.want != "" && !reflect.DeepEqual(before.Routes, everything(t, r).Routes):
				t.Error("a refused operation changed something")
			}
		})
	}
}

func everything(t *testing.T, r *RIB) *View {
	t.Helper()
	v, err := r.View(Query{Routes: true, V4: true, V6: true, Groups: true, Hops: true})
	if err != nil {
		t.Fatal(err)
	}
	v.Serial = 0
	return v
}

// TestBatches: changes reach the FIB in as few calls as their order allows.
func TestBatches(t *testing.T) {
	r, f := open(t, "")
	do(r, hopOp(1), hopOp(2), groupOp(1, 1), routeOp("10.0.0.0/8", 1), routeOp("11.0.0.0/8", 1), groupOp(2, 2))
	if f.calls != 1 {
		t.Errorf("%d calls for what can go together", f.calls)
	}
	f.calls = 0
	do(r, routeOp("10.0.0.0/8", 2), groupOp(1, 2), hopOp(1), kind(Delete, hopOp(1)))
	if f.calls != 3 {
		t.Errorf("gribi:GR39: %d calls, want 3: a group in use changes after a route, a next hop after a group", f.calls)
	}
	f.calls, f.log = 0, nil
	got := do(r, routeOp("12.0.0.0/8", 1), kind(Delete, routeOp("12.0.0.0/8", 0)), routeOp("12.0.0.0/8", 2))
	if f.calls != 1 || len(f.log) != 1 {
		t.Errorf("gribi:GR38: %d calls, %v", f.calls, f.log)
	}
	for _, x := range got {
		if x.Outcome != InFIB {
			t.Errorf("gribi:GR38: %+v", got)
		}
	}
}

// random makes operations of which many are refused.
func random(n int, seed uint64) []Op {
	rnd := rand.New(rand.NewPCG(seed, 1))
	out := make([]Op, n)
	for i := range out {
		var op Op
		switch rnd.IntN(4) {
		case 0:
			op = hopOp(rnd.Uint64N(6))
			op.Spec.Address = netip.AddrFrom4([4]byte{192, 0, 2, byte(rnd.IntN(4))})
			op.Spec.MAC[5] = byte(rnd.IntN(3))
		case 1:
			op = groupOp(rnd.Uint64N(6), rnd.Uint64N(6), rnd.Uint64N(6))
			op.Next.Backup = rnd.Uint64N(4)
		case 2:
			op = routeOp(fmt.Sprintf("10.%d.0.0/16", rnd.IntN(8)), rnd.Uint64N(6))
		default:
			op = routeOp(fmt.Sprintf("2001:db8:%d::/48", rnd.IntN(8)), rnd.Uint64N(6))
		}
		op.Kind = OpKind(1 + rnd.IntN(3))
		if rnd.IntN(3) == 0 {
			op.Instance = "VRF-1"
			if op.Entity == RouteEntity && rnd.IntN(2) == 0 {
				op.Route.GroupInstance = "DEFAULT"
			}
		}
		out[i] = op
	}
	return out
}

// TestRandom: what one call makes is what single calls make, references add up,
// and a restart, compacted or not, brings everything back (gribi:GR68).
func TestRandom(t *testing.T) {
	for seed := range uint64(30) {
		dir := t.TempDir()
		one, f := open(t, dir)
		all, _ := open(t, "")
		ops := random(400, seed)
		var singly []Result
		for i := range ops {
			singly = append(singly, do(one, ops[i])...)
		}
		together := do(all, ops...)
		for i := range ops {
			if (singly[i].Outcome == Refused) != (together[i].Outcome == Refused) || singly[i].Outcome == Refused && singly[i].Problem != together[i].Problem {
				t.Fatalf("seed %d, operation %d: %+v alone, %+v together", seed, i, singly[i], together[i])
			}
		}
		want := everything(t, one)
		if got := everything(t, all); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: one call and single calls differ", seed)
		}
		if seed%2 == 0 {
			if err := one.rewrite(); err != nil {
				t.Fatal(err)
			}
		}
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		again, _ := open(t, dir)
		for _, v := range []*View{want} {
			for i := range v.Routes {
				v.Routes[i].State = Unprogrammed
				for j := range v.Routes[i].Hops {
					v.Routes[i].Hops[j].State = Unprogrammed
				}
			}
			for i := range v.Groups {
				v.Groups[i].State = Unprogrammed
				for j := range v.Groups[i].Members {
					v.Groups[i].Members[j].State = Unprogrammed
				}
			}
			for i := range v.Hops {
				v.Hops[i].State = Unprogrammed
			}
		}
		if got := everything(t, again); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: after a restart\n%+v\nwant\n%+v", seed, got, want)
		}
		// Nothing is left behind once all is flushed.
		kept, err := again.FlushGRIBI("")
		if left := everything(t, again); err != nil || kept || len(left.Routes)+len(left.Groups)+len(left.Hops) > 0 {
			t.Fatalf("seed %d: after a flush: %v, %v, %+v", seed, kept, err, left)
		}
		_ = f
	}
}

// TestInstances: what survives, and what a removed instance takes along.
func TestInstances(t *testing.T) {
	dir := t.TempDir()
	r, _ := open(t, dir)
	do(r, hopOp(1), groupOp(1, 1), vrf(hopOp(1)), vrf(groupOp(1, 1)), vrf(routeOp("10.0.0.0/8", 1)), from("VRF-1", routeOp("10.0.0.0/8", 1)))
	for _, c := range []struct {
		name string
		list []InstanceConfig
		want string
	}{
		{"in use", []InstanceConfig{{"DEFAULT", 0}}, "in use: route 10.0.0.0/8 of instance DEFAULT"},
		{"another id", []InstanceConfig{{"DEFAULT", 0}, {"VRF-1", 2}}, "an id does not change"},
		{"an id twice", []InstanceConfig{{"DEFAULT", 0}, {"VRF-1", 1}, {"VRF-2", 1}}, "same id 1"},
		{"a name twice", []InstanceConfig{{"DEFAULT", 0}, {"DEFAULT", 1}}, "there twice"},
		{"no name", []InstanceConfig{{"", 0}}, "1 to 255 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := r.SetInstances(c.list); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	three := append([]InstanceConfig{{"VRF-2", 2}}, two...)
	if err := r.SetInstances(three); err != nil {
		t.Fatal(err)
	}
	op := hopOp(7)
	op.Instance = "VRF-2"
	do(r, op)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r, _ = open(t, dir)
	if got := r.Instances(); !reflect.DeepEqual(got, []InstanceConfig{{"DEFAULT", 0}, {"VRF-1", 1}, {"VRF-2", 2}}) {
		t.Errorf("after a restart: %v", got)
	}
	if v := everything(t, r); len(v.Hops) != 3 || v.Hops[2].Index != 7 {
		t.Errorf("after a restart: %+v", v.Hops)
	}
	// Both go, though one uses the other's group; naming them again brings nothing
	// back (gribi:GR66).
	if err := r.SetInstances(nil); err != nil {
		t.Fatal(err)
	}
	if err := r.SetInstances(three); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r, _ = open(t, dir)
	if v := everything(t, r); len(v.Hops)+len(v.Groups)+len(v.Routes) != 0 {
		t.Errorf("gribi:GR66: %+v", v)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	// The configuration wins where they collide.
	r, _ = open(t, dir, InstanceConfig{"DEFAULT", 0}, InstanceConfig{"red", 2})
	if got := r.Instances(); !reflect.DeepEqual(got, []InstanceConfig{{"DEFAULT", 0}, {"red", 2}}) {
		t.Errorf("%v", got)
	}
}

// TestStatic: static routes are all or none, and those of the file are the
// file's.
func TestStatic(t *testing.T) {
	dir := t.TempDir()
	r, _ := open(t, dir)
	via := func(h HopSpec) []WeightedHop { return []WeightedHop{{Hop: h}} }
	good := StaticRoute{"DEFAULT", netip.MustParsePrefix("10.0.0.0/8"), via(HopSpec{Interface: "p1"})}
	for _, c := range []struct {
		name string
		bad  StaticRoute
		want string
	}{
		{"instance", StaticRoute{"x", good.Prefix, good.Hops}, `"x" is not there`},
		{"host bits", StaticRoute{"DEFAULT", netip.MustParsePrefix("10.0.0.1/8"), good.Hops}, "10.0.0.0/8 is meant"},
		{"no hop", StaticRoute{"DEFAULT", good.Prefix, nil}, "0 next hops"},
		{"empty hop", StaticRoute{"DEFAULT", good.Prefix, via(HopSpec{})}, "address or an interface"},
		{"host and more", StaticRoute{"DEFAULT", good.Prefix, append(via(HopSpec{Kind: ToHost}), good.Hops...)}, "stands alone"},
		{"VLAN", StaticRoute{"DEFAULT", good.Prefix, via(HopSpec{Interface: "p1", VLAN: 4095})}, "4095"},
		{"VLAN alone", StaticRoute{"DEFAULT", good.Prefix, via(HopSpec{Address: netip.MustParseAddr("1.1.1.1"), VLAN: 5})}, "needs an interface"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := r.AddStatic([]StaticRoute{good, c.bad}, false); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if v := everything(t, r); len(v.Routes) != 0 {
				t.Error("half of it was done")
			}
		})
	}
	file := good
	file.Prefix = netip.MustParsePrefix("11.0.0.0/8")
	if err := r.SetConfigured([]StaticRoute{file}); err != nil {
		t.Fatal(err)
	}
	var conf *ConfiguredError
	if _, err := r.AddStatic([]StaticRoute{file}, false); !errors.As(err, &conf) {
		t.Errorf("a route of the file was replaced: %v", err)
	}
	if err := r.DeleteStatic([]StaticKey{{"DEFAULT", file.Prefix}}, false); !errors.As(err, &conf) {
		t.Errorf("a route of the file was deleted: %v", err)
	}
	if _, err := r.AddStatic([]StaticRoute{good}, true); err != nil || len(everything(t, r).Routes) != 1 {
		t.Errorf("a dry run: %v", err)
	}
	if p, err := r.AddStatic([]StaticRoute{good}, false); err != nil || p != nil {
		t.Fatal(p, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r, _ = open(t, dir)
	if v := everything(t, r); len(v.Routes) != 1 || v.Routes[0].Prefix != good.Prefix {
		t.Errorf("after a restart without the file's: %+v", v.Routes)
	}
	var missing *NotFoundError
	if err := r.DeleteStatic([]StaticKey{{"DEFAULT", good.Prefix}, {"DEFAULT", file.Prefix}}, false); !errors.As(err, &missing) || len(everything(t, r).Routes) != 1 {
		t.Errorf("a list with a missing one: %v", err)
	}
	if err := r.DeleteStatic([]StaticKey{{"DEFAULT", good.Prefix}}, false); err != nil || len(everything(t, r).Routes) != 0 {
		t.Errorf("%v", err)
	}
}

func TestElection(t *testing.T) {
	dir := t.TempDir()
	r, _ := open(t, dir)
	for _, e := range []Election{{0, 9}, {1, 0}, {0, 10}, {1, 0}} {
		if err := r.SetElected(e); err != nil {
			t.Fatal(err)
		}
	}
	_ = r.Close()
	r, _ = open(t, dir)
	if e := r.Elected(); e != (Election{1, 0}) {
		t.Errorf("gribi:GR21, gribi:GR27: %v", e)
	}
}

// TestJournalFails: what cannot be written is not acknowledged.
func TestJournalFails(t *testing.T) {
	r, f := open(t, t.TempDir())
	do(r, hopOp(1))
	_ = r.journal.Close()
	if got := do(r, hopOp(2))[0]; got.Outcome != Refused || !strings.Contains(got.Problem, "journal") {
		t.Errorf("%+v", got)
	}
	if f.calls != 1 {
		t.Error("it reached the FIB")
	}
	if err := r.SetElected(Election{1, 1}); err == nil {
		t.Error("an election id was accepted")
	}
	r.journal = nil
}

func FuzzReplay(f *testing.F) {
	dir := f.TempDir()
	r, err := Open(Options{Dir: dir, Instances: two})
	if err != nil {
		f.Fatal(err)
	}
	do(r, random(60, 1)...)
	_, _ = r.AddStatic([]StaticRoute{{"DEFAULT", netip.MustParsePrefix("0.0.0.0/0"), []WeightedHop{{Hop: HopSpec{Interface: "p", VLAN: 3}, Weight: 7}}}}, false)
	_ = r.SetInstances(append([]InstanceConfig{{"x", 7}}, two...))
	_ = r.SetElected(Election{1, 2})
	_ = r.Close()
	raw, err := os.ReadFile(filepath.Join(dir, "rib"))
	if err != nil {
		f.Fatal(err)
	}
	var c records
	for _, n := range []*Instance{newInstance(two[0])} {
		c.putHop(&Hop{Instance: n, Index: 1})
		c.delRoute(n, netip.MustParsePrefix("::/0"))
		c.dropInstance(n.Name)
	}
	f.Add(c.b)
	f.Add(raw[len(magic)+8:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := Open(Options{Instances: two})
		if err != nil {
			t.Fatal(err)
		}
		p := &replay{r: r}
		if p.record(payload) != nil {
			return
		}
		// What was read can be written and read again.
		dir := t.TempDir()
		r.opts.Dir = dir
		if err := r.openJournal(); err != nil {
			t.Fatal(err)
		}
		if err := r.rewrite(); err != nil {
			t.Fatal(err)
		}
		_ = r.journal.Close()
		again, err := Open(Options{Dir: dir, Instances: two})
		if err != nil {
			t.Fatal(err)
		}
		a, _ := r.View(Query{Routes: true, V4: true, V6: true, Groups: true, Hops: true})
		b, _ := again.View(Query{Routes: true, V4: true, V6: true, Groups: true, Hops: true})
		a.Serial, b.Serial = 0, 0
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%+v\nand after a restart\n%+v", a, b)
		}
	})
}
