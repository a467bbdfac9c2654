// Package ubpf describes the architecture of p4src/arch/ubpf_model.p4: the
// package ubpf with parser, pipeline and deparser (lang:E18).
//
// The IR has Program.Arch "ubpf" and the slots prs (packet_in, out H, inout M,
// inout standard_metadata), p (inout H, inout M, inout standard_metadata) and
// dprs (packet_out, in H); with UBPF_MODEL_VERSION below 20200515 there is no
// standard_metadata (lang:E24).
//
// In: nothing. Out: a desc.Arch. It imports compiler/arch/desc and compiler/ir
// only.
package ubpf

import (
	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/ir"
)

// Arch returns the description.
func Arch() *desc.Arch {
	return &desc.Arch{
		Name:    "ubpf",
		Package: "ubpf",
		Slots: []desc.Slot{
			{Name: "prs", Kind: ir.Parser},
			{Name: "p", Kind: ir.Control},
			{Name: "dprs", Kind: ir.Control},
		},
	}
}
