package packetcase

import (
	"reflect"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

const program = `p4nic-ir 1 core
program "x" arch "v1model";
struct m_t { bit<12> a; bit<32> b; bit<8> c; int<8> d; bit<48> e; }
action ig.set (bit<9> port, int<4> s) { }
action NoAction () { }
table ig.t in ig {
	key m.a : exact m.a;
	key m.b : lpm m.b;
	key m.c : ternary m.c;
	key m.d : range m.d;
	key m.e : optional m.e;
	action ig.set; action NoAction;
	default const NoAction();
	entries { (1, 0x0a000000 &&& 0xff000000, 4 &&& 6, -1 .. 2, _) -> ig.set(3, -1) prio 5; }
}
control ig (inout m_t m) { }
pipeline { ig = ig; }
`

func TestEntries(t *testing.T) {
	p, err := ir.Parse("p", []byte(program))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseEntries(p, `
# comment
t a=0xabc b=10.1.2.3/12 c=0x13&&&0x12 d=-3..4 e=00:11:22:33:44:55 prio=7 -> set(511, -8)
ig.t m.a=1 -> NoAction
default t -> set(1, 2)
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Content{{
		Entries: []ir.Entry{
			{Handle: 1, Priority: 5, Action: 0, Args: [][]byte{{0, 3}, {15}}, Match: []ir.Match{
				{Value: []byte{0, 1}}, {Value: []byte{10, 0, 0, 0}, PrefixLen: 8}, {Value: []byte{4}, Mask: []byte{6}},
				{Value: []byte{255}, Mask: []byte{2}}, {}}},
			{Handle: 2, Priority: 7, Action: 0, Args: [][]byte{{1, 255}, {8}}, Match: []ir.Match{
				{Value: []byte{0xa, 0xbc}}, {Value: []byte{10, 0, 0, 0}, PrefixLen: 12}, {Value: []byte{0x12}, Mask: []byte{0x12}},
				{Value: []byte{0xfd}, Mask: []byte{4}}, {Value: []byte{0, 0x11, 0x22, 0x33, 0x44, 0x55}}}},
			{Handle: 3, Action: 1, Match: []ir.Match{
				{Value: []byte{0, 1}}, {Value: []byte{0, 0, 0, 0}}, {}, {}, {}}},
		},
		Default: ir.Entry{Action: 0, Args: [][]byte{{0, 1}, {2}}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, c := range []struct{ line, want string }{
		{"t b=1 -> set(1,2)", "an exact key must be given"},
		{"x a=1 -> set(1,2)", "there is no table x"},
		{"t a=1 -> set(1)", "takes 2 arguments, not 1"},
		{"t a=0x1000 -> NoAction()", "does not fit bit<12>"},
		{"t a=1 d=128 -> NoAction()", "does not fit int<8>"},
		{"t a=1 b=1/33 -> NoAction()", "not within 0 and 32"},
		{"t a=1 a=2 -> NoAction()", "given twice"},
		{"t a=1", "expected ... -> ACTION"},
	} {
		if _, err := ParseEntries(p, c.line); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want ...%s", c.line, err, c.want)
		}
	}
}

func TestPackets(t *testing.T) {
	c, err := Parse([]byte("-- packets --\nin 1 00 01ff # x\nout 2 0*ff\nout 3\n\nin 2 aa\ndrop\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Step{
		{Line: 1, In: Packet{Port: 1, Data: []byte{0, 1, 255}}, Want: []Packet{
			{Port: 2, Data: []byte{0, 255}, Mask: []byte{0xf0, 0xff}}, {Port: 3, Data: []byte{}}}},
		{Line: 6 - 1, In: Packet{Port: 2, Data: []byte{0xaa}}},
	}
	if !reflect.DeepEqual(c.Steps, want) {
		t.Fatalf("got %+v", c.Steps)
	}
	if d := c.Steps[0].Diff([]Packet{{Port: 2, Data: []byte{5, 255}}, {Port: 3}}); d != "" {
		t.Errorf("free nibble counted: %s", d)
	}
	for _, got := range [][]Packet{nil, {{Port: 2, Data: []byte{5, 255}}, {Port: 4}}, {{Port: 2, Data: []byte{0x15, 255}}, {Port: 3}}} {
		if c.Steps[0].Diff(got) == "" {
			t.Errorf("%+v passes", got)
		}
	}
	if d := c.Steps[1].Diff([]Packet{{Port: 1}}); !strings.Contains(d, "want drop") {
		t.Errorf("got %q", d)
	}
	for _, bad := range []string{"out 1 00", "in x 00", "in 1 0", "in 1 00\ndrop\nout 1 00", "in 1 00\nout 1 00\ndrop", "foo", "in 1 *0"} {
		if _, err := ParsePackets(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
