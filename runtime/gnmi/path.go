package gnmi

import (
	"errors"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// maxElems and maxText bound what a path may hold; our longest has 8 elements.
const (
	maxElems = 64
	maxText  = 4096
)

// query joins prefix and path (gnmi:GN2) and takes module names off (GN5).
func query(prefix, path *gpb.Path) (telemetry.Query, error) {
	q := telemetry.Query{Origin: prefix.GetOrigin()}
	if path.GetOrigin() != "" {
		if q.Origin != "" {
			return q, invalid("origin is set in the prefix (%q) and in a path (%q)", q.Origin, path.GetOrigin())
		}
		q.Origin = path.GetOrigin()
	}
	if path.GetTarget() != "" {
		return q, invalid("target %q is set in a path; it belongs into the prefix", path.GetTarget())
	}
	if deprecated(prefix) || deprecated(path) {
		return q, invalid("Path.element is deprecated and not supported; use Path.elem")
	}
	n := len(prefix.GetElem()) + len(path.GetElem())
	if n > maxElems {
		return q, invalid("a path has %d elements, the limit is %d", n, maxElems)
	}
	for _, p := range []*gpb.Path{prefix, path} {
		for _, e := range p.GetElem() {
			x := telemetry.PathElem{Name: unqualified(e.GetName())}
			if len(e.GetName()) > maxText {
				return q, invalid("a path element has a name of %d bytes, the limit is %d", len(e.GetName()), maxText)
			}
			for k, v := range e.GetKey() {
				if len(k)+len(v) > maxText {
					return q, invalid("path element %s has a key of %d bytes, the limit is %d", x.Name, len(k)+len(v), maxText)
				}
				if x.Keys == nil {
					x.Keys = make(map[string]string, len(e.GetKey()))
				}
				x.Keys[unqualified(k)] = v
			}
			if len(x.Keys) != len(e.GetKey()) {
				return q, invalid("path element %s names a key twice", x.Name)
			}
			q.Elems = append(q.Elems, x)
		}
	}
	return q, nil
}

// deprecated tells whether a path is given as strings only.
func deprecated(p *gpb.Path) bool {
	//lint:ignore SA1019 it is read to refuse it
	return len(p.GetElem()) == 0 && len(p.GetElement()) > 0
}

// unqualified takes the module off MODULE:NAME.
func unqualified(name string) string {
	if _, n, ok := strings.Cut(name, ":"); ok {
		return n
	}
	return name
}

// replyPrefix is the prefix of what answers a request: the target of its prefix
// (gnmi:GN3), and the origin that was named.
func replyPrefix(prefix *gpb.Path, q telemetry.Query) *gpb.Path {
	if prefix.GetTarget() == "" && q.Origin == "" {
		return nil
	}
	return &gpb.Path{Target: prefix.GetTarget(), Origin: q.Origin}
}

// pathError gives a path's error the code of gnmi:GN14 and GN35.
func pathError(err error) error { return status.Error(pathCode(err), err.Error()) }

func pathCode(err error) codes.Code {
	if e, ok := errors.AsType[*telemetry.PathError](err); ok && !e.Malformed {
		return codes.Unimplemented
	}
	return codes.InvalidArgument
}

// elems makes path elements of a schema path and its keys.
func elems(path []telemetry.Elem, keys []string) []*gpb.PathElem {
	out := make([]*gpb.PathElem, len(path))
	for i, e := range path {
		out[i] = &gpb.PathElem{Name: e.Name}
		if len(e.Keys) > 0 {
			out[i].Key = make(map[string]string, len(e.Keys))
			for _, k := range e.Keys {
				out[i].Key[k] = keys[0]
				keys = keys[1:]
			}
		}
	}
	return out
}
