package bmv2

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Meters that are told a packet's colour (RFC 2698, colour-aware). psa_switch's
// meters are not: its primitive has no place for a colour, and what they took
// tokens for is not known afterwards. So a primitive has the colour under a key
// that the switch does not read and Import does, and the worse of the two colours
// is chosen behind it: never better than the packet came, on the switch too.

// colourKey is that key of the primitive _Meter_execute.
const colourKey = "p4nic_colour"

// colourOf finds the member of e for a colour, by its name.
func colourOf(e *ir.Enum, name string) *big.Int {
	for _, m := range e.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// toldColour is the colour that a call of Meter.execute gives: a constant, or a
// copy that the result does not overwrite; nil without.
func (c *code) toldColour(s *ir.ExternCall) ir.Expr {
	if len(s.Args) < 2 || s.Args[1] == nil {
		return nil
	}
	if k, is := s.Args[1].(*ir.Const); is {
		return k
	}
	tmp := c.x.temp(s.Args[1].Type(), s.P)
	c.assign(tmp, s.Args[1])
	return tmp
}

// tell writes the colour into the primitive that was emitted last.
func (c *code) tell(colour ir.Expr) {
	if colour != nil {
		p := c.prims[len(c.prims)-1].(obj)
		p.add(colourKey, outer(c.x.data(colour)))
		c.prims[len(c.prims)-1] = p
	}
}

// worse leaves in dst the worse of it and the colour told.
func (c *code) worse(dst, colour ir.Expr, pos ir.Pos) {
	e, is := colour.Type().(*ir.Enum)
	if !is {
		c.x.fail(pos, "extern Meter.execute", "its colour is no PSA_MeterColor_t")
	}
	is2 := func(x ir.Expr, name string) ir.Expr {
		t, enum := x.Type().(*ir.Enum)
		if !enum || colourOf(t, name) == nil {
			c.x.fail(pos, "extern Meter.execute", "its colours have no "+name)
		}
		k := &ir.Const{Meta: ir.Meta{T: t, P: pos}, Val: colourOf(t, name)}
		return &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}, P: pos}, Op: ir.Eq, X: x, Y: k}
	}
	either := func(name string) ir.Expr {
		return &ir.Binary{Meta: ir.Meta{T: &ir.Bool{}, P: pos}, Op: ir.LOr, X: is2(dst, name), Y: is2(colour, name)}
	}
	k := func(name string) ir.Expr {
		return &ir.Const{Meta: ir.Meta{T: e, P: pos}, Val: colourOf(e, name)}
	}
	yellow := &ir.Mux{Meta: ir.Meta{T: e, P: pos}, C: either("YELLOW"), A: k("YELLOW"), B: k("GREEN")}
	c.assign(dst, &ir.Mux{Meta: ir.Meta{T: e, P: pos}, C: either("RED"), A: k("RED"), B: yellow})
}
