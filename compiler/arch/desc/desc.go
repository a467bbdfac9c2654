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
	// Slots are the package's parameters, in order.
	Slots []Slot
	// Props are the table properties that connect a table to extern objects.
	Props Props
}

// Slot is one parameter of the package.
type Slot struct {
	Name string
	Kind ir.BlockKind
}

// Props names table properties; "" where the architecture has none.
type Props struct {
	Counters       string // a direct counter
	Meters         string // a direct meter
	Implementation string // an action profile or selector
	SupportTimeout string // bool: entries age
}
