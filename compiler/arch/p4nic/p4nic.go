// Package p4nic describes p4nic's own architecture for NICs: the package P4NIC of
// p4src/arch/p4nic.p4, which builds on PNA's types and externs
// (docs/architecture-p4nic.md).
//
// The IR of such a program has Program.Arch "p4nic" and these slots, named by the
// parameters of the package:
//
//	slot            block               parameters, in order
//	main_parser     MainParserT         packet_in, out MH, inout MM, in pna_main_parser_input_metadata_t
//	main_control    NicMainControlT     inout MH, inout MM, in nic_main_input_metadata_t
//	egress_control  NicEgressControlT   inout MH, inout MM, in nic_egress_input_metadata_t
//	main_deparser   NicDeparserT        packet_out, inout MH, in MM
//
// Extern objects and functions keep the names of pna.p4 and p4nic.p4, properties of
// tables those of PNA (package pna).
//
// In: nothing. Out: a desc.Arch. It imports compiler/arch/desc, compiler/arch/pna
// and compiler/ir only.
package p4nic

import (
	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/arch/pna"
	"github.com/p4nic/p4nic/compiler/ir"
)

// Arch returns the description.
func Arch() *desc.Arch {
	return &desc.Arch{
		Name:    "p4nic",
		Package: "P4NIC",
		Slots: []desc.Slot{
			{Name: "main_parser", Kind: ir.Parser},
			{Name: "main_control", Kind: ir.Control},
			{Name: "egress_control", Kind: ir.Control},
			{Name: "main_deparser", Kind: ir.Control},
		},
		Props: pna.Arch().Props,
	}
}
