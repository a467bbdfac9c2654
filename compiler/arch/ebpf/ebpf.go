// Package ebpf describes the packet filter of p4src/arch/ebpf_model.p4: the
// package ebpfFilter with a parser and a control that accepts or drops (lang:E1).
// xdp_model.p4 has it too (lang:E17).
//
// The IR has Program.Arch "ebpf" and the slots prs (packet_in, out H) and filt
// (inout H, out bool accept). The property implementation becomes
// Table.Size and a string in Table.Props, array_table or hash_table (lang:E5, E6).
//
// In: nothing. Out: a desc.Arch. It imports compiler/arch/desc and compiler/ir
// only.
package ebpf

import (
	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/ir"
)

// Arch returns the description.
func Arch() *desc.Arch {
	return &desc.Arch{
		Name:    "ebpf",
		Package: "ebpfFilter",
		Slots: []desc.Slot{
			{Name: "prs", Kind: ir.Parser},
			{Name: "filt", Kind: ir.Control},
		},
		Props: desc.Props{Implementation: "implementation"},
	}
}
