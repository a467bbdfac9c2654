package exec

import "github.com/p4nic/p4nic/compiler/ir"

// packet_length in egress, after simple_switch: the length as the packet came in,
// with what the headers gained and lost since they were parsed. simple_switch
// counts its primitives add_header and remove_header; here the headers' validity
// is looked at before and behind a control, so that the length does not depend on
// how a compiler writes an assignment.

// headerSize is one of the pipeline's headers.
type headerSize struct {
	at     int    // its address, where validity is
	bytes  uint64 // of its fixed fields
	varbit int    // address of the length of its varbit field, -1 without one
}

// sizes lists the headers in a value of type t at address at.
func (k *compiler) sizes(t ir.Type, at int) (out []headerSize) {
	switch t := t.(type) {
	case *ir.Header:
		h := k.headerIO(t, t.Name)
		s := headerSize{at, uint64(h.bits / 8), -1}
		if h.variable >= 0 {
			s.varbit = at + h.fields[h.variable].slot
		}
		return []headerSize{s}
	case *ir.Struct, *ir.Union:
		for i, f := range ir.Fields(t) {
			out = append(out, k.sizes(f.Type, at+k.lay.field(t, i))...)
		}
	case *ir.Stack:
		n := k.lay.slots(t.Elem)
		for i := range t.Size {
			out = append(out, k.sizes(t.Elem, at+1+i*n)...)
		}
	}
	return out
}

// headerBytes is the size of the valid headers.
func (a *v1) headerBytes(c *ctx) (n uint64) {
	for _, h := range a.sizes {
		if c.mem[h.at] == 0 {
			continue
		}
		n += h.bytes
		if h.varbit >= 0 {
			n += c.mem[h.varbit] / 8
		}
	}
	return n
}
