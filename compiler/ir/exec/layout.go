package exec

import (
	"github.com/p4nic/p4nic/compiler/ir"
)

// Slots of a type:
//
//	scalar     1 up to 64 bits, else one a 64 bits, least significant first;
//	           int<W> in two's complement of W bits, higher bits zero
//	varbit     length in bits, then the value as a scalar of Max bits
//	header     valid (0 or 1), then the fields
//	struct, union, tuple   the members
//	stack      nextIndex, then the elements
//	others     none

// maxSlots bounds the memory of a packet: 8 MiB.
const maxSlots = 1 << 20

type layouts struct{ size map[ir.Type]int }

func (l *layouts) slots(t ir.Type) int {
	if n, ok := l.size[t]; ok {
		return n
	}
	n := 0
	switch u := ir.Underlying(t).(type) {
	case *ir.Varbit:
		n = 1 + limbs(u.Max)
	case *ir.Header:
		n = 1 + l.fields(u.Fields)
	case *ir.Struct:
		n = l.fields(u.Fields)
	case *ir.Union:
		n = l.fields(u.Fields)
	case *ir.Tuple:
		for _, e := range u.Elems {
			n = min(maxSlots+1, n+l.slots(e))
		}
	case *ir.Stack:
		n = min(maxSlots+1, 1+u.Size*l.slots(u.Elem))
	default:
		if w := ir.Width(t); w >= 0 {
			n = limbs(w)
		}
	}
	l.size[t] = n
	return n
}

func (l *layouts) fields(fs []ir.Field) int {
	n := 0
	for _, f := range fs {
		n = min(maxSlots+1, n+l.slots(f.Type))
	}
	return n
}

// field is the offset of member i in t.
func (l *layouts) field(t ir.Type, i int) int {
	n := 0
	if _, ok := t.(*ir.Header); ok {
		n = 1
	}
	return n + l.fields(ir.Fields(t)[:i])
}

// element is the offset of element i in a tuple.
func (l *layouts) element(t ir.Type, i int) int {
	n := 0
	for _, e := range t.(*ir.Tuple).Elems[:i] {
		n += l.slots(e)
	}
	return n
}

// limbs is the number of slots of a scalar of w bits, at least 1.
func limbs(w int) int { return max(1, (w+63)/64) }

// mask has the w low bits set, w <= 64.
func mask(w int) uint64 {
	if w >= 64 {
		return ^uint64(0)
	}
	return 1<<w - 1
}

// topMask is the mask of the most significant slot of w bits.
func topMask(w int) uint64 { return mask(w - 64*(limbs(w)-1)) }

func isSigned(t ir.Type) bool {
	_, ok := ir.Underlying(t).(*ir.Int)
	return ok
}

// sext reads the w low bits of v as two's complement, 1 <= w <= 64.
func sext(v uint64, w int) int64 { return int64(v<<(64-w)) >> (64 - w) }

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
