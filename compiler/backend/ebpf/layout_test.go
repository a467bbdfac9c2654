package ebpf

import (
	"bytes"
	"fmt"
	"math/big"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
)

func key(name string, w int, k ir.MatchKind) ir.Key {
	v := &ir.Var{Name: name, Type: &ir.Bit{W: w}}
	return ir.Key{Name: name, Kind: k, Expr: &ir.VarRef{Meta: ir.Meta{T: v.Type}, Var: v}}
}

func action(name string, ws ...int) ir.ActionRef {
	a := &ir.Action{Name: name}
	for i, w := range ws {
		a.Params = append(a.Params, &ir.Var{Name: string(rune('a' + i)), Type: &ir.Bit{W: w}})
	}
	return ir.ActionRef{Action: a}
}

func table(name string, size int, keys []ir.Key, acts ...ir.ActionRef) *ir.Table {
	return &ir.Table{Name: name, Size: size, Keys: keys, Actions: acts}
}

func plan(t testing.TB, ts ...*ir.Table) *Layout {
	t.Helper()
	l, err := PlanLayout(&ir.Program{Level: ir.Core, Tables: ts}, 2)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// planPlain plans with the kernel's own tables.
func planPlain(t testing.TB, ts ...*ir.Table) *Layout {
	t.Helper()
	l, err := PlanLayoutFor(&ir.Program{Level: ir.Core, Tables: ts}, 2, LayoutOptions{Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEngineChoice(t *testing.T) {
	ex, lpm, ter, rng, opt := ir.MatchExact, ir.MatchLPM, ir.MatchTernary, ir.MatchRange, ir.MatchOptional
	for _, c := range []struct {
		name string
		keys []ir.Key
		want Kind
	}{
		{"keyless", nil, KindNone},
		{"exact16", []ir.Key{key("a", 16, ex)}, KindArray},
		{"exact17", []ir.Key{key("a", 17, ex)}, KindHash},
		{"two exact", []ir.Key{key("a", 8, ex), key("b", 8, ex)}, KindHash},
		{"lpm", []ir.Key{key("a", 32, lpm)}, KindTrie},
		{"lpm and exact", []ir.Key{key("a", 128, lpm), key("b", 12, ex)}, KindTrie},
		{"wide lpm", []ir.Key{key("a", 129, lpm)}, KindLPM},
		{"ternary", []ir.Key{key("a", 9, ter)}, KindClasses},
		{"range", []ir.Key{key("a", 9, rng)}, KindClasses},
		{"optional", []ir.Key{key("a", 9, opt)}, KindClasses},
		{"very wide ternary", []ir.Key{key("a", 650, ter)}, KindLinear},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := plan(t, table("t", 0, c.keys, action("NoAction")))
			if got := l.Tables[0].Engine.Kind(); got != c.want {
				t.Errorf("engine %s, want %s", got, c.want)
			}
			if l.Tables[0].Size != 1024 || l.Tables[0].Entry.MaxEntries != 1025 {
				t.Errorf("size %d, entry map %d", l.Tables[0].Size, l.Tables[0].Entry.MaxEntries)
			}
		})
	}
}

func TestEncodeKey(t *testing.T) {
	l := planPlain(t,
		table("h", 8, []ir.Key{key("a", 9, ir.MatchExact), key("m", 48, ir.MatchExact), key("c", 70, ir.MatchExact)}, action("NoAction")),
		table("l", 8, []ir.Key{key("d", 32, ir.MatchLPM), key("v", 12, ir.MatchExact)}, action("NoAction")),
		table("m", 8, []ir.Key{key("d", 48, ir.MatchLPM)}, action("NoAction")),
	)
	for _, c := range []struct {
		table int
		match []ir.Match
		want  []byte
	}{
		{0, []ir.Match{{Value: []byte{1, 2}}, {Value: []byte{1, 2, 3, 4, 5, 6}}, {Value: []byte{0x3f, 1, 2, 3, 4, 5, 6, 7, 8}}},
			[]byte{6, 5, 4, 3, 2, 1, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 2, 1, 0x3f, 0}},
		{1, []ir.Match{{Value: []byte{10, 1, 0, 0}, PrefixLen: 16}, {Value: []byte{0x0a, 0xbc}}},
			[]byte{32, 0, 0, 0, 0xbc, 0x0a, 10, 1, 0, 0}},
		{2, []ir.Match{{Value: []byte{1, 2, 3, 0, 0, 0}, PrefixLen: 24}}, []byte{40, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0}},
	} {
		k := l.Tables[c.table].Engine.(Keyed)
		got, err := k.EncodeKey(&ir.Entry{Match: c.match})
		if err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("table %d: key % x, %v, want % x", c.table, got, err, c.want)
			continue
		}
		back, err := k.DecodeKey(got)
		if err != nil {
			t.Error(err)
		}
		for i := range back {
			if !bytes.Equal(back[i].Value, c.match[i].Value) || back[i].PrefixLen != c.match[i].PrefixLen {
				t.Errorf("table %d key %d: %v, want %v", c.table, i, back[i], c.match[i])
			}
		}
	}
	if _, err := l.Tables[0].Engine.(Keyed).EncodeKey(&ir.Entry{}); err == nil {
		t.Error("a match without fields must be refused")
	}
}

// D2: seven bytes of parameters go into the word, more into a slot.
func TestEntryWord(t *testing.T) {
	l := plan(t, table("t", 8, []ir.Key{key("a", 32, ir.MatchExact)}, action("NoAction"), action("small", 9, 47), action("wide", 9, 48, 128)))
	tl := l.Tables[0]
	small := &ir.Entry{Action: 1, Args: [][]byte{{1, 3}, {0x7f, 1, 2, 3, 4, 5}}}
	w, slot := tl.EncodeWord(small, 77)
	if want := uint64(1)<<56 | 0x103 | 0x7f0102030405<<9; w != want || slot {
		t.Errorf("D2: word %#x slot %v, want %#x", w, slot, want)
	}
	v6 := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	wide := &ir.Entry{Action: 2, Args: [][]byte{{1, 3}, {1, 2, 3, 4, 5, 6}, v6}}
	w, slot = tl.EncodeWord(wide, 77)
	if w != 2<<56|77 || !slot || !tl.NeedsSlot(2) || tl.NeedsSlot(1) {
		t.Errorf("D2: word %#x slot %v", w, slot)
	}
	for _, e := range []*ir.Entry{small, wide} {
		w, _ := tl.EncodeWord(e, 77)
		a, args, err := tl.DecodeWord(w, func(s uint32) ([]byte, error) { return tl.EncodeData(e), nil })
		if err != nil || a != e.Action || len(args) != len(e.Args) {
			t.Fatal(a, args, err)
		}
		for i := range args {
			if !bytes.Equal(args[i], e.Args[i]) {
				t.Errorf("arg %d: % x, want % x", i, args[i], e.Args[i])
			}
		}
	}
	if _, _, err := tl.DecodeWord(9<<56, nil); err == nil {
		t.Error("unknown action must be refused")
	}
}

func TestLinearRows(t *testing.T) {
	l := plan(t, table("t", 8, []ir.Key{key("d", 32, ir.MatchTernary), key("p", 16, ir.MatchRange), key("v", 12, ir.MatchOptional), key("s", 40, ir.MatchLPM)}, action("NoAction")))
	e := l.Tables[0].Engine.(*Linear)
	if e.RowSize != 8*(2*2+2+1) {
		t.Fatalf("row of %d bytes", e.RowSize)
	}
	b, err := e.EncodeRows([]ir.Entry{
		{Handle: 1, Priority: 5, Match: []ir.Match{{Value: []byte{10, 0, 0, 0}, Mask: []byte{255, 0, 0, 0}}, {}, {}, {Value: []byte{1, 2, 0, 0, 0}, PrefixLen: 15}}},
		{Handle: 2, Priority: 9, Match: []ir.Match{{}, {Value: []byte{0, 80}, Mask: []byte{1, 0}}, {Value: []byte{0, 7}}, {}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := e.DecodeRows(b)
	if err != nil || len(rows) != 2 || rows[0].Handle != 2 || rows[1].Handle != 1 {
		t.Fatal(rows, err)
	}
	m := rows[1].Match
	if !bytes.Equal(m[0].Value, []byte{10, 0, 0, 0}) || !bytes.Equal(m[0].Mask, []byte{255, 0, 0, 0}) ||
		!bytes.Equal(m[1].Value, []byte{0, 0}) || !bytes.Equal(m[1].Mask, []byte{255, 255}) ||
		!bytes.Equal(m[3].Mask, []byte{0xff, 0xfe, 0, 0, 0}) {
		t.Errorf("row %v", m)
	}
	if h, c := e.Active(e.ControlWord(1, 7)); h != 1 || c != 7 {
		t.Error(h, c)
	}
	if _, err := e.EncodeRows(make([]ir.Entry, 9)); err == nil {
		t.Error("nine entries in eight rows must be refused")
	}
}

// Rows of tables with priorities: priority, then handle, whatever the prefixes;
// signed bounds keep their order.
func TestLinearOrder(t *testing.T) {
	signed := ir.Key{Name: "i", Kind: ir.MatchRange, Expr: &ir.VarRef{Meta: ir.Meta{T: &ir.Int{W: 8}}, Var: &ir.Var{Name: "i", Type: &ir.Int{W: 8}}}}
	l := plan(t, table("t", 8, []ir.Key{key("p", 16, ir.MatchLPM), signed}, action("NoAction")))
	e := l.Tables[0].Engine.(*Linear)
	entry := func(handle uint32, prio int32, length int, lo, hi int8) ir.Entry {
		return ir.Entry{Handle: handle, Priority: prio, Match: []ir.Match{{Value: []byte{1, 0}, PrefixLen: length}, {Value: []byte{byte(lo)}, Mask: []byte{byte(hi)}}}}
	}
	b, err := e.EncodeRows([]ir.Entry{entry(3, 5, 16, -1, 1), entry(1, 5, 8, -128, 127), entry(2, 6, 8, 0, 5)})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := e.DecodeRows(b)
	if err != nil || len(rows) != 3 || rows[0].Handle != 2 || rows[1].Handle != 1 || rows[2].Handle != 3 {
		t.Fatal(rows, err)
	}
	if m := rows[2].Match[1]; m.Value[0] != 0xff || m.Mask[0] != 1 {
		t.Errorf("bounds %x..%x", m.Value, m.Mask)
	}
	r := e.ranges[0]
	for row, want := range [][2]uint64{{0x80, 0x85}, {0, 0xff}, {0x7f, 0x81}} {
		at := row*e.RowSize + 8*r.Word
		if lo, hi := nativeEndian.Uint64(b[at:]), nativeEndian.Uint64(b[at+8:]); lo != want[0] || hi != want[1] {
			t.Errorf("row %d: %#x..%#x, want %#x", row, lo, hi, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	p := &ir.Program{Files: []ir.SourceFile{{Path: "a.p4"}}}
	for _, c := range []struct {
		name string
		t    *ir.Table
		want string
	}{
		{"size", &ir.Table{Name: "T", Size: 5000000, Keys: []ir.Key{key("a", 8, ir.MatchTernary)}, Pos: ir.Pos{Line: 7}},
			"a.p4:7: table T: size 5000000 is over 4194304 entries (declare a smaller size)"},
		{"two lpm", &ir.Table{Name: "T", Keys: []ir.Key{key("a", 8, ir.MatchLPM), {Name: "b", Kind: ir.MatchLPM, Expr: key("b", 8, 0).Expr, Pos: ir.Pos{Line: 4}}}},
			"a.p4:4: table T: key b is its second of kind lpm: which of two entries is longer is not defined (make all but one ternary)"},
		{"selector", &ir.Table{Name: "T", Keys: []ir.Key{{Name: "s", Kind: ir.MatchSelector, Expr: key("s", 8, 0).Expr, Pos: ir.Pos{Line: 3}}}},
			"a.p4:3: table T: key s: match kind selector needs an action selector as the table's implementation"},
		{"implementation", &ir.Table{Name: "T", Implementation: &ir.Instance{Name: "x", Type: &ir.ExternType{Name: "Hash"}}},
			"table T: its implementation x is no action profile or selector"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.Tables = []*ir.Table{c.t}
			_, err := PlanLayout(p, 1)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestInstances(t *testing.T) {
	size := func(n int64) []ir.Expr { return []ir.Expr{&ir.Const{Val: big.NewInt(n)}} }
	p := &ir.Program{Instances: []*ir.Instance{
		{Name: "c", Type: &ir.ExternType{Name: "counter"}, Args: size(10)},
		{Name: "r", Type: &ir.ExternType{Name: "register", Args: []ir.Type{&ir.Bit{W: 100}}}, Args: size(4)},
		{Name: "big", Type: &ir.ExternType{Name: "counter"}, Args: size(300000)},
	}}
	l, err := PlanLayout(p, 4)
	if err != nil {
		t.Fatal(err)
	}
	if c := l.Instances[0].Counter; c.Stride != 12 || c.Map.MaxEntries != 48 || c.Index(3, 9) != 45 || c.Copies(4) != 4 {
		t.Errorf("D12: %+v", c)
	}
	if c := l.Instances[2].Counter; c.Stride != 0 || c.Map.MaxEntries != 300000 || c.Copies(4) != 1 {
		t.Errorf("D12: %+v", c)
	}
	if r := l.Instances[1].Register; r.ValueSize != 16 || r.MaxEntries != 4 {
		t.Errorf("%+v", r)
	}
	p.Instances = append(p.Instances, &ir.Instance{Name: "z", Type: &ir.ExternType{Name: "counter"}, Args: size(0)})
	if l, err = PlanLayout(p, 4); err != nil {
		t.Fatal(err)
	}
	if z := l.Instances[3]; z.Cells != 0 || z.Counter.Map.MaxEntries == 0 {
		t.Errorf("a counter without cells: %+v", z)
	}
	for name, c := range map[string]struct {
		in   *ir.Instance
		want string
	}{
		"too many": {&ir.Instance{Name: "m", Type: &ir.ExternType{Name: "meter"}, Args: size(1 << 23)}, "meter m: size 8388608 is not in 0..4194304"},
		"no size":  {&ir.Instance{Name: "m", Type: &ir.ExternType{Name: "Counter"}}, "Counter m: its size is missing"},
		"varbit":   {&ir.Instance{Name: "r", Type: &ir.ExternType{Name: "register", Args: []ir.Type{&ir.Varbit{Max: 8}}}, Args: size(1)}, "register r: cells of type varbit<8> have no fixed size"},
		"wide":     {&ir.Instance{Name: "r", Type: &ir.ExternType{Name: "register", Args: []ir.Type{&ir.Bit{W: 128}}}, Args: size(1 << 24)}, "register r: its cells take more than 134217728 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := PlanLayout(&ir.Program{Instances: []*ir.Instance{c.in}}, 1)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

// A program with more tables than the kernel lets it have maps: they share, and
// each finds its own entries.
func TestSharedMaps(t *testing.T) {
	netnstest.NeedBPF(t)
	const n = 40
	var tabs []*ir.Table
	for i := range n {
		// In turns by array and by hash, with small and large actions.
		tabs = append(tabs, table(fmt.Sprintf("t%d", i), 16, []ir.Key{key("a", 16+16*(i&1), ir.MatchExact)}, action("NoAction"), action("a", 48+8*(i&2), 32)))
	}
	l := plan(t, tabs...)
	if m := len(l.Maps()); m > maxMaps-otherMaps {
		t.Fatalf("%d maps", m)
	}
	fn := newFn(l)
	entry, ok, short := fn.block("entry"), fn.block("ok", ssa.Ptr), fn.block("short")
	short.drop(ssa.DropParser)
	entry.check(entry.c(32, 0), 8, to(ok), to(short))
	v := ok.load(ok.param(0), 0, 8)
	sum := ok.c(32, 0)
	for i, tab := range tabs {
		k := ok.op(ssa.OpTrunc, ssa.Type(16+16*(i&1)), v)
		word := ok.sym(ssa.OpEntry, 64, tab, ok.sym(ssa.OpLookup, 32, tab, k))
		arg := ok.sym(ssa.OpActionArg, 32, tab, word)
		arg.Action, arg.Param = 1, 1
		sum = ok.op(ssa.OpAdd, 32, sum, arg)
	}
	ok.output(sum)
	k := compileLoad(t, fn.Func, l, Options{Hook: XDP, StartOffset: 14, Harness: true})
	want := make([]int, 20)
	for i := range tabs {
		for h := range uint32(16) {
			e := ir.Entry{Handle: h, Action: 1, Args: [][]byte{{byte(i)}, {0, byte(i), 1, byte(h)}}}
			at := uint32(0)
			if h > 0 {
				at = (h*7+uint32(i))%15 + 1 // another key in each table
				e.Match = []ir.Match{{Value: []byte{byte(at)}}}
			}
			want[at] += i<<16 | 1<<8 | int(h)
			k.insert(i, e)
		}
	}
	for h := range 20 {
		w := want[h]
		if h > 15 {
			w = want[0]
		}
		if got, _ := k.run(0, []byte{0, 0, 0, 0, 0, 0, 0, byte(h)}); got != w {
			t.Errorf("key %d: %#x, want %#x", h, got, w)
		}
	}
}
