package entity

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// IndexKey identifies an entry in its table: packed key and priority (p4rt:T5).
func IndexKey(key string, priority int32) string {
	if priority == 0 {
		return key
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(priority))
	return key + string(b[:])
}

// NewKey is a packed key with every field don't care (exact fields zero).
func (t *Table) NewKey() []byte { return newKey(t.Fields, t.KeySize) }

func newKey(fields []Field, size int) []byte {
	key := make([]byte, size)
	for i := range fields {
		if f := &fields[i]; f.Kind == ir.MatchRange {
			ones(key[f.off+f.n:f.off+2*f.n], f.Width)
		}
	}
	return key
}

func (f *Field) put(key, a, b []byte) {
	copy(key[f.off:], a)
	copy(key[f.off+f.n:], b)
}

// Type is the P4 type of the field, for messages.
func (f *Field) Type() string { return typeText(f.Width, f.Signed) }

// Type is the P4 type of the parameter, for messages.
func (p *Param) Type() string { return typeText(p.Width, p.Signed) }

func typeText(w int, signed bool) string {
	if signed {
		return fmt.Sprintf("int<%d>", w)
	}
	return fmt.Sprintf("bit<%d>", w)
}

func appendScalar(dst, v []byte, w int, signed bool, what string) ([]byte, error) {
	var ok bool
	if signed {
		dst, ok = AppendInt(dst, v, w)
	} else {
		dst, ok = AppendBits(dst, v, w)
	}
	switch {
	case ok:
		return dst, nil
	case len(v) == 0:
		return dst, Errorf(OutOfRange, "%s is an empty string", what)
	}
	return dst, Errorf(OutOfRange, "%s %s does not fit %s", what, Hex(v), typeText(w, signed))
}

func (f *Field) value(at int, key, v []byte, what string) error {
	_, err := appendScalar(key[:at:at+f.n], v, f.Width, f.Signed, what)
	return err
}

// The Set functions put one field's match into a packed key. Values are
// big-endian of any length (p4rt:B1). Errors are *Error and do not name the
// field. A match that is don't care is refused: it is written by leaving the
// field out (p4rt:M5).

// SetExact puts an exact match.
func (f *Field) SetExact(key, v []byte) error { return f.value(f.off, key, v, "value") }

// SetOptional puts an optional match.
func (f *Field) SetOptional(key, v []byte) error {
	if err := f.value(f.off+1, key, v, "value"); err != nil {
		return err
	}
	key[f.off] = 1
	return nil
}

// SetLPM puts a prefix.
func (f *Field) SetLPM(key, v []byte, plen int32) error {
	if plen == 0 {
		return Errorf(Invalid, "prefix length 0 is don't care: leave the field out")
	}
	if plen < 0 || int(plen) > f.Width {
		return Errorf(Invalid, "prefix length %d is not in 1..%d", plen, f.Width)
	}
	if err := f.value(f.off, key, v, "value"); err != nil {
		return err
	}
	got := key[f.off : f.off+f.n]
	host := f.Width - int(plen) // low bits that must be zero
	for i := f.n - 1; i >= 0 && host > 0; i, host = i-1, host-8 {
		mask := byte(0xff)
		if host < 8 {
			mask = 1<<host - 1
		}
		if got[i]&mask != 0 {
			return Errorf(Invalid, "value %s has bits beyond prefix length %d", Hex(got), plen)
		}
	}
	binary.BigEndian.PutUint16(key[f.off+f.n:], uint16(plen))
	return nil
}

// SetTernary puts a value under a mask.
func (f *Field) SetTernary(key, v, mask []byte) error {
	if err := f.value(f.off, key, v, "value"); err != nil {
		return err
	}
	if err := f.value(f.off+f.n, key, mask, "mask"); err != nil {
		return err
	}
	val, m := key[f.off:f.off+f.n], key[f.off+f.n:f.off+2*f.n]
	if isZero(m) {
		return Errorf(Invalid, "mask 0 is don't care: leave the field out")
	}
	for i := range val {
		if val[i]&^m[i] != 0 {
			return Errorf(Invalid, "value %s has bits outside mask %s", Hex(val), Hex(m))
		}
	}
	return nil
}

// SetRange puts low <= key <= high.
func (f *Field) SetRange(key, low, high []byte) error {
	if err := f.value(f.off, key, low, "low"); err != nil {
		return err
	}
	if err := f.value(f.off+f.n, key, high, "high"); err != nil {
		return err
	}
	lo, hi := key[f.off:f.off+f.n], key[f.off+f.n:f.off+2*f.n]
	if bytes.Compare(lo, hi) > 0 {
		return Errorf(Invalid, "low %s is above high %s", Hex(lo), Hex(hi))
	}
	if f.fullRange(lo, hi) {
		return Errorf(Invalid, "the full range is don't care: leave the field out")
	}
	return nil
}

func (f *Field) fullRange(lo, hi []byte) bool {
	all := make([]byte, f.n)
	ones(all, f.Width)
	return isZero(lo) && bytes.Equal(hi, all)
}

// Get takes the field's match out of a packed key; ok is false for don't care.
// The slices alias key.
func (f *Field) Get(key []byte) (m ir.Match, ok bool) {
	a := key[f.off : f.off+f.n : f.off+f.n]
	switch f.Kind {
	case ir.MatchExact:
		return ir.Match{Value: a}, true
	case ir.MatchLPM:
		plen := int(binary.BigEndian.Uint16(key[f.off+f.n:]))
		return ir.Match{Value: a, PrefixLen: plen}, plen != 0
	case ir.MatchTernary:
		mask := key[f.off+f.n : f.off+2*f.n : f.off+2*f.n]
		if isZero(mask) {
			return ir.Match{}, false
		}
		return ir.Match{Value: a, Mask: mask}, true
	case ir.MatchRange:
		hi := key[f.off+f.n : f.off+2*f.n : f.off+2*f.n]
		if f.fullRange(a, hi) {
			return ir.Match{}, false
		}
		return ir.Match{Value: a, Mask: hi}, true
	default: // optional
		if key[f.off] == 0 {
			return ir.Match{}, false
		}
		return ir.Match{Value: key[f.off+1 : f.off+1+f.n : f.off+1+f.n]}, true
	}
}

// Machine gives the entry in the form that engines take.
func (t *Table) Machine(e *Entry) ir.Entry {
	f := Former{Expect: 1}
	return f.Machine(t, e)
}

// Former gives entries their machine form with few allocations. What it gave
// stays as it is.
type Former struct {
	Expect  int // about how many entries will come
	matches []ir.Match
	args    [][]byte
	bytes   []byte
}

// formerBlock is how many entries share an allocation at most.
const formerBlock = 512

// take cuts n elements off a block.
func take[T any](f *Former, block *[]T, n int) []T {
	if len(*block) < n {
		*block = make([]T, n*min(max(f.Expect, 1), formerBlock))
	}
	out := (*block)[:n:n]
	*block = (*block)[n:]
	return out
}

// Machine is Table.Machine. Nothing of it refers to e's strings.
func (f *Former) Machine(t *Table, e *Entry) ir.Entry {
	out := ir.Entry{Handle: e.Handle, Priority: e.Priority, Action: int(e.Action)}
	if e.Extra != nil && t.IdleTimeout {
		out.IdleTimeout = uint64(e.Extra.IdleTimeout)
	}
	var params []Param
	if int(e.Action) < len(t.Actions) {
		params = t.Actions[e.Action].Params
	} else {
		out.Action = 0
		out.Ref, out.Target = t.Ref(e)
	}
	raw := take(f, &f.bytes, len(e.Key)+len(e.Args))
	key, args := raw[:len(e.Key):len(e.Key)], raw[len(e.Key):]
	copy(key, e.Key)
	copy(args, e.Args)
	if e.Handle != 0 {
		out.Match = take(f, &f.matches, len(t.IR.Keys))
		fi := 0
		for i := range t.IR.Keys {
			if t.IR.Keys[i].Kind == ir.MatchSelector {
				continue
			}
			out.Match[i], _ = t.Fields[fi].Get(key)
			fi++
		}
	}
	if len(params) > 0 {
		out.Args = take(f, &f.args, len(params))
		for i := range params {
			out.Args[i] = params[i].Get(args)
		}
	}
	f.Expect--
	return out
}

// Get takes the parameter's machine form out of packed arguments.
func (p *Param) Get(args []byte) []byte { return args[p.off : p.off+p.n : p.off+p.n] }

// Set puts a big-endian value of any length into packed arguments. Errors are
// *Error and do not name the parameter.
func (p *Param) Set(args, v []byte) error {
	_, err := appendScalar(args[:p.off:p.off+p.n], v, p.Width, p.Signed, "value")
	return err
}

// Canonical is the field's value in the form protocols carry.
func (f *Field) Canonical(v []byte) []byte { return canonical(v, f.Width, f.Signed) }

// Canonical is the parameter's value in the form protocols carry.
func (p *Param) Canonical(v []byte) []byte { return canonical(v, p.Width, p.Signed) }

func canonical(v []byte, w int, signed bool) []byte {
	if signed {
		return CanonicalInt(v, w)
	}
	return Canonical(v)
}

// FormatKey shows a packed key and priority for messages.
func (t *Table) FormatKey(key string, priority int32) string {
	var b strings.Builder
	raw := []byte(key)
	for i := range t.Fields {
		f := &t.Fields[i]
		m, ok := f.Get(raw)
		if !ok {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Name + "=" + Hex(m.Value))
		switch f.Kind {
		case ir.MatchLPM:
			fmt.Fprintf(&b, "/%d", m.PrefixLen)
		case ir.MatchTernary:
			b.WriteString("&&&" + Hex(m.Mask))
		case ir.MatchRange:
			b.WriteString(".." + Hex(m.Mask))
		}
	}
	if b.Len() == 0 {
		b.WriteString("(any)")
	}
	if priority != 0 {
		fmt.Fprintf(&b, " priority %d", priority)
	}
	return b.String()
}

// ones writes the largest value of w bits.
func ones(b []byte, w int) {
	for i := range b {
		b[i] = 0xff
	}
	if w%8 != 0 && len(b) > 0 {
		b[0] = 1<<(w%8) - 1
	}
}

// prefixLen is the number of leading ones of the w-bit mask m; ok is false where
// a one follows a zero.
func prefixLen(m []byte, w int) (n int, ok bool) {
	zero := false
	for bit := w - 1; bit >= 0; bit-- {
		set := m[len(m)-1-bit/8]>>(bit%8)&1 != 0
		switch {
		case set && zero:
			return 0, false
		case set:
			n++
		default:
			zero = true
		}
	}
	return n, true
}
