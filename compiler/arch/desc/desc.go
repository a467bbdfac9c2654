// Package desc is the form in which an architecture describes itself to the
// compiler: what its package is called, which blocks it has, what its table
// properties mean.
//
// In: nothing. Out: types for compiler/arch and its sub-packages.
// It imports compiler/ir only.
package desc

import "github.com/p4nic/p4nic/compiler/ir"

// Arch describes an architecture.
type Arch struct {
	// Name is what ir.Program.Arch says, e.g. "v1model".
	Name string
	// Package is the type of `main`.
	Package string
	// Slots are the parsers and controls that the package takes, in the order of
	// its parameters; those of a package among the parameters stand in its place.
	Slots []Slot
	// Props are the table properties that have a meaning of their own in the IR.
	Props Props
}

// Slot is one parser or control of the package.
type Slot struct {
	// Name is what ir.Binding.Slot says.
	Name string
	// Path is how the package declares the slot: the parameter's name, with a dot
	// after that of the package it belongs to ("ingress.ip"). Empty: as Name.
	Path string
	Kind ir.BlockKind
	// Optional slots are missing in some versions of the architecture file.
	Optional bool
}

// DeclPath is the slot's path in the package's declaration.
func (s Slot) DeclPath() string {
	if s.Path != "" {
		return s.Path
	}
	return s.Name
}

// Props names table properties; "" where the architecture has none.
type Props struct {
	Counters       string // a direct counter
	Meters         string // a direct meter
	Implementation string // an action profile or selector
	// IdleTimeout properties are a bool, or an enum of which every member but
	// NO_TIMEOUT asks for ageing.
	IdleTimeout []string
}
