package gnmi

import (
	"context"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// Get implements the RPC (gnmi:GN12-GN14): one notification a path, in order.
func (s *Server) Get(ctx context.Context, r *gpb.GetRequest) (*gpb.GetResponse, error) {
	if err := checkEncoding(r.GetEncoding()); err != nil {
		return nil, err
	}
	if err := checkModels(r.GetUseModels()); err != nil {
		return nil, err
	}
	ext, err := s.extensions(r.GetExtension(), &rpc{depth: true})
	if err != nil {
		return nil, err
	}
	classes, err := classesOf(r.GetType())
	if err != nil {
		return nil, err
	}
	paths := r.GetPath()
	if len(paths) == 0 {
		paths = []*gpb.Path{nil} // the prefix alone
	}
	out := &gpb.GetResponse{}
	for _, p := range paths {
		n, err := s.get(ctx, r.GetPrefix(), p, r.GetEncoding(), classes, ext.depth)
		if err != nil {
			return nil, err
		}
		out.Notification = append(out.Notification, n)
	}
	return out, nil
}

// classesOf says which leaves a type of Get wants.
func classesOf(t gpb.GetRequest_DataType) (func(*telemetry.Leaf) bool, error) {
	switch t {
	case gpb.GetRequest_ALL:
		return func(*telemetry.Leaf) bool { return true }, nil
	case gpb.GetRequest_CONFIG:
		return func(l *telemetry.Leaf) bool { return l.Class == telemetry.Config }, nil
	case gpb.GetRequest_STATE:
		return func(l *telemetry.Leaf) bool { return l.Class != telemetry.Config }, nil
	case gpb.GetRequest_OPERATIONAL:
		return func(l *telemetry.Leaf) bool { return l.Class == telemetry.Operational }, nil
	}
	return nil, invalid("type %d is unknown", int32(t))
}

// anchor is one path of an answer: the instance of the query that leaves are
// below.
type anchor struct {
	path   []telemetry.Elem
	keys   []string
	tree   tree
	leaves []*gpb.Update // PROTO has no trees
}

func (s *Server) get(ctx context.Context, prefix, path *gpb.Path, enc gpb.Encoding, want func(*telemetry.Leaf) bool, depth int) (*gpb.Notification, error) {
	q, err := query(prefix, path)
	if err != nil {
		return nil, err
	}
	sels, err := s.hub.Schema.Select(q)
	if err != nil {
		return nil, pathError(err)
	}
	n := &gpb.Notification{Prefix: replyPrefix(prefix, q), Timestamp: s.clock.Now().UnixNano()}
	var anchors []*anchor
	index := map[string]*anchor{}
	for _, all := range sels {
		sel := all.Only(want)
		if sel == nil {
			continue
		}
		f, err := s.hub.Frame(ctx, sel.Source, sel.Part(), s.clock.Now())
		if err != nil {
			return nil, collectError(err)
		}
		if len(anchors) == 0 {
			n.Timestamp = f.Time
		}
		for _, r := range sel.Rows(f) {
			sel.Each(r, func(l *telemetry.Leaf, keys []string, v telemetry.Value) {
				at := len(q.Elems)
				if q.Deep() {
					at = len(l.Path)
				}
				if depth > 0 && len(l.Path)-at > depth {
					return
				}
				a := anchorOf(l, keys, at, index, &anchors)
				if enc == gpb.Encoding_PROTO {
					a.leaves = append(a.leaves, &gpb.Update{Path: &gpb.Path{Elem: elems(l.Path, keys)}, Val: typedValue(enc, l.Type, v)})
				} else {
					a.tree.add(l, keys, v)
				}
			})
		}
	}
	if len(anchors) == 0 && q.Exact(s.hub.Schema, sels) {
		if namesData(q, sels) {
			return nil, status.Errorf(codes.NotFound, "there is nothing at %s", q.Text())
		}
		if enc != gpb.Encoding_PROTO { // an empty container is there
			anchors = append(anchors, &anchor{path: sels[0].Source.Leaves[0].Path[:len(q.Elems)]})
		}
	}
	for _, a := range anchors {
		if enc == gpb.Encoding_PROTO {
			n.Update = append(n.Update, a.leaves...)
			continue
		}
		n.Update = append(n.Update, &gpb.Update{Path: &gpb.Path{Elem: elems(a.path, a.keys)}, Val: a.value(enc)})
	}
	return n, nil
}

func anchorOf(l *telemetry.Leaf, keys []string, at int, index map[string]*anchor, list *[]*anchor) *anchor {
	path := l.Path[:at]
	count := 0
	for _, e := range path {
		count += len(e.Keys)
	}
	id := strings.Join(keys[:count], "\x00")
	for _, e := range path {
		id += "\x00" + e.Name
	}
	a := index[id]
	if a == nil {
		a = &anchor{path: path, keys: keys[:count], tree: tree{skip: at}}
		index[id] = a
		*list = append(*list, a)
	}
	return a
}

func (a *anchor) value(enc gpb.Encoding) *gpb.TypedValue {
	if enc == gpb.Encoding_JSON_IETF {
		return &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: a.tree.json(true)}}
	}
	return &gpb.TypedValue{Value: &gpb.TypedValue_JsonVal{JsonVal: a.tree.json(false)}}
}

// namesData tells whether a query names a leaf or a list entry, which can be
// absent; a container without keys above it is always there.
func namesData(q telemetry.Query, sels []*telemetry.Selection) bool {
	for _, e := range q.Elems {
		if len(e.Keys) > 0 {
			return true
		}
	}
	for _, sel := range sels {
		for _, l := range sel.Source.Leaves {
			if sel.Wants(l) && len(l.Path) == len(q.Elems) {
				return true
			}
		}
	}
	return false
}
