package passes

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// faultAt is an internal fault: a program that breaks a promise of an earlier
// phase. What a user can cause is refused with pass.Refuse.
func faultAt(p *ir.Program, pos ir.Pos, format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	if pos.IsValid() && int(pos.File) < len(p.Files) && pos.File >= 0 {
		return fmt.Errorf("%s:%d:%d: %s", p.Files[pos.File].Path, pos.Line, pos.Col, msg)
	}
	return fmt.Errorf("%s", msg)
}
