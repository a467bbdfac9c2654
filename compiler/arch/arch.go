// Package arch knows the architectures: it maps the package that a program's
// `main` instantiates to a description of its blocks, one sub-package for each
// architecture. An architecture is told by the name and the shape of its
// package, wherever its declaration lies: programs may bring files of their own.
//
// In: the name and the parameters of a package, or the name of an architecture.
// Out: *desc.Arch.
// It must not import ast, types, irgen or any back end.
package arch

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/arch/desc"
	"github.com/p4nic/p4nic/compiler/arch/ebpf"
	"github.com/p4nic/p4nic/compiler/arch/p4nic"
	"github.com/p4nic/p4nic/compiler/arch/pna"
	"github.com/p4nic/p4nic/compiler/arch/psa"
	"github.com/p4nic/p4nic/compiler/arch/ubpf"
	"github.com/p4nic/p4nic/compiler/arch/v1model"
	"github.com/p4nic/p4nic/compiler/arch/xdp"
)

// All returns the architectures in the order in which messages list them.
func All() []*desc.Arch {
	return []*desc.Arch{v1model.Arch(), psa.Arch(), pna.Arch(), p4nic.Arch(), ebpf.Arch(), xdp.Arch(), ubpf.Arch()}
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

// Match finds the architecture of a package by its name and the parsers and
// controls that it takes (their Path and Kind). It returns nil when there is
// none: such a program can be checked and described, not run. The names are
// those of the slots, one for each of have.
func Match(pkg string, have []desc.Slot) (a *desc.Arch, names []string) {
	for _, a := range All() {
		if a.Package != pkg {
			continue
		}
		if names, ok := fit(a.Slots, have); ok {
			return a, names
		}
	}
	return nil, nil
}

func fit(want, have []desc.Slot) ([]string, bool) {
	var names []string
	for _, s := range want {
		switch {
		case len(names) < len(have) && have[len(names)].DeclPath() == s.DeclPath() && have[len(names)].Kind == s.Kind:
			names = append(names, s.Name)
		case !s.Optional:
			return nil, false
		}
	}
	return names, len(names) == len(have)
}
