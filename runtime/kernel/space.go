package kernel

import (
	"cmp"
	"slices"
)

// extent is a run of elements of an array.
type extent struct{ base, size uint32 }

// space hands out runs of an array: the first that is large enough. What is given
// back joins its neighbours; what packets may still use waits for a grace period.
type space struct {
	free    []extent // in order, none touching the next
	retired []retiredExtent
}

type retiredExtent struct {
	extent
	epoch uint64
}

// take finds n elements; those retired before epoch are free.
func (s *space) take(n uint32, epoch uint64) (extent, bool) {
	k := 0
	for k < len(s.retired) && s.retired[k].epoch < epoch {
		s.give(s.retired[k].extent)
		k++
	}
	s.retired = slices.Delete(s.retired, 0, k)
	return s.find(n)
}

// find is take without those that wait.
func (s *space) find(n uint32) (extent, bool) {
	if n == 0 {
		return extent{}, true
	}
	for i := range s.free {
		f := &s.free[i]
		if f.size < n {
			continue
		}
		e := extent{f.base, n}
		f.base, f.size = f.base+n, f.size-n
		if f.size == 0 {
			s.free = slices.Delete(s.free, i, i+1)
		}
		return e, true
	}
	return extent{}, false
}

// give takes back a run that nobody uses.
func (s *space) give(e extent) {
	if e.size == 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(s.free, e.base, func(f extent, base uint32) int { return cmp.Compare(f.base, base) })
	s.free = slices.Insert(s.free, i, e)
	for j := min(i+1, len(s.free)-1); j >= max(i, 1); j-- {
		if a := &s.free[j-1]; a.base+a.size == s.free[j].base {
			a.size += s.free[j].size
			s.free = slices.Delete(s.free, j, j+1)
		}
	}
}

// retire takes back a run that packets may still use.
func (s *space) retire(e extent, epoch uint64) {
	if e.size > 0 {
		s.retired = append(s.retired, retiredExtent{e, epoch})
	}
}
