// Package gnmipath reads and shows gNMI paths as people write them.
//
// In: text such as /interfaces/interface[name=eth1]/state or
// p4nic:/pipeline/tables. Out: gnmi.Path, and back.
// Must not import: any other package of this module.
//
// The syntax is that of the gNMI path conventions: elements are separated by /,
// keys stand in brackets, \ before ], \ or / in an element or a value takes its
// meaning away; a slash inside brackets needs none. ORIGIN: may stand first.
package gnmipath

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
)

// Parse reads a path.
func Parse(text string) (*gpb.Path, error) {
	p := &gpb.Path{}
	rest := text
	if i := strings.IndexAny(rest, ":/["); i > 0 && rest[i] == ':' && strings.HasPrefix(rest[i+1:], "/") {
		p.Origin, rest = rest[:i], rest[i+1:]
	}
	rest = strings.TrimPrefix(rest, "/")
	for rest != "" {
		e, n, err := element(rest)
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", text, err)
		}
		p.Elem = append(p.Elem, e)
		rest = rest[n:]
		if rest != "" { // element stops at a slash
			if rest = rest[1:]; rest == "" {
				break // a slash at the end is allowed
			}
		}
	}
	return p, nil
}

// element reads one element and gives the bytes it took.
func element(s string) (*gpb.PathElem, int, error) {
	name, i, err := until(s, "/[")
	if err != nil {
		return nil, 0, err
	}
	if name == "" {
		return nil, 0, errors.New("an element has no name")
	}
	e := &gpb.PathElem{Name: name}
	for i < len(s) && s[i] == '[' {
		key, n, err := until(s[i+1:], "=]")
		if err != nil {
			return nil, 0, err
		}
		i += 1 + n
		if i >= len(s) || s[i] != '=' || key == "" {
			return nil, 0, fmt.Errorf("element %s: [KEY=VALUE] is wanted", name)
		}
		value, n, err := until(s[i+1:], "]")
		if err != nil {
			return nil, 0, err
		}
		i += 1 + n
		if i >= len(s) {
			return nil, 0, fmt.Errorf("element %s: ] is missing", name)
		}
		i++
		if e.Key == nil {
			e.Key = map[string]string{}
		}
		if _, ok := e.Key[key]; ok {
			return nil, 0, fmt.Errorf("element %s: key %s is there twice", name, key)
		}
		e.Key[key] = value
	}
	if i < len(s) && s[i] != '/' {
		return nil, 0, fmt.Errorf("element %s: / or [ is wanted after ], not %q", name, s[i])
	}
	return e, i, nil
}

// until reads to one of the characters of stop, with \ as an escape.
func until(s, stop string) (string, int, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			if i++; i == len(s) {
				return "", 0, errors.New(`\ at the end`)
			}
			b.WriteByte(s[i])
		case strings.IndexByte(stop, s[i]) >= 0:
			return b.String(), i, nil
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), len(s), nil
}

var (
	escapeName  = strings.NewReplacer(`\`, `\\`, `/`, `\/`, `[`, `\[`)
	escapeKey   = strings.NewReplacer(`\`, `\\`, `=`, `\=`, `]`, `\]`)
	escapeValue = strings.NewReplacer(`\`, `\\`, `]`, `\]`)
)

// Format shows the elements of paths, one after the other, with keys in order of
// their names.
func Format(paths ...*gpb.Path) string {
	var b strings.Builder
	for _, p := range paths {
		for _, e := range p.GetElem() {
			b.WriteString("/" + escapeName.Replace(e.GetName()))
			keys := make([]string, 0, len(e.GetKey()))
			for k := range e.GetKey() {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for _, k := range keys {
				fmt.Fprintf(&b, "[%s=%s]", escapeKey.Replace(k), escapeValue.Replace(e.GetKey()[k]))
			}
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}
