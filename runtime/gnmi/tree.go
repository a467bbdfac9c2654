package gnmi

import (
	"strings"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// tree collects leaves below one path and writes them as one JSON value
// (RFC 7951 section 5).
type tree struct {
	root node
	skip int // elements above the root
}

// node is a container, a list entry or a leaf.
type node struct {
	elem     telemetry.Elem
	keys     []string
	children []*node
	index    map[string]*node
	leaf     *telemetry.Leaf
	value    telemetry.Value
}

// add puts one leaf in; keys are those of its whole path.
func (t *tree) add(l *telemetry.Leaf, keys []string, v telemetry.Value) {
	n := &t.root
	for i, e := range l.Path {
		k := keys[:len(e.Keys)]
		keys = keys[len(e.Keys):]
		switch {
		case i < t.skip-1:
		case i == t.skip-1:
			n.elem, n.keys = e, k
		default:
			n = n.child(e, k)
		}
	}
	n.leaf, n.value = l, v
}

func (n *node) child(e telemetry.Elem, keys []string) *node {
	id := e.Name
	if len(keys) > 0 {
		id += "\x00" + strings.Join(keys, "\x00")
	}
	if c := n.index[id]; c != nil {
		return c
	}
	if n.index == nil {
		n.index = map[string]*node{}
	}
	c := &node{elem: e, keys: keys}
	n.index[id] = c
	n.children = append(n.children, c)
	return c
}

// json writes the value at the tree's path.
func (t *tree) json(ietf bool) []byte { return t.root.write(nil, ietf, "") }

// write writes a node whose parent belongs to a module, "" for a value's top.
func (n *node) write(b []byte, ietf bool, module string) []byte {
	if n.leaf != nil {
		return appendJSON(b, ietf, n.leaf.Type, n.value)
	}
	b = append(b, '{')
	first := true
	name := func(e telemetry.Elem, s string) {
		if !first {
			b = append(b, ',')
		}
		first = false
		if ietf && e.Module != module {
			s = e.Module + ":" + s
		}
		b = appendString(b, s)
		b = append(b, ':')
	}
	for i, k := range n.elem.Keys { // an entry always has its keys
		if i < len(n.keys) && n.index[k] == nil {
			name(n.elem, k)
			b = keyJSON(b, ietf, n.elem.Types[i], n.keys[i])
		}
	}
	done := map[string]bool{}
	for i, c := range n.children {
		if len(c.keys) == 0 {
			name(c.elem, c.elem.Name)
			b = c.write(b, ietf, c.elem.Module)
			continue
		}
		if done[c.elem.Name] {
			continue
		}
		done[c.elem.Name] = true
		name(c.elem, c.elem.Name)
		b = append(b, '[')
		for j, d := range n.children[i:] {
			if len(d.keys) == 0 || d.elem.Name != c.elem.Name {
				continue
			}
			if j > 0 {
				b = append(b, ',')
			}
			b = d.write(b, ietf, d.elem.Module)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}
