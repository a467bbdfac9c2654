package store

import (
	"hash/maphash"
	"math/bits"
)

// index finds handles by key: open addressing over words of hash and handle,
// without a pointer an entry. It is cut into segments that grow each on its own,
// so that no insert waits for a whole large table to be placed anew. The applier
// changes it while it holds the store's mu.
type index struct {
	seed  maphash.Seed
	segs  []segment // a power of two of them
	count int
}

// segment is a table of linear probing. A slot is the hash's low 32 bits, then
// the handle; 0 is free, for no entry has handle 0.
type segment struct {
	slots []uint64 // a power of two, or none
	used  int
}

// segmentEntries is about how many entries a segment of a full table has:
// placing them anew takes some ten microseconds.
const segmentEntries = 2048

func newIndex(size int) index {
	n := 1
	if size > segmentEntries {
		n = 1 << bits.Len(uint((size-1)/segmentEntries))
	}
	return index{seed: maphash.MakeSeed(), segs: make([]segment, n)}
}

// hash is that of an entry's identity, its packed key and priority.
func (x *index) hash(key string, priority int32) uint64 {
	h := maphash.String(x.seed, key)
	if priority != 0 {
		h = (h ^ uint64(uint32(priority))) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	return h
}

func (x *index) segment(hash uint64) *segment {
	return &x.segs[hash>>32&uint64(len(x.segs)-1)]
}

// find gives the handle of those with this hash that is accepts, 0 for none.
func (x *index) find(hash uint64, is func(handle uint32) bool) uint32 {
	s := x.segment(hash)
	if len(s.slots) == 0 {
		return 0
	}
	mask, tag := uint64(len(s.slots)-1), hash<<32
	for i := hash & mask; ; i = (i + 1) & mask {
		v := s.slots[i]
		if v == 0 {
			return 0
		}
		if v>>32 == tag>>32 && is(uint32(v)) {
			return uint32(v)
		}
	}
}

// put adds a handle that is not there.
func (x *index) put(hash uint64, handle uint32) {
	s := x.segment(hash)
	if 4*(s.used+1) > 3*len(s.slots) {
		s.grow()
	}
	s.place(hash<<32 | uint64(handle))
	s.used++
	x.count++
}

func (s *segment) place(v uint64) {
	mask := uint64(len(s.slots) - 1)
	i := v >> 32 & mask
	for s.slots[i] != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = v
}

func (s *segment) grow() {
	old := s.slots
	s.slots = make([]uint64, max(8, 2*len(old)))
	for _, v := range old {
		if v != 0 {
			s.place(v)
		}
	}
}

// remove takes a handle out that is there, and moves those behind it up, so that
// no search ends early.
func (x *index) remove(hash uint64, handle uint32) {
	s := x.segment(hash)
	mask := uint64(len(s.slots) - 1)
	i := hash & mask
	for want := hash<<32 | uint64(handle); s.slots[i] != want; {
		if s.slots[i] == 0 {
			return
		}
		i = (i + 1) & mask
	}
	for j := i; ; {
		j = (j + 1) & mask
		v := s.slots[j]
		if v == 0 {
			break
		}
		// v may move to i unless its own place lies between the two.
		if (j-v>>32&mask)&mask >= (j-i)&mask {
			s.slots[i], i = v, j
		}
	}
	s.slots[i] = 0
	s.used--
	x.count--
}
