package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// program counts packets by a, tells how many came in a register, and sends
// them where its table says.
const program = `
#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<8> b; bit<96> rest; }
struct headers_t { h_t h; }
struct meta_t { }
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start { pkt.extract(hdr.h); transition accept; }
}
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    counter(4, CounterType.packets_and_bytes) seen;
    register<bit<8>>(1) last;
    direct_counter(CounterType.packets_and_bytes) hits;
    action to(bit<9> port) { sm.egress_spec = port; hdr.h.b = 7; }
    action drop() { mark_to_drop(sm); }
    table t {
        key = { hdr.h.a : exact; }
        actions = { to; drop; }
        default_action = drop();
        counters = hits;
        size = 8;
    }
    apply {
        bit<8> x;
        last.read(x, 0);
        last.write(0, x + 1);
        hdr.h.rest[7:0] = x;
        seen.count((bit<32>) (hdr.h.a & 3));
        log_msg("a is {}", { hdr.h.a });
        t.apply();
    }
}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr.h); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`

func compiled(t *testing.T, text string) *ir.Program {
	t.Helper()
	res, err := driver.Compile(driver.Options{Path: "prog.p4", ReadFile: func(string) ([]byte, error) { return []byte(text), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Diags.Err(); err != nil {
		t.Fatal(err)
	}
	return res.Core
}

// entry sends a to a port; port 0 drops.
func entry(handle uint32, a byte, port uint16) ir.Entry {
	e := ir.Entry{Handle: handle, Match: []ir.Match{{Value: []byte{a}}}, Action: 1}
	if port != 0 {
		e.Action, e.Args = 0, [][]byte{binary.BigEndian.AppendUint16(nil, port)}
	}
	return e
}

// content fills table t, which may not be the program's only one.
func content(p *ir.Program, es ...ir.Entry) []dataplane.Content {
	out := make([]dataplane.Content, len(p.Tables))
	for i, t := range p.Tables {
		_, def, err := t.Initial()
		if err != nil {
			panic(err)
		}
		out[i] = dataplane.Content{Default: def}
		if t.Name == "I.t" {
			out[i].Entries = es
		}
	}
	return out
}

func load(t *testing.T, p *Plane, c dataplane.Config) {
	t.Helper()
	g, err := p.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestPlane: the contract of dataplane.Plane and PacketIO, without ports: the
// CPU port is both ends.
func TestPlane(t *testing.T) {
	var logged strings.Builder
	p, err := Open(Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	prog := compiled(t, program)
	ti := slices.Index(prog.Tables, prog.Table("I.t"))
	frame := func(a byte) []byte { return append([]byte{a}, make([]byte, 19)...) }
	refused := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", what, err, want)
		}
	}
	one := make([]dataplane.Counter, 1)

	if p.Name() != "sim" || p.AppliedSequence() != 0 {
		t.Errorf("name %s, sequence %d", p.Name(), p.AppliedSequence())
	}
	if p.MarkApplied(77); p.AppliedSequence() != 77 {
		t.Errorf("sequence %d", p.AppliedSequence())
	}
	if err := p.Check(prog); err != nil {
		t.Error(err)
	}
	// Nothing is loaded, and the CPU port is not connected.
	refused("Apply", p.Apply([]dataplane.Op{{Table: ti, Entry: entry(1, 1, 5)}})[0], "no pipeline is loaded")
	refused("Counters", p.Counters(ti, []uint32{1}, one), "no pipeline is loaded")
	refused("InstanceCounters", p.InstanceCounters("I.seen", []uint32{1}, one), "no pipeline is loaded")
	refused("PacketOut", p.PacketOut(frame(1)), "no pipeline is loaded")
	if _, err := p.CPUStats(); !errors.Is(err, dataplane.ErrNoPort) {
		t.Errorf("CPUStats: %v", err)
	}
	if _, err := p.PortStats(3); !errors.Is(err, dataplane.ErrNoPort) {
		t.Errorf("PortStats: %v", err)
	}
	if err := p.Detach(3); !errors.Is(err, dataplane.ErrNoPort) {
		t.Errorf("Detach: %v", err)
	}

	bad := content(prog, entry(1, 1, 5), entry(1, 2, 5))
	_, err = p.Prepare(dataplane.Config{Program: prog, Content: bad})
	refused("Prepare with a handle twice", err, "table I.t: ")
	load(t, p, dataplane.Config{Program: prog, Content: content(prog, entry(1, 1, dataplane.CPUPort), entry(2, 2, 0), entry(3, 3, 444))})
	refused("PacketOut", p.PacketOut(frame(1)), "the CPU port is not connected")

	got := make(chan []byte, 100)
	if err := p.SetPacketIn(func(b []byte) { got <- append([]byte{}, b...) }); err != nil {
		t.Fatal(err)
	}
	want := func(rx, rxb, tx, txb, drops uint64) {
		t.Helper()
		s, err := p.CPUStats()
		if w := (dataplane.Stats{RxPackets: rx, RxBytes: rxb, TxPackets: tx, TxBytes: txb, Drops: drops}); err != nil || s != w {
			t.Errorf("stats %+v, %v, want %+v", s, err, w)
		}
	}
	out := func(a byte) {
		t.Helper()
		if err := p.PacketOut(frame(a)); err != nil {
			t.Fatal(err)
		}
	}
	in := func(a, count byte) {
		t.Helper()
		b := <-got
		if len(b) != 20 || b[0] != a || b[1] != 7 || b[13] != count {
			t.Errorf("got %x, want %02x07 and %d", b, a, count)
		}
	}
	want(0, 0, 0, 0, 0)
	out(1)
	in(1, 0)
	want(1, 20, 1, 20, 0)
	out(2) // its entry drops
	want(2, 40, 1, 20, 1)
	out(3) // its port is not there
	want(3, 60, 1, 20, 2)
	out(9) // the default action drops
	want(4, 80, 1, 20, 3)
	if err := p.PacketOut([]byte{1, 9}); err != nil { // filled up to 14 bytes
		t.Fatal(err)
	}
	if b := <-got; len(b) != 14 || b[0] != 1 || b[13] != 4 {
		t.Errorf("got %x", b)
	}
	want(5, 94, 2, 34, 3)
	var size *dataplane.FrameSize
	if err := p.PacketOut(make([]byte, 65536)); !errors.As(err, &size) || size.Length != 65536 || size.Max != 65535 {
		t.Errorf("a long frame: %v", err)
	}
	if err := p.PacketOut(make([]byte, 65535)); err != nil {
		t.Errorf("the longest frame: %v", err)
	}
	if !strings.Contains(logged.String(), `text="a is 9"`) {
		t.Errorf("log_msg: %s", logged.String())
	}

	// D12: counters, by handle and by index.
	counters := func(handles []uint32, want ...dataplane.Counter) {
		t.Helper()
		got := make([]dataplane.Counter, len(handles))
		if err := p.Counters(ti, handles, got); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("counters %v, %v, want %v", got, err, want)
		}
	}
	counters([]uint32{3, 1, 0}, dataplane.Counter{Packets: 1, Bytes: 20}, dataplane.Counter{Packets: 2, Bytes: 34}, dataplane.Counter{Packets: 2, Bytes: 20 + 65535})
	two := make([]dataplane.Counter, 2)
	if err := p.InstanceCounters("I.seen", []uint32{1, 3}, two); err != nil || two[0] != (dataplane.Counter{Packets: 3, Bytes: 54}) || two[1] != (dataplane.Counter{Packets: 1, Bytes: 20}) {
		t.Errorf("got %v, %v", two, err)
	}
	if err := p.InstanceCounters("I.none", []uint32{1}, one); err == nil {
		t.Error("a counter that is not there")
	}

	// Changes, in order, each with its error.
	errs := p.Apply([]dataplane.Op{
		{Kind: dataplane.Insert, Table: ti, Entry: entry(4, 4, dataplane.CPUPort)},
		{Kind: dataplane.Delete, Table: ti, Entry: entry(7, 7, 0)},
		{Kind: dataplane.Modify, Table: ti, Entry: entry(2, 2, dataplane.CPUPort)},
		{Kind: dataplane.Delete, Table: ti, Entry: entry(1, 1, 0)},
		{Kind: dataplane.Modify, Table: ti, Entry: entry(8, 8, 0)},
		{Kind: 99, Table: ti},
		{Kind: dataplane.SetDefault, Table: ti, Entry: ir.Entry{Action: 0, Args: [][]byte{{1, 254}}}},
	})
	for i, want := range []string{"", dataplane.ErrNoEntry.Error(), "", "", dataplane.ErrNoEntry.Error(), "operation 99 is not known", ""} {
		if s := fmt.Sprint(errs[i]); s != want && (want != "" || errs[i] != nil) {
			t.Errorf("operation %d: %s, want %s", i, s, want)
		}
	}
	if !errors.Is(errs[1], dataplane.ErrNoEntry) || !errors.Is(errs[4], dataplane.ErrNoEntry) {
		t.Errorf("got %v", errs)
	}
	if errs := p.Apply([]dataplane.Op{{Kind: dataplane.Modify, Table: ti, Entry: entry(2, 2, dataplane.CPUPort)}}); errs != nil {
		t.Errorf("got %v", errs)
	}
	for i, a := range []byte{4, 2, 1, 9} { // 1 is deleted: the default action, which sends to 510 now
		out(a)
		in(a, byte(6+i))
	}

	// D1, D7: state is kept or starts at zero.
	load(t, p, dataplane.Config{Program: prog, Content: content(prog, entry(1, 1, dataplane.CPUPort)), KeepState: true})
	out(1)
	in(1, 10)
	load(t, p, dataplane.Config{Program: prog, Content: content(prog, entry(1, 1, dataplane.CPUPort))})
	counters([]uint32{1}, dataplane.Counter{})
	out(1)
	in(1, 0)
	g, err := p.Prepare(dataplane.Config{Program: prog, Content: content(prog)})
	if err != nil {
		t.Fatal(err)
	}
	g.Abort()
	out(1)
	in(1, 1)

	// Without a receiver a packet for it is a drop of the port it came from.
	var each []ir.Entry
	each = append(each, entry(1, 1, dataplane.CPUPort))
	lazy := content(prog)
	lazy[ti].Each, lazy[ti].Count = func(yield func(ir.Entry) bool) { yield(each[0]) }, 1
	load(t, p, dataplane.Config{Program: prog, Content: lazy})
	out(1)
	in(1, 0)
	if err := p.SetPacketIn(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.CPUStats(); !errors.Is(err, dataplane.ErrNoPort) {
		t.Errorf("disconnected: %v", err)
	}
	var from stats
	p.toCPU(frame(1), &from)
	if s := from.read(); s.Drops != 1 {
		t.Errorf("drops %d", s.Drops)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestCPUQueue: frames that find the queue of the CPU port full are counted as
// dropped, and those in it come in order.
func TestCPUQueue(t *testing.T) {
	p, err := Open(Options{CPUPort: 400, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	prog := compiled(t, program)
	load(t, p, dataplane.Config{Program: prog, Content: content(prog, entry(1, 1, 400))})
	began, hold, got := make(chan bool), make(chan bool), make(chan byte, cpuQueue+2)
	first := true
	if err := p.SetPacketIn(func(b []byte) {
		if first {
			first = false
			began <- true
			<-hold
		}
		got <- b[13]
	}); err != nil {
		t.Fatal(err)
	}
	out := func() {
		if err := p.PacketOut(append([]byte{1}, make([]byte, 13)...)); err != nil {
			t.Fatal(err)
		}
	}
	out()
	<-began
	for range cpuQueue + 5 {
		out()
	}
	if s, _ := p.CPUStats(); s.TxPackets != cpuQueue+6 || s.Drops != 5 {
		t.Errorf("%+v", s)
	}
	close(hold)
	for i := range cpuQueue + 1 {
		if b := <-got; b != byte(i) {
			t.Fatalf("frame %d has number %d", i, b)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []uint32{509, 511, 1 << 20} {
		if _, err := Open(Options{CPUPort: n}); err == nil {
			t.Errorf("CPU port %d", n)
		}
	}
	if err := p.Attach(dataplane.Port{Number: 400, Netdev: "lo"}); err == nil || err.Error() != "port number 400: that is the CPU port" {
		t.Errorf("got %v", err)
	}
	for _, c := range []struct {
		port dataplane.Port
		want string
	}{
		{dataplane.Port{Number: 1, Netdev: "lo", Hook: "xdp"}, "netdev lo: hook xdp: the simulator uses packet sockets"},
		{dataplane.Port{Number: 65536, Netdev: "lo"}, "netdev lo: port number 65536 is out of range"},
		{dataplane.Port{Number: 1, Netdev: "none0"}, "netdev none0: "},
	} {
		if err := p.Attach(c.port); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestChecksums: completeChecksum agrees with RFC 1071 written plainly, over
// every kind of frame, and leaves alone what it must.
func TestChecksums(t *testing.T) {
	// plain sums words one by one with end-around carry.
	plain := func(parts ...[]byte) uint16 {
		var all []byte
		for _, p := range parts {
			all = append(all, p...)
		}
		if len(all)%2 == 1 {
			all = append(all, 0)
		}
		sum := uint16(0)
		for i := 0; i < len(all); i += 2 {
			w := uint16(all[i])<<8 | uint16(all[i+1])
			if sum += w; sum < w {
				sum++
			}
		}
		return ^sum
	}
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	tags := map[string][]byte{"": nil, " tagged": {0x81, 0, 0, 5}, " QinQ": {0x88, 0xa8, 0, 5, 0x81, 0, 0, 6}}
	for tag, vlan := range tags {
		for _, six := range []bool{false, true} {
			for _, proto := range []byte{6, 17} {
				for _, n := range []int{0, 1, 2, 37, 1400} {
					for _, options := range []int{0, 8} {
						header, at := 20, 16
						if proto == 17 {
							header, at = 8, 6
						}
						l4 := random(header + n)
						var ip, pseudo []byte
						typ := []byte{8, 0}
						if six {
							if options != 0 {
								continue
							}
							typ = []byte{0x86, 0xdd}
							ip = random(40)
							binary.BigEndian.PutUint16(ip[4:], uint16(len(l4)))
							ip[6] = proto
							pseudo = append(append([]byte{}, ip[8:40]...), 0, 0, byte(len(l4)>>8), byte(len(l4)), 0, 0, 0, proto)
						} else {
							ip = random(20 + options)
							ip[0] = 0x40 | byte(len(ip)/4)
							binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(l4)))
							ip[6], ip[7], ip[9] = 0x40, 0, proto // don't fragment
							pseudo = append(append([]byte{}, ip[12:20]...), 0, proto, byte(len(l4)>>8), byte(len(l4)))
						}
						frame := append(append(append(append(random(12), vlan...), typ...), ip...), l4...)
						frame = append(frame, random(6)...) // padding is no part of it
						want := append([]byte{}, frame...)
						off := len(frame) - 6 - len(l4)
						want[off+at], want[off+at+1] = 0, 0
						sum := plain(pseudo, want[off:off+len(l4)])
						if proto == 17 && sum == 0 {
							sum = 0xffff
						}
						binary.BigEndian.PutUint16(want[off+at:], sum)
						completeChecksum(frame)
						if string(frame) != string(want) {
							t.Fatalf("six %v, proto %d, %d bytes, %d of options%s: sum %x, want %x", six, proto, n, options, tag, frame[off+at:off+at+2], sum)
						}
					}
				}
			}
		}
	}

	udp := func() []byte {
		return []byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" +
			"\x45\x00\x00\x1e\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02" + "\x00\x01\x00\x02\x00\x0a\xff\xffab")
	}
	tcp := func() []byte {
		b := append(udp()[:34], random(20)...)
		b[17], b[23] = 40, 6
		return b
	}
	six := func() []byte {
		b := append(append(udp()[:12], 0x86, 0xdd), make([]byte, 40)...)
		b[18+1], b[20] = 10, 17
		return append(b, random(10)...)
	}
	// A sum of 0 is written as ffff (RFC 768): some data makes one.
	found := false
	for x := range 65536 {
		b := udp()
		binary.BigEndian.PutUint16(b[42:], uint16(x))
		if completeChecksum(b); b[40] == 0xff && b[41] == 0xff {
			found = true
		}
		if b[40] == 0 && b[41] == 0 {
			t.Fatalf("data %x: a UDP sum of 0", x)
		}
	}
	if !found {
		t.Error("no UDP sum of ffff")
	}
	for _, c := range []struct {
		name  string
		frame []byte
		same  bool
	}{
		{"UDP", udp(), false},
		{"TCP", tcp(), false},
		{"UDP over IPv6", six(), false},
		{"13 bytes", udp()[:13], true},
		{"no IP header", udp()[:33], true},
		{"cut", udp()[:43], true},
		{"header of 16 bytes", func() []byte { b := udp(); b[14] = 0x44; return b }(), true},
		{"shorter than its header", func() []byte { b := udp(); b[17] = 19; return b }(), true},
		{"more fragments", func() []byte { b := udp(); b[20] = 0x20; return b }(), true},
		{"a later fragment", func() []byte { b := udp(); b[21] = 1; return b }(), true},
		{"don't fragment", func() []byte { b := udp(); b[20] = 0x40; return b }(), false},
		{"ICMP", func() []byte { b := udp(); b[23] = 1; return b }(), true},
		{"UDP of 7 bytes", func() []byte { b := udp(); b[17] = 27; return b }(), true},
		{"UDP of 8 bytes", func() []byte { b := udp(); b[17] = 28; return b }(), false},
		{"TCP of 19 bytes", func() []byte { b := tcp(); b[17] = 39; return b }(), true},
		{"TCP with a little more", func() []byte { b := append(tcp(), 1); b[17] = 41; return b }(), false},
		{"IPv6 cut", func() []byte { b := six(); return b[:len(b)-1] }(), true},
		{"IPv6 header cut", six()[:53], true},
		{"another type", func() []byte { b := udp(); b[13] = 1; return b }(), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := string(c.frame)
			completeChecksum(c.frame)
			if (string(c.frame) == before) != c.same {
				t.Errorf("changed: %v", string(c.frame) != before)
			}
		})
	}
}

// TestPortProblem: why a port stopped is kept for its status, and in the log.
func TestPortProblem(t *testing.T) {
	var logged strings.Builder
	p, err := Open(Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	q := &port{plane: p, spec: dataplane.Port{Number: 3, Netdev: "lo"}}
	if q.failed(nil); q.problem.Load() != nil || logged.Len() != 0 {
		t.Errorf("an end without an error: %v, %s", q.problem.Load(), logged.String())
	}
	q.failed(errors.New("netdev lo: poll: broken"))
	if s := q.problem.Load(); s == nil || *s != "netdev lo: poll: broken" {
		t.Errorf("got %v", s)
	}
	if !strings.Contains(logged.String(), "port=3") || !strings.Contains(logged.String(), "poll: broken") {
		t.Errorf("log: %s", logged.String())
	}
}
