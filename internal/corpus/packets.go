package corpus

import (
	"errors"
	"os"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/stf"
)

// packets plays the packet test at path on every engine. One that cannot run the
// program, or the test, skips it.
func (r *Result) packets(path string, res *driver.Result) {
	text, err := os.ReadFile(path)
	if err != nil {
		r.Reports[Core] = err.Error()
		return
	}
	test, err := stf.Parse(path, text)
	if err != nil {
		for e := range r.STF {
			r.STF[e], r.Reports[e] = outcome(stf.Failed), err.Error()
		}
		return
	}
	engines := [Engines]func() (stf.Engine, error){
		Typed: func() (stf.Engine, error) { return stf.NewSimExterns(ir.Clone(res.Typed), modules()) },
		Core:  func() (stf.Engine, error) { return stf.NewSimExterns(ir.Clone(res.Core), modules()) },
		BMv2: func() (stf.Engine, error) {
			js, err := bmv2.Export(ir.Clone(res.Core), bmv2.WithExterns())
			if err != nil {
				return nil, &stf.Unsupported{Reason: err.Error()}
			}
			p, err := bmv2.Import(js, res.Control.Info, res.Core.Name, bmv2.WithExterns())
			if err != nil {
				return nil, err
			}
			return stf.NewSimExterns(p, modules())
		},
		SSA: func() (stf.Engine, error) { return stf.NewSSA(ir.Clone(res.Core)) },
	}
	for e := range r.STF {
		out := stf.Result{Status: stf.Failed}
		err := guard(func() error {
			eng, err := engines[e]()
			if err != nil {
				return err
			}
			out = stf.Run(test, eng, nil)
			return nil
		})
		if u, ok := errors.AsType[*stf.Unsupported](err); ok {
			out = stf.Result{Status: stf.Skipped, Report: u.Reason}
		} else if err != nil {
			out = stf.Result{Status: stf.Failed, Report: err.Error()}
		}
		r.STF[e], r.Reports[e] = outcome(out.Status), out.Report
	}
}

// inKernel plays the packet test at path in the kernel, on both hooks.
func (r *Result) inKernel(path string, core *ir.Program, kernel KernelSTF) {
	text, err := os.ReadFile(path)
	if err != nil {
		return // packets has said so
	}
	test, err := stf.Parse(path, text)
	if err != nil {
		return
	}
	for h, hook := range KernelHooks() {
		out := stf.Result{Status: stf.Failed}
		err := guard(func() error {
			e, done, err := kernel(ir.Clone(core), hook)
			if err != nil {
				return err
			}
			out = stf.Run(test, e, nil)
			return done()
		})
		if u, ok := errors.AsType[*stf.Unsupported](err); ok {
			out = stf.Result{Status: stf.Skipped, Report: u.Reason}
		} else if err != nil {
			out = stf.Result{Status: stf.Failed, Report: err.Error()}
		}
		r.Kernel[h], r.KernelReports[h] = outcome(out.Status), out.Report
	}
}

// modules are the extern functions of programs that p4c's tests load into bmv2 as
// modules: those of extern-funcs-bmv2.p4, whose first argument becomes the second.
func modules() map[string]exec.Extern {
	return map[string]exec.Extern{
		"extern_func": func(args [][]byte) [][]byte {
			if len(args) != 2 {
				return nil
			}
			return [][]byte{args[1], nil}
		},
	}
}

// outcome is the word for the tables.
func outcome(s stf.Status) string {
	switch s {
	case stf.Passed:
		return Passed
	case stf.Skipped:
		return skipped
	}
	return failed
}
