package preproc

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/source"
)

// What is misspelt is suggested: directives, and files in the built-in tree, in
// the folders of -I and beside the including file.
func TestSuggestions(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tables.p4", "inc/headers.p4"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	opts := Options{
		FS:          fstest.MapFS{"core.p4": {}, "v1model.p4": {}, "bmv2/psa.p4": {}},
		IncludeDirs: []string{filepath.Join(dir, "inc")},
	}
	tests := []struct{ text, want string }{
		{"#inclde <core.p4>", "include"},
		{"#ifdf A", "ifdef"},
		{"#frob", ""},
		{"#include <v1modl.p4>", "v1model.p4"},
		{"#include <bmv2/ppsa.p4>", "bmv2/psa.p4"},
		{"#include <header.p4>", "headers.p4"},
		{"#include \"table.p4\"", "tables.p4"},
		{"#include <table.p4>", ""}, // not beside the file in this form
		{"#include \"inc/heders.p4\"", "inc/headers.p4"},
		{"#include <nothing_like_it.p4>", ""},
		{"#define F <cor.p4>\n#include F", ""}, // the name is not in the text
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			rep := diag.NewList(source.NewSet(), 0)
			RunText(rep.Set(), opts, filepath.Join(dir, "main.p4"), tt.text+"\n", rep)
			all := rep.All()
			if len(all) == 0 {
				t.Fatal("accepted")
			}
			got := ""
			if f := all[0].Fix; f != nil {
				got = f.Text
			}
			if got != tt.want {
				t.Errorf("got %q, want %q: %s", got, tt.want, rep)
			}
		})
	}
}
