package passes

import (
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

// objects refuses what the language has and core does not: arrays of extern
// objects, objects that an extern function makes, headers with several varbit
// fields. It changes nothing.
//
// Before: typed, without what is not used.
// After: every extern call is of one object, known by name; every header has at
// most one varbit field.
// Source: P4_16 sections 7.2.2, 7.2.9 and 11.3.
func objects(p *ir.Program) error {
	for _, in := range p.Instances {
		switch {
		case in.Size > 0:
			return pass.Refuse(in.Pos, "%s is an array of extern objects; declare each object by a name of its own", in.Name)
		case in.Made != "":
			return pass.Refuse(in.Pos, "%s is made by the extern function %s, which p4nic does not know", in.Name, in.Made)
		}
	}
	for _, t := range p.Types {
		if h := severalVarbits(t); h != nil {
			return pass.Refuse(ir.Pos{}, "header %s has several varbit fields; only one can be extracted", h.Name)
		}
	}
	return nil
}

// severalVarbits is the header in t that has more than one varbit field, or nil.
func severalVarbits(t ir.Type) *ir.Header {
	n := 0
	for _, f := range ir.Fields(t) {
		if h := severalVarbits(f.Type); h != nil {
			return h
		}
		if _, ok := f.Type.(*ir.Varbit); ok {
			n++
		}
	}
	if s, ok := t.(*ir.Stack); ok {
		return severalVarbits(s.Elem)
	}
	if h, ok := t.(*ir.Header); ok && n > 1 {
		return h
	}
	return nil
}
