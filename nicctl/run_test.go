package nicctl

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/capture"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

// capturePack is the script command `pack TEXT CAPTURE`: lines "MICROSECONDS
// [PORT:]HEX" become a capture.
func capturePack(ts *testscript.TestScript, _ bool, args []string) {
	w, err := capture.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		at, data, _ := strings.Cut(strings.TrimSpace(line), " ")
		port, digits, found := strings.Cut(data, ":")
		if !found {
			port, digits = "0", data
		}
		us, err := strconv.ParseInt(at, 10, 64)
		ts.Check(err)
		n, err := strconv.ParseUint(port, 10, 32)
		ts.Check(err)
		b, err := hex.DecodeString(digits)
		ts.Check(err)
		ts.Check(w.Write(capture.Frame{Port: uint32(n), Time: time.UnixMicro(us), Data: b}))
	}
	ts.Check(w.Close())
}

// captureUnpack is the script command `unpack CAPTURE TEXT`, the reverse.
func captureUnpack(ts *testscript.TestScript, _ bool, args []string) {
	r, err := capture.Open([]capture.File{{Path: ts.MkAbs(args[0])}})
	ts.Check(err)
	defer r.Close()
	var out strings.Builder
	for {
		f, err := r.Next()
		if err == io.EOF {
			break
		}
		ts.Check(err)
		fmt.Fprintf(&out, "%d %x\n", f.Time.UnixMicro(), f.Data)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(out.String()), 0o666))
}

// wireProgram sends what comes in at a port to another.
const wireProgram = `#include <core.p4>
#include <v1model.p4>
struct headers_t { }
struct meta_t { }
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start { transition accept; }
}
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    action go(bit<9> port) { sm.egress_spec = port; }
    action drop() { mark_to_drop(sm); }
    table t {
        key = { sm.ingress_port: exact; }
        actions = { go; drop; }
        default_action = drop();
    }
    apply { t.apply(); }
}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`

const machineEntryProgram = `#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<16> b; bit<12> c; bit<4> d; bit<8> e; }
struct hs { h_t h; }
struct ms { }
parser P(packet_in p, out hs h, inout ms m, inout standard_metadata_t s) { state start { p.extract(h.h); transition accept; } }
control V(inout hs h, inout ms m) { apply { } }
control I(inout hs h, inout ms m, inout standard_metadata_t s) {
    action go(bit<9> port, int<8> x) { s.egress_spec = port; h.h.a = (bit<8>)x; }
    action stop() { mark_to_drop(s); }
    table t {
        key = { h.h.a: exact; h.h.b: lpm; h.h.c: ternary; h.h.d: range; h.h.e: optional; }
        actions = { go; stop; }
        default_action = go(7, -1);
    }
    apply { t.apply(); }
}
control E(inout hs h, inout ms m, inout standard_metadata_t s) { apply { } }
control D(packet_out p, in hs h) { apply { p.emit(h.h); } }
V1Switch(P(), V(), I(), E(), V(), D()) main;
`

// TestMachineEntry: what P4Runtime says becomes what engines take; what it must
// not say is refused (p4rt:B4 and the match rules of section 9.1.1).
func TestMachineEntry(t *testing.T) {
	file := t.TempDir() + "/m.p4"
	if err := os.WriteFile(file, []byte(machineEntryProgram), 0o666); err != nil {
		t.Fatal(err)
	}
	res, err := driver.Compile(driver.Options{Path: file})
	if err != nil || res.Diags.HasErrors() {
		t.Fatal(err, res.Diags)
	}
	info := res.Control.Info
	s := p4rtclient.NewSchema(info)
	parse := func(line string) *p4.TableEntry {
		e, err := s.ParseEntry(strings.Fields(line), true)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, c := range []struct{ name, line, want string }{
		{"every kind", "t a=1 b=0x1200/8 c=0x120&&&0xff0 d=3..9 e=5 priority=4 go port=2 x=0xff",
			"[{[1] [] 0} {[18 0] [] 8} {[1 32] [15 240] 0} {[3] [9] 0} {[5] [] 0}] 4 0 [[0 2] [255]]"},
		{"don't care", "t a=1 priority=1 stop", "[{[1] [] 0} {[0 0] [] 0} {[] [] 0} {[] [] 0} {[] [] 0}] 1 1 []"},
		{"default", "t default stop", "[] 0 1 []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, e, err := machineEntry(res.Core, info, parse(c.line))
			if err != nil || table != 0 {
				t.Fatal(table, err)
			}
			if got := entryText(e); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	t.Run("default reset", func(t *testing.T) {
		e := parse("t default stop")
		e.Action = nil
		_, got, err := machineEntry(res.Core, info, e)
		if want := "[] 0 0 [[0 7] [255]]"; err != nil || entryText(got) != want {
			t.Errorf("got %s, %v, want %s", entryText(got), err, want)
		}
	})
	for _, c := range []struct {
		name, want string
		change     func(*p4.TableEntry)
	}{
		{"table", "no table has id 0x1", func(e *p4.TableEntry) { e.TableId = 1 }},
		{"priority missing", "priority 0: entries of this table have one above 0", func(e *p4.TableEntry) { e.Priority = 0 }},
		{"exact missing", "field h.h.a: a value is missing", func(e *p4.TableEntry) { e.Match = e.Match[1:] }},
		{"field unknown", "no field has id 9", func(e *p4.TableEntry) { e.Match = append(e.Match, &p4.FieldMatch{FieldId: 9}) }},
		{"field twice", "field 1 is given twice", func(e *p4.TableEntry) { e.Match = append(e.Match, e.Match[0]) }},
		{"kind", "field h.h.a: the match is not exact", func(e *p4.TableEntry) {
			e.Match[0] = &p4.FieldMatch{FieldId: 1, FieldMatchType: &p4.FieldMatch_Optional_{Optional: &p4.FieldMatch_Optional{Value: []byte{1}}}}
		}},
		{"empty value", "field h.h.a: the value is empty", func(e *p4.TableEntry) { e.Match[0].GetExact().Value = nil }},
		{"too wide", "field h.h.a: 0x100 does not fit 8 bits", func(e *p4.TableEntry) { e.Match[0].GetExact().Value = []byte{1, 0} }},
		{"beyond the prefix", "field h.h.b: bits beyond the prefix are set", func(e *p4.TableEntry) { e.Match[1].GetLpm().Value = []byte{0x12, 1} }},
		{"prefix length", "field h.h.b: prefix length 17 of a field of 16 bits", func(e *p4.TableEntry) { e.Match[1].GetLpm().PrefixLen = 17 }},
		{"outside the mask", "field h.h.c: bits outside the mask are set", func(e *p4.TableEntry) { e.Match[2].GetTernary().Value = []byte{1, 0x21} }},
		{"empty range", "field h.h.d: the range is empty", func(e *p4.TableEntry) { e.Match[3].GetRange().Low = []byte{10} }},
		{"action", "no action has id 0x2", func(e *p4.TableEntry) { e.GetAction().GetAction().ActionId = 2 }},
		{"parameter missing", "parameter x is missing", func(e *p4.TableEntry) {
			a := e.GetAction().GetAction()
			a.Params = a.Params[:1]
		}},
		{"parameter twice", "parameter 1 is unknown or given twice", func(e *p4.TableEntry) {
			a := e.GetAction().GetAction()
			a.Params = append(a.Params, a.Params[0])
		}},
		{"argument too wide", "parameter port: 0x200 does not fit 9 bits", func(e *p4.TableEntry) { e.GetAction().GetAction().Params[0].Value = []byte{2, 0} }},
		{"member", "members and groups of action profiles", func(e *p4.TableEntry) {
			e.Action = &p4.TableAction{Type: &p4.TableAction_ActionProfileMemberId{ActionProfileMemberId: 1}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := parse("t a=1 b=0x1200/8 c=0x120&&&0xff0 d=3..9 e=5 priority=4 go port=2 x=0xff")
			c.change(e)
			_, _, err := machineEntry(res.Core, info, e)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	t.Run("another program's P4Info", func(t *testing.T) {
		other := &p4config.P4Info{Tables: []*p4config.Table{{Preamble: &p4config.Preamble{Id: 5, Name: "I.u"}}}}
		_, _, err := machineEntry(res.Core, other, &p4.TableEntry{TableId: 5})
		if err == nil || err.Error() != "table I.u is not in the program" {
			t.Error(err)
		}
	})
}

// entryText is match, priority, action and arguments.
func entryText(e ir.Entry) string {
	return fmt.Sprintf("%v %d %d %v", e.Match, e.Priority, e.Action, e.Args)
}

// TestRunInterfaces: the switch between interfaces, port 0 and a host port
// included, until it is told to end.
func TestRunInterfaces(t *testing.T) {
	sw, a, b, h := netnstest.NS(t), netnstest.NS(t), netnstest.NS(t), netnstest.NS(t)
	for _, n := range []*netns.NS{sw, a, b, h} {
		netnstest.Check(t, n.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	}
	netnstest.Veth(t, netns.End{NS: a, Name: "eth0"}, netns.End{NS: sw, Name: "p0"})
	netnstest.Veth(t, netns.End{NS: b, Name: "eth0"}, netns.End{NS: sw, Name: "p1"})
	netnstest.Veth(t, netns.End{NS: h, Name: "eth0"}, netns.End{NS: sw, Name: "h1"})
	entries := t.TempDir() + "/entries.txt"
	netnstest.Check(t, os.WriteFile(entries, []byte("t ingress_port=0 go port=1\nt ingress_port=1 go port=509\n"), 0o666))
	program := t.TempDir() + "/wire.p4"
	netnstest.Check(t, os.WriteFile(program, []byte(wireProgram), 0o666))
	fromA, atB, atHost := netnstest.Packets(t, a, "eth0"), netnstest.Packets(t, b, "eth0"), netnstest.Packets(t, h, "eth0")

	ctx, stop := context.WithCancel(t.Context())
	var out bytes.Buffer
	ready := make(chan string, 1)
	done := make(chan error, 1)
	go func() {
		done <- sw.Do(func() error {
			cmd := newRunCommand()
			cmd.SetArgs([]string{program, "--entries", entries, "--ports", "0=p0,1=p1", "--hosts", "1=h1"})
			cmd.SetOut(&out)
			cmd.SetErr(writerFunc(func(b []byte) (int, error) {
				ready <- string(b)
				return len(b), nil
			}))
			return cmd.ExecuteContext(ctx)
		})
	}()
	if text := <-ready; text != "running on 2 ports; interrupt to stop\n" {
		t.Fatal(text)
	}
	frame := netnstest.Frame([6]byte{2, 1}, [6]byte{2, 2}, 7)
	for _, way := range []struct{ out, in *netns.Packets }{{fromA, atB}, {atB, atHost}, {atHost, atB}} {
		netnstest.Check(t, way.out.Send(frame))
		got, err := way.in.Recv(time.Now().Add(3 * time.Second))
		netnstest.Check(t, err)
		if !bytes.Equal(got, frame) {
			t.Errorf("got %x, want %x", got, frame)
		}
	}
	stop()
	netnstest.Check(t, <-done)
	want := "PORT  NAME  IN  OUT  DROPS  PROBLEM\n0     p0    1   0    0\n1     p1    1   2    0\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestPortFlag: [PORT=]NAME.
func TestPortFlag(t *testing.T) {
	for _, c := range []struct {
		in        string
		otherwise int64
		port      int64
		name      string
		ok        bool
	}{
		{"3=eth0", -1, 3, "eth0", true}, {"0x10=a=b", -1, 16, "a=b", true}, {"f.pcap", 0, 0, "f.pcap", true},
		{"eth0", -1, 0, "", false}, {"x=eth0", -1, 0, "", false}, {"=eth0", 0, 0, "", false}, {"1=", -1, 0, "", false}, {"-1=e", -1, 0, "", false},
	} {
		port, name, err := portFlag("ports", c.in, c.otherwise)
		var usage usageError
		if (err == nil) != c.ok || c.ok && (port != c.port || name != c.name) || err != nil && !errors.As(err, &usage) {
			t.Errorf("%q: %d %q %v", c.in, port, name, err)
		}
	}
}
