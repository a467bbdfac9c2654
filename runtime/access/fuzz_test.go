package access

import (
	"strings"
	"testing"

	"github.com/p4nic/p4nic/internal/gnmipath"
)

// FuzzRule: any client pattern and path of a rule are compiled or refused without
// a panic; a pattern without * stands for its own name alone, and a path covers
// itself and what is below it.
func FuzzRule(f *testing.F) {
	f.Add("spiffe://example.org/a/*", "uri:spiffe://example.org/a/b", "/a/b[k=v]", "/a/b[k=v]/c")
	f.Add("dns:*.example.org", "dns:a.example.org", "/", "/a")
	f.Add("cn:*", "cn:x", "/a[k=*]", "/a[k=1][l=2]")
	f.Add("*", "anonymous", "m:/n:a", "/a")
	f.Fuzz(func(t *testing.T, pattern, name, allowed, asked string) {
		p, err := compileRules([]Rule{{Clients: []string{pattern}, Allow: []string{"gnmi.*"}, GNMIRead: []string{allowed}, GNMISet: []string{}}})
		if err != nil {
			return
		}
		compiled := p.rules[0].clients[0]
		got := p.rights([]string{name})
		if !strings.Contains(compiled, "*") && got.may(GNMIGet) && !strings.EqualFold(compiled, name) {
			t.Errorf("pattern %q lets %q in", pattern, name)
		}
		if got.full || got.may(P4RTWrite) || got.may(Metrics) || got.mayPath(GNMISet, nil, nil) {
			t.Errorf("%+v has more than it was given", got)
		}
		a := p.rules[0].grant.read[0]
		if !covers(a, nil, a) {
			t.Errorf("%s does not cover itself", allowed)
		}
		q, err := gnmipath.Parse(asked)
		if err != nil {
			return
		}
		if covers(a, nil, q) != covers(a, q, nil) {
			t.Errorf("%s as prefix and as path differ", asked)
		}
		if a.GetOrigin() == "" && !covers(a, a, q) {
			t.Errorf("%s does not cover %s below it", allowed, asked)
		}
	})
}
