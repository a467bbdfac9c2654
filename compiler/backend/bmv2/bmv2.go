// Package bmv2 writes and reads the JSON that simple_switch, psa_switch and pna_nic
// load and p4c produces (version 2.24 of the format), for the architectures v1model,
// psa and pna.
//
// Export: in a core program, out JSON that its switch loads. Import: in JSON,
// ours or p4c's, and the P4Info that belongs to it, out a core program that runs
// on every engine (D4).
// Must not import: the front end, ssa, other back ends, runtime.
//
// What the format cannot say is refused with an *Error that names the construct.
package bmv2

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Error says what cannot be exported or imported, and where.
type Error struct {
	// At is the place: "FILE:LINE" of the P4 program on export, the path in the
	// JSON ("pipelines[0].tables[3].key[1]") or "LINE:COL" on import.
	At        string
	Construct string // "table ig.t", "primitive clone3"
	Reason    string
}

func (e *Error) Error() string {
	s := e.Construct + ": " + e.Reason
	if e.At != "" {
		s = e.At + ": " + s
	}
	return s
}

// refusal carries an *Error up to Export or Import.
type refusal struct{ err *Error }

// catch turns a refusal into an error.
func catch(err *error) {
	if x := recover(); x != nil {
		r, ok := x.(refusal)
		if !ok {
			panic(x)
		}
		*err = r.err
	}
}

// where words an IR position.
func where(p *ir.Program, pos ir.Pos) string {
	if !pos.IsValid() || int(pos.File) >= len(p.Files) {
		return ""
	}
	return fmt.Sprintf("%s:%d", p.Files[pos.File].Path, pos.Line)
}
