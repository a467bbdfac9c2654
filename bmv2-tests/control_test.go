package bmv2tests

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// rack is a program on the reference and on another engine, programmed alike.
type rack struct {
	t   *testing.T
	k   Kind
	p   *Program
	ref Control
	e   Control
	now uint64
}

// controlKinds are the engines besides the reference that a control plane reaches.
func controlKinds() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return k.JSON || k.Name == "exec-typed" })
}

// eachRack runs f with a program of testdata/control on every engine.
func eachRack(t *testing.T, program string, f func(r *rack)) {
	p, err := Compile(filepath.Join(root, "control", program), nil)
	check(t, err)
	for _, k := range controlKinds() {
		t.Run(k.Name, func(t *testing.T) {
			if k.Kernel {
				netnstest.NeedBPF(t)
			}
			r := &rack{t: t, k: k, p: p, now: 1_000_000_000}
			r.ref = open(t, Reference(), p, r.content()).(Control)
			r.e = open(t, k, p, r.content()).(Control)
			f(r)
		})
	}
}

func (r *rack) content() []packetcase.Content {
	c, err := packetcase.ParseEntries(r.p.Core, "")
	check(r.t, err)
	return c
}

// both programs both engines.
func (r *rack) both(f func(e Control) error) {
	r.t.Helper()
	for _, e := range []Control{r.ref, r.e} {
		check(r.t, f(e))
	}
}

func (r *rack) table(name string) (int, *ir.Table) {
	i := slices.IndexFunc(r.p.Core.Tables, func(t *ir.Table) bool { return t.Name == name })
	if i < 0 {
		r.t.Fatalf("there is no table %s", name)
	}
	return i, r.p.Core.Tables[i]
}

func (r *rack) insert(table string, e ir.Entry) {
	r.t.Helper()
	i, _ := r.table(table)
	r.both(func(c Control) error { return c.Insert(i, e) })
}

// action is the number of an action among those of the tables of a profile, or of a
// table.
func (r *rack) action(of, name string) int {
	var as []*ir.Action
	for _, i := range r.p.Core.Instances {
		if i.Name == of {
			as = r.p.Core.ProfileActions(i)
		}
	}
	for _, t := range r.p.Core.Tables {
		if t.Name == of {
			for _, a := range t.Actions {
				as = append(as, a.Action)
			}
		}
	}
	i := slices.IndexFunc(as, func(a *ir.Action) bool { return passes.ControlName(a) == name })
	if i < 0 {
		r.t.Fatalf("%s has no action %s", of, name)
	}
	return i
}

func (r *rack) member(profile string, id uint32, action string, args ...string) {
	r.t.Helper()
	m := ir.ProfileMember{ID: id, Action: r.action(profile, action)}
	for _, a := range args {
		m.Args = append(m.Args, unhex(r.t, a))
	}
	r.both(func(c Control) error { return c.SetMember(profile, m) })
}

func (r *rack) group(profile string, id uint32, members ...ir.GroupMember) {
	r.t.Helper()
	r.both(func(c Control) error { return c.SetGroup(profile, ir.ProfileGroup{ID: id, Members: members}) })
}

// send plays a packet at the rack's time and compares; it gives what the reference
// sends, as "PORT HEX" lines.
func (r *rack) send(data []byte) string {
	r.t.Helper()
	in := packetcase.Packet{Port: 0, Data: data}
	r.both(func(c Control) error { c.SetNow(r.now); return nil })
	want, err := r.ref.Process(0, data)
	check(r.t, err)
	got, err := r.e.Process(0, data)
	if err != nil || !same(want, got) {
		r.t.Fatalf("%v: %s", err, report(r.k.Name, in, want, got))
	}
	var out []string
	for _, p := range want {
		out = append(out, fmt.Sprintf("%d %x", p.Port, p.Data))
	}
	return strings.Join(out, "\n")
}

// state compares counters and registers.
func (r *rack) state() State {
	r.t.Helper()
	want, err := r.ref.State()
	check(r.t, err)
	got, err := r.e.State()
	check(r.t, err)
	maps.DeleteFunc(want, func(k, _ string) bool { return strings.HasPrefix(k, "digest[") })
	if d := diffStates(r.k.Name, want, got); d != "" {
		r.t.Error(d)
	}
	return want
}

func (r *rack) digests() []string {
	r.t.Helper()
	want, err := r.ref.Digests()
	check(r.t, err)
	got, err := r.e.Digests()
	check(r.t, err)
	if !slices.Equal(got, want) {
		r.t.Errorf("messages %q, expected %q", got, want)
	}
	return want
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	check(t, err)
	return b
}

// request is a packet for objects.p4.
func request(op, key byte, x uint16, y uint64, colour byte) []byte {
	b := []byte{op, key, byte(x >> 8), byte(x), byte(y >> 32), byte(y >> 24), byte(y >> 16), byte(y >> 8), byte(y), colour}
	b = append(b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0)
	return append(b, "payload"...)
}

// firstPort is the first port of what send gave.
func firstPort(sent string) string { port, _, _ := strings.Cut(sent, " "); return port }

func exact(key byte) []ir.Match { return []ir.Match{{Value: []byte{key}}, {}, {}} }

// lang:V26 p4rt:AP12: members, groups with weights, one profile for two tables.
func TestSelectors(t *testing.T) {
	eachRack(t, "objects.p4", func(r *rack) {
		rnd := rand.New(rand.NewPCG(1, 2))
		some := func(op, key byte) []byte {
			return request(op, key, uint16(rnd.Uint32()), rnd.Uint64()&(1<<40-1), 0)
		}
		r.member("I.pool", 7, "I.port", "0005")
		r.member("I.pool", 3, "I.both", "0006", "aabbccddeeff001122")
		r.member("I.pool", 9, "I.tag", "1234") // an action of the other table alone
		r.group("I.pool", 1, ir.GroupMember{Member: 7, Weight: 3}, ir.GroupMember{Member: 3}, ir.GroupMember{Member: 9, Weight: 2})
		r.group("I.pool", 2)
		r.insert("I.spread", ir.Entry{Handle: 1, Match: exact(1), Ref: ir.RefGroup, Target: 1})
		r.insert("I.spread", ir.Entry{Handle: 2, Match: exact(2), Ref: ir.RefMember, Target: 3})
		r.insert("I.spread", ir.Entry{Handle: 3, Match: exact(3), Ref: ir.RefGroup, Target: 2})
		y := []ir.Match{{Value: []byte{0, 0, 0, 0, 1}, Mask: []byte{0, 0, 0, 0, 1}}, {}}
		r.insert("I.again", ir.Entry{Handle: 1, Priority: 1, Match: y, Ref: ir.RefGroup, Target: 1})
		ports := map[string]int{}
		for range 600 {
			ports[firstPort(r.send(some(1, 1)))]++
			r.send(some(2, byte(rnd.Uint32())))
		}
		// Member 3 (port 6) once in six, 7 (port 5) three times, 9 (port 3) twice.
		for port, share := range map[string]int{"6": 1, "5": 3, "3": 2} {
			if n := ports[port]; n < 100*share*7/10 || n > 100*share*13/10 {
				t.Errorf("port %s: %d of 600 packets, the weight is %d of 6", port, n, share)
			}
		}
		for key := range byte(5) {
			r.send(some(1, key))
		}
		// A change of a member or a group reaches all entries.
		r.member("I.pool", 7, "I.both", "0009", "ffffffffffffffffff")
		r.group("I.pool", 1, ir.GroupMember{Member: 7})
		if sent := r.send(some(1, 1)); firstPort(sent) != "9" || !strings.Contains(sent, "ffffffffffffffffff") {
			t.Errorf("after the change: %s", sent)
		}
		r.send(some(2, 0))
		r.state()
	})
}

// lang:V25: a table whose profile has no groups; its default has an action of its own.
func TestActionProfile(t *testing.T) {
	eachRack(t, "objects.p4", func(r *rack) {
		r.member("I.plain", 1, "I.both", "0011", "000000000000000001")
		r.member("I.plain", 2, "I.tag", "5555")
		lpm := func(v string, n int) []ir.Match { return []ir.Match{{Value: unhex(t, v), PrefixLen: n}} }
		r.insert("I.single", ir.Entry{Handle: 1, Match: lpm("1000", 4), Ref: ir.RefMember, Target: 1})
		r.insert("I.single", ir.Entry{Handle: 2, Match: lpm("1200", 8), Ref: ir.RefMember, Target: 2})
		for x, want := range map[uint16]string{0x1100: "17", 0x1234: "3", 0x2000: "3"} {
			if got := firstPort(r.send(request(3, 0, x, 0, 0))); got != want {
				t.Errorf("x %#x: port %s, want %s", x, got, want)
			}
		}
	})
}

// lang:V22 lang:V23 p4rt:MT10: RFC 2698 to the token, over rates of all sizes and times that jump.
func TestMarkers(t *testing.T) {
	eachRack(t, "objects.p4", func(r *rack) {
		rnd := rand.New(rand.NewPCG(3, 4))
		rates := func() *ir.MeterRates {
			m := &ir.MeterRates{CIR: rnd.Uint64() >> (1 + rnd.IntN(62)), CBurst: rnd.Uint64() >> (1 + rnd.IntN(62)), PBurst: rnd.Uint64() >> (1 + rnd.IntN(62))}
			m.PIR = max(m.CIR, rnd.Uint64()>>(1+rnd.IntN(62)))
			return m
		}
		r.insert("I.rated", ir.Entry{Handle: 1, Priority: 1, Match: []ir.Match{{Value: []byte{0x80, 0}, Mask: []byte{0x80, 0}}}, Action: r.action("I.rated", "I.metered")})
		i, _ := r.table("I.rated")
		counts := map[string]int{}
		for round := range 40 {
			few := &ir.MeterRates{CIR: 30, CBurst: 2, PIR: 100, PBurst: 5}
			for cell := range uint32(4) {
				m := rates()
				if cell == 0 {
					m = few
				}
				if round == 3 && cell == 1 {
					m = nil
				}
				r.both(func(c Control) error { return c.SetMeter("I.frames", cell, m) })
				r.both(func(c Control) error { return c.SetMeter("I.octets", cell, m) })
			}
			r.both(func(c Control) error { return c.SetDirectMeter(i, 1, few) })
			for range 60 {
				r.now += rnd.Uint64() >> (38 + rnd.IntN(26)) // up to a fifteenth of a second
				if round == 39 {
					r.now += rnd.Uint64() >> 10
				}
				for op := byte(4); op <= 6; op++ {
					sent := r.send(request(op, byte(rnd.IntN(6)), uint16(rnd.Uint32()), 0, 0))
					_, data, _ := strings.Cut(sent, " ")
					counts[data[:2]+" "+data[18:20]]++
				}
			}
		}
		// All colours occur; an entry that is missed leaves the colour as it was.
		for _, k := range []string{"04 00", "04 01", "04 02", "05 00", "05 01", "05 02", "06 00", "06 01", "06 02", "06 09"} {
			if counts[k] < 10 {
				t.Errorf("operation and colour %s: %d times", k, counts[k])
			}
		}
	})
}

// lang:V29: messages leave with the values that fields have at the call.
func TestMessages(t *testing.T) {
	eachRack(t, "objects.p4", func(r *rack) {
		b := request(7, 1, 1, 0, 0)
		copy(b[21:], []byte{0xab, 0xcd})
		r.send(b)
		want := []string{"seen_t [07 010203040506070809 01]", "mark_h [0a 0bcd]"}
		if got := r.digests(); !slices.Equal(got, want) {
			t.Errorf("messages %q, want %q", got, want)
		}
		b[1] = 0
		r.send(b)
		if got := r.digests(); len(got) != 1 {
			t.Errorf("messages %q", got)
		}
	})
}

// p4rt:IT4: entries know when they were hit.
func TestHits(t *testing.T) {
	eachRack(t, "objects.p4", func(r *rack) {
		i, _ := r.table("I.aging")
		for h := range uint32(3) {
			r.insert("I.aging", ir.Entry{Handle: h + 1, Match: []ir.Match{{Value: []byte{byte(h)}}}, Action: r.action("I.aging", "NoAction"), IdleTimeout: 1e9})
		}
		for _, key := range []byte{0, 2, 0, 77} {
			r.now += 5_000_003
			r.send(request(8, key, 0, 0, 0))
		}
		want, err := r.ref.LastHits(i)
		check(t, err)
		got, err := r.e.LastHits(i)
		check(t, err)
		if !maps.Equal(got, want) || !maps.Equal(got, map[uint32]uint64{1: 1_015_000_009, 3: 1_010_000_006}) {
			t.Errorf("hits %v, want %v", got, want)
		}
	})
}

// lang:V24: registers of structs and headers, and of no cells at all.
func TestCells(t *testing.T) {
	eachRack(t, "objects.p4", func(r *rack) {
		rnd := rand.New(rand.NewPCG(5, 6))
		for range 200 {
			b := request(9+byte(rnd.IntN(3)), byte(rnd.IntN(5)), uint16(rnd.Uint32()), 0, byte(rnd.IntN(2)))
			b[10] = byte(rnd.Uint32())
			r.send(b)
		}
		value := unhex(t, "ff00000000000000ee 01 0a 0bcd 1f")
		r.both(func(c Control) error { return c.SetRegister("I.pairs", 2, value) })
		sent := r.send(request(10, 2, 0, 0, 0))
		if !strings.HasSuffix(sent, "1f"+"ff00000000000000ee"+"abcd"+hex.EncodeToString([]byte("payload"))) {
			t.Errorf("read back: %s", sent)
		}
		for i := range uint32(4) {
			want, err := r.ref.Register("I.pairs", i)
			check(t, err)
			got, err := r.e.Register("I.pairs", i)
			check(t, err)
			if !slices.Equal(want, got) {
				t.Errorf("pairs[%d] is %x, expected %x", i, got, want)
			}
		}
		r.state()
	})
}

// What copies of a packet do to state: each is metered, tells, and has hit, at the
// time of the packet.
func TestStateOfCopies(t *testing.T) {
	eachRack(t, "objects.p4", func(r *rack) {
		i, _ := r.table("E.ports")
		for h := range uint32(2) {
			r.insert("E.ports", ir.Entry{Handle: h + 1, Match: []ir.Match{{Value: []byte{0, byte(h + 1)}}}, Action: r.action("E.ports", "E.in_profile"), IdleTimeout: 1})
			r.both(func(c Control) error { return c.SetDirectMeter(i, h+1, &ir.MeterRates{CBurst: 2, PBurst: 3}) })
			r.both(func(c Control) error { return c.SetMeter("E.copies", h+1, &ir.MeterRates{CBurst: 60, PBurst: 90}) })
		}
		group := []ir.Replica{{Port: 1, Instance: 1}, {Port: 2, Instance: 2}, {Port: 1, Instance: 3}, {Port: 3}}
		r.both(func(c Control) error { return c.(Replicator).SetMulticastGroup(5, group) })
		for range 3 {
			r.now += 5_000_000
			sent := strings.Split(r.send(request(12, 5, 0, 0, 0)), "\n")
			if len(sent) != len(group) {
				t.Errorf("%d packets", len(sent))
			}
			if got := r.digests(); len(got) != len(group) {
				t.Errorf("messages %q", got)
			}
		}
		want, err := r.ref.LastHits(i)
		check(t, err)
		got, err := r.e.LastHits(i)
		check(t, err)
		if !maps.Equal(got, want) || len(want) != 2 {
			t.Errorf("hits %v, want %v", got, want)
		}
		r.state()
	})
}
