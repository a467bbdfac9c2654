package storetest

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Builder makes core programs of tables alone.
type Builder struct{ Program *ir.Program }

// NewBuilder starts a program.
func NewBuilder(name string) *Builder {
	return &Builder{&ir.Program{Level: ir.Core, Arch: "v1model", Name: name}}
}

// Action adds an action, once a name; params are "name" and width in turn.
func (b *Builder) Action(name string, params ...any) *ir.Action {
	for _, a := range b.Program.Actions {
		if a.Name == name {
			return a
		}
	}
	a := &ir.Action{Name: name}
	for i := 0; i < len(params); i += 2 {
		a.Params = append(a.Params, &ir.Var{Name: params[i].(string), Type: &ir.Bit{W: params[i+1].(int)}})
	}
	b.Program.Actions = append(b.Program.Actions, a)
	return a
}

// Key makes a key field.
func Key(name string, kind ir.MatchKind, width int) ir.Key {
	t := &ir.Bit{W: width}
	return ir.Key{Name: name, Kind: kind, Expr: &ir.VarRef{Meta: ir.Meta{T: t}, Var: &ir.Var{Name: name, Type: t}}}
}

// Table adds a table; the first action is the default.
func (b *Builder) Table(name string, size int, counter bool, keys []ir.Key, actions ...*ir.Action) *ir.Table {
	t := &ir.Table{Name: name, Size: size, Keys: keys, HasDefault: true}
	for _, a := range actions {
		t.Actions = append(t.Actions, ir.ActionRef{Action: a})
	}
	for range t.Actions[0].Action.DataParams() {
		t.DefaultArgs = append(t.DefaultArgs, new(big.Int))
	}
	if counter {
		t.Counters = &ir.Instance{Name: name + "_counter", Type: &ir.ExternType{Name: "direct_counter"}}
		b.Program.Instances = append(b.Program.Instances, t.Counters)
	}
	b.Program.Tables = append(b.Program.Tables, t)
	return t
}

// Counter adds an indirect counter.
func (b *Builder) Counter(name string, size int64) {
	b.Program.Instances = append(b.Program.Instances, &ir.Instance{Name: name, Type: &ir.ExternType{Name: "counter"},
		Args: []ir.Expr{&ir.Const{Meta: ir.Meta{T: &ir.Bit{W: 32}}, Val: big.NewInt(size)}}})
}

// Value is an exact set of an entry.
func Value(v int64) ir.Set { return ir.Set{Kind: ir.SetValue, Lo: big.NewInt(v)} }

// Masked is a ternary or prefix set of an entry.
func Masked(v, m int64) ir.Set {
	return ir.Set{Kind: ir.SetMask, Lo: big.NewInt(v), Hi: big.NewInt(m)}
}

// Ints makes arguments.
func Ints(vs ...int64) []*big.Int {
	var out []*big.Int
	for _, v := range vs {
		out = append(out, big.NewInt(v))
	}
	return out
}

// Tables of Program, in order.
const (
	Exact    = iota // a exact 16, b exact 9; size 4; counter
	ACL             // src ternary 32, port range 16, proto optional 8; size 64; counter
	Routes          // dst lpm 32; size 1024
	Const           // k ternary 8; const entries; const default; counter
	Init            // k exact 8; initial entries 1 (const) and 2; size 8
	Keyless         // no key; counter
	TheConst        // k exact 8; const default
)

// Program makes the program most tests use. Variants change it as a later
// version of the same program might:
//
//	""          as described beside the constants
//	"same"      another program with the same tables
//	"grown"     Exact has size 8, Routes is last, ACL's keys are in another order
//	"noroutes"  without Routes
//	"widekey"   Exact's key a has 32 bits
//	"noset"     without action set
//	"smaller"   ACL holds 2 entries
//	"exactinit" Exact has the initial entry 100, 0
//	"init"      Init has initial entries 1 (const), 3 and 4 (const)
//	"objects..." see objectsProgram
func Program(variant string) (*ir.Program, error) {
	if v, ok := strings.CutPrefix(variant, "objects"); ok {
		return objectsProgram(v)
	}
	b := NewBuilder("tables")
	none := b.Action("NoAction")
	set := b.Action("ingress.set", "port", 9, "mac", 48)
	drop := b.Action("ingress.drop")
	only := b.Action("ingress.default_only", "x", 8)
	tonly := b.Action("ingress.table_only")
	switch variant {
	case "", "same", "grown", "noroutes", "widekey", "smaller", "init", "exactinit":
	case "noset":
		set = b.Action("ingress.set2", "port", 9, "mac", 48)
	default:
		return nil, fmt.Errorf("no variant %q", variant)
	}
	a, size := 16, 4
	if variant == "widekey" {
		a = 32
	}
	if variant == "grown" {
		size = 8
	}
	exact := b.Table("ingress.exact", size, true, []ir.Key{Key("hdr.a", ir.MatchExact, a), Key("hdr.b", ir.MatchExact, 9)}, none, set, drop, only, tonly)
	exact.Actions[3].DefaultOnly = true
	exact.Actions[4].TableOnly = true
	if variant == "exactinit" {
		exact.HasEntries = true
		exact.Entries = []ir.ConstEntry{{Sets: []ir.Set{Value(100), Value(0)}, Action: 2}}
	}
	keys := []ir.Key{Key("src", ir.MatchTernary, 32), Key("port", ir.MatchRange, 16), Key("proto", ir.MatchOptional, 8)}
	if variant == "grown" {
		keys = []ir.Key{keys[2], keys[0], keys[1]}
	}
	size = 64
	if variant == "smaller" {
		size = 2
	}
	b.Table("ingress.acl", size, true, keys, drop, none, set)
	routes := func() {
		b.Table("ingress.routes", 0, false, []ir.Key{Key("dst", ir.MatchLPM, 32)}, none, set)
	}
	if variant != "grown" && variant != "noroutes" {
		routes()
	}
	con := b.Table("ingress.const", 0, true, []ir.Key{Key("k", ir.MatchTernary, 8)}, drop, set)
	con.HasEntries, con.ConstEntries, con.ConstDefault = true, true, true
	con.Entries = []ir.ConstEntry{
		{Sets: []ir.Set{Masked(0x10, 0xf0)}, Action: 1, Args: Ints(1, 2), Priority: 2, Const: true},
		{Sets: []ir.Set{{Kind: ir.SetAny}}, Action: 0, Priority: 1, Const: true},
	}
	init := b.Table("ingress.init", 8, false, []ir.Key{Key("k", ir.MatchExact, 8)}, none, drop, set)
	init.HasEntries = true
	init.Entries = []ir.ConstEntry{
		{Sets: []ir.Set{Value(1)}, Action: 1, Const: true},
		{Sets: []ir.Set{Value(2)}, Action: 2, Args: Ints(3, 4)},
	}
	if variant == "init" {
		init.Entries = []ir.ConstEntry{
			{Sets: []ir.Set{Value(1)}, Action: 1, Const: true},
			{Sets: []ir.Set{Value(3)}, Action: 1},
			{Sets: []ir.Set{Value(4)}, Action: 1, Const: true},
		}
	}
	b.Table("ingress.keyless", 0, true, nil, none, set)
	b.Table("ingress.theconst", 16, false, []ir.Key{Key("k", ir.MatchExact, 8)}, none, set).ConstDefault = true
	if variant == "grown" {
		routes()
	}
	b.Counter("ingress.cells", 8)
	return b.Program, nil
}
