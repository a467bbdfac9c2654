package ssa

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Parse reads the text form of a Func. Tables and extern objects are looked up
// by their control-plane names in p. The result is verified.
func Parse(text string, p *ir.Program) (*Func, error) {
	var f *Func
	at, word := 0, "func"
	for at >= 0 {
		end, next := nextStage(text, at)
		r := &reader{prog: p, blocks: map[int]*Block{}, values: map[int]*Value{}, first: word, line: strings.Count(text[:at], "\n")}
		g, err := r.parse(text[at:end])
		if err != nil {
			return nil, err
		}
		if f == nil {
			f, word = g, "stage"
		} else {
			f.Stages = append(f.Stages, g)
		}
		at = next
	}
	if err := Verify(f); err != nil {
		return nil, err
	}
	return f, nil
}

type reader struct {
	prog   *ir.Program
	s      string // rest of the line
	blocks map[int]*Block
	values map[int]*Value
	todo   []ref  // uses, resolved at the end
	first  string // word that the text starts with
	line   int    // lines before the text
}

// nextStage gives the end of the function whose text starts at at, and where the
// next one starts, -1 for none.
func nextStage(text string, at int) (end, next int) {
	if i := strings.Index(text[at:], "\nstage "); i >= 0 {
		return at + i + 1, at + i + 1
	}
	return len(text), -1
}

// ref is a use of a value before it is known to exist.
type ref struct {
	id   int
	at   **Value
	line int
}

func (r *reader) parse(text string) (*Func, error) {
	f := &Func{Prog: r.prog}
	defined := map[int]bool{}
	var cur *Block
	seenFunc := false
	n := r.line
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "//") {
			continue
		}
		r.s = trimmed
		var err error
		switch {
		case !seenFunc:
			seenFunc = true
			err = r.header(f)
		case line[0] == 'b':
			if cur != nil && cur.Term.Kind == TermInvalid {
				return nil, fmt.Errorf("ssa: line %d: block b%d has no terminator", n, cur.ID)
			}
			cur, err = r.block(n)
			if err == nil && defined[cur.ID] {
				err = fmt.Errorf("block b%d is defined twice", cur.ID)
			}
			if err == nil {
				defined[cur.ID] = true
				f.Blocks = append(f.Blocks, cur)
			}
		case cur == nil || cur.Term.Kind != TermInvalid:
			err = fmt.Errorf("instruction outside a block")
		default:
			err = r.instruction(cur, n)
		}
		if err != nil {
			return nil, fmt.Errorf("ssa: line %d: %w", n, err)
		}
	}
	if cur == nil || cur.Term.Kind == TermInvalid {
		return nil, fmt.Errorf("ssa: the text ends within a block")
	}
	for id := range r.blocks {
		if !defined[id] {
			return nil, fmt.Errorf("ssa: block b%d is not defined", id)
		}
	}
	for _, u := range r.todo {
		v := r.values[u.id]
		if v == nil {
			return nil, fmt.Errorf("ssa: line %d: v%d is not defined", u.line, u.id)
		}
		*u.at = v
	}
	return f, nil
}

func (r *reader) header(f *Func) error {
	if !r.word(r.first) {
		return fmt.Errorf("expected %s", r.first)
	}
	name, err := r.quoted()
	if err != nil {
		return err
	}
	f.Name = name
	if r.key("image") {
		n, err := r.number()
		if err != nil {
			return err
		}
		f.HeaderImage = int(n)
	}
	if r.key("frame") {
		n, err := r.small(1 << 20)
		if err != nil {
			return err
		}
		f.FrameSize = n
	}
	return r.end()
}

func (r *reader) skip() { r.s = strings.TrimLeft(r.s, " \t") }

// word takes w if the rest starts with it, as a whole word.
func (r *reader) word(w string) bool {
	r.skip()
	if !strings.HasPrefix(r.s, w) {
		return false
	}
	if len(r.s) > len(w) && isWord(r.s[len(w)]) && isWord(w[len(w)-1]) {
		return false
	}
	r.s = r.s[len(w):]
	return true
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func (r *reader) key(k string) bool {
	r.skip()
	if strings.HasPrefix(r.s, k+"=") {
		r.s = r.s[len(k)+1:]
		return true
	}
	return false
}

func (r *reader) punct(p string) bool {
	r.skip()
	if strings.HasPrefix(r.s, p) {
		r.s = r.s[len(p):]
		return true
	}
	return false
}

func (r *reader) end() error {
	r.skip()
	if r.s != "" {
		return fmt.Errorf("unexpected %q", r.s)
	}
	return nil
}

func (r *reader) name() string {
	r.skip()
	i := 0
	for i < len(r.s) && isWord(r.s[i]) {
		i++
	}
	w := r.s[:i]
	r.s = r.s[i:]
	return w
}

func (r *reader) number() (uint64, error) {
	r.skip()
	i := 0
	for i < len(r.s) && r.s[i] >= '0' && r.s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseUint(r.s[:i], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("expected a number at %q", r.s)
	}
	r.s = r.s[i:]
	return n, nil
}

// small reads a number up to limit.
func (r *reader) small(limit uint64) (int, error) {
	n, err := r.number()
	if err == nil && n > limit {
		err = fmt.Errorf("number %d is over %d", n, limit)
	}
	return int(n), err
}

func (r *reader) quoted() (string, error) {
	r.skip()
	q, err := strconv.QuotedPrefix(r.s)
	if err != nil {
		return "", fmt.Errorf("expected a quoted name at %q", r.s)
	}
	r.s = r.s[len(q):]
	return strconv.Unquote(q)
}

func (r *reader) optName() (string, error) {
	r.skip()
	if !strings.HasPrefix(r.s, `"`) {
		return "", nil
	}
	return r.quoted()
}

const maxID = 1 << 30

// numbered reads a letter followed by a number.
func (r *reader) numbered(letter string) (int, error) {
	r.skip()
	if !strings.HasPrefix(r.s, letter) {
		return 0, fmt.Errorf("expected %s and a number at %q", letter, r.s)
	}
	r.s = r.s[len(letter):]
	return r.small(maxID)
}

func (r *reader) blockRef() (*Block, error) {
	id, err := r.numbered("b")
	if err != nil {
		return nil, err
	}
	b := r.blocks[id]
	if b == nil {
		b = &Block{ID: id}
		r.blocks[id] = b
	}
	return b, nil
}

func (r *reader) define(v *Value) error {
	if r.values[v.ID] != nil {
		return fmt.Errorf("v%d is defined twice", v.ID)
	}
	r.values[v.ID] = v
	return nil
}

func (r *reader) typ() (Type, error) {
	if r.word("ptr") {
		return Ptr, nil
	}
	n, err := r.small(64)
	if err == nil && n == 0 {
		err = fmt.Errorf("a type has 1 to 64 bits")
	}
	return Type(n), err
}

func (r *reader) block(line int) (*Block, error) {
	b, err := r.blockRef()
	if err != nil {
		return nil, err
	}
	if r.punct("(") {
		for {
			id, err := r.numbered("v")
			if err != nil {
				return nil, err
			}
			if !r.punct(":") {
				return nil, fmt.Errorf("expected a type at %q", r.s)
			}
			t, err := r.typ()
			if err != nil {
				return nil, err
			}
			name, err := r.optName()
			if err != nil {
				return nil, err
			}
			v := &Value{ID: id, Op: OpParam, Type: t, Name: name}
			if err := r.define(v); err != nil {
				return nil, err
			}
			b.Params = append(b.Params, v)
			if r.punct(")") {
				break
			}
			if !r.punct(",") {
				return nil, fmt.Errorf("expected , or ) at %q", r.s)
			}
		}
	}
	if b.Name, err = r.optName(); err != nil {
		return nil, err
	}
	if !r.punct(":") {
		return nil, fmt.Errorf("expected : at %q", r.s)
	}
	return b, r.end()
}

func (r *reader) instruction(b *Block, line int) error {
	v := &Value{}
	hasID := false
	if len(r.s) > 1 && r.s[0] == 'v' && r.s[1] >= '0' && r.s[1] <= '9' {
		id, err := r.numbered("v")
		if err != nil {
			return err
		}
		if !r.punct("=") {
			return fmt.Errorf("expected = at %q", r.s)
		}
		v.ID, hasID = id, true
	}
	name := r.name()
	if !hasID {
		for k, n := range termNames {
			if n == name && k != int(TermInvalid) {
				return r.terminator(&b.Term, TermKind(k), line)
			}
		}
	}
	for op, n := range opNames {
		if n == name && op != int(OpInvalid) && op != int(OpParam) {
			v.Op = Op(op)
		}
	}
	if v.Op == OpInvalid {
		return fmt.Errorf("unknown operation %q", name)
	}
	if hasID != v.HasResult() {
		return fmt.Errorf("%s: wrong use of a result", name)
	}
	if hasID {
		if !r.punct(".") {
			return fmt.Errorf("expected a type at %q", r.s)
		}
		t, err := r.typ()
		if err != nil {
			return err
		}
		v.Type = t
		if err := r.define(v); err != nil {
			return err
		}
	}
	if err := r.args(&v.Args, line); err != nil {
		return err
	}
	if err := r.attributes(v); err != nil {
		return err
	}
	b.Instrs = append(b.Instrs, v)
	return r.end()
}

// args reads values separated by commas, if there are any.
func (r *reader) args(args *[]*Value, line int) error {
	r.skip()
	if !strings.HasPrefix(r.s, "v") {
		return nil
	}
	var ids []int
	for {
		id, err := r.numbered("v")
		if err != nil {
			return err
		}
		ids = append(ids, id)
		if !r.punct(",") {
			break
		}
	}
	*args = make([]*Value, len(ids))
	for i, id := range ids {
		r.todo = append(r.todo, ref{id, &(*args)[i], line})
	}
	return nil
}

func (r *reader) attributes(v *Value) (err error) {
	for _, a := range []struct {
		key string
		at  *int
	}{{"n", &v.N}, {"action", &v.Action}, {"param", &v.Param}, {"limb", &v.Limb}} {
		if a.key == "n" && r.key("aux") {
			if v.Aux, err = r.number(); err != nil {
				return err
			}
		}
		if r.key(a.key) {
			if *a.at, err = r.small(1 << 30); err != nil {
				return err
			}
		}
		if a.key == "n" {
			if err := r.symbol(v); err != nil {
				return err
			}
		}
	}
	if v.Name, err = r.optName(); err != nil {
		return err
	}
	return r.pos(&v.Pos)
}

func (r *reader) symbol(v *Value) error {
	if r.key("set") {
		name, err := r.quoted()
		if err != nil {
			return err
		}
		for _, s := range r.prog.ValueSets {
			if s.Name == name {
				v.Sym = s
				return nil
			}
		}
		return fmt.Errorf("there is no value set %q", name)
	}
	table := r.key("table")
	if !table && !r.key("object") {
		return nil
	}
	name, err := r.quoted()
	if err != nil {
		return err
	}
	if table {
		if t := r.prog.Table(name); t != nil {
			v.Sym = t
			return nil
		}
		return fmt.Errorf("there is no table %q", name)
	}
	for _, i := range r.prog.Instances {
		if i.Name == name {
			v.Sym = i
			return nil
		}
	}
	return fmt.Errorf("there is no extern object %q", name)
}

func (r *reader) pos(p *ir.Pos) error {
	if !r.punct("@") {
		return nil
	}
	for i, at := range []*int32{&p.File, &p.Line, &p.Col} {
		if i > 0 && !r.punct(":") {
			return fmt.Errorf("expected : in a position at %q", r.s)
		}
		n, err := r.small(1<<31 - 1)
		if err != nil {
			return err
		}
		*at = int32(n)
	}
	return nil
}

func (r *reader) terminator(t *Term, k TermKind, line int) error {
	t.Kind = k
	if k == TermDrop {
		name, found := r.name(), false
		for i, n := range reasonNames {
			if n == name {
				t.Reason, found = DropReason(i), true
			}
		}
		if !found {
			return fmt.Errorf("unknown reason %q", name)
		}
	}
	r.skip()
	if strings.HasPrefix(r.s, "v") {
		id, err := r.numbered("v")
		if err != nil {
			return err
		}
		r.todo = append(r.todo, ref{id, &t.Cond, line})
	}
	if r.key("n") {
		n, err := r.small(1 << 30)
		if err != nil {
			return err
		}
		t.N = n
	}
	if r.key("likely") {
		sign := 1
		if r.punct("-") {
			sign = -1
		}
		n, err := r.small(1)
		if err != nil {
			return err
		}
		t.Likely = sign * n
	}
	if err := r.pos(&t.Pos); err != nil {
		return err
	}
	if !r.punct("->") {
		return r.end()
	}
	for {
		r.skip()
		if r.s != "" && r.s[0] >= '0' && r.s[0] <= '9' {
			n, err := r.number()
			if err != nil {
				return err
			}
			if !r.punct(":") {
				return fmt.Errorf("expected : after a label at %q", r.s)
			}
			t.Labels = append(t.Labels, n)
		}
		b, err := r.blockRef()
		if err != nil {
			return err
		}
		e := Edge{To: b}
		if r.punct("(") {
			if err := r.args(&e.Args, line); err != nil {
				return err
			}
			if !r.punct(")") {
				return fmt.Errorf("expected ) at %q", r.s)
			}
		}
		t.Succs = append(t.Succs, e)
		if !r.punct(",") {
			return r.end()
		}
	}
}
