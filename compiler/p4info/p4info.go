// Package p4info makes the P4Info and the initial entries of a typed program,
// with the ids, aliases and names that p4c gives them, so that controllers
// written against p4c's output work unchanged.
//
// In: an ir.Program at level typed (names and annotations are whole there).
// Out: p4.config.v1.P4Info and p4.v1.WriteRequest, both also as canonical text
// and JSON.
// Must not import: the front end (ast, types), passes, runtime.
//
// Rules P1 to P27 are those of the language checklist in docs/.
package p4info

import (
	"fmt"
	"math/big"
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
)

// defaultTableSize is what P4Info says for a table without size (P16).
const defaultTableSize = 1024

// TableSize is the number of entries that P4Info promises for t.
func TableSize(t *ir.Table) int64 {
	if t.Size > 0 {
		return int64(t.Size)
	}
	return defaultTableSize
}

// Error is something in the program that P4Info cannot express.
type Error struct {
	Pos ir.Pos
	Msg string
}

func (e *Error) Error() string { return e.Msg }

// Result is what the control plane needs to know of a program.
type Result struct {
	Info    *p4configv1.P4Info
	Entries *p4v1.WriteRequest // the entries written in the program; may have no updates
}

// Generate makes the P4Info and the entries of a typed program. With errors,
// which are in order of the program, the result is nil.
func Generate(p *ir.Program) (*Result, []*Error) {
	if len(p.Pipeline) == 0 { // no main, nothing to control
		return &Result{&p4configv1.P4Info{}, &p4v1.WriteRequest{}}, nil
	}
	g := &generator{prog: p, syms: newSymbols(), reach: ir.Reachable(p), types: &p4configv1.P4TypeInfo{}}
	g.kinds = externKindTable(g.vocabulary())
	g.info = &p4configv1.P4Info{PkgInfo: g.pkgInfo()}
	g.collect()
	g.syms.resolve()
	g.tables()
	g.actions()
	g.instances()
	g.valueSets()
	g.digests()
	g.controllerHeaders()
	if g.hasTypeInfo() {
		g.info.TypeInfo = g.types
	}
	entries := g.entries()
	if len(g.errs) > 0 {
		return nil, g.errs
	}
	return &Result{g.info, entries}, nil
}

type generator struct {
	prog  *ir.Program
	reach *ir.Reach
	syms  *symbols
	info  *p4configv1.P4Info
	types *p4configv1.P4TypeInfo
	kinds map[string]externKind
	errs  []*Error
}

func (g *generator) errorf(pos ir.Pos, format string, args ...any) {
	e := &Error{pos, fmt.Sprintf(format, args...)}
	if !slices.ContainsFunc(g.errs, func(o *Error) bool { return *o == *e }) {
		g.errs = append(g.errs, e)
	}
}

// collect makes all symbols known: aliases depend on all of them.
func (g *generator) collect() {
	add := func(kind prefix, name string, as []ir.Annotation, pos ir.Pos) {
		if hidden(as) {
			return
		}
		g.checkAnnotations(as, pos)
		if err := g.syms.add(kind, name, g.explicitID(as, pos)); err != nil {
			g.errorf(pos, "%v", err)
		}
	}
	for _, t := range g.visibleTables() {
		add(prefixTable, t.Name, t.Annos, t.Pos)
	}
	for _, a := range g.visibleActions() {
		add(prefixAction, a.Name, a.Annos, a.Pos)
	}
	for _, in := range g.prog.Instances {
		k, ok := g.kinds[in.Type.Name]
		if ok && (!k.direct || g.tableOf(in) != nil) {
			add(k.prefix, in.Name, in.Annos, in.Pos)
		}
	}
	for _, v := range g.prog.ValueSets {
		add(prefixValueSet, v.Name, v.Annos, v.Pos)
	}
	for _, d := range g.digestCalls() {
		add(prefixDigest, d.name, d.annos, d.pos)
	}
	for _, h := range g.controllerTypes() {
		add(prefixControllerHeader, h.Name, h.Annos, ir.Pos{})
	}
}

func (g *generator) preamble(kind prefix, name string, as []ir.Annotation, skip ...string) *p4configv1.Preamble {
	p := &p4configv1.Preamble{Id: g.syms.id(kind, name), Name: name, Alias: g.syms.alias(name)}
	p.Annotations, p.StructuredAnnotations, p.Doc = annotations(as, skip...)
	return p
}

// visibleTables are the tables that are applied and not hidden.
func (g *generator) visibleTables() []*ir.Table {
	var out []*ir.Table
	for _, t := range g.prog.Tables {
		if g.reach.Tables[t] && !hidden(t.Annos) {
			out = append(out, t)
		}
	}
	return out
}

// hasTypeInfo tells whether p4c writes a type_info, which is often empty: it does
// as soon as it has looked at anything that could have a named type.
func (g *generator) hasTypeInfo() bool {
	if len(g.info.Tables) > 0 || len(g.prog.Instances) > 0 || len(g.info.ControllerPacketMetadata) > 0 {
		return true
	}
	for _, a := range g.info.Actions {
		if len(a.Params) > 0 {
			return true
		}
	}
	if g.vocabulary() != "v1model" {
		return false
	}
	found := false // a call of an extern function
	see := func(body []ir.Stmt) {
		ir.WalkStmts(body, func(s ir.Stmt) {
			if c, ok := s.(*ir.CallStmt); ok && c.Extern != "" && c.Object == nil && c.Recv == nil {
				found = true
			}
		})
		ir.WalkExprs(body, func(e ir.Expr) {
			if c, ok := e.(*ir.Call); ok && c.Extern != "" && c.Object == nil && c.Recv == nil {
				found = true
			}
		})
	}
	for _, a := range g.visibleActions() {
		see(a.Body)
	}
	for _, b := range g.prog.Blocks {
		if g.reach.Blocks[b] && b.Kind == ir.Control {
			see(b.Body)
		}
	}
	return found
}

// visibleActions are the actions that are in the list of an applied table, or
// called by a control: p4c lists the latter too, without parameters, although
// nobody can install them. What only other actions call has been inlined there.
func (g *generator) visibleActions() []*ir.Action {
	var out []*ir.Action
	for _, a := range g.prog.Actions {
		if (g.reach.Actions[a] || g.reach.CalledTop[a]) && !hidden(a.Annos) {
			out = append(out, a)
		}
	}
	return out
}

func (g *generator) pkgInfo() *p4configv1.PkgInfo {
	p := &p4configv1.PkgInfo{Arch: g.vocabulary()}
	g.checkAnnotations(g.prog.PkgAnnos, ir.Pos{})
	p.Annotations, p.StructuredAnnotations, p.Doc = annotations(g.prog.PkgAnnos, "pkginfo", "platform_property")
	for _, a := range g.prog.PkgAnnos {
		for _, kv := range pairs(a) {
			switch a.Name {
			case "pkginfo":
				g.pkgField(p, kv)
			case "platform_property":
				g.platformProperty(p, kv)
			}
		}
	}
	return p
}

func (g *generator) pkgField(p *p4configv1.PkgInfo, kv ir.KeyLit) {
	fields := map[string]*string{
		"name": &p.Name, "version": &p.Version, "organization": &p.Organization,
		"contact": &p.Contact, "url": &p.Url, "arch": &p.Arch,
	}
	f, ok := fields[kv.Key]
	if !ok {
		return // p4c warns and goes on
	}
	if !kv.Val.IsString {
		g.errorf(ir.Pos{}, "@pkginfo: the value of %q must be a string", kv.Key)
		return
	}
	*f = kv.Val.Str
}

func (g *generator) platformProperty(p *p4configv1.PkgInfo, kv ir.KeyLit) {
	if p.PlatformProperties == nil {
		p.PlatformProperties = &p4configv1.PlatformProperties{}
	}
	pp := p.PlatformProperties
	fields := map[string]*int32{
		"multicast_group_table_size":                   &pp.MulticastGroupTableSize,
		"multicast_group_table_total_replicas":         &pp.MulticastGroupTableTotalReplicas,
		"multicast_group_table_max_replicas_per_entry": &pp.MulticastGroupTableMaxReplicasPerEntry,
	}
	f, ok := fields[kv.Key]
	if !ok {
		return
	}
	n := kv.Val.Int
	if kv.Val.IsString || kv.Val.IsBool || n == nil || !n.IsInt64() || n.Int64() < 0 || n.Int64() > 1<<31-1 {
		g.errorf(ir.Pos{}, "@platform_property: the value of %q must be an integer of at most 31 bits", kv.Key)
		return
	}
	*f = int32(n.Int64())
}

// bytes is a value as p4c writes it: big-endian, (w+7)/8 bytes.
func (g *generator) bytes(v *big.Int, w int, pos ir.Pos) []byte {
	if v.Sign() < 0 {
		g.errorf(pos, "P4Runtime has no form for the negative value %s here", v)
		return nil
	}
	n := max(1, ir.ByteWidth(w))
	if v.BitLen() > 8*n {
		g.errorf(pos, "%s does not fit %d bits", v, w)
		return nil
	}
	return v.FillBytes(make([]byte, n))
}
