package packetcase

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzCase: any text is a case with a program and its entries, or refused.
func FuzzCase(f *testing.F) {
	files, err := filepath.Glob("../../compiler/ir/exec/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("-- names --\na 1\nab 2\n-- entries --\nt: x=$ab -> a()\n-- packets --\nin 1 00\nout 2 00\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse(src)
		if err != nil {
			return
		}
		p, content, err := c.Program()
		if err == nil && len(content) != len(p.Tables) {
			t.Errorf("content of %d tables, there are %d", len(content), len(p.Tables))
		}
	})
}
