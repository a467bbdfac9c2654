package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/p4nic/p4nic/internal/gnmipath"
)

// Permission is a kind of thing that a client may do.
type Permission string

// Permissions; docs/security.md says what each is.
const (
	P4RTRead      Permission = "p4rt.read"
	P4RTWrite     Permission = "p4rt.write"
	P4RTPipeline  Permission = "p4rt.pipeline"
	P4RTPacket    Permission = "p4rt.packet"
	GRIBIRead     Permission = "gribi.read"
	GRIBIWrite    Permission = "gribi.write"
	GNMIGet       Permission = "gnmi.get"
	GNMISubscribe Permission = "gnmi.subscribe"
	GNMISet       Permission = "gnmi.set"
	NicdRead      Permission = "nicd.read"
	NicdWrite     Permission = "nicd.write"
	RoutesRead    Permission = "routes.read"
	RoutesWrite   Permission = "routes.write"
	Metrics       Permission = "metrics"
)

// Permissions lists all.
func Permissions() []Permission {
	return []Permission{P4RTRead, P4RTWrite, P4RTPipeline, P4RTPacket, GRIBIRead, GRIBIWrite, GNMIGet, GNMISubscribe, GNMISet,
		NicdRead, NicdWrite, RoutesRead, RoutesWrite, Metrics}
}

// rule is a Rule that was read.
type rule struct {
	clients []string
	grant   grant
}

// grant is what one rule allows.
type grant struct {
	all       bool // "*"
	allow     []Permission
	roles     []string    // nil = all
	read, set []*gpb.Path // nil = all
}

// rights is what a client may do: all, or the sum of its grants.
type rights struct {
	full   bool
	grants []grant
}

// policy is all rules.
type policy struct{ rules []rule }

// rights of a client with these names. Without rules the authority that signed a
// certificate is what decides; nicd refuses a configuration that lets strangers
// in without being told so.
func (p *policy) rights(names []string) rights {
	if len(p.rules) == 0 {
		return rights{full: true}
	}
	var r rights
	for _, x := range p.rules {
		if slices.ContainsFunc(x.clients, func(pattern string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return matches(pattern, n) })
		}) {
			r.grants = append(r.grants, x.grant)
		}
	}
	return r
}

// matches tells whether a pattern of a rule is a client's name. uri:PREFIX/* has
// one element or more behind the prefix, dns:*.DOMAIN one label before it.
func matches(pattern, name string) bool {
	if pattern == name {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "/*"); ok && strings.HasPrefix(pattern, "uri:") {
		rest, ok := strings.CutPrefix(name, prefix+"/")
		return ok && rest != ""
	}
	if domain, ok := strings.CutPrefix(pattern, "dns:*."); ok {
		label, rest, _ := strings.Cut(strings.TrimPrefix(name, "dns:"), ".")
		return strings.HasPrefix(name, "dns:") && label != "" && strings.EqualFold(rest, domain)
	}
	return strings.HasPrefix(pattern, "dns:") && strings.EqualFold(pattern, name)
}

func compileRules(in []Rule) (*policy, error) {
	p := &policy{}
	var errs []error
	for i, r := range in {
		x, err := compileRule(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("access: rule %d: %w", i+1, err))
		}
		p.rules = append(p.rules, x)
	}
	return p, errors.Join(errs...)
}

func compileRule(r Rule) (rule, error) {
	var x rule
	var errs []error
	if len(r.Clients) == 0 {
		errs = append(errs, errors.New("it names no clients"))
	}
	for _, c := range r.Clients {
		pattern, err := clientPattern(c)
		if err != nil {
			errs = append(errs, err)
		}
		x.clients = append(x.clients, pattern)
	}
	if len(r.Allow) == 0 {
		errs = append(errs, errors.New("it allows nothing"))
	}
	for _, a := range r.Allow {
		switch list := permissions(a); {
		case a == "*":
			x.grant.all = true
		case len(list) == 0:
			errs = append(errs, fmt.Errorf("permission %q is unknown; there are %s, SERVICE.* and *", a, strings.Trim(fmt.Sprint(Permissions()), "[]")))
		default:
			x.grant.allow = append(x.grant.allow, list...)
		}
	}
	x.grant.roles = r.Roles
	var err error
	if x.grant.read, err = paths("gnmi-read", r.GNMIRead); err != nil {
		errs = append(errs, err)
	}
	if x.grant.set, err = paths("gnmi-set", r.GNMISet); err != nil {
		errs = append(errs, err)
	}
	return x, errors.Join(errs...)
}

func clientPattern(c string) (string, error) {
	kind, rest, ok := strings.Cut(c, ":")
	switch {
	case c == certified || c == anonymous:
		return c, nil
	case ok && strings.HasPrefix(rest, "//"): // spiffe://... stands for itself
		return clientPattern("uri:" + c)
	case !ok || rest == "" || kind != "uri" && kind != "dns" && kind != "cn":
		return "", fmt.Errorf("client %q: uri:URI (or the URI), dns:NAME, cn:NAME, * or anonymous is wanted", c)
	}
	star := strings.Index(rest, "*")
	if star >= 0 && !(kind == "uri" && star == len(rest)-1 && strings.HasSuffix(rest, "/*") && !strings.HasSuffix(rest, "://*") ||
		kind == "dns" && star == 0 && strings.HasPrefix(rest, "*.") && strings.Count(rest, "*") == 1) {
		return "", fmt.Errorf("client %q: * stands at the end of a URI, behind a slash, or for the first label of a DNS name", c)
	}
	return c, nil
}

// permissions that a word of a rule means: one, or all of a service.
func permissions(word string) []Permission {
	service, all := strings.CutSuffix(word, ".*")
	return slices.DeleteFunc(Permissions(), func(p Permission) bool {
		return string(p) != word && !(all && strings.HasPrefix(string(p), service+"."))
	})
}

func paths(key string, texts []string) ([]*gpb.Path, error) {
	if texts == nil {
		return nil, nil
	}
	out := make([]*gpb.Path, 0, len(texts)) // not nil: an empty list allows none
	var errs []error
	for _, t := range texts {
		p, err := gnmipath.Parse(t)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
			continue
		}
		for _, e := range p.GetElem() {
			if strings.Contains(e.GetName(), "*") || e.GetName() == "..." {
				errs = append(errs, fmt.Errorf("%s: path %q: elements are names, without wildcards", key, t))
			}
		}
		out = append(out, p)
	}
	return out, errors.Join(errs...)
}

func (g *grant) has(p Permission) bool { return g.all || slices.Contains(g.allow, p) }

// may tells whether one of the permissions is there, for something.
func (r *rights) may(one ...Permission) bool {
	return r.full || slices.ContainsFunc(one, func(p Permission) bool {
		return slices.ContainsFunc(r.grants, func(g grant) bool { return g.has(p) })
	})
}

// mayRole tells whether the permission is there for a role of P4Runtime.
func (r *rights) mayRole(p Permission, role string) bool {
	return r.full || slices.ContainsFunc(r.grants, func(g grant) bool {
		return g.has(p) && (g.roles == nil || slices.Contains(g.roles, role))
	})
}

// mayPath tells whether the permission is there for a path of gNMI and all below.
func (r *rights) mayPath(p Permission, prefix, path *gpb.Path) bool {
	return r.full || slices.ContainsFunc(r.grants, func(g grant) bool {
		if !g.has(p) {
			return false
		}
		list := g.read
		if p == GNMISet {
			list = g.set
		}
		return list == nil || slices.ContainsFunc(list, func(allowed *gpb.Path) bool { return covers(allowed, prefix, path) })
	})
}

// covers tells whether everything that prefix and path together can mean is at or
// below allowed. A key that allowed does not name is free; a wildcard of the
// request is covered only where allowed is free as well.
func covers(allowed, prefix, path *gpb.Path) bool {
	origin := prefix.GetOrigin()
	if path.GetOrigin() != "" {
		origin = path.GetOrigin()
	}
	if allowed.GetOrigin() != "" && allowed.GetOrigin() != origin {
		return false
	}
	elems := slices.Concat(prefix.GetElem(), path.GetElem())
	if len(elems) < len(allowed.GetElem()) {
		return false
	}
	for i, a := range allowed.GetElem() {
		e := elems[i]
		if bare(a.GetName()) != bare(e.GetName()) {
			return false
		}
		for k, v := range a.GetKey() {
			if v == "*" {
				continue
			}
			found := false
			for key, value := range e.GetKey() { // a key may be named with its module
				found = found || bare(key) == bare(k) && value == v
			}
			if !found {
				return false
			}
		}
	}
	return true
}

// bare takes the module off MODULE:NAME.
func bare(name string) string {
	if _, n, ok := strings.Cut(name, ":"); ok {
		return n
	}
	return name
}
