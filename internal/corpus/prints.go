package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/format"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/printer"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/p4src"
)

// Dumps is what p4test printed of the programs between its passes: more valid
// programs, too many to record one by one.
type Dumps struct {
	Programs []Program
	// Digest is over paths and contents of all.
	Digest string
}

// ReadDumps finds the dumps below root.
func ReadDumps(root string) (*Dumps, error) {
	d := &Dumps{}
	h := sha256.New()
	for _, glob := range []string{"*.p4", "*/*.p4"} {
		names, err := filepath.Glob(filepath.Join(root, "testdata", "p4_16_samples_outputs", glob))
		if err != nil {
			return nil, err
		}
		slices.Sort(names)
		for _, name := range names {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return nil, err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			p := Program{Path: filepath.ToSlash(rel), SHA256: hexDigest(text), Arch: architecture(text), Want: Accept}
			fmt.Fprintf(h, "%s %s\n", p.Path, p.SHA256)
			d.Programs = append(d.Programs, p)
		}
	}
	d.Digest = hex.EncodeToString(h.Sum(nil))
	return d, nil
}

// Totals counts the dumps that the front end accepts, those that print to what
// prints the same again, and those of which there is typed IR.
func (d *Dumps) Totals(results []Result) []Total {
	accepted, stable, typed := 0, 0, 0
	for i := range results {
		if results[i].Verdict == Accept {
			accepted++
		}
		if results[i].Stable {
			stable++
		}
		if results[i].Stage >= StageTyped {
			typed++
		}
	}
	return []Total{{"dumps-accepted", accepted, len(results)}, {"dumps-printed", stable, len(results)}, {"dumps-typed", typed, len(results)}}
}

// stable tells whether the program prints to a text that reads back and prints
// the same: the printer loses nothing that the parser sees; and whether the
// formatter lays it out so that doing it again changes nothing.
func stable(o driver.Options) bool {
	first, ok := reprint(o, nil)
	if !ok {
		return false
	}
	again, ok := reprint(o, first)
	return ok && string(first) == string(again) && laidOut(o)
}

// laidOut formats the file of o twice. That tokens and comments are those of the
// file is what the formatter checks itself.
func laidOut(o driver.Options) bool {
	text, err := os.ReadFile(o.Path)
	if err != nil {
		return false
	}
	lay := func(text string) (string, bool) {
		set := source.NewSet()
		rep := diag.NewList(set, 1)
		out, err := format.Source(set, preproc.Options{IncludeDirs: o.IncludeDirs, FS: p4src.Include()}, o.Path, text, rep)
		return out, err == nil && !rep.HasErrors()
	}
	first, ok := lay(string(text))
	if !ok {
		return false
	}
	again, ok := lay(first)
	return ok && first == again
}

// reprint parses text, or the file of o where text is nil, and prints it.
func reprint(o driver.Options, text []byte) ([]byte, bool) {
	set := source.NewSet()
	rep := diag.NewList(set, 1)
	opts := preproc.Options{IncludeDirs: o.IncludeDirs, FS: p4src.Include()}
	if text != nil {
		prog := parser.ParseText(set, opts, "printed.p4", string(text), rep)
		return []byte(printer.String(prog)), !rep.HasErrors()
	}
	prog := parser.ParseFile(set, opts, o.Path, rep)
	return []byte(printer.String(prog)), !rep.HasErrors()
}
