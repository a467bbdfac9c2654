package ebpf

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Classes is the engine for ternary, range and optional keys, and lpm and exact
// beside them, in any number.
//
// The keys are cut into chunks of at most 16 bits: range keys into chunks of their
// own, the others' remainders share. For each chunk a table gives the class of its
// value; values that the same rules accept are in one class, and a class has a row
// of bits, one a rule in order of precedence. The rules that match a key are the
// rows of its classes, ANDed; a row begins with summary words, one bit for each of
// its 64-bit words that is not zero, so that a look-up ANDs only the words that can
// matter, and the lowest bit of the first that is not zero is the rule. An entry
// is one rule; where it has ranges over several chunks it is as many as their
// products take.
//
// Up to smallRules entries are scanned as rows instead (Linear): a word in the
// arena tells which of the two forms holds, and changes from one to the other as
// the table does.
//
// The arena: the control word of Linear, whose bit 31 means classes; a table for
// counting trailing zeros; Linear's rows; then two halves of classes, of which
// bit 33 of the control word names the one in use. A half is: for each chunk where
// its rows begin (u32, an index of rows); for each chunk its classes (u16); the
// rules' handles (u32); the rows. What changes is written to the half that is not
// in use, then the control word makes it the other, then a grace period passes
// before the next change.
type Classes struct {
	keyLayout
	Arena *MapSpec
	small *Linear

	chunks   []chunk
	summary  int    // summary words of a row; 64 words follow for each
	size     uint32 // of the table
	planned  uint64 // entries
	entries  int    // of the hint
	scanned  bool   // there are no classes yet
	narrow   bool   // keys under a mask are cut by 8 bits
	clipped  bool   // more rows were asked for than the kernel takes
	rules    uint32 // capacity
	rows     uint32 // capacity, of all chunks
	tablesAt []int  // by chunk, in a half
	handles  int    // in a half
	rowsAt   int
	half     int // size
	halfAt   int // of half 0 in the arena
}

// chunk is up to 16 bits of the keys.
type chunk struct {
	bits   int
	pieces []chunkPiece
	rng    int    // range key + 1; 0: keys under a mask
	part   int    // of a range key: chunks below this one
	flip   uint16 // bits that are inverted: the sign of int<W>
}

// chunkPiece puts Width bits of a key, from bit Off on, at bit Shift of a chunk.
type chunkPiece struct {
	Key, Off, Width, Shift int
}

const (
	smallRules    = 32
	maxClassRules = 1 << 14
	// maxChunks leaves room on the stack for what calls the function.
	maxChunks = 28
	// maxProducts bounds the rules of one entry.
	maxProducts = 1 << 10

	classesBit  = 1 << 31 // of the control word
	halfShift   = 33
	ctzAt       = 64 // in the arena
	smallAt     = 128
	deBruijn    = 0x03f79d71b4cb0a89
	maxArenaLen = 1<<29 - 1<<20
)

// newClasses plans the engine; nil where the keys are too wide for it. hint.Units,
// where not 0, is the number of rows that content asked for.
func newClasses(t *Table, kl keyLayout, hint Hint) *Classes {
	e := &Classes{keyLayout: kl, narrow: hint.Narrow, size: t.Size}
	units := hint.Units
	e.cut()
	if len(e.chunks) > maxChunks {
		return nil
	}
	e.planned = uint64(t.Size)
	e.entries = hint.Entries
	if hint.Entries > 0 {
		e.planned = min(e.planned, max(4*uint64(hint.Entries), 512))
		e.scanned = hint.Entries <= smallRules && hint.Units == 0 && !hint.Narrow
	}
	// Ranges over several chunks take several rules.
	rules := e.planned
	for _, c := range e.chunks {
		if c.rng > 0 && c.part > 0 {
			rules += e.planned
		}
	}
	rules = min(rules, maxClassRules)
	e.summary = int(rules+4095) / 4096
	e.rules = uint32(64 * 64 * e.summary)
	if units == 0 {
		for _, c := range e.chunks {
			units += uint32(min(1<<c.bits, rules+rules/4+2))
		}
	}
	e.rows = units
	small := newLinearOf(t, kl, smallRules)
	at := (smallAt + 2*small.Capacity*small.RowSize + lineSize - 1) &^ (lineSize - 1)
	e.halfAt = at
	off := (4*len(e.chunks) + lineSize - 1) &^ (lineSize - 1)
	for _, c := range e.chunks {
		e.tablesAt = append(e.tablesAt, off)
		off += max(2<<c.bits, lineSize)
	}
	e.handles = off
	off += 4 * int(e.rules)
	e.rowsAt = off
	room := ((maxArenaLen-at)/2 - off) / e.rowSize()
	e.clipped = int(e.rows) > room
	e.rows = uint32(min(int(e.rows), room))
	e.half = off + int(e.rows)*e.rowSize()
	if e.scanned {
		e.half, e.rules = 0, smallRules
	}
	e.Arena = &MapSpec{Name: "classes:" + t.IR.Name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(at + 2*e.half),
		MaxEntries: 1, Flags: fMmapable, Role: Content}
	small.Rows, small.Control, small.rowsAt = e.Arena, e.Arena, smallAt
	e.small = small
	return e
}

func (e *Classes) rowSize() int { return 8 * 65 * e.summary }

// cut divides the keys into chunks: whole ones first, then what is left over.
func (e *Classes) cut() {
	var rest []chunkPiece
	for i, w := range e.width {
		k := e.table.Keys[i]
		whole := 16
		if e.narrow && k.Kind != ir.MatchRange {
			whole = 8
		}
		off, part := 0, 0
		for ; off < w; off, part = off+whole, part+1 {
			n := min(whole, w-off)
			c := chunk{bits: n, pieces: []chunkPiece{{Key: i, Off: off, Width: n}}, part: part}
			switch {
			case k.Kind == ir.MatchRange:
				c.rng = i + 1
				if _, signed := ir.Underlying(k.Expr.Type()).(*ir.Int); signed && off+n == w {
					c.flip = 1 << (n - 1)
				}
			case n < whole:
				rest = append(rest, c.pieces[0])
				continue
			}
			e.chunks = append(e.chunks, c)
		}
	}
	slices.SortStableFunc(rest, func(a, b chunkPiece) int { return b.Width - a.Width })
	whole, share := len(e.chunks), 16
	if e.narrow {
		share = 8
	}
	for _, p := range rest {
		at := slices.IndexFunc(e.chunks[whole:], func(c chunk) bool { return c.bits+p.Width <= share })
		if at < 0 {
			at = len(e.chunks) - whole
			e.chunks = append(e.chunks, chunk{})
		}
		c := &e.chunks[whole+at]
		p.Shift = c.bits
		c.bits += p.Width
		c.pieces = append(c.pieces, p)
	}
}

// Kind is KindClasses.
func (e *Classes) Kind() Kind { return KindClasses }

// Maps lists Arena.
func (e *Classes) Maps() []*MapSpec { return []*MapSpec{e.Arena} }

// bitsOf gives n bits, at most 16, of a big-endian byte string from bit off on,
// counted from the last.
func bitsOf(b []byte, off, n int) uint16 {
	v := uint32(0)
	for i := range 3 {
		if k := len(b) - 1 - off/8 - i; k >= 0 {
			v |= uint32(b[k]) << (8 * i)
		}
	}
	return uint16(v >> (off % 8) & (1<<n - 1))
}

// value gives a chunk of a key.
func (c *chunk) value(key [][]byte) uint16 {
	v := uint16(0)
	for _, p := range c.pieces {
		v |= bitsOf(key[p.Key], p.Off, p.Width) << p.Shift
	}
	return v ^ c.flip
}

// classCond is what a rule asks of a chunk: lo <= value <= hi, or, where mask is
// not 0, value & mask == lo.
type classCond struct{ lo, hi, mask uint16 }

// conditions gives, for each rule of an entry, a condition a chunk.
func (e *Classes) conditions(en *ir.Entry) ([][]classCond, error) {
	if len(en.Match) != len(e.width) {
		return nil, fmt.Errorf("table %s: entry has %d matches, the key %d fields", e.table.Name, len(en.Match), len(e.width))
	}
	base := make([]classCond, len(e.chunks))
	var ranges []int // keys
	for i, c := range e.chunks {
		full := uint16(1<<c.bits - 1)
		base[i] = classCond{hi: full}
		if c.rng > 0 {
			if c.part == 0 && en.Match[c.rng-1].Mask != nil {
				ranges = append(ranges, c.rng-1)
			}
			continue
		}
		var v, m uint16
		for _, p := range c.pieces {
			value, mask := e.maskedBytes(&en.Match[p.Key], p.Key)
			v |= bitsOf(value, p.Off, p.Width) << p.Shift
			m |= bitsOf(mask, p.Off, p.Width) << p.Shift
		}
		v &= m
		if free := full &^ m; free&(free+1) == 0 {
			base[i] = classCond{lo: v, hi: v | free} // a prefix
		} else {
			base[i] = classCond{lo: v, mask: m}
		}
	}
	out := [][]classCond{base}
	for _, k := range ranges {
		parts := e.products(k, &en.Match[k])
		if len(out)*len(parts) > maxProducts {
			return nil, fmt.Errorf("table %s: its ranges take more than %d rules: %w", e.table.Name, maxProducts, ErrNoRoom)
		}
		var next [][]classCond
		for _, conds := range out {
			for _, p := range parts {
				n := slices.Clone(conds)
				for i, c := range e.chunks {
					if c.rng == k+1 {
						n[i] = p[c.part]
					}
				}
				next = append(next, n)
			}
		}
		out = next
	}
	return out, nil
}

// products cuts a range into products of ranges of its chunks, the lowest chunk
// first; none where it is empty.
func (e *Classes) products(key int, m *ir.Match) [][]classCond {
	var lo, hi, full []uint16
	for _, c := range e.chunks {
		if c.rng == key+1 {
			p := c.pieces[0]
			lo = append(lo, bitsOf(m.Value, p.Off, p.Width)^c.flip)
			hi = append(hi, bitsOf(m.Mask, p.Off, p.Width)^c.flip)
			full = append(full, 1<<c.bits-1)
		}
	}
	var cut func(lo, hi []uint16) [][]classCond
	cut = func(lo, hi []uint16) [][]classCond {
		n := len(lo) - 1
		l, h := lo[n], hi[n]
		if l > h {
			return nil
		}
		if n == 0 {
			return [][]classCond{{{lo: l, hi: h}}}
		}
		with := func(below [][]classCond, l, h uint16) (out [][]classCond) {
			for _, b := range below {
				out = append(out, append(slices.Clone(b), classCond{lo: l, hi: h}))
			}
			return out
		}
		zero := make([]uint16, n)
		if l == h {
			return with(cut(lo[:n], hi[:n]), l, l)
		}
		var out [][]classCond
		if !slices.Equal(lo[:n], zero) {
			out = with(cut(lo[:n], full[:n]), l, l)
			l++
		}
		top := h
		partial := !slices.Equal(hi[:n], full[:n])
		if partial {
			top--
		}
		if int(l) <= int(top) && !(partial && h == 0) {
			out = append(out, with(cut(zero, full[:n]), l, top)...)
		}
		if partial {
			out = append(out, with(cut(zero, hi[:n]), h, h)...)
		}
		return out
	}
	return cut(lo, hi)
}

// maskedBytes turns a match of any kind but range into value and mask.
func (e *Classes) maskedBytes(m *ir.Match, key int) (value, mask []byte) {
	w := e.width[key]
	n := ir.ByteWidth(w)
	switch e.table.Keys[key].Kind {
	case ir.MatchTernary:
		return m.Value, m.Mask
	case ir.MatchLPM:
		return m.Value, limbsToBytes(prefixMask(w, m.PrefixLen), w)
	case ir.MatchOptional:
		if m.Value == nil {
			return nil, nil
		}
	}
	return m.Value, slices.Repeat([]byte{0xff}, n)
}
