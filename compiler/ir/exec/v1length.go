package exec

import "github.com/p4nic/p4nic/compiler/ir"

// packet_length in egress, after simple_switch: the length as the packet came in,
// with what the headers gained and lost since they were parsed. simple_switch
// counts its primitives add_header and remove_header; here the headers' validity
// is looked at before and behind a control, so that the length does not depend on
// how a compiler writes an assignment. Headers that the deparser never emits do
// not count: they never are part of the packet.

// headerSize is one of the pipeline's headers.
type headerSize struct {
	at     int    // its address, where validity is
	bytes  uint64 // of its fixed fields
	varbit int    // address of the length of its varbit field, -1 without one
}

// emitted lists the headers that the deparser may emit.
func (k *compiler) emitted(dep *ir.Block) (out []headerSize) {
	hdr := dep.Params[1]
	seen := map[int]bool{}
	add := func(t ir.Type, at int) {
		for _, h := range k.sizes(t, at) {
			if !seen[h.at] {
				seen[h.at] = true
				out = append(out, h)
			}
		}
	}
	emit := func(x ir.Expr) {
		if root, rest := ir.ConstPath(x); root == hdr {
			if l := k.place(rest); l.at == nil {
				add(l.t, l.addr)
			}
			return
		}
		add(hdr.Type, k.varAddr(hdr)) // by way of a variable: any of them
	}
	ir.WalkStmts(dep.Body, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.Emit:
			emit(s.X)
		case *ir.CallStmt:
			if s.Extern == "packet_out.emit" && len(s.Args) == 1 {
				emit(s.Args[0])
			} else {
				add(hdr.Type, k.varAddr(hdr))
			}
		}
	})
	return out
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
