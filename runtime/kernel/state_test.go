package kernel

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// stateful is testdata/state.p4 on two ports.
type stateful struct {
	*bench
	p     *Plane
	prog  *ir.Program
	seq   uint64
	socks [2]*netns.Packets
}

// request is the header of its packets behind the type.
type request struct {
	op, key        byte
	x              uint16
	colour, member byte
	value          uint32
}

func newStateful(t *testing.T, hook string) *stateful {
	t.Helper()
	src, err := os.ReadFile("testdata/state.ir")
	netnstest.Check(t, err)
	prog, err := ir.Parse("state.ir", src)
	netnstest.Check(t, err)
	b := &stateful{bench: newBench(t), prog: prog}
	for i := range b.far {
		netnstest.Check(t, b.far[i].Sysctl("net/ipv6/conf/eth0/disable_ipv6", "1"))
		b.socks[i] = netnstest.Packets(t, b.far[i], "eth0")
	}
	b.p = b.mustOpen()
	b.p.linger = time.Millisecond
	b.attach(b.p, hook)
	return b
}

// tables of the program.
const (
	tabSpread = 0
	tabRated  = 1
	tabAging  = 2
)

func (b *stateful) prepare(keep bool, fill func(dataplane.Entities) error, content ...dataplane.Content) *generation {
	b.t.Helper()
	b.seq++
	for i := len(content); i < len(b.prog.Tables); i++ {
		content = append(content, dataplane.Content{})
	}
	for i := range content {
		content[i].Default.Action = slices.IndexFunc(b.prog.Tables[i].Actions, func(r ir.ActionRef) bool { return r.Action.Name == "NoAction" })
	}
	g, err := b.p.Prepare(dataplane.Config{Program: b.prog, Sequence: b.seq, KeepState: keep, Fill: fill, Content: content})
	netnstest.Check(b.t, err)
	return g.(*generation)
}

func (b *stateful) commit(keep bool, fill func(dataplane.Entities) error, content ...dataplane.Content) {
	b.t.Helper()
	netnstest.Check(b.t, b.prepare(keep, fill, content...).Commit())
}

func (b *stateful) apply(ops ...dataplane.Op) {
	b.t.Helper()
	if errs := b.p.Apply(ops); errs != nil {
		b.t.Fatal(errs)
	}
}

// ask sends a request in at port 0 and gives what leaves at port 1.
func (b *stateful) ask(r request) request {
	b.t.Helper()
	f := make([]byte, 60)
	copy(f, []byte{2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 2, 0, 0x88, 0xb5, r.op, r.key})
	binary.BigEndian.PutUint16(f[16:], r.x)
	f[18], f[19] = r.colour, r.member
	binary.BigEndian.PutUint32(f[20:], r.value)
	netnstest.Check(b.t, b.socks[0].Send(f))
	for {
		got, err := b.socks[1].Recv(time.Now().Add(5 * time.Second))
		netnstest.Check(b.t, err)
		if len(got) >= 24 && got[12] == 0x88 && got[13] == 0xb5 {
			return request{got[14], got[15], binary.BigEndian.Uint16(got[16:]), got[18], got[19], binary.BigEndian.Uint32(got[20:])}
		}
	}
}

// asked counts the answers by what f says of them.
func (b *stateful) asked(n int, r func(i int) request, f func(request) string) map[string]int {
	b.t.Helper()
	out := map[string]int{}
	for i := range n {
		out[f(b.ask(r(i)))]++
	}
	return out
}

func poolMember(id uint32, number byte) ir.ProfileMember {
	return ir.ProfileMember{ID: id, Args: [][]byte{{number}, {0, 0, 0, number, 0, 0, 0, 0}}}
}

func poolEntry(handle uint32, k byte, ref ir.Ref, target uint32) ir.Entry {
	return ir.Entry{Handle: handle, Match: []ir.Match{{Value: []byte{k}}, {}}, Ref: ref, Target: target}
}

func eachHook(t *testing.T, f func(t *testing.T, hook string)) {
	for _, hook := range hookNames {
		t.Run(hook, func(t *testing.T) {
			netnstest.NeedBPF(t)
			f(t, hook)
		})
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// p4rt:AP12: members, groups with weights, and what may be deleted when.
func TestSelectorLive(t *testing.T) {
	eachHook(t, func(t *testing.T, hook string) {
		b := newStateful(t, hook)
		const pool = "I.pool"
		three := ir.ProfileGroup{ID: 9, Members: []ir.GroupMember{{Member: 1, Weight: 3}, {Member: 2, Weight: 1}, {Member: 3, Weight: 2, Watch: true, Port: 1}}}
		fill := func(e dataplane.Entities) error {
			return errors.Join(e.SetMember(pool, poolMember(1, 11)), e.SetMember(pool, poolMember(2, 22)), e.SetMember(pool, poolMember(3, 33)), e.SetGroup(pool, three))
		}
		b.commit(false, fill, dataplane.Content{Entries: []ir.Entry{poolEntry(1, 1, ir.RefGroup, 9), poolEntry(2, 2, ir.RefMember, 2)}})
		number := func(r request) string { return fmt.Sprint(r.member, " ", r.value) }
		some := func(i int) request { return request{op: 1, key: 1, x: uint16(i * 40503)} }
		got := b.asked(600, some, number)
		for m, share := range map[string]int{"11 11": 300, "22 22": 100, "33 33": 200} {
			if n := got[m]; n < share*8/10 || n > share*12/10 {
				t.Errorf("member %s gets %d of 600 packets, want about %d", m, n, share)
			}
		}
		if r := b.ask(request{op: 1, key: 2}); r.member != 22 {
			t.Errorf("a member: %+v", r)
		}
		if r := b.ask(request{op: 1, key: 3, member: 5}); r.member != 5 {
			t.Errorf("no entry: %+v", r)
		}
		// What others refer to stays.
		is(t, b.p.DeleteMember(pool, 1), dataplane.ErrInUse)
		is(t, b.p.DeleteGroup(pool, 9), dataplane.ErrInUse)
		is(t, b.p.DeleteMember(pool, 77), dataplane.ErrNoEntry)
		is(t, b.p.DeleteGroup(pool, 77), dataplane.ErrNoEntry)
		is(t, b.p.SetGroup(pool, ir.ProfileGroup{ID: 5, Members: []ir.GroupMember{{Member: 77}}}), dataplane.ErrNoEntry)
		errs := b.p.Apply([]dataplane.Op{{Table: tabSpread, Entry: poolEntry(3, 3, ir.RefGroup, 77)}})
		is(t, errors.Join(errs...), dataplane.ErrNoEntry)
		if err := b.p.SetGroup(pool, ir.ProfileGroup{ID: 5, Members: []ir.GroupMember{{Member: 1, Weight: 1 << 20}}}); err == nil {
			t.Error("a weight of a million is accepted")
		}
		// A change of a member and of a group is seen by the entry.
		netnstest.Check(t, b.p.SetMember(pool, poolMember(2, 44)))
		netnstest.Check(t, b.p.SetGroup(pool, ir.ProfileGroup{ID: 9, Members: []ir.GroupMember{{Member: 2}}}))
		if got := b.asked(20, some, number); got["44 44"] != 20 {
			t.Errorf("after the change: %v", got)
		}
		netnstest.Check(t, b.p.DeleteMember(pool, 1))
		// An empty group does nothing.
		netnstest.Check(t, b.p.SetGroup(pool, ir.ProfileGroup{ID: 9}))
		if r := b.ask(request{op: 1, key: 1, member: 6}); r.member != 6 {
			t.Errorf("an empty group: %+v", r)
		}
		b.apply(dataplane.Op{Kind: dataplane.Delete, Table: tabSpread, Entry: poolEntry(1, 1, 0, 0)})
		netnstest.Check(t, b.p.DeleteGroup(pool, 9))
		var c [1]dataplane.Counter
		netnstest.Check(t, b.p.Counters(tabSpread, []uint32{1}, c[:]))
		if c[0].Packets != 621 {
			t.Errorf("the entry counts %d packets, want 621", c[0].Packets)
		}
	})
}

// p4rt:AP12: a member whose port has no carrier, or is not attached, is passed over.
func TestWatchPort(t *testing.T) {
	netnstest.NeedBPF(t)
	b := newStateful(t, "tc")
	const pool = "I.pool"
	group := ir.ProfileGroup{ID: 1, Members: []ir.GroupMember{{Member: 1, Watch: true, Port: 0}, {Member: 2, Watch: true, Port: 7}, {Member: 3}}}
	b.commit(false, func(e dataplane.Entities) error {
		return errors.Join(e.SetMember(pool, poolMember(1, 1)), e.SetMember(pool, poolMember(2, 2)), e.SetMember(pool, poolMember(3, 3)), e.SetGroup(pool, group))
	}, dataplane.Content{Entries: []ir.Entry{poolEntry(1, 1, ir.RefGroup, 1)}})
	spread := func() string {
		got := b.asked(60, func(i int) request { return request{op: 1, key: 1, x: uint16(i * 40503)} }, func(r request) string { return fmt.Sprint(r.member) })
		var ms []string
		for m := range got {
			ms = append(ms, m)
		}
		slices.Sort(ms)
		return strings.Join(ms, " ")
	}
	netnstest.Eventually(t, 5*time.Second, "port 0 alone is in the group", func() bool { return spread() == "1 3" })
	other := netnstest.NS(t)
	netnstest.Veth(t, netns.End{NS: b.host, Name: "p7"}, netns.End{NS: other, Name: "eth0"})
	netnstest.Check(t, b.p.Attach(dataplane.Port{Number: 7, Netdev: "p7", Hook: "tc"}))
	netnstest.Eventually(t, 5*time.Second, "port 7 is in the group", func() bool { return spread() == "1 2 3" })
	far, err := other.Netlink().LinkByName("eth0")
	netnstest.Check(t, err)
	netnstest.Check(t, other.Netlink().LinkSetDown(far))
	netnstest.Eventually(t, 5*time.Second, "port 7 has no carrier", func() bool { return spread() == "1 3" })
	netnstest.Check(t, other.Netlink().LinkSetUp(far))
	netnstest.Eventually(t, 5*time.Second, "port 7 is back", func() bool { return spread() == "1 2 3" })
	netnstest.Check(t, b.p.Detach(7))
	if got := spread(); got != "1 3" {
		t.Errorf("port 7 is detached, members %s", got)
	}
}

// p4rt:MT10: meters mark; their buckets go on over a change of the pipeline while the rates
// stay, and are full after a change of the rates.
func TestMeterLive(t *testing.T) {
	eachHook(t, func(t *testing.T, hook string) {
		b := newStateful(t, hook)
		slow := &ir.MeterRates{CIR: 0, CBurst: 3, PIR: 0, PBurst: 8}
		b.commit(false, nil)
		want := func(what string, n int, colours string) {
			t.Helper()
			got := ""
			for range n {
				got += fmt.Sprint(b.ask(request{op: 2, key: 1, colour: 9}).colour)
			}
			if got != colours {
				t.Errorf("%s: colours %s, want %s", what, got, colours)
			}
		}
		want("no rates", 3, "000")
		netnstest.Check(t, b.p.SetMeter("I.frames", 1, slow))
		want("three, five, none", 10, "0001111122")
		netnstest.Check(t, b.p.SetMeter("I.frames", 1, slow))
		want("the same rates", 2, "22")
		faster := *slow
		faster.PBurst = 5
		netnstest.Check(t, b.p.SetMeter("I.frames", 1, &faster))
		want("other rates", 3, "000")
		g := b.prepare(true, nil)
		netnstest.Check(t, g.SetMeter("I.frames", 1, &faster))
		want("beside a pipeline that is prepared", 1, "1")
		netnstest.Check(t, g.Commit())
		want("D7 after it", 3, "122")
		g = b.prepare(true, nil)
		netnstest.Check(t, g.SetMeter("I.frames", 1, slow))
		netnstest.Check(t, g.Commit())
		want("a pipeline with other rates", 4, "0001")
		netnstest.Check(t, b.p.SetMeter("I.frames", 1, nil))
		want("rates taken away", 2, "00")
		for _, err := range []error{
			b.p.SetMeter("I.frames", 4, slow), b.p.SetMeter("I.none", 0, slow), b.p.SetMeter("I.pairs", 0, slow),
			b.p.SetMeter("I.frames", 0, &ir.MeterRates{CIR: 2, PIR: 1}),
		} {
			if err == nil {
				t.Error("accepted")
			}
		}
		// Of an entry of a ternary table, in bytes; the next owner of a handle has none.
		e := ir.Entry{Handle: 3, Priority: 1, Match: []ir.Match{{Value: []byte{0, 5}, Mask: []byte{0, 0xff}}}}
		is(t, b.p.SetDirectMeter(tabRated, 3, slow), dataplane.ErrNoEntry)
		b.apply(dataplane.Op{Table: tabRated, Entry: e})
		netnstest.Check(t, b.p.SetDirectMeter(tabRated, 3, &ir.MeterRates{CBurst: 120, PBurst: 180}))
		direct := func() string {
			s := ""
			for range 4 {
				s += fmt.Sprint(b.ask(request{op: 7, x: 5, colour: 9}).colour)
			}
			return s
		}
		if got := direct(); got != "0012" {
			t.Errorf("60 bytes at a time: colours %s", got)
		}
		b.apply(dataplane.Op{Kind: dataplane.Delete, Table: tabRated, Entry: e})
		b.apply(dataplane.Op{Table: tabRated, Entry: e})
		if got := direct(); got != "0000" {
			t.Errorf("the next owner of the handle: colours %s", got)
		}
	})
}

func TestDigestLive(t *testing.T) {
	eachHook(t, func(t *testing.T, hook string) {
		b := newStateful(t, hook)
		got := make(chan ir.Digest, 100)
		b.p.SetDigests(func(d ir.Digest) { got <- d })
		b.commit(false, nil)
		for i := range 20 {
			if i == 10 {
				b.commit(true, nil) // the next generation's are read as well
			}
			b.ask(request{op: 3, key: byte(i), value: uint32(i) << 24})
			select {
			case d := <-got:
				if want := [][]byte{{byte(i)}, {byte(i), 0, 0, 0}}; d.Name != "seen_t" || !slices.EqualFunc(d.Fields, want, slices.Equal) {
					t.Errorf("message %+v, want %x", d, want)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("no message")
			}
		}
		b.p.SetDigests(nil)
		b.ask(request{op: 3})
		select {
		case d := <-got:
			t.Errorf("a message after the end: %+v", d)
		default:
		}
		if n := b.p.LostDigests(); n != 0 {
			t.Errorf("%d messages are lost", n)
		}
	})
}

// p4rt:IT4: entries that nobody hits are told, once.
func TestIdleLive(t *testing.T) {
	eachHook(t, func(t *testing.T, hook string) {
		b := newStateful(t, hook)
		entry := func(h uint32, after time.Duration) ir.Entry {
			return ir.Entry{Handle: h, Match: []ir.Match{{Value: []byte{byte(h)}}}, IdleTimeout: uint64(after)}
		}
		b.commit(false, nil)
		b.apply(dataplane.Op{Table: tabAging, Entry: entry(1, 300*time.Millisecond)}, dataplane.Op{Table: tabAging, Entry: entry(2, time.Hour)}, dataplane.Op{Table: tabAging, Entry: entry(3, 0)})
		age := func(h uint32) time.Duration {
			var out [1]uint64
			netnstest.Check(t, b.p.LastHits(tabAging, []uint32{h}, out[:]))
			return time.Duration(out[0])
		}
		if a := age(2); a > 5*time.Second {
			t.Errorf("an entry just inserted is %v old", a)
		}
		netnstest.Eventually(t, 5*time.Second, "entry 2 grows older", func() bool { return age(2) > 50*time.Millisecond })
		b.ask(request{op: 4, key: 2})
		if a, never := age(2), age(3); a >= never {
			t.Errorf("hit %v ago, one that is not hit %v", a, never)
		}
		idle := make(chan [2]uint32, 10)
		b.p.SetIdle(func(table int, handle uint32) { idle <- [2]uint32{uint32(table), handle} })
		next := func() {
			t.Helper()
			select {
			case got := <-idle:
				if got != [2]uint32{tabAging, 1} {
					t.Errorf("idle: table %d entry %d", got[0], got[1])
				}
			case <-time.After(5 * time.Second):
				t.Fatal("nobody tells that the entry is idle")
			}
		}
		next()
		// Told once, and after a hit again; over a change of the pipeline its time goes on.
		b.commit(true, nil, dataplane.Content{}, dataplane.Content{}, dataplane.Content{Entries: []ir.Entry{entry(1, 300*time.Millisecond)}})
		if a := age(1); a < 300*time.Millisecond {
			t.Errorf("D7 after the change of the pipeline the entry is %v old", a)
		}
		b.p.sweepIdle(func(table int, handle uint32) { t.Errorf("told twice: %d", handle) })
		b.ask(request{op: 4, key: 1})
		next()
		b.p.SetIdle(nil)
		errs := b.p.Apply([]dataplane.Op{{Table: tabRated, Entry: ir.Entry{Handle: 1, Priority: 1, Match: []ir.Match{{}}, IdleTimeout: 1}}})
		if errors.Join(errs...) == nil {
			t.Error("a table without idle timeouts takes one")
		}
	})
}

// Registers of structs, counters that are set.
func TestRegisterLive(t *testing.T) {
	eachHook(t, func(t *testing.T, hook string) {
		b := newStateful(t, hook)
		b.commit(false, nil)
		b.ask(request{op: 5, key: 2, x: 0x1234, value: 0xdeadbeef})
		read := func(name string, i uint32) string {
			t.Helper()
			v, err := b.p.Register(name, i)
			netnstest.Check(t, err)
			return hex.EncodeToString(v)
		}
		if got := read("I.pairs", 2); got != "deadbeef1234" {
			t.Errorf("pairs[2] is %s", got)
		}
		netnstest.Check(t, b.p.SetRegister("I.pairs", 3, []byte{1, 2, 3, 4, 5, 6}))
		if r := b.ask(request{op: 6, key: 3}); r.value != 0x01020304 || r.x != 0x0506 {
			t.Errorf("pairs[3]: %+v", r)
		}
		netnstest.Check(t, b.p.SetRegister("I.words", 1, []byte{0, 0, 0, 8}))
		if r := b.ask(request{op: 9, key: 1}); r.value != 8 {
			t.Errorf("words[1]: %+v", r)
		}
		cell := func() dataplane.Counter {
			var c [1]dataplane.Counter
			netnstest.Check(t, b.p.InstanceCounters("I.counts", []uint32{2}, c[:]))
			return c[0]
		}
		b.ask(request{op: 8, key: 2})
		netnstest.Check(t, b.p.SetInstanceCounter("I.counts", 2, dataplane.Counter{Packets: 100, Bytes: 5}))
		b.ask(request{op: 8, key: 2})
		want := dataplane.Counter{Packets: 101, Bytes: 5} // it counts packets alone
		if c := cell(); c.Packets != want.Packets {
			t.Errorf("D12: %+v", c)
		}
		want = cell()
		b.commit(true, nil)
		if c := cell(); c != want || read("I.words", 1) != "00000008" {
			t.Errorf("D7 kept: %+v, %s", c, read("I.words", 1))
		}
		b.commit(false, nil)
		if c := cell(); c != (dataplane.Counter{}) || read("I.words", 1) != "00000000" || read("I.pairs", 2) != "000000000000" {
			t.Errorf("D1 anew: %+v, %s, %s", c, read("I.words", 1), read("I.pairs", 2))
		}
		for _, err := range []error{
			b.p.SetRegister("I.pairs", 4, make([]byte, 6)), b.p.SetRegister("I.pairs", 0, make([]byte, 5)),
			b.p.SetInstanceCounter("I.counts", 4, dataplane.Counter{}), b.p.SetInstanceCounter("I.pairs", 0, dataplane.Counter{}),
		} {
			if err == nil {
				t.Error("accepted")
			}
		}
	})
}

// Runs of an array: what is given back is found again, and joined.
func TestSpace(t *testing.T) {
	s := space{free: []extent{{0, 10}}}
	a, _ := s.take(4, 1)
	b, _ := s.take(6, 1)
	if _, ok := s.take(1, 1); ok || a != (extent{0, 4}) || b != (extent{4, 6}) {
		t.Fatalf("%v %v", a, b)
	}
	s.retire(a, 1)
	if _, ok := s.take(1, 1); ok {
		t.Error("taken before grace")
	}
	c, ok := s.take(3, 2)
	if !ok || c != (extent{0, 3}) {
		t.Errorf("%v %v", c, ok)
	}
	s.give(b)
	s.give(c)
	if len(s.free) != 1 || s.free[0] != (extent{0, 10}) {
		t.Errorf("free: %v", s.free)
	}
	if e, ok := s.take(0, 2); !ok || e.size != 0 {
		t.Error("nothing is always there")
	}
}

// Rates that went make room for others.
func TestRatesReused(t *testing.T) {
	netnstest.NeedBPF(t)
	b := newStateful(t, "tc")
	b.commit(false, nil)
	m := b.p.live.objects.meters["I.frames"]
	for i := range 3 * int(m.l.Rates.MaxEntries) {
		netnstest.Check(t, b.p.SetMeter("I.frames", uint32(i&3), &ir.MeterRates{PIR: uint64(i)}))
	}
	if n := len(m.known); n != 4 {
		t.Errorf("%d rates are known, want 4", n)
	}
	if _, at := backend.MeterWordParts(m.word.load(0, 0)); at >= m.l.Rates.MaxEntries {
		t.Errorf("index %d", at)
	}
}
