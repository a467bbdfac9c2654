package nicctl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/p4info"
)

// loadedProgram is a program as the commands that run one need it.
type loadedProgram struct {
	typed *ir.Program // of P4 source only
	core  *ir.Program
	info  *p4configv1.P4Info
}

// loadProgram reads P4 source, bmv2 JSON (whose P4Info is in the file infoPath) or
// a bundle, told apart by the file's extension. Diagnostics of source are printed.
func loadProgram(cmd *cobra.Command, src sourceFlags, path, infoPath string) (loadedProgram, error) {
	switch filepath.Ext(path) {
	case ".p4":
		res, err := driver.Compile(src.options(path))
		if err := report(cmd, res, err, false); err != nil {
			return loadedProgram{}, fmt.Errorf("%s does not compile", path)
		}
		return loadedProgram{res.Typed, res.Core, res.Control.Info}, nil
	case ".json":
		p, info, err := importJSON(path, infoPath)
		return loadedProgram{core: p, info: info}, err
	case ".nicpkg":
		raw, err := os.ReadFile(path)
		if err != nil {
			return loadedProgram{}, err
		}
		b, err := bundle.Read(raw)
		if err != nil {
			return loadedProgram{}, fmt.Errorf("%s: %w", path, err)
		}
		return loadedProgram{core: b.Program, info: b.P4Info}, nil
	}
	return loadedProgram{}, fmt.Errorf("%s: a program is .p4, .json or .nicpkg", path)
}

// importJSON reads bmv2 JSON and the P4Info that belongs to it.
func importJSON(path, infoPath string) (*ir.Program, *p4configv1.P4Info, error) {
	if infoPath == "" {
		return nil, nil, usageError{fmt.Errorf("%s: --p4info is needed with bmv2 JSON", path)}
	}
	text, err := os.ReadFile(infoPath)
	if err != nil {
		return nil, nil, err
	}
	info, err := p4info.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", infoPath, err)
	}
	js, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	p, err := bmv2.Import(js, info, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, info, nil
}
