package clidoc

import (
	"testing"

	"github.com/spf13/cobra"
)

func TestMarkdown(t *testing.T) {
	run := func(*cobra.Command, []string) {}
	root := &cobra.Command{Use: "tool", Short: "A tool", Run: run}
	sub := &cobra.Command{Use: "do THING", Short: "Do it", Long: "Do it well.", Example: "  tool do this\n  tool do that", Run: run}
	sub.Flags().StringP("how", "w", "fast", "do it in a `WAY`, a|b")
	sub.Flags().Bool("quiet", false, "say nothing")
	hidden := &cobra.Command{Use: "secret", Hidden: true, Run: run}
	root.AddCommand(hidden, sub)
	want := "### tool\n\n```text\ntool\n```\n\n```text\nA tool\n```\n\n" +
		"### tool do\n\n```text\ntool do THING [flags]\n```\n\n```text\nDo it well.\n```\n\n" +
		"Examples:\n\n```sh\ntool do this\ntool do that\n```\n\n" +
		"| flag | what | default |\n|---|---|---|\n| `-w, --how WAY` | do it in a WAY, a\\|b | `fast` |\n| `--quiet` | say nothing |  |\n\n"
	if got := Markdown(root); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReplace(t *testing.T) {
	got, err := Replace("a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n", "x", "new\n")
	if want := "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := Replace("a\n", "x", ""); err == nil {
		t.Error("a document without the lines was accepted")
	}
}
