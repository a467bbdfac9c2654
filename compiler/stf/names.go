package stf

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
)

// normal gives a key's name one spelling (T11): stack indices are [N], the
// validity of a header is $valid$.
func normal(name string) string {
	parts := strings.Split(strings.ReplaceAll(name, " ", ""), ".")
	for i, p := range parts {
		head, index, is := strings.Cut(p, "$")
		if is && head != "" && index != "" && strings.Trim(index, "0123456789") == "" {
			parts[i] = head + "[" + index + "]"
		}
	}
	switch last := &parts[len(parts)-1]; *last {
	case "valid", "$valid", "$valid$", "isValid()":
		*last = "$valid$"
	default:
		*last = strings.TrimSuffix(*last, "$")
	}
	return strings.Join(parts, ".")
}

// find is the index of the name that is want or alone ends in it (T10).
func find(what string, names []string, want string) (int, error) {
	if i := slices.Index(names, want); i >= 0 {
		return i, nil
	}
	var found []int
	for i, n := range names {
		if strings.HasSuffix(n, "."+want) || strings.HasSuffix(want, "."+n) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		found = flattened(names, want)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return -1, fmt.Errorf("there is no %s %s; there are %s", what, want, strings.Join(names, ", "))
	}
	return -1, fmt.Errorf("%s %s is ambiguous: %s, %s", what, want, names[found[0]], names[found[1]])
}

// flattened are the names that want means as a C identifier, the way p4c's eBPF
// back ends write names: with _ for every dot, perhaps with one before it.
func flattened(names []string, want string) (found []int) {
	for i, n := range names {
		flat := strings.ReplaceAll(n, ".", "_")
		if flat == want || "_"+flat == want || strings.HasSuffix(want, "."+flat) {
			found = append(found, i)
		}
	}
	return found
}

// cField is the N of key.fieldN, the N-th member of the C structure that p4c's eBPF
// back end makes of a table's key; -1 for other names.
func cField(name string) int {
	digits, is := strings.CutPrefix(name, "key.field")
	n, err := strconv.Atoi(digits)
	if !is || err != nil || n < 0 {
		return -1
	}
	return n
}

// withZeros adds the arguments that are not given, as zeros: members of a C structure
// that its initialiser leaves out.
func withZeros(a *ir.Action, fields []Field) []Field {
	out := slices.Clone(fields)
	for i, p := range a.DataParams() {
		given := slices.ContainsFunc(fields, func(f Field) bool { return f.Name == p.Name })
		if !given && (i >= len(fields) || fields[i].Name != "") {
			out = append(out, Field{p.Name, "0"})
		}
	}
	return out
}

// wild is a number of which some bits are any.
type wild struct {
	v, mask *big.Int
	prefix  int // of value/len; -1
	hi      *big.Int
}

// parseWild reads the value of a key of w bits (T8): decimal, 0x with *, 0b with
// *, value/len, value&&&mask, or lo..hi.
func parseWild(s string, w int) (wild, error) {
	full := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(1))
	r := wild{mask: full, prefix: -1}
	if lo, hi, is := strings.Cut(s, ".."); is {
		var err error
		if r.v, err = parseNumber(lo, w); err != nil {
			return r, err
		}
		r.hi, err = parseNumber(hi, w)
		return r, err
	}
	if v, m, is := strings.Cut(s, "&&&"); is {
		var err error
		if r.v, err = parseNumber(v, w); err != nil {
			return r, err
		}
		if r.mask, err = parseNumber(m, w); err != nil {
			return r, err
		}
		r.v.And(r.v, r.mask)
		return r, nil
	}
	if v, l, is := strings.Cut(s, "/"); is {
		n, err := strconv.Atoi(l)
		if err != nil || n < 0 || n > w {
			return r, fmt.Errorf("prefix length %q is not within 0 and %d", l, w)
		}
		if r.v, err = parseNumber(v, w); err != nil {
			return r, err
		}
		r.prefix = n
		r.mask = new(big.Int).Lsh(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(n)), big.NewInt(1)), uint(w-n))
		r.v.And(r.v, r.mask)
		return r, nil
	}
	if !strings.Contains(s, "*") {
		var err error
		r.v, err = parseNumber(s, w)
		return r, err
	}
	base, bits, digits := 16, 4, ""
	switch low := strings.ToLower(s); {
	case strings.HasPrefix(low, "0x"):
		digits = s[2:]
	case strings.HasPrefix(low, "0b"):
		base, bits, digits = 2, 1, s[2:]
	default:
		return r, fmt.Errorf("%q: only hexadecimal and binary numbers have wildcards", s)
	}
	v, ok := new(big.Int).SetString(strings.ReplaceAll(digits, "*", "0"), base)
	if !ok || v.BitLen() > w {
		return r, fmt.Errorf("%q is no number of %d bits", s, w)
	}
	mask := new(big.Int)
	for _, d := range digits {
		mask.Lsh(mask, uint(bits))
		if d != '*' {
			mask.Or(mask, big.NewInt(1<<bits-1))
		}
	}
	// Digits that are not written are zeros that count.
	if n := bits * len(digits); n < w {
		mask.Or(mask, new(big.Int).Lsh(new(big.Int).Rsh(full, uint(n)), uint(n)))
	}
	r.v, r.mask = v, mask.And(mask, full)
	return r, nil
}

func parseNumber(s string, w int) (*big.Int, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() && w == 32 {
		b := a.As4()
		return new(big.Int).SetBytes(b[:]), nil
	}
	t := strings.TrimLeft(s, "0")
	if t == "" || t[0] >= '0' && t[0] <= '9' {
		t = "0" + t // leading zeros are no octal numbers
		t = strings.TrimLeft(t, "0")
		if t == "" {
			t = "0"
		}
	} else {
		t = s
	}
	v, ok := new(big.Int).SetString(t, 0)
	if !ok || v.Sign() < 0 || v.BitLen() > w {
		return nil, fmt.Errorf("%q is no number of %d bits", s, w)
	}
	return v, nil
}

// memoryOrder turns value/len of w bits around: in the C structure of a key an lpm
// field lies in network byte order, and p4c's tests write the number that a
// little-endian machine reads there.
func memoryOrder(s string, w int) string {
	v, l, is := strings.Cut(s, "/")
	n, err := parseNumber(v, w)
	if !is || err != nil || w%8 != 0 {
		return s
	}
	b := ir.MachineBytes(n, w)
	slices.Reverse(b)
	return fmt.Sprintf("0x%x/%s", b, l)
}

// match makes the match of a key from its value; "" leaves it open.
func match(k ir.Key, s string) (ir.Match, error) {
	w := ir.Width(k.Expr.Type())
	if s == "" {
		switch k.Kind {
		case ir.MatchExact, ir.MatchSelector:
			return ir.Match{}, fmt.Errorf("an exact key must be given")
		case ir.MatchLPM:
			return ir.Match{Value: make([]byte, ir.ByteWidth(w))}, nil
		}
		return ir.Match{}, nil
	}
	x, err := parseWild(s, w)
	if err != nil {
		return ir.Match{}, err
	}
	bytes := func(v *big.Int) []byte { return ir.MachineBytes(v, w) }
	whole := x.mask.BitLen() == w && int(new(big.Int).Add(x.mask, big.NewInt(1)).TrailingZeroBits()) == w
	if w == 0 {
		whole = true
	}
	if x.hi != nil && k.Kind != ir.MatchRange {
		return ir.Match{}, fmt.Errorf("a range for a key of kind %s", k.Kind)
	}
	switch k.Kind {
	case ir.MatchExact, ir.MatchSelector:
		if !whole {
			return ir.Match{}, fmt.Errorf("wildcards in an exact key")
		}
		return ir.Match{Value: bytes(x.v)}, nil
	case ir.MatchLPM:
		n := x.prefix
		if n < 0 {
			n = 0
			for n < w && x.mask.Bit(w-1-n) == 1 {
				n++
			}
			if x.mask.Sign() != 0 && int(x.mask.TrailingZeroBits()) != w-n {
				return ir.Match{}, fmt.Errorf("the mask of %q is no prefix", s)
			}
		}
		return ir.Match{Value: bytes(x.v), PrefixLen: n}, nil
	case ir.MatchTernary:
		if x.mask.Sign() == 0 {
			return ir.Match{}, nil
		}
		return ir.Match{Value: bytes(x.v), Mask: bytes(x.mask)}, nil
	case ir.MatchOptional:
		if x.mask.Sign() == 0 {
			return ir.Match{}, nil
		}
		if !whole {
			return ir.Match{}, fmt.Errorf("an optional key is matched whole or not at all")
		}
		return ir.Match{Value: bytes(x.v)}, nil
	}
	hi := x.hi
	if hi == nil {
		hi = new(big.Int).Or(x.v, new(big.Int).Xor(x.mask, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(1))))
	}
	if x.v.Cmp(hi) > 0 {
		return ir.Match{}, fmt.Errorf("the range %s is empty", s)
	}
	return ir.Match{Value: bytes(x.v), Mask: bytes(hi)}, nil
}

// entry makes the entry of an Add or SetDefault for table t.
func entry(t *ir.Table, c *Command) (ir.Entry, error) {
	e := ir.Entry{Ref: c.Ref, Target: c.Target}
	if c.Ref == ir.RefNone {
		if err := entryAction(&e, t, c); err != nil {
			return e, err
		}
	}
	if c.Kind == SetDefault {
		return e, nil
	}
	if err := entryKeys(&e, t, c); err != nil {
		return e, err
	}
	if t.NeedsPriority() {
		e.Priority = int32(c.Priority) // the larger one wins (T9)
	}
	return e, nil
}

func entryAction(e *ir.Entry, t *ir.Table, c *Command) error {
	names := make([]string, len(t.Actions))
	for i, a := range t.Actions {
		names[i] = passes.ControlName(a.Action)
	}
	var err error
	if e.Action, err = find("action", names, c.Action); err != nil {
		return err
	}
	a := t.Actions[e.Action].Action
	args := c.Args
	if slices.ContainsFunc(c.Keys, func(f Field) bool { return cField(f.Name) >= 0 }) {
		args = withZeros(a, args)
	}
	e.Args, err = arguments(a, args)
	return err
}

func entryKeys(e *ir.Entry, t *ir.Table, c *Command) error {
	keys := make([]string, len(t.Keys))
	for i, k := range t.Keys {
		keys[i] = normal(k.Name)
	}
	values := make([]string, len(t.Keys))
	for _, f := range c.Keys {
		i, err := find("key", keys, normal(f.Name))
		if n := cField(f.Name); err != nil && n >= 0 && n < len(keys) {
			i, err = n, nil
			if t.Keys[n].Kind == ir.MatchLPM {
				f.Value = memoryOrder(f.Value, ir.Width(t.Keys[n].Expr.Type()))
			}
		}
		if err != nil {
			return err
		}
		if values[i] != "" {
			return fmt.Errorf("key %s is given twice", t.Keys[i].Name)
		}
		values[i] = f.Value
	}
	for i, k := range t.Keys {
		if k.Kind == ir.MatchSelector {
			e.Match = append(e.Match, ir.Match{}) // input of a hash, no match
			continue
		}
		m, err := match(k, values[i])
		if err != nil {
			return fmt.Errorf("key %s: %w", k.Name, err)
		}
		e.Match = append(e.Match, m)
	}
	return nil
}

func arguments(a *ir.Action, fields []Field) ([][]byte, error) {
	ps := a.DataParams()
	out := make([][]byte, len(ps))
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = p.Name
	}
	for at, f := range fields {
		i, err := at, error(nil)
		if f.Name != "" {
			i, err = find("parameter", names, f.Name)
		} else if at >= len(ps) {
			err = fmt.Errorf("argument %s is one too many", f.Value)
		}
		if err != nil {
			return nil, err
		}
		w := ir.Width(ps[i].Type)
		v, err := parseNumber(f.Value, w)
		if err != nil {
			return nil, fmt.Errorf("argument %s: %w", f.Name, err)
		}
		out[i] = ir.MachineBytes(v, w)
	}
	for i, b := range out {
		if b == nil {
			return nil, fmt.Errorf("argument %s is missing", names[i])
		}
	}
	return out, nil
}
