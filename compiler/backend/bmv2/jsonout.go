package bmv2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// JSON values with a fixed order of keys: what is printed is a function of the
// value alone.
type (
	kv struct {
		k string
		v any
	}
	obj []kv
	arr []any
)

func (o *obj) add(k string, v any) { *o = append(*o, kv{k, v}) }

// printJSON prints v: obj, arr, string, int, bool or nil.
func printJSON(v any) []byte {
	var b bytes.Buffer
	printValue(&b, v, 0)
	b.WriteByte('\n')
	return b.Bytes()
}

func printValue(b *bytes.Buffer, v any, depth int) {
	newline := func(d int) {
		b.WriteByte('\n')
		for range d {
			b.WriteString("  ")
		}
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case string:
		b.Write(quote(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case arr:
		b.WriteByte('[')
		short := flat(v)
		for i, x := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			switch {
			case !short:
				newline(depth + 1)
			case i > 0:
				b.WriteByte(' ')
			}
			printValue(b, x, depth+1)
		}
		if !short {
			newline(depth)
		}
		b.WriteByte(']')
	case obj:
		b.WriteByte('{')
		for i, f := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			newline(depth + 1)
			b.Write(quote(f.k))
			b.WriteString(": ")
			printValue(b, f.v, depth+1)
		}
		if len(v) > 0 {
			newline(depth)
		}
		b.WriteByte('}')
	default:
		panic(fmt.Sprintf("bmv2: a %T in JSON", v))
	}
}

// flat tells whether a list is printed on one line.
func flat(a arr) bool {
	for _, x := range a {
		switch x.(type) {
		case obj, arr:
			return false
		}
	}
	return true
}

func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // strings always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
