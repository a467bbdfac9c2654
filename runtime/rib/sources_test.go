package rib

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// put adds the route of one source for a prefix, take removes it.
func put(t *testing.T, r *RIB, s Source, p netip.Prefix, hops ...WeightedHop) {
	t.Helper()
	var err error
	switch s {
	case Connected, Kernel:
		r.UpdateDynamic("DEFAULT", []DynamicRoute{{p, s, hops}})
	case Static:
		_, err = r.AddStatic([]StaticRoute{{"DEFAULT", p, hops}}, false)
	case GRIBI:
		for _, res := range do(r, hopOp(1), groupOp(1, 1), routeOp(p.String(), 1)) {
			if res.Outcome == Refused {
				t.Fatal(res)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, r *RIB, s Source, p netip.Prefix) {
	t.Helper()
	switch s {
	case Connected, Kernel:
		r.UpdateDynamic("DEFAULT", []DynamicRoute{{p, s, nil}})
	case Static:
		if err := r.DeleteStatic([]StaticKey{{"DEFAULT", p}}, false); err != nil {
			t.Fatal(err)
		}
	case GRIBI:
		do(r, kind(Delete, routeOp(p.String(), 1)))
	}
}

// sourcesOf lists the sources of a prefix, the best first.
func sourcesOf(t *testing.T, r *RIB) string {
	t.Helper()
	var out []string
	for i, v := range everything(t, r).Routes {
		s := v.Source.String()
		if v.Best != (i == 0) {
			t.Errorf("%s: best %v at place %d", s, v.Best, i)
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// permutations of 0..n-1.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for at := range n {
			q := append([]int{}, p[:at]...)
			out = append(out, append(append(q, n-1), p[at:]...))
		}
	}
	return out
}

// TestSourcesCompete: gribi:GR53: whatever the order in which the routes of a
// prefix come and go, they stand by preference and then by source.
func TestSourcesCompete(t *testing.T) {
	p := netip.MustParsePrefix("10.0.0.0/8")
	hop := []WeightedHop{{Hop: HopSpec{Interface: "p1"}}}
	for _, c := range []struct {
		name  string
		prefs Preferences
		order []Source // the best first
	}{
		{"default", DefaultPreferences(), []Source{Connected, Static, GRIBI, Kernel}},
		{"gRIBI first", Preferences{Connected: 9, Static: 8, GRIBI: 1, Kernel: 2}, []Source{GRIBI, Kernel, Static, Connected}},
		{"all the same", Preferences{}, []Source{Connected, Static, GRIBI, Kernel}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, perm := range permutations(4) {
				r, err := Open(Options{Instances: two, Preferences: &c.prefs})
				if err != nil {
					t.Fatal(err)
				}
				r.SetFIB(&accept{t: t})
				here := map[Source]bool{}
				check := func() {
					t.Helper()
					var want []string
					for _, s := range c.order {
						if here[s] {
							want = append(want, s.String())
						}
					}
					if got := sourcesOf(t, r); got != strings.Join(want, " ") {
						t.Fatalf("order %v: got %s, want %v", perm, got, want)
					}
				}
				for _, i := range perm {
					here[Source(i)] = true
					put(t, r, Source(i), p, hop...)
					check()
				}
				for _, i := range perm {
					delete(here, Source(i))
					take(t, r, Source(i), p)
					check()
				}
			}
		})
	}
}

// TestDynamic: the kernel's routes are what the last list said, prefixes by
// their network, and nothing in an instance that is not there.
func TestDynamic(t *testing.T) {
	r, _ := open(t, "")
	hop := []WeightedHop{{Hop: HopSpec{Interface: "p1"}}}
	pfx := netip.MustParsePrefix
	r.UpdateDynamic("nowhere", []DynamicRoute{{pfx("10.0.0.0/8"), Kernel, hop}})
	r.ReplaceDynamic("nowhere", []DynamicRoute{{pfx("10.0.0.0/8"), Kernel, hop}})
	r.UpdateDynamic("DEFAULT", []DynamicRoute{{pfx("12.0.0.0/8"), Kernel, nil}})
	show := func() string {
		var out []string
		for _, v := range everything(t, r).Routes {
			out = append(out, fmt.Sprint(v.Prefix, " ", v.Source))
		}
		return strings.Join(out, ", ")
	}
	if got := show(); got != "" {
		t.Errorf("got %s", got)
	}
	r.ReplaceDynamic("DEFAULT", []DynamicRoute{{pfx("10.1.2.3/8"), Kernel, hop}, {pfx("10.0.0.0/8"), Connected, hop}, {pfx("11.0.0.0/8"), Kernel, hop}})
	if got, want := show(), "10.0.0.0/8 connected, 10.0.0.0/8 kernel, 11.0.0.0/8 kernel"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r.ReplaceDynamic("DEFAULT", []DynamicRoute{{pfx("10.0.0.0/8"), Kernel, hop}})
	if got, want := show(), "10.0.0.0/8 kernel"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r.ReplaceDynamic("DEFAULT", nil)
	if got := show(); got != "" {
		t.Errorf("got %s", got)
	}
	if _, err := r.Covering("nowhere", netip.MustParseAddr("1.1.1.1")); err == nil {
		t.Error("covering in an instance that is not there")
	}
}

// TestCovering: longest first, of the address's family alone.
func TestCovering(t *testing.T) {
	r, _ := open(t, "")
	hop := []WeightedHop{{Hop: HopSpec{Interface: "p1"}}}
	for _, p := range []string{"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "10.2.0.0/16", "::/0", "a00::/8"} {
		put(t, r, Static, netip.MustParsePrefix(p), hop...)
	}
	for a, want := range map[string]string{
		"10.1.2.3": "10.1.2.3/32 10.1.0.0/16 10.0.0.0/8 0.0.0.0/0", "10.1.2.4": "10.1.0.0/16 10.0.0.0/8 0.0.0.0/0",
		"11.0.0.1": "0.0.0.0/0", "a01::1": "a00::/8 ::/0", "b00::1": "::/0",
	} {
		list, err := r.Covering("DEFAULT", netip.MustParseAddr(a))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range list {
			got = append(got, v.Prefix.String())
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: got %s, want %s", a, g, want)
		}
	}
}

// TestStaticLimits: what a static route may hold, at its edges.
func TestStaticLimits(t *testing.T) {
	r, _ := open(t, "")
	p := netip.MustParsePrefix("10.0.0.0/8")
	hops := func(n int) []WeightedHop {
		out := make([]WeightedHop, n)
		for i := range out {
			out[i].Hop = HopSpec{Address: netip.AddrFrom4([4]byte{1, 1, byte(i >> 8), byte(i)})}
		}
		return out
	}
	one := func(h HopSpec) []WeightedHop { return []WeightedHop{{Hop: h}} }
	for _, c := range []struct {
		name string
		s    StaticRoute
		want string
	}{
		{"1024 hops", StaticRoute{"DEFAULT", p, hops(1024)}, ""},
		{"1025 hops", StaticRoute{"DEFAULT", p, hops(1025)}, "route 10.0.0.0/8 has 1025 next hops: 1 to 1024 are wanted"},
		{"no prefix", StaticRoute{"DEFAULT", netip.Prefix{}, hops(1)}, "the prefix is not valid"},
		{"VLAN 4094", StaticRoute{"DEFAULT", p, one(HopSpec{Interface: "p", VLAN: 4094})}, ""},
		{"discard", StaticRoute{"DEFAULT", p, one(HopSpec{Kind: Discard})}, ""},
		{"discard and more", StaticRoute{"DEFAULT", p, append(hops(1), one(HopSpec{Kind: Discard})...)}, "route 10.0.0.0/8: drop stands alone"},
		{"instance of a hop", StaticRoute{"DEFAULT", p, one(HopSpec{Interface: "p", Instance: "VRF-1"})}, ""},
		{"instance of a hop that is not there", StaticRoute{"DEFAULT", p, one(HopSpec{Interface: "p", Instance: "x"})}, `network instance "x" is not there`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := r.SetConfigured(nil); err != nil {
				t.Fatal(err)
			}
			for _, write := range []func() error{
				func() error { _, err := r.AddStatic([]StaticRoute{c.s}, true); return err },
				func() error { return r.SetConfigured([]StaticRoute{c.s}) },
			} {
				if err := write(); c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
			}
		})
	}
	if err := r.SetConfigured(nil); err != nil {
		t.Fatal(err)
	}
	put(t, r, Static, p, hops(1)...)
	if err := r.DeleteStatic([]StaticKey{{"DEFAULT", p}}, true); err != nil || len(everything(t, r).Routes) != 1 {
		t.Errorf("a dry run of a delete: %v", err)
	}
	if err := r.DeleteStatic([]StaticKey{{"x", p}}, false); err == nil || err.Error() != `network instance "x" is not there` {
		t.Errorf("got %v", err)
	}
	// A route of the file takes the place of an operator's.
	if err := r.SetConfigured([]StaticRoute{{"DEFAULT", p, hops(2)}}); err != nil {
		t.Fatal(err)
	}
	if v := everything(t, r).Routes; len(v) != 1 || len(v[0].Hops) != 2 {
		t.Errorf("got %+v", v)
	}
	if err := r.SetConfigured(nil); err != nil {
		t.Fatal(err)
	}
	if v := everything(t, r).Routes; len(v) != 0 {
		t.Errorf("the file's route stays: %+v", v)
	}
}

// TestNames: how sources and next hops are written in messages and views.
func TestNames(t *testing.T) {
	for s, want := range map[Source]string{Connected: "connected", Static: "static", GRIBI: "gribi", Kernel: "kernel", sources: "source 4", 9: "source 9"} {
		if s.String() != want {
			t.Errorf("got %s, want %s", s, want)
		}
	}
	a := netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		s    HopSpec
		want string
	}{
		{HopSpec{Kind: ToHost, Address: a}, "host"},
		{HopSpec{Kind: Discard}, "drop"},
		{HopSpec{}, ""},
		{HopSpec{Address: a}, "via 10.0.0.1"},
		{HopSpec{Interface: "p1", VLAN: 7}, "dev p1 vlan 7"},
		{HopSpec{Address: a, Interface: "p1", VLAN: 7, MAC: MAC{0, 1, 2, 0xfd, 0xfe, 0xff}, Instance: "red", Unsupported: "gre"}, "via 10.0.0.1 dev p1 vlan 7 mac 00:01:02:fd:fe:ff in red with gre"},
	} {
		if got := c.s.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	in := func(name string) *Instance { return &Instance{Name: name} }
	for i, c := range []struct {
		a, b Hop
		want int
	}{
		{Hop{Instance: in("a"), Index: 9}, Hop{Instance: in("b"), Index: 1}, -1},
		{Hop{Instance: in("a"), Index: 2}, Hop{Instance: in("a"), Index: 1}, 1},
		{Hop{Instance: in("a"), Index: 2, Spec: HopSpec{Interface: "x"}}, Hop{Instance: in("a"), Index: 2}, 0},
		{Hop{Instance: in("a"), Spec: HopSpec{Interface: "x"}}, Hop{Instance: in("a"), Spec: HopSpec{Interface: "y"}}, -1},
	} {
		if got := CompareHops(&c.a, &c.b); got != c.want {
			t.Errorf("%d: got %d, want %d", i, got, c.want)
		}
	}
}

// TestRestart: everything that is journaled is there after a restart, from the
// records as they came and from the snapshot that takes their place.
func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name    string
		compact int64
	}{{"records", 1 << 30}, {"snapshots", 1}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			open := func() *RIB {
				r, err := Open(Options{Dir: filepath.Join(dir, "made", "here"), Instances: two, CompactBytes: c.compact})
				if err != nil {
					t.Fatal(err)
				}
				r.SetFIB(&accept{t: t})
				return r
			}
			r := open()
			if err := r.SetElected(Election{High: 1 << 40, Low: 3}); err != nil {
				t.Fatal(err)
			}
			if err := r.SetInstances(append([]InstanceConfig{{"added", 9}}, two...)); err != nil {
				t.Fatal(err)
			}
			a := netip.MustParseAddr
			full := []WeightedHop{
				{HopSpec{Address: a("10.0.0.1"), Interface: "p1", VLAN: 4094, MAC: MAC{1, 2, 3, 4, 5, 6}}, 3},
				{HopSpec{Address: a("fe80::1"), Interface: "p2"}, 1 << 33},
				{HopSpec{Interface: "p3", Instance: "VRF-1"}, 0},
			}
			for _, s := range []StaticRoute{
				{"DEFAULT", netip.MustParsePrefix("0.0.0.0/0"), full},
				{"added", netip.MustParsePrefix("2001:db8::/32"), []WeightedHop{{Hop: HopSpec{Kind: ToHost}}}},
				{"VRF-1", netip.MustParsePrefix("10.0.0.0/8"), []WeightedHop{{Hop: HopSpec{Kind: Discard}}}},
			} {
				if _, err := r.AddStatic([]StaticRoute{s}, false); err != nil {
					t.Fatal(err)
				}
			}
			backup := groupOp(2, 2)
			backup.Next.Backup = 1
			for i := range uint64(200) {
				do(r, hopOp(1), hopOp(2), groupOp(1, 1, 2), backup, routeOp(fmt.Sprintf("20.0.%d.0/24", i), 1+i%2), vrf(hopOp(7)), vrf(groupOp(3, 7)), vrf(routeOp("30.0.0.0/8", 3)))
			}
			do(r, kind(Delete, routeOp("20.0.5.0/24", 2)))
			// The FIB of the test hears of nothing after a restart: State differs.
			show := func(v *View) string {
				return strings.ReplaceAll(fmt.Sprintf("%+v", *v), "State:1", "State:0")
			}
			want := show(everything(t, r))
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			r = open()
			got := everything(t, r)
			if e := r.Elected(); e != (Election{High: 1 << 40, Low: 3}) {
				t.Errorf("elected %v", e)
			}
			if n := len(r.Instances()); n != 3 {
				t.Errorf("%d instances", n)
			}
			if g := show(got); g != want {
				t.Errorf("after a restart\n%s\nbefore\n%s", g, want)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(dir, "made", "here", "rib"))
			if err != nil {
				t.Fatal(err)
			}
			if small := info.Size() < 20000; small != (c.compact == 1) {
				t.Errorf("the journal has %d bytes", info.Size())
			}
		})
	}
}

// TestRecordsRefused: a record that no version of p4nic wrote ends the replay
// with what is wrong in it.
func TestRecordsRefused(t *testing.T) {
	text := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	rec := func(typ byte, parts ...[]byte) []byte {
		b := append([]byte{typ}, text("DEFAULT")...)
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	num := func(n uint64) []byte { return binary.AppendUvarint(nil, n) }
	spec := func(kind byte, addr []byte, vlan uint64) []byte {
		b := append([]byte{kind}, num(uint64(len(addr)))...)
		b = append(append(b, addr...), make([]byte, 6)...)
		b = append(b, text("p1")...)
		b = append(b, num(vlan)...)
		return append(append(b, text("")...), text("")...)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"unknown", rec(99), "unknown change 99: written by a newer version"},
		{"prefix of 5 bytes", rec(recDelRoute, []byte{5, 8, 1, 2, 3, 4, 5}), "a prefix of 5 bytes and length 8"},
		{"prefix too long", rec(recDelRoute, []byte{4, 33, 1, 2, 3, 4}), "a prefix of 4 bytes and length 33"},
		{"prefix of 16 bytes too long", rec(recDelRoute, append([]byte{16, 129}, make([]byte, 16)...)), "a prefix of 16 bytes and length 129"},
		{"host bits", rec(recDelRoute, []byte{4, 8, 10, 0, 0, 1}), "prefix 10.0.0.1/8 has host bits"},
		{"prefix cut", rec(recDelRoute, []byte{4, 8, 10}), errShort.Error()},
		{"kind of hop", rec(recPutHop, num(1), spec(byte(Discard)+1, nil, 0), text("")), fmt.Sprintf("next hop of kind %d", Discard+1)},
		{"address of 5 bytes", rec(recPutHop, num(1), spec(0, make([]byte, 5), 0), text("")), "an address of 5 bytes"},
		{"VLAN", rec(recPutHop, num(1), spec(0, nil, 1<<32), text("")), "VLAN 4294967296"},
		{"text cut", rec(recPutHop, num(1), spec(0, nil, 0), num(5)), errShort.Error()},
		{"members cut", rec(recPutGroup, num(1), num(7), num(1)), errShort.Error()},
		{"number cut", rec(recPutGroup, []byte{0x80}), errShort.Error()},
		{"instance id", append(append([]byte{recInstances}, num(1)...), append(text("x"), num(1<<32)...)...), "network instance x has id 4294967296"},
		{"group that is missing", rec(recPutRoute, []byte{4, 8, 10, 0, 0, 0}, num(5), text(""), text("")), "next-hop group 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Open(Options{Instances: two})
			if err != nil {
				t.Fatal(err)
			}
			p := &replay{r: r}
			if err := p.record(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

// TestForgotten: gribi:GR66: what the journal says of instances that are not
// configured any more is dropped, with what rests on it, and the rest stays.
func TestForgotten(t *testing.T) {
	dir := t.TempDir()
	r, _ := open(t, dir)
	do(r, hopOp(1), groupOp(1, 1), routeOp("10.0.0.0/8", 1), vrf(hopOp(7)), vrf(groupOp(3, 7)), vrf(routeOp("30.0.0.0/8", 3)))
	inVRF := from("VRF-1", routeOp("11.0.0.0/8", 3))
	do(r, inVRF)
	if n := len(everything(t, r).Routes); n != 3 {
		t.Fatalf("%d routes", n)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	r, err := Open(Options{Dir: dir, Instances: two[:1], Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if v := everything(t, r); len(v.Routes) != 1 || v.Routes[0].Prefix.String() != "10.0.0.0/8" || len(v.Groups) != 1 || len(v.Hops) != 1 {
		t.Errorf("left: %+v", v)
	}
	if !strings.Contains(log.String(), "are forgotten") {
		t.Errorf("log: %s", log.String())
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r, _ = open(t, dir) // with the instance again: nothing comes back
	if n := len(everything(t, r).Routes); n != 1 {
		t.Errorf("%d routes came back", n)
	}
}

// TestFault: after the journal failed nothing is accepted, and nothing changes.
func TestFault(t *testing.T) {
	r, f := open(t, t.TempDir())
	p := netip.MustParsePrefix("10.0.0.0/8")
	hop := []WeightedHop{{Hop: HopSpec{Interface: "p1"}}}
	put(t, r, Static, p, hop...)
	_ = r.journal.Close()
	do(r, hopOp(1))
	calls := f.calls
	if _, err := r.AddStatic([]StaticRoute{{"DEFAULT", p, hop}}, false); err == nil {
		t.Error("a static route is accepted")
	}
	if err := r.DeleteStatic([]StaticKey{{"DEFAULT", p}}, false); err == nil {
		t.Error("a static route is deleted")
	}
	if _, err := r.FlushGRIBI("DEFAULT"); err == nil {
		t.Error("a flush is accepted")
	}
	if err := r.SetInstances(two[:1]); err == nil {
		t.Error("instances are changed")
	}
	r.UpdateDynamic("DEFAULT", []DynamicRoute{{p, Kernel, hop}})
	r.ReplaceDynamic("DEFAULT", []DynamicRoute{{p, Kernel, hop}})
	if got := do(r, hopOp(3))[0]; got.Outcome != Refused {
		t.Errorf("an operation: %+v", got)
	}
	if f.calls != calls {
		t.Error("it reached the FIB")
	}
	r.journal = nil
	var missing *NotFoundError
	if _, err := r.View(Query{Instance: "x"}); !errors.As(err, &missing) {
		t.Errorf("a view of nothing: %v", err)
	}
}
