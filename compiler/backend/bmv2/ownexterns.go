package bmv2

import (
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Extern functions of a program's own, which its switch has from a module
// (--load-modules): in the JSON a call is a primitive of the function's name with
// the arguments as parameters, as p4c --emit-externs writes it.

// Option changes what Export and Import do.
type Option func(*options)

type options struct{ externs bool }

// WithExterns lets Export write, and Import read, calls of extern functions that
// the architecture does not have. The JSON does not say which parameters a
// function writes: a field is read as inout, all else as in. Without the option
// both refuse them, as every engine does that is not given such functions.
func WithExterns() Option { return func(o *options) { o.externs = true } }

func optionsOf(list []Option) (o options) {
	for _, f := range list {
		f(&o)
	}
	return o
}

// ownExtern writes such a call; false when s is none.
func (c *code) ownExtern(s *ir.ExternCall) bool {
	if !c.x.opts.externs || s.Object != nil || s.Dst != nil || slices.Contains(s.Args, nil) {
		return false
	}
	var ps []any
	var backs []func()
	for i, a := range s.Args {
		switch {
		case ir.Width(a.Type()) < 1:
			c.x.fail(a.Pos(), "extern "+s.Name, "an argument is no number")
		case s.Dirs[i] == ir.DirOut || s.Dirs[i] == ir.DirInOut:
			ref, back := c.argument(a, s.Dirs[i])
			ps, backs = append(ps, ref), append(backs, back)
		default:
			ps = append(ps, outer(c.x.data(a)))
		}
	}
	c.emit(s.Name, ps...)
	for _, back := range backs {
		back()
	}
	return true
}

// argument is an l-value that a function writes: a field, or a copy of what the
// l-value holds.
func (c *code) argument(a ir.Expr, d ir.Dir) (obj, func()) {
	if p := c.x.find(a); p != nil && p.kind == scalarPlace && !signed(a.Type()) {
		return fieldRef(p), func() {}
	}
	t := c.x.temp(a.Type(), a.Pos())
	if d == ir.DirInOut {
		c.assign(t, a)
	}
	return fieldRef(c.x.find(t)), func() { c.assign(a, t) }
}

// ownExtern reads such a call.
func (im *importer) ownExtern(name string, args []node) []ir.Stmt {
	call := &ir.ExternCall{SMeta: im.smeta(), Name: name}
	for _, a := range args {
		e, d := ir.Expr(nil), ir.DirIn
		switch t := a.get("type").str(); t {
		case "field", "stack_field":
			e, d = im.lvalue(a), ir.DirInOut
		case "hexstr": // both compilers write every digit of the parameter's type
			v := a.get("value").hex()
			e = im.num(v, max(8, 4*len(strings.TrimPrefix(a.get("value").str(), "0x")), v.BitLen()))
		default:
			e = im.value(im.number(a))
		}
		call.Args, call.Dirs = append(call.Args, e), append(call.Dirs, d)
	}
	return []ir.Stmt{call}
}
