package bmv2

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// sort is what an expression of the JSON yields.
type sort int

const (
	dataSort sort = iota
	boolSort
	headerSort
	unionSort
	stackSort
	variableSort // a field of variable size
)

func (s sort) String() string {
	return [...]string{"a number", "a condition", "a header", "a header union", "a stack", "a field of variable size"}[s]
}

// jx is an expression of the JSON. Numbers are integers without limit; lo and hi
// bound what they can be, and nil means that there is no bound below maxRange.
type jx struct {
	at      node
	sort    sort
	op      string
	l, r, c *jx
	e       ir.Expr  // leaf: a scalar of bit<W> or int<W>; or a header, union, stack
	v       *big.Int // constant
	lo, hi  *big.Int
	w       int // two_comp_mod, sat_cast, usat_cast
}

// maxRange is the number of bits that an exact value may have (D4).
const maxRange = 4096

// Operators with a node of their own in jx.
const (
	opConst = "const"
	opLeaf  = "leaf"
)

func (im *importer) constant(at node, v *big.Int) *jx {
	return &jx{at: at, op: opConst, v: v, lo: v, hi: v}
}

// leaf is a scalar of the program.
func (im *importer) leaf(at node, e ir.Expr) *jx {
	x := &jx{at: at, op: opLeaf, e: e}
	w := ir.Width(e.Type())
	if w < 0 {
		x.sort = variableSort
		return x
	}
	x.lo, x.hi = new(big.Int), ones(w)
	if signed(e.Type()) {
		x.lo = new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), uint(w-1)))
		x.hi = ones(w - 1)
	}
	return x
}

// bound fixes the range of x, or none where it is too wide.
func (x *jx) bound(lo, hi *big.Int) *jx {
	if lo != nil && hi != nil && lo.BitLen() <= maxRange && hi.BitLen() <= maxRange {
		x.lo, x.hi = lo, hi
	}
	return x
}

func (x *jx) bounded() bool { return x.lo != nil }

func (x *jx) natural() bool { return x.bounded() && x.lo.Sign() >= 0 }

// expr reads an expression. Parameters of primitives have it wrapped twice,
// older compilers once.
func (im *importer) expr(n node) *jx {
	if im.depth++; im.depth > maxNesting {
		n.fail("an expression", "it is nested more than %d deep", maxNesting)
	}
	defer func() { im.depth-- }()
	typ, val := n.get("type").str(), n.get("value")
	switch typ {
	case "expression":
		if val.has("type") {
			return im.expr(val)
		}
		return im.operator(val)
	case "hexstr":
		return im.constant(n, val.hex())
	case "bool":
		v := new(big.Int)
		if val.boolean() {
			v.SetInt64(1)
		}
		return &jx{at: n, sort: boolSort, op: opConst, v: v}
	case "field":
		return im.field(val)
	case "local", "runtime_data":
		i := val.integer(0, 1<<16)
		if i >= len(im.data) {
			val.fail("runtime data", "parameter %d of an action with %d", i, len(im.data))
		}
		return im.leaf(n, im.ref(im.data[i]))
	case "header":
		return &jx{at: n, sort: headerSort, op: opLeaf, e: im.header(val, val.str())}
	case "header_stack", "header_union_stack":
		return &jx{at: n, sort: stackSort, op: opLeaf, e: im.stack(val, val.str())}
	case "header_union":
		return &jx{at: n, sort: unionSort, op: opLeaf, e: im.union(val, val.str())}
	case "stack_field":
		t := val.tuple(2)
		st := im.stack(t[0], t[0].str())
		return im.lastField(val, st, t[1].str())
	case "union_stack_field":
		t := val.tuple(3)
		st := im.stack(t[0], t[0].str())
		last := im.last(st)
		h := im.memberOf(t[1], last, t[1].str())
		return im.leaf(val, im.memberOf(t[2], h, t[2].str()))
	case "register":
		n.fail("register", "a register inside an expression is not imported; p4c writes register_read")
	}
	n.fail("expression", "unknown type %q", typ)
	return nil
}

// field is [header, field]; $valid$ is the header's validity as a bit.
func (im *importer) field(n node) *jx {
	t := n.tuple(2)
	header, name := t[0].str(), t[1].str()
	if name == "$valid$" {
		if u, is := im.unions[header]; is {
			return &jx{at: n, op: "b2d", r: im.validity(n, u(im)), lo: new(big.Int), hi: big.NewInt(1)}
		}
		return &jx{at: n, op: "b2d", r: im.validity(n, im.header(t[0], header)), lo: new(big.Int), hi: big.NewInt(1)}
	}
	return im.leaf(n, im.fieldOf(n, header, name))
}

func (im *importer) validity(n node, h ir.Expr) *jx {
	return &jx{at: n, sort: boolSort, op: "valid", e: h}
}

func (im *importer) last(st ir.Expr) ir.Expr {
	return &ir.StackOp{Meta: ir.Meta{T: st.Type().(*ir.Stack).Elem, P: im.pos}, X: st, Op: ir.StackLast}
}

func (im *importer) lastField(n node, st ir.Expr, name string) *jx {
	return im.leaf(n, im.memberOf(n, im.last(st), name))
}

func (im *importer) operator(n node) *jx {
	name := n.get("op").str()
	x := &jx{at: n, op: name}
	sub := func(key string, want sort) *jx {
		y := im.expr(n.get(key))
		if y.sort != want {
			n.get(key).fail("operator "+name, "its operand is %s, not %s", y.sort, want)
		}
		y.known(name)
		return y
	}
	switch name {
	case "+", "-":
		if n.get("left").null() {
			x.l = im.constant(n, new(big.Int))
		} else {
			x.l = sub("left", dataSort)
		}
		x.r = sub("right", dataSort)
		return im.ranged(x)
	case "*", "<<", ">>", "&", "|", "^", "/", "%":
		x.l, x.r = sub("left", dataSort), sub("right", dataSort)
		return im.ranged(x)
	case "~":
		x.r = sub("right", dataSort)
		return im.ranged(x)
	case "two_comp_mod", "sat_cast", "usat_cast":
		x.l = sub("left", dataSort)
		w := sub("right", dataSort)
		if w.op != opConst || !w.v.IsInt64() || w.v.Int64() < 1 || w.v.Int64() > maxRange {
			n.get("right").fail("operator "+name, "the width is no constant within 1 and %d", maxRange)
		}
		x.w = int(w.v.Int64())
		return im.ranged(x)
	case "b2d":
		x.r = sub("right", boolSort)
		return x.bound(new(big.Int), big.NewInt(1))
	case "d2b":
		x.sort, x.r = boolSort, sub("right", dataSort)
		return x
	case "not":
		x.sort, x.r = boolSort, sub("right", boolSort)
		return x
	case "and", "or":
		x.sort, x.l, x.r = boolSort, sub("left", boolSort), sub("right", boolSort)
		return x
	case "==", "!=", "<", "<=", ">", ">=":
		x.sort, x.l, x.r = boolSort, im.expr(n.get("left")), im.expr(n.get("right"))
		if x.l.sort != x.r.sort || x.l.sort != dataSort && (name != "==" && name != "!=" || x.l.sort == stackSort) {
			n.fail("operator "+name, "it compares %s with %s", x.l.sort, x.r.sort)
		}
		x.l.known(name)
		x.r.known(name)
		return x
	case "valid":
		x.sort, x.e = boolSort, sub("right", headerSort).e
		return x
	case "valid_union":
		x.sort, x.op, x.e = boolSort, "valid", sub("right", unionSort).e
		return x
	case "?":
		x.c = sub("cond", boolSort)
		x.l, x.r = im.expr(n.get("left")), im.expr(n.get("right"))
		if x.l.sort != x.r.sort || x.l.sort > headerSort {
			n.fail("operator ?", "its sides are %s and %s", x.l.sort, x.r.sort)
		}
		x.sort = x.l.sort
		if x.sort == dataSort && x.l.bounded() && x.r.bounded() {
			x.bound(minInt(x.l.lo, x.r.lo), maxInt(x.l.hi, x.r.hi))
		}
		return x
	case "last_stack_index", "size_stack":
		st := sub("right", stackSort)
		prop := ir.StackLastIndex
		if name == "size_stack" {
			prop = ir.StackNextIndex
		}
		l := im.leaf(n, &ir.StackOp{Meta: ir.Meta{T: &ir.Bit{W: 32}, P: im.pos}, X: st.e, Op: prop})
		l.hi = big.NewInt(int64(st.e.Type().(*ir.Stack).Size))
		return l
	case "dereference_header_stack", "dereference_union_stack":
		return im.element(n, x, sub("left", stackSort), sub("right", dataSort))
	case "access_field":
		h := sub("left", headerSort)
		fs := ir.Fields(h.e.Type())
		i := n.get("right").integer(0, len(fs)-1)
		return im.leaf(n, member(h.e, fs[i]))
	case "access_union_header":
		u := sub("left", unionSort)
		fs := ir.Fields(u.e.Type())
		i := n.get("right").integer(0, len(fs)-1)
		x.sort, x.op, x.e = headerSort, opLeaf, member(u.e, fs[i])
		return x
	}
	n.fail("expression", "unknown operator %q", name)
	return nil
}

// known refuses a header that a condition chooses.
func (x *jx) known(operator string) {
	if x.sort == headerSort && x.e == nil {
		x.at.fail("operator "+operator, "its operand is a header that a condition chooses; such can only be copied")
	}
}

func (im *importer) element(n node, x *jx, st, index *jx) *jx {
	t := st.e.Type().(*ir.Stack)
	x.op, x.sort = opLeaf, headerSort
	if _, is := t.Elem.(*ir.Union); is {
		x.sort = unionSort
	}
	var i ir.Expr
	if index.op == opConst {
		if index.v.Sign() < 0 || index.v.BitLen() > 31 {
			n.fail("stack", "index %s", index.v)
		}
		i = &ir.Const{Meta: ir.Meta{T: &ir.Bit{W: 32}, P: im.pos}, Val: index.v}
	} else if index.natural() {
		i = im.exactCut(im.value(index), &ir.Bit{W: max(1, index.hi.BitLen())})
	} else { // a negative one becomes one beyond the end
		i = im.low(index, 32)
	}
	x.e = &ir.Index{Meta: ir.Meta{T: t.Elem, P: im.pos}, X: st.e, I: i}
	return x
}

func minInt(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func maxInt(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}
