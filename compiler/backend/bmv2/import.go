package bmv2

import (
	"fmt"
	"path"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

// importer builds the core program of one JSON.
type importer struct {
	root node
	t    *archTarget
	info *p4configv1.P4Info
	opts options
	p    *ir.Program

	types   map[string]*headerType // of the JSON
	headers map[string]func(*importer) ir.Expr
	stacks  map[string]func(*importer) ir.Expr
	unions  map[string]func(*importer) ir.Expr

	hdrType, metaType, stdType *ir.Struct
	none                       *ir.Struct            // of parameters that the JSON does not have
	archTypes                  map[string]*ir.Struct // metadata of the architecture
	colour                     *ir.Enum
	typeNames                  map[string]bool

	calcs     map[string]node
	lists     map[int]node // field lists
	learned   map[int]node
	learnT    map[string]*ir.Struct
	metered   map[string]*meterTarget // direct meters by table
	selectors map[*ir.Instance]node   // of action profiles; null where they have none
	objects   map[string]*ir.Instance // counters, meters, registers by kind and name
	direct    map[string]*ir.Instance // direct counters by table
	vsets     map[string]*ir.ValueSet
	algorithm *ir.Enum
	cloneT    *ir.Enum
	counterT  *ir.Enum
	meterT    *ir.Enum
	actions   map[int]node
	made      map[string]*ir.Action // by block and text
	names     map[string]bool       // of actions and blocks
	files     map[string]int32
	zeroBased bool // columns of source_info

	// Of the block, action or expression in progress.
	block         *ir.Block
	archVars      map[string]*ir.Var // metadata of the architecture
	hdr, metaVar  *ir.Var
	data          []*ir.Var // runtime data of the action
	locals        *[]*ir.Var
	meter         *meterTarget // of the table in progress
	exited        *ir.Var
	pos           ir.Pos
	depth         int
	labels, temps int
	work          int // operations made for the statement
}

// headerType is a header type of the JSON.
type headerType struct {
	name   string
	fields []ir.Field
	header *ir.Header // made when a header of the type is declared
}

// Import makes a core program of architecture v1model from JSON that p4c or
// Export wrote. info is the P4Info that belongs to it: tables, keys, actions and
// parameters must agree with it, and match kinds that the JSON does not have
// (optional) come from it. name is the program's name. Errors are *Error with
// the path in the JSON.
func Import(data []byte, info *p4configv1.P4Info, name string, opts ...Option) (p *ir.Program, err error) {
	root, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, &Error{Construct: "bmv2 JSON", Reason: "the P4Info that belongs to it is missing"}
	}
	defer catch(&err)
	im := &importer{
		root: root, info: info, opts: optionsOf(opts), types: map[string]*headerType{},
		headers: map[string]func(*importer) ir.Expr{}, stacks: map[string]func(*importer) ir.Expr{}, unions: map[string]func(*importer) ir.Expr{},
		typeNames: map[string]bool{}, calcs: map[string]node{},
		archTypes: map[string]*ir.Struct{}, lists: map[int]node{}, learned: map[int]node{}, learnT: map[string]*ir.Struct{}, metered: map[string]*meterTarget{}, selectors: map[*ir.Instance]node{},
		objects: map[string]*ir.Instance{}, direct: map[string]*ir.Instance{}, vsets: map[string]*ir.ValueSet{},
		actions: map[int]node{}, made: map[string]*ir.Action{}, names: map[string]bool{}, files: map[string]int32{},
	}
	im.program(name)
	im.agree()
	if err := ir.Check(im.p); err != nil {
		return nil, &Error{Construct: "bmv2 JSON", Reason: "it makes no correct program: " + firstLine(err)}
	}
	return im.p, nil
}

func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

func (im *importer) program(name string) {
	r := im.root
	if _, is := r.v.(map[string]any); !is {
		r.want("an object")
	}
	meta := r.get("__meta__")
	if v := meta.v; v != nil {
		ver := meta.get("version").tuple(2)
		if major := ver[0].integer(0, 1<<20); major != formatMajor {
			ver[0].fail("bmv2 JSON", "version %d of the format; this reads version %d", major, formatMajor)
		}
		if c, is := meta.get("compiler").v.(string); is {
			im.zeroBased = !strings.Contains(c, "p4nic")
		}
	}
	if name == "" {
		name = "program"
		if s, is := r.get("program").v.(string); is && s != "" {
			name = strings.TrimSuffix(path.Base(s), path.Ext(s))
		}
	}
	im.t = targetOf(im.architecture())
	im.p = &ir.Program{Level: ir.Core, Arch: im.t.arch, Name: name}
	im.enums()
	im.errors()
	im.headerTypes()
	im.instances()
	im.aliases()
	im.externs()
	for _, a := range r.get("actions").list() {
		id := a.get("id").integer(0, 1<<30)
		if _, twice := im.actions[id]; twice {
			a.fail("action", "its id %d is used twice", id)
		}
		im.actions[id] = a
	}
	for _, c := range r.get("calculations").list() {
		im.calcs[c.get("name").str()] = c
	}
	for _, l := range r.get("field_lists").list() {
		im.lists[l.get("id").integer(0, 1<<30)] = l
	}
	for _, l := range r.get("learn_lists").list() {
		im.learned[l.get("id").integer(0, 1<<30)] = l
	}
	im.blocks()
}

// architecture tells whose JSON it is, by the names of the parsers.
func (im *importer) architecture() string {
	for _, n := range im.root.get("parsers").list() {
		switch n.get("name").str() {
		case "ingress_parser":
			return "psa"
		case "main_parser":
			return "pna"
		}
	}
	return "v1model"
}

// enums that externs need.
func (im *importer) enums() {
	enum := func(name string, members ...string) *ir.Enum {
		e := &ir.Enum{Name: name}
		for i, m := range members {
			e.Members = append(e.Members, ir.EnumMember{Name: m, Value: big64(int64(i))})
		}
		im.typeNames[name] = true
		im.p.Types = append(im.p.Types, e)
		return e
	}
	im.cloneT = enum("CloneType", "I2E", "E2E")
	im.counterT = enum("CounterType", "packets", "bytes", "packets_and_bytes")
	im.meterT = enum("MeterType", "packets", "bytes")
	im.algorithm = enum("HashAlgorithm", "crc32", "crc32_custom", "crc16", "crc16_custom", "random", "identity", "csum16", "xor16")
}

// coreErrors are the errors of core.p4, which engines raise.
func coreErrors() []string {
	return []string{"NoError", "PacketTooShort", "NoMatch", "StackOutOfBounds", "HeaderTooShort", "ParserTimeout", "ParserInvalidArgument"}
}

// maxErrors bounds the values of errors.
const maxErrors = 4096

// errors: the value of an error is its index in Program.Errors.
func (im *importer) errors() {
	var list []string
	taken := map[string]bool{}
	for _, n := range im.root.get("errors").list() {
		t := n.tuple(2)
		name, v := t[0].str(), t[1].integer(0, maxErrors)
		for len(list) <= v {
			list = append(list, "")
		}
		if list[v] != "" || taken[name] {
			n.fail("error "+name, "its name or value %d is used twice", v)
		}
		list[v], taken[name] = name, true
	}
	if len(list) > 0 && list[0] != "NoError" {
		im.root.get("errors").fail("error NoError", "its value is not 0, the value that parser_error starts with")
	}
	for _, c := range coreErrors() {
		if !taken[c] {
			list = append(list, c)
		}
	}
	for i, e := range list {
		if e == "" {
			list[i] = fmt.Sprintf("unused_%d", i)
		}
	}
	im.p.Errors = list
}

func (im *importer) headerTypes() {
	for _, n := range im.root.get("header_types").list() {
		t := &headerType{name: n.get("name").str()}
		if im.types[t.name] != nil {
			n.fail("header type "+t.name, "it is declared twice")
		}
		fixed, variable := 0, -1
		for i, f := range n.get("fields").list() {
			l := f.list()
			if len(l) < 2 {
				f.fail("header type "+t.name, "a field has %d parts, not 2 or more", len(l))
			}
			field := ir.Field{Name: l[0].str()}
			switch {
			case l[1].v == "*":
				if variable >= 0 {
					f.fail("header type "+t.name, "it has two fields of variable size")
				}
				variable = i
			default:
				w := l[1].integer(1, maxBits)
				fixed += w
				field.Type = &ir.Bit{W: w}
				if len(l) > 2 && l[2].signedFlag() {
					field.Type = &ir.Int{W: w}
				}
			}
			t.fields = append(t.fields, field)
		}
		if variable >= 0 {
			bytes := n.get("max_length").integer(0, maxBits/8)
			t.fields[variable].Type = &ir.Varbit{Max: max(0, 8*bytes-fixed)}
		}
		im.types[t.name] = t
	}
}

func (im *importer) typeOf(n node) *headerType {
	t := im.types[n.str()]
	if t == nil {
		n.fail("header type "+n.str(), "there is none")
	}
	return t
}

// headerOf is the IR's type of headers of t.
func (im *importer) headerOf(t *headerType) *ir.Header {
	if t.header == nil {
		t.header = &ir.Header{Name: im.typeName(t.name), Fields: t.fields}
		im.p.Types = append(im.p.Types, t.header)
	}
	return t.header
}

// typeName makes a name that no type has.
func (im *importer) typeName(name string) string {
	n := name
	for i := 1; im.typeNames[n]; i++ {
		n = fmt.Sprintf("%s_%d", name, i)
	}
	im.typeNames[n] = true
	return n
}

// instances declares the parameters of the blocks: headers, metadata and
// standard_metadata.
func (im *importer) instances() {
	im.hdrType = &ir.Struct{Name: im.typeName("headers_t")}
	im.metaType = &ir.Struct{Name: im.typeName("metadata_t")}
	byID := map[int]node{}
	for _, n := range im.root.get("headers").list() {
		byID[n.get("id").integer(0, 1<<30)] = n
	}
	inside := map[int]bool{} // headers of stacks and unions
	im.unionInstances(byID, inside)
	im.stackInstances(byID, inside)
	for _, n := range im.root.get("headers").list() {
		name := n.get("name").str()
		switch {
		case inside[n.get("id").integer(0, 1<<30)]:
		case n.get("metadata").flag(false), name == scalarsName: // p4c does not call it metadata on PSA
			im.metadata(n, name)
		default:
			t := im.headerOf(im.typeOf(n.get("header_type")))
			im.declare(n, im.headers, name, im.addHeader(name, t))
		}
	}
	for _, s := range im.t.slots {
		for _, role := range s.roles {
			if metadataOf(role) != "" && im.archTypes[role] == nil && !s.optional {
				im.root.get("headers").fail(role, "there is no such header")
			}
		}
	}
	im.stdType = im.archTypes[metadataName]
	im.none = &ir.Struct{Name: im.typeName("none_t")}
	if im.t.arch == "psa" {
		im.p.Types = append(im.p.Types, im.none)
	}
	im.p.Types = append(im.p.Types, im.hdrType, im.metaType)
}

func (im *importer) declare(n node, in map[string]func(*importer) ir.Expr, name string, e func(*importer) ir.Expr) {
	if in[name] != nil {
		n.fail("header "+name, "it is declared twice")
	}
	in[name] = e
}

// addHeader adds a field to the headers and gives its l-value.
func (im *importer) addHeader(name string, t ir.Type) func(*importer) ir.Expr {
	f := ir.Field{Name: name, Type: t}
	im.hdrType.Fields = append(im.hdrType.Fields, f)
	return func(im *importer) ir.Expr { return member(im.ref(im.hdr), f) }
}

func (im *importer) unionInstances(byID map[int]node, inside map[int]bool) {
	types := map[string]*ir.Union{}
	for _, n := range im.root.get("header_union_types").list() {
		u := &ir.Union{Name: im.typeName(n.get("name").str())}
		for _, m := range n.get("headers").list() {
			t := m.tuple(2)
			u.Fields = append(u.Fields, ir.Field{Name: t[0].str(), Type: im.headerOf(im.typeOf(t[1]))})
		}
		types[n.get("name").str()] = u
		im.p.Types = append(im.p.Types, u)
	}
	find := func(n node) *ir.Union {
		u := types[n.str()]
		if u == nil {
			n.fail("union type "+n.str(), "there is none")
		}
		return u
	}
	// Unions that are elements of stacks have no field of their own.
	inStack := map[int]func(*importer) ir.Expr{}
	for _, n := range im.root.get("header_union_stacks").list() {
		name := n.get("name").str()
		u := find(n.get("union_type"))
		ids := n.get("header_union_ids").list()
		st := &ir.Stack{Elem: u, Size: len(ids)}
		whole := im.addHeader(name, st)
		im.declare(n, im.stacks, name, whole)
		for i, id := range ids {
			inStack[id.integer(0, 1<<30)] = elementOf(whole, u, i)
		}
	}
	for _, n := range im.root.get("header_unions").list() {
		name := n.get("name").str()
		u := find(n.get("union_type"))
		whole := inStack[n.get("id").integer(0, 1<<30)]
		if whole == nil {
			whole = im.addHeader(name, u)
		}
		im.declare(n, im.unions, name, whole)
		ids := n.get("header_ids").list()
		if len(ids) != len(u.Fields) {
			n.fail("union "+name, "it has %d headers, its type %d", len(ids), len(u.Fields))
		}
		for i, id := range ids {
			h := im.byID(byID, id, inside)
			f := u.Fields[i]
			im.declare(h, im.headers, h.get("name").str(), func(im *importer) ir.Expr { return member(whole(im), f) })
		}
	}
}

func elementOf(whole func(*importer) ir.Expr, t ir.Type, i int) func(*importer) ir.Expr {
	return func(im *importer) ir.Expr {
		return &ir.Index{Meta: im.meta(t), X: whole(im), I: im.num(big64(int64(i)), 32)}
	}
}

func (im *importer) byID(byID map[int]node, id node, inside map[int]bool) node {
	v := id.integer(0, 1<<30)
	h, is := byID[v]
	if !is || inside[v] {
		id.fail("header", "there is no header with id %d, or it is used twice", v)
	}
	inside[v] = true
	return h
}

func (im *importer) stackInstances(byID map[int]node, inside map[int]bool) {
	for _, n := range im.root.get("header_stacks").list() {
		name := n.get("name").str()
		ids := n.get("header_ids").list()
		if len(ids) > maxElements {
			n.fail("stack "+name, "%d elements, the limit is %d", len(ids), maxElements)
		}
		t := im.headerOf(im.typeOf(n.get("header_type")))
		// p4c declares stacks of metadata too; they hold headers all the same.
		whole := im.addHeader(name, &ir.Stack{Elem: t, Size: len(ids)})
		im.declare(n, im.stacks, name, whole)
		for i, id := range ids {
			h := im.byID(byID, id, inside)
			im.declare(h, im.headers, h.get("name").str(), elementOf(whole, t, i))
		}
	}
}

// metadata declares an instance of metadata: standard_metadata, or a field of
// the program's metadata that is a struct.
func (im *importer) metadata(n node, name string) {
	t := im.typeOf(n.get("header_type"))
	var fields []ir.Field
	for _, f := range t.fields {
		if strings.HasPrefix(f.Name, "_padding") {
			continue
		}
		fields = append(fields, f)
	}
	if metadataOf(name) != "" {
		if name == metadataName {
			portFields(n, fields)
		}
		t := &ir.Struct{Name: name + "_t", Fields: fields}
		im.archTypes[name] = t
		im.typeNames[t.Name] = true
		im.p.Types = append(im.p.Types, t)
		im.declare(n, im.headers, name, func(im *importer) ir.Expr {
			v := im.archVars[name]
			if v == nil {
				n.fail(name, "block %s has none", im.block.Name)
			}
			return im.ref(v)
		})
		return
	}
	st := &ir.Struct{Name: im.typeName(name + "_t"), Fields: fields}
	im.p.Types = append(im.p.Types, st)
	f := ir.Field{Name: name, Type: st}
	im.metaType.Fields = append(im.metaType.Fields, f)
	im.declare(n, im.headers, name, func(im *importer) ir.Expr {
		if im.metaVar == nil {
			n.fail("metadata "+name, "the deparser has none")
		}
		return member(im.ref(im.metaVar), f)
	})
}

// portFields checks the fields that simple_switch needs.
func portFields(n node, fields []ir.Field) {
	for _, name := range []string{"ingress_port", "egress_spec", "egress_port"} {
		ok := false
		for _, f := range fields {
			ok = ok || f.Name == name && ir.Width(f.Type) == 9
		}
		if !ok {
			n.fail("standard_metadata", "it has no field %s of 9 bits", name)
		}
	}
}

// standard is standard_metadata, of v1model.
func (im *importer) standard(n node) ir.Expr {
	v := im.archVars[metadataName]
	if v == nil {
		n.fail("standard_metadata", "checksums and the deparser have none")
	}
	return im.ref(v)
}

func (im *importer) ref(v *ir.Var) ir.Expr { return &ir.VarRef{Meta: im.meta(v.Type), Var: v} }

// header, stack and union find an instance by name.
func (im *importer) header(n node, name string) ir.Expr {
	return im.instance(n, im.headers, "header", name)
}
func (im *importer) stack(n node, name string) ir.Expr {
	return im.instance(n, im.stacks, "stack", name)
}
func (im *importer) union(n node, name string) ir.Expr {
	return im.instance(n, im.unions, "union", name)
}

func (im *importer) instance(n node, in map[string]func(*importer) ir.Expr, what, name string) ir.Expr {
	f := in[name]
	if f == nil {
		n.fail(what+" "+name, "there is none")
	}
	return f(im)
}

// fieldOf is a field of a header or of metadata.
func (im *importer) fieldOf(n node, header, name string) ir.Expr {
	return im.memberOf(n, im.header(n, header), name)
}

func (im *importer) memberOf(n node, h ir.Expr, name string) ir.Expr {
	i := ir.FieldIndex(h.Type(), name)
	if i < 0 {
		n.fail("field "+name, "a %s has no such field", h.Type())
	}
	return member(h, ir.Fields(h.Type())[i])
}
