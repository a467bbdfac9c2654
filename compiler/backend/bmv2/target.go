package bmv2

import (
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// archTarget is what the JSON of one architecture looks like: which blocks it has,
// what their parameters are called, and what its switch calls them.
type archTarget struct {
	arch, pkg string
	slots     []archSlot
	// Names in the JSON, by index in slots.
	parsers, pipelines, deparsers []named
	verify, update                int // the blocks of checksums, -1
}

type named struct {
	name string
	slot int
}

// archSlot is a block. Parameters of one role are one place, handed from block to
// block; "" is the packet.
type archSlot struct {
	slot     string
	kind     ir.BlockKind
	optional bool
	roles    []string
}

// Roles that are not the program's: metadata of the architecture, an instance of
// the JSON by this name.
func metadataOf(role string) string {
	if strings.HasPrefix(role, "psa_") || strings.HasPrefix(role, "pna_") || role == metadataName {
		return role
	}
	return ""
}

// targetOf is the target of an architecture, nil for one without JSON.
func targetOf(arch string) *archTarget {
	switch arch {
	case "v1model":
		return &archTarget{
			arch: arch, pkg: "V1Switch",
			slots: []archSlot{
				{"p", ir.Parser, false, []string{"", "hdr", "meta", metadataName}},
				{"vr", ir.Control, false, []string{"hdr", "meta"}},
				{"ig", ir.Control, false, []string{"hdr", "meta", metadataName}},
				{"eg", ir.Control, false, []string{"hdr", "meta", metadataName}},
				{"ck", ir.Control, false, []string{"hdr", "meta"}},
				{"dep", ir.Control, false, []string{"", "hdr"}},
			},
			parsers: []named{{"parser", 0}}, pipelines: []named{{"ingress", 2}, {"egress", 3}}, deparsers: []named{{"deparser", 5}},
			verify: 1, update: 4,
		}
	case "psa":
		return &archTarget{
			arch: arch, pkg: "PSA_Switch",
			slots: []archSlot{
				{"ip", ir.Parser, false, []string{"", "hdr", "meta", "psa_ingress_parser_input_metadata", "resubmit_meta", "recirculate_meta"}},
				{"ig", ir.Control, false, []string{"hdr", "meta", "psa_ingress_input_metadata", "psa_ingress_output_metadata"}},
				{"id", ir.Control, false, []string{"", "clone_i2e_meta", "resubmit_meta", "normal_meta", "hdr", "meta", "psa_ingress_output_metadata"}},
				{"ep", ir.Parser, false, []string{"", "egress_hdr", "egress_meta", "psa_egress_parser_input_metadata", "normal_meta", "clone_i2e_meta", "clone_e2e_meta"}},
				{"eg", ir.Control, false, []string{"egress_hdr", "egress_meta", "psa_egress_input_metadata", "psa_egress_output_metadata"}},
				{"ed", ir.Control, false, []string{"", "clone_e2e_meta", "recirculate_meta", "egress_hdr", "egress_meta", "psa_egress_output_metadata", "psa_egress_deparser_input_metadata"}},
			},
			parsers:   []named{{"ingress_parser", 0}, {"egress_parser", 3}},
			pipelines: []named{{"ingress", 1}, {"egress", 4}}, deparsers: []named{{"ingress_deparser", 2}, {"egress_deparser", 5}},
			verify: -1, update: -1,
		}
	case "pna":
		return &archTarget{
			arch: arch, pkg: "PNA_NIC",
			slots: []archSlot{
				{"main_parser", ir.Parser, false, []string{"", "hdr", "meta", "pna_main_parser_input_metadata"}},
				{"pre_control", ir.Control, true, []string{"hdr", "meta", "pna_pre_input_metadata", "pna_pre_output_metadata"}},
				{"main_control", ir.Control, false, []string{"hdr", "meta", "pna_main_input_metadata", "pna_main_output_metadata"}},
				{"main_deparser", ir.Control, false, []string{"", "hdr", "meta", "pna_main_output_metadata"}},
			},
			parsers: []named{{"main_parser", 0}}, pipelines: []named{{"pre_control", 1}, {"main_control", 2}}, deparsers: []named{{"main_deparser", 3}},
			verify: -1, update: -1,
		}
	}
	return nil
}
