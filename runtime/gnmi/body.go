package gnmi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"slices"
	"strconv"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// schemaNode is one node of the schema as a tree, for bodies of Set.
type schemaNode struct {
	elem     telemetry.Elem
	children map[string]*schemaNode
	leaf     *telemetry.Leaf
}

// schemaTree makes the tree of OpenConfig's paths; ours are all read-only.
func schemaTree(s *telemetry.Schema) *schemaNode {
	root := &schemaNode{children: map[string]*schemaNode{}}
	for _, src := range s.Sources {
		if src.Origin != telemetry.OriginOpenConfig {
			continue
		}
		for _, l := range src.Leaves {
			n := root
			for _, e := range l.Path {
				c := n.children[e.Name]
				if c == nil {
					c = &schemaNode{elem: e, children: map[string]*schemaNode{}}
					n.children[e.Name] = c
				}
				n = c
			}
			n.leaf = l
		}
	}
	return root
}

// assignment is a leaf that an update or replace gives a value.
type assignment struct {
	leaf  *telemetry.Leaf
	keys  []string
	value telemetry.Value
}

func (a assignment) path() string { return telemetry.FormatPath(a.leaf.Path, a.keys) }

// body reads the value of an update or replace as assignments.
func (s *Server) body(q telemetry.Query, v *gpb.TypedValue) ([]assignment, error) {
	if q.Wild() {
		return nil, invalid("path %s: wildcards are for Get, Subscribe and delete (gNMI 2.4.2)", q.Text())
	}
	switch sels, err := s.hub.Schema.Select(q); {
	case err == nil && sels[0].Source.Origin == telemetry.OriginP4nic:
		return nil, invalid("path %s is read-only: tables are written over P4Runtime", q.Text())
	case err != nil && pathCode(err) == codes.InvalidArgument:
		return nil, pathError(err)
	}
	n := s.tree
	var keys []string
	for _, e := range q.Elems {
		n = n.children[e.Name]
		if n == nil {
			return nil, status.Errorf(codes.NotFound, "path %s is not in the configuration: no %s is known there", q.Text(), e.Name)
		}
		for k := range e.Keys {
			if !slices.Contains(n.elem.Keys, k) {
				return nil, invalid("path %s: %s has no key %q", q.Text(), e.Name, k)
			}
		}
		for _, k := range n.elem.Keys {
			v, ok := e.Keys[k]
			if !ok || v == "*" {
				return nil, invalid("path %s: %s needs key %s with one value", q.Text(), e.Name, k)
			}
			keys = append(keys, v)
		}
	}
	r := reader{path: q.Text()}
	if n.leaf != nil {
		x, err := scalarOf(v)
		if err != nil {
			return nil, err
		}
		return r.out, r.read(n, keys, x, &r.out)
	}
	raw, err := treeOf(v)
	if err != nil {
		return nil, err
	}
	object, ok := raw.(map[string]any)
	if !ok || len(object) == 0 && len(n.elem.Keys) > 0 { // gnmi:GN18
		return nil, invalid("path %s: an object with members is wanted", q.Text())
	}
	err = r.read(n, keys, raw, &r.out)
	return r.out, err
}

// treeOf reads a JSON value.
func treeOf(v *gpb.TypedValue) (any, error) {
	var b []byte
	switch x := v.GetValue().(type) {
	case *gpb.TypedValue_JsonVal:
		b = x.JsonVal
	case *gpb.TypedValue_JsonIetfVal:
		b = x.JsonIetfVal
	case nil:
		return nil, invalid("an update has no value")
	default:
		return nil, unimplemented("a container is written as JSON or JSON_IETF, not as %T", v.GetValue())
	}
	return parseJSON(b)
}

// scalarOf reads a leaf's value.
func scalarOf(v *gpb.TypedValue) (any, error) {
	switch x := v.GetValue().(type) {
	case *gpb.TypedValue_JsonVal:
		return parseJSON(x.JsonVal)
	case *gpb.TypedValue_JsonIetfVal:
		return parseJSON(x.JsonIetfVal)
	case *gpb.TypedValue_BoolVal:
		return x.BoolVal, nil
	case *gpb.TypedValue_StringVal:
		return x.StringVal, nil
	case *gpb.TypedValue_UintVal:
		return json.Number(strconv.FormatUint(x.UintVal, 10)), nil
	case *gpb.TypedValue_IntVal:
		return json.Number(strconv.FormatInt(x.IntVal, 10)), nil
	case nil:
		return nil, invalid("an update has no value")
	}
	return nil, unimplemented("values of type %T are not supported in Set", v.GetValue())
}

// maxBody bounds the JSON of one update.
const maxBody = 16 << 20

func parseJSON(b []byte) (any, error) {
	if len(b) > maxBody {
		return nil, invalid("a value of %d bytes, the limit is %d", len(b), maxBody)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, invalid("the value is not JSON: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("the value is followed by more than one JSON value")
	}
	return v, nil
}

// reader walks a JSON value along the schema.
type reader struct {
	path string // of the update, for messages
	out  []assignment
}

// read takes the value of node n, whose list keys so far are keys.
func (r *reader) read(n *schemaNode, keys []string, v any, out *[]assignment) error {
	if n.leaf != nil {
		x, err := value(n.leaf.Type, v)
		if err != nil {
			return invalid("path %s: %s: %v", r.path, n.leaf.Text(), err)
		}
		*out = append(*out, assignment{n.leaf, slices.Clone(keys), x})
		return nil
	}
	object, ok := v.(map[string]any)
	if !ok {
		return invalid("path %s: %s: an object is wanted", r.path, n.elem.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		c := n.children[unqualified(name)]
		if c == nil {
			return status.Errorf(codes.NotFound, "path %s: %s is not in the configuration", r.path, name)
		}
		if len(c.elem.Keys) == 0 {
			if err := r.read(c, keys, object[name], out); err != nil {
				return err
			}
			continue
		}
		entries, ok := object[name].([]any)
		if !ok {
			return invalid("path %s: %s is a list: an array is wanted", r.path, name)
		}
		for _, e := range entries {
			object, ok := e.(map[string]any)
			if !ok || len(object) == 0 {
				return invalid("path %s: %s: an entry is an object with members", r.path, name)
			}
			entryKeys := slices.Clone(keys)
			for _, k := range c.elem.Keys { // gnmi:GN19
				text, err := keyOf(object, k)
				if err != nil {
					return invalid("path %s: %s: %v", r.path, name, err)
				}
				entryKeys = append(entryKeys, text)
			}
			if err := r.read(c, entryKeys, e, out); err != nil {
				return err
			}
		}
	}
	return nil
}

func keyOf(object map[string]any, key string) (string, error) {
	for name, v := range object {
		if unqualified(name) != key {
			continue
		}
		switch x := v.(type) {
		case string:
			return x, nil
		case json.Number:
			return x.String(), nil
		}
	}
	return "", errors.New("an entry has no key " + key)
}

// value checks a scalar against a leaf's type.
func value(t telemetry.Type, v any) (telemetry.Value, error) {
	var bits int
	switch t.Kind {
	case telemetry.Bool:
		if b, ok := v.(bool); ok {
			if b {
				return telemetry.Value{U: 1}, nil
			}
			return telemetry.Value{}, nil
		}
		return telemetry.Value{}, errors.New("true or false is wanted")
	case telemetry.String, telemetry.Enum, telemetry.Identity:
		if s, ok := v.(string); ok {
			return telemetry.Value{S: s}, nil
		}
		return telemetry.Value{}, errors.New("a string is wanted")
	case telemetry.Uint8:
		bits = 8
	case telemetry.Uint16:
		bits = 16
	case telemetry.Uint32:
		bits = 32
	case telemetry.Uint64:
		bits = 64
	default:
		return telemetry.Value{}, errors.New("it cannot be written")
	}
	var text string
	switch x := v.(type) {
	case json.Number:
		text = x.String()
	case string: // RFC 7951 writes 64-bit numbers as strings
		if bits < 64 {
			return telemetry.Value{}, errors.New("a number is wanted")
		}
		text = x
	default:
		return telemetry.Value{}, errors.New("a number is wanted")
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.Sign() < 0 || n.BitLen() > bits {
		return telemetry.Value{}, errors.New(strconv.Quote(text) + " is no uint" + strconv.Itoa(bits))
	}
	return telemetry.Value{U: n.Uint64()}, nil
}
