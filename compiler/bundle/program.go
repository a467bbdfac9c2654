package bundle

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// encodeProgram prints the core program as the member pipeline.ir. The text
// form has a version of its own in its first line.
func encodeProgram(p *ir.Program) ([]byte, error) {
	return []byte(p.String()), nil
}

// decodeProgram parses and verifies the member pipeline.ir.
func decodeProgram(data []byte) (*ir.Program, error) {
	p, err := ir.Parse(PipelineName, data)
	if err != nil {
		return nil, err
	}
	if p.Level != ir.Core {
		return nil, fmt.Errorf("the program is at level %s, want core", p.Level)
	}
	if err := ir.Check(p); err != nil {
		return nil, err
	}
	return p, nil
}
