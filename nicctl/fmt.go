package nicctl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/format"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/p4src"
)

// formatter is one run of nicctl fmt.
type formatter struct {
	src                sourceFlags
	write, diff, check bool
}

func newFmtCommand() *cobra.Command {
	var f formatter
	cmd := &cobra.Command{
		Use:   "fmt FILE...|-",
		Short: "Lay out P4 source text",
		Long: `Lay out P4 source text in the house style: 4 spaces, at most 100 columns, one
statement a line. Comments, directives and blank lines stay where they are; what
a program means never changes. Without options the result goes to stdout; "-"
reads stdin.

A file with a syntax error is left as it is: its errors go to stderr and the exit
code is 1. With --check the exit code is also 1 when a file is not laid out; its
name goes to stdout and nothing is written.`,
		Example: `  nicctl fmt router.p4
  nicctl fmt -w router.p4
  nicctl fmt --check router.p4
  nicctl fmt -d router.p4`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var all error
			for _, path := range args {
				if err := f.file(cmd, path); err != nil {
					if !errors.Is(err, errReported) {
						return err
					}
					all = err
				}
			}
			return all
		},
	}
	f.src.register(cmd)
	fl := cmd.Flags()
	fl.BoolVarP(&f.write, "write", "w", false, "write the result to the file instead of stdout")
	fl.BoolVarP(&f.diff, "diff", "d", false, "print what would change as a diff")
	fl.BoolVar(&f.check, "check", false, "print the names of files that would change, and fail if there are any")
	return cmd
}

func (f *formatter) file(cmd *cobra.Command, path string) error {
	var old []byte
	var err error
	name := path
	if path == "-" {
		if f.write {
			return usageError{errors.New("-w needs a file: stdin cannot be written")}
		}
		name = "<stdin>"
		old, err = io.ReadAll(cmd.InOrStdin())
	} else {
		old, err = os.ReadFile(path)
	}
	if err != nil {
		return usageError{err}
	}
	set := source.NewSet()
	rep := diag.NewList(set, 0)
	text, err := format.Source(set, preproc.Options{
		IncludeDirs: f.src.include, Defines: f.src.defines, Undefines: f.src.undefines, FS: p4src.Include(),
	}, name, string(old), rep)
	if perr := printErrors(cmd, rep); perr != nil {
		return perr
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	changed := text != string(old)
	out := cmd.OutOrStdout()
	if f.check && changed {
		fmt.Fprintln(out, name)
	}
	if f.diff && changed {
		if _, err := out.Write(diff.Diff(name+".orig", old, name, []byte(text))); err != nil {
			return err
		}
	}
	if f.write && changed && !f.check {
		if err := replaceFile(path, text); err != nil {
			return err
		}
	}
	if f.check && changed {
		return errReported
	}
	if !f.check && !f.diff && !f.write {
		_, err := io.WriteString(out, text)
		return err
	}
	return nil
}

// printErrors prints the list if it has errors, and then gives errReported.
func printErrors(cmd *cobra.Command, list *diag.List) error {
	if !list.HasErrors() {
		return nil
	}
	if err := printDiags(cmd, list, false); err != nil {
		return err
	}
	return errReported
}

// replaceFile writes a file so that at every moment it is whole, old or new. A
// symbolic link stays one.
func replaceFile(path, text string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".nicctl-fmt-*")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Chmod(info.Mode().Perm()), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
