package telemetry

import (
	"slices"
	"testing"
)

// TestDecimal: canonical form of RFC 7950 section 9.3.2.
func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		v      int64
		digits int
		want   string
	}{
		{0, 2, "0.0"}, {5, 2, "0.05"}, {50, 2, "0.5"}, {100, 2, "1.0"}, {12345, 2, "123.45"}, {-5, 1, "-0.5"}, {-1200, 3, "-1.2"}, {7, 0, "7.0"},
		{-1 << 63, 1, "-922337203685477580.8"},
	} {
		if got := Decimal(c.v, c.digits); got != c.want {
			t.Errorf("%d with %d digits: %s, want %s", c.v, c.digits, got, c.want)
		}
	}
}

// TestText: values as people read them.
func TestText(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		v    Value
		want string
	}{
		{String, str("a:b"), "a:b"}, {Bool, truth(true), "true"}, {Uint64, num(1 << 63), "9223372036854775808"}, {Int64, num(^uint64(0)), "-1"},
		{Identity, str("m:NAME"), "NAME"}, {Identity, str("NAME"), "NAME"}, {Strings, list("a", "b"), "a,b"},
	} {
		if got := (Type{Kind: c.kind}).Text(c.v); got != c.want {
			t.Errorf("%v: %q, want %q", c.v, got, c.want)
		}
	}
}

// rows makes rows with one leaf, the last key's text again.
func testSource() *Source {
	s := newSource(OriginP4nic, "/p4nic-pipeline:a/b[x]/c[y]", []def[string]{
		{"v", Type{Kind: String}, func(s *string) (Value, bool) { return str(*s), *s != "" }, operational, nil},
	})
	return s
}

func row(value string, keys ...string) *Row { return &Row{Keys: keys, Data: &value} }

// TestSettle: rows are sorted, and those that did not change are the same ones.
func TestSettle(t *testing.T) {
	s := testSource()
	f := &Frame{Source: s, Rows: settle(s, nil, []*Row{row("1", "b", "1"), row("2", "a", "2"), row("3", "a", "1")})}
	var order []string
	for _, r := range f.Rows {
		order = append(order, r.Keys[0]+r.Keys[1])
	}
	if !slices.Equal(order, []string{"a1", "a2", "b1"}) {
		t.Fatalf("order %v", order)
	}
	g := &Frame{Source: s, Rows: settle(s, f, []*Row{row("9", "a", "2"), row("3", "a", "1"), row("4", "a", "3")})}
	if g.Rows[0] != f.Rows[0] {
		t.Error("a1 did not change, but is another row")
	}
	if g.Rows[1] == f.Rows[1] || g.Rows[1].Changes(s.Leaves[0]) != 1 {
		t.Error("a2 changed once")
	}
	h := settle(s, g, []*Row{row("8", "a", "2")})
	if h[0].Changes(s.Leaves[0]) != 2 {
		t.Errorf("a2 changed twice, not %d times", h[0].Changes(s.Leaves[0]))
	}
	var diff []string
	Diff(f.Rows, g.Rows, func(o, n *Row) {
		switch {
		case o == nil:
			diff = append(diff, "+"+n.Keys[0]+n.Keys[1])
		case n == nil:
			diff = append(diff, "-"+o.Keys[0]+o.Keys[1])
		default:
			diff = append(diff, "!"+n.Keys[0]+n.Keys[1])
		}
	})
	if !slices.Equal(diff, []string{"!a2", "+a3", "-b1"}) {
		t.Errorf("diff %v", diff)
	}
	for _, c := range []struct {
		first []string
		want  int
	}{{nil, 3}, {[]string{"a"}, 2}, {[]string{"a", "2"}, 1}, {[]string{"b"}, 1}, {[]string{"c"}, 0}, {[]string{""}, 0}} {
		if got := len(f.Range(c.first)); got != c.want {
			t.Errorf("%v: %d rows, want %d", c.first, got, c.want)
		}
	}
}

// TestSelect: what queries select, and the part they need.
func TestSelect(t *testing.T) {
	s := &Schema{Sources: []*Source{testSource()}}
	s.Sources[0].Parted = true
	elem := func(name string, kv ...string) PathElem {
		e := PathElem{Name: name}
		for i := 0; i < len(kv); i += 2 {
			if e.Keys == nil {
				e.Keys = map[string]string{}
			}
			e.Keys[kv[i]] = kv[i+1]
		}
		return e
	}
	q := func(e ...PathElem) Query { return Query{Origin: OriginP4nic, Elems: e} }
	for _, c := range []struct {
		name  string
		q     Query
		part  string
		rows  string // of a/1, a/2, b/1
		exact bool
	}{
		{"root", q(), "", "a1 a2 b1", true},
		{"all", q(elem("a"), elem("b"), elem("c")), "", "a1 a2 b1", false},
		{"first key", q(elem("a"), elem("b", "x", "a")), "a", "a1 a2", true},
		{"below", q(elem("a"), elem("b", "x", "a"), elem("c", "y", "*")), "a", "a1 a2", false},
		{"last key", q(elem("a"), elem("b"), elem("c", "y", "1"), elem("v")), "", "a1 b1", false},
		{"both", q(elem("a"), elem("b", "x", "a"), elem("c", "y", "1")), "a", "a1", true},
		{"star", q(elem("*"), elem("*"), elem("*"), elem("v")), "", "a1 a2 b1", false},
		{"dots", q(elem("..."), elem("v")), "", "a1 a2 b1", false},
		{"dots, then a key", q(elem("..."), elem("c", "y", "2")), "", "a2", false},
		{"dots alone", q(elem("...")), "", "a1 a2 b1", false},
		{"star with a key", q(elem("a"), elem("*", "x", "b")), "b", "b1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			sels, err := s.Select(c.q)
			if err != nil || len(sels) != 1 {
				t.Fatalf("%v, %v", sels, err)
			}
			f := &Frame{Source: s.Sources[0], Rows: settle(s.Sources[0], nil, []*Row{row("1", "a", "1"), row("2", "a", "2"), row("3", "b", "1")})}
			got := ""
			for _, r := range sels[0].Rows(f) {
				sels[0].Each(r, func(_ *Leaf, keys []string, _ Value) { got += " " + keys[0] + keys[1] })
				if !sels[0].WantsRow(r.Keys) && sels[0].Has(s.Sources[0].Leaves[0], r.Keys) {
					t.Errorf("row %v is wanted and is not", r.Keys)
				}
			}
			if got != " "+c.rows || sels[0].Part() != c.part || c.q.Exact(s, sels) != c.exact {
				t.Errorf("rows %q, part %q, exact %v; want %q, %q, %v", got, sels[0].Part(), c.q.Exact(s, sels), c.rows, c.part, c.exact)
			}
		})
	}
	for _, bad := range []Query{q(elem("x")), q(elem("a"), elem("b", "z", "1")), q(elem("")), q(elem("...", "k", "v")), {Origin: "other"}} {
		if sels, err := s.Select(bad); err == nil {
			t.Errorf("%s selects %v", bad.Text(), sels)
		}
	}
}

// TestMatchText: keys of entries are in canonical hexadecimal.
func TestMatchText(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want string
	}{{nil, "0x0"}, {[]byte{0}, "0x0"}, {[]byte{0, 0x0a}, "0xa"}, {[]byte{0x10}, "0x10"}, {[]byte{0, 1, 2}, "0x102"}} {
		if got := valueText(c.in); got != c.want {
			t.Errorf("%x: %s, want %s", c.in, got, c.want)
		}
	}
}
