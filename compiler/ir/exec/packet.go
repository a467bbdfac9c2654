package exec

import (
	"encoding/binary"

	"github.com/p4nic/p4nic/compiler/ir"
)

// fieldIO is one scalar of a header: where in the header and in memory.
type fieldIO struct {
	bit, w int // place in the packet relative to the header's first bit
	slot   int // relative to the header's first slot
	varbit bool
}

// headerIO moves a header between packet and memory.
type headerIO struct {
	name     string
	fields   []fieldIO
	bits     int // fixed part
	variable int // index of the varbit field, -1 when there is none
	max      int // bits of the varbit at most
	slots    int
}

// flatten lists the scalars of t in order of the packet.
func (k *compiler) flatten(t ir.Type, slot int, h *headerIO) {
	switch u := ir.Underlying(t).(type) {
	case *ir.Varbit:
		h.variable, h.max = len(h.fields), u.Max
		h.fields = append(h.fields, fieldIO{bit: h.bits, slot: slot, varbit: true})
	case *ir.Tuple:
		for _, e := range u.Elems {
			k.flatten(e, slot, h)
			slot += k.lay.slots(e)
		}
	case *ir.Stack:
		for i := range u.Size {
			k.flatten(u.Elem, slot+1+i*k.lay.slots(u.Elem), h)
		}
	case *ir.Struct, *ir.Header, *ir.Union:
		for i, f := range ir.Fields(u) {
			k.flatten(f.Type, slot+k.lay.field(u, i), h)
		}
	default:
		if w := ir.Width(t); w > 0 {
			h.fields = append(h.fields, fieldIO{bit: h.bits, w: w, slot: slot})
			h.bits += w
		}
	}
}

func (k *compiler) headerIO(t ir.Type, name string) *headerIO {
	h := &headerIO{name: name, variable: -1, slots: k.lay.slots(t)}
	k.flatten(t, 0, h)
	return h
}

// read fills mem, a header's slots, from bit pos on; v bits are in the varbit.
func (h *headerIO) read(mem []uint64, data []byte, pos, v int) {
	for i := range h.fields {
		f := &h.fields[i]
		p, w, s := pos+f.bit, f.w, f.slot
		if h.variable >= 0 && i >= h.variable {
			if f.varbit {
				w = v
				mem[s] = uint64(v)
				s++
				clear(mem[s : s+limbs(h.max)])
			} else {
				p += v
			}
		}
		if w <= 64 {
			mem[s] = getBits(data, p, w)
			continue
		}
		for j := 0; w > 0; j++ {
			n := min(w, 64)
			mem[s+j] = getBits(data, p+w-n, n)
			w -= n
		}
	}
}

// put appends a header's fields to b.
func (h *headerIO) put(b *bitWriter, mem []uint64) {
	for i := range h.fields {
		f := &h.fields[i]
		w, s := f.w, f.slot
		if f.varbit {
			w = int(mem[s])
			s++
		}
		b.limbs(mem[s:], w)
	}
}

// getBits reads w <= 64 bits from bit pos on, most significant first. The bits
// must be there.
func getBits(b []byte, pos, w int) uint64 {
	if w == 0 {
		return 0
	}
	i, sh := pos>>3, pos&7
	if sh == 0 {
		switch w {
		case 8:
			return uint64(b[i])
		case 16:
			return uint64(binary.BigEndian.Uint16(b[i:]))
		case 32:
			return uint64(binary.BigEndian.Uint32(b[i:]))
		case 48:
			return uint64(binary.BigEndian.Uint16(b[i:]))<<32 | uint64(binary.BigEndian.Uint32(b[i+2:]))
		case 64:
			return binary.BigEndian.Uint64(b[i:])
		}
	}
	n := (sh + w + 7) >> 3
	var v uint64
	for _, x := range b[i : i+min(n, 8)] {
		v = v<<8 | uint64(x)
	}
	if n <= 8 {
		return v >> (8*n - sh - w) & mask(w)
	}
	// Nine bytes: the last one gives the low bits.
	low := sh + w - 64
	return (v<<low | uint64(b[i+8])>>(8-low)) & mask(w)
}

// bitWriter appends bits to bytes; unused low bits of the last byte are zero.
type bitWriter struct {
	b   []byte
	bit int // length in bits
}

func (o *bitWriter) reset() { o.b, o.bit = o.b[:0], 0 }

func (o *bitWriter) bits(v uint64, w int) {
	if o.bit&7 == 0 {
		switch w {
		case 8:
			o.b = append(o.b, byte(v))
			o.bit += 8
			return
		case 16:
			o.b = binary.BigEndian.AppendUint16(o.b, uint16(v))
			o.bit += 16
			return
		case 32:
			o.b = binary.BigEndian.AppendUint32(o.b, uint32(v))
			o.bit += 32
			return
		case 48:
			o.b = binary.BigEndian.AppendUint16(o.b, uint16(v>>32))
			o.b = binary.BigEndian.AppendUint32(o.b, uint32(v))
			o.bit += 48
			return
		case 64:
			o.b = binary.BigEndian.AppendUint64(o.b, v)
			o.bit += 64
			return
		}
	}
	for w > 0 {
		free := 8 - o.bit&7
		if free == 8 {
			o.b = append(o.b, 0)
		}
		n := min(free, w)
		part := byte(v >> (w - n) & mask(n))
		o.b[len(o.b)-1] |= part << (free - n)
		o.bit += n
		w -= n
	}
}

// limbs appends the w low bits of x, slots with the least significant first.
func (o *bitWriter) limbs(x []uint64, w int) {
	for w > 0 {
		n := w % 64
		if n == 0 {
			n = 64
		}
		o.bits(x[(w-1)/64], n)
		w -= n
	}
}

// bytes appends whole bytes.
func (o *bitWriter) bytes(b []byte) {
	if o.bit&7 == 0 {
		o.b = append(o.b, b...)
		o.bit += 8 * len(b)
		return
	}
	for _, x := range b {
		o.bits(uint64(x), 8)
	}
}

// payload appends what the parser has not consumed.
func (c *ctx) payload(o *bitWriter) {
	if c.pos&7 == 0 {
		o.bytes(c.data[c.pos>>3:])
		return
	}
	first := 8 - c.pos&7
	o.bits(getBits(c.data, c.pos, first), first)
	o.bytes(c.data[(c.pos+7)>>3:])
}
