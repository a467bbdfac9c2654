// Package p4info makes the P4Info and the initial entries of a typed program,
// with the ids, aliases and names that p4c gives them, so that controllers
// written against p4c's output work unchanged.
//
// In: an ir.Program at level typed (names and annotations are whole there).
// Out: p4.config.v1.P4Info, p4.v1.WriteRequest, both also as canonical text and
// JSON.
// Must not import: the front end (ast, types), passes, runtime.
//
// Rules P1-P27 are those of the P4Info checklist in docs/checklists.
package p4info

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// TableSize is the number of entries P4Info promises for t: its size, else the
// number of its const entries' default of 1024 (P16).
func TableSize(t *ir.Table) int64 {
	if t.Size > 0 {
		return int64(t.Size)
	}
	return defaultTableSize
}

const defaultTableSize = 1024
