package store

import "github.com/p4nic/p4nic/runtime/entity"

// overlay finds what a group of batches has done to a key so far: the last of
// its items with the key. It is a table of linear probing that is used again for
// every group.
type overlay struct {
	slots []overlaySlot // a power of two
	used  int
	group uint32 // slots of other groups are free
}

type overlaySlot struct {
	group uint32
	tag   uint32 // of the hash
	item  int32
}

// reset forgets everything and makes room for n keys.
func (o *overlay) reset(n int) {
	want := 64
	for want < 2*n {
		want *= 2
	}
	o.group++
	o.used = 0
	if len(o.slots) < want || o.group == 0 {
		o.slots = make([]overlaySlot, want)
		o.group = 1
	}
}

// find gives the slot of a key: that of its last item, or a free one.
func (o *overlay) find(items []item, table int, hash uint64, key string, priority int32) *overlaySlot {
	mask := uint64(len(o.slots) - 1)
	tag := uint32(hash >> 32)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &o.slots[i]
		if s.group != o.group {
			return s
		}
		if s.tag != tag {
			continue
		}
		if c := &items[s.item].change; c.table == table && c.entry.Priority == priority && c.entry.Key == key {
			return s
		}
	}
}

// last is the entry that the slot's item leaves, nil where it deletes it.
func (o *overlay) last(s *overlaySlot, items []item) (e *entity.Entry, touched bool) {
	if s.group != o.group {
		return nil, false
	}
	if c := &items[s.item].change; c.kind != chDelete {
		return &c.entry, true
	}
	return nil, true
}

// note makes an item the last of the slot's key.
func (o *overlay) note(s *overlaySlot, hash uint64, item int) {
	*s = overlaySlot{group: o.group, tag: uint32(hash >> 32), item: int32(item)}
}
