package ebpf

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Kind names a match structure.
type Kind uint8

const (
	// KindNone: a table without keys; every look-up gives handle 0.
	KindNone Kind = iota
	// KindArray: one exact key of at most 16 bits; ARRAY of u32 handles indexed
	// by the key, 0 = no entry.
	KindArray
	// KindHash: exact keys; HASH from EncodeKey to u32 handle.
	KindHash
	// KindLPM: exact keys and one lpm; LPM_TRIE from EncodeKey to u32 handle.
	KindLPM
	// KindLinear: everything else; rows in order of priority, scanned.
	KindLinear
	// KindTrie: one lpm key of up to 128 bits and exact keys; see Trie.
	KindTrie
	// KindClasses: more than smallRules entries of any kinds of keys; see Classes.
	KindClasses
)

func (k Kind) String() string {
	return [...]string{"none", "array", "hash", "lpm", "linear", "trie", "classes"}[k]
}

// Engine is a match structure: which maps it has, how a match is written into
// them, and (by emit) the code that turns a key into a handle.
//
// How it is filled depends on Kind: Array, Hash and LPM by one element an entry
// (Keyed), Linear by whole halves (*Linear), None not at all.
type Engine interface {
	Kind() Kind
	// Maps lists the maps; empty for KindNone.
	Maps() []*MapSpec
	// emit generates the look-up: the limbs of all keys, in order, to a handle
	// of 32 bits, 0 for a miss.
	emit(g *gen, keys []vreg, handle vreg)
}

// Keyed is an engine with one map element an entry: key EncodeKey, value the
// handle as a native-endian u32. In KindArray an entry is removed by writing 0,
// in the others by deleting the element.
type Keyed interface {
	Engine
	// Map is the map to write.
	Map() *MapSpec
	// EncodeKey gives the map key of an entry's match; AppendKey appends it to dst,
	// which an error leaves as it was.
	EncodeKey(e *ir.Entry) ([]byte, error)
	AppendKey(dst []byte, e *ir.Entry) ([]byte, error)
	// DecodeKey is its inverse, for tests and dumps.
	DecodeKey(key []byte) ([]ir.Match, error)
}

// keyLayout is what engines know about the table's keys.
type keyLayout struct {
	table *ir.Table
	width []int // bits, one a key
}

func (l *Layout) chooseEngine(t *Table) (Engine, error) {
	bad := func(pos ir.Pos, reason, remedy string) error {
		return unsupported(l.Prog, pos, "table "+t.IR.Name, reason, remedy)
	}
	kl := keyLayout{table: t.IR}
	var lpms, lpmBits, others, bits int
	for _, k := range t.IR.Keys {
		w := ir.Width(k.Expr.Type())
		if k.Kind == ir.MatchSelector {
			if im := t.IR.Implementation; im == nil || im.Kind() != "action_selector" {
				return nil, bad(k.Pos, "key "+k.Name+": match kind selector needs an action selector as the table's implementation", "")
			}
			kl.width = append(kl.width, 0) // input of a hash, no match
			continue
		}
		if w < 0 {
			return nil, bad(k.Pos, fmt.Sprintf("key %s has type %s, which is no scalar", k.Name, k.Expr.Type()), "")
		}
		kl.width = append(kl.width, w)
		bits += w
		switch k.Kind {
		case ir.MatchExact:
		case ir.MatchLPM:
			lpmBits = w
			if lpms++; lpms > 1 {
				return nil, bad(k.Pos, fmt.Sprintf("key %s is its second of kind lpm: which of two entries is longer is not defined", k.Name), "make all but one ternary")
			}
		case ir.MatchTernary, ir.MatchRange, ir.MatchOptional:
			others++
		default:
			return nil, bad(k.Pos, fmt.Sprintf("key %s: match kind %s is not supported on eBPF", k.Name, k.Kind), "")
		}
	}
	name := "match:" + t.IR.Name
	switch {
	case bits == 0 && len(kl.width) == 0:
		return noEngine{}, nil
	case bits == 0: // every key is the same
		return &arrayEngine{keyLayout: kl, spec: &MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: 4,
			MaxEntries: 1, Flags: fMmapable, Role: Content}}, nil
	case others > 0:
		if t.Size > smallRules && !l.opt.Plain {
			if e := newClasses(t, kl, l.opt.hint(t.Index)); e != nil {
				return e, nil
			}
		}
		return newLinear(t, kl), nil
	case lpms == 1 && lpmBits <= maxTrieKey && !l.opt.Plain:
		return newTrie(l, t, kl, l.opt.hint(t.Index))
	case lpms == 1:
		e := &lpmEngine{keyLayout: kl}
		e.place()
		if e.size > 4+maxLPMKey {
			return nil, bad(t.IR.Pos, fmt.Sprintf("a key of %d bytes, the kernel's prefix tables take %d", e.size-4, maxLPMKey), "")
		}
		e.spec = &MapSpec{Name: name, Type: ebpf.LPMTrie, KeySize: uint32(e.size), ValueSize: 4,
			MaxEntries: t.Size, Flags: fNoPrealloc, Role: Content}
		return e, nil
	case len(kl.width) == 1 && bits <= maxArrayKeyBits:
		return &arrayEngine{keyLayout: kl, spec: &MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: 4,
			MaxEntries: 1 << bits, Flags: fMmapable, Role: Content}}, nil
	}
	e := &hashEngine{keyLayout: kl}
	e.place()
	if e.size > maxHashKey {
		return nil, bad(t.IR.Pos, fmt.Sprintf("a key of %d bytes, the limit is %d", e.size, maxHashKey), "")
	}
	e.spec = &MapSpec{Name: name, Type: ebpf.Hash, KeySize: uint32(e.size), ValueSize: 4, MaxEntries: t.Size, Role: Content}
	return e, nil
}

// complete tells whether an entry has a match for every key.
func (k *keyLayout) complete(e *ir.Entry) error {
	if len(e.Match) < len(k.width) {
		return fmt.Errorf("table %s: entry has %d matches, the key %d fields", k.table.Name, len(e.Match), len(k.width))
	}
	return nil
}

// limbOf reads limb j of n limbs of a big-endian byte string, the most
// significant first, as bytesToLimbs gives it.
func limbOf(b []byte, j, n, width int) uint64 {
	end := len(b) - 8*(n-1-j)
	if end <= 0 {
		return 0
	}
	var v uint64
	for _, x := range b[max(0, end-8):end] {
		v = v<<8 | uint64(x)
	}
	return v & maskOf(width)
}

// bytesToLimbs cuts a big-endian byte string of width bits into limbs, the most
// significant first. Missing bytes are 0, as are bits beyond the width.
func bytesToLimbs(b []byte, width int) []uint64 {
	ls := limbsOf(width)
	out := make([]uint64, len(ls))
	end := len(b)
	for i := len(ls) - 1; i >= 0; i-- {
		for s := 0; s < 8 && end > 0; s++ {
			end--
			out[i] |= uint64(b[end]) << (8 * s)
		}
		out[i] &= maskOf(ls[i].Width)
	}
	return out
}

// limbsToBytes is its inverse.
func limbsToBytes(ls []uint64, width int) []byte {
	b := make([]byte, ir.ByteWidth(width))
	at := len(b)
	for i := len(ls) - 1; i >= 0; i-- {
		for s := 0; s < 8 && at > 0; s++ {
			at--
			b[at] = byte(ls[i] >> (8 * s))
		}
	}
	return b
}

// maskOf has the low w bits set.
func maskOf(w int) uint64 {
	if w >= 64 {
		return ^uint64(0)
	}
	return 1<<w - 1
}

func putLimb(b []byte, l Limb, v uint64) {
	for i := range l.Size {
		b[l.Off+i] = byte(v >> (8 * i))
	}
}

func getLimb(b []byte, l Limb) uint64 {
	var v uint64
	for i := range l.Size {
		v |= uint64(b[l.Off+i]) << (8 * i)
	}
	return v
}

// noEngine is the table without keys.
type noEngine struct{}

func (noEngine) Kind() Kind       { return KindNone }
func (noEngine) Maps() []*MapSpec { return nil }

// arrayEngine indexes an array by the key.
type arrayEngine struct {
	keyLayout
	spec *MapSpec
	base uint32 // where the table's elements begin
}

func (e *arrayEngine) Kind() Kind       { return KindArray }
func (e *arrayEngine) Maps() []*MapSpec { return []*MapSpec{e.spec} }
func (e *arrayEngine) Map() *MapSpec    { return e.spec }

func (e *arrayEngine) EncodeKey(en *ir.Entry) ([]byte, error) { return e.AppendKey(nil, en) }

func (e *arrayEngine) AppendKey(dst []byte, en *ir.Entry) ([]byte, error) {
	if err := e.complete(en); err != nil {
		return dst, err
	}
	return nativeEndian.AppendUint32(dst, e.base+uint32(limbOf(en.Match[0].Value, 0, 1, e.width[0]))), nil
}

func (e *arrayEngine) DecodeKey(key []byte) ([]ir.Match, error) {
	if len(key) != 4 {
		return nil, fmt.Errorf("table %s: key of %d bytes, want 4", e.table.Name, len(key))
	}
	return []ir.Match{{Value: limbsToBytes([]uint64{uint64(nativeEndian.Uint32(key) - e.base)}, e.width[0])}}, nil
}

// hashEngine looks all keys up in a kernel hash table. The limbs lie in the key
// in native byte order, large ones first, the end padded to 4 bytes with zeros.
type hashEngine struct {
	keyLayout
	spec  *MapSpec
	limbs [][]Limb
	size  int
}

func (e *hashEngine) place() {
	var all []*Limb
	for _, w := range e.width {
		e.limbs = append(e.limbs, limbsOf(w))
	}
	for i := range e.limbs {
		for j := range e.limbs[i] {
			all = append(all, &e.limbs[i][j])
		}
	}
	e.size = (placeLimbs(all, 0) + 3) &^ 3
}

func (e *hashEngine) Kind() Kind       { return KindHash }
func (e *hashEngine) Maps() []*MapSpec { return []*MapSpec{e.spec} }
func (e *hashEngine) Map() *MapSpec    { return e.spec }

func (e *hashEngine) EncodeKey(en *ir.Entry) ([]byte, error) { return e.AppendKey(nil, en) }

func (e *hashEngine) AppendKey(dst []byte, en *ir.Entry) ([]byte, error) {
	if err := e.complete(en); err != nil {
		return dst, err
	}
	dst, b := extend(dst, e.size)
	for i, ls := range e.limbs {
		for j, l := range ls {
			putLimb(b, l, limbOf(en.Match[i].Value, j, len(ls), l.Width))
		}
	}
	return dst, nil
}

// extend appends n zero bytes and shows them.
func extend(dst []byte, n int) (all, added []byte) {
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	clear(dst[at:])
	return dst, dst[at:]
}

func (e *hashEngine) DecodeKey(key []byte) ([]ir.Match, error) {
	if len(key) != e.size {
		return nil, fmt.Errorf("table %s: key of %d bytes, want %d", e.table.Name, len(key), e.size)
	}
	ms := make([]ir.Match, len(e.limbs))
	for i, ls := range e.limbs {
		vs := make([]uint64, len(ls))
		for j, l := range ls {
			vs[j] = getLimb(key, l)
		}
		ms[i].Value = limbsToBytes(vs, e.width[i])
	}
	return ms, nil
}

// lpmEngine is the kernel's LPM_TRIE. The key is a u32 prefix length, the exact
// keys' limbs as in hashEngine, then the lpm key's limbs in big-endian order.
// A limb narrower than its bytes has leading zeros, which count as prefix.
type lpmEngine struct {
	keyLayout
	spec  *MapSpec
	limbs [][]Limb
	lpm   int // index of the lpm key
	fixed int // bits that every prefix covers: the exact keys and leading zeros
	size  int
}

func (e *lpmEngine) place() {
	var exact []*Limb
	for i, w := range e.width {
		e.limbs = append(e.limbs, limbsOf(w))
		if e.table.Keys[i].Kind == ir.MatchLPM {
			e.lpm = i
		}
	}
	for i := range e.limbs {
		if i == e.lpm {
			continue
		}
		for j := range e.limbs[i] {
			exact = append(exact, &e.limbs[i][j])
		}
	}
	// Offset 4 is not aligned for 8-byte limbs; the code stores them as two
	// halves (see storeLimb).
	off := placeLimbs(exact, 4)
	e.fixed = (off - 4) * 8
	for j := range e.limbs[e.lpm] {
		l := &e.limbs[e.lpm][j]
		l.Off = off
		off += l.Size
		e.fixed += 8*l.Size - l.Width
	}
	e.size = off
}

func (e *lpmEngine) Kind() Kind       { return KindLPM }
func (e *lpmEngine) Maps() []*MapSpec { return []*MapSpec{e.spec} }
func (e *lpmEngine) Map() *MapSpec    { return e.spec }

func (e *lpmEngine) EncodeKey(en *ir.Entry) ([]byte, error) { return e.AppendKey(nil, en) }

func (e *lpmEngine) AppendKey(dst []byte, en *ir.Entry) ([]byte, error) {
	if err := e.complete(en); err != nil {
		return dst, err
	}
	plen := en.Match[e.lpm].PrefixLen
	if plen < 0 || plen > e.width[e.lpm] {
		return dst, fmt.Errorf("table %s: prefix length %d of key %s is not in 0..%d", e.table.Name, plen, e.table.Keys[e.lpm].Name, e.width[e.lpm])
	}
	dst, b := extend(dst, e.size)
	nativeEndian.PutUint32(b, uint32(e.fixed+plen))
	for i, ls := range e.limbs {
		for j, l := range ls {
			v := limbOf(en.Match[i].Value, j, len(ls), l.Width)
			if i != e.lpm {
				putLimb(b, l, v)
				continue
			}
			for n := range l.Size {
				b[l.Off+n] = byte(v >> (8 * (l.Size - 1 - n)))
			}
		}
	}
	return dst, nil
}

func (e *lpmEngine) DecodeKey(key []byte) ([]ir.Match, error) {
	if len(key) != e.size {
		return nil, fmt.Errorf("table %s: key of %d bytes, want %d", e.table.Name, len(key), e.size)
	}
	ms := make([]ir.Match, len(e.limbs))
	for i, ls := range e.limbs {
		vs := make([]uint64, len(ls))
		for j, l := range ls {
			if i != e.lpm {
				vs[j] = getLimb(key, l)
				continue
			}
			for n := range l.Size {
				vs[j] = vs[j]<<8 | uint64(key[l.Off+n])
			}
		}
		ms[i].Value = limbsToBytes(vs, e.width[i])
		if i == e.lpm {
			ms[i].PrefixLen = int(nativeEndian.Uint32(key)) - e.fixed
		}
	}
	return ms, nil
}
