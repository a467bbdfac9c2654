package ebpf

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/p4nic/p4nic/compiler/ir"
)

// classesWriter keeps a Classes table. A batch is one rebuild: the classes of all
// chunks, from all entries, into the half that is not in use.
type classesWriter struct {
	e    *Classes
	env  WriterEnv
	mem  []byte
	live bool

	entries []classEntry // in order of precedence once flushed
	byHand  map[uint32]int
	rules   uint32
	dirty   bool
	full    bool // the last entry was one rule too many
	// hopeless: the last entry has more rules than any table takes.
	hopeless bool
	fresh    []uint32 // handles inserted since the last Flush, in order
	flipped  uint64   // epoch of the last switch
	seed     uint64
	build    classBuild
}

type classEntry struct {
	e     ir.Entry // handle 0: deleted
	conds [][]classCond
}

// NewWriter makes the writer of an empty table.
func (e *Classes) NewWriter(env WriterEnv) Writer {
	w := &classesWriter{e: e, env: env, mem: env.Value(e.Arena), byHand: map[uint32]int{}}
	for i := range 64 {
		w.mem[ctzAt+int(uint64(deBruijn)<<i>>58)] = byte(i)
	}
	w.seed = rand.Uint64() // nobody can choose rules that look alike
	return w
}

func (w *classesWriter) control() *uint64 { return (*uint64)(unsafe.Pointer(&w.mem[0])) }

// Grow asks for more rows, or for chunks of 8 bits where masks that are no
// prefixes made the classes many.
func (w *classesWriter) Grow() (Hint, bool) {
	e := w.e
	switch {
	case w.hopeless:
		return Hint{}, false
	case e.scanned:
		return Hint{Entries: 4 * smallRules}, true
	case w.full:
		return Hint{Entries: int(e.planned), Narrow: e.narrow}, e.entries > 0 && e.planned < min(uint64(e.size), maxClassRules)
	case w.build.masks && !e.narrow:
		n := Classes{keyLayout: e.keyLayout, narrow: true}
		if n.cut(); len(n.chunks) <= maxChunks {
			return Hint{Entries: e.entries, Narrow: true}, true
		}
	}
	return Hint{Entries: e.entries, Units: 2 * e.rows, Narrow: e.narrow}, !e.clipped
}

// Each gives the entries as they were inserted.
func (w *classesWriter) Each(f func(e *ir.Entry) error) error {
	for i := range w.entries {
		if w.entries[i].e.Handle == 0 {
			continue
		}
		if err := f(&w.entries[i].e); err != nil {
			return err
		}
	}
	return nil
}

func (w *classesWriter) Live() { w.live = true }

func (w *classesWriter) Insert(en *ir.Entry) error {
	conds, err := w.e.conditions(en)
	w.hopeless = errors.Is(err, ErrNoRoom)
	if err != nil {
		return err
	}
	n := uint32(len(conds))
	if w.e.scanned {
		n = 1 // a row, whatever its ranges are
	}
	if w.full = w.rules+n > w.e.rules; w.full {
		return fmt.Errorf("table %s: more than %d rules: %w", w.e.table.Name, w.e.rules, ErrNoRoom)
	}
	w.byHand[en.Handle] = len(w.entries)
	w.entries = append(w.entries, classEntry{*en, conds})
	w.rules += n
	w.fresh = append(w.fresh, en.Handle)
	w.dirty = true
	return nil
}

func (w *classesWriter) Delete(en *ir.Entry) error {
	i, ok := w.byHand[en.Handle]
	if !ok {
		return fmt.Errorf("table %s, handle %d: %w", w.e.table.Name, en.Handle, ErrNoMatch)
	}
	w.drop(i)
	return nil
}

func (w *classesWriter) drop(i int) {
	x := &w.entries[i]
	delete(w.byHand, x.e.Handle)
	if w.e.scanned {
		w.rules--
	} else {
		w.rules -= uint32(len(x.conds))
	}
	*x = classEntry{}
	w.dirty = true
}

// sorted brings the entries in order of precedence, as Linear does, and forgets
// the deleted ones.
func (w *classesWriter) sorted() {
	w.entries = slices.DeleteFunc(w.entries, func(x classEntry) bool { return x.e.Handle == 0 })
	byPriority := w.e.table.NeedsPriority()
	slices.SortStableFunc(w.entries, func(a, b classEntry) int {
		first := w.e.small.prefixBits(&b.e) - w.e.small.prefixBits(&a.e)
		if byPriority {
			first = cmp.Compare(b.e.Priority, a.e.Priority)
		}
		return cmp.Or(first, cmp.Compare(a.e.Handle, b.e.Handle))
	})
	clear(w.byHand)
	for i := range w.entries {
		w.byHand[w.entries[i].e.Handle] = i
	}
}

// Flush rebuilds. Where the rows of all entries do not fit, as many of those
// inserted since the last time as need be are taken out again, the last ones
// first, and *Refused names them.
func (w *classesWriter) Flush() error {
	if !w.dirty {
		return nil
	}
	if w.live && w.flipped == w.env.Epoch() {
		if err := w.env.Grace(); err != nil {
			return err
		}
	}
	w.sorted()
	err := w.rebuild()
	if errors.Is(err, ErrNoRoom) {
		err = w.refuse()
	}
	var r *Refused
	if err != nil && !errors.As(err, &r) {
		return err
	}
	w.fresh, w.dirty, w.flipped = nil, false, w.env.Epoch()
	return err
}

// Refused is what Flush had no room for: handles of entries that are not in the
// datapath, though Insert took them.
type Refused struct{ Handles []uint32 }

func (r *Refused) Error() string {
	return fmt.Sprintf("%d entries: %v", len(r.Handles), ErrNoRoom)
}

// Unwrap is ErrNoRoom.
func (r *Refused) Unwrap() error { return ErrNoRoom }

// refuse finds by bisection how many of the new entries fit.
func (w *classesWriter) refuse() error {
	var fresh []uint32
	for _, h := range w.fresh {
		if _, ok := w.byHand[h]; ok {
			fresh = append(fresh, h)
		}
	}
	all := slices.Clone(w.entries)
	total := w.rules
	with := func(n int) error {
		w.entries = slices.Clone(all)
		w.rules = total
		w.byHand = map[uint32]int{}
		for i := range w.entries {
			w.byHand[w.entries[i].e.Handle] = i
		}
		for _, h := range fresh[n:] {
			w.drop(w.byHand[h])
		}
		w.sorted()
		return w.rebuild()
	}
	lo, hi := 0, len(fresh) // lo fits, hi does not
	for lo+1 < hi {
		mid := (lo + hi) / 2
		switch err := with(mid); {
		case err == nil:
			lo = mid
		case errors.Is(err, ErrNoRoom):
			hi = mid
		default:
			return err
		}
	}
	if err := with(lo); err != nil {
		return err
	}
	return &Refused{fresh[lo:]}
}

// rebuild writes all entries into what is not in use, and switches to it.
func (w *classesWriter) rebuild() error {
	e, word := w.e, atomic.LoadUint64(w.control())
	if len(w.entries) <= smallRules {
		list := make([]ir.Entry, len(w.entries))
		for i := range list {
			list[i] = w.entries[i].e
		}
		rows, err := e.small.EncodeRows(list)
		if err != nil {
			return err
		}
		half := 1 - int(word>>32)&1
		copy(w.mem[smallAt+e.small.HalfOffset(half):], rows)
		atomic.StoreUint64(w.control(), word>>halfShift&1<<halfShift|e.small.ControlWord(half, len(list)))
		return nil
	}
	half := 1 - word>>halfShift&1
	if err := w.build.run(w, w.mem[e.halfAt+int(half)*e.half:][:e.half]); err != nil {
		return err
	}
	atomic.StoreUint64(w.control(), half<<halfShift|word>>32&1<<32|classesBit)
	return nil
}

func (w *classesWriter) Bytes() (maps, own int) {
	for i := range w.entries {
		own += 200 + len(w.entries[i].conds)*(24+6*len(w.e.chunks))
	}
	return len(w.mem), own
}

// Lookup goes the way of the program.
func (w *classesWriter) Lookup(key [][]byte) uint32 {
	e, word := w.e, atomic.LoadUint64(w.control())
	if word&classesBit == 0 {
		half, n := e.small.Active(word)
		rows, err := e.small.DecodeRows(w.mem[smallAt+e.small.HalfOffset(half):][:n*e.small.RowSize])
		if err != nil {
			return 0
		}
		for i := range rows {
			if e.small.accepts(&rows[i], key) {
				return rows[i].Handle
			}
		}
		return 0
	}
	mem := w.mem[e.halfAt+int(word>>halfShift&1)*e.half:][:e.half]
	at := make([]int, len(e.chunks))
	for i := range e.chunks {
		class := nativeEndian.Uint16(mem[e.tablesAt[i]+2*int(e.chunks[i].value(key)):])
		at[i] = e.rowsAt + (int(nativeEndian.Uint32(mem[4*i:]))+int(class))*e.rowSize()
	}
	and := func(word int) uint64 {
		v := ^uint64(0)
		for _, off := range at {
			v &= nativeEndian.Uint64(mem[off+8*word:])
		}
		return v
	}
	for s := range e.summary {
		for m := and(s); m != 0; m &= m - 1 {
			n := 64*s + bits.TrailingZeros64(m)
			if v := and(e.summary + n); v != 0 {
				return nativeEndian.Uint32(mem[e.handles+4*(64*n+bits.TrailingZeros64(v)):])
			}
		}
	}
	return 0
}

// accepts tells whether a decoded row accepts a key.
func (e *Linear) accepts(row *ir.Entry, key [][]byte) bool {
	for i, w := range e.width {
		k, v, m := bytesToLimbs(key[i], w), bytesToLimbs(row.Match[i].Value, w), bytesToLimbs(row.Match[i].Mask, w)
		if e.table.Keys[i].Kind == ir.MatchRange {
			if _, signed := ir.Underlying(e.table.Keys[i].Expr.Type()).(*ir.Int); signed {
				flip := uint64(1) << (limbsOf(w)[0].Width - 1)
				k[0], v[0], m[0] = k[0]^flip, v[0]^flip, m[0]^flip
			}
			if slices.Compare(k, v) < 0 || slices.Compare(k, m) > 0 {
				return false
			}
			continue
		}
		for j := range k {
			if (k[j]^v[j])&m[j] != 0 {
				return false
			}
		}
	}
	return true
}

// classBuild makes the classes of a half. Two values are in one class where the
// same rules accept them; that is found by a random number a rule, whose exclusive
// or over the rules that accept a value is the same for the values of a class and,
// in 128 bits, for no others.
type classBuild struct {
	sums   [1<<16 + 1]sum128 // by value
	class  map[sum128]uint32
	first  []uint32 // by class, the first value in it
	groups []condGroup
	index  map[classCond]int
	events []condEvent
	cur    []uint64
	masks  bool // what ended for want of rows had masks that are no prefixes
}

type sum128 [2]uint64

// condGroup is the rules with one condition.
type condGroup struct {
	cond  classCond
	sum   sum128
	rules []uint32
}

// condEvent is where a group begins or ends to accept.
type condEvent struct {
	at    uint32
	group int
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (s *sum128) add(o sum128) { s[0], s[1] = s[0]^o[0], s[1]^o[1] }

func (b *classBuild) run(w *classesWriter, mem []byte) error {
	e := w.e
	used := uint32(0)
	for c := range e.chunks {
		b.collect(w, c)
		n, err := b.classes(e, c, mem, e.rows-used)
		if err != nil {
			return err
		}
		nativeEndian.PutUint32(mem[4*c:], used)
		b.rows(e, &e.chunks[c], mem[e.rowsAt+int(used)*e.rowSize():][:int(n)*e.rowSize()], w.rules)
		used += n
	}
	rule := 0
	for i := range w.entries {
		for range w.entries[i].conds {
			nativeEndian.PutUint32(mem[e.handles+4*rule:], w.entries[i].e.Handle)
			rule++
		}
	}
	return nil
}

// collect groups the rules by what they ask of a chunk.
func (b *classBuild) collect(w *classesWriter, c int) {
	if b.index == nil {
		b.index = map[classCond]int{}
	}
	clear(b.index)
	for i := range b.groups {
		b.groups[i].rules = b.groups[i].rules[:0]
	}
	groups := b.groups[:0]
	rule := uint32(0)
	for i := range w.entries {
		for _, conds := range w.entries[i].conds {
			g, ok := b.index[conds[c]]
			if !ok {
				g = len(groups)
				b.index[conds[c]] = g
				if g < cap(groups) {
					groups = groups[:g+1]
				} else {
					groups = append(groups, condGroup{})
				}
				groups[g].cond, groups[g].sum, groups[g].rules = conds[c], sum128{}, groups[g].rules[:0]
			}
			groups[g].sum.add(sum128{mix(w.seed + 2*uint64(rule)), mix(w.seed + 2*uint64(rule) + 1)})
			groups[g].rules = append(groups[g].rules, rule)
			rule++
		}
	}
	b.groups = groups
}

// each calls f for every value that a condition under a mask accepts.
func (c *classCond) each(size uint32, f func(v uint32)) {
	free := (size - 1) &^ uint32(c.mask)
	for v := free; ; v = (v - 1) & free {
		f(v | uint32(c.lo))
		if v == 0 {
			return
		}
	}
}

// classes numbers the classes of a chunk and writes its table.
func (b *classBuild) classes(e *Classes, c int, mem []byte, room uint32) (uint32, error) {
	size := uint32(1) << e.chunks[c].bits
	sums := b.sums[:size+1]
	clear(sums)
	b.events = b.events[:0]
	for g := range b.groups {
		if x := &b.groups[g]; x.cond.mask == 0 {
			sums[x.cond.lo].add(x.sum)
			sums[uint32(x.cond.hi)+1].add(x.sum)
			b.events = append(b.events, condEvent{uint32(x.cond.lo), g}, condEvent{uint32(x.cond.hi) + 1, g})
		}
	}
	for v := uint32(1); v < size; v++ {
		sums[v].add(sums[v-1])
	}
	for g := range b.groups {
		if x := &b.groups[g]; x.cond.mask != 0 {
			x.cond.each(size, func(v uint32) { sums[v].add(x.sum) })
		}
	}
	if b.class == nil {
		b.class = map[sum128]uint32{}
	}
	clear(b.class)
	b.first = b.first[:0]
	table := mem[e.tablesAt[c]:]
	last := uint32(0)
	for v := uint32(0); v < size; v++ {
		if v == 0 || sums[v] != sums[v-1] {
			n, ok := b.class[sums[v]]
			if !ok {
				n = uint32(len(b.first))
				if n >= room {
					b.masks = slices.ContainsFunc(b.groups, func(g condGroup) bool { return g.cond.mask != 0 })
					return 0, fmt.Errorf("table %s: %d rows: %w", e.table.Name, e.rows, ErrNoRoom)
				}
				b.class[sums[v]] = n
				b.first = append(b.first, v)
			}
			last = n
		}
		nativeEndian.PutUint16(table[2*v:], uint16(last))
	}
	return uint32(len(b.first)), nil
}

// rows writes the rows of a chunk's classes, each as its first value has it.
func (b *classBuild) rows(e *Classes, c *chunk, mem []byte, rules uint32) {
	words := int(rules+63) / 64
	b.cur = append(b.cur[:0], make([]uint64, words)...)
	slices.SortFunc(b.events, func(x, y condEvent) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.group, y.group)) })
	size, next := e.rowSize(), 0
	row := func(n int) []uint64 {
		return unsafe.Slice((*uint64)(unsafe.Pointer(&mem[n*size])), size/8)
	}
	class := func(v uint32) int {
		n, ok := slices.BinarySearch(b.first, v) // first values ascend with the classes
		if !ok {
			return -1
		}
		return n
	}
	for n, v := range b.first {
		for next < len(b.events) && b.events[next].at <= v {
			for _, r := range b.groups[b.events[next].group].rules {
				b.cur[r/64] ^= 1 << (r % 64)
			}
			next++
		}
		r := row(n)
		clear(r)
		copy(r[e.summary:], b.cur)
	}
	for g := range b.groups {
		if x := &b.groups[g]; x.cond.mask != 0 {
			x.cond.each(1<<c.bits, func(v uint32) {
				if n := class(v); n >= 0 {
					r := row(n)
					for _, k := range x.rules {
						r[e.summary+int(k/64)] |= 1 << (k % 64)
					}
				}
			})
		}
	}
	for n := range b.first {
		r := row(n)
		for i, v := range r[e.summary : e.summary+words] {
			if v != 0 {
				r[i/64] |= 1 << (i % 64)
			}
		}
	}
}
