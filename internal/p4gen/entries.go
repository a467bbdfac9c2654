package p4gen

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Entries makes table entries, in the notation of packetcase, from keys that
// packets were seen to produce and from random ones.
type Entries struct {
	r     *rand.Rand
	prog  *ir.Program
	seen  map[string][][]*big.Int // keys by table
	lines []string
	used  map[string]bool
	// Control makes members and groups for tables with an action profile, which
	// have no entries without.
	Control *Control
}

// NewEntries is a generator for a core program.
func NewEntries(p *ir.Program, seed uint64) *Entries {
	return &Entries{r: rand.New(rand.NewPCG(seed, 0x656e7472696573)), prog: p, seen: map[string][][]*big.Int{}, used: map[string]bool{}}
}

// Saw notes a key: detail is what ir/exec's trace says of a look-up in a table,
// "hit 3 key a=0x0a b=0x1".
func (g *Entries) Saw(table, detail string) {
	_, text, ok := strings.Cut(detail, " key ")
	t := g.prog.Table(table)
	if !ok || t == nil || len(g.seen[table]) >= 24 {
		return
	}
	var key []*big.Int
	for _, k := range t.Keys {
		if k.Kind == ir.MatchSelector {
			continue
		}
		_, rest, ok := strings.Cut(text, k.Name+"=0x")
		if !ok {
			return
		}
		digits, rest, _ := strings.Cut(rest, " ")
		v, ok := new(big.Int).SetString(digits, 16)
		if !ok {
			return
		}
		key, text = append(key, v), rest
	}
	g.seen[table] = append(g.seen[table], key)
}

// Make writes up to n more entries a table, for the tables that take any.
func (g *Entries) Make(n int) {
	for _, t := range g.prog.Tables {
		if t.ConstEntries || len(t.Keys) == 0 || len(t.Actions) == 0 || t.Implementation != nil && g.Control == nil {
			continue
		}
		for range g.r.IntN(n + 1) {
			if t.Size > 0 && len(t.Entries)+g.count(t) >= t.Size {
				break
			}
			g.entry(t)
		}
		if !t.ConstDefault && g.r.IntN(3) == 0 {
			if a := g.action(t, true); a != "" && !g.used["default "+t.Name] {
				g.used["default "+t.Name] = true
				g.lines = append(g.lines, "default "+t.Name+" -> "+a)
			}
		}
	}
}

func (g *Entries) count(t *ir.Table) (n int) {
	for _, l := range g.lines {
		if strings.HasPrefix(l, t.Name+" ") {
			n++
		}
	}
	return n
}

// Text is what was made, one entry a line.
func (g *Entries) Text() string {
	if len(g.lines) == 0 {
		return ""
	}
	return strings.Join(g.lines, "\n") + "\n"
}

func (g *Entries) entry(t *ir.Table) {
	action := ""
	if t.Implementation != nil {
		action = g.Control.Target(t)
	} else {
		action = g.action(t, false)
	}
	if action == "" {
		return
	}
	var key []*big.Int
	if seen := g.seen[t.Name]; len(seen) > 0 && g.r.IntN(5) > 0 {
		key = seen[g.r.IntN(len(seen))]
	}
	var parts, ids []string
	i := 0
	for _, k := range t.Keys {
		if k.Kind == ir.MatchSelector {
			continue
		}
		w := ir.Width(k.Expr.Type())
		v := g.random(w)
		if key != nil {
			v = new(big.Int).Set(key[i])
		}
		i++
		if s, ok := g.match(k, v, w); ok {
			parts = append(parts, k.Name+"="+s)
			ids = append(ids, s)
		} else {
			ids = append(ids, "*")
		}
	}
	id := t.Name + " " + strings.Join(ids, " ")
	if g.used[id] || g.taken(t, ids) {
		return
	}
	g.used[id] = true
	line := t.Name
	for _, p := range parts {
		line += " " + p
	}
	if t.NeedsPriority() {
		line += fmt.Sprintf(" prio=%d", 1+g.r.IntN(60)*7+len(g.lines))
	}
	g.lines = append(g.lines, line+" -> "+action)
}

// taken tells whether the program itself has an entry with this key; only
// tables without priorities refuse a second one.
func (g *Entries) taken(t *ir.Table, ids []string) bool {
	if t.NeedsPriority() {
		return false
	}
next:
	for _, e := range t.Entries {
		for i, s := range e.Sets {
			w := ir.Width(t.Keys[i].Expr.Type())
			have := "*"
			switch s.Kind {
			case ir.SetValue:
				have = g.text(t.Keys[i], new(big.Int).And(s.Lo, mask(w)), w)
				if t.Keys[i].Kind == ir.MatchLPM {
					have += fmt.Sprintf("/%d", w)
				}
			case ir.SetMask:
				n := 0
				for n < w && s.Hi.Bit(w-1-n) == 1 {
					n++
				}
				have = fmt.Sprintf("%s/%d", g.text(t.Keys[i], new(big.Int).And(s.Lo, mask(w)), w), n)
			}
			if have != ids[i] {
				continue next
			}
		}
		return true
	}
	return false
}

// text is a machine value of w bits as packetcase reads it.
func (g *Entries) text(k ir.Key, v *big.Int, w int) string {
	if _, signed := ir.Underlying(k.Expr.Type()).(*ir.Int); signed && v.Bit(w-1) == 1 {
		v = new(big.Int).Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(w)))
	}
	return v.String()
}

// match is how an entry matches v: false for a don't-care.
func (g *Entries) match(k ir.Key, v *big.Int, w int) (string, bool) {
	top := mask(w)
	switch k.Kind {
	case ir.MatchLPM:
		n := w
		if g.r.IntN(2) == 0 {
			n = g.r.IntN(w + 1)
		}
		if n == 0 {
			return "", false
		}
		v.And(v, new(big.Int).Lsh(mask(n), uint(w-n)))
		return fmt.Sprintf("%s/%d", v, n), true
	case ir.MatchTernary:
		switch g.r.IntN(4) {
		case 0:
			return "", false
		case 1:
			return v.String(), true
		}
		m := g.random(w)
		if m.Sign() == 0 {
			return "", false
		}
		return fmt.Sprintf("%s&&&%s", v.And(v, m), m), true
	case ir.MatchRange:
		lo, hi := new(big.Int).Set(v), new(big.Int).Set(v)
		lo.Sub(lo, g.random(1+g.r.IntN(w)))
		hi.Add(hi, g.random(1+g.r.IntN(w)))
		if lo.Sign() < 0 {
			lo.SetInt64(0)
		}
		if hi.Cmp(top) > 0 {
			hi.Set(top)
		}
		if lo.Sign() == 0 && hi.Cmp(top) == 0 {
			return "", false
		}
		return fmt.Sprintf("%s..%s", lo, hi), true
	case ir.MatchOptional:
		if g.r.IntN(4) == 0 {
			return "", false
		}
	}
	return g.text(k, v, w), true
}

// action is an action of the table with random data.
func (g *Entries) action(t *ir.Table, def bool) string {
	a := t.Actions[g.r.IntN(len(t.Actions))]
	if a.TableOnly && def || a.DefaultOnly && !def {
		return ""
	}
	var args []string
	for _, p := range a.Action.DataParams() {
		w := ir.Width(p.Type)
		if w < 0 {
			return ""
		}
		v := g.random(w)
		if _, signed := ir.Underlying(p.Type).(*ir.Int); signed && v.Bit(w-1) == 1 {
			v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(w)))
		}
		args = append(args, v.String())
	}
	return a.Action.Name + "(" + strings.Join(args, ", ") + ")"
}

func (g *Entries) random(w int) *big.Int {
	v := new(big.Int)
	if g.r.IntN(3) == 0 {
		return v.And(v.SetInt64(int64(g.r.IntN(8))), mask(w))
	}
	for range (w + 63) / 64 {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(g.r.Uint64()))
	}
	return v.And(v, mask(w))
}
