package packetcase

import (
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// ParseEntries reads an entries section for p: one Content a table, beginning
// with what the program itself writes.
func ParseEntries(p *ir.Program, text string) ([]Content, error) {
	content := make([]Content, len(p.Tables))
	for i, t := range p.Tables {
		es, def, err := t.Initial()
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
		content[i] = Content{Entries: es, Default: def}
	}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := parseEntry(p, content, line); err != nil {
			return nil, fmt.Errorf("entries:%d: %w", i+1, err)
		}
	}
	return content, nil
}

func parseEntry(p *ir.Program, content []Content, line string) error {
	left, right, ok := strings.Cut(line, "->")
	if !ok {
		return fmt.Errorf("expected ... -> ACTION(...)")
	}
	f := strings.Fields(left)
	def := len(f) > 0 && f[0] == "default"
	if def {
		f = f[1:]
	}
	if len(f) == 0 {
		return fmt.Errorf("expected a table")
	}
	names := make([]string, len(p.Tables))
	for i, t := range p.Tables {
		names[i] = t.Name
	}
	ti, err := find("table", names, f[0])
	if err != nil {
		return err
	}
	t := p.Tables[ti]
	var e ir.Entry
	right = strings.TrimSpace(right)
	if what, id, is := strings.Cut(right, "="); is && (what == "member" || what == "group") {
		if e.Ref = ir.RefMember; what == "group" {
			e.Ref = ir.RefGroup
		}
		if e.Target, err = word(id); err != nil {
			return err
		}
	} else if err := parseAction(t, &e, right); err != nil {
		return err
	}
	if def {
		if len(f) > 1 {
			return fmt.Errorf("a default action has no key")
		}
		content[ti].Default = e
		return nil
	}
	if err := parseKeys(t, &e, f[1:]); err != nil {
		return err
	}
	for _, o := range content[ti].Entries {
		e.Handle = max(e.Handle, o.Handle)
	}
	e.Handle++
	content[ti].Entries = append(content[ti].Entries, e)
	return nil
}

// find is the index of the name that is want, or that alone ends in .want.
func find(what string, names []string, want string) (int, error) {
	found := -1
	for i, n := range names {
		if n == want {
			return i, nil
		}
		if strings.HasSuffix(n, "."+want) {
			if found >= 0 {
				return -1, fmt.Errorf("%s %s is ambiguous: %s, %s", what, want, names[found], n)
			}
			found = i
		}
	}
	if found < 0 {
		return -1, fmt.Errorf("there is no %s %s", what, want)
	}
	return found, nil
}

func parseAction(t *ir.Table, e *ir.Entry, s string) error {
	name, rest, _ := strings.Cut(s, "(")
	names := make([]string, len(t.Actions))
	for i, a := range t.Actions {
		names[i] = a.Action.Name
	}
	i, err := find("action", names, strings.TrimSpace(name))
	if err != nil {
		return err
	}
	e.Action = i
	rest = strings.TrimSuffix(strings.TrimSpace(rest), ")")
	var args []string
	if strings.TrimSpace(rest) != "" {
		args = strings.Split(rest, ",")
	}
	ps := t.Actions[i].Action.DataParams()
	if len(args) != len(ps) {
		return fmt.Errorf("action %s takes %d arguments, not %d", names[i], len(ps), len(args))
	}
	for j, a := range args {
		v, err := number(strings.TrimSpace(a), ps[j].Type)
		if err != nil {
			return fmt.Errorf("argument %s: %w", ps[j].Name, err)
		}
		e.Args = append(e.Args, v)
	}
	return nil
}

func parseKeys(t *ir.Table, e *ir.Entry, fields []string) error {
	names := make([]string, len(t.Keys))
	for i, k := range t.Keys {
		names[i] = k.Name
	}
	given := make([]string, len(t.Keys))
	for _, f := range fields {
		k, v, ok := strings.Cut(f, "=")
		if !ok || v == "" {
			return fmt.Errorf("expected KEY=VALUE, found %q", f)
		}
		if k == "prio" {
			n, err := strconv.ParseInt(v, 0, 32)
			if err != nil {
				return fmt.Errorf("prio: %w", err)
			}
			e.Priority = int32(n)
			continue
		}
		i, err := find("key", names, k)
		if err != nil {
			return err
		}
		if given[i] != "" {
			return fmt.Errorf("key %s is given twice", names[i])
		}
		given[i] = v
	}
	for i, k := range t.Keys {
		if k.Kind == ir.MatchSelector && given[i] == "" {
			e.Match = append(e.Match, ir.Match{}) // input of the profile's hash
			continue
		}
		m, err := parseMatch(k, given[i])
		if err != nil {
			return fmt.Errorf("key %s: %w", k.Name, err)
		}
		e.Match = append(e.Match, m)
	}
	return nil
}

func parseMatch(k ir.Key, s string) (m ir.Match, err error) {
	ty := k.Expr.Type()
	w := ir.Width(ty)
	num := func(s string) []byte {
		v, e := number(s, ty)
		if e != nil && err == nil {
			err = e
		}
		return v
	}
	ones := ir.MachineBytes(big.NewInt(-1), w)
	switch k.Kind {
	case ir.MatchExact:
		if s == "" {
			return m, fmt.Errorf("an exact key must be given")
		}
		m.Value = num(s)
	case ir.MatchLPM:
		if s == "" {
			m.Value = make([]byte, len(ones))
			return m, nil
		}
		v, l, ok := strings.Cut(s, "/")
		m.Value, m.PrefixLen = num(v), w
		if ok {
			if m.PrefixLen, err = strconv.Atoi(l); err != nil || m.PrefixLen < 0 || m.PrefixLen > w {
				return m, fmt.Errorf("prefix length %q is not within 0 and %d", l, w)
			}
		}
		for i := m.PrefixLen; i < w && err == nil; i++ {
			at := len(m.Value)*8 - w + i // bit from the top of the bytes
			m.Value[at/8] &^= 0x80 >> (at % 8)
		}
	case ir.MatchTernary:
		if s == "" {
			return m, nil
		}
		v, mask, ok := strings.Cut(s, "&&&")
		m.Value, m.Mask = num(v), ones
		if ok {
			m.Mask = num(mask)
			for i := range m.Value {
				m.Value[i] &= m.Mask[i]
			}
		}
	case ir.MatchRange:
		if s == "" {
			return m, nil
		}
		lo, hi, ok := strings.Cut(s, "..")
		if !ok {
			hi = lo
		}
		m.Value, m.Mask = num(lo), num(hi)
	case ir.MatchOptional:
		if s != "" {
			m.Value = num(s)
		}
	default:
		return m, fmt.Errorf("match kind %s has no entries here", k.Kind)
	}
	return m, err
}

// number reads a value of type ty into machine form.
func number(s string, ty ir.Type) ([]byte, error) {
	w := ir.Width(ty)
	v, ok := new(big.Int).SetString(s, 0)
	switch {
	case ok:
	case s == "true" || s == "false":
		v = big.NewInt(0)
		if s == "true" {
			v.SetInt64(1)
		}
	default:
		if a, err := netip.ParseAddr(s); err == nil {
			v = new(big.Int).SetBytes(a.AsSlice())
		} else if h, err := net.ParseMAC(s); err == nil {
			v = new(big.Int).SetBytes(h)
		} else {
			return nil, fmt.Errorf("%q is no number and no address", s)
		}
	}
	lo, hi := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(w))
	if _, signed := ir.Underlying(ty).(*ir.Int); signed {
		hi.Rsh(hi, 1)
		lo.Neg(hi)
	}
	if v.Cmp(lo) < 0 || v.Cmp(hi) >= 0 {
		return nil, fmt.Errorf("%s does not fit %s", s, ty)
	}
	return ir.MachineBytes(v, w), nil
}
