package storetest

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Tables of the program "objects", in order.
const (
	Selected = iota // k exact 8; action selector ingress.selector, size 4
	Via             // k exact 8; action profile ingress.profile, size 2
	Metered         // k exact 8; size 4; direct meter, counter and idle timeout
)

// objectsProgram has one of everything that P4Runtime programs besides tables.
// Beside the tables it has the meter ingress.meter (4 cells, bytes), the register
// ingress.register (4 cells of bit<12>), the register ingress.pairs (2 cells of a
// struct of bit<8> and int<4>), the value set parser.set (2 members of bit<16>,
// exact, and bit<8>, ternary) and the digest ingress.digest of the struct.
// Variants:
//
//	"objects"        as described
//	"objects-same"   the actions of profiles in another order
//	"objects-noset"  action set of the profiles has another parameter
//	"objects-profile" ingress.selector is an action profile
//	"objects-small"  2 cells and 1 member of everything
//	"objects-bare"   none of it; Metered is a plain table
func objectsProgram(variant string) (*ir.Program, error) {
	b := NewBuilder("objects")
	none := b.Action("NoAction")
	set := b.Action("ingress.set", "port", 9)
	drop := b.Action("ingress.drop")
	actions := []*ir.Action{none, set, drop}
	kind, cells, members, size := "action_selector", int64(4), 2, int64(4)
	switch variant {
	case "", "-bare":
	case "-same":
		actions = []*ir.Action{none, drop, set}
	case "-noset":
		set.Params[0].Type = &ir.Bit{W: 8}
	case "-profile":
		kind = "action_profile"
	case "-small":
		cells, members, size = 2, 1, 1
	default:
		return nil, fmt.Errorf("no variant %q", "objects"+variant)
	}
	key := []ir.Key{Key("k", ir.MatchExact, 8)}
	selected := b.Table("ingress.selected", 4, false, append(key[:1:1], Key("flow", ir.MatchSelector, 16)), actions...)
	if kind == "action_profile" || variant == "-bare" {
		selected.Keys = key
	}
	via := b.Table("ingress.via", 4, false, key, actions...)
	metered := b.Table("ingress.metered", 4, true, key, none, set, drop)
	if variant == "-bare" {
		return b.Program, nil
	}
	instance := func(name, typ string, elem ir.Type, args ...int64) *ir.Instance {
		in := &ir.Instance{Name: name, Type: &ir.ExternType{Name: typ}}
		if elem != nil {
			in.Type.Args = []ir.Type{elem}
		}
		for _, v := range args {
			in.Args = append(in.Args, &ir.Const{Meta: ir.Meta{T: &ir.Bit{W: 32}}, Val: big.NewInt(v)})
		}
		b.Program.Instances = append(b.Program.Instances, in)
		return in
	}
	if kind == "action_selector" {
		selected.Implementation = instance("ingress.selector", kind, nil, 0, size, 14)
	} else {
		selected.Implementation = instance("ingress.selector", kind, nil, size)
	}
	via.Implementation = instance("ingress.profile", "action_profile", nil, 2)
	metered.Meters = instance("ingress.metered_meter", "direct_meter", nil)
	metered.SupportTimeout = true
	instance("ingress.meter", "meter", nil, cells, 1)
	instance("ingress.register", "register", &ir.Bit{W: 12}, cells)
	pair := &ir.Struct{Name: "pair_t", Fields: []ir.Field{{Name: "a", Type: &ir.Bit{W: 8}}, {Name: "b", Type: &ir.Int{W: 4}}}}
	instance("ingress.pairs", "register", pair, 2)
	instance("ingress.digest", "Digest", pair)
	b.Program.ValueSets = append(b.Program.ValueSets, &ir.ValueSet{Name: "parser.set", Size: members, Type: &ir.Struct{Name: "set_t", Fields: []ir.Field{
		{Name: "type", Type: &ir.Bit{W: 16}},
		{Name: "mask", Type: &ir.Bit{W: 8}, Annos: []ir.Annotation{{Name: "match", Kind: ir.AnnoRaw, Text: "ternary"}}},
	}}})
	return b.Program, nil
}
