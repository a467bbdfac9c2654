package telemetry

import (
	"slices"
	"sort"
)

// Row is one list entry, or the content of a container (no keys). It is
// immutable once its frame is published.
type Row struct {
	Keys []string
	Data any
	// changes counts, by leaf, the collections in which it differed from the one
	// before; nil = none.
	changes []uint32
}

// Frame is what one collection of a source found.
type Frame struct {
	Source *Source
	Time   int64  // when the collection began, nanoseconds since 1970
	Rows   []*Row // sorted by Keys
}

// Changes is the number of collections in which a leaf was seen to change.
func (r *Row) Changes(l *Leaf) uint32 {
	if r.changes == nil {
		return 0
	}
	return r.changes[l.index]
}

func compareKeys(a, b []string) int { return slices.Compare(a, b) }

// Range gives the rows whose first keys are exactly those.
func (f *Frame) Range(first []string) []*Row {
	if len(first) == 0 {
		return f.Rows
	}
	head := func(i int) int {
		k := f.Rows[i].Keys
		return compareKeys(k[:min(len(k), len(first))], first)
	}
	lo := sort.Search(len(f.Rows), func(i int) bool { return head(i) >= 0 })
	hi := lo + sort.Search(len(f.Rows)-lo, func(i int) bool { return head(lo+i) > 0 })
	return f.Rows[lo:hi]
}

// Diff calls for every row of two frames of one source, in order: a nil row is
// one that the frame does not have. Rows that are the same pointer are left out.
func Diff(old, new []*Row, yield func(o, n *Row)) {
	for len(old) > 0 || len(new) > 0 {
		order := 0
		switch {
		case len(old) > 0 && len(new) > 0 && old[0] == new[0]:
		case len(old) == 0:
			order = 1
		case len(new) == 0:
			order = -1
		default:
			order = compareKeys(old[0].Keys, new[0].Keys)
		}
		switch {
		case order < 0:
			yield(old[0], nil)
			old = old[1:]
		case order > 0:
			yield(nil, new[0])
			new = new[1:]
		default:
			if old[0] != new[0] {
				yield(old[0], new[0])
			}
			old, new = old[1:], new[1:]
		}
	}
}

// settle sorts fresh rows and puts the rows of the frame before in place of those
// that did not change.
func settle(s *Source, before *Frame, rows []*Row) []*Row {
	if !slices.IsSortedFunc(rows, compareRows) {
		slices.SortFunc(rows, compareRows)
	}
	if before == nil {
		return rows
	}
	old := before.Rows
	for i, r := range rows {
		if len(old) > 0 && old[0] == r {
			old = old[1:]
			continue
		}
		for len(old) > 0 && compareRows(old[0], r) < 0 {
			old = old[1:]
		}
		if len(old) == 0 {
			break
		}
		if compareRows(old[0], r) == 0 {
			rows[i] = s.follow(old[0], r)
		}
	}
	return rows
}

func compareRows(a, b *Row) int { return compareKeys(a.Keys, b.Keys) }

// follow gives old when r is the same, else r with the changes counted.
func (s *Source) follow(old, r *Row) *Row {
	var changes []uint32
	for _, l := range s.Leaves {
		if l.Volatile || l.same(old, r) {
			continue
		}
		if changes == nil {
			changes = make([]uint32, len(s.Leaves))
			copy(changes, old.changes)
		}
		changes[l.index]++
	}
	if changes == nil && !s.volatile() {
		return old
	}
	if r.changes = changes; changes == nil {
		r.changes = old.changes
	}
	return r
}

func (s *Source) volatile() bool {
	return slices.ContainsFunc(s.Leaves, func(l *Leaf) bool { return l.Volatile })
}

// item is one value of a leaf.
type item struct {
	extra []string
	v     Value
}

func (l *Leaf) items(r *Row, buf []item) []item {
	if l.read != nil {
		if v, ok := l.read(r.Data); ok {
			buf = append(buf, item{v: v})
		}
		return buf
	}
	l.each(r.Data, func(extra []string, v Value) { buf = append(buf, item{extra, v}) })
	return buf
}

// same tells whether a leaf has the same values in two rows.
func (l *Leaf) same(a, b *Row) bool {
	if l.read != nil {
		v, has := l.read(a.Data)
		w, have := l.read(b.Data)
		return has == have && v.Equal(w)
	}
	return slices.EqualFunc(l.items(a, nil), l.items(b, nil), func(p, q item) bool {
		return p.v.Equal(q.v) && slices.Equal(p.extra, q.extra)
	})
}

// Changed gives what leaf l has in row n that it had not, or had otherwise, in
// row o, and the keys of what is gone. A nil row has nothing.
func (l *Leaf) Changed(o, n *Row, set func(keys []string, v Value), gone func(keys []string)) {
	var was, is []item
	var keys []string
	if o != nil {
		was, keys = l.items(o, nil), o.Keys
	}
	if n != nil {
		is, keys = l.items(n, nil), n.Keys
	}
	full := func(extra []string) []string {
		if len(extra) == 0 {
			return keys
		}
		return append(append(make([]string, 0, len(keys)+len(extra)), keys...), extra...)
	}
	find := func(in []item, extra []string) int {
		return slices.IndexFunc(in, func(i item) bool { return slices.Equal(i.extra, extra) })
	}
	for _, w := range was {
		if find(is, w.extra) < 0 {
			gone(full(w.extra))
		}
	}
	for _, i := range is {
		if at := find(was, i.extra); at < 0 || !was[at].v.Equal(i.v) {
			set(full(i.extra), i.v)
		}
	}
}
