package ebpf

import (
	"math/bits"
	"slices"
)

// trieChange gives the slots of one prefix a leaf.
//
// New nodes are written before anything that packets reach is changed, from the
// longest to the shortest; then one store makes them reachable, and what they
// replace is retired. So a change that finds no memory has changed nothing.
type trieChange struct {
	w        *trieWriter
	p        *prefix
	n        int    // its length
	to       uint32 // the leaf
	insert   bool   // else delete: cells with the leaf from get to
	from     uint32
	fresh    []trieBlock // written and not reachable yet
	obsolete []trieBlock // not reachable when all is done
}

type trieBlock struct {
	line  uint32
	bytes int
	full  bool
}

// change makes p's slots lead to handle, or, where insert is false, those that
// lead to from lead to to.
func (w *trieWriter) change(p *prefix, insert bool, from, to uint32) error {
	c := trieChange{w: w, p: p, n: int(p.len) - 1, to: to, insert: insert, from: from}
	if err := c.run(); err != nil {
		for _, b := range c.fresh {
			w.a.release(b.line, b.bytes)
			w.full -= b.count()
		}
		return err
	}
	for _, b := range c.obsolete {
		w.a.retire(b.line, b.bytes)
		w.full -= b.count()
	}
	return nil
}

func (b trieBlock) count() uint32 {
	if b.full {
		return 1
	}
	return 0
}

func (c *trieChange) run() error {
	if c.w.e.exactBits == 0 {
		return c.inFull(0, 0, 0)
	}
	off := rootCell(c.p.root)
	was := c.w.a.load(off)
	cell, err := c.at(was, 0, 0)
	if err == nil && cell != was {
		c.w.a.store(off, cell)
	}
	return err
}

// accept tells whether a leaf gets c.to.
func (c *trieChange) accept(leaf uint32) bool {
	if c.insert {
		return c.w.lengthOf(leaf) < c.n
	}
	return leaf == c.from
}

// at makes the change in what a cell leads to, whose slots lie at bit at of the
// key, and gives the cell to store in its place, which may be the same.
func (c *trieChange) at(cell uint32, at, depth int) (uint32, error) {
	if c.n <= at && cell&nodeBit == 0 {
		if c.accept(cell) {
			return c.to, nil
		}
		return cell, nil
	}
	if c.n <= at {
		c.all(cell)
		return cell, nil
	}
	if form(cell) == formFull {
		return cell, c.inFull(cell&lineMask, at, depth)
	}
	w, stride := c.w, 8
	if w.e.wide() {
		stride = 16
	}
	lo := bitsAt(c.p.hi, c.p.lo, at, stride)
	hi := lo
	if c.n < at+stride {
		hi = lo | (1<<(at+stride-c.n) - 1)
	}
	old := w.decode(cell, 2*depth)
	below := c.n > at+stride
	sub := uint32(0)
	if below {
		was := old[rangeOf(old, lo)].cell
		var err error
		if sub, err = c.at(was, at+stride, depth+1); err != nil {
			return 0, err
		}
		if sub == was {
			return cell, nil
		}
	}
	// Equal neighbours become one, but only where one is new: a slot that goes from
	// one node to another must not need memory.
	out, changed := w.buffer(2*depth+1), false
	emit := func(start, cell uint32, new bool) {
		if k := len(out); k > 0 && (new || changed) && out[k-1].cell == cell && cell&nodeBit == 0 {
			changed = new
			return
		}
		out, changed = append(out, trieRange{start, cell}), new
	}
	for i, r := range old {
		end := endOf(old, i, stride)
		if end <= lo || r.start > hi {
			emit(r.start, r.cell, false)
			continue
		}
		if r.start < lo {
			emit(r.start, r.cell, false)
		}
		mid := r.cell
		if below {
			mid = sub
		} else if r.cell&nodeBit == 0 && c.accept(r.cell) {
			mid = c.to
		}
		emit(max(r.start, lo), mid, mid != r.cell)
		if end > hi+1 {
			emit(hi+1, r.cell, false)
		}
	}
	w.bufs[2*depth+1] = out
	next, err := c.replace(cell, old, out, stride)
	if err != nil {
		if c.insert {
			return 0, err
		}
		// A deletion needs no boundary that is not there: two neighbours that are
		// equal stay two.
		for i, r := range old {
			switch {
			case r.start < lo || r.start > hi:
			case below:
				w.setCell(cell, old, i, sub)
			case r.cell&nodeBit == 0 && c.accept(r.cell):
				w.setCell(cell, old, i, c.to)
			}
		}
		next = cell
	}
	if !below {
		for _, r := range old {
			if r.start >= lo && r.start <= hi && r.cell&nodeBit != 0 {
				c.all(r.cell)
			}
		}
	}
	return next, nil
}

// inFull is at for a stride16 node, which keeps its place.
func (c *trieChange) inFull(line uint32, at, depth int) error {
	a := c.w.a
	lo := bitsAt(c.p.hi, c.p.lo, at, 16)
	base := int(line) * lineSize
	if c.n > at+16 {
		off := base + 4*int(lo)
		was := a.load(off)
		cell, err := c.at(was, at+16, depth+1)
		if err == nil && cell != was {
			a.store(off, cell)
		}
		return err
	}
	hi := lo | (1<<(at+16-c.n) - 1)
	for s := lo; s <= hi; s++ {
		c.cell(base + 4*int(s))
	}
	return nil
}

// cell makes the change in a cell all of whose slots belong to the prefix.
func (c *trieChange) cell(off int) {
	a := c.w.a
	switch v := a.load(off); {
	case v&nodeBit != 0:
		c.all(v)
	case c.accept(v):
		a.store(off, c.to)
	}
}

// all makes the change in a node that the prefix covers. No shape changes: where
// two neighbours came from different prefixes they still do, or one is longer
// than this prefix.
func (c *trieChange) all(node uint32) {
	at, n := cellsOf32(c.w.a, node)
	for i := range n {
		c.cell(at + 4*i)
	}
}

func form(cell uint32) uint32 {
	if cell&nodeBit == 0 {
		return ^uint32(0)
	}
	return cell >> formShift & 15
}

// cellsOf32 tells where a node's cells lie and how many they are.
func cellsOf32(a *arena, node uint32) (off, n int) {
	base := int(node&lineMask) * lineSize
	switch f := form(node); f {
	case formBits8:
		n := 0
		for i := range 8 {
			n += bits.OnesCount32(a.load(base + 4*i))
		}
		return base + stride8Head, n
	case formFull:
		return base, fullCells
	default:
		return base + 2<<f, 1 << f
	}
}

// endOf is the slot behind range i.
func endOf(rs []trieRange, i, stride int) uint32 {
	if i+1 < len(rs) {
		return rs[i+1].start
	}
	return 1 << stride
}

// rangeOf is the index of the range that slot s is in.
func rangeOf(rs []trieRange, s uint32) int {
	i, found := slices.BinarySearchFunc(rs, s, func(r trieRange, s uint32) int { return int(r.start) - int(s) })
	if !found {
		i--
	}
	return i
}

func (w *trieWriter) buffer(i int) []trieRange {
	for len(w.bufs) <= i {
		w.bufs = append(w.bufs, nil)
	}
	return w.bufs[i][:0]
}

// decode reads a node that is not stride16, or makes ranges of a leaf.
func (w *trieWriter) decode(cell uint32, buf int) []trieRange {
	out := w.buffer(buf)
	base := int(cell&lineMask) * lineSize
	switch f := form(cell); f {
	case ^uint32(0):
		out = append(out, trieRange{0, cell})
	case formBits8:
		at := base + stride8Head
		for i := range uint32(8) {
			for m := w.a.load(base + 4*int(i)); m != 0; m &= m - 1 {
				out = append(out, trieRange{32*i + uint32(bits.TrailingZeros32(m)), w.a.load(at)})
				at += 4
			}
		}
	default:
		for i := range 1 << f {
			start := uint32(nativeEndian.Uint16(w.a.mem[base+2*i:]))
			if i > 0 && start <= out[len(out)-1].start {
				break // what is left over
			}
			out = append(out, trieRange{start, w.a.load(base + 2<<f + 4*i)})
		}
		// A range that begins at 0xffff looks like what is left over; that there is
		// one shows by a cell of its own.
		if n := len(out); n > 1 && out[n-1].start == 0xffff && out[n-1].cell == out[n-2].cell && out[n-1].cell&nodeBit == 0 {
			out = out[:n-1]
		}
	}
	w.bufs[buf] = out
	return out
}

// setCell stores the cell of range i of a node.
func (w *trieWriter) setCell(node uint32, rs []trieRange, i int, v uint32) {
	off, n := cellsOf32(w.a, node)
	w.a.store(off+4*i, v)
	if form(node) != formBits8 && i == len(rs)-1 {
		for k := i + 1; k < n; k++ {
			w.a.store(off+4*k, v)
		}
	}
}

// replace gives a cell that means the ranges out, in place of cell, which means
// old: the same where only cells differ, which it stores.
func (c *trieChange) replace(cell uint32, old, out []trieRange, stride int) (uint32, error) {
	w := c.w
	if cell&nodeBit != 0 && slices.EqualFunc(old, out, func(x, y trieRange) bool { return x.start == y.start }) {
		for i := range out {
			if out[i].cell != old[i].cell {
				w.setCell(cell, old, i, out[i].cell)
			}
		}
		return cell, nil
	}
	next := out[0].cell
	if len(out) > 1 || next&nodeBit != 0 {
		b, f, err := w.write(out, stride)
		if err != nil {
			return 0, err
		}
		c.fresh = append(c.fresh, b)
		next = nodeBit | f<<formShift | b.line
	}
	if cell&nodeBit != 0 {
		off, n := cellsOf32(w.a, cell)
		line := cell & lineMask
		c.obsolete = append(c.obsolete, trieBlock{line, off + 4*n - int(line)*lineSize, form(cell) == formFull})
	}
	return next, nil
}

// write makes a node.
func (w *trieWriter) write(rs []trieRange, stride int) (trieBlock, uint32, error) {
	a := w.a
	if stride == 8 {
		b := trieBlock{bytes: stride8Head + 4*len(rs)}
		var err error
		if b.line, err = a.alloc(b.bytes); err != nil {
			return b, 0, err
		}
		mem := a.block(b.line, b.bytes)
		var words [8]uint32
		for i, r := range rs {
			words[r.start/32] |= 1 << (r.start % 32)
			nativeEndian.PutUint32(mem[stride8Head+4*i:], r.cell)
		}
		before := 0
		for i, m := range words {
			nativeEndian.PutUint32(mem[4*i:], m)
			mem[32+i] = uint8(before)
			before += bits.OnesCount32(m)
		}
		return b, formBits8, nil
	}
	f := max(minRangesLog, bits.Len(uint(len(rs)-1)))
	if f > maxRangesLog || len(rs) > fullFrom && 4*uint64(w.full+1)*fullLines <= 3*uint64(w.e.Lines) {
		b, err := w.writeFull(rs)
		if err == nil || f > maxRangesLog {
			return b, formFull, err
		}
	}
	b := trieBlock{bytes: 6 << f}
	var err error
	if b.line, err = a.alloc(b.bytes); err != nil {
		return b, 0, err
	}
	mem := a.block(b.line, b.bytes)
	for i := range 1 << f {
		start, cell := uint32(0xffff), rs[len(rs)-1].cell
		if i < len(rs) {
			start, cell = rs[i].start, rs[i].cell
		}
		nativeEndian.PutUint16(mem[2*i:], uint16(start))
		nativeEndian.PutUint32(mem[2<<f+4*i:], cell)
	}
	return b, uint32(f), nil
}

// fullFrom is from how many ranges on a stride16 node is made where there is room:
// its one load costs what a search among that many does.
const fullFrom = 128

func (w *trieWriter) writeFull(rs []trieRange) (trieBlock, error) {
	b := trieBlock{bytes: 4 * fullCells, full: true}
	var err error
	if b.line, err = w.a.alloc(b.bytes); err != nil {
		return b, err
	}
	mem := w.a.block(b.line, b.bytes)
	for i, r := range rs {
		for s := r.start; s < endOf(rs, i, 16); s++ {
			nativeEndian.PutUint32(mem[4*s:], r.cell)
		}
	}
	w.full++
	return b, nil
}

// spread makes a stride16 node of the upper two stride8 nodes of a root that has
// become large, where there is room for it.
func (w *trieWriter) spread(root uint32) {
	off := rootCell(root)
	top := w.a.load(off)
	if w.e.wide() || form(top) != formBits8 || w.count[root] < spreadFrom || 2*uint64(w.full+1)*fullLines > uint64(w.e.Lines) {
		return
	}
	var rs []trieRange
	var gone []uint32
	upper := slices.Clone(w.decode(top, 0))
	for i, r := range upper {
		if form(r.cell) != formBits8 {
			rs = append(rs, trieRange{r.start << 8, r.cell})
			continue
		}
		gone = append(gone, r.cell)
		for _, s := range w.decode(r.cell, 1) {
			rs = append(rs, trieRange{upper[i].start<<8 | s.start, s.cell})
		}
	}
	b, err := w.writeFull(rs)
	if err != nil {
		return
	}
	w.a.store(off, nodeBit|formFull<<formShift|b.line)
	for _, node := range append(gone, top) {
		at, n := cellsOf32(w.a, node)
		line := node & lineMask
		w.a.retire(line, at+4*n-int(line)*lineSize)
	}
}

// spreadFrom is from how many prefixes on a root has a stride16 node: 256 KiB for
// the two loads that it saves.
const spreadFrom = 2048

// prune takes everything below a root without prefixes away.
func (w *trieWriter) prune(root uint32) {
	off := rootCell(root)
	top := w.a.load(off)
	w.a.store(off, 0)
	w.retireAll(top)
}

func (w *trieWriter) retireAll(cell uint32) {
	if cell&nodeBit == 0 {
		return
	}
	at, n := cellsOf32(w.a, cell)
	for i := range n {
		// What is left over in ranges repeats the last cell.
		if v := w.a.load(at + 4*i); v&nodeBit != 0 && (i == 0 || v != w.a.load(at+4*i-4)) {
			w.retireAll(v)
		}
	}
	line := cell & lineMask
	w.a.retire(line, at+4*n-int(line)*lineSize)
	if form(cell) == formFull {
		w.full--
	}
}

// Lookup goes the way of the program.
func (w *trieWriter) Lookup(key [][]byte) uint32 {
	e, a := w.e, w.a
	hi, lo := e.normal(key[e.lpm])
	value := func(i int) []byte { return key[i] }
	cell := uint32(nodeBit | formFull<<formShift)
	switch {
	case e.exact != nil:
		r := w.roots[string(e.exact.appendValues(nil, e.exactKeys, value))]
		if r == nil {
			return 0
		}
		cell = a.load(rootCell(r.number))
	case e.exactBits > 0:
		cell = a.load(rootCell(e.rootIndex(value)))
	}
	for at := 0; cell&nodeBit != 0; {
		base := int(cell&lineMask) * lineSize
		switch f := form(cell); f {
		case formBits8:
			s := bitsAt(hi, lo, at, 8)
			m := a.load(base+4*int(s/32)) << (31 - s%32)
			rank := int(a.mem[base+32+int(s/32)]) + bits.OnesCount32(m)
			cell = a.load(base + stride8Head + 4*(rank-1))
			at += 8
		case formFull:
			cell = a.load(base + 4*int(bitsAt(hi, lo, at, 16)))
			at += 16
		default:
			s, pos := bitsAt(hi, lo, at, 16), 0
			for half := 1 << f >> 1; half > 0; half >>= 1 {
				if uint32(nativeEndian.Uint16(a.mem[base+2*(pos+half):])) <= s {
					pos += half
				}
			}
			cell = a.load(base + 2<<f + 4*pos)
			at += 16
		}
	}
	return cell
}
