// Package corpus holds what is known about public P4 programs and plays them
// against our compiler: facts about a program (its path and digest, whether its
// own compiler accepts it, the line of the first error, digests of its P4Info
// and entries) beside what p4nic makes of it. Nothing of a program itself is
// kept here; a replay needs a checkout.
//
// In: the tables of testdata/corpus, a checkout of the repository they name.
// Out: results, what got worse, a summary. Must not import: runtime, nicctl.
package corpus

import (
	"cmp"
	"fmt"
)

// Repository is where the programs come from.
const Repository = "https://github.com/p4lang/p4c"

// Verdicts.
const (
	Accept = "accept"
	Reject = "reject"
	// Crash and Timeout are verdicts of ours alone, and always faults.
	Crash   = "crash"
	Timeout = "timeout"
)

// Program is what is known about one program.
type Program struct {
	Path   string // below the root of the repository
	SHA256 string // of the file, hexadecimal
	Arch   string // the architecture file it includes; "none" and "core" need none
	Want   string // Accept or Reject: the verdict of p4test
	// Line is where p4test reports its first error that has a place: "12", or
	// "core.p4:12" in a file that is included; "" when accepted or without place.
	Line string
	// P4Info and Entries are digests of the canonical forms (canon.go) of what
	// p4test makes of it; "" where nothing is recorded.
	P4Info, Entries string
	// STF is the digest of its packet test, "" where it has none.
	STF string
}

// Engine is a way to play a packet test.
type Engine int

// Engines.
const (
	Typed Engine = iota // the reference interpreter, level typed
	Core                // the reference interpreter, level core
	BMv2                // the same after a round trip through bmv2 JSON
	SSA                 // the interpreter of SSA
	Engines
)

func (e Engine) String() string { return [...]string{"typed", "core", "bmv2", "ssa"}[e] }

// Outcomes of a packet test.
const (
	Passed  = "pass"
	failed  = "fail"
	skipped = "skip"
)

// Stage is how far a program gets; each stage includes those before.
type Stage int

// Stages.
const (
	StageNone   Stage = iota // rejected by the front end
	StageCheck               // accepted by the front end
	StageTyped               // typed IR, which verifies, prints and reads back
	StageCore                // brought to core, P4Info made
	StageExec                // the reference interpreter runs it
	StageSSA                 // lowered to SSA
	StageEBPF                // compiled to eBPF instructions, for XDP and for tc
	StageKernel              // the verifier of this kernel accepts both
)

var stageNames = [...]string{"none", "check", "typed", "core", "exec", "ssa", "ebpf", "kernel"}

func (s Stage) String() string {
	if s < 0 || int(s) >= len(stageNames) {
		return fmt.Sprintf("stage(%d)", int(s))
	}
	return stageNames[s]
}

// ParseStage is the inverse of String.
func ParseStage(s string) (Stage, error) {
	for i, n := range stageNames {
		if n == s {
			return Stage(i), nil
		}
	}
	return 0, fmt.Errorf("no stage %q", s)
}

// Result is what p4nic makes of one program.
type Result struct {
	Path    string
	Verdict string
	Line    string // of our first error, as in Program.Line
	Stage   Stage
	// Why is the code of the first error, or the construct that ends it before
	// StageKernel.
	Why string
	// P4Info and Entries are digests as in Program.
	P4Info, Entries string
	// STF is how the packet test ended on each engine, "" where there is none or
	// the program did not get so far.
	STF [Engines]string
	// Kernel is how it ended in the kernel, where that was asked for (Job.Kernel); it
	// is not recorded.
	Kernel [2]string
	// JSON says why there is no bmv2 JSON of a program for v1model, PSA or PNA; it is
	// not recorded.
	JSON string
	// Stable tells that the program, printed and read back, prints the same.
	Stable bool
	// Note and Reports are detail for the eye, not recorded: the first message, and
	// the reports of the packet tests.
	Note    string
	Reports [Engines]string
	// KernelReports are those of Kernel.
	KernelReports [2]string
}

// KernelHooks names the elements of Result.Kernel.
func KernelHooks() [2]string { return [2]string{"xdp", "tc"} }

// Good tells of a result, measured against the facts, each thing that can be
// right. What does not apply is false.
type Good struct {
	Verdict, Line, P4Info, Entries bool
	STF                            [Engines]bool
}

// Judge compares a result with the facts.
func Judge(p *Program, r *Result) Good {
	g := Good{
		Verdict: r.Verdict == p.Want,
		Line:    p.Want == Reject && r.Verdict == Reject && (p.Line == "" || r.Line == p.Line),
		P4Info:  p.P4Info != "" && r.P4Info == p.P4Info,
		Entries: p.Entries != "" && r.Entries == p.Entries,
	}
	for e := range g.STF {
		g.STF[e] = p.STF != "" && r.STF[e] == Passed
	}
	return g
}

// Worse lists what r lost against old, both results of p. A stage counts up to
// limit: a machine without BPF cannot show more than StageEBPF.
func Worse(p *Program, old, r *Result, limit Stage) []string {
	var out []string
	was, is := Judge(p, old), Judge(p, r)
	lost := func(name string, was, is bool, detail string) {
		if was && !is {
			out = append(out, name+detail)
		}
	}
	lost("verdict", was.Verdict, is.Verdict, fmt.Sprintf(": %s, was %s (%s)", r.Verdict, old.Verdict, r.Note))
	lost("line", was.Line, is.Line, fmt.Sprintf(": %s, p4test says %s (%s)", orDash(r.Line), orDash(p.Line), r.Note))
	lost("P4Info", was.P4Info, is.P4Info, " no longer equal")
	lost("entries", was.Entries, is.Entries, " no longer equal")
	lost("printing", old.Stable, r.Stable, " no longer stable")
	for e := range was.STF {
		// A wrong packet is worse than none.
		wrong := r.STF[e] == failed && old.STF[e] != failed
		lost("packet test on "+Engine(e).String(), was.STF[e] || wrong, is.STF[e], ": "+orDash(r.STF[e]))
	}
	if w, g := min(old.Stage, limit), min(r.Stage, limit); p.Want == Accept && g < w {
		out = append(out, fmt.Sprintf("stage: %s, was %s (%s: %s)", g, w, r.Why, r.Note))
	}
	if r.Verdict == Crash || r.Verdict == Timeout {
		if old.Verdict != r.Verdict {
			out = append(out, fmt.Sprintf("%s (%s)", r.Verdict, r.Note))
		}
	}
	return out
}

func orDash(s string) string { return cmp.Or(s, "-") }
