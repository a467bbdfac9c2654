package ebpf

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// maxLinearRows bounds the scan: the verifier walks every row. A larger table takes
// as many entries and refuses the others one by one.
const maxLinearRows = 1024

// Linear is the engine for ternary, range and optional keys, and lpm beside them: an
// array of rows in order of precedence, scanned until one matches.
//
// Two maps: Rows, one value of two halves of Capacity rows each, and Control, one
// u64 word: count of rows in the low 32 bits, active half (0 or 1) in bit 32. To
// change anything: write the other half with EncodeRows at HalfOffset, then
// store ControlWord as one aligned word, then wait for a grace period before
// that other half is written again.
//
// A row is a list of native-endian u64 words. Keys that are matched under a mask
// (exact, lpm, ternary, optional) are packed into masked words, each taking two
// words of the row, value and mask; then every limb of the range keys has its
// lower and upper bound; the last word is the handle. Ranges compare unsigned:
// keys and bounds of int<W> have their sign bit inverted, which keeps the order.
type Linear struct {
	keyLayout
	Rows, Control *MapSpec
	Capacity      int // rows in a half
	RowSize       int // bytes

	masked int        // masked words
	pieces []piece    // where the limbs of masked keys lie
	ranges []rangeKey // range keys, in order
	words  int        // words to compare: masked words, then limbs of range keys
	rowsAt int        // where the rows begin in Rows
}

// piece puts limb Limb (index among the limbs of all keys) at bit Shift of
// masked word Word.
type piece struct {
	Key, Limb, Sub int
	Word, Shift    int
	Width          int
}

// rangeKey is a range key: bounds start at row word Word, for each limb lo and hi.
type rangeKey struct {
	Key, Limb, N int
	Width        int
	Word         int    // in a row
	Arg          int    // of the words to compare
	Flip         uint64 // bits of the first limb that are inverted: the sign of int<W>
}

func newLinear(t *Table, kl keyLayout) *Linear {
	e := newLinearOf(t, kl, int(min(t.Size, maxLinearRows)))
	e.Rows = &MapSpec{Name: "rows:" + t.IR.Name, Type: ebpf.Array, KeySize: 4,
		ValueSize: uint32(2 * e.Capacity * e.RowSize), MaxEntries: 1, Flags: fMmapable, Role: Content}
	e.Control = &MapSpec{Name: "ctl:" + t.IR.Name, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: fMmapable, Role: Content}
	return e
}

// newLinearOf plans rows, without the maps that they lie in.
func newLinearOf(t *Table, kl keyLayout, capacity int) *Linear {
	e := &Linear{keyLayout: kl, Capacity: capacity}
	n := 0
	var fill []int // bits used in each masked word
	for i, w := range kl.width {
		ls := limbsOf(w)
		if t.IR.Keys[i].Kind == ir.MatchRange {
			r := rangeKey{Key: i, Limb: n, N: len(ls), Width: w}
			if _, signed := ir.Underlying(t.IR.Keys[i].Expr.Type()).(*ir.Int); signed {
				r.Flip = 1 << (ls[0].Width - 1)
			}
			e.ranges = append(e.ranges, r)
		} else {
			for j, lb := range ls {
				at := slices.IndexFunc(fill, func(used int) bool { return used+lb.Width <= 64 })
				if at < 0 {
					at = len(fill)
					fill = append(fill, 0)
				}
				e.pieces = append(e.pieces, piece{Key: i, Limb: n + j, Sub: j, Word: at, Shift: fill[at], Width: lb.Width})
				fill[at] += lb.Width
			}
		}
		n += len(ls)
	}
	e.masked = len(fill)
	words := 2 * e.masked
	e.words = e.masked
	for i := range e.ranges {
		e.ranges[i].Word = words
		words += 2 * e.ranges[i].N
		e.ranges[i].Arg = e.words
		e.words += e.ranges[i].N
	}
	e.RowSize = 8 * (words + 1)
	return e
}

// Kind is KindLinear.
func (e *Linear) Kind() Kind { return KindLinear }

// Maps lists Rows and Control.
func (e *Linear) Maps() []*MapSpec { return []*MapSpec{e.Rows, e.Control} }

// HalfOffset is the byte offset of a half (0 or 1) in the value of Rows.
func (e *Linear) HalfOffset(half int) int { return half * e.Capacity * e.RowSize }

// ControlWord makes count rows of a half the active ones.
func (e *Linear) ControlWord(half, count int) uint64 {
	return uint64(half&1)<<32 | uint64(uint32(count))
}

// Active reads a control word.
func (e *Linear) Active(word uint64) (half, count int) {
	return int(word>>32) & 1, int(uint32(word))
}

// EncodeRows gives the rows of a half in order of precedence: higher priority
// first, in tables without priorities longer prefixes; then lower handles.
func (e *Linear) EncodeRows(entries []ir.Entry) ([]byte, error) {
	if len(entries) > e.Capacity {
		return nil, fmt.Errorf("table %s: %d entries, room for %d", e.table.Name, len(entries), e.Capacity)
	}
	order := make([]*ir.Entry, len(entries))
	for i := range entries {
		order[i] = &entries[i]
	}
	byPriority := e.table.NeedsPriority()
	slices.SortStableFunc(order, func(a, b *ir.Entry) int {
		first := e.prefixBits(b) - e.prefixBits(a)
		if byPriority {
			first = cmp.Compare(b.Priority, a.Priority)
		}
		return cmp.Or(first, cmp.Compare(a.Handle, b.Handle))
	})
	out := make([]byte, 0, len(order)*e.RowSize)
	for _, en := range order {
		row, err := e.encodeRow(en)
		if err != nil {
			return nil, err
		}
		for _, w := range row {
			out = nativeEndian.AppendUint64(out, w)
		}
	}
	return out, nil
}

func (e *Linear) prefixBits(en *ir.Entry) int {
	n := 0
	for i := range en.Match {
		if i < len(e.table.Keys) && e.table.Keys[i].Kind == ir.MatchLPM {
			n += en.Match[i].PrefixLen
		}
	}
	return n
}

func (e *Linear) encodeRow(en *ir.Entry) ([]uint64, error) {
	if len(en.Match) != len(e.width) {
		return nil, fmt.Errorf("table %s: entry has %d matches, the key %d fields", e.table.Name, len(en.Match), len(e.width))
	}
	row := make([]uint64, e.RowSize/8)
	for _, p := range e.pieces {
		value, mask := e.maskedForm(&en.Match[p.Key], p.Key)
		row[2*p.Word] |= (value[p.Sub] & mask[p.Sub]) << p.Shift
		row[2*p.Word+1] |= mask[p.Sub] << p.Shift
	}
	for _, r := range e.ranges {
		m := &en.Match[r.Key]
		w := e.width[r.Key]
		lo, hi := make([]uint64, r.N), onesOf(w)
		if m.Mask != nil {
			lo, hi = bytesToLimbs(m.Value, w), bytesToLimbs(m.Mask, w)
			lo[0] ^= r.Flip
			hi[0] ^= r.Flip
		}
		for j := range r.N {
			row[r.Word+2*j], row[r.Word+2*j+1] = lo[j], hi[j]
		}
	}
	row[len(row)-1] = uint64(en.Handle)
	return row, nil
}

// maskedForm turns a match of any kind but range into value and mask.
func (e *Linear) maskedForm(m *ir.Match, key int) (value, mask []uint64) {
	w := e.width[key]
	value = bytesToLimbs(m.Value, w)
	switch e.table.Keys[key].Kind {
	case ir.MatchLPM:
		mask = prefixMask(w, m.PrefixLen)
	case ir.MatchTernary:
		mask = bytesToLimbs(m.Mask, w)
	case ir.MatchOptional:
		if m.Value == nil {
			mask = make([]uint64, len(value))
		} else {
			mask = onesOf(w)
		}
	default:
		mask = onesOf(w)
	}
	return value, mask
}

func onesOf(w int) []uint64 {
	ls := limbsOf(w)
	out := make([]uint64, len(ls))
	for i, l := range ls {
		out[i] = maskOf(l.Width)
	}
	return out
}

// prefixMask has the top n of w bits set.
func prefixMask(w, n int) []uint64 {
	ls := limbsOf(w)
	out := make([]uint64, len(ls))
	for i, l := range ls {
		take := min(max(n, 0), l.Width)
		out[i] = maskOf(l.Width) &^ maskOf(l.Width-take)
		n -= take
	}
	return out
}

// DecodeRows reads rows back, for tests and dumps: masked keys as value and
// mask, ranges as bounds. Priorities are not in the rows.
func (e *Linear) DecodeRows(b []byte) ([]ir.Entry, error) {
	if len(b)%e.RowSize != 0 {
		return nil, fmt.Errorf("table %s: %d bytes are no whole rows of %d", e.table.Name, len(b), e.RowSize)
	}
	var out []ir.Entry
	for row := range slices.Chunk(b, e.RowSize) {
		word := func(i int) uint64 { return nativeEndian.Uint64(row[8*i:]) }
		value, mask := make([][]uint64, len(e.width)), make([][]uint64, len(e.width))
		for i, w := range e.width {
			value[i], mask[i] = make([]uint64, len(limbsOf(w))), make([]uint64, len(limbsOf(w)))
		}
		for _, p := range e.pieces {
			value[p.Key][p.Sub] = word(2*p.Word) >> p.Shift & maskOf(p.Width)
			mask[p.Key][p.Sub] = word(2*p.Word+1) >> p.Shift & maskOf(p.Width)
		}
		for _, r := range e.ranges {
			for j := range r.N {
				value[r.Key][j], mask[r.Key][j] = word(r.Word+2*j), word(r.Word+2*j+1)
			}
			value[r.Key][0] ^= r.Flip
			mask[r.Key][0] ^= r.Flip
		}
		en := ir.Entry{Handle: uint32(word(e.RowSize/8 - 1)), Match: make([]ir.Match, len(e.width))}
		for i, w := range e.width {
			en.Match[i] = ir.Match{Value: limbsToBytes(value[i], w), Mask: limbsToBytes(mask[i], w)}
		}
		out = append(out, en)
	}
	return out, nil
}
