package bmv2

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// exporter builds the JSON of one program.
type exporter struct {
	p      *ir.Program
	t      *archTarget
	opts   options
	lay    *layout
	places map[*ir.Var]*place
	params map[*ir.Var]int // of the action in progress
	temps  int

	actions      arr
	actionIDs    map[*ir.Action]int
	calculations arr
	pipelines    arr
	nodes        int // conditions so far
	tableIDs     int
	applied      map[*ir.Table]bool
	keyTemps     map[ir.Expr]*ir.VarRef
	bound        map[*ir.Instance]*ir.Table // table of a direct counter or meter
	meterTargets map[*ir.Instance]arr
	meterFields  map[*ir.Instance]*ir.VarRef // of direct meters that need one, see meterField
	vsetBits     map[*ir.ValueSet]int

	meta        *place // the user metadata
	std         *place // standard_metadata; nil
	fieldLists  arr
	listIDs     map[string]int
	learnLists  arr
	learned     map[string]*learnList
	profiles    map[*ir.Instance]string // what their selectors hash
	profileList arr                     // of the pipeline in progress
}

func (x *exporter) fail(pos ir.Pos, construct, reason string) {
	panic(refusal{&Error{At: where(x.p, pos), Construct: construct, Reason: reason}})
}

// Export gives the JSON of a core program of architecture v1model, psa or pna. The bytes are
// a function of the program. Errors are *Error, or those of ir.Check.
func Export(p *ir.Program, opts ...Option) (_ []byte, err error) {
	if p.Level != ir.Core {
		return nil, fmt.Errorf("bmv2: the program is at level %s, want core", p.Level)
	}
	t := targetOf(p.Arch)
	if t == nil {
		return nil, &Error{Construct: "architecture " + p.Arch, Reason: "only v1model, psa and pna have bmv2 JSON"}
	}
	if err := ir.Check(p); err != nil {
		return nil, err
	}
	defer catch(&err)
	x := &exporter{
		p: p, t: t, opts: optionsOf(opts), places: map[*ir.Var]*place{}, actionIDs: map[*ir.Action]int{}, applied: map[*ir.Table]bool{},
		keyTemps: map[ir.Expr]*ir.VarRef{}, bound: map[*ir.Instance]*ir.Table{}, meterTargets: map[*ir.Instance]arr{}, meterFields: map[*ir.Instance]*ir.VarRef{},
		vsetBits: map[*ir.ValueSet]int{}, listIDs: map[string]int{}, learned: map[string]*learnList{}, profiles: map[*ir.Instance]string{},
	}
	x.lay = newLayout(x)
	return printJSON(x.program()), nil
}

// formatMajor and formatMinor are the version of the format (J1).
const (
	formatMajor = 2
	formatMinor = 23
)

func (x *exporter) program() obj {
	blocks := x.blocks()
	parsers, deparsers := arr{}, arr{}
	for _, n := range x.t.parsers {
		parsers = append(parsers, x.parser(blocks[n.slot], n.name, len(parsers)))
	}
	for _, n := range x.t.pipelines {
		if b := blocks[n.slot]; b != nil {
			x.pipelines = append(x.pipelines, x.pipeline(n.name, b))
		}
	}
	sums := arr{}
	if x.t.verify >= 0 {
		sums = append(x.checksums(blocks[x.t.verify], true, 0), x.checksums(blocks[x.t.update], false, 1)...)
		for i := range sums {
			sums[i].(obj)[1].v = i
		}
	}
	for _, n := range x.t.deparsers {
		deparsers = append(deparsers, x.deparser(blocks[n.slot], n.name, len(deparsers)))
	}
	x.lay.finish()

	errors := arr{}
	for i, e := range x.p.Errors {
		errors = append(errors, arr{e, i})
	}
	name := x.p.Name + ".p4"
	if len(x.p.Files) > 0 {
		name = x.p.Files[0].Path
	}
	counters, meters, registers := x.instances()
	return obj{
		{"header_types", x.lay.headerTypes}, {"headers", x.lay.headers}, {"header_stacks", orEmpty(x.lay.stacks)},
		{"header_union_types", orEmpty(x.lay.unionTypes)}, {"header_unions", orEmpty(x.lay.unions)},
		{"header_union_stacks", orEmpty(x.lay.unionStacks)}, {"field_lists", orEmpty(x.fieldLists)}, {"errors", errors}, {"enums", x.enums()},
		{"parsers", parsers}, {"parse_vsets", x.vsets()}, {"deparsers", deparsers},
		{"meter_arrays", meters}, {"counter_arrays", counters}, {"register_arrays", registers},
		{"calculations", orEmpty(x.calculations)}, {"learn_lists", orEmpty(x.learnLists)}, {"actions", orEmpty(x.actions)},
		{"pipelines", x.pipelines}, {"checksums", sums}, {"force_arith", arr{}}, {"extern_instances", x.externInstances()},
		{"field_aliases", x.aliases()}, {"program", name},
		{"__meta__", obj{{"version", arr{formatMajor, formatMinor}}, {"compiler", "https://github.com/p4nic/p4nic"}}},
	}
}

// blocks finds the blocks and gives their parameters and locals places. What is
// handed from block to block has one place in all of them.
func (x *exporter) blocks() []*ir.Block {
	shared := map[string]*place{}
	blocks := make([]*ir.Block, len(x.t.slots))
	for i, s := range x.t.slots {
		b := x.p.Block(s.slot)
		if b == nil && s.optional {
			continue
		}
		if b == nil || b.Kind != s.kind || len(b.Params) != len(s.roles) {
			x.fail(ir.Pos{}, "package "+x.t.pkg, "block "+s.slot+" is missing or has other parameters")
		}
		blocks[i] = b
		for at, role := range s.roles {
			if role == "" {
				continue
			}
			v := b.Params[at]
			switch old := shared[role]; {
			case old == nil:
				shared[role] = x.role(role, v, shared)
			case !ir.Identical(old.t, v.Type):
				x.fail(v.Pos, "parameter "+v.Name, "its type differs from that of the parser")
			}
			x.places[v] = shared[role]
		}
	}
	x.meta, x.std = shared["meta"], shared[metadataName]
	for _, b := range blocks {
		if b == nil {
			continue
		}
		for _, v := range b.Locals {
			if _, is := v.Type.(*ir.ExternType); is {
				continue
			}
			x.places[v] = x.lay.variable(v.Type, b.Name+"."+v.Name, v.Pos)
		}
	}
	return blocks
}

func (x *exporter) role(role string, v *ir.Var, shared map[string]*place) *place {
	if name := metadataOf(role); name != "" {
		return x.lay.metadata(v.Type, name)
	}
	switch role {
	case "hdr":
		return x.lay.variable(v.Type, "", v.Pos)
	case "egress_hdr": // the switch makes all headers invalid before egress
		if p := shared["hdr"]; ir.Identical(p.t, v.Type) {
			return p
		}
		return x.lay.variable(v.Type, "", v.Pos)
	case "meta":
		return x.lay.variable(v.Type, "userMetadata", v.Pos)
	}
	return x.lay.variable(v.Type, role, v.Pos)
}

// deparser: the switch runs the primitives and then emits the headers.
func (x *exporter) deparser(b *ir.Block, name string, id int) obj {
	order := arr{}
	var emit func(p *place)
	emit = func(p *place) {
		if p.kind == headerPlace {
			order = append(order, p.header)
			return
		}
		for _, k := range p.kids {
			emit(k)
		}
	}
	c := x.newCode()
	for _, s := range b.Body {
		e, is := s.(*ir.Emit)
		if !is {
			if len(order) > 0 {
				x.lateStatement(s)
			}
			c.straight(s)
			continue
		}
		p := x.find(e.X)
		if p == nil {
			x.fail(s.Pos(), "emit", "the header is chosen at run time")
		}
		emit(p)
	}
	o := obj{{"name", name}, {"id", id}}
	x.sourceInfo(&o, b.Pos)
	return append(o, kv{"order", order}, kv{"primitives", orEmpty(c.prims)})
}

// lateStatement refuses a statement behind an emit that changes a header: the
// switch runs it before.
func (x *exporter) lateStatement(s ir.Stmt) {
	written := func(e ir.Expr) {
		if p := x.find(e); p == nil || p.header != scalarsName && metadataOf(p.header) == "" {
			x.fail(s.Pos(), "a statement of the deparser", "it is behind an emit and changes a header; bmv2 deparsers emit last")
		}
	}
	ir.WalkStmts([]ir.Stmt{s}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.Assign:
			written(s.L)
		case *ir.SetValid:
			written(s.X)
		case *ir.PushPop:
			written(s.X)
		case *ir.ExternCall:
			if s.Dst != nil {
				written(s.Dst)
			}
		}
	})
}

// straight emits a statement without jumps, which deparsers do not have: the
// assignments of an if become conditional values.
func (c *code) straight(s ir.Stmt) {
	switch s := s.(type) {
	case *ir.If:
		for _, side := range []struct {
			ss  []ir.Stmt
			yes bool
		}{{s.Then, true}, {s.Else, false}} {
			for _, inner := range side.ss {
				a, is := inner.(*ir.Assign)
				if !is || ir.Width(a.L.Type()) < 1 {
					c.x.fail(inner.Pos(), "a statement of the deparser", "bmv2 deparsers have no branches but for assignments of numbers")
				}
				cond := s.Cond
				if !side.yes {
					cond = &ir.Unary{Meta: ir.Meta{T: &ir.Bool{}, P: s.P}, Op: ir.LNot, X: s.Cond}
				}
				c.pos = a.P
				c.assign(a.L, &ir.Mux{Meta: ir.Meta{T: a.L.Type(), P: a.P}, C: cond, A: a.R, B: a.L})
			}
		}
	case *ir.Assign, *ir.SetValid, *ir.ExternCall, *ir.PushPop:
		before := len(c.prims)
		c.stmt(s)
		for _, p := range c.prims[before:] {
			if op, is := p.(obj)[0].v.(string); is && strings.HasPrefix(op, "_jump") {
				c.x.fail(s.Pos(), "a statement of the deparser", "bmv2 deparsers have no branches")
			}
		}
	default:
		c.x.fail(s.Pos(), "a statement of the deparser", "bmv2 deparsers have no branches")
	}
}

// checksums declares the checksums of the block for verification or for
// computation. Conditions around a call become its condition.
func (x *exporter) checksums(b *ir.Block, verify bool, base int) arr {
	out := arr{}
	want := "update_checksum"
	if verify {
		want = "verify_checksum"
	}
	var walk func(ss []ir.Stmt, conds []ir.Expr)
	walk = func(ss []ir.Stmt, conds []ir.Expr) {
		for _, s := range ss {
			switch s := s.(type) {
			case *ir.If:
				walk(s.Then, append(conds[:len(conds):len(conds)], s.Cond))
				walk(s.Else, append(conds[:len(conds):len(conds)], &ir.Unary{Meta: ir.Meta{T: &ir.Bool{}, P: s.P}, Op: ir.LNot, X: s.Cond}))
				continue
			case *ir.ExternCall:
				if name, payload := strings.CutSuffix(s.Name, "_with_payload"); name == want && len(s.Args) == 4 {
					out = append(out, x.checksum(s, conds, verify, payload, base+len(out)))
					continue
				}
			}
			x.fail(s.Pos(), "a statement of "+b.Name, "bmv2 JSON has only "+want+" there")
		}
	}
	walk(b.Body, nil)
	return out
}

func (x *exporter) checksum(s *ir.ExternCall, conds []ir.Expr, verify, payload bool, n int) obj {
	cond := s.Args[0]
	for i := len(conds) - 1; i >= 0; i-- {
		cond = &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}, P: s.P}, Op: ir.LAnd, X: conds[i], Y: cond}
	}
	elems := []ir.Expr{s.Args[1]}
	if l, is := s.Args[1].(*ir.ListExpr); is {
		elems = l.Elems
	}
	in := x.input(elems)
	if payload {
		in = append(in, obj{{"type", "payload"}, {"value", nil}})
	}
	target := x.find(s.Args[2])
	if target == nil || target.kind != scalarPlace {
		x.fail(s.P, "extern "+s.Name, "the checksum is no field")
	}
	calc := x.calculate(s.Args[3], in, s.P)
	o := obj{{"name", fmt.Sprintf("cksum_%d", n)}, {"id", n}}
	x.sourceInfo(&o, s.P)
	return append(o, kv{"target", arr{target.header, target.field}}, kv{"type", "generic"}, kv{"calculation", calc},
		kv{"verify", verify}, kv{"update", !verify}, kv{"if_cond", x.truth(cond)})
}

// instances declares counters, meters and registers.
func (x *exporter) instances() (counters, meters, registers arr) {
	counters, meters, registers = arr{}, arr{}, arr{}
	for _, i := range x.p.Instances {
		switch i.Type.Name {
		case "counter", "direct_counter", "DirectCounter":
			o := x.instance(i, len(counters))
			if i.Type.Name == "counter" {
				o = append(o, kv{"size", x.size(i)}, kv{"is_direct", false})
			} else if x.bound[i] == nil {
				continue // of a table that is not applied
			} else {
				o = append(o, kv{"is_direct", true}, kv{"binding", x.bound[i].Name})
			}
			counters = append(counters, o)
		case "meter", "direct_meter", "DirectMeter":
			if i.Type.Name != "meter" && x.bound[i] == nil {
				continue
			}
			meters = append(meters, x.meter(i, len(meters)))
		case "register", "Register":
			if len(i.Type.Args) == 0 || ir.Width(i.Type.Args[0]) < 1 {
				x.fail(i.Pos, "register "+i.Name, "its elements are no numbers")
			}
			if len(i.Args) > 1 {
				if v, is := i.Args[1].(*ir.Const); !is || v.Val.Sign() != 0 {
					x.fail(i.Pos, "register "+i.Name, "bmv2's registers begin with 0, not with an initial value")
				}
			}
			registers = append(registers, append(x.instance(i, len(registers)), kv{"size", x.size(i)}, kv{"bitwidth", ir.Width(i.Type.Args[0])}))
		case "action_profile", "action_selector", "ActionProfile", "ActionSelector": // in the pipeline
		case "Counter", "Meter", "Hash", "Random", "InternetChecksum": // extern instances
		case "Digest", "PacketReplicationEngine", "BufferingQueueingEngine":
		default:
			x.fail(i.Pos, "extern "+i.Type.Name+" "+i.Name, "it is not exported to bmv2 JSON")
		}
	}
	return counters, meters, registers
}

func (x *exporter) instance(i *ir.Instance, id int) obj {
	o := obj{{"name", i.Name}, {"id", id}}
	x.sourceInfo(&o, i.Pos)
	return o
}

// size is an instance's first argument.
func (x *exporter) size(i *ir.Instance) int {
	if len(i.Args) > 0 {
		if c, is := i.Args[0].(*ir.Const); is && c.Val.IsInt64() && c.Val.Int64() <= 1<<31 {
			return int(c.Val.Int64())
		}
	}
	x.fail(i.Pos, i.Type.Name+" "+i.Name, "its size is no constant of up to 2^31")
	return 0
}

func (x *exporter) meter(i *ir.Instance, id int) obj {
	kind := "packets"
	if c, is := i.Args[len(i.Args)-1].(*ir.Const); is && c.Val.Sign() != 0 {
		kind = "bytes"
	}
	o := append(x.instance(i, id), kv{"is_direct", i.Type.Name != "meter"}, kv{"rate_count", 2}, kv{"type", kind})
	if i.Type.Name == "meter" {
		return append(o, kv{"size", x.size(i)})
	}
	// simple_switch wants as many cells as the table has places.
	o = append(o, kv{"size", tableSize(x.bound[i])}, kv{"binding", x.bound[i].Name})
	if t := x.meterTargets[i]; t != nil {
		return append(o, kv{"result_target", t})
	}
	x.fail(i.Pos, "direct_meter "+i.Name, "nothing reads it; bmv2 JSON needs a field for its colour")
	return nil
}

func (x *exporter) vsets() arr {
	out := arr{}
	for _, v := range x.p.ValueSets {
		if x.vsetBits[v] == 0 {
			continue // no select uses it
		}
		o := obj{{"name", v.Name}, {"id", len(out)}}
		x.sourceInfo(&o, v.Pos)
		out = append(out, append(o, kv{"compressed_bitwidth", x.vsetBits[v]}, kv{"max_size", v.Size}))
	}
	return out
}

func (x *exporter) enums() arr {
	out := arr{}
	for _, t := range x.p.Types {
		e, is := t.(*ir.Enum)
		if !is || e.Underlying != nil {
			continue
		}
		members := arr{}
		for _, m := range e.Members {
			members = append(members, arr{e.Name + "." + m.Name, int(m.Value.Int64())})
		}
		out = append(out, obj{{"name", e.Name}, {"entries", members}})
	}
	return out
}

// aliases are the names that simple_switch has for fields of standard_metadata
// (lang:V19).
func (x *exporter) aliases() arr {
	out := arr{}
	if x.std == nil {
		return out
	}
	for _, f := range ir.Fields(x.std.t) {
		if a, is := ir.Anno(f.Annos, "alias"); is {
			out = append(out, arr{strings.Trim(a.Text, `"`), arr{metadataName, f.Name}})
		}
	}
	return out
}

// sourceInfo tells bmv2's log where something is in the program.
func (x *exporter) sourceInfo(o *obj, pos ir.Pos) {
	if !pos.IsValid() || int(pos.File) >= len(x.p.Files) {
		return
	}
	f := &x.p.Files[pos.File]
	text := f.Lines[pos.Line]
	if int(pos.Col) <= len(text) {
		text = text[pos.Col-1:]
	}
	o.add("source_info", obj{{"filename", f.Path}, {"line", int(pos.Line)}, {"column", int(pos.Col)}, {"source_fragment", strings.ToValidUTF8(strings.TrimSpace(text), "?")}})
}
