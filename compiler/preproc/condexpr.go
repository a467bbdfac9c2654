package preproc

import (
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/source"
)

// condition reads and evaluates the expression of #if or #elif: 64-bit signed
// arithmetic, names that are no macro are 0, true is 1.
func (p *preproc) condition(lx *lexer, at source.Span) bool {
	toks := p.replaceDefined(line(lx))
	if len(toks) > 0 {
		toks = p.expandArg(toks, toks[0])
	}
	e := condParser{p: p, toks: toks, end: at}
	v := e.cond(0)
	if !e.failed && len(e.toks) > 0 {
		e.fail(e.toks[0].Span, "unexpected %s in the condition", show(e.toks[0]))
	}
	return v != 0 && !e.failed
}

// replaceDefined carries out `defined X` and `defined(X)`, which must happen
// before macros are expanded.
func (p *preproc) replaceDefined(toks []Token) []Token {
	var out []Token
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		if t.Kind != Name || t.Text != "defined" {
			out = append(out, t)
			continue
		}
		name, n := Token{}, 0
		switch {
		case i+1 < len(toks) && toks[i+1].Kind == Name:
			name, n = toks[i+1], 1
		case i+3 < len(toks) && toks[i+1].Text == "(" && toks[i+2].Kind == Name && toks[i+3].Text == ")":
			name, n = toks[i+2], 3
		default:
			// Left in place: the parser refuses it.
			t.Kind, t.noExpand = Bad, true
			out = append(out, t)
			continue
		}
		t.Kind, t.Text = Number, "0"
		if p.macros[name.Text] != nil {
			t.Text = "1"
		}
		out = append(out, t)
		i += n
	}
	return out
}

// condParser evaluates while it parses. Within a part that is not evaluated
// (after `0 &&`) dead is positive, and division by zero is no error.
type condParser struct {
	p      *preproc
	toks   []Token
	end    source.Span // where to report a missing operand
	dead   int
	failed bool
}

func (e *condParser) fail(at source.Span, format string, args ...any) {
	if !e.failed {
		e.p.rep.Errorf(CodeCondExpr, at, format, args...)
	}
	e.failed = true
	e.toks = nil
}

// take consumes the token with the given text.
func (e *condParser) take(text string) bool {
	if len(e.toks) > 0 && e.toks[0].Kind == Punct && e.toks[0].Text == text {
		e.toks = e.toks[1:]
		return true
	}
	return false
}

// condOps are the binary operators by precedence, lowest first, each list
// ended by a space.
var condOps = [...]string{"|| ", "&& ", "| ", "^ ", "& ", "== != ", "< <= > >= ", "<< >> ", "+ - ", "* / % "}

// op consumes a binary operator of the given level.
func (e *condParser) op(level int) (text string, at source.Span, ok bool) {
	if len(e.toks) == 0 || e.toks[0].Kind != Punct {
		return "", at, false
	}
	text, n := e.toks[0].Text, 1
	if text == ">" && len(e.toks) > 1 && e.toks[1].Text == ">" && !e.toks[1].space {
		text, n = ">>", 2
	}
	if !strings.Contains(" "+condOps[level], " "+text+" ") {
		return "", at, false
	}
	at = e.toks[0].Span
	e.toks = e.toks[n:]
	return text, at, true
}

// cond parses `a ? b : c` and everything above it.
func (e *condParser) cond(depth int) int64 {
	if depth > 200 {
		e.fail(e.end, "condition is nested too deeply")
		return 0
	}
	c := e.binary(0, depth)
	if !e.take("?") {
		return c
	}
	e.skipIf(c == 0, 1)
	a := e.cond(depth + 1)
	e.skipIf(c == 0, -1)
	if !e.take(":") {
		e.fail(e.end, "`?` without `:` in the condition")
		return 0
	}
	e.skipIf(c != 0, 1)
	b := e.cond(depth + 1)
	e.skipIf(c != 0, -1)
	if c != 0 {
		return a
	}
	return b
}

func (e *condParser) skipIf(skip bool, n int) {
	if skip {
		e.dead += n
	}
}

func (e *condParser) binary(level, depth int) int64 {
	if level == len(condOps) {
		return e.unary(depth)
	}
	x := e.binary(level+1, depth)
	for {
		op, at, ok := e.op(level)
		if !ok {
			return x
		}
		short := op == "||" && x != 0 || op == "&&" && x == 0
		e.skipIf(short, 1)
		y := e.binary(level+1, depth)
		e.skipIf(short, -1)
		x = e.apply(op, at, x, y)
	}
}

func (e *condParser) apply(op string, at source.Span, x, y int64) int64 {
	b := func(v bool) int64 {
		if v {
			return 1
		}
		return 0
	}
	switch op {
	case "||":
		return b(x != 0 || y != 0)
	case "&&":
		return b(x != 0 && y != 0)
	case "|":
		return x | y
	case "^":
		return x ^ y
	case "&":
		return x & y
	case "==":
		return b(x == y)
	case "!=":
		return b(x != y)
	case "<":
		return b(x < y)
	case "<=":
		return b(x <= y)
	case ">":
		return b(x > y)
	case ">=":
		return b(x >= y)
	case "<<":
		return shift(x, y)
	case ">>":
		return shift(x, -y)
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	}
	if y == 0 {
		if e.dead == 0 {
			e.fail(at, "division by zero in the condition")
		}
		return 0
	}
	if y == -1 { // the quotient of the least number overflows
		if op == "/" {
			return -x
		}
		return 0
	}
	if op == "/" {
		return x / y
	}
	return x % y
}

// shift shifts left by n, right for a negative n.
func shift(x, n int64) int64 {
	switch {
	case n >= 64:
		return 0
	case n >= 0:
		return x << n
	case n <= -64:
		return x >> 63
	}
	return x >> -n
}

func (e *condParser) unary(depth int) int64 {
	if depth > 200 {
		e.fail(e.end, "condition is nested too deeply")
		return 0
	}
	switch {
	case e.take("!"):
		if e.unary(depth+1) == 0 {
			return 1
		}
		return 0
	case e.take("~"):
		return ^e.unary(depth + 1)
	case e.take("-"):
		return -e.unary(depth + 1)
	case e.take("+"):
		return e.unary(depth + 1)
	case e.take("("):
		v := e.cond(depth + 1)
		if !e.take(")") {
			e.fail(e.end, "missing `)` in the condition")
		}
		return v
	}
	if len(e.toks) == 0 {
		e.fail(e.end, "the condition lacks an operand")
		return 0
	}
	t := e.toks[0]
	e.toks = e.toks[1:]
	switch t.Kind {
	case Number:
		// As in C: 0x, 0b and a leading 0 for octal; suffixes are ignored.
		s := strings.TrimRight(t.Text, "uUlL")
		v, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			e.fail(t.Span, "bad number %s in the condition", show(t))
		}
		return int64(v)
	case Name:
		if t.Text == "true" {
			return 1
		}
		return 0
	}
	e.fail(t.Span, "unexpected %s in the condition", show(t))
	return 0
}
