package exec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

func loadCase(t testing.TB, name string, o Options) *Machine {
	t.Helper()
	c, err := packetcase.Load("testdata/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	return load(t, c, o)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lang:V20 lang:V21, D9: hits count for the handle, misses for handle 0, one
// frame as so many packets and bytes as the caller says.
func TestCounters(t *testing.T) {
	m := loadCase(t, "externs", fixed(Options{}))
	op := func(op, a byte, p Packet) {
		p.Data = []byte{op, 0, 0, 0, a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		m.Process(p)
	}
	op(11, 7, Packet{})
	op(11, 7, Packet{Packets: 10, Bytes: 15000, WireLen: 1500})
	op(11, 8, Packet{WireLen: 1500})
	for _, c := range []struct {
		handle uint32
		want   Counter
	}{{1, Counter{11, 15017}}, {0, Counter{1, 1500}}} {
		if got, err := m.Counter(0, c.handle); err != nil || got != c.want {
			t.Errorf("handle %d: %v %v, want %v", c.handle, got, err, c.want)
		}
	}
	op(7, 3, Packet{})
	op(7, 3, Packet{Packets: 2, Bytes: 100})
	op(7, 4, Packet{}) // out of range: not counted
	if got, err := m.InstanceCounter("ig.c", 3); err != nil || got != (Counter{3, 117}) {
		t.Errorf("counter: %v %v", got, err)
	}
	for _, bad := range []error{
		second(m.InstanceCounter("ig.c", 4)), second(m.InstanceCounter("ig.regs", 0)), second(m.InstanceCounter("x", 0)),
		second(m.Counter(5, 0)), second(m.Register("ig.regs", 3)), m.SetRegister("ig.regs", 3, nil), m.SetRegister("ig.regs", 0, []byte{1}),
	} {
		if bad == nil {
			t.Error("an impossible access is accepted")
		}
	}
	want := unhex(t, "0f000000000000000000000001")
	if err := m.SetRegister("ig.regs", 1, want); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Register("ig.regs", 1); err != nil || !bytes.Equal(got, want) {
		t.Errorf("register: %x %v", got, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestTableChanges(t *testing.T) {
	m := loadCase(t, "basic", Options{})
	pkt := unhex(t, "ffffffffffff 000000000001 0800 4500 0015 0000 0000 4001 63e2 0a000001 0a020304")
	port := func() int {
		r := m.Process(Packet{Port: 1, Data: pkt})
		if r.Dropped {
			return -1
		}
		return int(r.Outputs[0].Port)
	}
	entry := func(h uint32, length int, port byte) ir.Entry {
		return ir.Entry{Handle: h, Action: 0, Args: [][]byte{{0, port}, make([]byte, 6)},
			Match: []ir.Match{{Value: []byte{10, 2, 0, 0}, PrefixLen: length}}}
	}
	do := func(want int, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if got := port(); got != want {
			t.Errorf("port %d, want %d", got, want)
		}
	}
	do(2, nil)
	do(7, m.Insert(0, entry(9, 16, 7)))
	do(8, m.Modify(0, entry(9, 16, 8)))
	if err := m.Insert(0, entry(10, 16, 7)); !errors.Is(err, ErrDuplicate) {
		t.Errorf("second entry with the key: %v", err)
	}
	if err := m.Insert(0, entry(9, 24, 7)); !errors.Is(err, ErrDuplicate) {
		t.Errorf("second entry with the handle: %v", err)
	}
	do(2, m.Delete(0, 9))
	if err := m.Delete(0, 9); !errors.Is(err, ErrNoEntry) {
		t.Errorf("second delete: %v", err)
	}
	if err := m.Modify(0, entry(9, 16, 8)); !errors.Is(err, ErrNoEntry) {
		t.Errorf("modify of nothing: %v", err)
	}
	es, err := m.Entries(0)
	if err != nil || len(es) != 3 || es[0].Handle != 0 || es[0].Action != 1 || es[2].Handle != 2 {
		t.Errorf("entries: %+v %v", es, err)
	}
	do(-1, m.Clear(0))
	do(5, m.SetDefault(0, ir.Entry{Action: 0, Args: [][]byte{{0, 5}, make([]byte, 6)}}))
	for _, e := range []ir.Entry{
		{Handle: 1}, {Handle: 1, Match: []ir.Match{{Value: []byte{1}}}},
		{Handle: 1, Action: 9, Match: []ir.Match{{Value: make([]byte, 4)}}},
		{Handle: 1, Match: []ir.Match{{Value: make([]byte, 4), PrefixLen: 33}}},
		{Handle: 1, Match: []ir.Match{{Value: make([]byte, 4)}}, Args: [][]byte{{2, 0}, make([]byte, 6)}},
		{Handle: 1, Match: []ir.Match{{Value: make([]byte, 4)}}, Args: [][]byte{{0}, make([]byte, 6)}},
		{Handle: 0, Action: 1, Match: []ir.Match{{Value: make([]byte, 4)}}},
	} {
		if err := m.Insert(0, e); err == nil {
			t.Errorf("accepted: %+v", e)
		}
	}
}

// A packet sees an entry's old action or its new one, never a mixture.
func TestConcurrent(t *testing.T) {
	m := loadCase(t, "basic", Options{})
	pkt := unhex(t, "ffffffffffff 000000000001 0800 4500 0015 0000 0000 4001 63e2 0a000001 0a020304")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			var r Result
			in := Packet{Port: 1, Data: pkt}
			for {
				select {
				case <-stop:
					return
				default:
				}
				m.ProcessTo(&in, &r)
				if o := r.Outputs[0]; byte(o.Port) != o.Data[5] {
					t.Errorf("port %d with address %x", o.Port, o.Data[:6])
					return
				}
			}
		})
	}
	for i := range 2000 {
		p := byte(i % 200)
		e := ir.Entry{Handle: 1, Args: [][]byte{{0, p}, {0, 0, 0, 0, 0, p}}}
		if err := m.Modify(0, e); err != nil {
			t.Fatal(err)
		}
		e.Handle, e.Match = 5, []ir.Match{{Value: []byte{10, 2, 3, 4}, PrefixLen: 32}}
		if err := m.Insert(0, e); err != nil {
			t.Fatal(err)
		}
		if err := m.Delete(0, 5); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestValueSets(t *testing.T) {
	const prog = `p4nic-ir 1 core
program "v" arch "v1model";
errors { NoError NoMatch }
struct std_t { bit<9> egress_spec; }
header h_t { bit<8> a; bit<16> b; }
struct hdr_t { h_t h; }
struct m_t { bit<9> port; }
valueset p.pair tuple<bit<8>, bit<16>> size 2;
valueset p.one bit<8> size 1;
parser p (packet_in b, out hdr_t hdr, inout m_t m, inout std_t std) {
	state start {
		extract(hdr.h);
		select (hdr.h.a, hdr.h.b) {
			(valueset p.pair 0, valueset p.pair 1) => two;
			(valueset p.one 0, _) => three;
			default => accept;
		}
	}
	state two { m.port = 9w2; goto accept; }
	state three { m.port = 9w3; goto accept; }
}
control c2 (inout hdr_t hdr, inout m_t m) { }
control c3 (inout hdr_t hdr, inout m_t m, inout std_t std) { }
control ig (inout hdr_t hdr, inout m_t m, inout std_t std) { std.egress_spec = m.port; }
control eg (inout hdr_t hdr, inout m_t m, inout std_t std) { }
control dep (packet_out b, in hdr_t hdr) { }
pipeline { p = p; vr = c2; ig = ig; eg = eg; ck = c2; dep = dep; }
`
	p, err := ir.Parse("v", []byte(strings.Replace(prog, "control c3 (inout hdr_t hdr, inout m_t m, inout std_t std) { }\n", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(pkt string, want uint32) {
		t.Helper()
		if got := m.Process(Packet{Data: unhex(t, pkt)}).Outputs[0].Port; got != want {
			t.Errorf("%s: state %d, want %d", pkt, got, want)
		}
	}
	check("01 0203", 0)
	err = m.SetValueSet(0, [][]ir.Match{
		{{Value: []byte{1}}, {Value: []byte{2, 3}}},
		{{Value: []byte{2}}, {Value: []byte{0x10, 0}, Mask: []byte{0xf0, 0}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.SetValueSet(1, [][]ir.Match{{{Value: []byte{9}}}}); err != nil {
		t.Fatal(err)
	}
	check("01 0203", 2)
	check("01 1203", 0) // fields of two members
	check("02 1203", 2)
	check("09 1203", 3)
	if m.SetValueSet(1, [][]ir.Match{{{Value: []byte{9}}}, {{Value: []byte{8}}}}) == nil {
		t.Error("more members than the size are accepted")
	}
	if m.SetValueSet(0, [][]ir.Match{{{Value: []byte{9}}}}) == nil || m.SetValueSet(2, nil) == nil || m.SetValueSet(1, [][]ir.Match{{{}}}) == nil {
		t.Error("a malformed member is accepted")
	}
}

func TestTraceCoverageLog(t *testing.T) {
	var log []string
	m := loadCase(t, "basic", Options{Coverage: true})
	r := m.Process(Packet{Port: 1, Trace: true, Data: unhex(t, "ffffffffffff 000000000001 0800 4500 0015 0000 0000 4001 63e2 0a000001 0a020304")})
	var got []string
	for _, e := range r.Trace {
		got = append(got, e.String())
	}
	want := []string{
		"state start", "extract hdr.eth: 112 bits",
		"change hdr.eth: valid", "change hdr.eth.dst: 0xffffffffffff", "change hdr.eth.src: 0x1", "change hdr.eth.type: 0x800",
		"state ip", "extract hdr.ip: 160 bits",
		"change hdr.ip: valid", "change hdr.ip.version: 0x4", "change hdr.ip.ihl: 0x5", "change hdr.ip.len: 0x15", "change hdr.ip.ttl: 0x40",
		"change hdr.ip.proto: 0x1", "change hdr.ip.csum: 0x63e2", "change hdr.ip.src: 0xa000001", "change hdr.ip.dst: 0xa020304",
		"checksum hdr.ip.csum: ok: 0x63e2 in the packet, 0x63e2 computed",
		"table ig.routes: hit 1 key hdr.ip.dst=0x0a020304", "action ig.fwd: port=0x002 dst=0x020000000002",
		"change hdr.eth.dst: 0xffffffffffff -> 0x20000000002", "change hdr.eth.src: 0x1 -> 0x20000000001", "change hdr.ip.ttl: 0x40 -> 0x3f",
		"change hdr.ip.csum: 0x63e2 -> 0x64e2", "change std.egress_port: 0x0 -> 0x2",
		"checksum hdr.ip.csum: set to 0x64e2", "emit hdr.eth", "emit hdr.ip", "output port 2: 34 bytes",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("trace:\n%s", strings.Join(got, "\n"))
	}
	counts := map[string]uint64{}
	for _, p := range m.Coverage() {
		counts[p.Kind+" "+p.Name] += p.Count
	}
	for name, want := range map[string]uint64{
		"state p.start": 1, "state p.ip": 1, "hit ig.routes": 1, "miss ig.routes": 0, "action ig.fwd": 1, "action ig.drop": 0,
		"then hit": 1, "else hit": 0, "ok verify_checksum hdr.ip.csum": 1, "bad verify_checksum hdr.ip.csum": 0,
		"select p.start case 1 -> ip": 1, "select p.start default -> accept": 0,
	} {
		if c, ok := counts[name]; !ok || c != want {
			t.Errorf("coverage %s: %d %v, want %d; have %v", name, c, ok, want, counts)
		}
	}
	m = loadCase(t, "externs", Options{Log: func(s string) { log = append(log, s) }})
	m.Process(Packet{Port: 3, Data: unhex(t, "09 00000005 00000000 0000000000000000")})
	if want := []string{"a is 5 of 3", "assert failed: hdr.h.a == 1"}; !reflect.DeepEqual(log, want) {
		t.Errorf("log %q", log)
	}
}

// What does not run is refused with its name and place.
func TestRefused(t *testing.T) {
	c, err := packetcase.Load("testdata/externs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ old, new, want string }{
		{"std.egress_spec = 9w2;", "#0:7:3 extern foo();", "externs.p4:7: extern foo: this extern is not supported"},
		{"counter(32w4, 8w0)", "meter(32w4)", "extern counter.count: it is not called on a counter"},
		{"std.egress_spec = 9w2;", "#0:7:3 extern resubmit_preserving_field_list(std.ingress_port);", "externs.p4:7: extern resubmit_preserving_field_list: the number of the field list is not a constant"},
		{"key hdr.h.a : exact", "key hdr.h.a : selector", "match kind selector"},
		{`arch "v1model"`, `arch "tna"`, "architecture tna: only"},
		{"HashAlgorithm::crc16, 16w0", "8w1, 16w0", "hash algorithm"},
		{"pipeline { p = p; vr = vr;", "pipeline { p = p;", "the pipeline has no vr"},
		{"ig = ig; eg = eg", "ig = ck; eg = eg", "block ck: it does not fit slot ig"},
	} {
		src := strings.Replace(string(c.IR), tc.old, tc.new, 1)
		if src == string(c.IR) {
			t.Fatalf("%q is not in the program", tc.old)
		}
		p, err := ir.Parse("x", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(p, Options{})
		var u *Unsupported
		if !errors.As(err, &u) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want ...%s...", tc.new, err, tc.want)
		}
	}
}

func BenchmarkBasic(b *testing.B) {
	m := loadCase(b, "basic", Options{})
	in := Packet{Port: 1, Now: 1, Data: append(unhex(b, "ffffffffffff 000000000001 0800 4500 0015 0000 0000 4001 63e2 0a000001 0a020304"), make([]byte, 1400)...)}
	var r Result
	b.ReportAllocs()
	for b.Loop() {
		m.ProcessTo(&in, &r)
	}
}
