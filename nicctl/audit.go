package nicctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/internal/auditlog"
	"github.com/p4nic/p4nic/internal/instance"
)

func newAuditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "Read and verify the audit log of nicd",
		Example: "  nicctl audit verify",
		Args:    cobra.ArbitraryArgs,
		RunE:    runGroup,
	}
	cmd.AddCommand(newAuditVerifyCommand(), newAuditShowCommand())
	return cmd
}

// auditFlags say which log.
type auditFlags struct {
	instance, dir, output string
}

func (f *auditFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.instance, "instance", instance.Default, "of the nicd instance `NAME` on this machine")
	fl.StringVar(&f.dir, "dir", "", "in `DIR` (default: the directory audit of the instance's state directory)")
	registerOutput(cmd, &f.output)
}

func (f *auditFlags) verify(head string, each func(auditlog.Record) error) (auditlog.Report, error) {
	var rep auditlog.Report
	if err := checkOutput(f.output); err != nil {
		return rep, err
	}
	dir := f.dir
	if dir == "" {
		if err := instance.Validate(f.instance); err != nil {
			return rep, usageError{err}
		}
		dir = filepath.Join(instance.StateDir(f.instance), "audit")
	}
	rep, err := auditlog.Verify(dir, head, each)
	if errors.Is(err, fs.ErrNotExist) {
		return rep, fmt.Errorf("there is no audit log in %s", dir)
	}
	return rep, err
}

func newAuditVerifyCommand() *cobra.Command {
	var f auditFlags
	var head string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Look for records that were changed, removed, put in or moved",
		Long: `Look for records of the audit log that were changed, removed, put in or moved.
Exit code 0 means that the log is one chain, 1 that it is not.

A chain without a key cannot show that its end was cut off or written anew: give
--head with a hash that was noted before (nicctl status shows the last one), and
it must be in the log.`,
		Example: `  nicctl audit verify
  nicctl audit verify --dir /var/lib/p4nic/nic0/audit -o json
  nicctl audit verify --head 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rep, err := f.verify(head, nil)
			if err != nil && !errors.Is(err, auditlog.ErrHead) {
				return err
			}
			if e := render(cmd.OutOrStdout(), f.output, rep, func(w io.Writer) error { return printReport(w, rep) }); e != nil {
				return e
			}
			if err != nil {
				return err
			}
			if len(rep.Faults) > 0 {
				return fmt.Errorf("the audit log is not what was written: %d faults", len(rep.Faults))
			}
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&head, "head", "", "the record with this `HASH` must be in the log")
	return cmd
}

func printReport(w io.Writer, rep auditlog.Report) error {
	for _, x := range rep.Faults {
		fmt.Fprintln(w, x)
	}
	fmt.Fprintf(w, "%d records in %d files, %d to %d, last hash %s\n", rep.Records, rep.Files, rep.First, rep.Last, rep.Head)
	if rep.First > 1 {
		fmt.Fprintf(w, "records before %d were rotated away\n", rep.First)
	}
	if rep.Torn {
		fmt.Fprintln(w, "the last file ends within a record: nicd is writing it, or crashed")
	}
	return nil
}

func newAuditShowCommand() *cobra.Command {
	var f auditFlags
	var last int
	var client string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show who wrote what, when, with what result",
		Long: `Show who wrote what, when, with what result. Exit code 1 means that the log is not
one chain; nicctl audit verify tells where.`,
		Example: `  nicctl audit show
  nicctl audit show --last 20
  nicctl audit show --client spiffe://example.org/controller -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			records := []auditlog.Record{}
			rep, err := f.verify("", func(r auditlog.Record) error {
				if client == "" || r.Client == client {
					records = append(records, r)
				}
				if last > 0 && len(records) > last {
					records = records[1:]
				}
				return nil
			})
			if err != nil {
				return err
			}
			if err := render(cmd.OutOrStdout(), f.output, records, func(w io.Writer) error { return printRecords(w, records) }); err != nil {
				return err
			}
			if len(rep.Faults) > 0 {
				return fmt.Errorf("the audit log is not what was written: %d faults; nicctl audit verify shows them", len(rep.Faults))
			}
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().IntVar(&last, "last", 0, "only the last `N` records")
	cmd.Flags().StringVar(&client, "client", "", "only records of the client `NAME`")
	return cmd
}

func printRecords(w io.Writer, records []auditlog.Record) error {
	var rows [][]string
	for _, r := range records {
		what := r.RPC[strings.LastIndex(r.RPC, "/")+1:]
		if r.Kind != auditlog.KindRequest {
			what = r.Kind
			if r.Count > 0 {
				what += fmt.Sprintf(" of %d records", r.Count)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(r.What)) {
			what += " " + k + "=" + r.What[k]
		}
		result := r.Code
		if r.Failed > 0 {
			result += fmt.Sprintf(", %d refused", r.Failed)
		}
		if r.Message != "" {
			result += ": " + r.Message
		}
		if r.Kind != auditlog.KindRequest {
			result = r.Text
		}
		rows = append(rows, []string{fmt.Sprint(r.Sequence), r.Time.Format(time.RFC3339), r.Client, r.Address, what, result})
	}
	return columns(w, []string{"RECORD", "TIME", "CLIENT", "ADDRESS", "WHAT", "RESULT"}, rows)
}
