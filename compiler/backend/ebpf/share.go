package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// otherMaps is how many maps a program refers to besides its layout's: the
// device's, scratch, replication, copies.
const otherMaps = 16

// share lays what is the same for all tables into maps that they share, each table
// from a base on, where the program would else refer to more maps than the kernel
// lets it: entry words, action data of one size, and handles that a key indexes.
// Tables with a match structure keep it for themselves, so that one can be made
// anew without the others; counters keep theirs because a reload takes them over
// table by table.
func (l *Layout) share() {
	if len(l.Maps()) <= maxMaps-otherMaps {
		return
	}
	entries := &MapSpec{Name: "entry:all tables", Type: ebpf.Array, KeySize: 4, ValueSize: 8, Flags: fMmapable, Role: Content}
	handles := &MapSpec{Name: "match:all arrays", Type: ebpf.Array, KeySize: 4, ValueSize: 4, Flags: fMmapable, Role: Content}
	data := map[uint32]*MapSpec{} // by value size
	join := func(into *MapSpec, n uint32) (base uint32) {
		base = into.MaxEntries
		into.MaxEntries += n
		return base
	}
	for _, t := range l.Tables {
		if t.Learn != nil {
			continue // packets write these
		}
		t.EntryBase = join(entries, t.Entry.MaxEntries)
		t.Entry = entries
		if t.Data != nil {
			size := t.Data.ValueSize
			if data[size] == nil {
				d := *t.Data
				d.Name, d.MaxEntries = fmt.Sprintf("data:%d bytes", size), 0
				data[size] = &d
			}
			t.DataBase = join(data[size], t.Data.MaxEntries)
			t.Data = data[size]
		}
		if e, ok := t.Engine.(*arrayEngine); ok {
			e.base = join(handles, e.spec.MaxEntries)
			e.spec = handles
		}
	}
}

// onceEach leaves the first of maps that several tables share.
func onceEach(ms []*MapSpec) []*MapSpec {
	seen := map[*MapSpec]bool{}
	out := ms[:0]
	for _, m := range ms {
		if !seen[m] {
			seen[m] = true
			out = append(out, m)
		}
	}
	return out
}
