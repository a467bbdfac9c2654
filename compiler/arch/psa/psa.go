// Package psa describes the Portable Switch Architecture: the package PSA_Switch
// of p4src/arch/psa.p4 (lang:S1) and the table properties of lang:S35.
//
// The IR of a PSA program has Program.Arch "psa" and six slots, named by the
// parameters of the two pipeline packages:
//
//	slot  block              parameters, in order
//	ip    IngressParser      packet_in buffer, out H, inout M, in psa_ingress_parser_input_metadata_t, in RESUBM, in RECIRCM
//	ig    Ingress            inout H, inout M, in psa_ingress_input_metadata_t, inout psa_ingress_output_metadata_t
//	id    IngressDeparser    packet_out, out CI2EM, out RESUBM, out NM, inout H, in M, in psa_ingress_output_metadata_t
//	ep    EgressParser       packet_in buffer, out H, inout M, in psa_egress_parser_input_metadata_t, in NM, in CI2EM, in CE2EM
//	eg    Egress             inout H, inout M, in psa_egress_input_metadata_t, inout psa_egress_output_metadata_t
//	ed    EgressDeparser     packet_out, out CE2EM, out RECIRCM, inout H, in M, in psa_egress_output_metadata_t, in psa_egress_deparser_input_metadata_t
//
// The packet replication engine and the buffering engine are ir.Instances of the
// types PacketReplicationEngine and BufferingQueueingEngine where the program
// declares them by name; nothing refers to them. Extern objects keep the names of psa.p4: a method is Callee.Extern
// "Register.read" with Object set; overloads differ in the number of arguments
// ("Hash.get_hash" has one or three, "Meter.execute" one or two, the constructor
// of Register one or two). psa_clone_i2e, psa_normal and their like are extern
// functions with a result; send_to_port, multicast, ingress_drop and egress_drop
// are actions written in P4. Newtypes such as PortId_t are ir.Newtypes at level
// typed. A table that asks for psa_idle_timeout has SupportTimeout.
//
// In: nothing. Out: a desc.Arch. It imports compiler/arch/desc and compiler/ir
// only.
package psa

import (
	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/ir"
)

// Arch returns the description.
func Arch() *desc.Arch {
	return &desc.Arch{
		Name:    "psa",
		Package: "PSA_Switch",
		Slots: []desc.Slot{
			{Name: "ip", Path: "ingress.ip", Kind: ir.Parser},
			{Name: "ig", Path: "ingress.ig", Kind: ir.Control},
			{Name: "id", Path: "ingress.id", Kind: ir.Control},
			{Name: "ep", Path: "egress.ep", Kind: ir.Parser},
			{Name: "eg", Path: "egress.eg", Kind: ir.Control},
			{Name: "ed", Path: "egress.ed", Kind: ir.Control},
		},
		Props: desc.Props{
			Counters:       "psa_direct_counter",
			Meters:         "psa_direct_meter",
			Implementation: "psa_implementation",
			IdleTimeout:    []string{"psa_idle_timeout"},
		},
	}
}
