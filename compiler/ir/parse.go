package ir

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Bounds on what Parse reads, so that a hostile bundle costs no more than its
// own size.
const (
	maxTextBytes = 64 << 20
	maxDepth     = 400     // nesting of statements, expressions and types
	maxWidth     = 1 << 16 // bits of a scalar
	maxStack     = 1 << 16 // elements of a stack
	maxDigits    = 1 << 15 // of a number
)

// Parse reads the text form that Program.String writes; name is the file's name
// in errors, which are *ParseError. Parse(p.String()).String() == p.String().
//
// The first line is "p4nic-ir 1 LEVEL"; LEVEL is typed, core or bmv2. After it
// white space and // comments are free. Declarations come in any order but for
// types, which come before their use. [] is optional, * repeated, NAME an
// identifier or $"any string", PATH identifiers joined by dots or $"any string".
//
//	program "NAME" arch "ARCH" ANNO*;
//	file "PATH" { LINE "text" * }
//	errors { NAME* }
//	header|struct|union NAME ANNO* { TYPE NAME ANNO*; * }
//	enum NAME [of TYPE] ANNO* { NAME = INT, ... }
//	newtype NAME of TYPE ANNO*;
//	instance PATH TYPE(EXPR, ...) ANNO*;
//	valueset PATH TYPE size INT ANNO*;
//	function PATH [in PATH] (PARAM, ...) -> TYPE { LOCAL* STMT* }
//	action PATH [in PATH] (PARAM, ...) ANNO* { LOCAL* STMT* }
//	table PATH [in PATH] ANNO* { PROPERTY* }
//	control PATH [decl NAME] (PARAM, ...) ANNO* { LOCAL* STMT* }
//	parser PATH [decl NAME] (PARAM, ...) ANNO* { LOCAL* STATE* }
//	pipeline { NAME = PATH; * }
//
// "in PATH" names the block whose parameters and locals are in scope; ^NAME is
// the block's variable where an own one hides it. PARAM is [in|out|inout] TYPE
// NAME ANNO*, LOCAL is var TYPE NAME ANNO*; ANNO is @PATH, @PATH("raw"),
// @PATH[LIT, ...] or @PATH[PATH = LIT, ...].
//
//	PROPERTY: key PATH : KIND EXPR ANNO*; | action PATH[(EXPR, ...)] [tableonly] [defaultonly] ANNO*;
//	   default [const] [implicit] ACTION(INT, ...); | size INT; | counters|meters|implementation PATH; | timeout;
//	   prop NAME = EXPR; | entries [const] { (SET, ...) -> ACTION(INT, ...) [prio INT] [const]; * }
//	   (ACTION is a path, or an index of the table's list)
//	SET: _ | INT | INT &&& INT | INT .. INT | valueset PATH INDEX
//	STATE: state NAME ANNO* { STMT* goto NAME; | select (EXPR, ...) { (SET, ...) => NAME; * [default => NAME;] } }
//	STMT: EXPR = EXPR; | if [likely|unlikely] (EXPR) {..} [else {..}] | switch (EXPR) { case (INT, ...) {..} * [default {..}] }
//	   block NAME {..} | loop NAME {..} | leave NAME; | continue NAME; | apply PATH [hit NAME] [run NAME];
//	   call CALLEE; | extern PATH [on PATH] [<TYPE, ...>](ARG, ...) [-> EXPR]; | setvalid(EXPR); | setinvalid(EXPR);
//	   push_front(EXPR, INT); | pop_front(EXPR, INT); | extract(EXPR[, EXPR]); | skip INT; | advance(EXPR);
//	   lookahead(EXPR); | length(EXPR); | verify(EXPR, EXPR); | emit(EXPR); | return [EXPR]; | exit;
//	CALLEE: function PATH(ARG, ...) | action PATH(..) | block PATH(..) | table PATH [hit|miss|action]
//	   extern PATH [recv EXPR] [on PATH] [<TYPE, ...>](ARG, ...)
//	ARG: [none|out|inout] EXPR, in without a word; _ is an absent argument
//	EXPR: 8w255 | 8s-1 | true | 5 | ENUM::NAME | error::NAME | const<TYPE>(INT) | "string" | NAME | ^NAME | EXPR.NAME
//	   EXPR[EXPR] | EXPR[INT:INT] | EXPR!next|last|lastIndex|nextIndex | (- EXPR) | (EXPR + EXPR) | cast<TYPE>(EXPR)
//	   mux(EXPR, EXPR, EXPR) | valid(EXPR) | {EXPR, ...} | lit<TYPE>{EXPR, ...} | invalid<TYPE> | elem(EXPR, INT)
//	   call<TYPE> CALLEE | typed<TYPE>(EXPR): EXPR with another type than follows from its parts
//
// #LINE:COL or #FILE:LINE:COL before a node's first own token (after the X of
// X.f, X[i], X!next) sets the position of this and all later nodes of the
// declaration; #0 is the unknown position.
//
// Parse checks names and shape, not typing: see Verify.
func Parse(name string, src []byte) (p *Program, err error) {
	if len(src) > maxTextBytes {
		return nil, &ParseError{File: name, Line: 1, Col: 1, Msg: fmt.Sprintf("%d bytes are more than the limit of %d", len(src), maxTextBytes)}
	}
	text := string(src)
	prog := &Program{}
	off, err := parseVersion(name, text, prog)
	if err != nil {
		return nil, err
	}
	r := &reader{file: name, src: text, prog: prog}
	if r.toks, err = scan(name, text, off); err != nil {
		return nil, err
	}
	r.init()
	defer func() {
		if x := recover(); x != nil {
			pe, ok := x.(*ParseError)
			if !ok {
				panic(x)
			}
			p, err = nil, pe
		}
	}()
	r.program()
	return prog, nil
}

func parseVersion(name, text string, p *Program) (int, error) {
	line, _, _ := strings.Cut(text, "\n")
	fail := func(msg string) (int, error) {
		return 0, &ParseError{File: name, Line: 1, Col: 1, Msg: msg}
	}
	f := strings.Fields(line)
	if len(f) != 3 || f[0] != "p4nic-ir" {
		return fail(`the first line must be "p4nic-ir VERSION LEVEL"`)
	}
	v, err := strconv.Atoi(f[1])
	if err != nil {
		return fail("the version is no number")
	}
	if v < TextVersionMin || v > TextVersion {
		return fail(fmt.Sprintf("version %d is not supported (%d to %d are)", v, TextVersionMin, TextVersion))
	}
	for l := Typed; l <= BMV2; l++ {
		if l.String() == f[2] {
			p.Level = l
			return len(line), nil
		}
	}
	return fail("unknown level " + strconv.Quote(f[2]))
}

// reader parses in passes over the tokens: pass one reads types, files and all
// heads (names, parameters, locals), pass two the bodies. Names may therefore
// be used before their declaration. Errors are thrown as *ParseError and caught
// in Parse.
type reader struct {
	file, src string
	toks      []token
	i         int
	prog      *Program
	depth     int
	cur       Pos

	types     map[string]Type
	typeDepth map[Type]int
	instances map[string]*Instance
	valueSets map[string]*ValueSet
	functions map[string]*Function
	actions   map[string]*Action
	tables    map[string]*Table
	blocks    map[string]*Block

	inner, outer map[string]*Var
	later        []func()
}

func (r *reader) init() {
	r.types = map[string]Type{}
	r.typeDepth = map[Type]int{}
	r.instances = map[string]*Instance{}
	r.valueSets = map[string]*ValueSet{}
	r.functions = map[string]*Function{}
	r.actions = map[string]*Action{}
	r.tables = map[string]*Table{}
	r.blocks = map[string]*Block{}
}

func (r *reader) tok() token { return r.toks[r.i] }

func (r *reader) text() string {
	t := r.toks[r.i]
	return r.src[t.off:t.end]
}

func (r *reader) failAt(t token, format string, args ...any) {
	panic(errorAt(r.file, r.src, int(t.off), fmt.Sprintf(format, args...)))
}

func (r *reader) fail(format string, args ...any) { r.failAt(r.tok(), format, args...) }

func (r *reader) found() string {
	if r.tok().kind == tokEOF {
		return "the end of the text"
	}
	s := r.text()
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return strconv.Quote(s)
}

func (r *reader) is(s string) bool {
	k := r.tok().kind
	return (k == tokPunct || k == tokIdent) && r.text() == s
}

func (r *reader) accept(s string) bool {
	if r.is(s) {
		r.i++
		return true
	}
	return false
}

func (r *reader) expect(s string) {
	if !r.accept(s) {
		r.fail("expected %q, found %s", s, r.found())
	}
}

func (r *reader) enter() {
	if r.depth++; r.depth > maxDepth {
		r.fail("nested more than %d deep", maxDepth)
	}
}

func (r *reader) leave() { r.depth-- }

func (r *reader) unquote(s string) string {
	u, err := strconv.Unquote(s)
	if err != nil {
		r.fail("malformed string %s", s)
	}
	return u
}

func (r *reader) str() string {
	if r.tok().kind != tokString {
		r.fail("expected a string, found %s", r.found())
	}
	s := r.unquote(r.text())
	r.i++
	return s
}

// name reads NAME.
func (r *reader) name() string {
	switch r.tok().kind {
	case tokIdent:
		s := r.text()
		if s == "_" {
			break
		}
		r.i++
		return s
	case tokName:
		s := r.unquote(r.text()[1:])
		r.i++
		return s
	}
	r.fail("expected a name, found %s", r.found())
	return ""
}

// path reads PATH.
func (r *reader) path() string {
	if r.tok().kind == tokName {
		return r.name()
	}
	s := r.name()
	if r.is(".") {
		var b strings.Builder
		b.WriteString(s)
		for r.accept(".") {
			if r.tok().kind != tokIdent {
				r.fail("expected a name after the dot, found %s", r.found())
			}
			b.WriteString(".")
			b.WriteString(r.text())
			r.i++
		}
		s = b.String()
	}
	return s
}

// num reads INT: decimal or 0x..., with a sign.
func (r *reader) num() *big.Int {
	if r.tok().kind != tokNum {
		r.fail("expected a number, found %s", r.found())
	}
	v := r.bigInt(r.text())
	r.i++
	return v
}

func (r *reader) bigInt(s string) *big.Int {
	if len(s) > maxDigits {
		r.fail("number of %d digits is longer than %d", len(s), maxDigits)
	}
	digits, neg := strings.CutPrefix(s, "-")
	base := 10
	if h, ok := strings.CutPrefix(digits, "0x"); ok {
		digits, base = h, 16
	}
	v, ok := new(big.Int), false
	if digits != "" && digits[0] != '-' && digits[0] != '+' {
		v, ok = v.SetString(digits, base)
	}
	if !ok {
		r.fail("malformed number %q", s)
	}
	if neg {
		v.Neg(v)
	}
	return v
}

// small reads INT within lo and hi.
func (r *reader) small(lo, hi int) int {
	t := r.tok()
	v := r.num()
	if !v.IsInt64() || v.Int64() < int64(lo) || v.Int64() > int64(hi) {
		r.failAt(t, "%s is not within %d and %d", v, lo, hi)
	}
	return int(v.Int64())
}

// pos takes a position mark, if there is one, and gives the current position.
func (r *reader) pos() Pos {
	for r.onePos() {
	}
	return r.cur
}

// onePos takes one position mark: where a statement begins with an expression,
// both may have their own.
func (r *reader) onePos() bool {
	if r.tok().kind != tokPos {
		return false
	}
	part := strings.Split(r.text()[1:], ":")
	n := make([]int32, len(part))
	for i, d := range part {
		v, err := strconv.ParseInt(d, 10, 32)
		if err != nil {
			r.fail("malformed position %s", r.found())
		}
		n[i] = int32(v)
	}
	switch {
	case len(n) == 1 && n[0] == 0:
		r.cur = Pos{}
	case len(n) == 2:
		r.cur = Pos{r.cur.File, n[0], n[1]}
	case len(n) == 3:
		r.cur = Pos{n[0], n[1], n[2]}
	default:
		r.fail("malformed position %s", r.found())
	}
	r.i++
	return true
}

func (r *reader) list(open, closing string, f func()) {
	r.expect(open)
	for !r.accept(closing) {
		f()
		if !r.accept(",") {
			r.expect(closing)
			return
		}
	}
}

func (r *reader) nums() []*big.Int {
	var vs []*big.Int
	r.list("(", ")", func() { vs = append(vs, r.num()) })
	return vs
}

func (r *reader) annos() []Annotation {
	var as []Annotation
	for r.accept("@") {
		a := Annotation{Name: r.path()}
		switch {
		case r.accept("("):
			a.Kind = AnnoRaw
			a.Text = r.str()
			r.expect(")")
		case r.is("["):
			r.annoList(&a)
		}
		as = append(as, a)
	}
	return as
}

// annoList reads [LIT, ...] or [PATH = LIT, ...]; [=] is the empty one of these.
func (r *reader) annoList(a *Annotation) {
	start := r.i
	r.expect("[")
	if r.accept("=") {
		r.expect("]")
		a.Kind = AnnoKV
		return
	}
	a.Kind = AnnoList
	if k := r.tok().kind; k == tokIdent || k == tokName {
		r.path()
		if r.is("=") {
			a.Kind = AnnoKV
		}
	}
	r.i = start
	r.list("[", "]", func() {
		if a.Kind == AnnoList {
			a.List = append(a.List, r.lit())
			return
		}
		k := r.path()
		r.expect("=")
		a.KV = append(a.KV, KeyLit{Key: k, Val: r.lit()})
	})
}

func (r *reader) lit() Lit {
	switch {
	case r.tok().kind == tokString:
		return Lit{IsString: true, Str: r.str()}
	case r.accept("true"):
		return Lit{IsBool: true, Bool: true}
	case r.accept("false"):
		return Lit{IsBool: true}
	}
	return Lit{Int: r.num()}
}

// typ reads a type.
func (r *reader) typ() Type {
	r.enter()
	defer r.leave()
	var ty Type
	t := r.tok()
	if t.kind == tokIdent {
		switch r.text() {
		case "bit":
			ty = &Bit{W: r.width(0)}
		case "int":
			if r.i++; !r.is("<") {
				ty = &InfInt{}
				break
			}
			r.i--
			ty = &Int{W: r.width(1)}
		case "varbit":
			ty = &Varbit{Max: r.width(0)}
		case "bool":
			r.i++
			ty = &Bool{}
		case "string":
			r.i++
			ty = &String{}
		case "void":
			r.i++
			ty = &Void{}
		case "error":
			r.i++
			ty = &ErrorType{}
		case "tuple":
			r.i++
			ty = &Tuple{Elems: r.typeArgs()}
		}
	}
	if ty == nil {
		name := r.name()
		if n, ok := r.types[name]; ok {
			ty = n
		} else {
			e := &ExternType{Name: name}
			if r.is("<") {
				e.Args = r.typeArgs()
			}
			ty = e
		}
	}
	for n := 0; r.accept("["); n++ {
		if n > maxDepth {
			r.fail("nested more than %d deep", maxDepth)
		}
		ty = &Stack{Elem: ty, Size: r.small(0, maxStack)}
		r.expect("]")
	}
	return ty
}

func (r *reader) width(lo int) int {
	r.i++
	r.expect("<")
	w := r.small(lo, maxWidth)
	r.expect(">")
	return w
}

func (r *reader) typeArgs() []Type {
	var ts []Type
	r.list("<", ">", func() { ts = append(ts, r.typ()) })
	return ts
}

// nest is how deep the type is, through named types.
func (r *reader) nest(ty Type) int {
	switch ty := ty.(type) {
	case *Stack:
		return 1 + r.nest(ty.Elem)
	case *Tuple:
		n := 0
		for _, e := range ty.Elems {
			n = max(n, r.nest(e))
		}
		return n + 1
	}
	return r.typeDepth[ty]
}

func (r *reader) addType(at token, name string, ty Type, parts ...Type) {
	if _, ok := r.types[name]; ok {
		r.failAt(at, "type %s is declared twice", name)
	}
	d := 0
	for _, p := range parts {
		d = max(d, r.nest(p))
	}
	if d+1 > maxDepth {
		r.failAt(at, "types are nested more than %d deep", maxDepth)
	}
	r.types[name] = ty
	r.typeDepth[ty] = d + 1
	r.prog.Types = append(r.prog.Types, ty)
}
