package bmv2

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

// aliases: simple_switch finds its fields by names that may mean others in the
// JSON. Here they must be those of standard_metadata.
func (im *importer) aliases() {
	if im.stdType == nil {
		return // only simple_switch reads them
	}
	for _, n := range im.root.get("field_aliases").list() {
		t := n.tuple(2)
		of := t[1].tuple(2)
		name, header, field := t[0].str(), of[0].str(), of[1].str()
		if _, own, _ := strings.Cut(name, "."); header != metadataName || own != field {
			n.fail("field alias "+name, "it means %s.%s; only fields of that name of standard_metadata are imported", header, field)
		}
		if i := ir.FieldIndex(im.stdType, field); i >= 0 {
			im.stdType.Fields[i].Annos = []ir.Annotation{{Name: "alias", Kind: ir.AnnoRaw, Text: `"` + name + `"`}}
		}
	}
}

// position reads source_info.
func (im *importer) position(n node) {
	im.work = 0
	s := n.get("source_info")
	if s.null() {
		return
	}
	file := s.get("filename").str()
	line := s.get("line").integer(0, 1<<30)
	col := s.get("column").integer(0, 1<<30)
	if im.zeroBased {
		col++
	}
	if line == 0 {
		return
	}
	id, is := im.files[file]
	if !is {
		id = int32(len(im.p.Files))
		im.files[file] = id
		im.p.Files = append(im.p.Files, ir.SourceFile{Path: file, Lines: map[int32]string{}})
	}
	if text, is := s.get("source_fragment").v.(string); is {
		text, _, _ = strings.Cut(text, "\n")
		if im.p.Files[id].Lines[int32(line)] == "" {
			im.p.Files[id].Lines[int32(line)] = text
		}
	}
	im.pos = ir.Pos{File: id, Line: int32(line), Col: int32(max(col, 1))}
}

// externs declares counters, meters and registers.
func (im *importer) externs() {
	add := func(n node, kind string, i *ir.Instance) *ir.Instance {
		im.pos = ir.Pos{}
		im.position(n)
		i.Name, i.Pos = n.get("name").str(), im.pos
		key := kind + " " + i.Name
		if im.objects[key] != nil || im.names[i.Name] {
			n.fail(kind+" "+i.Name, "the name is used twice")
		}
		im.objects[key], im.names[i.Name] = i, true
		im.p.Instances = append(im.p.Instances, i)
		return i
	}
	number := func(v, w int) ir.Expr { return im.num(big64(int64(v)), w) }
	member := func(t *ir.Enum, v int) ir.Expr { return &ir.Const{Meta: im.meta(t), Val: big64(int64(v))} }
	object := map[string]bool{} // p4c declares counters and meters of psa_switch twice
	for _, n := range im.root.get("extern_instances").list() {
		object[n.get("name").str()] = true
	}
	for _, n := range im.root.get("counter_arrays").list() {
		if object[n.get("name").str()] {
			continue
		}
		unit := im.unit(n.get("name").str())
		if n.get("is_direct").flag(false) {
			i := add(n, "counter_array", &ir.Instance{Type: &ir.ExternType{Name: "direct_counter"}, Args: []ir.Expr{member(im.counterT, unit)}})
			im.direct[n.get("binding").str()] = i
			continue
		}
		size := n.get("size").integer(0, 1<<31-1)
		add(n, "counter_array", &ir.Instance{Type: &ir.ExternType{Name: "counter"}, Args: []ir.Expr{number(size, 32), member(im.counterT, unit)}})
	}
	for _, n := range im.root.get("register_arrays").list() {
		size, w := n.get("size").integer(0, 1<<31-1), n.get("bitwidth").integer(1, maxBits)
		kind := &ir.ExternType{Name: "register", Args: []ir.Type{&ir.Bit{W: w}}}
		if im.t.arch != "v1model" {
			kind = &ir.ExternType{Name: "Register", Args: []ir.Type{&ir.Bit{W: w}, &ir.Bit{W: 32}}}
		}
		add(n, "register_array", &ir.Instance{Type: kind, Args: []ir.Expr{number(size, 32)}})
	}
	for _, n := range im.root.get("meter_arrays").list() {
		if object[n.get("name").str()] {
			continue
		}
		kind := 0
		if n.get("type").str() == "bytes" {
			kind = 1
		}
		if n.get("is_direct").flag(false) {
			i := add(n, "meter_array", &ir.Instance{Type: &ir.ExternType{Name: "direct_meter", Args: []ir.Type{&ir.Bit{W: 32}}}, Args: []ir.Expr{member(im.meterT, kind)}})
			im.metered[n.get("binding").str()] = &meterTarget{i, n.get("result_target")}
			continue
		}
		size := n.get("size").integer(0, 1<<31-1)
		add(n, "meter_array", &ir.Instance{Type: &ir.ExternType{Name: "meter"}, Args: []ir.Expr{number(size, 32), member(im.meterT, kind)}})
	}
	for _, p := range im.root.get("pipelines").list() {
		for _, n := range p.get("action_profiles").list() {
			im.declareProfile(n, func(i *ir.Instance) { add(n, "action_profile", i) })
		}
	}
	for _, n := range im.root.get("extern_instances").list() {
		i := im.externInstance(n)
		add(n, "extern", i)
	}
}

// unit is what a counter counts, as a member of CounterType: the JSON does not
// say it, P4Info does.
func (im *importer) unit(name string) int {
	spec := func(s *p4configv1.CounterSpec) int {
		switch s.GetUnit() {
		case p4configv1.CounterSpec_PACKETS:
			return 0
		case p4configv1.CounterSpec_BYTES:
			return 1
		}
		return 2
	}
	for _, c := range im.info.GetCounters() {
		if c.GetPreamble().GetName() == name {
			return spec(c.GetSpec())
		}
	}
	for _, c := range im.info.GetDirectCounters() {
		if c.GetPreamble().GetName() == name {
			return spec(c.GetSpec())
		}
	}
	return 2
}

// object is the extern that a primitive names.
func (im *importer) object(n node, kind string) *ir.Instance {
	if t := n.get("type").str(); t != kind {
		n.fail("a parameter", "its type is %s, not %s", t, kind)
	}
	name := n.get("value").str()
	i := im.objects[kind+" "+name]
	if i == nil {
		n.fail(kind+" "+name, "there is none")
	}
	return i
}

// enter begins a block: its parameters are the roles of its slot.
func (im *importer) enter(slot int, name string, n node) *ir.Block {
	s := im.t.slots[slot]
	im.pos = ir.Pos{}
	if n.v != nil {
		im.position(n)
	}
	for im.names[name] {
		name += "_block"
	}
	im.names[name] = true
	b := &ir.Block{Name: name, Decl: name, Kind: s.kind, Pos: im.pos, Params: make([]*ir.Var, len(s.roles))}
	im.block, im.locals, im.exited = b, &b.Locals, nil
	im.hdr, im.metaVar, im.data, im.archVars = nil, nil, nil, map[string]*ir.Var{}
	for i, role := range s.roles {
		v := &ir.Var{Name: role, Dir: ir.DirInOut, Pos: im.pos}
		switch role {
		case "":
			v.Name, v.Type, v.Dir = "packet", &ir.ExternType{Name: "packet_in"}, ir.DirNone
			if s.kind == ir.Control {
				v.Type = &ir.ExternType{Name: "packet_out"}
			}
		case "hdr", "egress_hdr":
			v.Type, im.hdr = im.hdrType, v
			if s.kind == ir.Parser {
				v.Dir = ir.DirOut
			}
		case "meta", "egress_meta":
			v.Type, im.metaVar = im.metaType, v
		case "normal_meta":
			v.Type = im.metaType // what psa_switch hands from ingress to egress
		default:
			v.Type = im.none
			if t := im.archTypes[role]; t != nil {
				v.Type, im.archVars[role] = t, v
			}
		}
		b.Params[i] = v
	}
	im.p.Blocks = append(im.p.Blocks, b)
	im.p.Pipeline = append(im.p.Pipeline, ir.Binding{Slot: s.slot, Block: b})
	return b
}

func (im *importer) temp(t ir.Type) *ir.Var {
	v := &ir.Var{Name: fmt.Sprintf("t%d", im.temps), Type: t, Pos: im.pos}
	im.temps++
	*im.locals = append(*im.locals, v)
	return v
}

func (im *importer) label() string {
	im.labels++
	return fmt.Sprintf("b%d", im.labels)
}

func (im *importer) blocks() {
	find := func(key, name string) node {
		var found node
		l := im.root.get(key).list()
		for _, n := range l {
			if n.get("name").str() == name {
				found = n
			}
		}
		if im.t.arch == "v1model" && key != "pipelines" { // the one there is
			if len(l) != 1 {
				im.root.get(key).fail("bmv2 JSON", "%d elements; simple_switch has one", len(l))
			}
			return l[0]
		}
		return found
	}
	im.valueSets()
	for i, s := range im.t.slots {
		at := func(ns []named) (string, bool) {
			j := slices.IndexFunc(ns, func(n named) bool { return n.slot == i })
			if j < 0 {
				return "", false
			}
			return ns[j].name, true
		}
		if name, is := at(im.t.parsers); is {
			n := find("parsers", name)
			if n.null() {
				im.root.get("parsers").fail("parser "+name, "there is none")
			}
			im.parser(im.enter(i, name, n), n)
			im.resume(s)
		} else if name, is := at(im.t.pipelines); is {
			n := find("pipelines", name)
			switch {
			case !n.null():
				im.pipeline(im.enter(i, name, n), n)
			case !s.optional:
				im.root.get("pipelines").fail("pipeline "+name, "there is none")
			}
		} else if name, is := at(im.t.deparsers); is {
			n := find("deparsers", name)
			if n.null() {
				im.root.get("deparsers").fail("deparser "+name, "there is none")
			}
			im.deparser(im.enter(i, name, n), n)
			im.handOver(s)
		} else {
			im.checksums(im.enter(i, [...]string{"compute_checksum", "verify_checksum"}[b2i(i == im.t.verify)], node{}), i == im.t.verify)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// handOver and resume carry the program's metadata from ingress to egress, as
// psa_switch does for packets that are no clones.
func (im *importer) handOver(s archSlot) {
	if i := slices.Index(s.roles, "normal_meta"); i >= 0 {
		im.block.Body = append(im.block.Body, &ir.Assign{SMeta: ir.SMeta{P: im.block.Pos}, L: im.ref(im.block.Params[i]), R: im.ref(im.metaVar)})
	}
}

func (im *importer) resume(s archSlot) {
	i := slices.Index(s.roles, "normal_meta")
	if i < 0 {
		return
	}
	name := "resume"
	for slices.ContainsFunc(im.block.States, func(s *ir.State) bool { return s.Name == name }) {
		name += "_"
	}
	first := &ir.State{Name: name, Pos: im.block.Pos, Trans: ir.Transition{Default: im.block.States[0].Name}}
	first.Body = []ir.Stmt{&ir.Assign{SMeta: ir.SMeta{P: im.block.Pos}, L: im.ref(im.metaVar), R: im.ref(im.block.Params[i])}}
	im.block.States = append([]*ir.State{first}, im.block.States...)
}

// checksums makes the block that verifies or computes.
func (im *importer) checksums(b *ir.Block, verify bool) {
	key, name := "update", "update_checksum"
	if verify {
		key, name = "verify", "verify_checksum"
	}
	for _, n := range im.root.get("checksums").list() {
		if !n.get(key).flag(true) {
			continue
		}
		im.pos = ir.Pos{}
		im.position(n)
		if t := n.get("type"); !t.null() && t.str() != "generic" {
			t.fail("checksum", "type %q is not imported", t.str())
		}
		cond := ir.Expr(&ir.Const{Meta: im.meta(&ir.Bool{}), Val: big.NewInt(1)})
		if c := n.get("if_cond"); !c.null() {
			cond = im.condition(c)
		}
		t := n.get("target").tuple(2)
		target := im.fieldOf(n.get("target"), t[0].str(), t[1].str())
		algo, data, payload := im.calculation(n.get("calculation"))
		full := name
		if payload {
			full += "_with_payload"
		}
		dir := ir.DirInOut
		if verify {
			dir = ir.DirIn
		}
		b.Body = append(b.Body, &ir.ExternCall{SMeta: im.smeta(), Name: full, TypeArgs: []ir.Type{data.T, target.Type()},
			Args: []ir.Expr{cond, data, target, algo}, Dirs: []ir.Dir{ir.DirIn, ir.DirIn, dir, ir.DirNone}})
	}
}

func (im *importer) smeta() ir.SMeta { return ir.SMeta{P: im.pos} }

func (im *importer) condition(n node) ir.Expr {
	x := im.expr(n)
	if x.sort != boolSort {
		n.fail("an expression", "it is %s, not a condition", x.sort)
	}
	return im.cond(x)
}

// number is an expression that yields a number.
func (im *importer) number(n node) *jx {
	x := im.expr(n)
	if x.sort != dataSort {
		n.fail("an expression", "it is %s, not a number", x.sort)
	}
	return x
}

// calculation is the algorithm and the data of a named calculation.
func (im *importer) calculation(n node) (algo ir.Expr, data *ir.ListExpr, payload bool) {
	c, is := im.calcs[n.str()]
	if !is {
		n.fail("calculation "+n.str(), "there is none")
	}
	name := c.get("algo").str()
	i := slices.IndexFunc(im.algorithm.Members, func(m ir.EnumMember) bool { return m.Name == name })
	if i < 0 {
		c.get("algo").fail("calculation "+n.str(), "algorithm %q is not known", name)
	}
	algo = &ir.Const{Meta: im.meta(im.algorithm), Val: im.algorithm.Members[i].Value}
	tuple := &ir.Tuple{}
	data = &ir.ListExpr{Meta: im.meta(tuple)}
	add := func(e ir.Expr) {
		data.Elems = append(data.Elems, e)
		tuple.Elems = append(tuple.Elems, e.Type())
	}
	for _, in := range c.get("input").list() {
		if payload {
			in.fail("calculation "+n.str(), "an element behind the payload")
		}
		switch t := in.get("type").str(); t {
		case "field":
			add(im.asBits(im.field(in.get("value"))))
		case "hexstr":
			w := in.get("bitwidth").integer(1, maxBits)
			add(im.num(in.get("value").hex(), w))
		case "header":
			add(im.header(in.get("value"), in.get("value").str()))
		case "payload":
			payload = true
		default:
			in.fail("calculation "+n.str(), "an element of type %q", t)
		}
	}
	return algo, data, payload
}

// asBits is a number of its own width.
func (im *importer) asBits(x *jx) ir.Expr {
	if x.op == opLeaf {
		return x.e
	}
	return im.value(x)
}

// deparser emits headers in order; the elements of a stack and the members of a
// union, when they are all there, as a whole.
func (im *importer) deparser(b *ir.Block, n node) {
	for _, p := range n.get("primitives").list() {
		if op := p.get("op").str(); op == "_jump" || op == "_jump_if_zero" || op == "exit" {
			p.fail("primitive "+op, "deparsers have no branches")
		}
		b.Body = append(b.Body, im.primitive(p)...)
	}
	wholes := map[string][]string{} // first element -> all
	exprs := map[string]func(*importer) ir.Expr{}
	note := func(list, ids, headers string, in map[string]func(*importer) ir.Expr) {
		names := map[int]string{}
		for _, h := range im.root.get(headers).list() {
			names[h.get("id").integer(0, 1<<30)] = h.get("name").str()
		}
		for _, s := range im.root.get(list).list() {
			var all []string
			for _, id := range s.get(ids).list() {
				all = append(all, names[id.integer(0, 1<<30)])
			}
			if len(all) > 0 {
				wholes[all[0]], exprs[all[0]] = all, in[s.get("name").str()]
			}
		}
	}
	note("header_stacks", "header_ids", "headers", im.stacks)
	note("header_unions", "header_ids", "headers", im.unions)
	order := n.get("order").list()
	names := make([]string, len(order))
	for i, o := range order {
		names[i] = o.str()
	}
	for i := 0; i < len(names); {
		e := ir.Expr(nil)
		if all := wholes[names[i]]; len(all) > 0 && len(names)-i >= len(all) && slices.Equal(names[i:i+len(all)], all) {
			e = exprs[names[i]](im)
			i += len(all)
		} else {
			e = im.header(order[i], names[i])
			i++
		}
		if _, is := e.Type().(*ir.Struct); is {
			order[i-1].fail("deparser", "%s is metadata, no header", names[i-1])
		}
		b.Body = append(b.Body, &ir.Emit{SMeta: im.smeta(), X: e})
	}
}
