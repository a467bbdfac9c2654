package differ

import (
	"fmt"

	bmv2tests "github.com/p4nic/p4nic/bmv2-tests"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
	"github.com/p4nic/p4nic/compiler/printer"
	"github.com/p4nic/p4nic/internal/p4gen"
)

type compiled struct {
	prog *bmv2tests.Program
}

func options(src string) driver.Options {
	return driver.Options{Path: p4gen.Path, Verify: true, ReadFile: p4gen.ReadFile(src)}
}

// compile brings source to core; a program that is refused is a failure, too:
// those made here are all correct.
func compile(src string) (*compiled, *Failure) {
	r, err := driver.Compile(options(src))
	if err != nil {
		return nil, &Failure{Stage: "compiler", What: err.Error(), Packet: -1}
	}
	for _, d := range r.Diags.All() {
		if d.Severity == diag.Error {
			return nil, &Failure{Stage: "front", What: fmt.Sprintf("%s: %s", d.Code, d.Message), Packet: -1}
		}
	}
	return &compiled{&bmv2tests.Program{Name: "random", Typed: r.Typed, Core: r.Core, Info: r.Control.Info}}, nil
}

// printed holds that printing and parsing source and IR changes nothing.
func printed(src string, p *compiled) *Failure {
	fail := func(format string, args ...any) *Failure {
		return &Failure{Stage: "print", What: fmt.Sprintf(format, args...), Packet: -1}
	}
	tree, _, err := p4gen.Parse(src)
	if err != nil {
		return fail("source\n%v", err)
	}
	once := printer.String(tree)
	again, _, err := p4gen.Parse(once)
	if err != nil {
		return fail("printed source is not parsed\n%v", err)
	}
	if twice := printer.String(again); twice != once {
		return fail("source printed twice differs\n%s", firstDifference(once, twice))
	}
	for _, q := range []*ir.Program{p.prog.Typed, p.prog.Core} {
		text := q.String()
		back, err := ir.Parse("random.ir", []byte(text))
		if err != nil {
			return fail("IR at level %s is not parsed\n%v", q.Level, err)
		}
		if t := back.String(); t != text {
			return fail("IR at level %s printed twice differs\n%s", q.Level, firstDifference(text, t))
		}
	}
	return nil
}

func firstDifference(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	part := func(s string) string { return s[max(0, i-40):min(len(s), i+40)] }
	return fmt.Sprintf("%q and %q", part(a), part(b))
}

// levels are the programs after each pass, by name in order; the first is the
// typed program.
func levels(src string) (names []string, progs []*ir.Program, err error) {
	var out dumps
	o := options(src)
	o.DebugOut = &out
	o.Debug = pass.Debug{}
	if o.Debug, err = dumpAll(); err != nil {
		return nil, nil, err
	}
	r, err := driver.Compile(o)
	if err != nil || r.Diags.HasErrors() {
		return nil, nil, fmt.Errorf("it does not compile: %v %v", err, r.Diags)
	}
	names, texts := out.split()
	names, progs = append([]string{"typed"}, names...), append(progs, r.Typed)
	for i, text := range texts {
		p, err := ir.Parse(names[i+1], []byte(text))
		if err != nil {
			return nil, nil, fmt.Errorf("after pass %s: %w", names[i+1], err)
		}
		progs = append(progs, p)
	}
	return names, progs, nil
}
