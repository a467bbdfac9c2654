// Package passes brings a typed program to core. Pipeline is the table of
// passes; each pass has a file of its name that says what holds before and
// after it and which section of the P4_16 specification it implements.
//
// In: an ir.Program at level typed, which the passes change in place (take
// ir.Clone first where the typed program is still needed).
// Out: the same program at level core.
// Must not import: the front end (ast, types), arch, ssa, a back end, runtime.
package passes

import (
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

// facts are made anew for every pipeline: there are no package variables.
type facts struct {
	typed, reached, objects, noNewtypes, noTuples, ordered, scalarEq, boundDone,
	noFunctions, noActionExits, noControls, noParsers, noExits, noInts, noStackLits, lowered, flatLists, shallow *pass.Fact
}

func newFacts() facts {
	return facts{
		typed:         &pass.Fact{Name: "typed"},
		reached:       &pass.Fact{Name: "all used"},
		objects:       &pass.Fact{Name: "objects by name"},
		noNewtypes:    &pass.Fact{Name: "no newtypes", Check: checkNoNewtypes},
		noTuples:      &pass.Fact{Name: "no tuples"},
		ordered:       &pass.Fact{Name: "calls ordered", Check: checkOrdered},
		scalarEq:      &pass.Fact{Name: "scalar comparisons", Check: checkScalarEq},
		boundDone:     &pass.Fact{Name: "no bound arguments", Check: checkBound},
		noFunctions:   &pass.Fact{Name: "functions inlined", Check: checkNoCalls},
		noActionExits: &pass.Fact{Name: "actions do not exit", Check: checkNoActionExits},
		noControls:    &pass.Fact{Name: "controls inlined", Check: checkBlocksInlined(ir.Control)},
		noParsers:     &pass.Fact{Name: "parsers inlined", Check: checkBlocksInlined(ir.Parser)},
		noExits:       &pass.Fact{Name: "no return or exit", Check: checkNoExits},
		noInts:        &pass.Fact{Name: "no int", Check: checkNoInts},
		noStackLits:   &pass.Fact{Name: "no stack literals"},
		lowered:       &pass.Fact{Name: "no calls", Check: checkLowered},
		shallow:       &pass.Fact{Name: "bounded nesting"},
		flatLists:     &pass.Fact{Name: "flat field lists"},
	}
}

// table is the table of passes, in order.
func table(f facts) []pass.Pass {
	type fs = []*pass.Fact
	return []pass.Pass{
		{Name: "reach", Run: reach, Needs: fs{f.typed}, Makes: fs{f.reached}},
		{Name: "objects", Run: objects, Needs: fs{f.typed}, Makes: fs{f.objects}},
		{Name: "newtypes", Run: newtypes, Needs: fs{f.typed}, Makes: fs{f.noNewtypes}},
		{Name: "tuples", Run: tuples, Needs: fs{f.noNewtypes}, Makes: fs{f.noTuples}},
		// Makes new direct calls of actions, which order and functions treat.
		{Name: "bound", Run: bound, Needs: fs{f.reached}, Makes: fs{f.boundDone}},
		{Name: "order", Run: order, Needs: fs{f.boundDone}, Makes: fs{f.ordered}},
		// Operands are duplicated, so they must be free of calls.
		{Name: "equality", Run: equality, Needs: fs{f.ordered, f.noTuples}, Makes: fs{f.scalarEq}},
		{Name: "functions", Run: functions, Needs: fs{f.ordered, f.boundDone}, Makes: fs{f.noFunctions}},
		// An action's exit passes the copy-out of the controls around it.
		{Name: "actionexits", Run: actionexits, Needs: fs{f.noFunctions}, Makes: fs{f.noActionExits}},
		{Name: "controls", Run: controls, Needs: fs{f.noFunctions, f.noActionExits}, Makes: fs{f.noControls}},
		{Name: "parsers", Run: parsers, Needs: fs{f.noFunctions}, Makes: fs{f.noParsers}},
		// Exit ends the outermost control, so all others must be inlined.
		{Name: "exits", Run: exits, Needs: fs{f.noControls, f.noActionExits}, Makes: fs{f.noExits}},
		// Parameters of type int are constants only after inlining.
		{Name: "ints", Run: ints, Needs: fs{f.noControls, f.noParsers}, Makes: fs{f.noInts}},
		{Name: "stacklits", Run: stacklits, Needs: fs{f.noFunctions, f.noControls, f.noParsers}, Makes: fs{f.noStackLits}},
		// From here on the program is at level core.
		{Name: "calls", Run: calls, Needs: fs{f.objects, f.ordered, f.scalarEq, f.noFunctions, f.noControls, f.noParsers, f.noExits, f.noInts, f.noStackLits}, Makes: fs{f.lowered}},
		{Name: "fieldlists", Run: fieldlists, Needs: fs{f.lowered, f.noTuples}, Makes: fs{f.flatLists}},
		{Name: "fold", Run: fold, Needs: fs{f.lowered, f.flatLists}},
		{Name: "dead", Run: dead, Needs: fs{f.lowered, f.flatLists}},
		// Last: nothing behind it may nest expressions deeper.
		{Name: "deep", Run: deep, Needs: fs{f.lowered, f.flatLists}, Makes: fs{f.shallow}},
	}
}

// Pipeline is the way from typed to core.
func Pipeline() (*pass.Pipeline, error) {
	f := newFacts()
	return pass.New(table(f), []*pass.Fact{f.typed}, []*pass.Fact{
		f.noNewtypes, f.noTuples, f.scalarEq, f.boundDone, f.noControls, f.noParsers, f.noExits, f.noInts, f.noStackLits, f.lowered, f.flatLists, f.shallow,
	})
}

// ControlName is the control-plane name of an action of a core program. Actions
// that were specialised for bound arguments have "$n" behind it.
func ControlName(a *ir.Action) string {
	for i := len(a.Name) - 1; i >= 0; i-- {
		if a.Name[i] == '$' {
			return a.Name[:i]
		}
	}
	return a.Name
}

func checkNoNewtypes(p *ir.Program) error {
	if i := slices.IndexFunc(p.Types, func(t ir.Type) bool { _, is := t.(*ir.Newtype); return is }); i >= 0 {
		return faultAt(p, ir.Pos{}, "newtype %s remains", p.Types[i])
	}
	return nil
}
