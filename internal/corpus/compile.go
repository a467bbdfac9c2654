package corpus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/compiler/stf"
)

// Job is one program to compile.
type Job struct {
	Root string // of the checkout
	Path string
	Arch string
	// STF tells to play the packet test too.
	STF bool
	// Limit is the stage to stop at.
	Limit Stage
	// Kernel tells to play the packet test in the kernel too.
	Kernel bool
}

// KernelSTF makes an engine of packet tests in the kernel, for one of KernelHooks,
// and a function that takes it out again. It comes from outside: this package does
// not know the datapath.
type KernelSTF func(core *ir.Program, hook string) (stf.Engine, func() error, error)

// Compile brings a program as far as it goes; kernel may be nil.
func Compile(j Job, kernel KernelSTF) *Result {
	r := &Result{Path: j.Path}
	o := driver.Options{Path: filepath.Join(j.Root, filepath.FromSlash(j.Path)), MaxErrors: -1}
	res, err := driver.Check(o)
	if err != nil {
		return r.fail(err)
	}
	if res.Diags.HasErrors() {
		r.Verdict = Reject
		r.blame(res, filepath.Base(j.Path))
		return r
	}
	r.Verdict, r.Stage = Accept, StageCheck
	if err := guard(func() error { r.Stable = stable(o); return nil }); err != nil {
		return r.fail(err)
	}
	if j.Limit <= StageCheck {
		return r
	}
	if err := guard(func() error { return r.typed(o) }); err != nil {
		return r.fail(err)
	}
	if r.Stage < StageTyped || j.Limit <= StageTyped {
		return r
	}
	if res, err = driver.Compile(o); err != nil {
		return r.fail(err)
	}
	if res.Diags.HasErrors() {
		r.blame(res, filepath.Base(j.Path))
		r.Line = "" // a line is that of a rejection
		return r
	}
	r.P4Info, r.Entries = Digest(res.Control.Info), Digest(res.Control.Entries)
	r.Stage = StageCore
	if j.Arch == "v1model" || j.Arch == "psa" || j.Arch == "pna" {
		if err := guard(func() error { _, err := bmv2.Export(ir.Clone(res.Core), bmv2.WithExterns()); return err }); err != nil {
			r.JSON = err.Error()
		}
	}
	r.engines(res.Core, j.Limit)
	if j.STF {
		r.packets(testOf(j.Root, j.Path), res)
		if j.Kernel && kernel != nil {
			r.inKernel(testOf(j.Root, j.Path), res.Core, kernel)
		}
	}
	return r
}

// typed makes the typed IR, which must verify, print and read back.
func (r *Result) typed(o driver.Options) error {
	res, err := driver.Typed(o)
	if err != nil {
		return err
	}
	if res.Diags.HasErrors() {
		r.blame(res, filepath.Base(o.Path))
		r.Line = "" // a line is that of a rejection
		return nil
	}
	if err := whole(res.Typed); err != nil {
		return err
	}
	r.Stage = StageTyped
	return nil
}

// whole tells what is wrong with typed IR: it must verify, print, and print the
// same when it is read back.
func whole(p *ir.Program) error {
	if err := ir.Check(p); err != nil {
		return err
	}
	text := p.String()
	again, err := ir.Parse("typed", []byte(text))
	if err != nil {
		return fmt.Errorf("the typed IR does not read back: %w", err)
	}
	if again.String() != text {
		return errors.New("the typed IR prints otherwise when it is read back")
	}
	return nil
}

// fail records a fault of the compiler.
func (r *Result) fail(err error) *Result {
	r.Verdict, r.Stage = Crash, StageNone
	r.Note = err.Error()
	r.Why = "internal"
	if in, ok := errors.AsType[*driver.Internal](err); ok {
		r.Why = "internal: " + in.Phase
		r.Note += "\n" + string(in.Stack)
	}
	return r
}

// blame records the first error of a compilation.
func (r *Result) blame(res *driver.Result, base string) {
	for _, d := range res.Diags.All() {
		if d.Severity != diag.Error {
			continue
		}
		r.Why, r.Note = string(d.Code), d.Message
		if at := res.Diags.Set().Position(d.Span.Lo); at.Line != 0 {
			r.Line = fmt.Sprint(at.Line)
			if f := filepath.Base(at.File); f != base {
				r.Line = f + ":" + r.Line
			}
		}
		return
	}
}

// engines tries every engine in turn.
func (r *Result) engines(core *ir.Program, limit Stage) {
	steps := []struct {
		stage Stage
		do    func() error
	}{
		{StageExec, func() error { _, err := exec.New(ir.Clone(core), exec.Options{}); return err }},
		{StageSSA, func() error { _, err := ssa.Lower(core, ssa.Options{}); return err }},
		{StageEBPF, func() error { return forHooks(core, nil) }},
		{StageKernel, func() error { return forHooks(core, load) }},
	}
	for _, s := range steps {
		if s.stage > limit {
			return
		}
		if err := guard(s.do); err != nil {
			r.Why, r.Note = reason(err), err.Error()
			return
		}
		r.Stage = s.stage
	}
}

// panicked is a panic of an engine: a fault of ours.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, debug.Stack()}
		}
	}()
	return f()
}

// reason is the kind of construct that err names, short enough for a table and
// without names from the program.
func reason(err error) string {
	s := construct(err)
	kind, rest, _ := strings.Cut(s, " ")
	if kind == "extern" {
		name, _, _ := strings.Cut(rest, " ")
		return kind + " " + name
	}
	switch kind {
	case "table", "action", "parser", "control", "field", "header", "key", "state", "counter", "register", "meter", "variable":
		return kind
	}
	return s
}

func construct(err error) string {
	if _, ok := errors.AsType[*panicked](err); ok {
		return "panic"
	}
	if u, ok := errors.AsType[*ssa.Unsupported](err); ok {
		return u.Construct
	}
	if u, ok := errors.AsType[*backend.Unsupported](err); ok {
		return u.Construct
	}
	if u, ok := errors.AsType[*exec.Unsupported](err); ok {
		return u.Construct
	}
	if _, ok := errors.AsType[*ebpf.VerifierError](err); ok {
		return "verifier"
	}
	return "error"
}

// ncpu is the number of CPUs that layouts are planned for; results must not
// depend on the machine.
const ncpu = 4

func forHooks(core *ir.Program, do func(*backend.Layout, *backend.Object) error) error {
	for _, h := range []backend.Hook{backend.XDP, backend.TC} {
		// Compile may change what it is given.
		f, err := ssa.Lower(core, ssa.Options{})
		if err != nil {
			return err
		}
		l, err := backend.PlanLayout(core, ncpu)
		if err != nil {
			return err
		}
		obj, err := backend.Compile(f, l, backend.Options{Hook: h})
		if err != nil {
			return err
		}
		if do != nil {
			if err := do(l, obj); err != nil {
				return fmt.Errorf("%s: %w", h, err)
			}
		}
	}
	return nil
}

// load asks the kernel's verifier.
func load(l *backend.Layout, obj *backend.Object) (err error) {
	maps := map[string]*ebpf.Map{}
	defer func() {
		for _, m := range maps {
			err = errors.Join(err, m.Close())
		}
	}()
	if obj.Machine != nil {
		// Shapes of scratch maps differ: it is loaded with maps of its own.
		if err := load(l, obj.Machine); err != nil {
			return fmt.Errorf("copies: %w", err)
		}
	}
	for _, s := range append(l.Maps(), obj.Maps...) {
		if maps[s.Name] != nil {
			continue
		}
		m, err := ebpf.NewMap(s.Spec())
		if err != nil {
			return fmt.Errorf("map %s: %w", s.Name, err)
		}
		maps[s.Name] = m
		if s.Contents == nil {
			continue
		}
		if err := m.Put(uint32(0), s.Contents); err != nil {
			return fmt.Errorf("map %s: %w", s.Name, err)
		}
		if err := m.Freeze(); err != nil {
			return fmt.Errorf("map %s: %w", s.Name, err)
		}
	}
	spec, err := obj.Spec("p4nic_corpus", maps)
	if err != nil {
		return err
	}
	prog, err := ebpf.NewProgram(spec)
	if err != nil {
		return err
	}
	return prog.Close()
}

// HaveBPF tells whether this process may load programs.
func HaveBPF() bool {
	if os.Geteuid() != 0 {
		return false
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return false
	}
	return m.Close() == nil
}

// firstLine is s up to its first line end.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
