package ref

import "github.com/p4nic/p4nic/bench"

// Function is a network function with references.
type Function struct {
	Name string // of the command line
	// Make gives the scenario with n entries.
	Make func(h bench.Hook, n int) (*Scenario, error)
}

// All lists the functions.
func All() []Function {
	return []Function{
		{"l2", L2},
		{"l3", L3},
		{"vxlan-encap", VXLANEncap},
		{"vxlan-decap", VXLANDecap},
		{"acl", ACL},
		{"nat44", NAT44},
		{"maglev", Maglev},
	}
}
