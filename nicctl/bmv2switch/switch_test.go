package bmv2switch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
)

// The binary of the tests is also a switch: what behavioral-model does with files
// and Thrift, as far as this package can see it. A packet leaves by the next port.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "simple_switch" {
		if err := fakeSwitch(os.Args[1:]); err != nil {
			fmt.Println("fake:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func fakeSwitch(args []string) error {
	var ports []uint32
	var listen string
	for i := 0; i < len(args)-1; i++ {
		switch args[i] {
		case "--thrift-port":
			listen = "127.0.0.1:" + args[i+1]
		case "-i":
			n, _, _ := strings.Cut(args[i+1], "@")
			p, err := strconv.ParseUint(n, 10, 32)
			if err != nil {
				return err
			}
			ports = append(ports, uint32(p))
		}
	}
	js, err := os.ReadFile(args[len(args)-1])
	if err != nil {
		return err
	}
	if bytes.Contains(js, []byte("crash")) {
		return errors.New("the program is not liked")
	}
	type input struct {
		port  uint32
		f     *os.File
		at    uint32
		data  []byte
		ended bool
	}
	outs := map[uint32]*os.File{}
	var ins []*input
	for _, p := range ports {
		f, err := os.Open(fmt.Sprintf("%d_in.pcap", p))
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(f, make([]byte, 24)); err != nil {
			return err
		}
		ins = append(ins, &input{port: p, f: f})
		if outs[p], err = os.Create(fmt.Sprintf("%d_out.pcap", p)); err != nil {
			return err
		}
		if _, err := outs[p].Write(make([]byte, 24)); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	go serveThrift(l)
	next := func(in *input) error {
		head := make([]byte, 16)
		if _, err := io.ReadFull(in.f, head); err == io.EOF {
			in.ended = true
			return nil
		} else if err != nil {
			return err
		}
		in.at = binary.LittleEndian.Uint32(head[4:])
		in.data = make([]byte, binary.LittleEndian.Uint32(head[8:]))
		_, err := io.ReadFull(in.f, in.data)
		return err
	}
	for _, in := range ins {
		if err := next(in); err != nil {
			return err
		}
	}
	for {
		var first *input
		for _, in := range ins {
			if !in.ended && (first == nil || in.at < first.at) {
				first = in
			}
		}
		if first == nil {
			select {} // until it is killed
		}
		if out := outs[first.port+1]; out != nil {
			head := make([]byte, 16)
			binary.LittleEndian.PutUint32(head[8:], uint32(len(first.data)))
			if _, err := out.Write(append(head, first.data...)); err != nil {
				return err
			}
		}
		if err := next(first); err != nil {
			return err
		}
	}
}

// serveThrift answers every call with 7, but that a register named "none" is
// refused; it appends what it is told to the file calls.
func serveThrift(l net.Listener) {
	ctx := context.Background()
	c, err := l.Accept()
	if err != nil {
		return
	}
	conf := &thrift.TConfiguration{}
	p := thrift.NewTBinaryProtocolConf(thrift.NewTBufferedTransport(thrift.NewTSocketFromConnConf(c, conf), 4096), conf)
	log, err := os.OpenFile("calls", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	for {
		name, _, sequence, err := p.ReadMessageBegin(ctx)
		if err != nil {
			return
		}
		text := readText(ctx, p, thrift.STRUCT)
		fmt.Fprintf(log, "%s%s\n", name, text)
		_ = p.ReadMessageEnd(ctx)
		_ = p.WriteMessageBegin(ctx, name, thrift.REPLY, sequence)
		var result fields
		switch {
		case strings.Contains(text, "none"):
			_ = p.WriteFieldBegin(ctx, "", thrift.STRUCT, 1)
			_ = writeStruct(ctx, p, fields{int32(2)})
			_ = p.WriteFieldEnd(ctx)
		case strings.HasSuffix(name, "_counter") || strings.HasSuffix(name, "counter_read"):
			_ = p.WriteFieldBegin(ctx, "", thrift.STRUCT, 0)
			_ = writeStruct(ctx, p, fields{int64(640), int64(10)})
			_ = p.WriteFieldEnd(ctx)
		case strings.HasSuffix(name, "register_read"):
			_ = p.WriteFieldBegin(ctx, "", thrift.I64, 0)
			_ = p.WriteI64(ctx, 0x1234)
			_ = p.WriteFieldEnd(ctx)
		default:
			_ = p.WriteFieldBegin(ctx, "", thrift.I32, 0)
			_ = p.WriteI32(ctx, 7)
			_ = p.WriteFieldEnd(ctx)
		}
		_ = writeStruct(ctx, p, result)
		_ = p.WriteMessageEnd(ctx)
		if p.Flush(ctx) != nil {
			return
		}
	}
}

// readText prints a value with its field ids.
func readText(ctx context.Context, p thrift.TProtocol, kind thrift.TType) string {
	switch kind {
	case thrift.STRUCT:
		var parts []string
		_ = readStruct(ctx, p, func(id int16, kind thrift.TType) (bool, error) {
			parts = append(parts, fmt.Sprintf("%d:%s", id, readText(ctx, p, kind)))
			return true, nil
		})
		return "{" + strings.Join(parts, " ") + "}"
	case thrift.LIST:
		elem, n, _ := p.ReadListBegin(ctx)
		var parts []string
		for range n {
			parts = append(parts, readText(ctx, p, elem))
		}
		_ = p.ReadListEnd(ctx)
		return "[" + strings.Join(parts, " ") + "]"
	case thrift.I32:
		v, _ := p.ReadI32(ctx)
		return fmt.Sprint(v)
	case thrift.I64:
		v, _ := p.ReadI64(ctx)
		return fmt.Sprint(v)
	case thrift.DOUBLE:
		v, _ := p.ReadDouble(ctx)
		return fmt.Sprint(v)
	case thrift.STRING:
		v, _ := p.ReadBinary(ctx)
		return fmt.Sprintf("%q", v)
	}
	_ = p.Skip(ctx, kind)
	return "?"
}

const program = `#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<16> b; bit<12> c; bit<4> d; bit<8> e; }
struct hs { h_t h; }
struct ms { }
parser P(packet_in p, out hs h, inout ms m, inout standard_metadata_t s) { state start { p.extract(h.h); transition accept; } }
control V(inout hs h, inout ms m) { apply { } }
control I(inout hs h, inout ms m, inout standard_metadata_t s) {
    direct_counter(CounterType.packets) hits;
    counter(4, CounterType.packets) seen;
    register<bit<16>>(4) kept;
    register<bit<72>>(4) wide;
    action go(bit<9> port) { s.egress_spec = port; }
    action stop() { mark_to_drop(s); }
    table t {
        key = { h.h.a: exact; h.h.b: lpm; h.h.c: ternary; h.h.d: range; h.h.e: optional; }
        actions = { go; stop; }
        counters = hits;
    }
    table u {
        key = { h.h.a: exact; }
        actions = { go; stop; }
    }
    apply { t.apply(); u.apply(); seen.count(1); kept.write(0, 1); wide.write(0, 1); }
}
control E(inout hs h, inout ms m, inout standard_metadata_t s) { apply { } }
control D(packet_out p, in hs h) { apply { p.emit(h.h); } }
V1Switch(P(), V(), I(), E(), V(), D()) main;
`

func compiled(t *testing.T) *ir.Program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.p4")
	if err := os.WriteFile(file, []byte(program), 0o666); err != nil {
		t.Fatal(err)
	}
	res, err := driver.Compile(driver.Options{Path: file})
	if err != nil || res.Diags.HasErrors() {
		t.Fatal(err, res.Diags)
	}
	return res.Core
}

// start starts the fake switch for a test.
func start(t *testing.T, js, test string) (*Switch, *stf.Test, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "simple_switch")); err != nil {
		t.Fatal(err)
	}
	path, err := Path("v1model", dir)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := stf.Parse("t.stf", []byte(test))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), path, compiled(t), []byte(js), parsed)
	if err == nil {
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return s, parsed, err
}

// calls is what the fake was told.
func calls(t *testing.T, s *Switch) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// TestPlay: packets go one at a time, in the test's order over all ports, and what
// is written between two of them is written between them.
func TestPlay(t *testing.T) {
	s, test, err := start(t, "{}", `
add u h.h.a:1 go(port:2)
packet 1 aa01
expect 2 aa01$
packet 1 aa02
expect 2 aa02$
packet 2 aa03
expect 3 aa03$
register_write kept 2 0x55
packet 1 aa04
expect 2 aa04$
packet 2 aa05
expect 3 aa05$
expect 3 aa06$
`)
	if err != nil {
		t.Fatal(err)
	}
	// The last expectation is one too many.
	r := stf.Run(test, s, nil)
	if r.Status != stf.Failed || !strings.HasPrefix(r.Report, "t.stf:14: packet 3 on port 3") {
		t.Errorf("%v %s", r.Status, r.Report)
	}
	want := "standard:bm_mt_add_entry{1:0 2:\"I.u\" 3:[{1:0 2:{1:\"\\x01\"}}] 4:\"I.go\" 5:[\"\\x00\\x02\"] 6:{}}\n" +
		"standard:bm_register_write{1:0 2:\"I.kept\" 3:2 4:85}\n"
	if got := calls(t, s); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestCalls: what each operation tells the switch.
func TestCalls(t *testing.T) {
	s, _, err := start(t, "{}", "expect 1 aa")
	if err != nil {
		t.Fatal(err)
	}
	entry := ir.Entry{Handle: 3, Priority: 5, Action: 0, Args: [][]byte{{0, 9}}, Match: []ir.Match{
		{Value: []byte{1}}, {Value: []byte{0x12, 0}, PrefixLen: 8}, {Value: []byte{1, 0x20}, Mask: []byte{15, 0xf0}}, {Value: []byte{3}, Mask: []byte{9}}, {Value: []byte{5}}}}
	anything := ir.Entry{Handle: 4, Priority: 1, Action: 1, Match: []ir.Match{{Value: []byte{1}}, {Value: []byte{0, 0}}, {}, {}, {}}}
	for _, c := range []struct {
		name string
		do   func() error
		want string
	}{
		{"insert", func() error { return s.Insert(0, entry) },
			`standard:bm_mt_add_entry{1:0 2:"I.t" 3:[{1:0 2:{1:"\x01"}} {1:1 3:{1:"\x12\x00" 2:8}} {1:2 4:{1:"\x01 " 2:"\x0f\xf0"}} {1:4 6:{1:"\x03" 2:"\t"}} {1:2 4:{1:"\x05" 2:"\xff"}}] 4:"I.go" 5:["\x00\t"] 6:{1:2147483642}}`},
		{"don't care", func() error { return s.Insert(0, anything) },
			`standard:bm_mt_add_entry{1:0 2:"I.t" 3:[{1:0 2:{1:"\x01"}} {1:1 3:{1:"\x00\x00" 2:0}} {1:2 4:{1:"\x00\x00" 2:"\x00\x00"}} {1:4 6:{1:"\x00" 2:"\x0f"}} {1:2 4:{1:"\x00" 2:"\x00"}}] 4:"I.stop" 5:[] 6:{1:2147483646}}`},
		{"counter", func() error {
			p, b, err := s.Counter(0, 3)
			if p != 10 || b != 640 {
				err = fmt.Errorf("%d packets, %d bytes: %w", p, b, err)
			}
			return err
		}, `standard:bm_mt_read_counter{1:0 2:"I.t" 3:7}`},
		{"delete", func() error { return s.Delete(0, 3) }, `standard:bm_mt_delete_entry{1:0 2:"I.t" 3:7}`},
		{"default", func() error { return s.SetDefault(1, ir.Entry{Action: 1}) }, `standard:bm_mt_set_default_action{1:0 2:"I.u" 3:"I.stop" 4:[]}`},
		{"instance counter", func() error {
			p, b, err := s.InstanceCounter("I.seen", 1)
			if p != 10 || b != 640 {
				err = fmt.Errorf("%d packets, %d bytes: %w", p, b, err)
			}
			return err
		}, `standard:bm_counter_read{1:0 2:"I.seen" 3:1}`},
		{"counter write", func() error { return s.SetInstanceCounter("I.seen", 1, 2, 99) }, `standard:bm_counter_write{1:0 2:"I.seen" 3:1 4:{1:99 2:2}}`},
		{"register", func() error {
			b, err := s.Register("I.kept", 1)
			if !bytes.Equal(b, []byte{0x12, 0x34}) {
				err = fmt.Errorf("%x: %w", b, err)
			}
			return err
		}, `standard:bm_register_read{1:0 2:"I.kept" 3:1}`},
		{"session", func() error { return s.SetCloneSession(5, ir.CloneSession{Replicas: []ir.Replica{{Port: 6}}}) },
			`simple_switch:mirroring_session_add{1:5 2:{1:6}}`},
		{"session to a group", func() error { return s.SetCloneSession(5, ir.CloneSession{Group: 6}) }, `simple_switch:mirroring_session_add{1:5 2:{2:6}}`},
		{"group", func() error {
			return s.SetMulticastGroup(9, []ir.Replica{{Port: 0, Instance: 1}, {Port: 3, Instance: 1}, {Port: 2, Instance: 4}})
		}, `simple_pre_lag:bm_mc_mgrp_create{1:0 2:9}
simple_pre_lag:bm_mc_node_create{1:0 2:1 3:"1001" 4:""}
simple_pre_lag:bm_mc_node_associate{1:0 2:7 3:7}
simple_pre_lag:bm_mc_node_create{1:0 2:4 3:"100" 4:""}
simple_pre_lag:bm_mc_node_associate{1:0 2:7 3:7}`},
		{"group away", func() error { return s.DeleteMulticastGroup(9) }, `simple_pre_lag:bm_mc_node_dissociate{1:0 2:7 3:7}
simple_pre_lag:bm_mc_node_destroy{1:0 2:7}
simple_pre_lag:bm_mc_node_dissociate{1:0 2:7 3:7}
simple_pre_lag:bm_mc_node_destroy{1:0 2:7}
simple_pre_lag:bm_mc_mgrp_destroy{1:0 2:7}`},
		{"meter", func() error {
			return s.SetMeter("I.m", 2, &ir.MeterRates{CIR: 500000, CBurst: 3, PIR: 2000000, PBurst: 4})
		},
			`standard:bm_meter_set_rates{1:0 2:"I.m" 3:2 4:[{1:0.5 2:3} {1:2 2:4}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := calls(t, s)
			if err := c.do(); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSuffix(strings.TrimPrefix(calls(t, s), before), "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{"refused", "the switch refuses bm_register_write with code 2", func() error {
			s.program.Instances = append(s.program.Instances, &ir.Instance{Name: "none", Type: s.program.Instances[2].Type})
			return s.SetRegister("none", 0, []byte{1})
		}()},
		{"wide register", "up to 64 bits", s.SetRegister("I.wide", 0, []byte{1})},
		{"no register", "there is no I.x", s.SetRegister("I.x", 0, []byte{1})},
		{"no group", "there is no multicast group 9", s.DeleteMulticastGroup(9)},
		{"session of two", "one port or a multicast group", s.SetCloneSession(1, ir.CloneSession{Replicas: make([]ir.Replica, 2)})},
		{"counter of the default", "have no handle on the switch", func() error { _, _, err := s.Counter(0, 0); return err }()},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("%v, want %s", c.err, c.want)
			}
		})
	}
}

// TestEnds: a switch that ends says why.
func TestEnds(t *testing.T) {
	_, _, err := start(t, "crash", "packet 1 aa")
	if err == nil || !strings.Contains(err.Error(), "simple_switch has ended: fake: the program is not liked") {
		t.Error(err)
	}
	if _, err := Path("v1model", t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not installed") {
		t.Error(err)
	}
	var u *stf.Unsupported
	if _, err := Path("ebpf", ""); !errors.As(err, &u) {
		t.Error(err)
	}
}
