package passes_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
)

var update = flag.Bool("update", false, "rewrite want.ir of the txtar files")

// Each file of testdata is one pass on one program: the part of the name up to
// the first "_" is the pass. The comment begins with the checklist ids it covers.
func TestPasses(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata: %v, %d files", err, len(files))
	}
	covered := map[string]bool{}
	for _, file := range files {
		base := strings.TrimSuffix(filepath.Base(file), ".txtar")
		name, _, _ := strings.Cut(base, "_")
		covered[name] = true
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(ids(string(ar.Comment))+base, func(t *testing.T) {
			in, want := section(t, ar, "in.ir"), section(t, ar, "want.ir")
			p, err := ir.Parse(file, in.Data)
			if err != nil {
				t.Fatal(err)
			}
			if err := passes.RunOne(name, p); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := p.Print(&got, ir.PrintOptions{NoPos: true}); err != nil {
				t.Fatal(err)
			}
			if *update {
				want.Data = got.Bytes()
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got.Bytes(), want.Data) {
				t.Errorf("after %s:\n%s\nwant:\n%s", name, got.Bytes(), want.Data)
			}
			again, err := ir.Parse(file, got.Bytes())
			if err != nil {
				t.Fatalf("the result does not parse: %v", err)
			}
			if text := again.String(); !strings.Contains(text, "program") {
				t.Errorf("the result printed again is %q", text)
			}
		})
	}
	pl, err := passes.Pipeline()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range pl.Names() {
		if !covered[name] {
			t.Errorf("pass %s has no file in testdata", name)
		}
	}
}

// ids gives the leading words of a comment that are checklist ids, as a prefix
// of the test's name.
func ids(comment string) string {
	var out []string
	for _, w := range strings.Fields(comment) {
		if !strings.ContainsAny(w, "0123456789") {
			break
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		return ""
	}
	return strings.Join(out, ",") + "/"
}

func section(t *testing.T, ar *txtar.Archive, name string) *txtar.File {
	t.Helper()
	for i := range ar.Files {
		if ar.Files[i].Name == name {
			return &ar.Files[i]
		}
	}
	t.Fatalf("no section %s", name)
	return nil
}
