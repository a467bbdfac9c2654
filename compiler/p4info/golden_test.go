package p4info_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/p4info"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// P4Info and entries of the programs of testdata, beside them.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.p4")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata: %v, %d files", err, len(files))
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".p4")
		t.Run(filepath.Base(base), func(t *testing.T) {
			res, err := driver.Compile(driver.Options{Path: file})
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Diags.Err(); err != nil {
				t.Fatal(err)
			}
			golden(t, base+".p4info.txtpb", p4info.Text(res.Control.Info))
			golden(t, base+".entries.txtpb", p4info.Text(res.Control.Entries))
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	g, w := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			t.Fatalf("%s:%d: got %q, want %q", file, i+1, g[i], w[i])
		}
	}
	t.Errorf("%s: got %d lines, want %d", file, len(g), len(w))
}
