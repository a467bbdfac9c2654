// Package driver runs the compiler from source to core program: the one place
// that knows the order of the phases, and the one that recovers from a panic.
//
// In: the path of a program and the options of the command line. Out: the typed
// and the core program, P4Info and entries, diagnostics, times.
// Must not import: nicctl, a back end other than bmv2 (its JSON is part of a
// bundle), runtime.
package driver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/bindings"
	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/irgen"
	"github.com/p4nic/p4nic/compiler/p4info"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/pass"
	"github.com/p4nic/p4nic/compiler/passes"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/scanner"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
	"github.com/p4nic/p4nic/p4src"
	"github.com/p4nic/p4nic/proto/bindingspb"
)

// Options of a compilation. Only Path is needed.
type Options struct {
	Path        string
	IncludeDirs []string
	Defines     []string // NAME, NAME=VALUE, NAME(PARAMS)=VALUE
	Undefines   []string
	// Include is the include tree searched last; nil means p4src.Include.
	Include fs.FS
	// ReadFile reads the program and what it includes; nil means os.ReadFile.
	ReadFile func(path string) ([]byte, error)
	// MaxErrors is the number of errors reported; 0 means diag.DefaultMax.
	MaxErrors int
	// Bindings is the text of a side file that stands for the program's own
	// @p4nic_bind annotations, BindingsName its name; nil = the annotations count.
	Bindings     []byte
	BindingsName string
	// Debug, with DebugOut for its output.
	Debug    pass.Debug
	DebugOut io.Writer
	// Verify checks the program after every pass.
	Verify bool
	// Now is the clock of Result.Timings; nil takes none.
	Now func() time.Time
}

// Timing is the time one phase took. Passes are called "pass/NAME".
type Timing struct {
	Phase string
	Time  time.Duration
}

// Result is what a compilation made. After errors, which are in Diags, the rest
// is nil; where only the lowering to core was refused, Typed and Control stand.
type Result struct {
	Typed   *ir.Program
	Core    *ir.Program
	Control *p4info.Result // P4Info and initial entries
	// Bindings are what tables mean; without tables when none is bound.
	Bindings *bindingspb.Bindings
	Diags    *diag.List
	Timings  []Timing
}

// Codes of diagnostics that the driver makes.
const (
	// CodeUnsupported: the program is correct and p4nic cannot compile it.
	CodeUnsupported diag.Code = "unsupported"
	// CodeNoMain, a warning: the program can be described, not run.
	CodeNoMain diag.Code = "no-main"
	// CodeP4Info: the program has something that P4Info cannot express.
	CodeP4Info diag.Code = "p4info"
	// CodeBindings: what an annotation or a side file says of a table cannot be.
	CodeBindings diag.Code = "bindings"
)

// Internal is a fault of the compiler: a phase panicked, or a pass broke a
// promise. Phase is the phase or "pass/NAME".
type Internal struct {
	Phase string
	Err   error
	Stack []byte // nil unless the fault was a panic
}

func (e *Internal) Error() string {
	return fmt.Sprintf("internal error in %s: %v (this is a fault of p4nic, not of the program)", e.Phase, e.Err)
}

func (e *Internal) Unwrap() error { return e.Err }

// Check runs the front end: preprocessor, parser, types. The program is also
// instantiated, which finds the errors that depend on it (names that collide, entries that do not fit). The error is
// *Internal; what is wrong with the program is in Result.Diags.
func Check(o Options) (*Result, error) {
	return run(o, func(c *compiler) error {
		c.front()
		if c.res.Diags.HasErrors() {
			return nil
		}
		c.instantiate()
		return nil
	})
}

// instantiate finds the errors that only irgen sees. It refuses also what p4nic
// cannot compile yet; that is no fault of the program. In a library nothing is
// instantiated, so that rules about instances say nothing.
func (c *compiler) instantiate() {
	own := c.rep
	c.rep = diag.NewList(c.set, -1)
	c.generate()
	c.res.Typed = nil
	for _, d := range c.rep.All() {
		if c.info.Top["main"] != nil && d.Code != "unsupported" && d.Code != "bad-main" {
			own.Report(d)
		}
	}
	c.rep = own
}

// Typed brings a program to typed IR; one without main is a library, of which
// all that needs no arguments is there. The error is *Internal.
func Typed(o Options) (*Result, error) {
	return run(o, func(c *compiler) error {
		c.front()
		if !c.res.Diags.HasErrors() {
			c.generate()
		}
		return nil
	})
}

// Compile brings a program to core. The error is *Internal, or says which
// option is wrong; what is wrong with the program is in Result.Diags.
func Compile(o Options) (*Result, error) {
	return run(o, func(c *compiler) error {
		c.front()
		if !c.rep.HasErrors() {
			c.generate()
		}
		if c.rep.HasErrors() {
			return nil
		}
		if c.res.Typed == nil {
			return &Internal{Phase: "irgen", Err: errors.New("no program and no error")}
		}
		c.phase("p4info", func() {
			res, errs := p4info.Generate(c.res.Typed)
			for _, e := range errs {
				c.report(CodeP4Info, c.res.Typed, e.Pos, e.Msg)
			}
			c.res.Control = res
		})
		if c.rep.HasErrors() {
			return nil
		}
		c.phase("bindings", c.bind)
		if c.rep.HasErrors() {
			return nil
		}
		if len(c.res.Typed.Pipeline) == 0 {
			c.rep.Report(diag.Diagnostic{Code: CodeNoMain, Severity: diag.Warning,
				Message: "the program has no package instance called main: there is nothing to run"})
		}
		c.described = true
		return c.lower()
	})
}

// Bundle packs a result without errors, with bmv2 JSON where the program can be
// said in it. version is the compiler's.
func (r *Result) Bundle(version string) ([]byte, error) {
	if len(r.Core.Pipeline) == 0 {
		return nil, errors.New("the program has no package instance called main: there is nothing to pack")
	}
	js, err := bmv2.Export(r.Core)
	if _, refused := errors.AsType[*bmv2.Error](err); err != nil && !refused {
		return nil, err
	}
	return bundle.Write(bundle.Contents{
		Compiler: version, P4Info: r.Control.Info, Entries: r.Control.Entries, Program: r.Core, Bindings: r.Bindings, BMV2: js,
	})
}

type compiler struct {
	o    Options
	set  *source.Set
	rep  *diag.List
	res  *Result
	cur  string // phase, for Internal
	tree *ast.Program
	info *types.Info
	// described tells that P4Info is made and only the lowering is left.
	described bool
}

// run is the one place that recovers.
func run(o Options, do func(*compiler) error) (res *Result, err error) {
	set := source.NewSet()
	c := &compiler{o: o, set: set, rep: diag.NewList(set, o.MaxErrors)}
	c.res = &Result{Diags: c.rep}
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		in := &Internal{Phase: c.cur, Stack: debug.Stack()}
		switch x := v.(type) {
		case *pass.Panic:
			in.Phase, in.Err = "pass/"+x.Pass, fmt.Errorf("%v", x.Value)
		case error:
			in.Err = x
		default:
			in.Err = fmt.Errorf("%v", x)
		}
		res, err = c.res, in
	}()
	if err := do(c); err != nil {
		return c.res, err
	}
	if c.rep.HasErrors() {
		c.res.Core, c.res.Bindings = nil, nil
		if !c.described {
			c.res.Typed, c.res.Control = nil, nil
		}
	}
	return c.res, nil
}

func (c *compiler) phase(name string, f func()) {
	c.cur = name
	var start time.Time
	if c.o.Now != nil {
		start = c.o.Now()
	}
	f()
	if c.o.Now != nil {
		c.res.Timings = append(c.res.Timings, Timing{name, c.o.Now().Sub(start)})
	}
}

func (c *compiler) front() {
	pp := c.preprocess()
	if c.rep.HasErrors() {
		return
	}
	c.parse(pp)
	if c.rep.HasErrors() {
		return
	}
	c.phase("types", func() { c.info = types.Check(c.tree, c.rep) })
}

func (c *compiler) preprocess() *preproc.Result {
	inc := c.o.Include
	if inc == nil {
		inc = p4src.Include()
	}
	var pp *preproc.Result
	c.phase("preproc", func() {
		pp = preproc.Run(c.set, preproc.Options{
			IncludeDirs: c.o.IncludeDirs, FS: inc, Defines: c.o.Defines, Undefines: c.o.Undefines,
			ReadFile: c.o.ReadFile,
		}, c.o.Path, c.rep)
	})
	return pp
}

func (c *compiler) parse(pp *preproc.Result) {
	var toks []scanner.Token
	c.phase("scanner", func() { toks = scanner.Scan(pp, c.rep) })
	c.phase("parser", func() { c.tree = parser.ParseTokens(toks, c.rep) })
}

// generate makes the typed IR; main may be missing.
func (c *compiler) generate() {
	c.phase("irgen", func() {
		c.res.Typed = irgen.Generate(c.tree, c.info, irgen.Options{
			Name: programName(c.o.Path), Root: filepath.Dir(c.o.Path), Library: true,
		}, c.rep)
	})
}

func programName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// bind reads and checks what tables mean.
func (c *compiler) bind() {
	var errs []bindings.Error
	if c.o.Bindings == nil {
		c.res.Bindings, errs = bindings.FromProgram(c.res.Typed)
	} else if b, err := bindings.Parse(c.o.Bindings); err != nil {
		errs = []bindings.Error{{Msg: err.Error()}}
	} else {
		c.res.Bindings, errs = bindings.Check(c.res.Typed, b)
	}
	for _, e := range errs {
		msg := e.Msg
		if c.o.Bindings != nil {
			msg = c.o.BindingsName + ": " + msg
		}
		c.report(CodeBindings, c.res.Typed, e.Pos, msg)
	}
}

// lower runs the passes on a copy of the typed program.
func (c *compiler) lower() error {
	pl, err := passes.Pipeline()
	if err != nil {
		return &Internal{Phase: "passes", Err: err}
	}
	core := ir.Clone(c.res.Typed)
	opts := pass.Options{
		Debug: c.o.Debug, DebugOut: c.o.DebugOut, Now: c.o.Now, Verify: c.o.Verify,
		VerifyProgram: ir.Check, Print: (*ir.Program).String,
	}
	times, err := pl.Run(core, opts)
	for _, t := range times {
		c.res.Timings = append(c.res.Timings, Timing{"pass/" + t.Pass, t.Time})
	}
	if refused, ok := errors.AsType[*pass.Error](err); ok {
		c.report(diag.Code(refused.Code), core, refused.Pos, refused.Msg)
		return nil
	}
	if err != nil {
		return err
	}
	if err := ir.Check(core); err != nil {
		return &Internal{Phase: "passes", Err: err}
	}
	c.res.Core = core
	return nil
}

// report makes a diagnostic of a position in the IR.
func (c *compiler) report(code diag.Code, p *ir.Program, pos ir.Pos, msg string) {
	c.rep.Report(diag.Diagnostic{Code: code, Severity: diag.Error, Span: c.span(p, pos), Message: msg})
}

// span finds the place of an IR position in the sources. Paths in the IR are
// relative to the program's folder; a line that #line renamed is not found and
// gives no span.
func (c *compiler) span(p *ir.Program, pos ir.Pos) source.Span {
	if !pos.IsValid() || int(pos.File) >= len(p.Files) {
		return source.Span{}
	}
	want := p.Files[pos.File].Path
	root := filepath.Dir(c.o.Path)
	i := slices.IndexFunc(c.set.Files(), func(f *source.File) bool {
		name := f.Name
		if rel, err := filepath.Rel(root, name); err == nil {
			name = filepath.ToSlash(rel)
		}
		return name == want || f.Name == want
	})
	if i < 0 {
		return source.Span{}
	}
	f := c.set.Files()[i]
	offset := 0
	for range pos.Line - 1 {
		n := strings.IndexByte(f.Content[offset:], '\n')
		if n < 0 {
			return source.Span{}
		}
		offset += n + 1
	}
	lo := f.Pos(offset + int(pos.Col) - 1)
	return source.Span{Lo: lo, Hi: lo + 1}
}
