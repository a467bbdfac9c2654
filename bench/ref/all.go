package ref

import "github.com/p4nic/p4nic/bench"

// Function is a network function with references.
type Function struct {
	Name  string // of the command line
	Sizes []int  // numbers of entries that are measured unless others are asked for
	// Make gives the scenario with n entries.
	Make func(h bench.Hook, n int) (*Scenario, error)
}

// All lists the functions.
func All() []Function {
	return []Function{
		{"l2", []int{1000, 100000}, L2},
		{"l3", []int{1, 1000, 10000, 100000}, L3},
		{"vxlan-encap", []int{1000, 100000}, VXLANEncap},
		{"vxlan-decap", []int{1000, 100000}, VXLANDecap},
		{"acl", []int{100, 1000}, ACL},
		{"nat44", []int{1000, 100000}, NAT44},
		{"maglev", []int{1000, 100000}, Maglev},
	}
}
