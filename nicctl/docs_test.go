package nicctl

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/internal/clidoc"
)

var update = flag.Bool("update", false, "rewrite goldens: docs/cli.md, scripts")

// TestCLIDocs: docs/cli.md has every command and flag as --help shows them.
func TestCLIDocs(t *testing.T) {
	const path = "../docs/cli.md"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := clidoc.Replace(string(b), "nicctl", clidoc.Markdown(newRoot()))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(b) {
		t.Errorf("docs/cli.md is not what nicctl --help says; go test ./nicctl -update writes it")
	}
}

// TestHelp: every command explains itself, says what it writes, and has examples
// that are commands and flags of ours.
func TestHelp(t *testing.T) {
	root := newRoot()
	var all func(*cobra.Command)
	all = func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("short help: %q", cmd.Short)
			}
			if cmd.Name() != "help" && cmd.Name() != "nicctl" && cmd.Example == "" {
				t.Error("no example")
			}
			for line := range strings.Lines(cmd.Example) {
				example(t, root, strings.TrimSpace(line))
			}
		})
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				all(sub)
			}
		}
	}
	all(root)
}

// example parses each nicctl of a line with pipes.
func example(t *testing.T, root *cobra.Command, line string) {
	line, _, _ = strings.Cut(line, " > ")
	line, _, _ = strings.Cut(line, "   #")
	for part := range strings.SplitSeq(line, " | ") {
		words := strings.Fields(part)
		if words[0] != "nicctl" {
			continue
		}
		cmd, rest, err := root.Find(words[1:])
		if err != nil || cmd == root {
			t.Errorf("%s: no such command", part)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", part, err)
		}
		if cmd.Args != nil {
			if err := cmd.Args(cmd, cmd.Flags().Args()); err != nil {
				t.Errorf("%s: %v", part, err)
			}
		}
	}
}

// TestFlags: -o wherever something is printed, --dry-run wherever something is
// written (docs/design.md section 5).
func TestFlags(t *testing.T) {
	writes := map[string]bool{"nicctl load": true, "nicctl table add": true, "nicctl table set": true, "nicctl table del": true, "nicctl detach": true}
	prints := map[string]bool{"nicctl table list": true, "nicctl counters": true, "nicctl get": true, "nicctl watch": true, "nicctl status": true, "nicctl version": true}
	seen := 0
	var all func(*cobra.Command)
	all = func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if writes[path] || prints[path] {
			seen++
			if cmd.Flags().Lookup("output") == nil {
				t.Errorf("%s has no --output", path)
			}
		}
		if writes[path] && cmd.Flags().Lookup("dry-run") == nil {
			t.Errorf("%s has no --dry-run", path)
		}
		for _, sub := range cmd.Commands() {
			all(sub)
		}
	}
	all(newRoot())
	if seen != len(writes)+len(prints) {
		t.Errorf("%d commands of %d are there", seen, len(writes)+len(prints))
	}
}
