package exec

import (
	"path/filepath"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// A program from a hostile bundle is refused or runs; it never panics.
func FuzzProgram(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		c, err := packetcase.Load(name)
		if err != nil {
			f.Fatal(err)
		}
		var data []byte
		if len(c.Steps) > 0 {
			data = c.Steps[0].In.Data
		}
		f.Add(c.IR, data)
	}
	f.Fuzz(func(t *testing.T, src, data []byte) {
		p, err := ir.Parse("fuzz", src)
		if err != nil {
			return
		}
		m, err := New(p, Options{MaxSteps: 64, Coverage: true})
		if err != nil {
			return
		}
		m.Process(Packet{Port: 1, Data: data, Trace: true})
	})
}
