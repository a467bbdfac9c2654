package bundle

import (
	"errors"

	"github.com/p4nic/p4nic/compiler/ir"
)

// encodeProgram prints the core program as the member pipeline.ir.
func encodeProgram(p *ir.Program) ([]byte, error) {
	return nil, errors.New("the text form of the IR is not linked in")
}

// decodeProgram parses and verifies the member pipeline.ir.
func decodeProgram(data []byte) (*ir.Program, error) {
	return nil, errors.New("the text form of the IR is not linked in")
}
