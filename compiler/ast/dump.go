package ast

import (
	"fmt"
	"io"
	"math/big"
	"reflect"
	"strings"

	"github.com/p4nic/p4nic/compiler/source"
)

// Dump writes a node and everything below it as indented text without
// positions: for tests and for `-d parse/dump`. Two trees that mean the same to
// later phases have the same dump.
func Dump(w io.Writer, n Node) {
	d := dumper{w}
	d.value(reflect.ValueOf(n), "", "")
}

// DumpString returns what Dump writes.
func DumpString(n Node) string {
	var b strings.Builder
	Dump(&b, n)
	return b.String()
}

type dumper struct{ w io.Writer }

func (d dumper) value(v reflect.Value, name, indent string) {
	if name != "" {
		name += ": "
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return
		}
		switch x := v.Interface().(type) {
		case *big.Int:
			fmt.Fprintf(d.w, "%s%s%s\n", indent, name, x)
			return
		case *Ident:
			fmt.Fprintf(d.w, "%s%s%s\n", indent, name, x.Name)
			return
		case *Path:
			fmt.Fprintf(d.w, "%s%s%s\n", indent, name, x)
			return
		}
		d.value(v.Elem(), strings.TrimSuffix(name, ": "), indent)
	case reflect.Slice:
		if v.Len() == 0 {
			return
		}
		fmt.Fprintf(d.w, "%s%s\n", indent, strings.TrimSuffix(name, " "))
		for i := range v.Len() {
			d.value(v.Index(i), "", indent+"  ")
		}
	case reflect.Struct:
		fmt.Fprintf(d.w, "%s%s%s\n", indent, name, v.Type().Name())
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type == reflect.TypeFor[source.Span]() {
				continue
			}
			d.value(v.Field(i), f.Name, indent+"  ")
		}
	case reflect.String:
		if v.String() != "" {
			fmt.Fprintf(d.w, "%s%s%q\n", indent, name, v.String())
		}
	case reflect.Bool:
		if v.Bool() {
			fmt.Fprintf(d.w, "%s%strue\n", indent, name)
		}
	default:
		if s, ok := v.Interface().(fmt.Stringer); ok {
			fmt.Fprintf(d.w, "%s%s%s\n", indent, name, s)
		} else {
			fmt.Fprintf(d.w, "%s%s%v\n", indent, name, v.Interface())
		}
	}
}
