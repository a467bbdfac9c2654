package ssa

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// gen makes random core programs for v1model. Everything that has one meaning
// on all engines may occur: operators at all widths, invalid headers, stacks
// with variable indices, tables, registers, hashes.
type gen struct {
	r       *rand.Rand
	p       *ir.Program
	hdr     *ir.Struct
	meta    *ir.Struct
	std     *ir.Struct
	algo    *ir.Enum
	vars    []*ir.Var // scalars in scope
	roots   []*ir.Var // hdr and meta in scope
	params  []*ir.Var // action data in scope
	labels  []string
	blk     *ir.Block // control whose body is made
	parsing bool
	odd     bool // headers need not be whole bytes
	loops   int
	depth   int
	n       int
}

var genWidths = []int{1, 2, 3, 5, 7, 8, 9, 12, 13, 16, 17, 24, 31, 32, 33, 40, 47, 48, 63, 64, 65, 72, 96, 100, 127, 128, 129, 160, 200}

func (g *gen) width() int {
	if g.r.IntN(3) > 0 {
		return genWidths[g.r.IntN(20)]
	}
	return genWidths[g.r.IntN(len(genWidths))]
}

func (g *gen) scalar() ir.Type {
	w := g.width()
	switch g.r.IntN(6) {
	case 0:
		return &ir.Int{W: w}
	case 1:
		return &ir.Bool{}
	}
	return &ir.Bit{W: w}
}

func (g *gen) name(prefix string) string {
	g.n++
	return fmt.Sprintf("%s%d", prefix, g.n)
}

func (g *gen) header() *ir.Header {
	h := &ir.Header{Name: g.name("h_")}
	bits := 0
	for range 1 + g.r.IntN(4) {
		t := g.scalar()
		bits += ir.Width(t)
		h.Fields = append(h.Fields, ir.Field{Name: g.name("f"), Type: t})
	}
	if bits%8 != 0 && !g.odd {
		h.Fields = append(h.Fields, ir.Field{Name: g.name("pad"), Type: &ir.Bit{W: 8 - bits%8}})
	}
	if !g.odd && g.r.IntN(3) == 0 { // of both few would be lowered
		h.Fields = append(h.Fields, ir.Field{Name: g.name("v"), Type: &ir.Varbit{Max: 40}})
		if g.r.IntN(2) == 0 {
			h.Fields = append(h.Fields, ir.Field{Name: g.name("t"), Type: &ir.Bit{W: 16}})
		}
	}
	g.p.Types = append(g.p.Types, h)
	return h
}

func genProgram(r *rand.Rand) *ir.Program {
	g := &gen{r: r, p: &ir.Program{Level: ir.Core, Arch: "v1model", Name: "random",
		Errors: []string{"NoError", "PacketTooShort", "NoMatch", "StackOutOfBounds", "HeaderTooShort", "ParserTimeout", "ParserInvalidArgument"}}}
	g.odd = r.IntN(6) == 0
	g.algo = &ir.Enum{Name: "HashAlgorithm"}
	for i, n := range []string{"crc32", "crc32_custom", "crc16", "crc16_custom", "random", "identity", "csum16", "xor16"} {
		g.algo.Members = append(g.algo.Members, ir.EnumMember{Name: n, Value: big.NewInt(int64(i))})
	}
	bit := func(n string, w int) ir.Field { return ir.Field{Name: n, Type: &ir.Bit{W: w}} }
	g.std = &ir.Struct{Name: "standard_metadata_t", Fields: []ir.Field{
		bit("ingress_port", 9), bit("egress_spec", 9), bit("egress_port", 9), bit("packet_length", 32),
		bit("ingress_global_timestamp", 48), bit("mcast_grp", 16), bit("checksum_error", 1),
		{Name: "parser_error", Type: &ir.ErrorType{}},
	}}
	g.hdr = &ir.Struct{Name: "headers_t"}
	for i := range 2 + r.IntN(2) {
		g.hdr.Fields = append(g.hdr.Fields, ir.Field{Name: fmt.Sprintf("h%d", i), Type: g.header()})
	}
	if r.IntN(2) == 0 {
		g.hdr.Fields = append(g.hdr.Fields, ir.Field{Name: "s", Type: &ir.Stack{Elem: g.header(), Size: 1 + r.IntN(3)}})
	}
	if r.IntN(3) == 0 {
		u := &ir.Union{Name: g.name("u_"), Fields: []ir.Field{{Name: "a", Type: g.header()}, {Name: "b", Type: g.header()}}}
		g.p.Types = append(g.p.Types, u)
		g.hdr.Fields = append(g.hdr.Fields, ir.Field{Name: "u", Type: u})
	}
	g.meta = &ir.Struct{Name: "meta_t"}
	for range 2 + r.IntN(4) {
		g.meta.Fields = append(g.meta.Fields, ir.Field{Name: g.name("m"), Type: g.scalar()})
	}
	g.p.Types = append(g.p.Types, g.algo, g.std, g.hdr, g.meta)
	g.p.Instances = append(g.p.Instances,
		&ir.Instance{Name: "reg", Type: &ir.ExternType{Name: "register", Args: []ir.Type{&ir.Bit{W: 72}}}, Args: []ir.Expr{konst(&ir.Bit{W: 32}, 4)}},
		&ir.Instance{Name: "cnt", Type: &ir.ExternType{Name: "counter"}, Args: []ir.Expr{konst(&ir.Bit{W: 32}, 3), konst(&ir.Bit{W: 32}, 0)}},
		&ir.Instance{Name: "dir", Type: &ir.ExternType{Name: "direct_counter"}})

	g.parser()
	g.control("vr", 2, false)
	g.control("ig", 3, true)
	g.control("eg", 3, true)
	g.control("ck", 2, false)
	g.deparser()
	return g.p
}

func konst(t ir.Type, v int64) *ir.Const {
	return &ir.Const{Meta: ir.Meta{T: t}, Val: big.NewInt(v)}
}

func (g *gen) block(slot string, kind ir.BlockKind, params ...*ir.Var) *ir.Block {
	b := &ir.Block{Name: slot, Decl: slot, Kind: kind, Params: params}
	g.p.Blocks = append(g.p.Blocks, b)
	g.p.Pipeline = append(g.p.Pipeline, ir.Binding{Slot: slot, Block: b})
	g.roots, g.vars, g.params = nil, nil, nil
	g.blk, g.parsing = nil, kind == ir.Parser
	for _, v := range params {
		if _, ok := v.Type.(*ir.Struct); ok {
			g.roots = append(g.roots, v)
		}
	}
	return b
}

func (g *gen) locals(b *ir.Block) {
	for range 1 + g.r.IntN(3) {
		v := &ir.Var{Name: g.name("l"), Type: g.scalar()}
		b.Locals = append(b.Locals, v)
		g.vars = append(g.vars, v)
	}
}

func (g *gen) parser() {
	hdr := &ir.Var{Name: "hdr", Type: g.hdr, Dir: ir.DirOut}
	b := g.block("p", ir.Parser, &ir.Var{Name: "b", Type: &ir.ExternType{Name: "packet_in"}}, hdr,
		&ir.Var{Name: "meta", Type: g.meta, Dir: ir.DirInOut}, &ir.Var{Name: "std", Type: g.std, Dir: ir.DirInOut})
	g.roots = g.roots[:2]
	g.locals(b)
	n := 1 + g.r.IntN(5)
	names := []string{"accept", "reject"}
	for i := range n {
		b.States = append(b.States, &ir.State{Name: fmt.Sprintf("s%d", i)})
	}
	b.States[0].Name = "start"
	for i, s := range b.States {
		targets := append([]string(nil), names...)
		for _, t := range b.States[i+1:] {
			targets = append(targets, t.Name, t.Name)
		}
		target := func() string { return targets[g.r.IntN(len(targets))] }
		for range 1 + g.r.IntN(2) {
			s.Body = append(s.Body, g.parserStmt(hdr))
		}
		if g.r.IntN(3) == 0 {
			s.Trans.Default = target()
			continue
		}
		key := g.expr(g.scalar(), 2)
		if g.r.IntN(2) == 0 {
			key = g.expr(&ir.Bit{W: 1 + g.r.IntN(3)}, 2)
		}
		s.Trans.Keys = []ir.Expr{key}
		for range 1 + g.r.IntN(4) {
			s.Trans.Cases = append(s.Trans.Cases, ir.SelectCase{Sets: []ir.Set{g.set(key.Type())}, Next: target()})
		}
		if g.r.IntN(4) == 0 {
			s.Trans.Cases = append(s.Trans.Cases, ir.SelectCase{Sets: []ir.Set{g.set(key.Type())}, Next: b.States[g.r.IntN(i+1)].Name})
		}
		if loop := g.stackLoop(s); loop {
			s.Trans.Cases = append(s.Trans.Cases, ir.SelectCase{Sets: []ir.Set{g.set(key.Type())}, Next: s.Name})
		}
		if g.r.IntN(2) == 0 {
			s.Trans.Default = target()
		}
	}
}

// varBits is a size for the varbit field of a header, mostly one that fits.
func (g *gen) varBits(t ir.Type) ir.Expr {
	if varbitOf(t) == "" || g.r.IntN(6) == 0 {
		return nil
	}
	w32 := &ir.Bit{W: 32}
	x := ir.Expr(&ir.Cast{Meta: ir.Meta{T: w32}, X: g.expr(&ir.Bit{W: 3}, 1)})
	if g.r.IntN(8) > 0 {
		x = &ir.Binary{Meta: ir.Meta{T: w32}, Op: ir.Shl, X: x, Y: konst(&ir.Bit{W: 8}, 3)}
	}
	return x
}

// varbitOf is the name of a header's varbit field, or "".
func varbitOf(t ir.Type) string {
	for _, f := range ir.Fields(t) {
		if isVarbit(f.Type) {
			return f.Name
		}
	}
	return ""
}

// varbits lists the varbit fields that can be named.
func (g *gen) varbits() (out []ir.Expr) {
	for _, h := range g.places(true) {
		if n := varbitOf(h.x.Type()); n != "" {
			out = append(out, &ir.Member{Meta: ir.Meta{T: &ir.Varbit{Max: 40}}, X: h.x, Field: n})
		}
	}
	return out
}

// stackLoop tells whether s advances a stack each time, so that it may loop.
func (g *gen) stackLoop(s *ir.State) bool {
	for _, x := range s.Body {
		if e, ok := x.(*ir.Extract); ok {
			if op, ok := e.X.(*ir.StackOp); ok && op.Op == ir.StackNext {
				return true
			}
		}
	}
	return false
}

func (g *gen) set(t ir.Type) ir.Set {
	w := ir.Width(t)
	switch g.r.IntN(5) {
	case 0:
		return ir.Set{Kind: ir.SetAny}
	case 1:
		if _, ok := t.(*ir.Bit); ok {
			return ir.Set{Kind: ir.SetMask, Lo: g.num(&ir.Bit{W: w}), Hi: g.num(&ir.Bit{W: w})}
		}
	case 2:
		if _, ok := t.(*ir.Bool); !ok {
			lo, hi := g.num(t), g.num(t)
			if lo.Cmp(hi) > 0 {
				lo, hi = hi, lo
			}
			return ir.Set{Kind: ir.SetRange, Lo: lo, Hi: hi}
		}
	}
	return ir.Set{Kind: ir.SetValue, Lo: g.num(t)}
}

func (g *gen) parserStmt(hdr *ir.Var) ir.Stmt {
	root := &ir.VarRef{Meta: ir.Meta{T: hdr.Type}, Var: hdr}
	switch g.r.IntN(7) {
	case 0, 1, 2, 3:
		f := g.hdr.Fields[g.r.IntN(len(g.hdr.Fields))]
		m := &ir.Member{Meta: ir.Meta{T: f.Type}, X: root, Field: f.Name}
		var x ir.Expr = m
		switch t := f.Type.(type) {
		case *ir.Stack:
			x = &ir.StackOp{Meta: ir.Meta{T: t.Elem}, X: m, Op: ir.StackNext}
		case *ir.Union:
			k := t.Fields[g.r.IntN(len(t.Fields))]
			x = &ir.Member{Meta: ir.Meta{T: k.Type}, X: m, Field: k.Name}
		}
		return &ir.Extract{X: x, VarBits: g.varBits(x.Type())}
	case 4:
		l := g.lvalue()
		return &ir.Lookahead{Dst: l}
	case 5:
		switch g.r.IntN(4) {
		case 0:
			return &ir.Extract{SkipBits: 8 * g.r.IntN(4)}
		case 1:
			x := g.expr(&ir.Bit{W: 32}, 1)
			if !g.odd {
				x = &ir.Binary{Meta: ir.Meta{T: x.Type()}, Op: ir.Shl, X: x, Y: konst(&ir.Bit{W: 8}, 3)}
			} else if g.r.IntN(2) == 0 {
				x = konst(&ir.Bit{W: 32}, int64(g.r.IntN(20)))
			}
			return &ir.Advance{Bits: x}
		}
		return &ir.Verify{Cond: g.expr(&ir.Bool{}, 2), Err: &ir.Const{Meta: ir.Meta{T: &ir.ErrorType{}}, Val: big.NewInt(int64(1 + g.r.IntN(6)))}}
	}
	return g.assign()
}

func (g *gen) control(slot string, params int, tables bool) {
	ps := []*ir.Var{{Name: "hdr", Type: g.hdr, Dir: ir.DirInOut}, {Name: "meta", Type: g.meta, Dir: ir.DirInOut}}
	if params > 2 {
		ps = append(ps, &ir.Var{Name: "std", Type: g.std, Dir: ir.DirInOut})
	}
	b := g.block(slot, ir.Control, ps...)
	g.locals(b)
	roots, vars := g.roots, g.vars
	if slot == "ig" {
		std := &ir.VarRef{Meta: ir.Meta{T: g.std}, Var: ps[2]}
		b.Body = append(b.Body, &ir.Assign{
			L: &ir.Member{Meta: ir.Meta{T: &ir.Bit{W: 9}}, X: std, Field: "egress_spec"},
			R: g.expr(&ir.Bit{W: 9}, 2)})
	}
	var ts []*ir.Table
	if tables {
		for range g.r.IntN(3) {
			ts = append(ts, g.table(b))
			g.roots, g.vars, g.params = roots, vars, nil
		}
	}
	g.blk = b
	for range 2 + g.r.IntN(5) {
		b.Body = append(b.Body, g.stmt(3))
	}
	g.blk = nil
	for _, t := range ts {
		hit := &ir.Var{Name: g.name("hit"), Type: &ir.Bool{}}
		run := &ir.Var{Name: g.name("run"), Type: &ir.Bit{W: 32}}
		b.Locals = append(b.Locals, hit, run)
		b.Body = append(b.Body, &ir.ApplyTable{Table: t, Hit: hit, Run: run})
		if g.r.IntN(2) == 0 {
			b.Body = append(b.Body, &ir.Switch{
				X:       &ir.VarRef{Meta: ir.Meta{T: run.Type}, Var: run},
				Cases:   []ir.SwitchCase{{Labels: []*big.Int{big.NewInt(1)}, Body: []ir.Stmt{g.stmt(1)}}},
				Default: []ir.Stmt{g.stmt(1)}})
		}
		b.Body = append(b.Body, &ir.If{Cond: &ir.VarRef{Meta: ir.Meta{T: hit.Type}, Var: hit}, Then: []ir.Stmt{g.stmt(1)}})
	}
}

func (g *gen) table(b *ir.Block) *ir.Table {
	t := &ir.Table{Name: g.name(b.Name + ".t"), HasDefault: true}
	prio := g.r.IntN(2) == 0
	lpm := !prio
	for range 1 + g.r.IntN(3) {
		kt := ir.Type(&ir.Bit{W: g.width()})
		if g.r.IntN(2) == 0 {
			kt = &ir.Bit{W: 1 + g.r.IntN(4)}
		}
		kind := ir.MatchExact
		switch {
		case prio && g.r.IntN(2) == 0:
			kind = []ir.MatchKind{ir.MatchTernary, ir.MatchRange, ir.MatchOptional}[g.r.IntN(3)]
		case lpm:
			kind, lpm = ir.MatchLPM, false
		}
		t.Keys = append(t.Keys, ir.Key{Name: g.name("k"), Expr: g.expr(kt, 2), Kind: kind})
	}
	for range 2 + g.r.IntN(2) {
		a := &ir.Action{Name: g.name(b.Name + ".a")}
		g.params = nil
		for range g.r.IntN(3) {
			a.Params = append(a.Params, &ir.Var{Name: g.name("p"), Type: &ir.Bit{W: g.width()}})
		}
		g.params = a.Params
		for range g.r.IntN(3) {
			a.Body = append(a.Body, g.stmt(1))
		}
		g.p.Actions = append(g.p.Actions, a)
		t.Actions = append(t.Actions, ir.ActionRef{Action: a})
	}
	g.params = nil
	args := func(i int) (out []*big.Int) {
		for _, p := range t.Actions[i].Action.Params {
			out = append(out, g.num(p.Type))
		}
		return out
	}
	t.DefaultAction = g.r.IntN(len(t.Actions))
	t.DefaultArgs = args(t.DefaultAction)
	seen := map[string]bool{}
	for i := range g.r.IntN(6) {
		e := ir.ConstEntry{Action: g.r.IntN(len(t.Actions)), Const: true}
		e.Args = args(e.Action)
		if t.NeedsPriority() {
			e.Priority = int32(10 + i)
		}
		key := ""
		for _, k := range t.Keys {
			e.Sets = append(e.Sets, g.keySet(k))
			key += fmt.Sprint(e.Sets[len(e.Sets)-1])
		}
		if !seen[key] {
			seen[key] = true
			t.Entries = append(t.Entries, e)
		}
	}
	t.HasEntries = len(t.Entries) > 0
	if g.r.IntN(2) == 0 {
		used := false
		for _, o := range g.p.Tables {
			used = used || o.Counters != nil
		}
		if !used {
			t.Counters = g.p.Instances[2]
		}
	}
	g.p.Tables = append(g.p.Tables, t)
	return t
}

func (g *gen) keySet(k ir.Key) ir.Set {
	w := ir.Width(k.Expr.Type())
	v := g.num(k.Expr.Type())
	switch k.Kind {
	case ir.MatchLPM:
		mask := new(big.Int).Lsh(big.NewInt(1), uint(w))
		mask.Sub(mask, new(big.Int).Lsh(big.NewInt(1), uint(g.r.IntN(w+1))))
		return ir.Set{Kind: ir.SetMask, Lo: v.And(v, mask), Hi: mask}
	case ir.MatchTernary:
		mask := g.num(k.Expr.Type())
		return ir.Set{Kind: ir.SetMask, Lo: v.And(v, mask), Hi: mask}
	case ir.MatchRange:
		hi := g.num(k.Expr.Type())
		if v.Cmp(hi) > 0 {
			v, hi = hi, v
		}
		return ir.Set{Kind: ir.SetRange, Lo: v, Hi: hi}
	case ir.MatchOptional:
		if g.r.IntN(3) == 0 {
			return ir.Set{Kind: ir.SetAny}
		}
	}
	return ir.Set{Kind: ir.SetValue, Lo: v}
}

func (g *gen) deparser() {
	hdr := &ir.Var{Name: "hdr", Type: g.hdr, Dir: ir.DirIn}
	b := g.block("dep", ir.Control, &ir.Var{Name: "b", Type: &ir.ExternType{Name: "packet_out"}}, hdr)
	root := &ir.VarRef{Meta: ir.Meta{T: g.hdr}, Var: hdr}
	if g.r.IntN(3) == 0 {
		b.Body = append(b.Body, &ir.Emit{X: root})
		return
	}
	for _, i := range g.r.Perm(len(g.hdr.Fields)) {
		if g.r.IntN(4) == 0 {
			i = 0
		}
		f := g.hdr.Fields[i]
		b.Body = append(b.Body, &ir.Emit{X: &ir.Member{Meta: ir.Meta{T: f.Type}, X: root, Field: f.Name}})
	}
	if g.r.IntN(4) == 0 {
		b.Body = []ir.Stmt{&ir.If{Cond: g.expr(&ir.Bool{}, 1), Then: b.Body[:1], Else: b.Body[1:]}}
	}
}

// num is a constant in machine form.
func (g *gen) num(t ir.Type) *big.Int {
	w := ir.Width(t)
	v := new(big.Int)
	switch g.r.IntN(4) {
	case 0:
		v.SetInt64(int64(g.r.IntN(4)))
	case 1: // near the top
		v.Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(int64(1+g.r.IntN(3))))
	default:
		for range (w + 63) / 64 {
			v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(g.r.Uint64()))
		}
	}
	v.And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(1)))
	if _, ok := t.(*ir.Int); ok && v.Bit(w-1) == 1 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(w)))
	}
	return v
}

// TestRandomPrograms compares lowered programs with the reference interpreter on
// random frames.
func TestRandomPrograms(t *testing.T) {
	n := 150
	if testing.Short() {
		n = 60
	}
	if s := os.Getenv("P4NIC_SSA_PROGRAMS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	refusals := 0
	for seed := range n {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		p := genProgram(r)
		content, err := packetcase.ParseEntries(p, "")
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		pair, err := newPair(t, p, content, map[string]Options{"lowered": {NoOptimize: true}, "optimised": {}, "loops": {MaxUnroll: 1}})
		if err != nil {
			if _, ok := err.(*Unsupported); !ok {
				t.Fatalf("seed %d: %v\n%s", seed, err, p)
			}
			refusals++
			continue
		}
		for range 40 {
			if d := pair.frame(uint32(r.IntN(4)), mutate(r, nil)); d != "" {
				t.Fatalf("seed %d: %s\n%s", seed, d, p)
			}
		}
		if d := pair.state(content); d != "" {
			t.Fatalf("seed %d: %s\n%s", seed, d, p)
		}
	}
	if refusals > n/4 {
		t.Errorf("%d of %d programs were refused", refusals, n)
	}
}
