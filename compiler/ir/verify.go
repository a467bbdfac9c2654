package ir

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// maxCheckErrors is how many errors Check collects.
const maxCheckErrors = 50

// CheckError is one thing wrong with a program.
type CheckError struct {
	File  string // path of Pos, "" when unknown
	Pos   Pos
	Where string // "control ig", "table ig.t", ...
	Msg   string
}

func (e *CheckError) Error() string {
	s := e.Where + ": " + e.Msg
	if e.Pos.IsValid() {
		s = fmt.Sprintf("%s:%d:%d: %s", e.File, e.Pos.Line, e.Pos.Col, s)
	}
	return s
}

// Check tells what is wrong with p: names, typing, scope, and the restrictions
// of its level (see Level). The error joins *CheckError values; engines and
// passes may rely on everything that Check checks. (The name Verify belongs to
// the statement.)
func Check(p *Program) error {
	c := &checker{p: p}
	defer func() {
		if x := recover(); x != nil {
			if _, ok := x.(tooMany); !ok {
				panic(x)
			}
		}
	}()
	c.run()
	return errors.Join(c.errs...)
}

type tooMany struct{}

type checker struct {
	p     *Program
	errs  []error
	where string
	core  bool

	types map[Type]bool
	insts map[*Instance]bool
	funcs map[*Function]bool
	acts  map[*Action]bool
	tabs  map[*Table]bool
	vsets map[*ValueSet]bool
	blks  map[*Block]bool
	owner Owners

	vars   map[*Var]bool // in scope
	labels []string
	loops  []bool // of labels
	parser bool
	inBody bodyKind
	result Type // of the function
	depth  int
}

type bodyKind int

const (
	inBlock bodyKind = iota
	inAction
	inFunction
)

func (c *checker) fail(p Pos, format string, args ...any) {
	e := &CheckError{Pos: p, Where: c.where, Msg: fmt.Sprintf(format, args...)}
	if p.IsValid() && p.File >= 0 && int(p.File) < len(c.p.Files) {
		e.File = c.p.Files[p.File].Path
	}
	c.errs = append(c.errs, e)
	if len(c.errs) >= maxCheckErrors {
		panic(tooMany{})
	}
}

func names[T any](c *checker, what string, xs []*T, name func(*T) string) map[*T]bool {
	m := map[*T]bool{}
	seen := map[string]bool{}
	for i, x := range xs {
		if x == nil {
			c.fail(Pos{}, "%s %d is nil", what, i)
			continue
		}
		if seen[name(x)] {
			c.fail(Pos{}, "%s %s occurs twice", what, name(x))
		}
		seen[name(x)] = true
		m[x] = true
	}
	return m
}

func (c *checker) run() {
	c.where = "program " + c.p.Name
	c.core = c.p.Level != Typed
	if c.p.Level < Typed || c.p.Level > BMV2 {
		c.fail(Pos{}, "unknown level %d", int(c.p.Level))
		return
	}
	c.typeDecls()
	c.insts = names(c, "instance", c.p.Instances, func(x *Instance) string { return x.Name })
	c.funcs = names(c, "function", c.p.Functions, func(x *Function) string { return x.Name })
	c.acts = names(c, "action", c.p.Actions, func(x *Action) string { return x.Name })
	c.tabs = names(c, "table", c.p.Tables, func(x *Table) string { return x.Name })
	c.vsets = names(c, "value set", c.p.ValueSets, func(x *ValueSet) string { return x.Name })
	c.blks = names(c, "block", c.p.Blocks, func(x *Block) string { return x.Name })
	if len(c.errs) > 0 {
		return // what follows would stumble over nil and strangers
	}
	c.owner = NewOwners(c.p)
	for _, i := range c.p.Instances {
		c.where = "instance " + i.Name
		if i.Type == nil {
			c.fail(i.Pos, "it has no type")
			continue
		}
		if i.Size < 0 || i.Size > 0 && c.core {
			c.fail(i.Pos, "an array of %d objects at level %s", i.Size, c.p.Level)
		}
		c.typ(i.Pos, i.Type, anyType)
		for _, a := range i.Args {
			c.constArg(i.Pos, a)
		}
	}
	for _, v := range c.p.ValueSets {
		c.where = "value set " + v.Name
		c.typ(v.Pos, v.Type, anyType)
	}
	if c.core && len(c.p.Functions) > 0 {
		c.where = "function " + c.p.Functions[0].Name
		c.fail(c.p.Functions[0].Pos, "there are no functions at level %s", c.p.Level)
	}
	for _, f := range c.p.Functions {
		c.function(f)
	}
	for _, a := range c.p.Actions {
		c.action(a)
	}
	for _, t := range c.p.Tables {
		c.table(t)
	}
	for _, b := range c.p.Blocks {
		c.block(b)
	}
	c.where = "pipeline"
	slots := map[string]bool{}
	for _, b := range c.p.Pipeline {
		if slots[b.Slot] {
			c.fail(Pos{}, "slot %s is bound twice", b.Slot)
		}
		slots[b.Slot] = true
		if !c.blks[b.Block] {
			c.fail(Pos{}, "the block of slot %s is not in Program.Blocks", b.Slot)
		}
	}
}

// What a type may be.
type typeUse int

const (
	anyType   typeUse = iota
	fieldType         // has a layout: no void, string, extern, int
)

func (c *checker) typeDecls() {
	c.types = map[Type]bool{}
	seen := map[string]bool{}
	for i, t := range c.p.Types {
		name := ""
		switch t := t.(type) {
		case *Header, *Struct, *Union, *Newtype, *Enum:
			name = t.String()
		default:
			c.fail(Pos{}, "type %d is no named type", i)
			continue
		}
		if seen[name] {
			c.fail(Pos{}, "type %s is declared twice", name)
		}
		seen[name] = true
		c.typeParts(t)
		c.types[t] = true // after its parts: no type contains itself
	}
}

func (c *checker) typeParts(t Type) {
	switch t := t.(type) {
	case *Enum:
		switch t.Underlying.(type) {
		case nil, *Bit, *Int:
		default:
			c.fail(Pos{}, "enum %s is over %s", t.Name, typeText(t.Underlying))
		}
		for _, m := range t.Members {
			if m.Value == nil {
				c.fail(Pos{}, "member %s of enum %s has no value", m.Name, t.Name)
			}
		}
	case *Newtype:
		if c.core {
			c.fail(Pos{}, "newtype %s at level %s", t.Name, c.p.Level)
		}
		c.typ(Pos{}, t.Of, fieldType)
	default:
		fields := map[string]bool{}
		varbits := 0
		for _, f := range Fields(t) {
			if fields[f.Name] {
				c.fail(Pos{}, "field %s of %s is declared twice", f.Name, t)
			}
			fields[f.Name] = true
			c.typ(Pos{}, f.Type, fieldType)
			switch t.(type) {
			case *Union:
				if _, ok := f.Type.(*Header); !ok {
					c.fail(Pos{}, "member %s of union %s is no header", f.Name, t)
				}
			case *Header:
				if !inHeader(f.Type) {
					c.fail(Pos{}, "field %s of header %s has type %s", f.Name, t, typeText(f.Type))
				}
				if _, ok := f.Type.(*Varbit); ok {
					varbits++
				}
			}
		}
		if varbits > 1 && c.core {
			c.fail(Pos{}, "header %s has %d varbit fields", t, varbits)
		}
	}
}

// inHeader tells whether t may be a field of a header.
func inHeader(t Type) bool {
	switch u := Underlying(t).(type) {
	case *Bit, *Int, *Bool, *Varbit, *Enum, *ErrorType:
		return true
	case *Stack: // typed only
		return inHeader(u.Elem)
	case *Struct:
		for _, f := range u.Fields {
			if _, ok := f.Type.(*Varbit); ok || !inHeader(f.Type) {
				return false
			}
		}
		return true
	}
	return false
}

func (c *checker) typ(p Pos, t Type, use typeUse) {
	switch u := t.(type) {
	case nil:
		c.fail(p, "a type is missing")
	case *Bit:
		if u.W < 0 || u.W > maxWidth {
			c.fail(p, "type %s", u)
		}
	case *Int:
		if u.W < 1 || u.W > maxWidth {
			c.fail(p, "type %s", u)
		}
	case *Varbit:
		if u.Max < 0 || u.Max > maxWidth {
			c.fail(p, "type %s", u)
		}
	case *Bool, *ErrorType:
	case *InfInt:
		if c.core || use == fieldType {
			c.fail(p, "type int at level %s", c.p.Level)
		}
	case *String, *Void, *ExternType:
		if use == fieldType {
			c.fail(p, "type %s has no values", typeText(t))
		}
		if e, ok := t.(*ExternType); ok {
			for _, a := range e.Args {
				c.typ(p, a, anyType)
			}
		}
	case *Stack:
		if u.Size < 0 || u.Size > maxStack {
			c.fail(p, "array of %d elements", u.Size)
		}
		if _, objects := u.Elem.(*ExternType); !objects || c.core {
			c.typ(p, u.Elem, fieldType)
		}
	case *Tuple:
		for _, e := range u.Elems {
			c.typ(p, e, anyType)
		}
	default:
		if !c.types[t] {
			c.fail(p, "type %s is not (yet) in Program.Types", typeText(t))
		}
	}
}

// value is typ for what variables and expressions hold.
func (c *checker) value(p Pos, t Type) {
	c.typ(p, t, anyType)
	if _, ok := t.(*Tuple); ok && c.core {
		c.fail(p, "a tuple at level %s", c.p.Level)
	}
}

func (c *checker) constArg(p Pos, x Expr) {
	switch x := x.(type) {
	case nil:
		c.fail(p, "an argument is nil")
	case *Const:
		c.constant(x)
	case *StringLit:
	case *ObjectRef:
		c.object(x)
	case *Call:
		if x.Extern == "" || x.Object != nil || x.Recv != nil {
			c.fail(x.P, "an argument is computed by something else than an extern function")
		}
		for _, a := range x.Args {
			if a != nil {
				c.constArg(p, a)
			}
		}
	case *ListExpr:
		for _, e := range x.Elems {
			c.constArg(p, e)
		}
	case *StructLit:
		for _, e := range x.Fields {
			c.constArg(p, e)
		}
	default:
		c.fail(x.Pos(), "an argument is no constant")
	}
}

func (c *checker) object(x *ObjectRef) {
	if !c.insts[x.Inst] {
		c.fail(x.P, "an object that is not in Program.Instances")
	}
}

func (c *checker) scope(lists ...[]*Var) {
	seen := map[string]bool{}
	for _, l := range lists {
		for _, v := range l {
			if v == nil {
				c.fail(Pos{}, "a variable is nil")
				continue
			}
			if seen[v.Name] {
				c.fail(v.Pos, "variable %s occurs twice", v.Name)
			}
			if v.Dir < DirNone || v.Dir > DirInOut {
				c.fail(v.Pos, "variable %s has direction %d", v.Name, int(v.Dir))
			}
			seen[v.Name] = true
			c.vars[v] = true
			c.value(v.Pos, v.Type)
		}
	}
}

func (c *checker) addBlock(b *Block) {
	if b != nil {
		for _, l := range [][]*Var{b.Params, b.Locals} {
			for _, v := range l {
				c.vars[v] = true
			}
		}
	}
}

func (c *checker) enter(where string, kind bodyKind, parser bool) {
	c.where, c.inBody, c.parser = where, kind, parser
	c.vars = map[*Var]bool{}
	c.labels, c.loops = nil, nil
}

func (c *checker) function(f *Function) {
	c.enter("function "+f.Name, inFunction, false)
	c.scope(f.Params, f.Locals)
	c.addBlock(c.owner.Function(f))
	if f.Of != nil && !c.insts[f.Of] {
		c.fail(f.Pos, "it is the method of an instance that is not in Program.Instances")
	}
	c.typ(f.Pos, f.Result, anyType)
	c.result = f.Result
	c.stmts(f.Body)
}

func (c *checker) action(a *Action) {
	c.enter("action "+a.Name, inAction, false)
	c.scope(a.Params, a.Locals)
	data := false
	for _, p := range a.Params {
		switch {
		case p.Dir == DirNone:
			data = true
			// At level typed P4Info refuses what the control plane cannot supply.
			if Width(p.Type) < 0 && c.core {
				c.fail(p.Pos, "parameter %s of type %s cannot be control-plane data", p.Name, typeText(p.Type))
			}
		case data:
			c.fail(p.Pos, "parameter %s with a direction comes after control-plane data", p.Name)
		case c.core:
			c.fail(p.Pos, "parameter %s has a direction, at level %s", p.Name, c.p.Level)
		}
	}
	c.addBlock(c.owner.Action(a))
	c.stmts(a.Body)
}

func (c *checker) block(b *Block) {
	word := "control "
	if b.Kind == Parser {
		word = "parser "
	}
	c.enter(word+b.Name, inBlock, b.Kind == Parser)
	c.scope(b.Params, b.Locals)
	if b.Kind != Parser {
		if b.Kind != Control {
			c.fail(b.Pos, "unknown kind %d", int(b.Kind))
		}
		if len(b.States) > 0 {
			c.fail(b.Pos, "a control with states")
		}
		c.stmts(b.Body)
		return
	}
	if len(b.Body) > 0 {
		c.fail(b.Pos, "a parser with a body")
	}
	targets := map[string]bool{"accept": true, "reject": true}
	for _, s := range b.States {
		if targets[s.Name] {
			c.fail(s.Pos, "state %s occurs twice or is predefined", s.Name)
		}
		targets[s.Name] = true
	}
	if len(b.States) == 0 {
		c.fail(b.Pos, "a parser without states")
	}
	for _, s := range b.States {
		c.where = word + b.Name + " state " + s.Name
		c.stmts(s.Body)
		c.transition(&s.Trans, targets)
	}
}

func (c *checker) transition(t *Transition, targets map[string]bool) {
	target := func(p Pos, name string) {
		if !targets[name] {
			c.fail(p, "there is no state %q", name)
		}
	}
	if len(t.Keys) == 0 {
		target(t.Pos, t.Default)
		if len(t.Cases) > 0 {
			c.fail(t.Pos, "cases without keys")
		}
		return
	}
	for _, x := range t.Keys {
		c.expr(x)
		c.scalar(x)
	}
	if t.Default != "" {
		target(t.Pos, t.Default)
	}
	for _, cs := range t.Cases {
		target(cs.Pos, cs.Next)
		if len(cs.Sets) != len(t.Keys) {
			c.fail(cs.Pos, "%d sets for %d keys", len(cs.Sets), len(t.Keys))
			continue
		}
		for i, s := range cs.Sets {
			c.set(cs.Pos, s, typeOf(t.Keys[i]), true)
		}
	}
}

func typeOf(x Expr) Type {
	if x == nil {
		return nil
	}
	return x.Type()
}

func (c *checker) set(p Pos, s Set, t Type, sel bool) {
	switch s.Kind {
	case SetAny:
	case SetValue:
		c.fits(p, s.Lo, t, false)
	case SetMask:
		c.fits(p, s.Lo, t, true)
		c.fits(p, s.Hi, t, true)
	case SetRange:
		c.fits(p, s.Lo, t, false)
		c.fits(p, s.Hi, t, false)
	case SetValueSet:
		if !sel || !c.vsets[s.VS] {
			c.fail(p, "value set that is not in Program.ValueSets")
			return
		}
		n := 1
		var ft Type = s.VS.Type
		switch u := s.VS.Type.(type) {
		case *Tuple:
			if n = len(u.Elems); s.Index >= 0 && s.Index < n {
				ft = u.Elems[s.Index]
			}
		case *Struct:
			if n = len(u.Fields); s.Index >= 0 && s.Index < n {
				ft = u.Fields[s.Index].Type
			}
		}
		if s.Index < 0 || s.Index >= n {
			c.fail(p, "value set %s has no field %d", s.VS.Name, s.Index)
		} else if Width(ft) != Width(t) {
			c.fail(p, "field %d of value set %s has type %s, the key %s", s.Index, s.VS.Name, typeText(ft), typeText(t))
		}
	default:
		c.fail(p, "unknown kind of set %d", int(s.Kind))
	}
}

// fits checks that v is a value of the scalar type t. Masks of int<W> may be
// written as its unsigned bits.
func (c *checker) fits(p Pos, v *big.Int, t Type, bits bool) {
	if v == nil {
		c.fail(p, "a number is missing")
		return
	}
	w := Width(t)
	if w < 0 {
		return // reported where the type is
	}
	lo, hi := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(w))
	if _, ok := Underlying(t).(*Int); ok {
		lo.Rsh(hi, 1).Neg(lo)
		if !bits {
			hi.Rsh(hi, 1)
		}
	}
	if v.Cmp(lo) < 0 || v.Cmp(hi) >= 0 {
		c.fail(p, "%s is no value of type %s", v, typeText(t))
	}
}

func (c *checker) table(t *Table) {
	c.enter("table "+t.Name, inBlock, false)
	c.addBlock(c.owner.Table(t))
	for _, k := range t.Keys {
		c.expr(k.Expr)
		c.scalar(k.Expr)
		if k.Kind < MatchExact || k.Kind > MatchSelector {
			c.fail(k.Pos, "unknown match kind %d", int(k.Kind))
		}
	}
	if len(t.Actions) == 0 || len(t.Actions) > 255 {
		c.fail(t.Pos, "%d actions; there must be 1 to 255", len(t.Actions))
	}
	for i := range t.Actions {
		r := &t.Actions[i]
		if !c.acts[r.Action] {
			c.fail(t.Pos, "action %d is not in Program.Actions", i)
			return
		}
		c.bound(t, r)
	}
	c.actionArgs(t.Pos, "default action", t, t.DefaultAction, t.DefaultArgs)
	if c.core && len(t.DefaultVals) > 0 {
		c.fail(t.Pos, "an argument of the default action is no scalar, at level %s", c.p.Level)
	}
	for _, v := range t.DefaultVals {
		c.expr(v)
	}
	if t.Size < 0 {
		c.fail(t.Pos, "size %d", t.Size)
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		c.actionArgs(e.Pos, "entry", t, e.Action, e.Args)
		if len(e.Sets) != len(t.Keys) {
			c.fail(e.Pos, "entry with %d fields for %d keys", len(e.Sets), len(t.Keys))
			continue
		}
		for j, s := range e.Sets {
			c.set(e.Pos, s, typeOf(t.Keys[j].Expr), false)
		}
	}
	if len(t.Entries) > 0 && !t.HasEntries {
		c.fail(t.Pos, "entries although HasEntries is false")
	}
	for _, i := range []*Instance{t.Counters, t.Meters, t.Implementation} {
		if i != nil && !c.insts[i] {
			c.fail(t.Pos, "instance %s is not in Program.Instances", i.Name)
		}
	}
	for _, p := range t.Props {
		c.expr(p.Expr)
	}
}

func (c *checker) bound(t *Table, r *ActionRef) {
	n := len(r.Action.Params) - len(r.Action.DataParams())
	if len(r.Bound) != n {
		c.fail(t.Pos, "action %s is bound to %d arguments, it has %d parameters with a direction", r.Action.Name, len(r.Bound), n)
		return
	}
	for i, x := range r.Bound {
		p := r.Action.Params[i]
		c.arg(t.Pos, x, p.Dir)
		c.same(x, p.Type, "argument "+p.Name)
	}
}

func (c *checker) actionArgs(p Pos, what string, t *Table, i int, args []*big.Int) {
	if i < 0 || i >= len(t.Actions) {
		c.fail(p, "%s: there is no action %d", what, i)
		return
	}
	ps := t.Actions[i].Action.DataParams()
	if len(ps) != len(args) {
		c.fail(p, "%s: action %s takes %d arguments, not %d", what, t.Actions[i].Action.Name, len(ps), len(args))
		return
	}
	for j, a := range args {
		c.fits(p, a, ps[j].Type, false)
	}
}

func (c *checker) label(p Pos, name string, loop bool) {
	i := slices.Index(c.labels, name)
	if i < 0 {
		c.fail(p, "label %s is not in scope", name)
	} else if loop && !c.loops[i] {
		c.fail(p, "continue of %s, which is no loop", name)
	}
}
