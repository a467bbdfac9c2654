package ir

import (
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// The text form of a program, which is also the wire form pipeline.ir of the
// bundle. Its first line is "p4nic-ir VERSION LEVEL"; the grammar is in
// the comment of Parse. Version 1 is the first one.
const (
	TextVersion    = 1
	TextVersionMin = 1 // oldest version that Parse accepts: N-1 once there is an N
)

// PrintOptions change what Print writes; the zero value preserves everything.
type PrintOptions struct {
	// NoPos leaves positions and source files out: for people and for goldens
	// that must not change when a line moves.
	NoPos bool
}

// String is the program's complete text form.
func (p *Program) String() string {
	var b strings.Builder
	_ = p.Print(&b, PrintOptions{}) // a strings.Builder does not fail
	return b.String()
}

// Print writes the program's text form. The only errors are those of w.
func (p *Program) Print(w io.Writer, o PrintOptions) error {
	t := &printer{prog: p, o: o}
	t.program()
	_, err := io.WriteString(w, t.b.String())
	return err
}

// printer writes tokens. cur is the position of the node printed last: a
// position is written before a node's first own token only where it differs,
// so the reader repeats the same steps.
type printer struct {
	b      strings.Builder
	prog   *Program
	o      PrintOptions
	indent int
	cur    Pos
	scope  scope
}

// scope is where variables are looked up by name: inner before outer.
type scope struct {
	inner, outer map[string]*Var
}

func addVars(m map[string]*Var, lists ...[]*Var) map[string]*Var {
	if m == nil {
		m = map[string]*Var{}
	}
	for _, l := range lists {
		for _, v := range l {
			if v != nil {
				m[v.Name] = v
			}
		}
	}
	return m
}

func blockVars(b *Block) map[string]*Var {
	if b == nil {
		return nil
	}
	return addVars(nil, b.Params, b.Locals)
}

func (t *printer) s(ss ...string) {
	for _, s := range ss {
		t.b.WriteString(s)
	}
}

func (t *printer) line() { t.s("\n", strings.Repeat("\t", t.indent)) }

func (t *printer) open() {
	t.s(" {")
	t.indent++
}

func (t *printer) close() {
	t.indent--
	t.line()
	t.s("}")
}

func (t *printer) pos(p Pos) {
	if t.o.NoPos || p == t.cur {
		return
	}
	switch {
	case p == Pos{}:
		t.s("#0 ")
	case p.File == t.cur.File:
		t.s("#", itoa(int(p.Line)), ":", itoa(int(p.Col)), " ")
	default:
		t.s("#", itoa(int(p.File)), ":", itoa(int(p.Line)), ":", itoa(int(p.Col)), " ")
	}
	t.cur = p
}

func itoa(i int) string { return strconv.Itoa(i) }

// reserved are the words that begin a statement or an expression and so cannot
// be written bare as the name of a variable.
var reserved = []string{
	"advance", "apply", "block", "call", "cast", "const", "continue", "elem", "emit", "error", "exit", "extern",
	"extract", "false", "goto", "if", "in", "inout", "invalid", "leave", "length", "lit", "lookahead", "loop",
	"mux", "none", "objref", "out", "pop_front", "push_front", "return", "select", "setinvalid", "setvalid", "skip",
	"state", "switch", "true", "typed", "valid", "var", "verify",
}

func isIdent(s string) bool {
	if s == "" || s == "_" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isIdentByte(c) || i == 0 && c >= '0' && c <= '9' {
			return false
		}
	}
	return true
}

func isIdentByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// nameText is a name that may be any string: bare where it is an identifier,
// else $"...".
func nameText(s string) string {
	if isIdent(s) && !isReserved(s) {
		return s
	}
	return "$" + strconv.Quote(s)
}

func isReserved(s string) bool {
	_, found := slices.BinarySearch(reserved, s)
	return found
}

// pathText is a control-plane name: identifiers joined by dots, else $"...".
func pathText(s string) string {
	for part := range strings.SplitSeq(s, ".") {
		if !isIdent(part) {
			return "$" + strconv.Quote(s)
		}
	}
	return s
}

func typeNameText(s string) string {
	switch s {
	case "bit", "int", "varbit", "bool", "string", "void", "error", "tuple":
		return "$" + strconv.Quote(s)
	}
	return nameText(s)
}

func typeText(ty Type) string {
	switch ty := ty.(type) {
	case nil:
		return "void"
	case *Enum:
		return typeNameText(ty.Name)
	case *Struct:
		return typeNameText(ty.Name)
	case *Header:
		return typeNameText(ty.Name)
	case *Union:
		return typeNameText(ty.Name)
	case *Newtype:
		return typeNameText(ty.Name)
	case *Stack:
		return typeText(ty.Elem) + "[" + itoa(ty.Size) + "]"
	case *Tuple:
		return "tuple<" + typeList(ty.Elems) + ">"
	case *ExternType:
		if len(ty.Args) == 0 {
			return typeNameText(ty.Name)
		}
		return typeNameText(ty.Name) + "<" + typeList(ty.Args) + ">"
	}
	return ty.String()
}

func typeList(ts []Type) string {
	parts := make([]string, len(ts))
	for i, t := range ts {
		parts[i] = typeText(t)
	}
	return strings.Join(parts, ", ")
}

// numText writes small numbers in decimal, others in hexadecimal.
func numText(v *big.Int) string {
	if v == nil {
		return "0"
	}
	if v.BitLen() <= 9 {
		return v.String()
	}
	if v.Sign() < 0 {
		return "-0x" + new(big.Int).Neg(v).Text(16)
	}
	return "0x" + v.Text(16)
}

func (t *printer) annos(as []Annotation) {
	for _, a := range as {
		t.s(" @", pathText(a.Name))
		switch a.Kind {
		case AnnoRaw:
			t.s("(", strconv.Quote(a.Text), ")")
		case AnnoList:
			t.s("[")
			for i, l := range a.List {
				if i > 0 {
					t.s(", ")
				}
				t.s(litText(l))
			}
			t.s("]")
		case AnnoKV:
			t.s("[")
			if len(a.KV) == 0 {
				t.s("=")
			}
			for i, kv := range a.KV {
				if i > 0 {
					t.s(", ")
				}
				t.s(pathText(kv.Key), " = ", litText(kv.Val))
			}
			t.s("]")
		}
	}
}

func litText(l Lit) string {
	switch {
	case l.IsString:
		return strconv.Quote(l.Str)
	case l.IsBool:
		return strconv.FormatBool(l.Bool)
	}
	return numText(l.Int)
}

func (t *printer) program() {
	p := t.prog
	t.s("p4nic-ir ", itoa(TextVersion), " ", p.Level.String(), "\n")
	t.s("program ", strconv.Quote(p.Name), " arch ", strconv.Quote(p.Arch))
	t.annos(p.PkgAnnos)
	t.s(";\n")
	if !t.o.NoPos {
		for _, f := range p.Files {
			t.s("file ", strconv.Quote(f.Path))
			t.open()
			lines := make([]int32, 0, len(f.Lines))
			for l := range f.Lines {
				lines = append(lines, l)
			}
			slices.Sort(lines)
			for _, l := range lines {
				t.line()
				t.s(itoa(int(l)), " ", strconv.Quote(f.Lines[l]))
			}
			t.close()
			t.s("\n")
		}
	}
	if len(p.Errors) > 0 {
		t.s("errors {")
		for _, e := range p.Errors {
			t.s(" ", nameText(e))
		}
		t.s(" }\n")
	}
	for _, ty := range p.Types {
		t.typeDecl(ty)
	}
	for _, i := range p.Instances {
		t.cur = Pos{}
		t.pos(i.Pos)
		t.s("instance ", pathText(i.Name), " ", typeText(i.objectType()))
		if i.Made != "" {
			t.s(" by ", pathText(i.Made))
		}
		t.exprs("(", i.Args, ")")
		t.annos(i.Annos)
		t.s(";\n")
	}
	for _, v := range p.ValueSets {
		t.cur = Pos{}
		t.pos(v.Pos)
		t.s("valueset ", pathText(v.Name), " ", typeText(v.Type), " size ", itoa(v.Size))
		t.annos(v.Annos)
		t.s(";\n")
	}
	own := NewOwners(p)
	for _, f := range p.Functions {
		t.function(f, own)
	}
	for _, a := range p.Actions {
		t.action(a, own)
	}
	for _, x := range p.Tables {
		t.table(x, own)
	}
	for _, b := range p.Blocks {
		t.block(b)
	}
	t.s("pipeline {")
	for _, b := range p.Pipeline {
		t.s(" ", nameText(b.Slot), " = ", pathText(blockName(b.Block)), ";")
	}
	t.s(" }\n")
}

func blockName(b *Block) string {
	if b == nil {
		return ""
	}
	return b.Name
}

func (t *printer) typeDecl(ty Type) {
	fields := func(word, name string, fs []Field, as []Annotation) {
		t.s(word, " ", typeNameText(name))
		t.annos(as)
		t.open()
		for _, f := range fs {
			t.line()
			t.s(typeText(f.Type), " ", nameText(f.Name))
			t.annos(f.Annos)
			t.s(";")
		}
		t.close()
		t.s("\n")
	}
	switch ty := ty.(type) {
	case *Header:
		fields("header", ty.Name, ty.Fields, ty.Annos)
	case *Struct:
		fields("struct", ty.Name, ty.Fields, ty.Annos)
	case *Union:
		fields("union", ty.Name, ty.Fields, ty.Annos)
	case *Enum:
		t.s("enum ", typeNameText(ty.Name))
		if ty.Underlying != nil {
			t.s(" of ", typeText(ty.Underlying))
		}
		t.annos(ty.Annos)
		t.s(" {")
		for i, m := range ty.Members {
			if i > 0 {
				t.s(",")
			}
			t.s(" ", nameText(m.Name), " = ", numText(m.Value))
		}
		t.s(" }\n")
	case *Newtype:
		t.s("newtype ", typeNameText(ty.Name), " of ", typeText(ty.Of))
		t.annos(ty.Annos)
		t.s(";\n")
	}
}

func (t *printer) vars(vs []*Var) {
	t.s("(")
	for i, v := range vs {
		if i > 0 {
			t.s(", ")
		}
		t.pos(v.Pos)
		t.s([...]string{"", "in ", "out ", "inout "}[v.Dir])
		t.s(typeText(v.Type), " ", nameText(v.Name))
		t.annos(v.Annos)
	}
	t.s(")")
}

func (t *printer) locals(vs []*Var) {
	for _, v := range vs {
		t.line()
		t.pos(v.Pos)
		t.s("var ", typeText(v.Type), " ", nameText(v.Name))
		t.annos(v.Annos)
		t.s(";")
	}
}

func (t *printer) in(b *Block) {
	if b != nil {
		t.s(" in ", pathText(b.Name))
	}
}

func (t *printer) function(f *Function, own Owners) {
	t.cur = Pos{}
	b := own.Function(f)
	t.scope = scope{inner: addVars(nil, f.Params, f.Locals), outer: blockVars(b)}
	t.pos(f.Pos)
	t.s("function ", pathText(f.Name))
	if f.Of != nil {
		t.s(" of ", pathText(f.Of.Name))
	}
	t.in(b)
	t.s(" ")
	t.vars(f.Params)
	t.s(" -> ", typeText(f.Result))
	t.open()
	t.locals(f.Locals)
	t.stmts(f.Body)
	t.close()
	t.s("\n")
}

func (t *printer) action(a *Action, own Owners) {
	t.cur = Pos{}
	b := own.Action(a)
	t.scope = scope{inner: addVars(nil, a.Params, a.Locals), outer: blockVars(b)}
	t.pos(a.Pos)
	t.s("action ", pathText(a.Name))
	t.in(b)
	t.s(" ")
	t.vars(a.Params)
	t.annos(a.Annos)
	t.open()
	t.locals(a.Locals)
	t.stmts(a.Body)
	t.close()
	t.s("\n")
}

func (t *printer) block(b *Block) {
	t.cur = Pos{}
	t.scope = scope{inner: blockVars(b)}
	t.pos(b.Pos)
	t.s([...]string{"parser ", "control "}[b.Kind], pathText(b.Name))
	if b.Decl != "" {
		t.s(" decl ", nameText(b.Decl))
	}
	t.s(" ")
	t.vars(b.Params)
	t.annos(b.Annos)
	t.open()
	t.locals(b.Locals)
	if b.Kind == Parser {
		for _, s := range b.States {
			t.state(s)
		}
	} else {
		t.stmts(b.Body)
	}
	t.close()
	t.s("\n")
}

func (t *printer) state(s *State) {
	t.line()
	t.pos(s.Pos)
	t.s("state ", nameText(s.Name))
	t.annos(s.Annos)
	t.open()
	t.stmts(s.Body)
	t.line()
	t.pos(s.Trans.Pos)
	if len(s.Trans.Keys) == 0 {
		t.s("goto ", nameText(s.Trans.Default), ";")
		t.close()
		return
	}
	t.s("select ")
	t.exprs("(", s.Trans.Keys, ")")
	t.open()
	for _, c := range s.Trans.Cases {
		t.line()
		t.pos(c.Pos)
		t.sets(c.Sets)
		t.s(" => ", nameText(c.Next), ";")
	}
	if s.Trans.Default != "" {
		t.line()
		t.s("default => ", nameText(s.Trans.Default), ";")
	}
	t.close()
	t.close()
}

func (t *printer) sets(ss []Set) {
	t.s("(")
	for i, s := range ss {
		if i > 0 {
			t.s(", ")
		}
		switch s.Kind {
		case SetAny:
			t.s("_")
		case SetValue:
			t.s(numText(s.Lo))
		case SetMask:
			t.s(numText(s.Lo), " &&& ", numText(s.Hi))
		case SetRange:
			t.s(numText(s.Lo), " .. ", numText(s.Hi))
		case SetValueSet:
			name := ""
			if s.VS != nil {
				name = s.VS.Name
			}
			t.s("valueset ", pathText(name), " ", itoa(s.Index))
		}
	}
	t.s(")")
}

// actionIndexText is how an action of a table is named: by its name where that
// names the same index again, else by the index.
func actionIndexText(tb *Table, i int) string {
	if i >= 0 && i < len(tb.Actions) && tb.Actions[i].Action != nil {
		name := tb.Actions[i].Action.Name
		if actionByName(tb, name) == i {
			return pathText(name)
		}
	}
	return itoa(i)
}

func actionByName(tb *Table, name string) int {
	return slices.IndexFunc(tb.Actions, func(r ActionRef) bool { return r.Action != nil && r.Action.Name == name })
}

func (t *printer) nums(vs []*big.Int) {
	t.s("(")
	for i, v := range vs {
		if i > 0 {
			t.s(", ")
		}
		t.s(numText(v))
	}
	t.s(")")
}

func (t *printer) table(x *Table, own Owners) {
	t.cur = Pos{}
	b := own.Table(x)
	t.scope = scope{inner: blockVars(b)}
	t.pos(x.Pos)
	t.s("table ", pathText(x.Name))
	t.in(b)
	t.annos(x.Annos)
	t.open()
	for _, k := range x.Keys {
		t.line()
		t.pos(k.Pos)
		t.s("key ", pathText(k.Name), " : ", k.Kind.String(), " ")
		t.expr(k.Expr)
		t.annos(k.Annos)
		t.s(";")
	}
	for _, r := range x.Actions {
		t.line()
		t.s("action ", pathText(actionName(r.Action)))
		if r.Bound != nil {
			t.exprs("(", r.Bound, ")")
		}
		if r.TableOnly {
			t.s(" tableonly")
		}
		if r.DefaultOnly {
			t.s(" defaultonly")
		}
		t.annos(r.Annos)
		t.s(";")
	}
	t.line()
	t.s("default ")
	if x.ConstDefault {
		t.s("const ")
	}
	if !x.HasDefault {
		t.s("implicit ")
	}
	t.s(actionIndexText(x, x.DefaultAction))
	t.nums(x.DefaultArgs)
	if len(x.DefaultVals) > 0 {
		t.exprs(" vals {", x.DefaultVals, "}")
	}
	t.s(";")
	if x.Size != 0 {
		t.line()
		t.s("size ", itoa(x.Size), ";")
	}
	for _, p := range []struct {
		word string
		inst *Instance
	}{{"counters", x.Counters}, {"meters", x.Meters}, {"implementation", x.Implementation}} {
		if p.inst != nil {
			t.line()
			t.s(p.word, " ", pathText(p.inst.Name), ";")
		}
	}
	if x.SupportTimeout {
		t.line()
		t.s("timeout;")
	}
	for _, p := range x.Props {
		t.line()
		t.s("prop ", nameText(p.Name), " = ")
		t.expr(p.Expr)
		t.s(";")
	}
	if x.HasEntries || len(x.Entries) > 0 {
		t.line()
		t.s("entries")
		if x.ConstEntries {
			t.s(" const")
		}
		t.open()
		for _, e := range x.Entries {
			t.line()
			t.pos(e.Pos)
			t.sets(e.Sets)
			t.s(" -> ", actionIndexText(x, e.Action))
			t.nums(e.Args)
			if e.Priority != 0 {
				t.s(" prio ", itoa(int(e.Priority)))
			}
			if e.Written != 0 {
				t.s(" written ", itoa(int(e.Written)))
			}
			if e.Const {
				t.s(" const")
			}
			t.s(";")
		}
		t.close()
	}
	t.close()
	t.s("\n")
}

func actionName(a *Action) string {
	if a == nil {
		return ""
	}
	return a.Name
}
