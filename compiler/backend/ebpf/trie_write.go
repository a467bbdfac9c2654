package ebpf

import (
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// trieWriter keeps a Trie. What it knows of the prefixes besides the trie itself
// is, by handle, which prefix it is (so that a cell's handle tells how long the
// prefix is that it comes from), and an index of them, which finds the prefix
// that takes over where one is deleted.
type trieWriter struct {
	e   *Trie
	env WriterEnv
	a   *arena

	prefixes []prefix // by handle
	index    []uint32 // open addressing, by prefix.hash: handle + 1; 1 = was in use
	indexed  int      // cells of index in use or that were
	lengths  [maxTrieKey + 1]uint32

	roots map[string]*trieRoot // by exact key, where a hash table gives the number
	// keyOf, freeRoots and emptied: root numbers, and those whose last prefix went.
	nextRoot  uint32
	freeRoots []uint32
	emptied   []string
	count     map[uint32]uint32 // prefixes by root cell, where there are exact keys
	full      uint32            // stride16 nodes
	bufs      [][]trieRange     // scratch
	key       []byte
}

type prefix struct {
	hi, lo uint64
	root   uint32
	len    uint8 // + 1; 0 = none
}

type trieRoot struct {
	number uint32
	uses   uint32
	known  bool // the hash table has it
}

// trieRange is a run of slots of a node that have one cell.
type trieRange struct {
	start uint32
	cell  uint32
}

const (
	indexFree = 0
	indexGone = 1
)

// NewWriter makes the writer of an empty trie.
func (e *Trie) NewWriter(env WriterEnv) Writer {
	w := &trieWriter{e: e, env: env, index: make([]uint32, 64), nextRoot: 1}
	w.a = newArena(env.Value(e.Arena), e.Lines, e.firstLine(), &w.env)
	if e.exactBits > 0 {
		w.count = map[uint32]uint32{}
	}
	if e.exact != nil {
		w.roots = map[string]*trieRoot{}
	}
	return w
}

// hash mixes a prefix.
func (p *prefix) hash() uint64 {
	h := p.hi ^ uint64(p.len)<<1 ^ uint64(p.root)<<9
	h *= 0x9e3779b97f4a7c15
	h ^= h>>29 ^ p.lo
	h *= 0xbf58476d1ce4e5b9
	return h ^ h>>32
}

func (w *trieWriter) lookupIndex(p *prefix) (handle uint32, ok bool) {
	mask := uint64(len(w.index) - 1)
	for i := p.hash() & mask; ; i = (i + 1) & mask {
		switch v := w.index[i]; {
		case v == indexFree:
			return 0, false
		case v != indexGone && w.prefixes[v-1] == *p:
			return v - 1, true
		}
	}
}

func (w *trieWriter) addIndex(handle uint32) {
	if 4*(w.indexed+1) > 3*len(w.index) {
		old := w.index
		n := 64
		live := 0
		for _, v := range old {
			if v > indexGone {
				live++
			}
		}
		for n < 2*(live+1) {
			n *= 2
		}
		w.index, w.indexed = make([]uint32, n), 0
		for _, v := range old {
			if v > indexGone {
				w.place(v - 1)
			}
		}
	}
	w.place(handle)
}

func (w *trieWriter) place(handle uint32) {
	mask := uint64(len(w.index) - 1)
	i := w.prefixes[handle].hash() & mask
	for w.index[i] > indexGone {
		i = (i + 1) & mask
	}
	if w.index[i] == indexFree {
		w.indexed++
	}
	w.index[i] = handle + 1
}

func (w *trieWriter) dropIndex(handle uint32) {
	mask := uint64(len(w.index) - 1)
	for i := w.prefixes[handle].hash() & mask; w.index[i] != indexFree; i = (i + 1) & mask {
		if w.index[i] == handle+1 {
			w.index[i] = indexGone
			return
		}
	}
}

// lengthOf is the length of the prefix that a leaf comes from, -1 for none.
func (w *trieWriter) lengthOf(cell uint32) int {
	if cell == 0 {
		return -1
	}
	return int(w.prefixes[cell].len) - 1
}

// cut keeps the first n bits.
func cut(hi, lo uint64, n int) (uint64, uint64) {
	switch {
	case n <= 0:
		return 0, 0
	case n < 64:
		return hi &^ (^uint64(0) >> n), 0
	case n < 128:
		return hi, lo &^ (^uint64(0) >> (n - 64))
	}
	return hi, lo
}

// bitsAt gives the n bits from bit at on.
func bitsAt(hi, lo uint64, at, n int) uint32 {
	if at >= 64 {
		return uint32(lo << (at - 64) >> (64 - n))
	}
	return uint32(hi << at >> (64 - n)) // strides divide 64
}

// parse reads an entry's match.
func (w *trieWriter) parse(en *ir.Entry) (p prefix, exact []byte, err error) {
	e := w.e
	if err := e.complete(en); err != nil {
		return p, nil, err
	}
	m := &en.Match[e.lpm]
	if m.PrefixLen < 0 || m.PrefixLen > e.width[e.lpm] {
		return p, nil, fmt.Errorf("table %s: prefix length %d of key %s is not in 0..%d", e.table.Name, m.PrefixLen, e.table.Keys[e.lpm].Name, e.width[e.lpm])
	}
	p.hi, p.lo = e.normal(m.Value)
	p.hi, p.lo = cut(p.hi, p.lo, m.PrefixLen)
	p.len = uint8(m.PrefixLen + 1)
	if e.exactBits == 0 {
		return p, nil, nil
	}
	value := func(i int) []byte { return en.Match[i].Value }
	if e.exact == nil {
		p.root = e.rootIndex(value)
		return p, nil, nil
	}
	w.key = e.exact.appendValues(w.key[:0], e.exactKeys, value)
	return p, w.key, nil
}

// appendValues is AppendKey for values, one a key of this engine.
func (e *hashEngine) appendValues(dst []byte, keys []int, value func(key int) []byte) []byte {
	dst, b := extend(dst, e.size)
	for i, ls := range e.limbs {
		for j, l := range ls {
			putLimb(b, l, limbOf(value(keys[i]), j, len(ls), l.Width))
		}
	}
	return dst
}

// rootCell is the byte offset of a root's cell.
func rootCell(root uint32) int { return 4 * int(root) }

func (w *trieWriter) Insert(en *ir.Entry) error {
	p, exact, err := w.parse(en)
	if err != nil {
		return err
	}
	var fresh bool
	if exact != nil {
		if p.root, fresh, err = w.useRoot(exact); err != nil {
			return err
		}
	}
	h := en.Handle
	for int(h) >= len(w.prefixes) {
		w.prefixes = append(w.prefixes, prefix{})
	}
	w.prefixes[h] = p
	if err := w.change(&p, true, 0, h); err != nil {
		w.prefixes[h] = prefix{}
		if exact != nil {
			w.dropRoot(exact)
		}
		return err
	}
	if fresh {
		// The root is whole before the first packet finds it.
		if err := w.env.Put(w.e.Roots, exact, p.root); err != nil {
			w.prune(p.root)
			w.prefixes[h] = prefix{}
			w.dropRoot(exact)
			return err
		}
		w.roots[string(exact)].known = true
	}
	w.addIndex(h)
	w.lengths[p.len-1]++
	if w.count != nil {
		w.count[p.root]++
		w.spread(p.root)
	}
	return nil
}

func (w *trieWriter) Delete(en *ir.Entry) error {
	p, exact, err := w.parse(en)
	if err != nil {
		return err
	}
	if exact != nil {
		r := w.roots[string(exact)]
		if r == nil {
			return fmt.Errorf("table %s, handle %d: %w", w.e.table.Name, en.Handle, ErrNoMatch)
		}
		p.root = r.number
	}
	h := en.Handle
	if int(h) >= len(w.prefixes) || w.prefixes[h] != p {
		return fmt.Errorf("table %s, handle %d: %w", w.e.table.Name, h, ErrNoMatch)
	}
	w.dropIndex(h)
	w.lengths[p.len-1]--
	if err := w.change(&p, false, h, w.cover(&p)); err != nil {
		return err
	}
	w.prefixes[h] = prefix{}
	if w.count != nil {
		w.count[p.root]--
		if w.count[p.root] == 0 {
			delete(w.count, p.root)
			w.prune(p.root)
		}
	}
	if exact != nil {
		w.dropRoot(exact)
	}
	return nil
}

// cover finds the longest other prefix that p lies in, 0 for none.
func (w *trieWriter) cover(p *prefix) uint32 {
	c := *p
	for n := int(p.len) - 2; n >= 0; n-- {
		if w.lengths[n] == 0 {
			continue
		}
		c.hi, c.lo = cut(p.hi, p.lo, n)
		c.len = uint8(n + 1)
		if h, ok := w.lookupIndex(&c); ok {
			return h
		}
	}
	return 0
}

// useRoot gives the number of the exact keys' root; fresh when no packet finds it yet.
func (w *trieWriter) useRoot(exact []byte) (number uint32, fresh bool, err error) {
	if r := w.roots[string(exact)]; r != nil {
		r.uses++
		return r.number, !r.known, nil
	}
	r := &trieRoot{uses: 1}
	switch n := len(w.freeRoots); {
	case n > 0:
		r.number = w.freeRoots[n-1]
		w.freeRoots = w.freeRoots[:n-1]
	case w.nextRoot < w.e.rootCells:
		r.number = w.nextRoot
		w.nextRoot++
	default:
		return 0, false, ErrNoRoom
	}
	w.roots[string(exact)] = r
	return r.number, true, nil
}

// dropRoot counts a use less. Without uses it goes at Flush, as no new key may
// take its place in the hash table before a grace period.
func (w *trieWriter) dropRoot(exact []byte) {
	r := w.roots[string(exact)]
	if r.uses--; r.uses == 0 {
		w.emptied = append(w.emptied, string(exact))
	}
}

func (w *trieWriter) Flush() error {
	for _, k := range w.emptied {
		r := w.roots[k]
		if r == nil || r.uses > 0 {
			continue // listed twice, or in use again
		}
		if r.known {
			if err := w.env.Delete(w.e.Roots, []byte(k)); err != nil {
				return fmt.Errorf("table %s: take a root out: %w", w.e.table.Name, err)
			}
		}
		delete(w.roots, k)
		w.freeRoots = append(w.freeRoots, r.number)
	}
	w.emptied = nil
	return nil
}

func (w *trieWriter) Live() { w.a.live = true }

// Grow doubles the arena.
func (w *trieWriter) Grow() (Hint, bool) {
	return Hint{Units: min(2*w.e.Lines, maxTrieLines)}, w.e.Lines < maxTrieLines
}

func (w *trieWriter) Bytes() (maps, own int) {
	maps = len(w.a.mem)
	own = 24*len(w.prefixes) + 4*len(w.index) + 9*len(w.a.state)
	return maps, own + 96*len(w.roots) + 16*len(w.count)
}

// Each makes the entries from what is known of the prefixes.
func (w *trieWriter) Each(f func(e *ir.Entry) error) error {
	e := w.e
	exact := map[uint32]string{}
	for k, r := range w.roots {
		exact[r.number] = k
	}
	lw := e.width[e.lpm]
	for h, p := range w.prefixes {
		if p.len == 0 {
			continue
		}
		en := ir.Entry{Handle: uint32(h), Match: make([]ir.Match, len(e.width))}
		limbs := []uint64{p.hi >> (64 - min(lw, 64))}
		if lw > 64 {
			limbs = []uint64{p.hi >> (128 - lw), p.lo}
			if lw < 128 {
				limbs[1] = p.hi<<(lw-64) | p.lo>>(128-lw)
			}
		}
		en.Match[e.lpm] = ir.Match{Value: limbsToBytes(limbs, lw), PrefixLen: int(p.len) - 1}
		switch {
		case e.exact != nil:
			ms, err := e.exact.DecodeKey([]byte(exact[p.root]))
			if err != nil {
				return err
			}
			for i, m := range ms {
				en.Match[e.exactKeys[i]] = m
			}
		case e.exactBits > 0:
			v := p.root
			for _, i := range slices.Backward(e.exactKeys) {
				en.Match[i].Value = limbsToBytes([]uint64{uint64(v) & maskOf(e.width[i])}, e.width[i])
				v >>= e.width[i]
			}
		}
		if err := f(&en); err != nil {
			return err
		}
	}
	return nil
}
