package telemetry

import (
	"slices"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// entryRow is a row of /pipeline/tables/table/entries/entry.
type entryRow struct {
	t     *entity.Table
	e     *entity.Entry
	match string
	c     entity.Counter
}

// defaultEntry is the key of a table's default action.
const defaultEntry = "default"

// matchText is the key of an entry: FIELD=VALUE in the table's order, commas
// between, fields that match anything left out, "any" when all are; then
// priority=N where the table has priorities. Values are hexadecimal without
// leading zeros: VALUE, VALUE/LENGTH, VALUE&&&MASK or LOW..HIGH.
func matchText(t *entity.Table, e *entity.Entry) string {
	if e.Handle == 0 {
		return defaultEntry
	}
	var b strings.Builder
	comma := func() {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
	}
	raw := []byte(e.Key)
	for i := range t.Fields {
		f := &t.Fields[i]
		m, ok := f.Get(raw)
		if !ok {
			continue
		}
		comma()
		b.WriteString(f.Name + "=" + valueText(f.Canonical(m.Value)))
		switch f.Kind {
		case ir.MatchLPM:
			b.WriteString("/" + strconv.Itoa(m.PrefixLen))
		case ir.MatchTernary:
			b.WriteString("&&&" + valueText(m.Mask))
		case ir.MatchRange:
			b.WriteString(".." + valueText(f.Canonical(m.Mask)))
		}
	}
	if b.Len() == 0 {
		b.WriteString("any")
	}
	if t.NeedsPriority {
		comma()
		b.WriteString("priority=" + strconv.Itoa(int(e.Priority)))
	}
	return b.String()
}

// valueText is 0x and the digits without leading zeros.
func valueText(v []byte) string {
	for len(v) > 1 && v[0] == 0 {
		v = v[1:]
	}
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 2+2*len(v))
	b = append(b, "0x"...)
	for i, x := range v {
		if i > 0 || x >= 16 {
			b = append(b, digits[x>>4])
		}
		b = append(b, digits[x&15])
	}
	if len(v) == 0 {
		b = append(b, '0')
	}
	return string(b)
}

func entryParams(r *entryRow) (Value, bool) {
	if int(r.e.Action) >= len(r.t.Actions) { // a member or a group
		return Value{}, false
	}
	a := r.t.Actions[r.e.Action]
	if len(a.Params) == 0 {
		return Value{}, false
	}
	args := []byte(r.e.Args)
	l := make([]string, len(a.Params))
	for i := range a.Params {
		p := &a.Params[i]
		l[i] = p.Name + "=" + valueText(p.Canonical(p.Get(args)))
	}
	return list(l...), true
}

func entryMatch(r *entryRow) (Value, bool) { return str(r.match), true }

// entries is the content of the tables; entryCounts their direct counters. They
// are two sources so that watching entries reads no counters.
func entries(st *store.Store) *Source {
	text, u32 := Type{Kind: String}, Type{Kind: Uint32}
	s := newSource(OriginP4nic, entryPath, []def[entryRow]{
		{"match", text, entryMatch, applied, nil},
		{"state/match", text, entryMatch, applied, nil},
		{"state/handle", u32, func(r *entryRow) (Value, bool) { return num(uint64(r.e.Handle)), true }, operational, nil},
		{"state/priority", u32, func(r *entryRow) (Value, bool) {
			return num(uint64(r.e.Priority)), r.t.NeedsPriority && r.e.Handle != 0
		}, operational, nil},
		{"state/action", text, func(r *entryRow) (Value, bool) { return str(r.t.ActionName(r.e)), true }, operational, nil},
		{"state/parameter", Type{Kind: Strings}, entryParams, operational, nil},
	})
	s.events, s.Parted = []Event{StoreChanged}, true
	s.length = func() int { return entryCount(st) }
	s.collect = func(part string, before *Frame) ([]*Row, error) {
		l := newEntryList(before)
		v := st.Snapshot(nil)
		for _, t := range partTables(v, part) {
			l.add(t, v.Default(t.Index), entity.Counter{})
			for e := range v.Entries(t.Index) {
				l.add(t, e, entity.Counter{})
			}
		}
		return l.rows(), nil
	}
	return s
}

func entryCounts(st *store.Store) *Source {
	u64 := Type{Kind: Uint64}
	s := newSource(OriginP4nic, entryPath, []def[entryRow]{
		{"state/packets", u64, func(r *entryRow) (Value, bool) { return num(r.c.Packets), true }, counted, nil},
		{"state/octets", u64, func(r *entryRow) (Value, bool) { return num(r.c.Bytes), true }, counted, nil},
	})
	s.Parted, s.Counts = true, true
	s.length = func() int { return entryCount(st) }
	s.collect = func(part string, before *Frame) ([]*Row, error) {
		l := newEntryList(before)
		v := st.Snapshot(nil)
		for _, t := range partTables(v, part) {
			if t.Counter == "" {
				continue
			}
			if err := eachCounted(v, t, func(e *entity.Entry, c entity.Counter) { l.add(t, e, c) }); err != nil {
				return nil, err
			}
		}
		return l.rows(), nil
	}
	return s
}

// entryList makes the rows of entries. One that the frame before had has its key
// and place from there: neither is made again.
type entryList struct {
	before []*Row
	at     map[entryID]int // in before
	kept   []*Row          // by place in before
	fresh  []*Row
}

// entryID identifies an entry from its INSERT on; a table has one default, whose
// birth is 0.
type entryID struct {
	t     *entity.Table
	birth uint64
}

func newEntryList(f *Frame) *entryList {
	l := &entryList{}
	if f == nil {
		return l
	}
	l.before, l.at, l.kept = f.Rows, make(map[entryID]int, len(f.Rows)), make([]*Row, len(f.Rows))
	for i, r := range f.Rows {
		d := r.Data.(*entryRow)
		l.at[entryID{d.t, d.e.Birth}] = i
	}
	return l
}

func (l *entryList) add(t *entity.Table, e *entity.Entry, c entity.Counter) {
	i, ok := l.at[entryID{t, e.Birth}]
	if !ok {
		m, own := matchText(t, e), *e
		l.fresh = append(l.fresh, &Row{Keys: []string{t.Name, m}, Data: &entryRow{t: t, e: &own, match: m, c: c}})
		return
	}
	old := l.before[i]
	was := old.Data.(*entryRow)
	same := was.e.Action == e.Action && was.e.Args == e.Args
	if same && was.c == c {
		l.kept[i] = old
		return
	}
	now := &entryRow{t: t, e: was.e, match: was.match, c: c}
	if !same {
		own := *e
		now.e = &own
	}
	l.kept[i] = &Row{Keys: old.Keys, Data: now}
}

// rows merges what was kept, which is in order, and what is new.
func (l *entryList) rows() []*Row {
	slices.SortFunc(l.fresh, compareRows)
	out := make([]*Row, 0, len(l.kept)+len(l.fresh))
	fresh := l.fresh
	for _, r := range l.kept {
		if r == nil {
			continue
		}
		for len(fresh) > 0 && compareRows(fresh[0], r) < 0 {
			out = append(out, fresh[0])
			fresh = fresh[1:]
		}
		out = append(out, r)
	}
	return append(out, fresh...)
}

// entryCount is the number of entries of all tables.
func entryCount(st *store.Store) int {
	v := st.Snapshot(nil)
	n := 0
	for _, t := range partTables(v, "") {
		n += v.Count(t.Index) + 1
	}
	return n
}
