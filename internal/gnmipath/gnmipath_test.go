package gnmipath

import (
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/protobuf/proto"
)

// TestParse: gnmi:GN2, GN4, GN5, GN6.
func TestParse(t *testing.T) {
	elem := func(name string, kv ...string) *gpb.PathElem {
		e := &gpb.PathElem{Name: name}
		for i := 0; i < len(kv); i += 2 {
			if e.Key == nil {
				e.Key = map[string]string{}
			}
			e.Key[kv[i]] = kv[i+1]
		}
		return e
	}
	for _, c := range []struct {
		in   string
		want *gpb.Path
		back string // "" = in
	}{
		{"/", &gpb.Path{}, ""},
		{"", &gpb.Path{}, "/"},
		{"/interfaces/interface[name=eth1]/state", &gpb.Path{Elem: []*gpb.PathElem{elem("interfaces"), elem("interface", "name", "eth1"), elem("state")}}, ""},
		{"interfaces/", &gpb.Path{Elem: []*gpb.PathElem{elem("interfaces")}}, "/interfaces"},
		{"/a[x=1/2][y=\\]\\\\]", &gpb.Path{Elem: []*gpb.PathElem{elem("a", "x", "1/2", "y", `]\`)}}, ""},
		{"/a[x=]", &gpb.Path{Elem: []*gpb.PathElem{elem("a", "x", "")}}, ""},
		{"/a[x=b=c]", &gpb.Path{Elem: []*gpb.PathElem{elem("a", "x", "b=c")}}, ""},
		{"/*/.../in-pkts", &gpb.Path{Elem: []*gpb.PathElem{elem("*"), elem("..."), elem("in-pkts")}}, ""},
		{"p4nic:/pipeline", &gpb.Path{Origin: "p4nic", Elem: []*gpb.PathElem{elem("pipeline")}}, "/pipeline"},
		{"openconfig-interfaces:interfaces", &gpb.Path{Elem: []*gpb.PathElem{elem("openconfig-interfaces:interfaces")}}, "/openconfig-interfaces:interfaces"},
	} {
		got, err := Parse(c.in)
		if err != nil || !proto.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v, want %v", c.in, got, err, c.want)
			continue
		}
		want := c.back
		if want == "" {
			want = c.in
		}
		if back := Format(got); back != want {
			t.Errorf("%s is shown as %s", c.in, back)
		}
	}
	for _, c := range []struct{ in, want string }{
		{"//a", "no name"},
		{"/a[x", "[KEY=VALUE]"},
		{"/a[x=1", "] is missing"},
		{"/a[=1]", "[KEY=VALUE]"},
		{"/a[x=1]b", "after ]"},
		{"/a[x=1][x=2]", "twice"},
		{`/a\`, `\ at the end`},
	} {
		if p, err := Parse(c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want %q", c.in, p, err, c.want)
		}
	}
}

// FuzzParse: what parses is shown in a form that parses to the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"/", "/a/b[c=d]/e", "o:/a", `/a[x=\]][y=\\]/b`, "/a\\/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		back, err := Parse(Format(p))
		if err != nil {
			t.Fatalf("%q is shown as %q: %v", s, Format(p), err)
		}
		back.Origin = p.Origin
		if !proto.Equal(p, back) {
			t.Fatalf("%q is shown as %q: %v, then %v", s, Format(p), p, back)
		}
	})
}
