package bmv2tests

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// The machine under a clock of the test's own: what the files of switch/ cannot
// say, since the real switches have the clock of the host.

const machineProgram = `#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<8> b; }
struct learn_t { bit<8> a; bit<16> port; }
struct H { h_t h; }
struct M { bit<8> colour; }
parser P(packet_in p, out H hdr, inout M m, inout standard_metadata_t s) { state start { p.extract(hdr.h); transition accept; } }
control V(inout H hdr, inout M m) { apply { } }
control I(inout H hdr, inout M m, inout standard_metadata_t s) {
    meter(4, MeterType.packets) packets;
    meter(4, MeterType.bytes) bytes;
    direct_meter<bit<8>>(MeterType.packets) direct;
    action_selector(HashAlgorithm.identity, 16, 8) sel;
    action seen(bit<8> v) { hdr.h.b = v; direct.read(m.colour); }
    action give(bit<8> v) { hdr.h.b = v; }
    table aging { key = { hdr.h.a : exact; } actions = { seen; NoAction; } support_timeout = true; meters = direct; }
    table chosen { key = { hdr.h.a : exact; hdr.h.b : selector; } actions = { give; NoAction; } implementation = sel; }
    apply {
        s.egress_spec = 1;
        bit<8> c = 0;
        if (hdr.h.a < 16) {
            if (hdr.h.a == 1) { packets.execute_meter(0, c); } else { bytes.execute_meter(0, c); }
            hdr.h.b = c;
        } else if (hdr.h.a < 32) {
            aging.apply();
            if (hdr.h.a == 17) { hdr.h.b = m.colour; }
        } else if (hdr.h.a < 48) {
            chosen.apply();
        } else {
            digest<learn_t>(1, { hdr.h.a, (bit<16>)s.ingress_port });
            hdr.h.a = 0;
        }
    }
}
control E(inout H hdr, inout M m, inout standard_metadata_t s) { apply { } }
control C(inout H hdr, inout M m) { apply { } }
control D(packet_out p, in H hdr) { apply { p.emit(hdr.h); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`

// each runs a test on the typed and the core program and on our JSON of it.
func each(t *testing.T, src string, o exec.Options, f func(t *testing.T, m *exec.Machine)) {
	t.Helper()
	p, err := Compile("machine.p4", []byte(src))
	check(t, err)
	for _, l := range []struct {
		name string
		p    *ir.Program
	}{{"typed", p.Typed}, {"core", p.Core}} {
		t.Run(l.name, func(t *testing.T) {
			m, err := exec.New(l.p, o)
			check(t, err)
			f(t, m)
		})
	}
}

const second = uint64(1e9)

// send gives the second byte of what comes out for a packet of n bytes {a, b, ...}.
func send(t *testing.T, m *exec.Machine, now uint64, a, b byte, n int) int {
	t.Helper()
	data := make([]byte, n)
	data[0], data[1] = a, b
	r := m.Process(exec.Packet{Port: 3, Now: now, Data: data})
	if len(r.Outputs) != 1 {
		return -1
	}
	return int(r.Outputs[0].Data[1])
}

// RFC 2698 by the clock: buckets fill at their rates up to their bursts, red takes
// from none, yellow from the peak bucket alone (lang:V22).
func TestMeters(t *testing.T) {
	each(t, machineProgram, exec.Options{}, func(t *testing.T, m *exec.Machine) {
		check(t, m.SetMeter("I.packets", 0, &ir.MeterRates{CIR: 1, CBurst: 2, PIR: 2, PBurst: 4}))
		colours := func(now uint64, n int) (out []int) {
			for range n {
				out = append(out, send(t, m, now, 1, 0, 2))
			}
			return out
		}
		if got, want := colours(second, 6), []int{0, 0, 1, 1, 2, 2}; !slices.Equal(got, want) {
			t.Errorf("at 1 s: %v, want %v", got, want)
		}
		// One second later: 2 more in the peak bucket, 1 in the other.
		if got, want := colours(2*second, 4), []int{0, 1, 2, 2}; !slices.Equal(got, want) {
			t.Errorf("at 2 s: %v, want %v", got, want)
		}
		if got, want := colours(100*second, 6), []int{0, 0, 1, 1, 2, 2}; !slices.Equal(got, want) {
			t.Errorf("at 100 s: %v, want %v", got, want)
		}
		check(t, m.SetMeter("I.bytes", 0, &ir.MeterRates{CIR: 100, CBurst: 150, PIR: 1000, PBurst: 200}))
		for i, want := range []int{0, 1, 2} {
			if got := send(t, m, second, 2, 0, 100); got != want {
				t.Errorf("frame %d of 100 bytes: %d, want %d", i, got, want)
			}
		}
		check(t, m.SetMeter("I.packets", 0, nil))
		if got := send(t, m, second, 1, 0, 2); got != ir.Green {
			t.Errorf("without rates: %d", got)
		}
		if err := m.SetMeter("I.packets", 0, &ir.MeterRates{CIR: 3, PIR: 2}); err == nil {
			t.Error("a committed rate above the peak rate is taken")
		}
		if err := m.SetMeter("I.packets", 4, nil); err == nil {
			t.Error("there is a cell 4 of 4")
		}
	})
}

// Idle entries are told once, and again after a hit in between; a direct meter
// belongs to its entry (lang:V23, V46).
func TestIdle(t *testing.T) {
	now := second
	each(t, machineProgram, exec.Options{Now: func() uint64 { return now }}, func(t *testing.T, m *exec.Machine) {
		now = second
		at := slices.IndexFunc(m.Program().Tables, func(x *ir.Table) bool { return x.Name == "I.aging" })
		for h, a := range []byte{16, 17} {
			check(t, m.Insert(at, ir.Entry{Handle: uint32(h + 1), Match: []ir.Match{{Value: []byte{a}}}, Args: [][]byte{{9}}, IdleTimeout: 5 * second}))
		}
		idle := func(at uint64) string { return fmt.Sprint(m.SweepIdle(at)) }
		if got := idle(5 * second); got != "[]" {
			t.Errorf("after 4 s: %s", got)
		}
		send(t, m, 4*second, 16, 0, 2)
		want := fmt.Sprintf("[{%d 2}]", at)
		if got := idle(6 * second); got != want {
			t.Errorf("after 5 s: %s, want %s", got, want)
		}
		if got := idle(7 * second); got != "[]" {
			t.Errorf("told twice: %s", got)
		}
		if got := send(t, m, 8*second, 17, 0, 2); got != 0 {
			t.Errorf("colour without rates %d", got)
		}
		want = fmt.Sprintf("[{%d 1} {%d 2}]", at, at)
		if got := idle(20 * second); got != want {
			t.Errorf("after 20 s: %s, want %s", got, want)
		}
		check(t, m.SetDirectMeter(at, 2, &ir.MeterRates{CBurst: 1, PBurst: 2}))
		for i, want := range []int{0, 1, 2} {
			if got := send(t, m, 21*second, 17, 0, 2); got != want {
				t.Errorf("packet %d of the metered entry: %d, want %d", i, got, want)
			}
		}
		if err := m.SetDirectMeter(at, 9, nil); !errors.Is(err, exec.ErrNoEntry) {
			t.Errorf("meter of no entry: %v", err)
		}
	})
}

// A digest has the values of the call (lang:V29).
func TestDigest(t *testing.T) {
	var got []ir.Digest
	each(t, machineProgram, exec.Options{Digest: func(d ir.Digest) { got = append(got, d) }}, func(t *testing.T, m *exec.Machine) {
		got = nil
		send(t, m, 1, 0x42, 0, 2)
		if s := fmt.Sprintf("%v", got); s != "[{learn_t [[66] [0 3]]}]" {
			t.Errorf("digests %s", s)
		}
	})
}

// Members and groups: weights, watched ports, what is in use (lang:V26).
func TestSelector(t *testing.T) {
	down := map[uint32]bool{}
	each(t, machineProgram, exec.Options{PortDown: func(p uint32) bool { return down[p] }}, func(t *testing.T, m *exec.Machine) {
		clear(down)
		at := slices.IndexFunc(m.Program().Tables, func(x *ir.Table) bool { return x.Name == "I.chosen" })
		for i := range 3 {
			check(t, m.SetMember("I.sel", ir.ProfileMember{ID: uint32(i), Args: [][]byte{{byte(100 + i)}}}))
		}
		group := ir.ProfileGroup{ID: 7, Members: []ir.GroupMember{{Member: 2, Weight: 1, Watch: true, Port: 9}, {Member: 0, Weight: 2}, {Member: 1}}}
		check(t, m.SetGroup("I.sel", group))
		e := ir.Entry{Handle: 1, Match: []ir.Match{{Value: []byte{32}}, {}}, Ref: ir.RefGroup, Target: 7}
		check(t, m.Insert(at, e))
		pick := func(n int) (out []int) {
			for b := range n {
				out = append(out, send(t, m, 1, 32, byte(b), 2))
			}
			return out
		}
		if got, want := pick(5), []int{100, 100, 101, 102, 100}; !slices.Equal(got, want) {
			t.Errorf("weights: %v, want %v", got, want)
		}
		down[9] = true
		if got, want := pick(4), []int{100, 100, 101, 100}; !slices.Equal(got, want) {
			t.Errorf("port 9 down: %v, want %v", got, want)
		}
		if err := m.DeleteMember("I.sel", 2); !errors.Is(err, exec.ErrInUse) {
			t.Errorf("a member of a group is deleted: %v", err)
		}
		if err := m.DeleteGroup("I.sel", 7); !errors.Is(err, exec.ErrInUse) {
			t.Errorf("the group of an entry is deleted: %v", err)
		}
		check(t, m.SetMember("I.sel", ir.ProfileMember{ID: 0, Args: [][]byte{{55}}}))
		if got := pick(1); got[0] != 55 {
			t.Errorf("a changed member gives %v", got)
		}
		check(t, m.SetGroup("I.sel", ir.ProfileGroup{ID: 7}))
		if got := send(t, m, 1, 32, 77, 2); got != 77 {
			t.Errorf("an empty group gives %d", got)
		}
		check(t, m.Delete(at, 1))
		check(t, m.DeleteGroup("I.sel", 7))
		check(t, m.DeleteMember("I.sel", 2))
		if err := m.DeleteMember("I.sel", 2); !errors.Is(err, exec.ErrNoEntry) {
			t.Errorf("deleted twice: %v", err)
		}
		e.Ref, e.Target = ir.RefMember, 8
		if err := m.Insert(at, e); !errors.Is(err, exec.ErrNoEntry) {
			t.Errorf("an entry of no member: %v", err)
		}
	})
}

const learnProgram = `#include <core.p4>
#include <pna.p4>
header h_t { bit<8> a; bit<8> b; }
struct H { h_t h; }
struct M { }
parser P(packet_in p, out H hdr, inout M m, in pna_main_parser_input_metadata_t i) { state start { p.extract(hdr.h); transition accept; } }
control Pre(in H hdr, inout M m, in pna_pre_input_metadata_t i, inout pna_pre_output_metadata_t o) { apply { } }
struct known_args { bit<8> v; }
control C(inout H hdr, inout M m, in pna_main_input_metadata_t i, inout pna_main_output_metadata_t o) {
    action known(bit<8> v) { hdr.h.b = v; if (hdr.h.a == 2) { restart_expire_timer(); } }
    action learn() { add_entry("known", (known_args){ v = hdr.h.b }, (ExpireTimeProfileId_t)1); hdr.h.b = 0; }
    table t { key = { hdr.h.a : exact; } actions = { known; learn; } default_action = learn(); add_on_miss = true; size = 2; }
    apply { send_to_port((PortId_t)1); t.apply(); }
}
control D(packet_out p, in H hdr, in M m, in pna_main_output_metadata_t o) { apply { p.emit(hdr.h); } }
PNA_NIC(P(), Pre(), C(), D()) main;
`

// PNA's add on miss: what missed is there for the next packet, with the arguments
// that the miss action gave, until its time has passed; a full table learns no more
// (lang:N24, N26, N28).
func TestLearn(t *testing.T) {
	each(t, learnProgram, exec.Options{}, func(t *testing.T, m *exec.Machine) {
		m.SetExpireTimes(exec.ExpireTimes{1: 10 * second})
		for i, c := range []struct {
			now  uint64
			a, b byte
			want int
		}{
			{1 * second, 1, 11, 0}, {2 * second, 1, 99, 11},
			{3 * second, 2, 22, 0}, {4 * second, 3, 33, 0}, {5 * second, 3, 34, 0}, // the third does not fit
			{9 * second, 2, 99, 22},                          // restarts its timer
			{11 * second, 1, 55, 0}, {12 * second, 1, 0, 55}, // gone after 10 s, and learnt again
			{18 * second, 2, 99, 22}, {28 * second, 2, 77, 0},
		} {
			if got := send(t, m, c.now, c.a, c.b, 2); got != c.want {
				t.Errorf("packet %d: %d, want %d", i+1, got, c.want)
			}
		}
		if es, err := m.Entries(0); err != nil || len(es) != 3 {
			t.Errorf("%d entries, %v", len(es), err)
		}
		m.SweepIdle(100 * second)
		if es, err := m.Entries(0); err != nil || len(es) != 1 {
			t.Errorf("%d entries after all time, %v", len(es), err)
		}
	})
}
