// Command matrix prints which tests cite which checklist ids: `make matrix`.
//
//	matrix [-root DIR] [-json] [-rows] [-state open] [-id PREFIX] [-update [-lower]]
//
// Exit code 1: a citation or waiver is wrong, or an id is no longer tested.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/p4nic/p4nic/internal/matrix"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	fs := flag.NewFlagSet("matrix", flag.ContinueOnError)
	root := fs.String("root", ".", "the `folder` of the module")
	asJSON := fs.Bool("json", false, "everything as JSON")
	rows := fs.Bool("rows", false, "every id with its tests, before the counts")
	state := fs.String("state", "", "with -rows: only ids that are tested, waived or open")
	prefix := fs.String("id", "", "with -rows: only ids that begin with this `text`")
	update := fs.Bool("update", false, "record what is tested now in "+matrix.RatchetFile)
	lower := fs.Bool("lower", false, "with -update: let ids leave; say why in the commit")
	if err := fs.Parse(args); err != nil {
		return err
	}
	tree := os.DirFS(*root)
	m, err := matrix.Build(tree)
	if err != nil {
		return err
	}
	ratchet, err := matrix.ReadRatchet(tree)
	if err != nil && !*update {
		return err
	}
	show := func() error {
		if *asJSON {
			return m.WriteJSON(w)
		}
		if *rows {
			if err := m.WriteRows(w, func(r matrix.Row) bool {
				return strings.HasPrefix(r.ID, *prefix) && (*state == "" || string(r.State) == *state)
			}); err != nil {
				return err
			}
		}
		return m.WriteCounts(w)
	}
	lost := m.Lost(ratchet)
	if err := show(); err != nil {
		return err
	}
	for _, f := range m.Faults {
		fmt.Fprintln(os.Stderr, f)
	}
	if *update && (len(lost) == 0 || *lower) {
		name := filepath.Join(*root, filepath.FromSlash(matrix.RatchetFile))
		if err := os.WriteFile(name, []byte(matrix.FormatRatchet(m.TestedIDs())), 0o644); err != nil {
			return err
		}
		lost = nil
	}
	for _, id := range lost {
		fmt.Fprintln(os.Stderr, id+" was tested, and no test cites it any more")
	}
	if n := len(m.Faults) + len(lost); n > 0 {
		return fmt.Errorf("%d faults", n)
	}
	return nil
}
