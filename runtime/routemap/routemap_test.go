package routemap_test

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/gribitest"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/routemap"
	"github.com/p4nic/p4nic/runtime/store"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

// TestOrder: what is used comes before its users, the new before the old goes,
// and the old goes only after a grace period (D17, gribi:GR31).
func TestOrder(t *testing.T) {
	r := newRig(t, nil)
	r.apply(hop(1, via("192.0.2.1", "p1")), hop(2, via("2001:db8::2", "p2")), group(7, 1, 1, 2, 3), route("10.0.0.0/8", 7), route("0.0.0.0/0", 7), route("2001:db8::/32", 7))
	r.wrote(
		"insert next_hops 1 via_v4(1 0 192.0.2.1)",
		"insert next_hops 2 via_v6(2 0 2001:db8::2)",
		"insert buckets 0 set_next_hop(1)", "insert buckets 1 set_next_hop(2)", "insert buckets 2 set_next_hop(2)", "insert buckets 3 set_next_hop(2)",
		"insert next_hop_groups 1 set_buckets(0 4)",
		"insert ipv4_routes 0,10.0.0.0/8 set_group(1)",
		"insert ipv4_routes 0,0.0.0.0/0 set_group(1)",
		"insert ipv6_routes 0,2001:db8::/32 set_group(1)")

	t.Run("a group changes in place", func(t *testing.T) {
		r.t = t
		r.apply(group(7, 1, 1))
		r.wrote("insert buckets 4 set_next_hop(1)", "modify next_hop_groups 1 set_buckets(4 1)")
		r.Map.Sweep()
		r.wrote("grace", "delete buckets 0", "delete buckets 1", "delete buckets 2", "delete buckets 3")
	})
	t.Run("a next hop changes in place", func(t *testing.T) {
		r.t = t
		r.apply(hop(1, via("192.0.2.9", "p2")))
		r.wrote("modify next_hops 1 via_v4(2 0 192.0.2.9)")
	})
	t.Run("the same again changes nothing", func(t *testing.T) {
		r.t = t
		r.apply(hop(1, via("192.0.2.9", "p2")), group(7, 1, 1), route("10.0.0.0/8", 7))
		r.wrote()
	})
	t.Run("order of operations in one batch", func(t *testing.T) {
		// The route leaves group 7 before its next hop changes: the change must not
		// overtake it (gribi:GR39).
		r.t = t
		r.apply(hop(3, via("192.0.2.3", "p1")), group(8, 3, 1))
		r.plane.take()
		r.apply(route("10.0.0.0/8", 8), hop(1, via("192.0.2.77", "p1")))
		r.wrote("modify ipv4_routes 0,10.0.0.0/8 set_group(2)", "modify next_hops 1 via_v4(1 0 192.0.2.77)")
	})
	t.Run("deletion", func(t *testing.T) {
		r.t = t
		r.apply(del(route("10.0.0.0/8", 0)), del(route("0.0.0.0/0", 0)), del(route("2001:db8::/32", 0)), del(group(7)), del(hop(1, rib.HopSpec{})), del(group(8)))
		got := r.plane.take()
		if want := []string{"delete ipv4_routes 0,10.0.0.0/8", "delete ipv4_routes 0,0.0.0.0/0", "delete ipv6_routes 0,2001:db8::/32"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		r.Map.Sweep()
		r.holds("next_hop_groups")
		r.holds("buckets")
		r.holds("next_hops", "2 via_v6(2 0 2001:db8::2)", "3 via_v4(1 0 192.0.2.3)")
	})
}

// TestHops: what next hops become (gribi:GR20, gribi:GR48, gribi:GR52).
func TestHops(t *testing.T) {
	mac := rib.MAC{2, 0, 0, 0, 0, 9}
	withMAC := via("192.0.2.1", "p1")
	withMAC.MAC = mac
	onlyMAC := rib.HopSpec{Interface: "p2", VLAN: 12, MAC: mac}
	vlan := via("192.0.2.1", "p1")
	vlan.VLAN = 100
	for _, c := range []struct {
		name string
		spec rib.HopSpec
		want string
		more []string // of neighbours_v4
	}{
		{"via IPv4", via("192.0.2.1", "p1"), "1 via_v4(1 0 192.0.2.1)", nil},
		{"via IPv6 link-local", via("fe80::1", "p2"), "1 via_v6(2 0 fe80::1)", nil},
		{"VLAN", vlan, "1 via_v4(1 100 192.0.2.1)", nil},
		{"on the link", via("", "p1"), "1 on_link(1 0)", nil},
		{"host side of a simulated port", via("192.0.2.1", "h2"), "1 via_v4(2 0 192.0.2.1)", nil},
		{"MAC and address", withMAC, "1 via_v4(1 0 0.0.0.1)", []string{"1,0.0.0.1 set_neighbour(020000000009)"}},
		{"MAC alone", onlyMAC, "1 via_v4(2 12 0.0.0.1)", []string{"2,0.0.0.1 set_neighbour(020000000009)"}},
		{"gribi:GR20 no such port", via("192.0.2.1", "eth9"), "1 drop()", nil},
		{"gribi:GR20 unknown address", via("203.0.113.1", ""), "1 drop()", nil},
		{"gribi:GR20 nothing", rib.HopSpec{}, "1 drop()", nil},
		{"connected subnet", via("198.51.100.9", ""), "1 via_v4(2 5 198.51.100.9)", nil},
		{"host", rib.HopSpec{Kind: rib.ToHost}, "1 to_host()", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.Map.SetConnected([]routemap.Connected{{Interface: "p1", Prefix: netip.MustParsePrefix("198.51.0.0/16")}, {Interface: "p2", VLAN: 5, Prefix: netip.MustParsePrefix("198.51.100.0/24")}})
			r.apply(hop(1, c.spec))
			r.holds("next_hops", c.want)
			r.holds("neighbours_v4", c.more...)
			r.apply(del(hop(1, rib.HopSpec{})))
			r.Map.Sweep()
			r.holds("next_hops")
			r.holds("neighbours_v4")
		})
	}
	t.Run("gribi:GR48 encapsulation is refused by the FIB alone", func(t *testing.T) {
		r := newRig(t, nil)
		got := r.one(hop(1, rib.HopSpec{Interface: "p1", Unsupported: "ip_in_ip"}))
		if got.Outcome != rib.FIBFailed || !strings.Contains(got.Problem, "ip_in_ip") {
			t.Errorf("%+v", got)
		}
		if got := r.one(group(1, 1, 1)); got.Outcome != rib.FIBFailed {
			t.Errorf("a group of it: %+v", got)
		}
		if got := r.one(route("10.0.0.0/8", 1)); got.Outcome != rib.FIBFailed {
			t.Errorf("a route of it: %+v", got)
		}
		r.wrote()
		// The next hop gets better: everything follows.
		r.apply(hop(1, via("192.0.2.1", "p1")))
		r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)")
	})
}

// TestRecursion: an address resolved through another route follows that route
// (gribi:GR52).
func TestRecursion(t *testing.T) {
	r := newRig(t, nil)
	r.apply(hop(1, via("192.0.2.1", "p1")), group(1, 1, 1), hop(2, via("203.0.113.7", "")), group(2, 2, 1), route("10.0.0.0/8", 2))
	r.holds("next_hops", "1 via_v4(1 0 192.0.2.1)", "2 drop()")
	r.apply(route("203.0.113.0/24", 1))
	r.holds("next_hops", "1 via_v4(1 0 192.0.2.1)", "2 via_v4(1 0 192.0.2.1)")
	r.apply(hop(3, via("", "p2")), group(3, 3, 1), route("203.0.113.7/32", 3))
	r.holds("next_hops", "1 via_v4(1 0 192.0.2.1)", "2 via_v4(2 0 203.0.113.7)", "3 on_link(2 0)")
	r.apply(del(route("203.0.113.7/32", 0)), del(route("203.0.113.0/24", 0)))
	r.holds("next_hops", "1 via_v4(1 0 192.0.2.1)", "2 drop()", "3 on_link(2 0)")
	t.Run("through itself", func(t *testing.T) {
		r.t = t
		r.apply(route("203.0.113.0/24", 2))
		r.holds("next_hops", "1 via_v4(1 0 192.0.2.1)", "2 drop()", "3 on_link(2 0)")
	})
}

// TestViability: a group uses its viable members, then its backup (gribi:GR49).
func TestViability(t *testing.T) {
	r := newRig(t, nil)
	backup := group(1, 1, 1, 2, 1)
	backup.Next.Backup = 9
	r.apply(hop(1, via("192.0.2.1", "p1")), hop(2, via("192.0.2.2", "p2")), hop(3, via("192.0.2.3", "p2")), group(9, 3, 1), backup, route("10.0.0.0/8", 1))
	buckets := func(want ...string) {
		t.Helper()
		r.Map.Sweep()
		r.holds("buckets", want...)
	}
	buckets("0 set_next_hop(1)", "1 set_next_hop(2)", "2 set_next_hop(3)")
	r.apply(hop(2, via("192.0.2.2", "gone")))
	buckets("2 set_next_hop(3)", "3 set_next_hop(1)")
	r.apply(hop(1, via("192.0.2.1", "gone")))
	r.holds("next_hop_groups", "1 set_buckets(0 1)", "2 set_buckets(2 1)")
	r.Map.SetPorts([]routemap.Port{{Number: 1, Netdev: "p1"}, {Number: 2, Netdev: "p2"}, {Number: 3, Netdev: "gone"}})
	r.Map.Sweep()
	r.holds("next_hops", "1 via_v4(3 0 192.0.2.1)", "2 via_v4(3 0 192.0.2.2)", "3 via_v4(2 0 192.0.2.3)")
}

// TestSources: static beats gRIBI beats the kernel, and the next best follows
// (gribi:GR18, gribi:GR53).
func TestSources(t *testing.T) {
	r := newRig(t, nil)
	p := netip.MustParsePrefix("10.0.0.0/8")
	hops := func(dev string) []rib.WeightedHop { return []rib.WeightedHop{{Hop: via("", dev)}} }
	r.RIB.UpdateDynamic("DEFAULT", []rib.DynamicRoute{{Prefix: p, Source: rib.Kernel, Hops: hops("p1")}})
	r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)")
	r.apply(hop(1, via("192.0.2.1", "p1")), group(1, 1, 1), route("10.0.0.0/8", 1))
	r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(2)")
	if problems, err := r.RIB.AddStatic([]rib.StaticRoute{{Instance: "DEFAULT", Prefix: p, Hops: []rib.WeightedHop{{Hop: rib.HopSpec{Kind: rib.ToHost}}}}}, false); err != nil || problems != nil {
		t.Fatal(problems, err)
	}
	r.holds("ipv4_routes", "0,10.0.0.0/8 to_host()")
	if got := r.one(route("10.0.0.0/8", 1)); got.Outcome != rib.InRIB {
		t.Errorf("gribi:GR18: behind a static route: %+v", got)
	}
	netnstest.Check(t, r.RIB.DeleteStatic([]rib.StaticKey{{Instance: "DEFAULT", Prefix: p}}, false))
	r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(2)")
	r.apply(del(route("10.0.0.0/8", 0)))
	r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)")
	r.RIB.ReplaceDynamic("DEFAULT", nil)
	r.holds("ipv4_routes")
	r.Map.Sweep()
	r.holds("next_hop_groups", "2 set_buckets(1 1)")
}

// TestInstances: VRFs have their own routes, and routes may use groups of others
// (gribi:GR51).
func TestInstances(t *testing.T) {
	r := newRig(t, nil)
	cross := in("VRF-1", route("10.0.0.0/8", 1))
	cross.Route.GroupInstance = "DEFAULT"
	r.apply(hop(1, via("192.0.2.1", "p1")), group(1, 1, 1), route("10.0.0.0/8", 1), cross)
	r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)", "1,10.0.0.0/8 set_group(1)")
	kept, err := r.RIB.FlushGRIBI("DEFAULT")
	if err != nil || !kept {
		t.Errorf("gribi:GR60: kept %v, %v", kept, err)
	}
	r.holds("ipv4_routes", "1,10.0.0.0/8 set_group(1)")
	t.Run("gribi:GR66 an instance goes", func(t *testing.T) {
		r.t = t
		err := r.Map.SetInstances([]rib.InstanceConfig{{Name: "VRF-1", ID: 1}})
		if used := (*rib.InUseError)(nil); !errors.As(err, &used) {
			t.Errorf("an instance that is used went: %v", err)
		}
		netnstest.Check(t, r.Map.SetInstances([]rib.InstanceConfig{{Name: "DEFAULT"}}))
		r.holds("ipv4_routes")
		netnstest.Check(t, r.Map.SetInstances([]rib.InstanceConfig{{Name: "DEFAULT"}, {Name: "VRF-1", ID: 1}}))
		r.holds("ipv4_routes")
	})
}

// insert is a P4Runtime client's write.
func insert(r *rig, table string, key, args string) error {
	pl := r.Store.Pipeline()
	ts := pl.Schema.Table("RouterIngress." + table)
	errs, err := r.Store.Apply(store.Batch{Pipeline: pl, Updates: []entity.Update{{Kind: entity.Insert, Table: ts.Index, Key: key, HasAction: true, Action: 0, Args: args}}})
	if err == nil && errs != nil {
		err = errs[0]
	}
	return err
}

// TestOwner: bound tables are routemap's while an instance is configured (D14).
func TestOwner(t *testing.T) {
	r := newRig(t, func(o *gribitest.Options) { o.Instances = []rib.InstanceConfig{} })
	netnstest.Check(t, insert(r, "next_hop_groups", "\x00\x01", "\x00\x00\x00\x01"))
	if got := r.one(hop(1, rib.HopSpec{})); got.Outcome != rib.Refused || !strings.Contains(got.Problem, `"DEFAULT" is not configured`) {
		t.Errorf("gribi:GR36: %+v", got)
	}
	netnstest.Check(t, r.Map.SetInstances([]rib.InstanceConfig{{Name: "DEFAULT"}}))
	r.holds("next_hop_groups") // what P4Runtime wrote is nobody's now
	err := insert(r, "next_hop_groups", "\x00\x01", "\x00\x00\x00\x01")
	var e *entity.Error
	if !errors.As(err, &e) || e.Reason != entity.Denied || !strings.Contains(e.Msg, "routemap") {
		t.Errorf("a write by P4Runtime: %v", err)
	}
	netnstest.Check(t, insert(r, "interfaces", "\x00\x01\x00\x00", "\x00\x00\x02\x00\x00\x00\x00\x01"))
	r.apply(hop(1, via("192.0.2.1", "p1")), group(1, 1, 1), route("10.0.0.0/8", 1))
	netnstest.Check(t, r.Map.SetInstances(nil))
	r.holds("ipv4_routes")
	netnstest.Check(t, insert(r, "next_hop_groups", "\x00\x01", "\x00\x00\x00\x01"))
}

// TestPipelines: what a Set keeps (D1), and what it refuses.
func TestPipelines(t *testing.T) {
	for _, c := range []struct {
		name string
		mode store.Mode
	}{{"D1 VERIFY_AND_COMMIT", store.Commit}, {"D1 RECONCILE_AND_COMMIT", store.Reconcile}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.apply(hop(1, via("192.0.2.1", "p1")), hop(2, via("192.0.2.2", "p1")), group(1, 1, 1, 2, 1), group(2, 2, 1), route("10.0.0.0/8", 1), route("11.0.0.0/8", 2), del(route("11.0.0.0/8", 0)))
			r.Map.UpdateNeighbours([]routemap.Neighbour{{Interface: "p1", Address: netip.MustParseAddr("192.0.2.1"), MAC: rib.MAC{2, 0, 0, 0, 0, 1}}})
			netnstest.Check(t, r.set(c.mode, gribitest.Build(t, "p4src/router.p4", nil)))
			r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)")
			r.holds("next_hop_groups", "1 set_buckets(0 2)", "2 set_buckets(2 1)")
			r.holds("buckets", "0 set_next_hop(1)", "1 set_next_hop(2)", "2 set_next_hop(2)")
			r.holds("neighbours_v4", "1,192.0.2.1 set_neighbour(020000000001)")
			r.apply(group(1, 1, 1), route("12.0.0.0/8", 1))
			r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)", "0,12.0.0.0/8 set_group(1)")
			r.holds("next_hop_groups", "1 set_buckets(3 1)", "2 set_buckets(2 1)")
		})
	}
	t.Run("no place", func(t *testing.T) {
		r := newRig(t, nil)
		plain := gribitest.Build(t, "p4src/router.p4", []byte{})
		r.apply(hop(1, via("192.0.2.1", "p1")), group(1, 1, 1))
		r.apply(route("10.0.0.0/8", 1), route("2001:db8::/32", 1))
		for _, m := range []store.Mode{store.Verify, store.Commit} {
			err := r.set(m, plain)
			if err == nil || !strings.Contains(err.Error(), "route 10.0.0.0/8 of network instance DEFAULT") || !strings.Contains(err.Error(), "2001:db8::/32") {
				t.Errorf("a pipeline without a place for routes: %v", err)
			}
		}
		r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)")
		r.apply(del(route("10.0.0.0/8", 0)), del(route("2001:db8::/32", 0)))
		netnstest.Check(t, r.set(store.Commit, plain))
		if got := r.one(route("10.0.0.0/8", 1)); got.Outcome != rib.FIBFailed {
			t.Errorf("a route without a table: %+v", got)
		}
		netnstest.Check(t, r.set(store.Commit, gribitest.Build(t, "p4src/router.p4", nil)))
		r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)")
	})
	t.Run("a pipeline comes later", func(t *testing.T) {
		r := newRig(t, func(o *gribitest.Options) { o.NoBundle = true })
		for _, op := range []rib.Op{hop(1, via("192.0.2.1", "p1")), group(1, 1, 1), route("10.0.0.0/8", 1)} {
			if got := r.one(op); got.Outcome != rib.FIBFailed {
				t.Errorf("gribi:GR19 without a pipeline: %+v", got)
			}
		}
		netnstest.Check(t, r.set(store.Commit, gribitest.Build(t, "p4src/router.p4", nil)))
		r.holds("ipv4_routes", "0,10.0.0.0/8 set_group(1)")
		v, err := r.RIB.View(rib.Query{Routes: true, V4: true})
		if err != nil || v.Routes[0].State != rib.Programmed {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// TestRestart: nothing is written again after a restart, ids stay (gribi:GR68).
func TestRestart(t *testing.T) {
	r := newRig(t, nil)
	statics := []rib.StaticRoute{{Instance: "VRF-1", Prefix: netip.MustParsePrefix("0.0.0.0/0"), Hops: []rib.WeightedHop{{Hop: via("192.0.2.1", "p1"), Weight: 2}, {Hop: via("192.0.2.2", "p1")}}}}
	if _, err := r.RIB.AddStatic(statics, false); err != nil {
		t.Fatal(err)
	}
	r.apply(hop(1, via("192.0.2.1", "p1")), hop(2, via("192.0.2.2", "p1")), group(1, 1, 2, 2, 1), group(2, 2, 1), group(3, 2, 1), route("10.0.0.0/8", 1), route("11.0.0.0/8", 3))
	r.apply(group(1, 1, 1), del(group(2)))
	netnstest.Check(t, r.RIB.SetElected(rib.Election{High: 3, Low: 4}))
	r.Map.Sweep()
	tables := []string{"ipv4_routes", "next_hop_groups", "buckets", "next_hops"}
	before := map[string][]string{}
	for i, tb := range r.plane.Program().Tables {
		for h, e := range r.plane.Table(i) {
			if h != 0 {
				before[short(tb.Name)] = append(before[short(tb.Name)], strings.TrimPrefix(entryText(tb, e), short(tb.Name)+" "))
			}
		}
	}
	r.Stop()
	r.Start()
	r.wrote()
	for _, name := range tables {
		r.holds(name, before[name]...)
	}
	if e := r.RIB.Elected(); e != (rib.Election{High: 3, Low: 4}) {
		t.Errorf("gribi:GR27: the election id is %v", e)
	}
	r.apply(hop(9, via("192.0.2.9", "p1")), group(9, 9, 1), route("12.0.0.0/8", 9))
	r.apply(del(route("11.0.0.0/8", 0)), del(group(3)))
	r.Map.Sweep()
}

// TestFailures: what the datapath refuses stays in the RIB and is reported
// (gribi:GR19); room that comes is used.
func TestFailures(t *testing.T) {
	r := newRig(t, nil)
	r.apply(hop(1, via("192.0.2.1", "p1")), group(1, 1, 1), route("10.0.0.0/8", 1))
	r.plane.fail = func(line string) error {
		if strings.Contains(line, "11.0.0.0/8") || strings.Contains(line, "via_v4(2") {
			return dataplane.ErrFull
		}
		return nil
	}
	if got := r.one(route("11.0.0.0/8", 1)); got.Outcome != rib.FIBFailed || !strings.Contains(got.Problem, "table full") {
		t.Errorf("%+v", got)
	}
	if got := r.one(hop(2, via("192.0.2.2", "p2"))); got.Outcome != rib.FIBFailed {
		t.Errorf("%+v", got)
	}
	if got := r.one(group(2, 2, 1)); got.Outcome != rib.FIBFailed || !strings.Contains(got.Problem, "next hop DEFAULT/hop/2") {
		t.Errorf("%+v", got)
	}
	r.plane.fail = nil
	r.apply(del(route("10.0.0.0/8", 0)))
	r.holds("ipv4_routes", "0,11.0.0.0/8 set_group(1)")
	r.apply(hop(2, via("192.0.2.2", "p2")))
	r.holds("next_hop_groups", "1 set_buckets(0 1)", "2 set_buckets(1 1)")
}

// TestNeighbours: the kernel's neighbours become entries (dp:RO9).
func TestNeighbours(t *testing.T) {
	r := newRig(t, nil)
	n := routemap.Neighbour{Interface: "p1", Address: netip.MustParseAddr("192.0.2.1"), MAC: rib.MAC{2, 0, 0, 0, 0, 1}}
	six := routemap.Neighbour{Interface: "h2", Address: netip.MustParseAddr("fe80::1"), MAC: rib.MAC{2, 0, 0, 0, 0, 2}}
	other := n
	other.Interface = "eth9"
	r.Map.UpdateNeighbours([]routemap.Neighbour{n, six, other})
	r.wrote("insert neighbours_v4 1,192.0.2.1 set_neighbour(020000000001)", "insert neighbours_v6 2,fe80::1 set_neighbour(020000000002)")
	n.MAC[5] = 9
	r.Map.UpdateNeighbours([]routemap.Neighbour{n, n, six})
	r.wrote("modify neighbours_v4 1,192.0.2.1 set_neighbour(020000000009)")
	n.MAC = rib.MAC{}
	r.Map.UpdateNeighbours([]routemap.Neighbour{n, n})
	r.wrote("delete neighbours_v4 1,192.0.2.1")
}
