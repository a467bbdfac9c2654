package driver_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/driver"
)

// differences reads testdata/differences.txtar: the programs by row.
func differences(t *testing.T) map[string][]txtar.File {
	ar, err := txtar.ParseFile("testdata/differences.txtar")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]txtar.File{}
	for _, f := range ar.Files {
		row, _, _ := strings.Cut(f.Name, " ")
		out[row] = append(out[row], f)
	}
	return out
}

// Every row of docs/p4c-differences.md has a program that p4nic treats as the
// row says.
func TestDifferences(t *testing.T) {
	doc, err := os.ReadFile("../../docs/p4c-differences.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := differences(t)
	_, template := errorDocs(t)
	rows := regexp.MustCompile(`(?m)^\| (PD\d+)? ?\|`).FindAllStringSubmatch(string(doc), -1)
	for _, row := range rows {
		id := row[1]
		if id == "" || len(programs[id]) == 0 {
			t.Errorf("row %q has no program", id)
		}
		for _, f := range programs[id] {
			t.Run(f.Name, func(t *testing.T) {
				words := strings.Fields(f.Name)[1:]
				x := &example{text: string(f.Data)}
				want := words[0]
				for _, w := range words {
					x.frame = x.frame || w == "frame"
					x.build = x.build || w == "build"
				}
				errors := x.findings(t, template, false)
				got := "accept"
				if x.build {
					got = "build"
				}
				if len(errors) > 0 {
					got = errors[0]
				}
				if got != want && !strings.HasPrefix(got, want+":") {
					t.Errorf("got %s (%v), want %s", got, errors, want)
				}
			})
		}
		delete(programs, id)
	}
	for id := range programs {
		t.Errorf("%s is no row of docs/p4c-differences.md", id)
	}
}

// What rows say of P4Info: PD13, nothing of what is never executed; PD27,
// priorities as written; PD32, registers that are only read.
func TestDifferencesOfP4Info(t *testing.T) {
	_, template := errorDocs(t)
	programs := differences(t)
	compiled := func(row string) *driver.Result {
		if len(programs[row]) == 0 {
			t.Fatalf("no program for %s", row)
		}
		text := strings.Replace(template, "EXAMPLE\n", string(programs[row][0].Data), 1)
		res, err := driver.Compile(driver.Options{Path: "t.p4", ReadFile: func(string) ([]byte, error) { return []byte(text), nil }})
		if err != nil || res.Control == nil {
			t.Fatalf("%s: %v, %v", row, err, res.Diags)
		}
		return res
	}
	t.Run("PD13", func(t *testing.T) {
		if tables := compiled("PD13").Control.Info.Tables; len(tables) != 0 {
			t.Errorf("tables %v", tables)
		}
	})
	t.Run("PD27", func(t *testing.T) {
		updates := compiled("PD27").Control.Entries.Updates
		if len(updates) != 2 {
			t.Fatalf("entries %v", updates)
		}
		first, second := updates[0].Entity.GetTableEntry().Priority, updates[1].Entity.GetTableEntry().Priority
		if first != 1 || second != 5 {
			t.Errorf("priorities %d and %d", first, second)
		}
	})
	t.Run("PD32", func(t *testing.T) {
		if r := compiled("PD32").Control.Info.Registers; len(r) != 1 || r[0].Preamble.Name != "ig.unused" {
			t.Errorf("registers %v", r)
		}
	})
}
