package differ

import (
	"bytes"
	"fmt"
	"strings"

	bmv2tests "github.com/p4nic/p4nic/bmv2-tests"
	"github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/pass"
	"github.com/p4nic/p4nic/compiler/passes"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// dumps collects what -d pass/NAME/dump prints.
type dumps struct{ bytes.Buffer }

const dumpMark = "--- after pass/"

func (d *dumps) split() (names, texts []string) {
	for _, part := range strings.Split(d.String(), dumpMark)[1:] {
		name, text, _ := strings.Cut(part, " ---\n")
		names, texts = append(names, name), append(texts, text)
	}
	return names, texts
}

func dumpAll() (pass.Debug, error) {
	pl, err := passes.Pipeline()
	if err != nil {
		return nil, err
	}
	d := pass.Debug{}
	for _, n := range pl.Names() {
		d[n] = pass.Switches{Dump: true}
	}
	return d, nil
}

// Guilty says more about a failure: the pass after which the program does
// something else, or the optimisation without which it does not. It gives ""
// where nothing more is known.
func Guilty(c *Case, f *Failure) string {
	switch f.Stage {
	case "exec-typed":
		return guiltyPass(c)
	case "ssa-optimised":
		for _, o := range ssa.Passes() {
			name := o.Name
			if agrees(c, "ssa-optimised", bmv2tests.SSAWith(ssa.Options{Off: map[string]bool{name: true}})) {
				return "it goes away with -d opt/" + name + "/off"
			}
		}
	case "xdp", "tc":
		hook := map[string]ebpf.Hook{"xdp": ebpf.XDP, "tc": ebpf.TC}[f.Stage]
		if agrees(c, f.Stage, bmv2tests.KernelWith(ssa.Options{NoOptimize: true}, ebpf.Options{Hook: hook})) {
			return "it goes away without SSA optimisations"
		}
		for _, name := range ebpf.Optimisations() {
			if agrees(c, f.Stage, bmv2tests.KernelWith(ssa.Options{}, ebpf.Options{Hook: hook, Off: map[string]bool{name: true}})) {
				return "it goes away with -d opt/" + name + "/off"
			}
		}
	}
	return ""
}

// agrees tells whether an engine made in another way does what it shall.
func agrees(c *Case, name string, make func(*bmv2tests.Program, []packetcase.Content) (bmv2tests.Engine, error)) bool {
	p, fail := compile(c.Source)
	if fail != nil {
		return false
	}
	s, err := newSetup(p.prog.Core, c.Entries, c.Control)
	if err != nil {
		return false
	}
	fig := NewFigures()
	want, fail := p.reference(c, s, fig)
	if fail != nil || want == nil {
		return false
	}
	return want.against(name, p.prog, p.prog.Core, s, make, fig) == nil && fig.Runs[name] == 1
}

// guiltyPass runs the program as it is after each pass.
func guiltyPass(c *Case) string {
	p, fail := compile(c.Source)
	if fail != nil {
		return ""
	}
	s, err := newSetup(p.prog.Core, c.Entries, c.Control)
	if err != nil {
		return ""
	}
	fig := NewFigures()
	names, progs, err := levels(c.Source)
	if err != nil {
		return err.Error()
	}
	core := p.prog.Core
	ref, fail := p.reference(c, s, fig)
	if fail != nil || ref == nil {
		return ""
	}
	for i := len(progs) - 2; i >= 0; i-- { // from the end: the last that differs
		q := &bmv2tests.Program{Name: p.prog.Name, Core: progs[i], Info: p.prog.Info}
		fail := ref.against(names[i], p.prog, progs[i], s, func(_ *bmv2tests.Program, content []packetcase.Content) (bmv2tests.Engine, error) {
			return bmv2tests.From(&bmv2tests.Program{Core: core}, q, content, bmv2tests.Reference().New)
		}, fig)
		if fail != nil {
			return fmt.Sprintf("the program differs before and after pass %q", names[i+1])
		}
	}
	return ""
}
