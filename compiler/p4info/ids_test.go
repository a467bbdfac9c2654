package p4info

import (
	"strings"
	"testing"
)

// Ids that p4c gives, as public P4Info files show them.
func TestKnownIDs(t *testing.T) {
	for _, c := range []struct {
		kind prefix
		name string
		id   uint32
	}{
		{prefixAction, "NoAction", 21257015},
		{prefixAction, "MyIngress.drop", 25652968},
		{prefixAction, "MyIngress.forward", 29683729},
		{prefixAction, "ingressImpl.a", 25218163},
		{prefixAction, "ingressImpl.a_params", 26776898},
		{prefixAction, "IngressI.drop", 23455883},
		{prefixTable, "ingressImpl.t1", 49173205},
		{prefixTable, "ingressImpl.t5", 47497379},
		{prefixTable, "MyIngress.calculate", 35792087},
		{prefixTable, "IngressI.indirect_ws", 38116258},
		{prefixActionProfile, "ap", 294074782},
		{prefixActionProfile, "ap_ws", 300324846},
	} {
		t.Run("lang:P1,lang:P4/"+c.name, func(t *testing.T) {
			s := newSymbols()
			if err := s.add(c.kind, c.name, 0); err != nil {
				t.Fatal(err)
			}
			s.resolve()
			if got := s.id(c.kind, c.name); got != c.id {
				t.Errorf("id %d, want %d", got, c.id)
			}
		})
	}
}

// lang:P2: a taken id raises the hash by one, in sorted order of names.
func TestCollision(t *testing.T) {
	s := newSymbols()
	h := hash("b") & hashMask
	for _, add := range []struct {
		name string
		id   uint32
	}{{"b", 0}, {"a", h}, {"c", h + 1}} {
		if err := s.add(prefixTable, add.name, add.id); err != nil {
			t.Fatal(err)
		}
	}
	s.resolve()
	if a, b, c := s.id(prefixTable, "a"), s.id(prefixTable, "b"), s.id(prefixTable, "c"); a != 2<<24|h || c != a+1 || b != a+2 {
		t.Errorf("ids %#x %#x %#x of explicit %#x", a, b, c, h)
	}
}

func TestExplicitIDs(t *testing.T) {
	for _, c := range []struct {
		name string
		id   uint32
		want string // "" accepted
	}{
		{"without prefix", 5, ""},
		{"with its prefix", 0x01000005, "also that of first"},
		{"with another prefix", 0x02000006, "prefix 0x02 of another kind"},
		{"taken", 7, "also that of first"},
	} {
		t.Run("lang:P3/"+c.name, func(t *testing.T) {
			s := newSymbols()
			first := uint32(7)
			if c.name == "with its prefix" {
				first = 5
			}
			if err := s.add(prefixAction, "first", first); err != nil {
				t.Fatal(err)
			}
			err := s.add(prefixAction, "second", c.id)
			if c.want == "" {
				s.resolve()
				if err != nil || s.id(prefixAction, "second") != 1<<24|c.id {
					t.Errorf("%v, id %#x", err, s.id(prefixAction, "second"))
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestAliases(t *testing.T) {
	for _, c := range []struct {
		name string
		syms []symbol
		want map[string]string
	}{
		{"unique", []symbol{{prefixTable, "I.a.t"}, {prefixAction, "I.x"}}, map[string]string{"I.a.t": "t", "I.x": "x"}},
		{"shared end", []symbol{{prefixTable, "I.a.t"}, {prefixTable, "I.b.t"}}, map[string]string{"I.a.t": "a.t", "I.b.t": "b.t"}},
		{"across kinds", []symbol{{prefixTable, "I.a"}, {prefixAction, "E.a"}}, map[string]string{"I.a": "I.a", "E.a": "E.a"}},
		{"one name of two kinds", []symbol{{prefixTable, "I.a"}, {prefixCounter, "I.a"}}, map[string]string{"I.a": "a"}},
		{"a name that is the end of another", []symbol{{prefixTable, "t"}, {prefixTable, "I.t"}}, map[string]string{"t": "t", "I.t": "I.t"}},
		{"whole components only", []symbol{{prefixTable, "I.at"}, {prefixTable, "I.t"}}, map[string]string{"I.at": "at", "I.t": "t"}},
	} {
		t.Run("lang:P6/"+c.name, func(t *testing.T) {
			got := aliases(c.syms)
			for name, want := range c.want {
				if got[name] != want {
					t.Errorf("alias of %s is %s, want %s", name, got[name], want)
				}
			}
		})
	}
}
