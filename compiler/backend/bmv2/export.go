package bmv2

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// exporter builds the JSON of one program.
type exporter struct {
	p      *ir.Program
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
	bound        map[*ir.Instance]string // table of a direct counter or meter
	meterTargets map[*ir.Instance]arr
	vsetBits     map[*ir.ValueSet]int

	meta        *place // the user metadata
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

// Export gives the JSON of a core program of architecture v1model. The bytes are
// a function of the program. Errors are *Error, or those of ir.Check.
func Export(p *ir.Program) (_ []byte, err error) {
	if p.Level != ir.Core {
		return nil, fmt.Errorf("bmv2: the program is at level %s, want core", p.Level)
	}
	if p.Arch != "v1model" {
		return nil, &Error{Construct: "architecture " + p.Arch, Reason: "only v1model is exported to bmv2 JSON"}
	}
	if err := ir.Check(p); err != nil {
		return nil, err
	}
	defer catch(&err)
	x := &exporter{
		p: p, places: map[*ir.Var]*place{}, actionIDs: map[*ir.Action]int{}, applied: map[*ir.Table]bool{},
		keyTemps: map[ir.Expr]*ir.VarRef{}, bound: map[*ir.Instance]string{}, meterTargets: map[*ir.Instance]arr{},
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
	parsers := arr{x.parser(blocks[0])}
	for i, name := range []string{"ingress", "egress"} {
		x.pipelines = append(x.pipelines, x.pipeline(name, blocks[2+i]))
	}
	sums := append(x.checksums(blocks[1], true, 0), x.checksums(blocks[4], false, 1)...)
	for i := range sums {
		sums[i].(obj)[1].v = i
	}
	deparser := x.deparser(blocks[5])
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
		{"parsers", parsers}, {"parse_vsets", x.vsets()}, {"deparsers", arr{deparser}},
		{"meter_arrays", meters}, {"counter_arrays", counters}, {"register_arrays", registers},
		{"calculations", orEmpty(x.calculations)}, {"learn_lists", orEmpty(x.learnLists)}, {"actions", orEmpty(x.actions)},
		{"pipelines", x.pipelines}, {"checksums", sums}, {"force_arith", arr{}}, {"extern_instances", arr{}},
		{"field_aliases", x.aliases(blocks[2])}, {"program", name},
		{"__meta__", obj{{"version", arr{formatMajor, formatMinor}}, {"compiler", "https://github.com/p4nic/p4nic"}}},
	}
}

// v1Slots are the blocks of V1Switch with the position of headers, metadata and
// standard_metadata among their parameters; -1: none.
var v1Slots = [...]struct {
	slot                    string
	kind                    ir.BlockKind
	params, hdr, meta, stdm int
}{
	{"p", ir.Parser, 4, 1, 2, 3}, {"vr", ir.Control, 2, 0, 1, -1}, {"ig", ir.Control, 3, 0, 1, 2},
	{"eg", ir.Control, 3, 0, 1, 2}, {"ck", ir.Control, 2, 0, 1, -1}, {"dep", ir.Control, 2, 1, -1, -1},
}

// blocks finds the six blocks and gives their parameters and locals places. What
// is handed from block to block has one place in all of them.
func (x *exporter) blocks() []*ir.Block {
	var shared [3]*place
	blocks := make([]*ir.Block, len(v1Slots))
	for i, s := range v1Slots {
		b := x.p.Block(s.slot)
		if b == nil || b.Kind != s.kind || len(b.Params) != s.params {
			x.fail(ir.Pos{}, "package V1Switch", "block "+s.slot+" is missing or has other parameters")
		}
		blocks[i] = b
		for role, at := range []int{s.hdr, s.meta, s.stdm} {
			if at < 0 {
				continue
			}
			v := b.Params[at]
			if shared[role] == nil {
				shared[role] = x.role(role, v)
			} else if !ir.Identical(shared[role].t, v.Type) {
				x.fail(v.Pos, "parameter "+v.Name, "its type differs from that of the parser")
			}
			x.places[v] = shared[role]
		}
	}
	x.meta = shared[1]
	for _, b := range blocks {
		for _, v := range b.Locals {
			if _, is := v.Type.(*ir.ExternType); is {
				continue
			}
			x.places[v] = x.lay.variable(v.Type, b.Name+"."+v.Name, v.Pos)
		}
	}
	return blocks
}

func (x *exporter) role(role int, v *ir.Var) *place {
	switch role {
	case 0:
		return x.lay.variable(v.Type, "", v.Pos)
	case 1:
		return x.lay.variable(v.Type, "userMetadata", v.Pos)
	}
	return x.lay.metadata(v.Type)
}

// deparser: bmv2 emits headers and does nothing else.
func (x *exporter) deparser(b *ir.Block) obj {
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
	for _, s := range b.Body {
		e, is := s.(*ir.Emit)
		if !is {
			x.fail(s.Pos(), "a statement of the deparser", "bmv2 deparsers only emit headers")
		}
		p := x.find(e.X)
		if p == nil {
			x.fail(s.Pos(), "emit", "the header is chosen at run time")
		}
		emit(p)
	}
	o := obj{{"name", "deparser"}, {"id", 0}}
	x.sourceInfo(&o, b.Pos)
	return append(o, kv{"order", order}, kv{"primitives", arr{}})
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
		case "counter", "direct_counter":
			o := x.instance(i, len(counters))
			if i.Type.Name == "counter" {
				o = append(o, kv{"size", x.size(i)}, kv{"is_direct", false})
			} else if x.bound[i] == "" {
				continue // of a table that is not applied
			} else {
				o = append(o, kv{"is_direct", true}, kv{"binding", x.bound[i]})
			}
			counters = append(counters, o)
		case "meter", "direct_meter":
			if i.Type.Name == "direct_meter" && x.bound[i] == "" {
				continue
			}
			meters = append(meters, x.meter(i, len(meters)))
		case "register":
			if len(i.Type.Args) == 0 || ir.Width(i.Type.Args[0]) < 1 {
				x.fail(i.Pos, "register "+i.Name, "its elements are no numbers")
			}
			registers = append(registers, append(x.instance(i, len(registers)), kv{"size", x.size(i)}, kv{"bitwidth", ir.Width(i.Type.Args[0])}))
		case "action_profile", "action_selector": // in the pipeline
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
	o := append(x.instance(i, id), kv{"is_direct", i.Type.Name == "direct_meter"}, kv{"rate_count", 2}, kv{"type", kind})
	if i.Type.Name == "meter" {
		return append(o, kv{"size", x.size(i)})
	}
	o = append(o, kv{"size", defaultSize}, kv{"binding", x.bound[i]})
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
func (x *exporter) aliases(b *ir.Block) arr {
	out := arr{}
	for _, f := range ir.Fields(b.Params[2].Type) {
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
