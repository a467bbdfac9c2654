package ssa

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the results into testdata")

// coreProgram reads a core program; %v1model% stands for the architecture's
// declarations.
func coreProgram(t testing.TB, text string) *ir.Program {
	t.Helper()
	arch, err := os.ReadFile("testdata/v1model.ir")
	if err != nil {
		t.Fatal(err)
	}
	text = "p4nic-ir 1 core\n" + strings.Replace(text, "%v1model%\n", string(arch), 1)
	p, err := ir.Parse("test.ir", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// file gives a section of an archive.
func file(t testing.TB, a *txtar.Archive, name string) *txtar.File {
	t.Helper()
	for i := range a.Files {
		if a.Files[i].Name == name {
			return &a.Files[i]
		}
	}
	t.Fatalf("no section %s", name)
	return nil
}

// sample lowers testdata/lower/NAME.txtar.
func sample(t testing.TB, name string, opt Options) *Func {
	t.Helper()
	a, err := txtar.ParseFile("testdata/lower/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Lower(coreProgram(t, string(file(t, a, "core.ir").Data)), opt)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestLower compares the SSA of programs with goldens, and reads the text back.
func TestLower(t *testing.T) {
	paths, err := filepath.Glob("testdata/lower/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no programs", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p := coreProgram(t, string(file(t, a, "core.ir").Data))
			f, err := Lower(p, Options{})
			if err != nil {
				t.Fatal(err)
			}
			text := f.String()
			g, err := Parse(text, p)
			if err != nil {
				t.Fatal(err)
			}
			if again := g.String(); again != text {
				t.Errorf("the text read back prints as\n%s\nnot as\n%s", again, text)
			}
			want := file(t, a, "want.ssa")
			if *update {
				want.Data = []byte(text)
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(want.Data, []byte(text)) {
				t.Errorf("lowered to\n%s", text)
			}
		})
	}
}
