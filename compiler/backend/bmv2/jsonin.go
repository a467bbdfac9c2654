package bmv2

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// Limits of what Import reads; they bound memory and time before anything is
// built.
const (
	maxJSON     = 64 << 20 // bytes
	maxBits     = 1 << 16  // of a field
	maxElements = 1 << 16  // of a stack
	maxNesting  = 200      // of expressions
)

// node is a value of the JSON with its path, so that every error can say where.
type node struct {
	v    any
	path string
}

// parseJSON reads one JSON value.
func parseJSON(data []byte) (node, error) {
	if len(data) > maxJSON {
		return node{}, &Error{Construct: "bmv2 JSON", Reason: fmt.Sprintf("%d bytes, the limit is %d", len(data), maxJSON)}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			return node{}, &Error{At: lineCol(data, dec.InputOffset()), Construct: "bmv2 JSON", Reason: "text after the end"}
		}
		return node{v: v}, nil
	}
	off := int64(len(data))
	if s, is := errors.AsType[*json.SyntaxError](err); is {
		off = s.Offset
	}
	return node{}, &Error{At: lineCol(data, off), Construct: "bmv2 JSON", Reason: err.Error()}
}

func lineCol(data []byte, off int64) string {
	off = min(max(off, 0), int64(len(data)))
	head := data[:off]
	return fmt.Sprintf("%d:%d", 1+bytes.Count(head, []byte("\n")), off-int64(bytes.LastIndexByte(head, '\n')))
}

// fail ends the import.
func (n node) fail(construct, format string, args ...any) {
	panic(refusal{&Error{At: n.path, Construct: construct, Reason: fmt.Sprintf(format, args...)}})
}

func (n node) kind() string {
	switch n.v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	}
	return "true or false"
}

func (n node) want(what string) { n.fail("bmv2 JSON", "%s is wanted, not %s", what, n.kind()) }

func (n node) null() bool { return n.v == nil }

// get is a member of an object; a null node when there is none.
func (n node) get(key string) node {
	m, is := n.v.(map[string]any)
	if !is {
		n.want("an object")
	}
	path := key
	if n.path != "" {
		path = n.path + "." + key
	}
	return node{m[key], path}
}

func (n node) has(key string) bool {
	m, is := n.v.(map[string]any)
	_, in := m[key]
	return is && in
}

// list is the elements of a list; null is an empty one.
func (n node) list() []node {
	if n.v == nil {
		return nil
	}
	l, is := n.v.([]any)
	if !is {
		n.want("a list")
	}
	out := make([]node, len(l))
	for i, v := range l {
		out[i] = node{v, fmt.Sprintf("%s[%d]", n.path, i)}
	}
	return out
}

// tuple is a list of n elements.
func (n node) tuple(size int) []node {
	l := n.list()
	if len(l) != size {
		n.fail("bmv2 JSON", "%d elements are wanted, not %d", size, len(l))
	}
	return l
}

func (n node) str() string {
	s, is := n.v.(string)
	if !is {
		n.want("a string")
	}
	return s
}

func (n node) boolean() bool {
	b, is := n.v.(bool)
	if !is {
		n.want("true or false")
	}
	return b
}

// flag is boolean with a value for null.
func (n node) flag(def bool) bool {
	if n.v == nil {
		return def
	}
	return n.boolean()
}

// signedFlag is the third part of a field; p4c writes 0 for bool fields.
func (n node) signedFlag() bool {
	if _, is := n.v.(json.Number); is {
		return n.integer(0, 1) == 1
	}
	return n.flag(false)
}

// integer is a number within lo and hi.
func (n node) integer(lo, hi int) int {
	x, is := n.v.(json.Number)
	if !is {
		n.want("a number")
	}
	v, err := x.Int64()
	if err != nil || v < int64(lo) || v > int64(hi) {
		n.fail("bmv2 JSON", "%s is no whole number within %d and %d", x, lo, hi)
	}
	return int(v)
}

// hex is a hexstr: hexadecimal digits with an optional 0x and sign.
func (n node) hex() *big.Int {
	s := n.str()
	digits, minus := strings.CutPrefix(s, "-")
	digits = strings.TrimPrefix(digits, "0x")
	if len(digits) > maxBits/4 || strings.ContainsAny(digits, "+-_") {
		n.fail("bmv2 JSON", "%.40q is no hexadecimal number of up to %d bits", s, maxBits)
	}
	if digits == "" {
		return new(big.Int)
	}
	v, is := new(big.Int).SetString(digits, 16)
	if !is {
		n.fail("bmv2 JSON", "%.40q is no hexadecimal number of up to %d bits", s, maxBits)
	}
	if minus {
		v.Neg(v)
	}
	return v
}
