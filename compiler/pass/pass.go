// Package pass runs passes over the IR from one table. A row says which facts
// its pass needs and which it makes; a table in a bad order is refused when the
// pipeline is built, before any program is seen.
//
// In: a table of passes, a program. Out: the program changed in place, timings,
// or the first *Error.
// Must not import: any pass, the front end, a back end, runtime.
package pass

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Fact is a property of a program that a pass establishes and later passes rely
// on. A fact once made holds until the end of the pipeline.
type Fact struct {
	Name string
	// Check proves the fact for p; with Options.Verify it runs after every pass
	// from the one that makes the fact on. Nil when there is nothing to check.
	Check func(p *ir.Program) error
}

// Pass is one row of the table.
type Pass struct {
	Name  string
	Run   func(p *ir.Program) error
	Needs []*Fact
	Makes []*Fact
}

// Optional tells whether the pass can be left out: nothing needs what it makes.
func (p Pass) optional() bool { return len(p.Makes) == 0 }

// Pipeline is a checked table.
type Pipeline struct {
	passes []Pass
}

// New checks the order of a table: names are unique, every needed fact is given
// or made by an earlier row, no fact is made twice, and every fact of goal is
// there at the end.
func New(passes []Pass, given, goal []*Fact) (*Pipeline, error) {
	have := map[*Fact]string{}
	for _, f := range given {
		have[f] = "the input"
	}
	names := map[string]bool{}
	for _, p := range passes {
		if names[p.Name] {
			return nil, fmt.Errorf("pass table: %q stands twice", p.Name)
		}
		names[p.Name] = true
		if p.Run == nil {
			return nil, fmt.Errorf("pass table: %q has no function", p.Name)
		}
		for _, f := range p.Needs {
			if _, ok := have[f]; !ok {
				return nil, fmt.Errorf("pass table: %q needs fact %q, which %s", p.Name, f.Name, whoMakes(passes, f))
			}
		}
		for _, f := range p.Makes {
			if by, ok := have[f]; ok {
				return nil, fmt.Errorf("pass table: %q makes fact %q, which %s already made", p.Name, f.Name, by)
			}
			have[f] = p.Name
		}
	}
	for _, f := range goal {
		if _, ok := have[f]; !ok {
			return nil, fmt.Errorf("pass table: no pass makes fact %q, which the result needs", f.Name)
		}
	}
	return &Pipeline{slices.Clone(passes)}, nil
}

func whoMakes(passes []Pass, f *Fact) string {
	for _, p := range passes {
		if slices.Contains(p.Makes, f) {
			return fmt.Sprintf("only the later %q makes", p.Name)
		}
	}
	return "no pass makes"
}

// Names lists the passes in order.
func (pl *Pipeline) Names() []string {
	var out []string
	for _, p := range pl.passes {
		out = append(out, p.Name)
	}
	return out
}

// Timing is the time one pass took.
type Timing struct {
	Pass string
	Time time.Duration
}

// Options of a run.
type Options struct {
	// Verify checks the program and every fact made so far after every pass.
	Verify bool
	// VerifyProgram is the check of well-formedness that Verify uses besides the
	// facts; nil for none.
	VerifyProgram func(p *ir.Program) error
	Debug         Debug
	// DebugOut receives dumps and times asked for by Debug; Print gives a
	// program's text for them. Both are needed when Debug has either.
	DebugOut io.Writer
	Print    func(p *ir.Program) string
	// Now is the clock of timings; nil reads none.
	Now func() time.Time
}

// Error is a refusal of a program by a pass: something the program says that
// cannot be compiled.
type Error struct {
	Pass string
	Pos  ir.Pos
	Code string // diagnostic code, e.g. "unsupported"
	Msg  string
}

func (e *Error) Error() string { return e.Msg }

// Refuse makes an *Error; the runner fills in the pass.
func Refuse(pos ir.Pos, format string, args ...any) error {
	return &Error{Pos: pos, Code: "unsupported", Msg: fmt.Sprintf(format, args...)}
}

// Panic is what Run panics with when a pass panics: the driver recovers once
// and names the pass.
type Panic struct {
	Pass  string
	Value any
}

func (p *Panic) Error() string { return fmt.Sprintf("internal error in pass %q: %v", p.Pass, p.Value) }

// Run runs the passes in order on p, which they change in place. Errors of a
// pass are *Error; any other error is an internal fault that names the pass.
func (pl *Pipeline) Run(p *ir.Program, o Options) ([]Timing, error) {
	if err := pl.checkDebug(o.Debug); err != nil {
		return nil, err
	}
	var times []Timing
	var facts []*Fact
	for _, ps := range pl.passes {
		sw := o.Debug[ps.Name]
		if sw.Off {
			continue
		}
		var start time.Time
		if o.Now != nil {
			start = o.Now()
		}
		err := runOne(ps, p)
		if o.Now != nil {
			t := Timing{ps.Name, o.Now().Sub(start)}
			times = append(times, t)
			if sw.Time && o.DebugOut != nil {
				fmt.Fprintf(o.DebugOut, "pass/%s: %s\n", t.Pass, t.Time)
			}
		}
		if err != nil {
			if e, ok := err.(*Error); ok {
				e.Pass = ps.Name
				return times, e
			}
			return times, fmt.Errorf("internal error in pass %q: %w", ps.Name, err)
		}
		if sw.Dump && o.DebugOut != nil && o.Print != nil {
			fmt.Fprintf(o.DebugOut, "--- after pass/%s ---\n%s", ps.Name, o.Print(p))
		}
		facts = append(facts, ps.Makes...)
		if o.Verify {
			if err := check(p, facts, o); err != nil {
				return times, fmt.Errorf("internal error: after pass %q: %w", ps.Name, err)
			}
		}
	}
	return times, nil
}

func runOne(ps Pass, p *ir.Program) error {
	defer func() {
		if v := recover(); v != nil {
			panic(&Panic{ps.Name, v})
		}
	}()
	return ps.Run(p)
}

func check(p *ir.Program, facts []*Fact, o Options) error {
	if o.VerifyProgram != nil {
		if err := o.VerifyProgram(p); err != nil {
			return err
		}
	}
	for _, f := range facts {
		if f.Check == nil {
			continue
		}
		if err := f.Check(p); err != nil {
			return fmt.Errorf("fact %q: %w", f.Name, err)
		}
	}
	return nil
}

func (pl *Pipeline) checkDebug(d Debug) error {
	for _, name := range d.names() {
		i := slices.IndexFunc(pl.passes, func(p Pass) bool { return p.Name == name })
		if i < 0 {
			return fmt.Errorf("-d pass/%s: no such pass; there are %v", name, pl.Names())
		}
		if d[name].Off && !pl.passes[i].optional() {
			return fmt.Errorf("-d pass/%s/off: later passes need fact %q of this one", name, pl.passes[i].Makes[0].Name)
		}
	}
	return nil
}
