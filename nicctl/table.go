package nicctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

const entryHelp = `An entry is written as

  TABLE FIELD=VALUE... [priority=N] ACTION [PARAM=VALUE...]
  TABLE default ACTION [PARAM=VALUE...]

with names of the running pipeline (the last part of a name is enough) and values
as people write them: 10.0.0.0/24, 2001:db8::1, 02:00:00:00:00:01, 80, 0x1f,
1024..65535 for ranges, 10.0.0.0&&&255.0.0.255 for masks, * for don't care.`

func newTableCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "table",
		Short: "List and change table entries",
		Example: `  nicctl table list ipv4_routes
  nicctl table add ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group group=1`,
		Args: cobra.ArbitraryArgs,
		RunE: runGroup,
	}
	cmd.AddCommand(
		newTableWrite(tableWrite{
			use: "add TABLE FIELD=VALUE... ACTION [PARAM=VALUE...] | -f FILE", short: "Insert entries", kind: p4.Update_INSERT, done: "inserted",
			example: `  nicctl table add ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group group=1
  nicctl table add acl src=10.0.0.0/8 dst_port=22 priority=10 deny
  nicctl table add -f entries.txt`,
		}),
		newTableWrite(tableWrite{
			use:   "set TABLE FIELD=VALUE... ACTION [PARAM=VALUE...] | -f FILE",
			short: "Change the action of entries, or a default action", kind: p4.Update_MODIFY, done: "changed",
			example: `  nicctl table set ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group group=2
  nicctl table set acl default deny`,
		}),
		newTableWrite(tableWrite{
			use: "del TABLE FIELD=VALUE... | -f FILE", short: "Delete entries", kind: p4.Update_DELETE, done: "deleted",
			example: `  nicctl table del ipv4_routes vrf=0 prefix=10.0.2.0/24
  nicctl table list ipv4_routes | grep set_group | nicctl table del -f -`,
		}),
		newTableList(),
	)
	return cmd
}

// tableWrite is what the three commands that write entries differ in.
type tableWrite struct {
	use, short, example string
	kind                p4.Update_Type
	done                string // what happened to an entry
}

// writeResult is what they print.
type writeResult struct {
	Update  string             `json:"update"` // insert, modify, delete
	DryRun  bool               `json:"dry_run"`
	Entries []p4rtclient.Entry `json:"entries"`
	// Limits of a device that were got around.
	Limits []p4rtclient.Limit `json:"limits,omitempty"`
}

func newTableWrite(t tableWrite) *cobra.Command {
	var f deviceFlags
	var file string
	var replace bool
	cmd := &cobra.Command{
		Use:     t.use,
		Short:   t.short,
		Long:    t.short + ".\n\n" + entryHelp,
		Example: t.example,
		RunE: func(cmd *cobra.Command, args []string) error {
			lines, err := entryLines(cmd.InOrStdin(), file, args)
			if err != nil {
				return err
			}
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				s, err := schema(ctx, c)
				if err != nil {
					return err
				}
				updates, result, err := t.parse(s, lines)
				if err != nil {
					return err
				}
				if result.DryRun = f.dryRun; !f.dryRun {
					if err := writeEntries(ctx, c, s, f.takeover, replace, lines, updates); err != nil {
						return err
					}
					result.Limits = c.Limits()
				}
				return render(cmd.OutOrStdout(), f.output, result, func(w io.Writer) error { return t.print(w, result) })
			})
		},
	}
	f.register(cmd, true)
	if t.kind == p4.Update_MODIFY {
		cmd.Flags().BoolVar(&replace, "replace", false, "delete and insert where the device cannot change entries; in between packets do not find them")
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "read entries from `FILE`, one a line, # begins a comment, - is standard input")
	return cmd
}

// print says what was done: nothing of a single entry, as mv and rm do.
func (t tableWrite) print(w io.Writer, r writeResult) error {
	if r.DryRun {
		for _, e := range r.Entries {
			fmt.Fprintf(w, "would %s %s\n", r.Update, e)
		}
		return nil
	}
	if len(r.Entries) != 1 {
		fmt.Fprintf(w, "%d entries %s\n", len(r.Entries), t.done)
	}
	return nil
}

// entryLine is one entry with the place it came from.
type entryLine struct {
	words []string
	where string // "FILE:LINE: ", or empty for the command line
}

func entryLines(stdin io.Reader, file string, args []string) ([]entryLine, error) {
	switch {
	case file == "" && len(args) == 0:
		return nil, usageError{errors.New("an entry is missing: TABLE FIELD=VALUE... ACTION [PARAM=VALUE...]")}
	case file == "":
		return []entryLine{{words: args}}, nil
	case len(args) > 0:
		return nil, usageError{errors.New("give an entry or -f FILE, not both")}
	}
	in, name := stdin, "standard input"
	if file != "-" {
		h, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer h.Close()
		in, name = h, file
	}
	var out []entryLine
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 1<<20)
	n := 1
	for ; sc.Scan(); n++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		if words := strings.Fields(text); len(words) > 0 {
			out = append(out, entryLine{words, fmt.Sprintf("%s:%d: ", name, n)})
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, n, err)
	}
	return out, nil
}

// parse reads every line before the first is written, and reports all bad ones.
func (t tableWrite) parse(s *p4rtclient.Schema, lines []entryLine) ([]*p4.Update, writeResult, error) {
	updates := make([]*p4.Update, len(lines))
	result := writeResult{Update: strings.ToLower(t.kind.String()), Entries: make([]p4rtclient.Entry, len(lines))}
	var bad []error
	for i, l := range lines {
		e, err := s.ParseEntry(l.words, t.kind != p4.Update_DELETE)
		if err == nil {
			result.Entries[i] = s.Describe(e)
			if e.GetIsDefaultAction() && t.kind != p4.Update_MODIFY {
				err = fmt.Errorf("table %s: a default action is always there; change it with: nicctl table set", result.Entries[i].Table)
			}
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s%w", l.where, err))
			continue
		}
		updates[i] = &p4.Update{Type: t.kind, Entity: &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}}}
	}
	return updates, result, errors.Join(bad...)
}

// writeEntries sends the updates, goes on after refusals and reports them all.
func writeEntries(ctx context.Context, c *p4rtclient.Client, s *p4rtclient.Schema, takeover, replace bool, lines []entryLine, updates []*p4.Update) error {
	if err := c.BecomePrimary(ctx, takeover); err != nil {
		return err
	}
	done, refused, err := c.WriteAll(ctx, s, updates, p4rtclient.WriteOptions{Replace: replace})
	var bad []error
	for _, r := range refused {
		bad = append(bad, fmt.Errorf("%s%w", lines[r.Index].where, r))
	}
	if err != nil {
		bad = append(bad, err)
	}
	if len(bad) > 0 && len(updates) > 1 {
		bad = append(bad, fmt.Errorf("%d of %d entries done", done, len(updates)))
	}
	return errors.Join(bad...)
}

func newTableList() *cobra.Command {
	var f deviceFlags
	cmd := &cobra.Command{
		Use:   "list [TABLE]",
		Short: "Show the entries of one table or of all",
		Long: `Show the entries of one table or of all. The lines of entries are what table add,
set and del read with -f, those of default actions, which come last, what table
set reads.`,
		Example: `  nicctl table list
  nicctl table list ipv4_routes -o json
  nicctl table list acl | grep -v " default " > acl.txt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				entries, err := readEntries(ctx, c, args, false)
				if err != nil {
					return err
				}
				return render(cmd.OutOrStdout(), f.output, entries, func(w io.Writer) error {
					for _, e := range entries {
						fmt.Fprintln(w, e)
					}
					return nil
				})
			})
		},
	}
	f.register(cmd, false)
	return cmd
}

// readEntries reads entries and default actions, of all tables when args is
// empty, with their direct counters when counters is true.
func readEntries(ctx context.Context, c *p4rtclient.Client, args []string, counters bool) ([]p4rtclient.Entry, error) {
	s, err := schema(ctx, c)
	if err != nil {
		return nil, err
	}
	tables := s.Info.GetTables()
	if len(args) > 0 {
		t, err := s.Table(args[0])
		if err != nil {
			return nil, err
		}
		tables = []*p4config.Table{t}
	}
	return c.ReadTables(ctx, s, tables, counters)
}
