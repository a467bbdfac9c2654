package p4info

import (
	"slices"
	"strconv"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

// externKind says how a type of extern object appears in P4Info. Positions are
// those of constructor arguments and of type arguments, -1 for none.
type externKind struct {
	prefix   prefix
	direct   bool // belongs to the table that names it
	size     int
	unit     int
	data     int // type argument: content
	index    int // type argument: index
	selector bool
}

// vocabulary is the architecture whose extern objects count. p4c takes a program
// for v1model unless it is told otherwise, so an architecture that nobody knows
// is read as that.
func (g *generator) vocabulary() string {
	switch g.prog.Arch {
	case "psa", "pna", "ubpf", "ebpf", "xdp":
		return g.prog.Arch
	case "p4nic": // sessions and pools of ports are no objects of P4Runtime
		return "pna"
	}
	return "v1model"
}

// externKindTable lists the types of extern objects of an architecture.
func externKindTable(arch string) map[string]externKind {
	counter := externKind{prefix: prefixCounter, size: 0, unit: 1, data: -1, index: 0}
	directCounter := externKind{prefix: prefixDirectCounter, direct: true, size: -1, unit: 0, data: -1, index: -1}
	meter := externKind{prefix: prefixMeter, size: 0, unit: 1, data: -1, index: 0}
	directMeter := externKind{prefix: prefixDirectMeter, direct: true, size: -1, unit: 0, data: -1, index: -1}
	register := externKind{prefix: prefixRegister, size: 0, unit: -1, data: 0, index: 1}
	profile := externKind{prefix: prefixActionProfile, size: 0, unit: -1, data: -1, index: -1}
	selector := externKind{prefix: prefixActionProfile, size: 1, unit: -1, data: -1, index: -1, selector: true}
	switch arch {
	case "v1model":
		return map[string]externKind{
			"counter": counter, "direct_counter": directCounter, "meter": meter, "direct_meter": directMeter,
			"register": register, "action_profile": profile, "action_selector": selector,
		}
	case "psa", "pna":
		counter.index = 1
		return map[string]externKind{
			"Counter": counter, "DirectCounter": directCounter, "Meter": meter, "DirectMeter": directMeter,
			"Register": register, "ActionProfile": profile, "ActionSelector": selector,
			"Digest": {prefix: prefixDigest, size: -1, unit: -1, data: 0, index: -1},
		}
	case "ubpf":
		return map[string]externKind{"Register": register}
	}
	return nil
}

// tableOf is the visible table that a direct resource belongs to, or nil.
func (g *generator) tableOf(in *ir.Instance) *ir.Table {
	for _, t := range g.visibleTables() {
		if t.Counters == in || t.Meters == in {
			return t
		}
	}
	return nil
}

func (g *generator) instances() {
	for _, in := range g.prog.Instances {
		k, ok := g.kinds[in.Type.Name]
		if !ok || hidden(in.Annos) {
			continue
		}
		g.instance(in, k)
	}
}

func (g *generator) instance(in *ir.Instance, k externKind) {
	size := int64(0)
	if k.size >= 0 {
		size = g.intArg(in, k.size)
	}
	unit := ""
	if k.unit >= 0 {
		unit = g.enumArg(in, k.unit)
	}
	var tableID uint32
	if k.direct {
		t := g.tableOf(in)
		if t == nil {
			return // attached to no table: nothing to read
		}
		tableID = g.syms.id(prefixTable, t.Name)
	}
	var index *p4configv1.P4NamedType
	if k.index >= 0 && k.index < len(in.Type.Args) {
		t := in.Type.Args[k.index]
		if index = typeName(t); index != nil {
			g.typeSpec(t, in.Pos)
		}
	}
	pre := g.preamble(k.prefix, in.Name, in.Annos)
	switch k.prefix {
	case prefixCounter:
		g.info.Counters = append(g.info.Counters, &p4configv1.Counter{
			Preamble: pre, Spec: g.counterSpec(in, unit), Size: size, IndexTypeName: index,
		})
	case prefixDirectCounter:
		g.info.DirectCounters = append(g.info.DirectCounters, &p4configv1.DirectCounter{
			Preamble: pre, Spec: g.counterSpec(in, unit), DirectTableId: tableID,
		})
	case prefixMeter:
		g.info.Meters = append(g.info.Meters, &p4configv1.Meter{
			Preamble: pre, Spec: g.meterSpec(in, unit), Size: size, IndexTypeName: index,
		})
	case prefixDirectMeter:
		g.info.DirectMeters = append(g.info.DirectMeters, &p4configv1.DirectMeter{
			Preamble: pre, Spec: g.meterSpec(in, unit), DirectTableId: tableID,
		})
	case prefixRegister:
		r := &p4configv1.Register{Preamble: pre, Size: int32(size), IndexTypeName: index}
		if len(in.Type.Args) > k.data {
			r.TypeSpec = g.typeSpec(in.Type.Args[k.data], in.Pos)
		}
		g.info.Registers = append(g.info.Registers, r)
	case prefixActionProfile:
		g.actionProfile(in, k, size)
	}
}

// actionProfile lists the tables that use the profile or selector (P18, P23).
func (g *generator) actionProfile(in *ir.Instance, k externKind, size int64) {
	a := &p4configv1.ActionProfile{
		Preamble: g.preamble(k.prefix, in.Name, in.Annos, "max_group_size", "selector_size_semantics", "max_member_weight"),
		Size:     size, WithSelector: k.selector,
	}
	for _, t := range g.visibleTables() {
		if t.Implementation == in {
			a.TableIds = append(a.TableIds, g.syms.id(prefixTable, t.Name))
		}
	}
	if !k.selector { // groups are for selectors; p4c ignores the annotations elsewhere
		g.info.ActionProfiles = append(g.info.ActionProfiles, a)
		return
	}
	if n, ok := g.annoInt(in.Annos, "max_group_size", in.Pos); ok {
		a.MaxGroupSize = int32(n)
	}
	if s, ok := ir.Anno(in.Annos, "selector_size_semantics"); ok {
		text, _ := annoString(s)
		switch text {
		case "sum_of_weights":
			a.SelectorSizeSemantics = &p4configv1.ActionProfile_SumOfWeights_{SumOfWeights: &p4configv1.ActionProfile_SumOfWeights{}}
		case "sum_of_members":
			m := &p4configv1.ActionProfile_SumOfMembers{}
			if n, ok := g.annoInt(in.Annos, "max_member_weight", in.Pos); ok {
				m.MaxMemberWeight = int32(n)
			}
			a.SelectorSizeSemantics = &p4configv1.ActionProfile_SumOfMembers_{SumOfMembers: m}
		default:
			g.errorf(in.Pos, "@selector_size_semantics of %s: \"sum_of_weights\" or \"sum_of_members\" is wanted", in.Name)
		}
	}
	g.info.ActionProfiles = append(g.info.ActionProfiles, a)
}

func (g *generator) counterSpec(in *ir.Instance, unit string) *p4configv1.CounterSpec {
	switch strings.ToLower(unit) {
	case "packets":
		return &p4configv1.CounterSpec{Unit: p4configv1.CounterSpec_PACKETS}
	case "bytes":
		return &p4configv1.CounterSpec{Unit: p4configv1.CounterSpec_BYTES}
	case "packets_and_bytes":
		return &p4configv1.CounterSpec{Unit: p4configv1.CounterSpec_BOTH}
	}
	g.errorf(in.Pos, "counter %s: unit %q", in.Name, unit)
	return nil
}

func (g *generator) meterSpec(in *ir.Instance, unit string) *p4configv1.MeterSpec {
	switch strings.ToLower(unit) {
	case "packets":
		return &p4configv1.MeterSpec{Unit: p4configv1.MeterSpec_PACKETS}
	case "bytes":
		return &p4configv1.MeterSpec{Unit: p4configv1.MeterSpec_BYTES}
	}
	g.errorf(in.Pos, "meter %s: unit %q", in.Name, unit)
	return nil
}

func (g *generator) intArg(in *ir.Instance, i int) int64 {
	if i < len(in.Args) {
		if c, ok := in.Args[i].(*ir.Const); ok && c.Val.IsInt64() && c.Val.Sign() >= 0 && c.Val.Int64() < 1<<31 {
			return c.Val.Int64()
		}
	}
	g.errorf(in.Pos, "%s: the size must be a constant below 2^31", in.Name)
	return 0
}

func (g *generator) enumArg(in *ir.Instance, i int) string {
	if i < len(in.Args) {
		if c, ok := in.Args[i].(*ir.Const); ok {
			if e, ok := c.T.(*ir.Enum); ok {
				for _, m := range e.Members {
					if m.Value.Cmp(c.Val) == 0 {
						return m.Name
					}
				}
			}
		}
	}
	g.errorf(in.Pos, "%s: constructor argument %d must be a member of an enum", in.Name, i+1)
	return ""
}

// digest is a digest message: a call of v1model's digest, or a Digest object.
type digest struct {
	name  string
	typ   ir.Type
	annos []ir.Annotation
	pos   ir.Pos
}

// digestCalls lists the digests that calls make, in order of the program, each
// name once. The name is that of the type of the data; each call with a type
// without a name gets one of its own, digest_N. The annotations of the type are
// not those of the digest.
func (g *generator) digestCalls() []digest {
	var out []digest
	unnamed := 0
	see := func(body []ir.Stmt) {
		ir.WalkStmts(body, func(s ir.Stmt) {
			c, ok := s.(*ir.CallStmt)
			if !ok || c.Extern != "digest" || len(c.TypeArgs) != 1 {
				return
			}
			d := digest{typ: c.TypeArgs[0], pos: c.P}
			switch d.typ.(type) {
			case *ir.Struct, *ir.Header, *ir.Union:
				d.name = controlType(d.typ)
			default:
				d.name = "digest_" + strconv.Itoa(unnamed)
				unnamed++
			}
			if !slices.ContainsFunc(out, func(e digest) bool { return e.name == d.name }) {
				out = append(out, d)
			}
		})
	}
	if g.vocabulary() != "v1model" {
		return nil
	}
	for _, a := range g.prog.Actions {
		if g.reach.Actions[a] || g.reach.Called[a] {
			see(a.Body)
		}
	}
	for _, b := range g.prog.Blocks {
		if g.reach.Blocks[b] {
			see(b.Body)
		}
	}
	return out
}

func (g *generator) digests() {
	add := func(name string, t ir.Type, as []ir.Annotation, pos ir.Pos) {
		g.info.Digests = append(g.info.Digests, &p4configv1.Digest{
			Preamble: g.preamble(prefixDigest, name, as), TypeSpec: g.typeSpec(t, pos),
		})
	}
	for _, d := range g.digestCalls() {
		if !hidden(d.annos) {
			add(d.name, d.typ, d.annos, d.pos)
		}
	}
	for _, in := range g.prog.Instances {
		if g.kinds[in.Type.Name].prefix == prefixDigest && len(in.Type.Args) > 0 && !hidden(in.Annos) {
			add(in.Name, in.Type.Args[0], in.Annos, in.Pos)
		}
	}
}

const annoControllerHeader = "controller_header"

// controllerTypes are the headers that carry packet metadata (P21).
func (g *generator) controllerTypes() []*ir.Header {
	var out []*ir.Header
	for _, t := range g.prog.Types {
		if h, ok := t.(*ir.Header); ok && !hidden(h.Annos) {
			if _, ok := ir.Anno(h.Annos, annoControllerHeader); ok {
				out = append(out, h)
			}
		}
	}
	return out
}

func (g *generator) controllerHeaders() {
	for _, h := range g.controllerTypes() {
		a, _ := ir.Anno(h.Annos, annoControllerHeader)
		name, ok := annoString(a)
		if !ok {
			g.errorf(ir.Pos{}, "@%s of header %s: one string is wanted, \"packet_in\" or \"packet_out\"", annoControllerHeader, h.Name)
			continue
		}
		// P5: the id is that of the type's name, the preamble has the annotation's.
		pre := g.preamble(prefixControllerHeader, h.Name, h.Annos)
		pre.Name, pre.Alias = name, name
		out := &p4configv1.ControllerPacketMetadata{Preamble: pre}
		fields := flatten(h)
		annos, pos, what := make([][]ir.Annotation, len(fields)), make([]ir.Pos, len(fields)), make([]string, len(fields))
		for i, f := range fields {
			annos[i], what[i] = f.Annos, "field "+f.Name+" of "+h.Name
		}
		ids := g.fieldIDs(annos, pos, what)
		for i, f := range fields {
			if hidden(f.Annos) {
				continue
			}
			m := &p4configv1.ControllerPacketMetadata_Metadata{
				Id: ids[i], Name: controlField(f), Bitwidth: g.width(f.Type, ir.Pos{}), TypeName: typeName(f.Type),
			}
			m.Annotations, m.StructuredAnnotations, _ = annotations(f.Annos)
			g.typeSpec(f.Type, ir.Pos{})
			out.Metadata = append(out.Metadata, m)
		}
		g.info.ControllerPacketMetadata = append(g.info.ControllerPacketMetadata, out)
	}
}
