package p4gen

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Packets makes frames for a core program by walking its parser: at each select
// it chooses a case and gives the packet's bits the values that lead there. Bits
// that no select asks for get values that the program compares with.
type Packets struct {
	r      *rand.Rand
	prog   *ir.Program
	parser *ir.Block
	states map[string]*ir.State
	pool   map[int][]*big.Int // constants of the program by width
}

// NewPackets is a generator for a program at level core.
func NewPackets(p *ir.Program, seed uint64) *Packets {
	g := &Packets{r: rand.New(rand.NewPCG(seed, 0x7061636b6574)), prog: p, states: map[string]*ir.State{}, pool: map[int][]*big.Int{}}
	for _, b := range p.Pipeline {
		if b.Block.Kind == ir.Parser && g.parser == nil {
			g.parser = b.Block
		}
	}
	if g.parser != nil {
		for _, s := range g.parser.States {
			g.states[s.Name] = s
		}
	}
	g.collect()
	return g
}

// collect finds the constants of the program.
func (g *Packets) collect() {
	add := func(t ir.Type, v *big.Int) {
		w := ir.Width(t)
		if v == nil || w <= 0 || len(g.pool[w]) > 40 {
			return
		}
		g.pool[w] = append(g.pool[w], new(big.Int).And(v, mask(w)))
	}
	var visit func(e *ir.Expr)
	visit = func(e *ir.Expr) {
		if c, ok := (*e).(*ir.Const); ok {
			add(c.T, c.Val)
		}
		ir.ExprSlots(*e, visit)
	}
	g.prog.Bodies(func(b *[]ir.Stmt) {
		ir.WalkStmts(*b, func(s ir.Stmt) { ir.StmtSlots(s, visit) })
	})
	for _, t := range g.prog.Tables {
		for _, e := range t.Entries {
			for i, s := range e.Sets {
				add(t.Keys[i].Expr.Type(), s.Lo)
				add(t.Keys[i].Expr.Type(), s.Hi)
			}
		}
	}
}

// value is a number for a field of w bits.
func (g *Packets) value(w int) *big.Int {
	v := new(big.Int)
	if pool := g.pool[w]; len(pool) > 0 && g.r.IntN(100) < 55 {
		return v.Set(pool[g.r.IntN(len(pool))])
	}
	switch g.r.IntN(5) {
	case 0:
		return v.And(v.SetInt64(int64(g.r.IntN(6))), mask(w))
	case 1:
		return v.Sub(mask(w), v.And(v.SetInt64(int64(g.r.IntN(3))), mask(w)))
	}
	for range (w + 63) / 64 {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(g.r.Uint64()))
	}
	return v.And(v, mask(w))
}

// Frame is one frame: most lead somewhere, some are cut, longer, or spoilt.
func (g *Packets) Frame() []byte {
	b := g.walk()
	switch n := g.r.IntN(20); {
	case n < 2:
		b = b[:g.r.IntN(len(b)+1)]
	case n < 4:
		for range 1 + g.r.IntN(4) {
			if len(b) > 0 {
				b[g.r.IntN(len(b))] ^= 1 << g.r.IntN(8)
			}
		}
	case n < 5:
		b = g.bytes(g.r.IntN(100))
	}
	return b
}

// Port is where a frame comes in.
func (g *Packets) Port() uint32 { return uint32(g.r.IntN(6)) }

func (g *Packets) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.r.Uint32())
	}
	return b
}

// walker is one walk through the parser.
type walker struct {
	*Packets
	bits   []bit // of the packet: zero, one, or unknown for free
	fields [][2]int
	cursor int
	env    map[string]bitvec
	next   map[string]int // elements extracted, by stack
	left   int            // states and statements that it may still visit
}

// walk gives the bytes of a walk from start.
func (g *Packets) walk() []byte {
	k := &walker{Packets: g, env: map[string]bitvec{}, next: map[string]int{}, left: 400}
	for s := g.states["start"]; s != nil && k.left > 0; {
		k.left--
		if leave := k.stmts(s.Body); leave == ends {
			break
		}
		s = g.states[k.transition(s)]
	}
	for _, f := range k.fields {
		k.fill(f[0], f[1])
	}
	n := (len(k.bits) + 7) / 8
	out := make([]byte, n, n+48)
	for i, b := range k.bits {
		if b == one {
			out[i/8] |= 0x80 >> (i % 8)
		}
	}
	if g.r.IntN(4) > 0 {
		out = append(out, g.bytes(g.r.IntN(48))...)
	}
	return out
}

// fill gives the free bits of a field a value from the pool.
func (k *walker) fill(at, w int) {
	v := k.value(w)
	for i := range w {
		if k.bits[at+i] == unknown {
			k.bits[at+i] = zero
			if v.Bit(w-1-i) == 1 {
				k.bits[at+i] = one
			}
		}
	}
}

// take allots w bits of the packet from at on.
func (k *walker) take(at, w int) bitvec {
	for len(k.bits) < at+w {
		k.bits = append(k.bits, unknown)
	}
	out := make(bitvec, w)
	for i := range out {
		out[i] = bit(2 * (at + i))
	}
	if w > 0 {
		k.fields = append(k.fields, [2]int{at, w})
	}
	return out
}

// path names the storage of an l-value; false where it depends on the packet.
func (k *walker) path(e ir.Expr) (string, bool) {
	switch e := e.(type) {
	case *ir.VarRef:
		return fmt.Sprintf("%p", e.Var), true
	case *ir.Member:
		p, ok := k.path(e.X)
		return p + "." + e.Field, ok
	case *ir.Index:
		p, ok := k.path(e.X)
		n, known := k.number(k.eval(e.I))
		if !ok || !known {
			return "", false
		}
		return p + "[" + n.String() + "]", true
	case *ir.StackOp:
		p, ok := k.path(e.X)
		if !ok {
			return "", false
		}
		n := k.next[p]
		switch e.Op {
		case ir.StackNext:
		case ir.StackLast:
			n--
		default:
			return "", false
		}
		return fmt.Sprintf("%s[%d]", p, n), true
	}
	return "", false
}

// leaves calls f for every scalar below a value of type t at path p.
func leaves(t ir.Type, p string, f func(path string, w int)) {
	switch t := t.(type) {
	case *ir.Struct:
		for _, x := range t.Fields {
			leaves(x.Type, p+"."+x.Name, f)
		}
	case *ir.Header:
		for _, x := range t.Fields {
			leaves(x.Type, p+"."+x.Name, f)
		}
	case *ir.Union:
		for _, x := range t.Fields {
			leaves(x.Type, p+"."+x.Name, f)
		}
	case *ir.Stack:
		for i := range t.Size {
			leaves(t.Elem, fmt.Sprintf("%s[%d]", p, i), f)
		}
	case *ir.Varbit:
	default:
		if w := ir.Width(t); w >= 0 {
			f(p, w)
		}
	}
}

const ends = "$end" // what stmts gives when the parser ends here

// stmts walks statements; the result is the label that is left, or "".
func (k *walker) stmts(ss []ir.Stmt) string {
	for _, s := range ss {
		if k.left--; k.left < 0 {
			return ends
		}
		if l := k.stmt(s); l != "" {
			return l
		}
	}
	return ""
}

func (k *walker) stmt(s ir.Stmt) string {
	switch s := s.(type) {
	case *ir.Assign:
		k.assign(s.L, s.R)
	case *ir.If:
		c := k.eval(s.Cond)
		want := k.r.IntN(2) == 0
		if n, ok := k.number(c); ok {
			want = n.Sign() != 0
		} else {
			k.solve(s.Cond, want)
		}
		if want {
			return k.stmts(s.Then)
		}
		return k.stmts(s.Else)
	case *ir.Switch:
		return k.stmts(s.Default)
	case *ir.Labelled:
		if l := k.stmts(s.Body); l != s.Label {
			return l
		}
	case *ir.Loop:
		return ends
	case *ir.Leave:
		return s.Label
	case *ir.Continue:
		return s.Label
	case *ir.Extract:
		return k.extract(s)
	case *ir.Advance:
		v := k.eval(s.Bits)
		k.choose(v)
		if n, ok := k.number(v); ok && n.IsInt64() && n.Int64() < 1<<12 {
			for i := range n.Int64() {
				k.take(k.cursor+int(i), 1)
			}
			k.cursor += int(n.Int64())
		}
	case *ir.Lookahead:
		if p, ok := k.path(s.Dst); ok {
			at := k.cursor
			leaves(s.Dst.Type(), p, func(p string, w int) {
				k.env[p] = k.take(at, w)
				at += w
			})
		}
	case *ir.PacketLength:
		k.forget(s.Dst)
	case *ir.Verify:
		k.solve(s.Cond, k.r.IntN(10) > 0)
	case *ir.ExternCall:
		for _, a := range append(slices.Clone(s.Args), s.Dst) {
			if a != nil {
				k.forget(a)
			}
		}
	}
	return ""
}

// forget makes what an l-value names unknown.
func (k *walker) forget(e ir.Expr) {
	if p, ok := k.path(e); ok {
		leaves(e.Type(), p, func(p string, w int) { k.env[p] = unknownBits(w) })
	}
}

func (k *walker) assign(l, r ir.Expr) {
	if s, ok := l.(*ir.Slice); ok {
		if p, ok := k.path(s.X); ok {
			old := slices.Clone(k.eval(s.X))
			if n := len(old); n > s.Hi {
				copy(old[n-1-s.Hi:n-s.Lo], k.eval(r))
				k.env[p] = old
			}
		}
		return
	}
	p, ok := k.path(l)
	if !ok {
		return
	}
	if ir.Width(l.Type()) >= 0 && !composite(l.Type()) {
		k.env[p] = k.eval(r)
		return
	}
	q, ok := k.path(r)
	if !ok {
		k.forget(l)
		return
	}
	leaves(l.Type(), "", func(rest string, w int) {
		if v, ok := k.env[q+rest]; ok {
			k.env[p+rest] = v
		} else {
			delete(k.env, p+rest)
		}
	})
}

func composite(t ir.Type) bool {
	switch t.(type) {
	case *ir.Struct, *ir.Header, *ir.Union, *ir.Stack:
		return true
	}
	return false
}

func (k *walker) extract(s *ir.Extract) string {
	if s.X == nil {
		for range s.SkipBits {
			k.take(k.cursor, 1)
			k.cursor++
		}
		return ""
	}
	stack, element := "", ir.Expr(nil)
	for e := s.X; e != nil; { // next of a stack, or a member of a union there
		switch x := e.(type) {
		case *ir.StackOp:
			element = x.X
			e = nil
		case *ir.Member:
			e = x.X
		default:
			e = nil
		}
	}
	if element != nil {
		if p, ok := k.path(element); ok {
			stack = p
			if st, ok := element.Type().(*ir.Stack); ok && k.next[p] >= st.Size {
				return ends // StackOutOfBounds
			}
		}
	}
	p, ok := k.path(s.X)
	if !ok {
		return ends
	}
	h, _ := s.X.Type().(*ir.Header)
	if h == nil {
		return ends
	}
	size := 0
	if s.VarBits != nil {
		v := k.eval(s.VarBits)
		k.choose(v)
		if n, ok := k.number(v); ok && n.IsInt64() && n.Int64() <= 1<<11 {
			size = int(n.Int64())
		}
	}
	for _, f := range h.Fields {
		if _, ok := f.Type.(*ir.Varbit); ok {
			k.take(k.cursor, size)
			k.cursor += size
			continue
		}
		leaves(f.Type, p+"."+f.Name, func(p string, w int) {
			k.env[p] = k.take(k.cursor, w)
			k.cursor += w
		})
	}
	if stack != "" {
		k.next[stack]++
	}
	return ""
}
