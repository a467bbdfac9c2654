package ir

import (
	"math"
)

// Declarations of the text form.

func (r *reader) program() {
	r.expect("program")
	r.prog.Name = r.str()
	r.expect("arch")
	r.prog.Arch = r.str()
	r.prog.PkgAnnos = r.annos()
	r.expect(";")
	var pipeline func()
	for r.tok().kind != tokEOF {
		r.cur = Pos{}
		r.pos()
		at := r.tok()
		if at.kind != tokIdent {
			r.fail("expected a declaration, found %s", r.found())
		}
		word := r.text()
		r.i++
		switch word {
		case "file":
			r.sourceFile()
		case "errors":
			r.expect("{")
			for !r.accept("}") {
				r.prog.Errors = append(r.prog.Errors, r.name())
			}
		case "header", "struct", "union":
			r.fieldsDecl(word)
		case "enum":
			r.enumDecl()
		case "newtype":
			n := &Newtype{Name: r.name()}
			r.expect("of")
			n.Of = r.typ()
			n.Annos = r.annos()
			r.expect(";")
			r.addType(at, n.Name, n, n.Of)
		case "instance":
			r.instance(at)
		case "valueset":
			r.valueSet(at)
		case "function":
			r.function(at)
		case "action":
			r.action(at)
		case "table":
			r.tableHead(at)
		case "control", "parser":
			r.block(at, word == "parser")
		case "pipeline":
			if pipeline != nil {
				r.failAt(at, "second pipeline")
			}
			pipeline = r.postpone(r.pipeline)
			r.skipBraces()
		default:
			r.failAt(at, "unknown declaration %q", word)
		}
	}
	for _, f := range r.later {
		f()
	}
	if pipeline != nil {
		pipeline()
	}
}

// postpone remembers the place and the position mark, to go on there with f when
// all heads are known.
func (r *reader) postpone(f func()) func() {
	i, cur := r.i, r.cur
	return func() {
		r.i, r.cur = i, cur
		f()
	}
}

// skipBraces skips a balanced {...}, whose content is read later.
func (r *reader) skipBraces() {
	start := r.tok()
	r.expect("{")
	for n := 1; n > 0; r.i++ {
		switch {
		case r.tok().kind == tokEOF:
			r.failAt(start, "this brace is not closed")
		case r.is("{"):
			n++
		case r.is("}"):
			n--
		}
	}
}

func (r *reader) sourceFile() {
	f := SourceFile{Path: r.str(), Lines: map[int32]string{}}
	r.expect("{")
	for !r.accept("}") {
		l := int32(r.small(0, math.MaxInt32))
		f.Lines[l] = r.str()
	}
	r.prog.Files = append(r.prog.Files, f)
}

func (r *reader) fieldsDecl(word string) {
	at := r.tok()
	name := r.name()
	as := r.annos()
	var fs []Field
	var parts []Type
	seen := map[string]bool{}
	r.expect("{")
	for !r.accept("}") {
		f := Field{Type: r.typ()}
		ft := r.tok()
		f.Name = r.name()
		if seen[f.Name] {
			r.failAt(ft, "field %s is declared twice", f.Name)
		}
		seen[f.Name] = true
		f.Annos = r.annos()
		r.expect(";")
		fs = append(fs, f)
		parts = append(parts, f.Type)
	}
	var ty Type
	switch word {
	case "header":
		ty = &Header{Name: name, Fields: fs, Annos: as}
	case "struct":
		ty = &Struct{Name: name, Fields: fs, Annos: as}
	default:
		ty = &Union{Name: name, Fields: fs, Annos: as}
	}
	r.addType(at, name, ty, parts...)
}

func (r *reader) enumDecl() {
	at := r.tok()
	e := &Enum{Name: r.name()}
	if r.accept("of") {
		e.Underlying = r.typ()
		switch e.Underlying.(type) {
		case *Bit, *Int:
		default:
			r.failAt(at, "enum %s is over %s, not bit or int", e.Name, typeText(e.Underlying))
		}
	}
	e.Annos = r.annos()
	r.list("{", "}", func() {
		m := EnumMember{Name: r.name()}
		r.expect("=")
		m.Value = r.num()
		e.Members = append(e.Members, m)
	})
	r.addType(at, e.Name, e)
}

func declare[T any](r *reader, at token, m map[string]*T, what, name string, x *T) {
	if _, ok := m[name]; ok {
		r.failAt(at, "%s %s is declared twice", what, name)
	}
	m[name] = x
}

// lookup reads PATH and finds what it names.
func lookup[T any](r *reader, m map[string]*T, what string) *T {
	at := r.tok()
	name := r.path()
	x, ok := m[name]
	if !ok {
		r.failAt(at, "there is no %s %s", what, name)
	}
	return x
}

func (r *reader) instance(at token) {
	x := &Instance{Pos: r.cur, Name: r.path()}
	tt := r.tok()
	ty := r.typ()
	if a, ok := ty.(*Stack); ok && a.Size > 0 {
		x.Size, ty = a.Size, a.Elem
	}
	e, ok := ty.(*ExternType)
	if !ok {
		r.failAt(tt, "the type of instance %s is no extern type", x.Name)
	}
	x.Type = e
	if r.accept("by") {
		x.Made = r.path()
	}
	r.inner, r.outer = nil, nil
	x.Args = r.exprs("(", ")")
	x.Annos = r.annos()
	r.expect(";")
	declare(r, at, r.instances, "instance", x.Name, x)
	r.prog.Instances = append(r.prog.Instances, x)
}

func (r *reader) valueSet(at token) {
	x := &ValueSet{Pos: r.cur, Name: r.path(), Type: r.typ()}
	r.expect("size")
	x.Size = r.small(0, math.MaxInt32)
	x.Annos = r.annos()
	r.expect(";")
	declare(r, at, r.valueSets, "value set", x.Name, x)
	r.prog.ValueSets = append(r.prog.ValueSets, x)
}

func (r *reader) params() []*Var {
	var vs []*Var
	r.list("(", ")", func() {
		v := &Var{Pos: r.pos()}
		switch {
		case r.accept("in"):
			v.Dir = DirIn
		case r.accept("out"):
			v.Dir = DirOut
		case r.accept("inout"):
			v.Dir = DirInOut
		}
		v.Type = r.typ()
		v.Name = r.name()
		v.Annos = r.annos()
		vs = append(vs, v)
	})
	return vs
}

// locals reads var declarations at the start of a body. A position mark that
// belongs to what follows stays unread.
func (r *reader) locals() []*Var {
	var vs []*Var
	for {
		i, cur := r.i, r.cur
		v := &Var{Pos: r.pos()}
		if !r.accept("var") {
			r.i, r.cur = i, cur
			return vs
		}
		v.Type = r.typ()
		v.Name = r.name()
		v.Annos = r.annos()
		r.expect(";")
		vs = append(vs, v)
	}
}

// in reads the optional block of an action, table or function; the result is
// to be called when all blocks are known.
func (r *reader) in() func() *Block {
	if !r.accept("in") {
		return func() *Block { return nil }
	}
	at := r.tok()
	name := r.path()
	return func() *Block {
		b := r.blocks[name]
		if b == nil {
			r.failAt(at, "there is no block %s", name)
		}
		return b
	}
}

func (r *reader) scopeOf(at token, lists ...[]*Var) map[string]*Var {
	m := map[string]*Var{}
	for _, l := range lists {
		for _, v := range l {
			if m[v.Name] != nil {
				r.failAt(at, "variable %s is declared twice", v.Name)
			}
			m[v.Name] = v
		}
	}
	return m
}

// restOfBody skips what follows the locals of a body and reads it later, with
// inner and outer as the variables in scope.
func (r *reader) restOfBody(inner map[string]*Var, owner func() *Block, f func()) {
	r.later = append(r.later, r.postpone(func() {
		r.inner, r.outer = inner, blockVars(owner())
		f()
	}))
	for n := 1; n > 0; r.i++ {
		switch {
		case r.tok().kind == tokEOF:
			r.fail("a brace is not closed")
		case r.is("{"):
			n++
		case r.is("}"):
			n--
		}
	}
}

func (r *reader) function(at token) {
	x := &Function{Pos: r.cur, Name: r.path()}
	if r.accept("of") {
		x.Of = lookup(r, r.instances, "instance")
	}
	owner := r.in()
	x.Params = r.params()
	r.expect("->")
	x.Result = r.typ()
	r.expect("{")
	x.Locals = r.locals()
	r.restOfBody(r.scopeOf(at, x.Params, x.Locals), owner, func() { x.Body = r.stmtsToBrace() })
	declare(r, at, r.functions, "function", x.Name, x)
	r.prog.Functions = append(r.prog.Functions, x)
}

func (r *reader) action(at token) {
	x := &Action{Pos: r.cur, Name: r.path()}
	owner := r.in()
	x.Params = r.params()
	x.Annos = r.annos()
	r.expect("{")
	x.Locals = r.locals()
	r.restOfBody(r.scopeOf(at, x.Params, x.Locals), owner, func() { x.Body = r.stmtsToBrace() })
	declare(r, at, r.actions, "action", x.Name, x)
	r.prog.Actions = append(r.prog.Actions, x)
}

func (r *reader) block(at token, parser bool) {
	x := &Block{Pos: r.cur, Name: r.path(), Kind: Control}
	if parser {
		x.Kind = Parser
	}
	if r.accept("decl") {
		x.Decl = r.name()
	}
	x.Params = r.params()
	x.Annos = r.annos()
	r.expect("{")
	x.Locals = r.locals()
	none := func() *Block { return nil }
	r.restOfBody(r.scopeOf(at, x.Params, x.Locals), none, func() {
		if parser {
			r.states(x)
		} else {
			x.Body = r.stmtsToBrace()
		}
	})
	declare(r, at, r.blocks, "block", x.Name, x)
	r.prog.Blocks = append(r.prog.Blocks, x)
}

func (r *reader) states(b *Block) {
	seen := map[string]bool{}
	for !r.accept("}") {
		s := &State{Pos: r.pos()}
		at := r.tok()
		r.expect("state")
		s.Name = r.name()
		if seen[s.Name] {
			r.failAt(at, "state %s is declared twice", s.Name)
		}
		seen[s.Name] = true
		s.Annos = r.annos()
		r.expect("{")
		for {
			i, cur := r.i, r.cur
			p := r.pos()
			if r.is("goto") || r.is("select") {
				s.Trans.Pos = p
				break
			}
			r.i, r.cur = i, cur // the mark is the statement's
			s.Body = append(s.Body, r.stmt())
		}
		r.transition(&s.Trans)
		r.expect("}")
		b.States = append(b.States, s)
	}
}

func (r *reader) transition(t *Transition) {
	if r.accept("goto") {
		t.Default = r.name()
		r.expect(";")
		return
	}
	r.expect("select")
	at := r.tok()
	if t.Keys = r.exprs("(", ")"); len(t.Keys) == 0 {
		r.failAt(at, "select without keys; goto has none")
	}
	r.expect("{")
	for !r.accept("}") {
		p := r.pos()
		if r.accept("default") {
			r.expect("=>")
			t.Default = r.name()
			r.expect(";")
			r.expect("}")
			return
		}
		c := SelectCase{Pos: p, Sets: r.sets()}
		r.expect("=>")
		c.Next = r.name()
		r.expect(";")
		t.Cases = append(t.Cases, c)
	}
}

func (r *reader) sets() []Set {
	var ss []Set
	r.list("(", ")", func() {
		switch {
		case r.accept("_"):
			ss = append(ss, Set{Kind: SetAny})
			return
		case r.accept("valueset"):
			v := lookup(r, r.valueSets, "value set")
			ss = append(ss, Set{Kind: SetValueSet, VS: v, Index: r.small(0, math.MaxInt32)})
			return
		}
		s := Set{Kind: SetValue, Lo: r.num()}
		switch {
		case r.accept("&&&"):
			s.Kind, s.Hi = SetMask, r.num()
		case r.accept(".."):
			s.Kind, s.Hi = SetRange, r.num()
		}
		ss = append(ss, s)
	})
	return ss
}

func (r *reader) pipeline() {
	r.expect("{")
	for !r.accept("}") {
		b := Binding{Slot: r.name()}
		r.expect("=")
		b.Block = lookup(r, r.blocks, "block")
		r.expect(";")
		r.prog.Pipeline = append(r.prog.Pipeline, b)
	}
}

func (r *reader) tableHead(at token) {
	x := &Table{Pos: r.cur, Name: r.path()}
	owner := r.in()
	x.Annos = r.annos()
	r.expect("{")
	r.restOfBody(nil, owner, func() {
		r.inner, r.outer = r.outer, nil
		for !r.accept("}") {
			r.property(x)
		}
	})
	declare(r, at, r.tables, "table", x.Name, x)
	r.prog.Tables = append(r.prog.Tables, x)
}

func (r *reader) property(x *Table) {
	p := r.pos()
	at := r.tok()
	word := r.text()
	r.i++
	switch word {
	case "key":
		k := Key{Pos: p, Name: r.path()}
		r.expect(":")
		k.Kind = r.matchKind()
		k.Expr = r.expr()
		k.Annos = r.annos()
		x.Keys = append(x.Keys, k)
	case "action":
		a := ActionRef{Action: lookup(r, r.actions, "action")}
		if r.is("(") {
			if a.Bound = r.exprs("(", ")"); a.Bound == nil {
				a.Bound = []Expr{}
			}
		}
		a.TableOnly = r.accept("tableonly")
		a.DefaultOnly = r.accept("defaultonly")
		a.Annos = r.annos()
		x.Actions = append(x.Actions, a)
	case "default":
		x.ConstDefault = r.accept("const")
		x.HasDefault = !r.accept("implicit")
		x.DefaultAction = r.actionIndex(x)
		x.DefaultArgs = r.nums()
		if r.accept("vals") {
			x.DefaultVals = r.exprs("{", "}")
		}
	case "size":
		x.Size = r.small(0, math.MaxInt32)
	case "counters":
		x.Counters = lookup(r, r.instances, "instance")
	case "meters":
		x.Meters = lookup(r, r.instances, "instance")
	case "implementation":
		x.Implementation = lookup(r, r.instances, "instance")
	case "timeout":
		x.SupportTimeout = true
	case "prop":
		p := Prop{Name: r.name()}
		r.expect("=")
		p.Expr = r.expr()
		x.Props = append(x.Props, p)
	case "entries":
		r.entries(x)
		return
	default:
		r.failAt(at, "unknown table property %q", word)
	}
	r.expect(";")
}

func (r *reader) matchKind() MatchKind {
	for k := MatchExact; k <= MatchSelector; k++ {
		if r.accept(k.String()) {
			return k
		}
	}
	r.fail("expected a match kind, found %s", r.found())
	return 0
}

// actionIndex reads ACTION: a name of the table's list, or an index.
func (r *reader) actionIndex(x *Table) int {
	if r.tok().kind == tokNum {
		return r.small(-1, math.MaxInt32)
	}
	at := r.tok()
	name := r.path()
	i := actionByName(x, name)
	if i < 0 {
		r.failAt(at, "table %s has no action %s", x.Name, name)
	}
	return i
}

func (r *reader) entries(x *Table) {
	x.HasEntries = true
	x.ConstEntries = r.accept("const")
	r.expect("{")
	for !r.accept("}") {
		e := ConstEntry{Pos: r.pos(), Sets: r.sets()}
		r.expect("->")
		e.Action = r.actionIndex(x)
		e.Args = r.nums()
		if r.accept("prio") {
			e.Priority = int32(r.small(math.MinInt32, math.MaxInt32))
		}
		if r.accept("written") {
			e.Written = int32(r.small(math.MinInt32, math.MaxInt32))
		}
		e.Const = r.accept("const")
		r.expect(";")
		x.Entries = append(x.Entries, e)
	}
}
