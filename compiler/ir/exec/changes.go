package exec

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// watched is a scalar that traces tell of when it changes: a field of what the
// pipeline's blocks are given, or a header's validity.
type watched struct {
	name  string
	addr  int
	n     int // slots
	w     int // bits
	t     ir.Type
	valid int // address of the validity of the header that it is in; -1: none
	self  bool
}

// watches lists them once for every address: blocks share what is handed on.
func (k *compiler) watches() []watched {
	var out []watched
	seen := map[int]bool{}
	for _, s := range k.p.Pipeline {
		for _, v := range s.Block.Params {
			if _, extern := v.Type.(*ir.ExternType); extern {
				continue
			}
			if at := k.varAddr(v); !seen[at] && k.lay.slots(v.Type) > 0 {
				seen[at] = true
				k.watch(&out, v.Type, v.Name, at, -1)
			}
		}
	}
	return out
}

func (k *compiler) watch(out *[]watched, t ir.Type, name string, at, valid int) {
	switch u := ir.Underlying(t).(type) {
	case *ir.Struct, *ir.Union:
		for i, f := range ir.Fields(u) {
			k.watch(out, f.Type, name+"."+f.Name, at+k.lay.field(u, i), valid)
		}
	case *ir.Header:
		*out = append(*out, watched{name: name, addr: at, n: 1, w: 1, valid: at, self: true})
		for i, f := range u.Fields {
			k.watch(out, f.Type, name+"."+f.Name, at+k.lay.field(u, i), at)
		}
	case *ir.Stack:
		for i := range u.Size {
			k.watch(out, u.Elem, fmt.Sprintf("%s[%d]", name, i), at+1+i*k.lay.slots(u.Elem), valid)
		}
	case *ir.Varbit:
		*out = append(*out, watched{name: name, addr: at + 1, n: limbs(u.Max), w: u.Max, t: t, valid: valid})
	default:
		if w := ir.Width(t); w > 0 {
			*out = append(*out, watched{name: name, addr: at, n: limbs(w), w: w, t: t, valid: valid})
		}
	}
}

// changed notes what has changed since the last step of the trace. Another copy
// begins with what it has.
func (c *ctx) changed() {
	list := c.m.watch()
	if len(c.shadow) != c.m.size {
		c.shadow = make([]uint64, c.m.size)
	}
	if c.shadowOf != c.copyID || c.fresh {
		c.shadowOf, c.fresh = c.copyID, false
		copy(c.shadow, c.mem)
		return
	}
	for i := range list {
		f := &list[i]
		now, before := c.mem[f.addr:f.addr+f.n], c.shadow[f.addr:f.addr+f.n]
		same := true
		for j := range now {
			same = same && now[j] == before[j]
		}
		if same {
			continue
		}
		detail := ""
		switch {
		case f.self && now[0] != 0:
			detail = "valid"
		case f.self:
			detail = "invalid"
		case f.valid >= 0 && c.mem[f.valid] == 0:
			continue // it is gone with its header
		default:
			detail = fmt.Sprintf("0x%x", toBig(now, f.w, false))
			if f.valid < 0 || c.shadow[f.valid] != 0 {
				detail = fmt.Sprintf("0x%x -> %s", toBig(before, f.w, false), detail)
			}
		}
		c.trace = append(c.trace, Event{Kind: "change", Name: f.name, Detail: detail, Copy: c.copyID})
	}
	copy(c.shadow, c.mem)
}
