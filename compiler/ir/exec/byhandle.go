package exec

import "iter"

// byHandle holds something for each of many handles. Handles are given out from
// 1 on, so it is an array, in pages of which only those in use are there; a handle
// far above all others has its place in a map.
type byHandle[T any] struct {
	pages []*[handlePage]*T
	far   map[uint32]*T
}

const (
	handlePage = 256
	// nearHandles bounds the array of pages.
	nearHandles = 1 << 26
)

func (b *byHandle[T]) get(handle uint32) *T {
	if handle >= nearHandles {
		return b.far[handle]
	}
	if i := int(handle / handlePage); i < len(b.pages) && b.pages[i] != nil {
		return b.pages[i][handle%handlePage]
	}
	return nil
}

// set puts v in the handle's place, nil for nothing.
func (b *byHandle[T]) set(handle uint32, v *T) {
	if handle >= nearHandles {
		if b.far == nil {
			b.far = map[uint32]*T{}
		}
		if b.far[handle] = v; v == nil {
			delete(b.far, handle)
		}
		return
	}
	i := int(handle / handlePage)
	for len(b.pages) <= i {
		b.pages = append(b.pages, nil)
	}
	if b.pages[i] == nil {
		b.pages[i] = new([handlePage]*T)
	}
	b.pages[i][handle%handlePage] = v
}

// all gives what is there; those in the array in order.
func (b *byHandle[T]) all() iter.Seq2[uint32, *T] {
	return func(yield func(uint32, *T) bool) {
		for i, p := range b.pages {
			if p == nil {
				continue
			}
			for k, v := range p {
				if v != nil && !yield(uint32(i*handlePage+k), v) {
					return
				}
			}
		}
		for handle, v := range b.far {
			if !yield(handle, v) {
				return
			}
		}
	}
}
