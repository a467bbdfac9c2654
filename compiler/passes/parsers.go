package passes

import (
	"math/big"
	"strconv"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

// parsers inlines sub-parsers: the states of the callee are copied under new
// names for every call; its accept goes on behind the call, its reject ends the
// caller as well.
//
// Before: functions are inlined.
// After: no parser calls a parser; only parsers bound in the package remain.
// Source: P4_16 section 13.10; see inliner for the calling convention. A parser
// that ends in reject copies nothing out; arguments that stand for their
// parameters (nearly all) keep what was extracted so far.
func parsers(p *ir.Program) error {
	in := newBlockInliner(p)
	for _, caller := range p.Blocks { // callees before callers
		if caller.Kind != ir.Parser {
			continue
		}
		if err := in.parser(caller); err != nil {
			return err
		}
	}
	dropUnbound(p, ir.Parser)
	return nil
}

func (in *blockInliner) parser(caller *ir.Block) error {
	sites := map[*ir.Block][]*ir.CallStmt{}
	var order []*ir.Block
	for _, s := range caller.States {
		for _, c := range blockCalls(s.Body) {
			if sites[c.Block] == nil {
				order = append(order, c.Block)
			}
			sites[c.Block] = append(sites[c.Block], c)
		}
	}
	if len(order) == 0 {
		return nil
	}
	ready := map[*ir.Block]*moved{}
	for _, b := range order {
		ready[b] = in.move(b, caller, sites[b])
	}
	in.locals = &caller.Locals
	sp := &splitter{in: in, ready: ready, names: map[string]bool{"accept": true, "reject": true}}
	for _, s := range caller.States {
		sp.names[s.Name] = true
	}
	for _, s := range caller.States {
		if err := sp.state(s); err != nil {
			return err
		}
	}
	caller.States = sp.out
	return nil
}

// splitter cuts states at their calls.
type splitter struct {
	in    *blockInliner
	ready map[*ir.Block]*moved
	names map[string]bool
	out   []*ir.State
}

func (sp *splitter) name(base string) string {
	n := base
	for i := 1; sp.names[n]; i++ {
		n = base + "_" + strconv.Itoa(i)
	}
	sp.names[n] = true
	return n
}

// state appends s, cut into as many states as it needs.
func (sp *splitter) state(s *ir.State) error {
	if len(blockCalls(s.Body)) == 0 {
		sp.out = append(sp.out, s)
		return nil
	}
	for i, st := range s.Body {
		if len(blockCalls([]ir.Stmt{st})) == 0 {
			continue
		}
		rest := &ir.State{Name: sp.name(s.Name + "_next"), Body: s.Body[i+1:], Trans: s.Trans, Pos: s.Pos}
		s.Body = s.Body[:i:i]
		sp.out = append(sp.out, s)
		var err error
		switch st := st.(type) {
		case *ir.CallStmt:
			err = sp.call(s, st, rest)
		case *ir.If:
			err = sp.condition(s, st, rest)
		default:
			err = pass.Refuse(st.Pos(), "a parser is applied inside a loop or switch of state %s; apply it in a state of its own", s.Name)
		}
		if err != nil {
			return err
		}
		return sp.state(rest)
	}
	return nil
}

// call ends s with the callee's start; the callee's accept is rest.
func (sp *splitter) call(s *ir.State, c *ir.CallStmt, rest *ir.State) error {
	m := sp.ready[c.Block]
	for _, q := range m.b.States {
		sp.in.size++
		if err := sp.in.grow(q.Body, m.b.Name, c.P); err != nil {
			return err
		}
	}
	pre, post, aliases := sp.in.enter(m, c)
	s.Body = append(s.Body, pre...)
	rest.Body = append(post, rest.Body...)
	rename := map[string]string{"accept": rest.Name, "reject": "reject", "": ""}
	for _, q := range m.b.States {
		rename[q.Name] = sp.name(s.Name + "_" + q.Name)
	}
	cl := &ir.Cloner{Subst: aliases}
	for _, q := range m.b.States {
		// Every copy of a state body has labels of its own.
		cl.Labels = sp.in.relabel(q.Body)
		n := cl.States([]*ir.State{q})[0]
		n.Name = rename[q.Name]
		n.Trans.Default = rename[n.Trans.Default]
		for i := range n.Trans.Cases {
			n.Trans.Cases[i].Next = rename[n.Trans.Cases[i].Next]
		}
		sp.out = append(sp.out, n)
	}
	s.Trans = ir.Transition{Default: rename[m.b.States[0].Name], Pos: c.P}
	return nil
}

// condition turns an If with a call inside into states.
func (sp *splitter) condition(s *ir.State, c *ir.If, rest *ir.State) error {
	side := func(name string, body []ir.Stmt) *ir.State {
		return &ir.State{
			Name: sp.name(s.Name + name), Body: body, Pos: c.P,
			Trans: ir.Transition{Default: rest.Name, Pos: c.P},
		}
	}
	then, els := side("_then", c.Then), side("_else", c.Else)
	s.Trans = ir.Transition{
		Keys: []ir.Expr{c.Cond}, Pos: c.P,
		Cases: []ir.SelectCase{
			{Sets: []ir.Set{{Kind: ir.SetValue, Lo: big.NewInt(1)}}, Next: then.Name, Pos: c.P},
			{Sets: []ir.Set{{Kind: ir.SetAny}}, Next: els.Name, Pos: c.P},
		},
	}
	if err := sp.state(then); err != nil {
		return err
	}
	return sp.state(els)
}
