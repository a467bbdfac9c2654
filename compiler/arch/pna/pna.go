// Package pna describes the Portable NIC Architecture: the package PNA_NIC of
// p4src/arch/pna.p4 (lang:N1) and the table properties of lang:N28.
//
// The IR of a PNA program has Program.Arch "pna" and these slots, named by the
// parameters of the package:
//
//	slot           block           parameters, in order
//	main_parser    MainParserT     packet_in, out MH, inout MM, in pna_main_parser_input_metadata_t
//	pre_control    PreControlT     in PH, inout PM, in pna_pre_input_metadata_t, inout pna_pre_output_metadata_t
//	main_control   MainControlT    inout MH, inout MM, in pna_main_input_metadata_t, inout pna_main_output_metadata_t
//	main_deparser  MainDeparserT   packet_out, in (bmv2, tc: inout) MH, in MM, in pna_main_output_metadata_t
//
// pre_control is missing in the versions bmv2/pna.p4 and tc/pna.p4; what a
// program's metadata structs hold tells the versions apart (pna.p4: direction,
// pass, loopedback; bmv2 and tc: recirculated). Extern objects keep the names of
// pna.p4: a method is Callee.Extern "Counter.count" with Object set; an absent
// @optional argument is nil. drop_packet, send_to_port, mirror_packet,
// recirculate, add_entry, allocate_flow_id, set_entry_expire_time and
// restart_expire_timer are extern functions; the argument action_name of
// add_entry is an ir.StringLit, action_params a struct or tuple. The properties
// add_on_miss and idle_timeout_with_auto_delete are bool constants in
// Table.Props; a table that asks for pna_idle_timeout has SupportTimeout.
//
// In: nothing. Out: a desc.Arch. It imports compiler/arch/desc and compiler/ir
// only.
package pna

import (
	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/ir"
)

// Arch returns the description.
func Arch() *desc.Arch {
	return &desc.Arch{
		Name:    "pna",
		Package: "PNA_NIC",
		Slots: []desc.Slot{
			{Name: "main_parser", Kind: ir.Parser},
			{Name: "pre_control", Kind: ir.Control, Optional: true},
			{Name: "main_control", Kind: ir.Control},
			{Name: "main_deparser", Kind: ir.Control},
		},
		Props: desc.Props{
			Counters:       "pna_direct_counter",
			Meters:         "pna_direct_meter",
			Implementation: "pna_implementation",
			IdleTimeout:    []string{"pna_idle_timeout", "psa_idle_timeout"},
		},
	}
}
