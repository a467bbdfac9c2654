package bmv2

import (
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// maxPrimitives bounds an action.
const maxPrimitives = 1 << 16

// body makes the statements of an action's primitives: straight runs are the
// nodes of a graph whose edges are the jumps.
func (im *importer) body(n node) []ir.Stmt {
	prims := n.get("primitives").list()
	if len(prims) > maxPrimitives {
		n.fail("action", "%d primitives, the limit is %d", len(prims), maxPrimitives)
	}
	target := func(p node, i int) int {
		v := im.number(p.get("parameters").list()[i])
		if v.op != opConst || !v.v.IsInt64() || v.v.Int64() < 0 || v.v.Int64() > int64(len(prims)) {
			p.fail("primitive "+p.get("op").str(), "its target is no index of a primitive")
		}
		return int(v.v.Int64())
	}
	leads := make([]bool, len(prims)+1)
	leads[0] = true
	jumps := false
	for i, p := range prims {
		switch p.get("op").str() {
		case "_jump":
			p.get("parameters").tuple(1)
			leads[target(p, 0)], leads[i+1], jumps = true, true, true
		case "_jump_if_zero":
			p.get("parameters").tuple(2)
			leads[target(p, 1)], leads[i+1], jumps = true, true, true
		}
	}
	if !jumps {
		var out []ir.Stmt
		for _, p := range prims {
			out = append(out, im.primitive(p)...)
		}
		return out
	}
	block := make([]int, len(prims)+1)
	blocks := 0
	for i := range leads {
		if leads[i] && i < len(prims) {
			block[i] = blocks
			blocks++
		}
	}
	block[len(prims)] = exit
	nodes := make([]flowNode, 0, blocks)
	for i := 0; i < len(prims); {
		fn := flowNode{name: fmt.Sprintf("primitive %d", i), pos: im.pos}
		var run []ir.Stmt
		for ; ; i++ {
			if i == len(prims) || leads[i] && len(run) > 0 {
				fn.succ = []int{block[i]}
				fn.code = straight(run)
				break
			}
			p := prims[i]
			op := p.get("op").str()
			if op == "_jump" {
				fn.succ, fn.code = []int{block[target(p, 0)]}, straight(run)
				i++
				break
			}
			if op == "_jump_if_zero" {
				im.position(p)
				zero := im.cond(&jx{at: p, sort: boolSort, op: "d2b", r: im.number(p.get("parameters").list()[0])})
				fn.succ = []int{block[i+1], block[target(p, 1)]}
				fn.code = branching(run, zero, im.smeta())
				i++
				break
			}
			more := im.primitive(p)
			if len(more) == 0 { // a node has something, so that every leader has its own
				more = []ir.Stmt{}
			}
			run = append(run, more...)
			if i+1 <= len(prims) && leads[i+1] {
				i++
				fn.succ, fn.code = []int{block[i]}, straight(run)
				break
			}
		}
		nodes = append(nodes, fn)
	}
	out, err := structured(nodes, 0, im.label)
	if err != nil {
		n.fail("action "+n.get("name").str(), "%v", err)
	}
	return out
}

func straight(run []ir.Stmt) func([][]ir.Stmt) []ir.Stmt {
	return func(next [][]ir.Stmt) []ir.Stmt { return append(run[:len(run):len(run)], next[0]...) }
}

func branching(run []ir.Stmt, cond ir.Expr, m ir.SMeta) func([][]ir.Stmt) []ir.Stmt {
	return func(next [][]ir.Stmt) []ir.Stmt {
		return append(run[:len(run):len(run)], &ir.If{SMeta: m, Cond: cond, Then: next[0], Else: next[1]})
	}
}

// primitive makes the statements of one primitive.
func (im *importer) primitive(p node) []ir.Stmt {
	im.position(p)
	name := p.get("op").str()
	args := p.get("parameters").list()
	need := func(k int) {
		if len(args) != k {
			p.fail("primitive "+name, "%d parameters, not %d", len(args), k)
		}
	}
	call := func(name string, o *ir.Instance, args []ir.Expr, dirs ...ir.Dir) []ir.Stmt {
		var ts []ir.Type
		return []ir.Stmt{&ir.ExternCall{SMeta: im.smeta(), Name: name, Object: o, TypeArgs: ts, Args: args, Dirs: dirs}}
	}
	if out, is := im.copies(p, name, args); is {
		return out
	}
	if out, is := im.method(p, name, args); is {
		return out
	}
	switch name {
	case "assign", "modify_field":
		need(2)
		return im.assign(args[0], im.number(args[1]))
	case "add_to_field", "subtract_from_field":
		need(2)
		o := "+"
		if name != "add_to_field" {
			o = "-"
		}
		return im.assign(args[0], im.ranged(&jx{at: p, op: o, l: im.number(args[0]), r: im.number(args[1])}))
	case "assign_VL":
		need(2)
		return im.copy(p, im.variable(args[0]), im.variable(args[1]))
	case "assign_header", "copy_header":
		need(2)
		return im.assignHeader(p, im.whole(args[0], headerSort), im.expr(args[1]))
	case "assign_union":
		need(2)
		return im.copy(p, im.whole(args[0], unionSort), im.whole(args[1], unionSort))
	case "assign_header_stack", "assign_union_stack":
		need(2)
		return im.copy(p, im.whole(args[0], stackSort), im.whole(args[1], stackSort))
	case "push", "pop":
		need(2)
		k := im.number(args[1])
		if k.op != opConst || k.v.Sign() < 0 || k.v.BitLen() > 31 {
			args[1].fail("primitive "+name, "the number of elements is no constant")
		}
		return []ir.Stmt{&ir.PushPop{SMeta: im.smeta(), X: im.whole(args[0], stackSort), N: int(k.v.Int64()), Push: name == "push"}}
	case "add_header", "remove_header", "add_header_fast":
		need(1)
		return []ir.Stmt{&ir.SetValid{SMeta: im.smeta(), X: im.whole(args[0], headerSort), Valid: name != "remove_header"}}
	case "mark_to_drop":
		std := im.standardOf(p, args)
		return call("mark_to_drop", nil, []ir.Expr{std}, ir.DirInOut)
	case "drop":
		return call("mark_to_drop", nil, []ir.Expr{im.standard(p)}, ir.DirInOut)
	case "no_op":
		return nil
	case "exit":
		if im.exited == nil {
			im.exited = &ir.Var{Name: "exited", Type: &ir.Bool{}, Pos: im.pos}
			im.block.Locals = append(im.block.Locals, im.exited)
		}
		return []ir.Stmt{&ir.Assign{SMeta: im.smeta(), L: im.ref(im.exited), R: &ir.Const{Meta: im.meta(&ir.Bool{}), Val: big.NewInt(1)}}}
	case "count":
		need(2)
		return call("counter.count", im.object(args[0], "counter_array"), []ir.Expr{im.index(args[1])}, ir.DirIn)
	case "execute_meter":
		need(3)
		return call("meter.execute_meter", im.object(args[0], "meter_array"), []ir.Expr{im.index(args[1]), im.lvalue(args[2])}, ir.DirIn, ir.DirOut)
	case "register_read":
		need(3)
		o := im.object(args[1], "register_array")
		t := o.Type.Args[0]
		dst := im.lvalue(args[0])
		if im.t.arch != "v1model" {
			return im.methodResult(p, "Register.read", o, dst, t, im.index(args[2]))
		}
		if ir.Identical(dst.Type(), t) {
			return call("register.read", o, []ir.Expr{dst, im.index(args[2])}, ir.DirOut, ir.DirIn)
		}
		v := im.temp(t)
		return append(call("register.read", o, []ir.Expr{im.ref(v), im.index(args[2])}, ir.DirOut, ir.DirIn),
			im.store(dst, im.leaf(p, im.ref(v))))
	case "register_write":
		need(3)
		o := im.object(args[0], "register_array")
		t := o.Type.Args[0]
		write := "register.write"
		if im.t.arch != "v1model" {
			write = "Register.write"
		}
		return call(write, o, []ir.Expr{im.index(args[1]), im.low(im.number(args[2]), ir.Width(t))}, ir.DirIn, ir.DirIn)
	case "modify_field_with_hash_based_offset":
		need(4)
		return im.hash(p, args)
	case "modify_field_rng_uniform":
		need(3)
		dst := im.lvalue(args[0])
		lo, hi := im.number(args[1]), im.number(args[2])
		t := im.common(lo, hi)
		v := im.temp(t)
		return append(call("random", nil, []ir.Expr{im.ref(v), im.exactCut(im.value(lo), t), im.exactCut(im.value(hi), t)}, ir.DirOut, ir.DirIn, ir.DirIn),
			im.store(dst, im.leaf(p, im.ref(v))))
	case "truncate":
		need(1)
		return call("truncate", nil, []ir.Expr{im.index(args[0])}, ir.DirIn)
	case "assert", "assume":
		need(1)
		x := im.expr(args[0])
		c := ir.Expr(nil)
		if x.sort == boolSort {
			c = im.cond(x)
		} else {
			c = im.cond(&jx{at: args[0], sort: boolSort, op: "d2b", r: im.number(args[0])})
		}
		return call(name, nil, []ir.Expr{c}, ir.DirIn)
	case "log_msg":
		need(2)
		return im.logMsg(args)
	}
	if im.opts.externs {
		return im.ownExtern(name, args)
	}
	p.fail("primitive "+name, "it is not imported")
	return nil
}

// standardOf is the metadata that mark_to_drop is given: standard_metadata, or a
// copy of it that p4c has made.
func (im *importer) standardOf(p node, args []node) ir.Expr {
	if len(args) == 0 {
		return im.standard(p)
	}
	h := args[0].get("value")
	if len(args) > 1 {
		p.fail("primitive mark_to_drop", "%d parameters, not 1", len(args))
	}
	if h.str() == metadataName {
		return im.standard(p)
	}
	x := im.header(h, h.str())
	if _, is := x.Type().(*ir.Struct); !is || ir.FieldIndex(x.Type(), "egress_spec") < 0 {
		h.fail("primitive mark_to_drop", "%s is not standard_metadata", h.str())
	}
	return x
}

// index is a number that an extern takes as an index, without sign.
func (im *importer) index(n node) ir.Expr {
	x := im.number(n)
	if x.op == opConst && x.natural() && x.v.BitLen() <= 32 {
		return im.num(x.v, 32)
	}
	if !x.natural() {
		n.fail("an index", "it can be negative or has no bound")
	}
	if x.hi.BitLen() <= 32 {
		return im.exactCut(im.value(x), &ir.Bit{W: 32})
	}
	return im.value(x)
}

// common is an unsigned type that fits both.
func (im *importer) common(a, b *jx) ir.Type {
	for _, x := range []*jx{a, b} {
		if !x.natural() {
			x.at.fail("a parameter", "it can be negative or has no bound")
		}
	}
	return &ir.Bit{W: max(a.hi.BitLen(), b.hi.BitLen(), 1)}
}

// lvalue is a scalar that a primitive writes.
func (im *importer) lvalue(n node) ir.Expr {
	x := im.number(n)
	if x.op == opLeaf {
		switch x.e.(type) {
		case *ir.Member:
			return x.e
		}
	}
	n.fail("a parameter", "it is no field that can be written")
	return nil
}

// variable is a field of variable size.
func (im *importer) variable(n node) ir.Expr {
	x := im.expr(n)
	if x.sort != variableSort {
		n.fail("a parameter", "it is %s, not %s", x.sort, variableSort)
	}
	return x.e
}

// whole is a header, union or stack.
func (im *importer) whole(n node, want sort) ir.Expr {
	x := im.expr(n)
	if x.sort != want {
		n.fail("a parameter", "it is %s, not %s", x.sort, want)
	}
	if x.e == nil {
		n.fail("a parameter", "a header that a condition chooses can only be copied")
	}
	if _, is := x.e.Type().(*ir.Struct); is {
		n.fail("a parameter", "it is metadata, no header")
	}
	return x.e
}

func (im *importer) assign(dst node, v *jx) []ir.Stmt { return []ir.Stmt{im.store(im.lvalue(dst), v)} }

// store assigns the low bits of v that the l-value holds.
func (im *importer) store(dst ir.Expr, v *jx) ir.Stmt {
	e := im.low(v, ir.Width(dst.Type()))
	return &ir.Assign{SMeta: im.smeta(), L: dst, R: im.cast(e, dst.Type())}
}

func (im *importer) copy(p node, dst, src ir.Expr) []ir.Stmt {
	if dst == nil || src == nil || !ir.Identical(dst.Type(), src.Type()) {
		p.fail("primitive "+p.get("op").str(), "its operands have different types")
	}
	return []ir.Stmt{&ir.Assign{SMeta: im.smeta(), L: dst, R: src}}
}

// assignHeader copies a header, of which a condition may choose between two.
func (im *importer) assignHeader(p node, dst ir.Expr, src *jx) []ir.Stmt {
	if src.sort != headerSort {
		src.at.fail("a parameter", "it is %s, not %s", src.sort, headerSort)
	}
	if src.op != "?" {
		return im.copy(p, dst, src.e)
	}
	return []ir.Stmt{&ir.If{SMeta: im.smeta(), Cond: im.cond(src.c), Then: im.assignHeader(p, dst, src.l), Else: im.assignHeader(p, dst, src.r)}}
}

func (im *importer) hash(p node, args []node) []ir.Stmt {
	dst := im.lvalue(args[0])
	base, size := im.number(args[1]), im.number(args[3])
	t := im.common(base, size)
	if args[2].get("type").str() != "calculation" {
		args[2].fail("a parameter", "it is no calculation")
	}
	algo, data, payload := im.calculation(args[2].get("value"))
	if payload {
		args[2].fail("primitive hash", "a hash over the payload is not imported")
	}
	return []ir.Stmt{&ir.ExternCall{SMeta: im.smeta(), Name: "hash", TypeArgs: []ir.Type{dst.Type(), t, data.T, t},
		Args: []ir.Expr{dst, algo, im.exactCut(im.value(base), t), data, im.exactCut(im.value(size), t)},
		Dirs: []ir.Dir{ir.DirOut, ir.DirIn, ir.DirIn, ir.DirIn, ir.DirIn}}}
}

func (im *importer) logMsg(args []node) []ir.Stmt {
	if args[0].get("type").str() != "string" || args[1].get("type").str() != "parameters_vector" {
		args[0].fail("primitive log_msg", "its parameters are no string and vector")
	}
	tuple := &ir.Tuple{}
	data := &ir.ListExpr{Meta: im.meta(tuple)}
	for _, a := range args[1].get("value").list() {
		e := im.asBits(im.number(a))
		data.Elems = append(data.Elems, e)
		tuple.Elems = append(tuple.Elems, e.Type())
	}
	msg := &ir.StringLit{Meta: im.meta(&ir.String{}), Val: args[0].get("value").str()}
	return []ir.Stmt{&ir.ExternCall{SMeta: im.smeta(), Name: "log_msg", TypeArgs: []ir.Type{tuple}, Args: []ir.Expr{msg, data}, Dirs: []ir.Dir{ir.DirNone, ir.DirIn}}}
}

// params are the parameters of an action.
func (im *importer) params(n node) []*ir.Var {
	var out []*ir.Var
	for _, d := range n.get("runtime_data").list() {
		out = append(out, &ir.Var{Name: d.get("name").str(), Type: &ir.Bit{W: d.get("bitwidth").integer(1, maxBits)}, Pos: im.pos})
	}
	return out
}

func (im *importer) actionNode(id node) node {
	a, is := im.actions[id.integer(0, 1<<30)]
	if !is {
		id.fail("action", "there is none with id %d", id.integer(0, 1<<30))
	}
	return a
}

// action makes the action with an id, for the block in progress. p4c writes an
// action once for each table; those that are the same in one block are one here.
func (im *importer) action(id node) *ir.Action {
	n := im.actionNode(id)
	name := n.get("name").str()
	key := im.block.Name
	if len(n.get("primitives").list()) == 0 {
		key = "" // it needs no block
	}
	if im.meter != nil {
		key += "\x00" + im.meter.i.Name // it reads the table's meter
	}
	key += "\x00" + name + "\x00" + plainText(n.get("runtime_data").v) + plainText(n.get("primitives").v)
	if a := im.made[key]; a != nil {
		return a
	}
	full := name
	for i := 1; im.names["action "+full]; i++ {
		full = fmt.Sprintf("%s$%d", name, i)
	}
	im.names["action "+full] = true
	saved, pos := im.locals, im.pos
	im.pos = ir.Pos{}
	im.position(n)
	a := &ir.Action{Name: full, Params: im.params(n), Pos: im.pos}
	im.data, im.locals = a.Params, &a.Locals
	a.Body = append(im.readMeter(), im.body(n)...)
	im.data, im.locals, im.pos = nil, saved, pos
	im.made[key] = a
	im.p.Actions = append(im.p.Actions, a)
	return a
}

// plainText is JSON without source_info, as a key.
func plainText(v any) string {
	b, err := json.Marshal(withoutSource(v))
	if err != nil {
		panic(err) // it came from JSON
	}
	return string(b)
}

func withoutSource(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, x := range v {
			if k != "source_info" {
				m[k] = withoutSource(x)
			}
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, x := range v {
			l[i] = withoutSource(x)
		}
		return l
	}
	return v
}
