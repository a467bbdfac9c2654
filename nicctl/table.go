package nicctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

// batchSize is the number of updates in one Write; it keeps the error details
// of a batch that fails altogether well under what gRPC carries (p4rt:S11).
const batchSize = 500

const entryHelp = `An entry is written as

  TABLE FIELD=VALUE... [priority=N] ACTION [PARAM=VALUE...]
  TABLE default ACTION [PARAM=VALUE...]

with names of the running pipeline (the last part of a name is enough) and values
as people write them: 10.0.0.0/24, 2001:db8::1, 02:00:00:00:00:01, 80, 0x1f,
1024..65535 for ranges, 10.0.0.0&&&255.0.0.255 for masks, * for don't care.`

func newTableCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "table", Short: "List and change table entries", Args: cobra.NoArgs}
	cmd.AddCommand(
		newTableWrite("add", "Insert entries", p4.Update_INSERT, true),
		newTableWrite("set", "Change the action of entries, or a default action", p4.Update_MODIFY, true),
		newTableWrite("del", "Delete entries", p4.Update_DELETE, false),
		newTableList(),
	)
	return cmd
}

func newTableWrite(verb, short string, kind p4.Update_Type, withAction bool) *cobra.Command {
	var f deviceFlags
	var file string
	cmd := &cobra.Command{
		Use:   verb + " TABLE FIELD=VALUE... [ACTION [PARAM=VALUE...]]",
		Short: short,
		Long:  short + ".\n\n" + entryHelp,
		Example: "  nicctl table add ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group group=1\n" +
			"  nicctl table del ipv4_routes vrf=0 prefix=10.0.2.0/24\n" +
			"  nicctl table set acl default deny\n" +
			"  nicctl table add -f entries.txt      # one entry a line, # comments, - for standard input",
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
				return writeEntries(ctx, cmd, c, s, lines, kind, withAction, f)
			})
		},
	}
	f.register(cmd, true)
	cmd.Flags().StringVarP(&file, "file", "f", "", "read entries from a file, one a line")
	return cmd
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
	for n := 1; sc.Scan(); n++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		if words := strings.Fields(text); len(words) > 0 {
			out = append(out, entryLine{words, fmt.Sprintf("%s:%d: ", name, n)})
		}
	}
	return out, sc.Err()
}

// writeEntries checks every line before the first is written.
func writeEntries(ctx context.Context, cmd *cobra.Command, c *p4rtclient.Client, s *p4rtclient.Schema,
	lines []entryLine, kind p4.Update_Type, withAction bool, f deviceFlags) error {
	updates := make([]*p4.Update, len(lines))
	var bad []error
	for i, l := range lines {
		e, err := s.ParseEntry(l.words, withAction)
		if err == nil && e.GetIsDefaultAction() && kind != p4.Update_MODIFY {
			err = fmt.Errorf("table %s: a default action is always there; change it with: nicctl table set", s.Describe(e).Table)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s%w", l.where, err))
			continue
		}
		updates[i] = &p4.Update{Type: kind, Entity: &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}}}
	}
	if len(bad) > 0 {
		return errors.Join(bad...)
	}
	verb := strings.ToLower(kind.String())
	if f.dryRun {
		for _, u := range updates {
			fmt.Fprintf(cmd.OutOrStdout(), "would %s %s\n", verb, s.Describe(u.GetEntity().GetTableEntry()))
		}
		return nil
	}
	if err := c.BecomePrimary(ctx, f.takeover); err != nil {
		return err
	}
	done := 0
	for start := 0; start < len(updates); start += batchSize {
		batch := updates[start:min(start+batchSize, len(updates))]
		refused, err := c.Write(ctx, batch)
		if err != nil {
			return errors.Join(append(bad, fmt.Errorf("after %d entries: %w", done, err))...)
		}
		for _, r := range refused {
			bad = append(bad, fmt.Errorf("%s%w", lines[start+r.Index].where, r))
		}
		done += len(batch) - len(refused)
	}
	if len(bad) > 0 {
		return fmt.Errorf("%w\n%d of %d entries done", errors.Join(bad...), done, len(updates))
	}
	return render(cmd.OutOrStdout(), f.output, map[string]int{"entries": done}, func(w io.Writer) error {
		if len(updates) > 1 {
			fmt.Fprintf(w, "%d entries: %s\n", done, verb)
		}
		return nil
	})
}

func newTableList() *cobra.Command {
	var f deviceFlags
	cmd := &cobra.Command{
		Use:   "list [TABLE]",
		Short: "Show the entries of one table or of all",
		Args:  cobra.MaximumNArgs(1),
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
		tables = tables[:0:0]
		tables = append(tables, t)
	}
	var want []*p4.Entity
	for _, t := range tables {
		counted := s.HasDirectCounter(t)
		if counters && !counted {
			continue
		}
		for _, def := range []bool{false, true} {
			e := &p4.TableEntry{TableId: t.GetPreamble().GetId(), IsDefaultAction: def}
			if counters {
				e.CounterData = &p4.CounterData{}
			}
			want = append(want, &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}})
		}
	}
	entries := []p4rtclient.Entry{}
	if len(want) == 0 {
		return entries, nil
	}
	err = c.Read(ctx, want, func(e *p4.Entity) error {
		if te := e.GetTableEntry(); te != nil {
			entries = append(entries, s.Describe(te))
		}
		return nil
	})
	p4rtclient.Sort(entries)
	return entries, err
}
