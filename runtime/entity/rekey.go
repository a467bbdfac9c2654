package entity

import "fmt"

// MapFields relates the key fields of two tables of the same name: out[i] is the
// field of from that field i of to corresponds to. The error names the first
// difference in names, widths or match kinds.
func MapFields(from, to *Table) ([]int, error) {
	for i := range from.Fields {
		if f := &from.Fields[i]; to.Field(f.Name) == nil {
			return nil, fmt.Errorf("key %s is gone", f.Name)
		}
	}
	out := make([]int, len(to.Fields))
	for i := range to.Fields {
		g := &to.Fields[i]
		f := from.Field(g.Name)
		switch {
		case f == nil:
			return nil, fmt.Errorf("key %s is new", g.Name)
		case f.Kind != g.Kind:
			return nil, fmt.Errorf("key %s was %s and is %s", g.Name, f.Kind, g.Kind)
		case f.Width != g.Width || f.Signed != g.Signed:
			return nil, fmt.Errorf("key %s was %s and is %s", g.Name, f.Type(), g.Type())
		}
		for k := range from.Fields {
			if &from.Fields[k] == f {
				out[i] = k
			}
		}
	}
	return out, nil
}

// Rekey gives a packed key of from in t's order; fields is from MapFields.
func (t *Table) Rekey(from *Table, fields []int, key string) string {
	b := make([]byte, 0, t.KeySize)
	for i := range t.Fields {
		f := &from.Fields[fields[i]]
		end := from.KeySize
		if fields[i]+1 < len(from.Fields) {
			end = from.Fields[fields[i]+1].off
		}
		b = append(b, key[f.off:end]...)
	}
	return string(b)
}
