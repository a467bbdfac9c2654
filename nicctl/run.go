package nicctl

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/p4info"
	"github.com/p4nic/p4nic/internal/capture"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/sim"
)

type runFlags struct {
	src     sourceFlags
	p4info  string
	entries []string
	ports   []string
	hosts   []string
	in, out []string
	trace   bool
	output  string
}

func newRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run PROGRAM",
		Short: "Run a program in the simulator, between interfaces or captures",
		Long: `Run a program in the simulator as a switch, without nicd: between network
interfaces until interrupted, or over captured frames. The program is a bundle, P4
source, or bmv2 JSON with its P4Info.

--pcap-in [PORT=]FILE is what a port receives (port 0 where none is named); several
captures are played in order of their times, which are the clock that the program
reads. --pcap-out [PORT=]FILE takes what leaves by the port, or by any port where
none is named; a file named .pcapng tells the ports apart by interface.

--entries FILE fills the tables: lines as nicctl table add reads them, or a
P4Runtime WriteRequest where the name ends in .txtpb, .textproto, .json or .pb.

At the end it prints what came, went and was dropped, and why.`,
		Example: `  nicctl run router.nicpkg --entries entries.txt --ports 1=veth1,2=veth2
  nicctl run router.p4 --entries entries.txt --pcap-in 1=in.pcap --pcap-out 2=out.pcap
  nicctl run switch.json --p4info switch.p4info.txt --pcap-in in.pcap --trace`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.src.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.p4info, "p4info", "", "P4Info `FILE` of a .json program")
	fl.StringArrayVar(&f.entries, "entries", nil, "fill tables from `FILE`; may be repeated")
	fl.StringSliceVar(&f.ports, "ports", nil, "interfaces: `PORT=NETDEV,...`")
	fl.StringSliceVar(&f.hosts, "hosts", nil, "interfaces that lead to the hosts' own stacks (port 509 of each port): `PORT=NETDEV,...`")
	fl.StringArrayVar(&f.in, "pcap-in", nil, "play a capture: `[PORT=]FILE`; may be repeated")
	fl.StringArrayVar(&f.out, "pcap-out", nil, "write a capture: `[PORT=]FILE`; may be repeated")
	fl.BoolVar(&f.trace, "trace", false, "print what happens to each frame of the captures; with -o json an object a line")
	registerOutput(cmd, &f.output)
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, program string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	switch live := len(f.ports) > 0; {
	case live == (len(f.in) > 0):
		return usageError{errors.New("give --ports, or --pcap-in and --pcap-out")}
	case live && len(f.out) > 0:
		return usageError{errors.New("--pcap-out goes with --pcap-in")}
	case live && f.trace:
		return usageError{errors.New("--trace goes with --pcap-in")}
	case !live && len(f.hosts) > 0:
		return usageError{errors.New("--hosts goes with --ports")}
	}
	l, err := loadProgram(cmd, f.src, program, f.p4info)
	if err != nil {
		return err
	}
	content, err := f.content(l)
	if err != nil {
		return err
	}
	if len(f.in) > 0 {
		return f.captures(cmd, l.core, content)
	}
	return f.interfaces(cmd, l.core, content)
}

// content is what the tables hold: the program's own entries, then those of
// --entries.
func (f *runFlags) content(l loadedProgram) ([]dataplane.Content, error) {
	content := make([]dataplane.Content, len(l.core.Tables))
	for i, t := range l.core.Tables {
		var err error
		if content[i].Entries, content[i].Default, err = t.Initial(); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	for _, file := range f.entries {
		list, err := readEntryFile(file, p4rtclient.NewSchema(l.info))
		if err != nil {
			return nil, err
		}
		for _, u := range list {
			table, e, err := machineEntry(l.core, l.info, u.entry)
			if err != nil {
				return nil, fmt.Errorf("%s%w", u.where, err)
			}
			c := &content[table]
			if u.entry.GetIsDefaultAction() {
				c.Default = e
				continue
			}
			e.Handle = uint32(len(c.Entries) + 1)
			c.Entries = append(c.Entries, e)
		}
	}
	return content, nil
}

// placedEntry is an entry with the place it was read at, ": " included.
type placedEntry struct {
	entry *p4.TableEntry
	where string
}

func readEntryFile(file string, s *p4rtclient.Schema) ([]placedEntry, error) {
	switch filepath.Ext(file) {
	case ".txtpb", ".textproto", ".json", ".pb":
		return readWriteRequest(file)
	}
	lines, err := entryLines(nil, file, nil)
	if err != nil {
		return nil, err
	}
	var out []placedEntry
	var bad []error
	for _, l := range lines {
		e, err := s.ParseEntry(l.words, true)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s%w", l.where, err))
			continue
		}
		out = append(out, placedEntry{e, l.where})
	}
	return out, errors.Join(bad...)
}

func readWriteRequest(file string) ([]placedEntry, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var w p4.WriteRequest
	if err := p4info.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var out []placedEntry
	for i, u := range w.GetUpdates() {
		where := fmt.Sprintf("%s: update %d: ", file, i+1)
		e := u.GetEntity().GetTableEntry()
		insert := u.GetType() == p4.Update_INSERT || u.GetType() == p4.Update_MODIFY && e.GetIsDefaultAction()
		if e == nil || !insert {
			return nil, fmt.Errorf("%sonly inserted table entries and changed default actions are taken here", where)
		}
		out = append(out, placedEntry{e, where})
	}
	return out, nil
}

// portFlag reads PORT=NAME; without PORT= the port is otherwise.
func portFlag(flag, s string, otherwise int64) (int64, string, error) {
	number, name, found := strings.Cut(s, "=")
	if !found {
		number, name = "", s
	}
	port := otherwise
	if number != "" || found {
		n, err := strconv.ParseUint(number, 0, 32)
		if err != nil {
			return 0, "", usageError{fmt.Errorf("--%s %s: %q is no port number", flag, s, number)}
		}
		port = int64(n)
	}
	if port < 0 || name == "" {
		return 0, "", usageError{fmt.Errorf("--%s %s: PORT=NAME is wanted", flag, s)}
	}
	return port, name, nil
}

// interfaces runs the program between netdevs until interrupted.
func (f *runFlags) interfaces(cmd *cobra.Command, p *ir.Program, content []dataplane.Content) (err error) {
	var ports []dataplane.Port
	for _, s := range f.ports {
		n, dev, err := portFlag("ports", s, -1)
		if err != nil {
			return err
		}
		ports = append(ports, dataplane.Port{Number: uint32(n), Netdev: dev})
	}
	for _, s := range f.hosts {
		n, dev, err := portFlag("hosts", s, -1)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(ports, func(p dataplane.Port) bool { return p.Number == uint32(n) })
		if i < 0 {
			return usageError{fmt.Errorf("--hosts %s: port %d is not among --ports", s, n)}
		}
		ports[i].Host = dev
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, unix.SIGTERM)
	defer stop()
	plane, err := sim.Open(sim.Options{Logger: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plane.Close()) }()
	g, err := plane.Prepare(dataplane.Config{Program: p, Content: content})
	if err != nil {
		return err
	}
	if err := g.Commit(); err != nil {
		return err
	}
	for _, port := range ports {
		if err := plane.Attach(port); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "running on %d ports; interrupt to stop\n", len(ports)); err != nil {
		return err
	}
	<-ctx.Done()
	plane.Stop()
	return f.printPorts(cmd.OutOrStdout(), plane, ports)
}

// runPort is what a run prints of a port.
type runPort struct {
	Port   uint32 `json:"port"`
	Name   string `json:"name,omitempty"`
	In     uint64 `json:"in"`
	Out    uint64 `json:"out"`
	Drops  uint64 `json:"drops"` // of frames that came in here
	Remark string `json:"problem,omitempty"`
}

func (f *runFlags) printPorts(w io.Writer, plane *sim.Plane, ports []dataplane.Port) error {
	status := plane.Ports()
	var out []runPort
	for _, p := range ports {
		st, err := plane.PortStats(p.Number)
		if err != nil {
			return err
		}
		r := runPort{Port: p.Number, Name: p.Netdev, In: st.RxPackets, Out: st.TxPackets, Drops: st.Drops}
		for _, s := range status {
			if s.Number == p.Number {
				r.Remark = s.Problem
			}
		}
		out = append(out, r)
	}
	return printRun(w, f.output, runResult{Ports: out})
}

// runResult is what a run prints.
type runResult struct {
	Ports []runPort         `json:"ports"`
	Drops map[string]uint64 `json:"drop_reasons,omitempty"`
}

func printRun(w io.Writer, format string, r runResult) error {
	return render(w, format, r, func(w io.Writer) error {
		var rows [][]string
		for _, p := range r.Ports {
			rows = append(rows, []string{fmt.Sprint(p.Port), p.Name, fmt.Sprint(p.In), fmt.Sprint(p.Out), fmt.Sprint(p.Drops), p.Remark})
		}
		if err := columns(w, []string{"PORT", "NAME", "IN", "OUT", "DROPS", "PROBLEM"}, rows); err != nil {
			return err
		}
		var reasons []string
		for reason := range r.Drops {
			reasons = append(reasons, reason)
		}
		slices.Sort(reasons)
		for _, reason := range reasons {
			if _, err := fmt.Fprintf(w, "dropped %d: %s\n", r.Drops[reason], reason); err != nil {
				return err
			}
		}
		return nil
	})
}

// outFile is where frames of a port go.
type outFile struct {
	port int64 // -1: every port
	name string
	w    *capture.Writer
}

// openOutputs creates the files of --pcap-out; one that is an input as well is
// refused before it is emptied.
func (f *runFlags) openOutputs(inputs []capture.File) (out []outFile, err error) {
	defer func() {
		if err != nil {
			for _, o := range out {
				err = errors.Join(err, o.w.Close())
			}
		}
	}()
	seen := map[string]bool{}
	for _, in := range inputs {
		seen[realPath(in.Path)] = true
	}
	for _, s := range f.out {
		port, name, err := int64(-1), s, error(nil)
		if strings.Contains(s, "=") {
			if port, name, err = portFlag("pcap-out", s, -1); err != nil {
				return out, err
			}
		}
		if seen[realPath(name)] {
			return out, usageError{fmt.Errorf("--pcap-out %s: the file is named twice", s)}
		}
		seen[realPath(name)] = true
		w, err := capture.Create(name)
		if err != nil {
			return out, err
		}
		out = append(out, outFile{port, name, w})
	}
	return out, nil
}

func realPath(name string) string {
	if p, err := filepath.EvalSymlinks(name); err == nil {
		name = p
	}
	if p, err := filepath.Abs(name); err == nil {
		name = p
	}
	return name
}
