// Package clidoc writes the reference of a command tree as Markdown, so that
// docs/cli.md cannot say anything else than --help.
//
// In: a cobra command. Out: text. Only tests import it.
// Must not import: anything of p4nic.
package clidoc

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Markdown is the reference of cmd and all its commands, in order of names.
func Markdown(cmd *cobra.Command) string {
	var b strings.Builder
	write(&b, cmd)
	return b.String()
}

func write(b *strings.Builder, cmd *cobra.Command) {
	if cmd.Runnable() || cmd.HasSubCommands() {
		fmt.Fprintf(b, "### %s\n\n", cmd.CommandPath())
		text := cmd.Long
		if text == "" {
			text = cmd.Short
		}
		fmt.Fprintf(b, "```text\n%s\n```\n\n", cmd.UseLine())
		fmt.Fprintf(b, "```text\n%s\n```\n\n", strings.TrimSpace(text))
		if cmd.Example != "" {
			fmt.Fprintf(b, "Examples:\n\n```sh\n%s\n```\n\n", unindent(cmd.Example))
		}
		flags(b, cmd)
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			write(b, sub)
		}
	}
}

func flags(b *strings.Builder, cmd *cobra.Command) {
	cmd.InitDefaultVersionFlag() // as Execute does
	heading := "| flag | what | default |\n|---|---|---|\n"
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		arg, what := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if arg != "" {
			name += " " + arg
		}
		def := ""
		switch f.DefValue {
		case "", "[]", "false", "0":
		default:
			def = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "%s| `%s` | %s | %s |\n", heading, cell(name), cell(what), def)
		heading = ""
	})
	if heading == "" {
		b.WriteString("\n")
	}
}

// cell escapes what would end a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func unindent(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}

// Replace puts text between the lines <!-- begin NAME --> and <!-- end NAME -->
// of doc.
func Replace(doc, name, text string) (string, error) {
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->\n"
	head, rest, ok := strings.Cut(doc, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("there are no lines %q and %q", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return head + begin + text + end + tail, nil
}
