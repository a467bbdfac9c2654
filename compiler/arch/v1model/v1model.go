// Package v1model describes the architecture v1model: the package V1Switch of
// p4src/arch/v1model.p4 with its six blocks (lang:V1) and the table properties
// of lang:V46.
//
// In: nothing. Out: a desc.Arch. It imports compiler/arch/desc and compiler/ir
// only.
package v1model

import (
	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/ir"
)

// Arch returns the description.
func Arch() *desc.Arch {
	return &desc.Arch{
		Name:    "v1model",
		Package: "V1Switch",
		Slots: []desc.Slot{
			{Name: "p", Kind: ir.Parser},
			{Name: "vr", Kind: ir.Control},
			{Name: "ig", Kind: ir.Control},
			{Name: "eg", Kind: ir.Control},
			{Name: "ck", Kind: ir.Control},
			{Name: "dep", Kind: ir.Control},
		},
		Props: desc.Props{
			Counters:       "counters",
			Meters:         "meters",
			Implementation: "implementation",
			IdleTimeout:    []string{"support_timeout"},
		},
	}
}
