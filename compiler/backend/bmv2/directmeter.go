package bmv2

import (
	"fmt"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Direct meters. A switch gives the colour of a table's entry to one field,
// result_target, whenever the entry is hit; a P4 program gives it to what its
// action reads it into, where the action reads it. The two are the same where every
// action begins by reading it into one field. Elsewhere the switch has a field of
// its own for the colour, which says noColour before the look-up, and reading is
// an assignment.

// noColour is what that field holds where no entry was hit; colours are 0 to 2.
const noColour = 3

// meterField is the field for the colours of direct meter i; nil where its table's
// actions all begin with reading it into the same field.
func (x *exporter) meterField(i *ir.Instance, t *ir.Table) *ir.VarRef {
	if f, known := x.meterFields[i]; known {
		return f
	}
	x.meterFields[i] = nil
	var target arr
	for _, ref := range t.Actions {
		if ref.DefaultOnly { // no entry has it
			continue
		}
		var read arr
		if body := ref.Action.Body; len(body) > 0 {
			if c, is := body[0].(*ir.ExternCall); is && c.Name == "direct_meter.read" && c.Object == i && len(c.Args) == 1 {
				if p := x.find(c.Args[0]); p != nil && p.kind == scalarPlace && !signed(c.Args[0].Type()) {
					read = arr{p.header, p.field}
				}
			}
		}
		if read == nil || target != nil && !slices.Equal(read, target) || x.readings(ref.Action, i) != 1 {
			target = nil
			break
		}
		target = read
	}
	if target == nil {
		x.meterFields[i] = x.temp(&ir.Bit{W: 8}, i.Pos)
	} else {
		x.meterTargets[i] = target
	}
	return x.meterFields[i]
}

// readings counts the places where an action reads meter i.
func (x *exporter) readings(a *ir.Action, i *ir.Instance) (n int) {
	ir.WalkStmts(a.Body, func(s ir.Stmt) {
		if c, is := s.(*ir.ExternCall); is && c.Object == i {
			n++
		}
	})
	return n
}

// meterTable is the table whose entries meter i marks; nil for none.
func (x *exporter) meterTable(i *ir.Instance) *ir.Table {
	for _, t := range x.p.Tables {
		if t.Meters == i {
			return t
		}
	}
	return nil
}

// readMeter is direct_meter.read: the colour stays as it is after a miss.
func (c *code) readMeter(s *ir.ExternCall) {
	x, dst := c.x, s.Args[0]
	t := x.meterTable(s.Object)
	if t == nil {
		return // of no table: nothing is ever hit
	}
	f := x.meterField(s.Object, t)
	if f == nil {
		return // the switch has done it; a default action finds nothing
	}
	x.meterTargets[s.Object] = fieldRef(x.find(f))[1].v.(arr)
	m := ir.Meta{T: dst.Type(), P: s.P}
	c.assign(dst, &ir.Mux{Meta: m, C: x.isColour(f, noColour), A: dst, B: &ir.Cast{Meta: m, X: f}})
}

func (x *exporter) isColour(f *ir.VarRef, v int64) ir.Expr {
	return &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}, P: f.P}, Op: ir.Eq, X: f, Y: &ir.Const{Meta: ir.Meta{T: f.T, P: f.P}, Val: big64(v)}}
}

// executeMeter is DirectMeter.execute of PSA and PNA: green after a miss. The
// switch numbers colours from green, the architectures as their enumeration says.
func (c *code) executeMeter(s *ir.ExternCall) {
	x := c.x
	t := x.meterTable(s.Object)
	e, is := s.Dst.Type().(*ir.Enum)
	if !is || t == nil {
		x.fail(s.P, "extern "+s.Name, "its result is no colour of a table's entry")
	}
	f, known := x.meterFields[s.Object]
	if !known {
		f = x.temp(&ir.Bit{W: 8}, s.P)
		x.meterFields[s.Object] = f
	}
	x.meterTargets[s.Object] = fieldRef(x.find(f))[1].v.(arr)
	k := func(name string) ir.Expr {
		v := colourOf(e, name)
		if v == nil {
			x.fail(s.P, "extern "+s.Name, fmt.Sprintf("its colours have no %s", name))
		}
		return &ir.Const{Meta: ir.Meta{T: e, P: s.P}, Val: v}
	}
	m := ir.Meta{T: e, P: s.P}
	red := &ir.Mux{Meta: m, C: x.isColour(f, ir.Red), A: k("RED"), B: k("GREEN")}
	c.assign(s.Dst, &ir.Mux{Meta: m, C: x.isColour(f, ir.Yellow), A: k("YELLOW"), B: red})
}

// beforeLookup empties the field of a table's meter.
func (x *exporter) beforeLookup(t *ir.Table) []ir.Stmt {
	if t.Meters == nil {
		return nil
	}
	var f *ir.VarRef
	if t.Meters.Type.Name == "DirectMeter" {
		if f = x.meterFields[t.Meters]; f == nil {
			f = x.temp(&ir.Bit{W: 8}, t.Pos)
			x.meterFields[t.Meters] = f
		}
	} else if f = x.meterField(t.Meters, t); f == nil {
		return nil
	}
	return []ir.Stmt{&ir.Assign{SMeta: ir.SMeta{P: t.Pos}, L: f, R: &ir.Const{Meta: ir.Meta{T: f.T, P: t.Pos}, Val: big64(noColour)}}}
}
