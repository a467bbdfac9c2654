// Package arch knows the architectures: it maps the package type that a
// program's `main` instantiates to a description of its blocks, one sub-package
// for each architecture.
//
// In: the name of a package or an architecture. Out: *desc.Arch.
// It must not import ast, types, irgen or any back end.
package arch

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/arch/v1model"
)

// All returns the architectures in the order in which messages list them.
func All() []*desc.Arch {
	return []*desc.Arch{v1model.Arch()}
}

// Lookup finds an architecture by its own name or by the name of its package
// type. The error lists what is known.
func Lookup(name string) (*desc.Arch, error) {
	var known []string
	for _, a := range All() {
		if a.Name == name || a.Package == name {
			return a, nil
		}
		known = append(known, fmt.Sprintf("%s (%s)", a.Package, a.Name))
	}
	return nil, fmt.Errorf("package %s belongs to no architecture that p4nic compiles for; known: %s", name, strings.Join(known, ", "))
}
