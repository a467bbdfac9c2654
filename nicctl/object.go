package nicctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

// objectWords are what the commands of one kind of objects differ in.
type objectWords struct {
	kind     p4rtclient.ObjectKind
	short    string // of the group of commands
	one      string // what an object is called
	use, key string // how one is written, and what names one
	cells    bool   // they are always there: no add and no del
	long     string
	examples map[string]string // by verb
}

func multicastWords() objectWords {
	return objectWords{kind: p4rtclient.Multicast, short: "List and change multicast groups", one: "multicast group",
		use: "GROUP PORT[:INSTANCE]...", key: "GROUP",
		long:     "A packet that the program sends to GROUP leaves by each PORT; INSTANCE is the replication id that the program sees in egress.",
		examples: map[string]string{"add": "nicctl multicast add 7 1 2 3:5", "set": "nicctl multicast set 7 1 2", "del": "nicctl multicast del 7"}}
}

func sessionWords() objectWords {
	return objectWords{kind: p4rtclient.Session, short: "List and change clone sessions", one: "clone session",
		use: "SESSION PORT[:INSTANCE]... [length=BYTES] [class=N]", key: "SESSION",
		long:     "A clone that the program sends to SESSION leaves by each PORT, cut after length bytes where that is given.",
		examples: map[string]string{"add": "nicctl session add 5 510 length=128", "set": "nicctl session set 5 2", "del": "nicctl session del 5"}}
}

func memberWords() objectWords {
	return objectWords{kind: p4rtclient.Member, short: "List and change members of action profiles", one: "member",
		use: "PROFILE ID ACTION [PARAM=VALUE...]", key: "PROFILE ID",
		long:     "Entries of a table with an action profile refer to a member by: member id=ID.",
		examples: map[string]string{"add": "nicctl member add next_hops 1 set_next_hop port=2", "set": "nicctl member set next_hops 1 drop", "del": "nicctl member del next_hops 1"}}
}

func selectorWords() objectWords {
	return objectWords{kind: p4rtclient.Selector, short: "List and change groups of action selectors", one: "group",
		use: "PROFILE GROUP MEMBER[*WEIGHT][@PORT]... [size=N]", key: "PROFILE GROUP",
		long: "Entries refer to a group by: group id=GROUP. Of its members one is chosen for each packet, by the selector\n" +
			"and in proportion to the weights; one whose PORT is down is passed over. size bounds the sum of weights.",
		examples: map[string]string{"add": "nicctl selector add next_hops 1 1 2*3 3@4", "set": "nicctl selector set next_hops 1 2", "del": "nicctl selector del next_hops 1"}}
}

func meterWords() objectWords {
	return objectWords{kind: p4rtclient.Meter, short: "List and configure meters", one: "meter cell", cells: true,
		use: "METER INDEX|all [cir=N cburst=N pir=N pburst=N]", key: "[METER [INDEX]]",
		long:     "Rates are bytes or packets a second, bursts bytes or packets. Without them the cell marks everything green.",
		examples: map[string]string{"set": "nicctl meter set limits 3 cir=125000 cburst=3000 pir=250000 pburst=3000\nnicctl meter set limits all"}}
}

func registerWords() objectWords {
	return objectWords{kind: p4rtclient.Register, short: "List and write registers", one: "register cell", cells: true,
		use: "REGISTER INDEX|all VALUE", key: "[REGISTER [INDEX]]",
		long:     "VALUE is a number, true, false, the name of an enum's member, or {VALUE,...} for structs, tuples and headers.",
		examples: map[string]string{"set": "nicctl register set flows 3 0x2a"}}
}

func valueSetWords() objectWords {
	return objectWords{kind: p4rtclient.ValueSet, short: "List and write parser value sets", one: "value set", cells: true,
		use: "SET [VALUE | FIELD=VALUE[,FIELD=VALUE]...]...", key: "[SET]",
		long:     "What is given replaces all members; nothing empties the set. Values are written as in entries.",
		examples: map[string]string{"set": "nicctl valueset set tunnel_ports 4789 8472\nnicctl valueset set tunnel_ports"}}
}

func digestWords() objectWords {
	return objectWords{kind: p4rtclient.Digest, short: "List and change what digests are sent", one: "digest",
		use: "DIGEST [list=N] [timeout=TIME] [ack=TIME]", key: "DIGEST",
		long: "A list of at most N messages is sent TIME after the first; with no timeout each message is sent at once. A message\n" +
			"is not sent again until its list is acknowledged, or for the time ack.",
		examples: map[string]string{"add": "nicctl digest add learned list=100 timeout=10ms ack=1s", "set": "nicctl digest set learned timeout=1s", "del": "nicctl digest del learned"}}
}

func newObjectCommand(w objectWords) *cobra.Command {
	name := string(w.kind)
	cmd := &cobra.Command{Use: name, Short: w.short, Long: w.short + ".\n\n" + w.long, Args: cobra.ArbitraryArgs, RunE: runGroup,
		Example: "  nicctl " + name + " list\n" + indent(w.examples["set"])}
	if !w.cells {
		cmd.AddCommand(newObjectWrite(w, "add", "Make a "+w.one, p4.Update_INSERT), newObjectWrite(w, "del", "Delete a "+w.one, p4.Update_DELETE))
	}
	cmd.AddCommand(newObjectWrite(w, "set", "Change a "+w.one, p4.Update_MODIFY), newObjectList(w))
	return cmd
}

// indent makes an example's lines as cobra shows them.
func indent(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// objectResult is what a command that writes prints.
type objectResult struct {
	Update  string              `json:"update"` // insert, modify, delete
	DryRun  bool                `json:"dry_run"`
	Objects []p4rtclient.Object `json:"objects"`
}

func newObjectWrite(w objectWords, verb, short string, kind p4.Update_Type) *cobra.Command {
	var f deviceFlags
	var file string
	words := w.use
	if verb == "del" {
		words = w.key
	}
	cmd := &cobra.Command{
		Use: verb + " " + words + " | -f FILE", Short: short, Long: short + ".\n\n" + w.long, Example: indent(w.examples[verb]),
		RunE: func(cmd *cobra.Command, args []string) error {
			lines, err := entryLines(cmd.InOrStdin(), file, args)
			if err != nil {
				if len(args) == 0 && file == "" {
					return usageError{fmt.Errorf("%s is missing", words)}
				}
				return err
			}
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				result := objectResult{Update: strings.ToLower(kind.String()), DryRun: f.dryRun}
				updates, err := parseObjects(ctx, c, w, kind, lines, &result)
				if err != nil {
					return err
				}
				if !f.dryRun {
					if err := writeObjects(ctx, c, f.takeover, lines, updates); err != nil {
						return err
					}
				}
				return render(cmd.OutOrStdout(), f.output, result, func(out io.Writer) error {
					if f.dryRun {
						for _, o := range result.Objects {
							fmt.Fprintf(out, "would %s %s %s\n", result.Update, o.Kind, o)
						}
					}
					return nil
				})
			})
		},
	}
	f.register(cmd, true)
	cmd.Flags().StringVarP(&file, "file", "f", "", "read from `FILE`, one a line, # begins a comment, - is standard input")
	return cmd
}

// parseObjects reads every line before the first is written, and reports all bad
// ones.
func parseObjects(ctx context.Context, c *p4rtclient.Client, w objectWords, kind p4.Update_Type, lines []entryLine, result *objectResult) ([]*p4.Update, error) {
	s, err := schema(ctx, c)
	if err != nil {
		return nil, err
	}
	var updates []*p4.Update
	var bad []error
	for _, l := range lines {
		e, err := s.ParseObject(w.kind, l.words, kind != p4.Update_DELETE)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s%w", l.where, err))
			continue
		}
		o, _ := s.DescribeObject(e)
		result.Objects = append(result.Objects, o)
		updates = append(updates, &p4.Update{Type: kind, Entity: e})
	}
	return updates, errors.Join(bad...)
}

// writeObjects sends the updates and reports all refusals.
func writeObjects(ctx context.Context, c *p4rtclient.Client, takeover bool, lines []entryLine, updates []*p4.Update) error {
	if err := c.BecomePrimary(ctx, takeover); err != nil {
		return err
	}
	const batch = 500 // as for entries
	var bad []error
	for start := 0; start < len(updates); start += batch {
		refused, err := c.Write(ctx, updates[start:min(start+batch, len(updates))])
		for _, r := range refused {
			bad = append(bad, fmt.Errorf("%s%w", lines[start+r.Index].where, r))
		}
		if err != nil {
			bad = append(bad, err)
			break
		}
	}
	if len(bad) > 0 && len(updates) > 1 {
		bad = append(bad, fmt.Errorf("%d of %d done", len(updates)-len(bad), len(updates)))
	}
	return errors.Join(bad...)
}

func newObjectList(w objectWords) *cobra.Command {
	var f deviceFlags
	name := string(w.kind)
	key := w.key
	switch {
	case w.cells:
	case strings.Contains(key, " "):
		first, rest, _ := strings.Cut(key, " ")
		key = "[" + first + " [" + rest + "]]"
	default:
		key = "[" + key + "]"
	}
	cmd := &cobra.Command{
		Use: "list " + key, Short: "Show " + w.one + "s", Example: "  nicctl " + name + " list\n  nicctl " + name + " list -o json",
		Long: "Show " + w.one + "s, in the form that set reads.",
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				s, err := schema(ctx, c)
				if err != nil {
					return err
				}
				q, err := s.ObjectQuery(w.kind, slices.Clone(args))
				if err != nil {
					return err
				}
				objects := []p4rtclient.Object{}
				err = c.Read(ctx, []*p4.Entity{q}, func(e *p4.Entity) error {
					if o, ok := s.DescribeObject(e); ok && o.Kind == w.kind {
						objects = append(objects, o)
					}
					return nil
				})
				if err != nil {
					return err
				}
				return render(cmd.OutOrStdout(), f.output, objects, func(out io.Writer) error {
					for _, o := range objects {
						fmt.Fprintln(out, o)
					}
					return nil
				})
			})
		},
	}
	f.register(cmd, false)
	return cmd
}
