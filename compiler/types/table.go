package types

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
)

func andNot(a, b *big.Int) bool { return new(big.Int).AndNot(a, b).Sign() != 0 }

func (c *checker) tableDecl(d *ast.TableDecl) {
	o := &Object{Kind: TableObj, Name: d.Name.Name, Type: &TableType{Decl: d}, Node: d, Span: d.Name.Span, ReadOnly: true}
	before := c.rep.Errors()
	var keys []Type
	var kinds []string
	if d.Key != nil {
		for _, k := range d.Key.Elems {
			if p, ok := k.Expr.(*ast.PathExpr); ok && !p.Path.Absolute && p.Path.Name.Name == d.Name.Name {
				c.errorf(codeBadKey, k.Expr, "%s is the table itself here", d.Name.Name)
				keys, kinds = append(keys, bad()), append(kinds, "")
				continue
			}
			t, kind := c.keyElem(k)
			keys = append(keys, t)
			kinds = append(kinds, kind)
		}
	}
	if d.Actions == nil {
		c.errorf(codeBadTable, d.Name, "table %s has no actions", d.Name.Name)
	} else {
		c.actionList(d)
	}
	seen := map[string]*ast.Property{}
	if d.Entries != nil && d.Key != nil && d.Entries.Pos() < d.Key.Pos() {
		c.errorf(codeBadTable, d.Entries, "the entries of a table must follow its key")
	}
	if p := d.Prop("default_action"); p == nil {
		defer func() {
			if c.rep.Errors() == before {
				c.needNoAction(d)
			}
		}()
	} else if d.Actions != nil && p.Pos() < d.Actions.Pos() {
		c.note(codeBadTable, d.Name.Span, []diag.Note{{Span: p.Span, Message: "default action"}}, "the default action of table %s must follow its actions", d.Name.Name)
	}
	for _, p := range d.Props {
		if old := seen[p.Name.Name]; old != nil {
			c.note(codeRedeclared, p.Name.Span, declaredHere(old.Name), "property %s is given twice", p.Name.Name)
			continue
		}
		seen[p.Name.Name] = p
		c.property(d, p)
	}
	if d.Entries != nil {
		c.entries(d, keys, kinds)
	}
	c.declare(o)
}

// needNoAction checks that the default action of a table that names none
// exists: NoAction of core.p4 (L133).
func (c *checker) needNoAction(d *ast.TableDecl) {
	o := c.top.names["NoAction"]
	if o != nil && o.Kind == ActionObj && len(o.Type.(*Func).Params) == 0 {
		return
	}
	if o == nil {
		c.errorf(codeBadTable, d.Name, "table %s has no default_action, and the action NoAction of core.p4 is not declared", d.Name.Name)
		return
	}
	c.blame(codeBadTable, o.Span, d.Name.Span, "NoAction is not an action without parameters, and table %s has no default_action", d.Name.Name)
}

func (c *checker) keyElem(k *ast.KeyElem) (Type, string) {
	tv := c.rvalue(k.Expr)
	t := tv.Type
	switch {
	case isInteger(t):
		c.errorf(codeBadKey, k.Expr, "the width of the key is unknown")
		t = bad()
	case !selectable(t):
		c.errorf(codeBadKey, k.Expr, "a key cannot have type %s", t)
		t = bad()
	}
	kind := k.Match.Name
	if _, ok := c.matchKinds[kind]; !ok {
		c.errorf(codeBadKey, k.Match, "there is no match kind %s%s", kind, didYouMean(kind, sortedKeys(c.matchKinds)))
	}
	if (kind == "lpm" || kind == "range") && !isBad(t) {
		if asBits(Underlying(t)) == nil {
			c.errorf(codeBadKey, k, "match kind %s needs an integer, not %s", kind, t)
		}
	}
	c.info.Keys[k] = kind
	return t, kind
}

// actionOf resolves the action of a reference.
func (c *checker) actionOf(p *ast.Path) (*Object, *Func) {
	o := c.lookup(p)
	if o == nil {
		return nil, nil
	}
	if o.Kind != ActionObj {
		c.note(codeBadAction, p.Span, declaredHere(o.Span), "%s is a %s, not an action", o.Name, o.Kind)
		return nil, nil
	}
	return o, o.Type.(*Func)
}

func (c *checker) actionList(d *ast.TableDecl) {
	seen := map[*Object]*ast.ActionRef{}
	for i, r := range d.Actions.Refs {
		o, f := c.actionOf(r.Path)
		if o == nil {
			c.checkArgsOnly(r.Args)
			continue
		}
		if old := seen[o]; old != nil {
			c.note(codeRedeclared, r.Span, declaredHere(old), "action %s is listed twice", o.Name)
		}
		seen[o] = r
		use := &ActionUse{Obj: o, Func: f, Index: i, Args: make([]ast.Expr, len(f.Params))}
		c.info.Actions[r] = use
		c.bindAction(use, r.Args, r, true, false)
		if has(r.Annotations, "tableonly") && has(r.Annotations, "defaultonly") {
			c.errorf(codeBadAction, r, "an action cannot be both @tableonly and @defaultonly")
		}
	}
}

// bindAction checks the arguments of an action reference. In an action list
// they are for the parameters with a direction; elsewhere (data) they are for
// those without, possibly after a repetition of the first.
func (c *checker) bindAction(use *ActionUse, args []*ast.Arg, at ast.Node, inList, data bool) {
	f := use.Func
	var directed, plain []int
	for i, p := range f.Params {
		if p.Dir == ast.DirNone {
			plain = append(plain, i)
		} else {
			directed = append(directed, i)
		}
	}
	var slots []int
	switch {
	case inList:
		slots = directed
	case len(args) == len(f.Params):
		slots = append(append(slots, directed...), plain...)
	default:
		slots = plain
	}
	named := len(args) > 0 && args[0].Name != nil
	if !named && (len(args) > len(slots) || missing(f, slots[min(len(args), len(slots)):])) {
		if inList && len(args) > len(slots) {
			c.note(codeArgCount, span(at), declaredHere(headOf(f.Decl)), "action %s takes %s in an action list, those with a direction; %d given", f.Name, plural(len(slots), "argument"), len(args))
		} else {
			c.note(codeArgCount, span(at), declaredHere(headOf(f.Decl)), "action %s takes %s, %d given", f.Name, plural(len(slots), "argument"), len(args))
		}
		c.checkArgsOnly(args)
		return
	}
	for i, a := range args {
		j := -1
		if a.Name == nil {
			if named {
				c.errorf(codeArgCount, a, "a positional argument cannot follow a named one")
				c.expr(a.Value)
				continue
			}
			j = slots[i]
		} else {
			for k, p := range f.Params {
				if p.Name == a.Name.Name {
					j = k
				}
			}
			if j < 0 {
				c.note(codeArgCount, a.Name.Span, declaredHere(headOf(f.Decl)), "action %s has no parameter %s", f.Name, a.Name.Name)
				c.expr(a.Value)
				continue
			}
		}
		use.Args[j] = a.Value
		if inList && c.applies(a.Value) {
			continue
		}
		if c.argument(f.Params[j], a.Value, &Call{Kind: ActionCall}) {
			c.warnOverflow(f.Params[j].Type, a.Value)
			if tv := c.info.Types[a.Value]; data && f.Params[j].Dir == ast.DirNone && tv.Mode != Constant && tv.Mode != Compile {
				c.errorf(codeNotConstant, a.Value, "the argument for %s is not known at compile time", f.Params[j].Name)
			}
		}
	}
	if named {
		for _, j := range slots {
			if use.Args[j] == nil && f.Params[j].Default == nil {
				c.errorf(codeArgCount, at, "the argument for parameter %s of action %s is missing", f.Params[j].Name, f.Name)
			}
		}
	}
}

// applies refuses a table application in e, a bound argument of an action list:
// when it would happen is not defined.
func (c *checker) applies(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && !found {
			if m, ok := call.Fun.(*ast.MemberExpr); ok && m.Member.Name == "apply" {
				c.errorf(codeCallPlace, call, "a table cannot be applied in an argument of an action list")
				found = true
			}
		}
		return true
	})
	return found
}

// missing tells whether a parameter that gets no argument has no default.
func missing(f *Func, slots []int) bool {
	for _, j := range slots {
		if f.Params[j].Default == nil {
			return true
		}
	}
	return false
}

// listed finds the element of the action list that refers to o.
func (c *checker) listed(d *ast.TableDecl, o *Object) (*ast.ActionRef, int) {
	if d.Actions != nil {
		for i, r := range d.Actions.Refs {
			if u := c.info.Actions[r]; u != nil && u.Obj == o {
				return r, i
			}
		}
	}
	return nil, -1
}

// sameBound checks that the arguments for parameters with a direction repeat
// those of the action list (specification, "Default action").
func (c *checker) sameBound(use *ActionUse, r *ast.ActionRef) {
	first := c.info.Actions[r]
	if first == nil {
		return
	}
	for i, p := range use.Func.Params {
		if p.Dir == ast.DirNone || use.Args[i] == nil {
			continue
		}
		if first.Args[i] == nil || c.text(use.Args[i]) != c.text(first.Args[i]) {
			c.note(codeBadAction, span(use.Args[i]), at(r.Span, "action list"), "the argument for %s differs from the one in the action list", p.Name)
		}
	}
}

// text is the source text of an expression without blanks.
func (c *checker) text(e ast.Expr) string {
	if s, ok := e.(*ast.StructExpr); ok {
		var fields []string // their order is of no consequence
		for _, f := range s.Fields {
			fields = append(fields, f.Name.Name+"="+c.text(f.Value))
		}
		slices.Sort(fields)
		return strings.Join(fields, ",")
	}
	if x, ok := e.(*ast.CastExpr); ok {
		return "(" + strings.Join(strings.Fields(c.rep.Set().Text(span(x.Type))), "") + ")" + c.text(x.X)
	}
	return strings.Join(strings.Fields(c.rep.Set().Text(span(e))), "")
}

func (c *checker) property(d *ast.TableDecl, p *ast.Property) {
	switch p.Name.Name {
	case "default_action":
		c.defaultAction(d, p)
	case "size":
		tv := c.rvalue(p.Value)
		switch {
		case isBad(tv.Type):
		case !isNumeric(tv.Type):
			c.errorf(codeBadTable, p.Value, "size must be an integer, not %s", tv.Type)
		case tv.Mode == Constant && tv.Value.Int.Sign() < 0:
			c.errorf(codeBadTable, p.Value, "size cannot be negative")
		case tv.Mode != Constant && tv.Mode != Compile:
			c.errorf(codeNotConstant, p.Value, "size is not known at compile time")
		}
	case "largest_priority_wins":
		if tv := c.rvalue(p.Value); !isBool(tv.Type) && !isBad(tv.Type) || tv.Mode != Constant && tv.Mode != Compile {
			c.errorf(codeBadTable, p.Value, "largest_priority_wins must be a bool known at compile time")
		}
	case "priority_delta":
		tv := c.rvalue(p.Value)
		if !isNumeric(tv.Type) && !isBad(tv.Type) || tv.Mode != Constant && tv.Mode != Compile || tv.Mode == Constant && tv.Value.Int.Sign() <= 0 {
			c.errorf(codeBadTable, p.Value, "priority_delta must be a positive integer known at compile time")
		}
	default:
		// Architectures have properties of their own, so any name is allowed.
		known := []string{"key", "actions", "entries", "default_action", "size", "largest_priority_wins", "priority_delta"}
		if n := diag.Nearest(p.Name.Name, known); n != "" {
			c.rep.Report(diag.Diagnostic{Code: codeUnknownProp, Severity: diag.Warning, Span: p.Name.Span,
				Message: fmt.Sprintf("the language has no table property %s; did you mean %s?", p.Name.Name, n),
				Fix:     &diag.Fix{Span: p.Name.Span, Text: n, Message: "did you mean"}})
		}
		c.expr(p.Value)
	}
}

func (c *checker) defaultAction(d *ast.TableDecl, p *ast.Property) {
	var path *ast.Path
	var args []*ast.Arg
	switch v := p.Value.(type) {
	case *ast.PathExpr:
		path = v.Path
	case *ast.CallExpr:
		if f, ok := v.Fun.(*ast.PathExpr); ok {
			path, args = f.Path, v.Args
		}
	case *ast.BadExpr:
		return
	}
	if path == nil {
		c.errorf(codeBadAction, p.Value, "default_action must name an action")
		return
	}
	o, f := c.actionOf(path)
	if o == nil {
		c.checkArgsOnly(args)
		return
	}
	use := &ActionUse{Obj: o, Func: f, Args: make([]ast.Expr, len(f.Params))}
	c.info.Defaults[p] = use
	r, i := c.listed(d, o)
	if r == nil {
		c.note(codeBadAction, span(p.Value), declaredHere(d.Name), "%s is not in the action list of table %s", o.Name, d.Name.Name)
	} else if has(r.Annotations, "tableonly") {
		c.note(codeBadAction, span(p.Value), declaredHere(r), "%s is @tableonly and cannot be the default action", o.Name)
	}
	use.Index = i
	c.bindAction(use, args, p.Value, false, true)
	if r != nil {
		c.sameBound(use, r)
	}
}

func (c *checker) entries(d *ast.TableDecl, keys []Type, kinds []string) {
	if len(keys) == 0 && len(d.Entries.List) > 0 {
		c.note(codeBadEntry, d.Name.Span, []diag.Note{{Span: d.Entries.Span, Message: "entries"}}, "table %s has no key and cannot have entries", d.Name.Name)
	}
	before := c.rep.Errors()
	for _, e := range d.Entries.List {
		if e.Action != nil {
			c.actionOf(e.Action.Path)
		}
	}
	if c.rep.Errors() != before {
		return // names come first
	}
	c.mixedPriorities(d)
	for _, e := range d.Entries.List {
		if e.Priority != nil {
			tv := c.rvalue(e.Priority)
			switch {
			case isBad(tv.Type):
			case d.Entries.IsConst:
				c.errorf(codeBadEntry, e.Priority, "const entries have no priorities; the first entry that matches wins")
			case !isNumeric(tv.Type) || tv.Mode != Constant && tv.Mode != Compile:
				c.errorf(codeBadEntry, e.Priority, "a priority must be an integer known at compile time")
			case tv.Mode == Constant && (tv.Value.Int.Sign() < 0 || !tv.Value.Int.IsInt64() || tv.Value.Int.Int64() > 1<<31-1):
				c.errorf(codeBadEntry, e.Priority, "a priority must be from 0 to 2147483647")
			}
		}
		if len(keys) > 0 {
			c.keyset(e.Keys, keys, "key", nil)
			c.entryKinds(e, kinds)
		} else {
			for _, k := range e.Keys {
				c.expr(k)
			}
		}
		if e.Action == nil {
			continue
		}
		o, f := c.actionOf(e.Action.Path)
		if o == nil {
			c.checkArgsOnly(e.Action.Args)
			continue
		}
		use := &ActionUse{Obj: o, Func: f, Args: make([]ast.Expr, len(f.Params))}
		c.info.Actions[e.Action] = use
		r, i := c.listed(d, o)
		if r == nil {
			c.note(codeBadEntry, e.Action.Span, declaredHere(d.Name), "%s is not in the action list of table %s", o.Name, d.Name.Name)
		} else if has(r.Annotations, "defaultonly") {
			c.note(codeBadEntry, e.Action.Span, declaredHere(r), "%s is @defaultonly and cannot be the action of an entry", o.Name)
		}
		use.Index = i
		c.bindAction(use, e.Action.Args, e.Action, false, true)
		if r != nil {
			c.sameBound(use, r)
		}
	}
	if len(keys) > 0 && c.rep.Errors() == before {
		c.distinct(d, keys, kinds)
	}
}

// mixedPriorities demands a priority of the first entry where any has one: those
// without take theirs from the entry before (L139).
func (c *checker) mixedPriorities(d *ast.TableDecl) {
	if len(d.Entries.List) == 0 || d.Entries.IsConst {
		return
	}
	first := d.Entries.List[0]
	for _, e := range d.Entries.List {
		if e.Priority != nil && first.Priority == nil {
			c.note(codeBadEntry, first.Span, []diag.Note{{Span: span(e.Priority), Message: "this one has a priority"}}, "the first entry needs a priority, as others have one")
			return
		}
	}
}

// distinct refuses a second entry with the values of an earlier one in a table
// where all keys are exact.
func (c *checker) distinct(d *ast.TableDecl, keys []Type, kinds []string) {
	for _, k := range kinds {
		if k != "exact" {
			return
		}
	}
	seen := map[string]*ast.Entry{}
	for _, e := range d.Entries.List {
		if len(e.Keys) != len(keys) {
			return
		}
		var id strings.Builder
		for i, k := range e.Keys {
			tv := c.info.Types[k]
			if tv.Mode != Constant || tv.Value == nil || tv.Value.Int == nil {
				return
			}
			fmt.Fprintf(&id, "%s ", convertConst(tv.Value, keys[i]).Int)
		}
		if old := seen[id.String()]; old != nil {
			c.note(codeBadEntry, e.Span, declaredHere(old), "an earlier entry has the same key")
		}
		seen[id.String()] = e
	}
}

// entryKinds checks that the sets suit the match kinds: only exact values for
// exact keys, ranges for range keys, masks for ternary and lpm.
func (c *checker) entryKinds(e *ast.Entry, kinds []string) {
	if len(e.Keys) != len(kinds) {
		return
	}
	for i, k := range e.Keys {
		b, ok := k.(*ast.BinaryExpr)
		if ok && b.Op == ast.OpRange {
			x, y := c.info.Types[b.X], c.info.Types[b.Y]
			if x.Mode == Constant && y.Mode == Constant && x.Value.Int.Cmp(y.Value.Int) > 0 {
				c.errorf(codeBadEntry, k, "the lower end %s of the range is above the upper end %s", x.Value.Int, y.Value.Int)
			}
		}
		switch kinds[i] {
		case "optional":
			if ok && (b.Op == ast.OpMask || b.Op == ast.OpRange) {
				c.errorf(codeBadEntry, k, "an optional key needs a value or _, not a set")
			}
		case "lpm":
			if ok && b.Op == ast.OpRange {
				c.errorf(codeBadEntry, k, "an lpm key needs a value or value &&& mask, not a range")
			}
		case "ternary":
			if ok && b.Op == ast.OpRange {
				c.errorf(codeBadEntry, k, "a ternary key needs a value or value &&& mask, not a range")
			}
		case "range":
			if ok && b.Op == ast.OpMask {
				c.errorf(codeBadEntry, k, "a range key needs a value or low .. high, not a mask")
			}
		}
	}
}
