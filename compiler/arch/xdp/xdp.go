// Package xdp describes the switch of p4src/arch/xdp_model.p4: the package xdp
// with parser, switch and deparser (lang:E9).
//
// The IR has Program.Arch "xdp" and the slots p (packet_in, out H), s (inout H,
// in xdp_input, out xdp_output) and d (in H, packet_out). The property
// implementation is as in package ebpf.
//
// In: nothing. Out: a desc.Arch. It imports compiler/arch/desc and compiler/ir
// only.
package xdp

import (
	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/ir"
)

// Arch returns the description.
func Arch() *desc.Arch {
	return &desc.Arch{
		Name:    "xdp",
		Package: "xdp",
		Slots: []desc.Slot{
			{Name: "p", Kind: ir.Parser},
			{Name: "s", Kind: ir.Control},
			{Name: "d", Kind: ir.Control},
		},
		Props: desc.Props{Implementation: "implementation"},
	}
}
