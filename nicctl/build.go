package nicctl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/bindings"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/p4info"
	"github.com/p4nic/p4nic/compiler/pass"
	"github.com/p4nic/p4nic/internal/version"
)

type buildFlags struct {
	src    sourceFlags
	output string
	emit   []string
	// entries are files for --emit ebpf.
	entries []string
	bind    string
	info    string
	time    bool
	debug   []string
	extern  bool
}

func newBuildCommand() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build PROG.p4 | PROG.json",
		Short: "Compile a P4 program to a bundle",
		Long: `Compile a P4 program to a bundle, PROG.nicpkg in the current folder unless -o says
otherwise. The same source, options and compiler give the same bytes.

The program may also be bmv2 JSON, as p4c makes it, with its P4Info.

--emit KIND=FILE writes another form as well, "-" meaning stdout:
  p4info    P4Info; the name's ending chooses the form: .json, .bin or text
  entries   the entries written in the program, as a P4Runtime WriteRequest; likewise
  ir        the core program as text
  typed     the program before it is lowered to core, as text
  bmv2      the JSON that simple_switch loads
  ebpf      an object file for libbpf, bpftool and ip (docs/ebpf-object.md); it begins
            with the program's own entries and those of --entries`,
		Example: `  nicctl build router.p4
  nicctl build router.p4 -o edge.nicpkg -D ROUTED_DSCP=46 --time
  nicctl build switch.json --p4info switch.p4info.txt
  nicctl build router.p4 --emit p4info=router.p4info.txtpb --emit ir=-`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.src.register(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.output, "output", "o", "", "write the bundle to `FILE`")
	fl.StringArrayVar(&f.emit, "emit", nil, "also write `KIND=FILE` (repeatable)")
	fl.StringArrayVar(&f.entries, "entries", nil, "entries in `FILE`, as for nicctl run, that the object of --emit ebpf begins with; may be repeated")
	fl.BoolVar(&f.extern, "emit-externs", false, "write calls of the program's own extern functions into the bmv2 JSON, for a switch that loads them as a module")
	fl.StringVar(&f.bind, "bindings", "", "what tables mean for routing, in `FILE` (text proto, proto/bindings.proto), in the place of the program's @p4nic_bind annotations")
	fl.StringVar(&f.info, "p4info", "", "P4Info `FILE` of a .json program")
	fl.BoolVar(&f.time, "time", false, "print how long each phase took")
	fl.StringArrayVarP(&f.debug, "debug", "d", nil, "`pass/NAME/{dump,off,time}`, for work on the compiler (repeatable)")
	return cmd
}

func (f *buildFlags) run(cmd *cobra.Command, path string) error {
	ext := filepath.Ext(path)
	if ext != ".p4" && ext != ".json" {
		return usageError{fmt.Errorf("%s: a P4 program (.p4) or bmv2 JSON (.json) is wanted", path)}
	}
	if (ext == ".json") != (f.info != "") {
		return usageError{fmt.Errorf("%s: --p4info belongs to bmv2 JSON, which needs it", path)}
	}
	emits, err := f.emits()
	if err != nil {
		return usageError{err}
	}
	opts := f.src.options(path)
	opts.Now = time.Now
	opts.DebugOut = cmd.ErrOrStderr()
	if f.bind != "" {
		if opts.Bindings, err = os.ReadFile(f.bind); err != nil {
			return err
		}
		if opts.Bindings == nil {
			opts.Bindings = []byte{}
		}
		opts.BindingsName = f.bind
	}
	if opts.Debug, err = pass.ParseDebug(f.debug); err != nil {
		return usageError{err}
	}
	var res *driver.Result
	var raw []byte
	if ext == ".json" {
		res, raw, err = f.fromJSON(path)
	} else {
		res, raw, err = compile(cmd, opts)
	}
	if err != nil {
		// A program that cannot be run can still be described.
		if res != nil && res.Control != nil && res.Typed != nil {
			described := slices.DeleteFunc(emits, func(e emit) bool { return !e.control })
			if res.Core != nil && len(described) > 0 && f.output == "" {
				err = nil // no main: there was nothing else to make
			}
			return errors.Join(err, writeEmits(cmd, res, described))
		}
		return err
	}
	out := f.output
	if out == "" {
		out = strings.TrimSuffix(filepath.Base(path), ext) + ".nicpkg"
	}
	if err := writeFile(out, raw); err != nil {
		return err
	}
	if err := writeEmits(cmd, res, emits); err != nil {
		return err
	}
	if f.time {
		return printTimes(cmd.ErrOrStderr(), res.Timings)
	}
	return nil
}

// writeEmits writes the other forms of a program.
func writeEmits(cmd *cobra.Command, res *driver.Result, emits []emit) error {
	for _, e := range emits {
		data, err := e.render(res, e.file)
		if err != nil {
			return err
		}
		if e.file == "-" {
			if _, err := cmd.OutOrStdout().Write(data); err != nil {
				return err
			}
			continue
		}
		if err := writeFile(e.file, data); err != nil {
			return err
		}
	}
	return nil
}

// fromJSON imports bmv2 JSON and packs it.
func (f *buildFlags) fromJSON(path string) (*driver.Result, []byte, error) {
	if len(f.debug) > 0 {
		return nil, nil, usageError{fmt.Errorf("%s: --debug belongs to P4 source", path)}
	}
	p, info, err := importJSON(path, f.info)
	if err != nil {
		return nil, nil, err
	}
	res := &driver.Result{Core: p, Control: &p4info.Result{Info: info, Entries: bmv2.Entries(p, info)}}
	if f.bind != "" {
		text, err := os.ReadFile(f.bind)
		if err != nil {
			return nil, nil, err
		}
		b, err := bindings.Parse(text)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.bind, err)
		}
		var errs []bindings.Error
		if res.Bindings, errs = bindings.Check(p, b); len(errs) > 0 {
			return nil, nil, fmt.Errorf("%s: %s", f.bind, errs[0].Msg)
		}
	}
	raw, err := res.Bundle(version.Version)
	return res, raw, err
}

// compile compiles and packs; diagnostics are printed. With an error there may
// still be a result, see driver.Result.
func compile(cmd *cobra.Command, opts driver.Options) (*driver.Result, []byte, error) {
	res, err := driver.Compile(opts)
	if err := report(cmd, res, err, false); err != nil {
		return res, nil, err
	}
	raw, err := res.Bundle(version.Version)
	return res, raw, err
}

// compileBundle compiles a program for commands that need a bundle's bytes.
func compileBundle(cmd *cobra.Command, path string, src sourceFlags) ([]byte, error) {
	_, raw, err := compile(cmd, src.options(path))
	return raw, err
}

// emit is one --emit.
type emit struct {
	file string
	// control tells that it needs no core program: it can be had of programs that
	// cannot be run.
	control bool
	render  func(res *driver.Result, file string) ([]byte, error)
}

// emits are the forms that are asked for.
func (f *buildFlags) emits() ([]emit, error) {
	var out []emit
	var opts []bmv2.Option
	if f.extern {
		opts = append(opts, bmv2.WithExterns())
	}
	for _, a := range f.emit {
		kind, file, ok := strings.Cut(a, "=")
		if !ok || file == "" {
			return nil, fmt.Errorf("--emit %s: KIND=FILE is wanted", a)
		}
		e := emit{file: file}
		switch kind {
		case "p4info":
			e.control = true
			e.render = func(r *driver.Result, file string) ([]byte, error) { return message(r.Control.Info, file), nil }
		case "entries":
			e.control = true
			e.render = func(r *driver.Result, file string) ([]byte, error) { return message(r.Control.Entries, file), nil }
		case "typed":
			e.control = true
			e.render = func(r *driver.Result, _ string) ([]byte, error) { return []byte(r.Typed.String()), nil }
		case "ir":
			e.render = func(r *driver.Result, _ string) ([]byte, error) { return []byte(r.Core.String()), nil }
		case "bmv2":
			e.render = func(r *driver.Result, _ string) ([]byte, error) { return bmv2.Export(r.Core, opts...) }
		case "ebpf":
			e.render = func(r *driver.Result, _ string) ([]byte, error) { return exportELF(r, f.entries) }
		default:
			return nil, fmt.Errorf("--emit %s: the kinds are p4info, entries, typed, ir, bmv2 and ebpf", kind)
		}
		out = append(out, e)
	}
	return out, nil
}

// exportELF makes the object file of a program with its own entries and those of
// --entries.
func exportELF(r *driver.Result, entries []string) ([]byte, error) {
	of := runFlags{entries: entries}
	content, err := of.content(loadedProgram{core: r.Core, info: r.Control.Info})
	if err != nil {
		return nil, err
	}
	out := make([]backend.TableContent, len(content))
	for i, c := range content {
		out[i] = backend.TableContent{Default: c.Default, Entries: c.Entries}
	}
	return backend.ExportELF(r.Core, out)
}

// message prints a protobuf message in the form that the file's name asks for.
func message(m proto.Message, file string) []byte {
	switch filepath.Ext(file) {
	case ".json":
		return p4info.JSON(m)
	case ".bin", ".pb":
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			panic(err) // proto3 messages of ours have no required field and valid UTF-8
		}
		return data
	}
	return p4info.Text(m)
}

// writeFile replaces a file in one step: nobody sees half of it, and a failed
// build leaves the old one.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	tmp := f.Name()
	_, werr := f.Write(data)
	merr := f.Chmod(0o644)
	cerr := f.Close()
	if err := errors.Join(werr, merr, cerr); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

func printTimes(w io.Writer, times []driver.Timing) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	var total time.Duration
	for _, t := range times {
		total += t.Time
		fmt.Fprintf(tw, "%s\t%s\t\n", t.Phase, t.Time.Round(time.Microsecond))
	}
	fmt.Fprintf(tw, "total\t%s\t\n", total.Round(time.Microsecond))
	return tw.Flush()
}
