package exec

import (
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Hash algorithms over bytes. Field lists are concatenated bit by bit, most
// significant first; a last incomplete byte is filled with zero bits.

var crc16Table = func() (t [256]uint16) {
	for i := range t {
		c := uint16(i)
		for range 8 {
			if c&1 != 0 {
				c = c>>1 ^ 0xa001
			} else {
				c >>= 1
			}
		}
		t[i] = c
	}
	return t
}()

// crc16 is CRC-16/ARC: polynomial 0x8005 reflected, initial value 0.
func crc16(b []byte) uint64 {
	var c uint16
	for _, x := range b {
		c = c>>8 ^ crc16Table[byte(c)^x]
	}
	return uint64(c)
}

// csum16 is the Internet checksum of RFC 1071: the complement of the one's
// complement sum of 16-bit words, an odd last byte being the upper half.
func csum16(b []byte) uint64 {
	var s uint64
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(b[0])<<8 | uint64(b[1])
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^s & 0xffff
}

// xor16 is the exclusive or of 16-bit words, an odd last byte being the upper
// half.
func xor16(b []byte) uint64 {
	var s uint64
	for i, x := range b {
		if i&1 == 0 {
			s ^= uint64(x) << 8
		} else {
			s ^= uint64(x)
		}
	}
	return s
}

// identity is the first eight bytes, or all of fewer.
func identity(b []byte) uint64 {
	var v uint64
	for _, x := range b[:min(8, len(b))] {
		v = v<<8 | uint64(x)
	}
	return v
}

// algorithm gives the hash that the constant x of type HashAlgorithm names. The
// _custom CRCs have the parameters of the plain ones.
func (k *compiler) algorithm(x ir.Expr) func(c *ctx, b []byte) uint64 {
	name := enumName(x)
	switch strings.ToLower(name) {
	case "crc32", "crc32_custom", "target_default":
		return func(_ *ctx, b []byte) uint64 { return uint64(crc32.ChecksumIEEE(b)) }
	case "crc16", "crc16_custom":
		return func(_ *ctx, b []byte) uint64 { return crc16(b) }
	case "csum16", "ones_complement16":
		return func(_ *ctx, b []byte) uint64 { return csum16(b) }
	case "xor16":
		return func(_ *ctx, b []byte) uint64 { return xor16(b) }
	case "identity":
		return func(_ *ctx, b []byte) uint64 { return identity(b) }
	case "random":
		return func(c *ctx, _ []byte) uint64 { return uint64(c.m.opts.Rand()) }
	}
	k.fail(x.Pos(), "hash algorithm", fmt.Sprintf("it must be a constant of HashAlgorithm or its like, not %q", name))
	return nil
}

// fieldList compiles the data of a hash or checksum: appends its bits. Invalid
// headers in it count nothing; fields of invalid headers count as zero.
func (k *compiler) fieldList(x ir.Expr) (appendTo func(*ctx, *bitWriter), fx bool) {
	if l, ok := x.(*ir.ListExpr); ok {
		fs := make([]func(*ctx, *bitWriter), len(l.Elems))
		for i, e := range l.Elems {
			f, efx := k.fieldList(e)
			fs[i], fx = f, fx || efx
		}
		return func(c *ctx, o *bitWriter) {
			for _, f := range fs {
				f(c, o)
			}
		}, fx
	}
	v := k.expr(x)
	if !v.wide() {
		w := ir.Width(v.t)
		return func(c *ctx, o *bitWriter) { o.bits(v.u(c), w) }, v.fx
	}
	put := k.putter(v.t)
	if v.addr >= 0 {
		a, n := v.addr, v.n
		return func(c *ctx, o *bitWriter) { put(o, c.mem[a:a+n]) }, v.fx
	}
	t := k.alloc(v.n)
	return func(c *ctx, o *bitWriter) {
		v.into(c, c.mem[t:t+v.n])
		put(o, c.mem[t:t+v.n])
	}, v.fx
}

// putter appends a value of type t as bits.
func (k *compiler) putter(t ir.Type) func(*bitWriter, []uint64) {
	switch u := ir.Underlying(t).(type) {
	case *ir.Varbit:
		return func(o *bitWriter, v []uint64) { o.limbs(v[1:], int(v[0])) }
	case *ir.Header:
		h := k.headerIO(u, u.Name)
		return func(o *bitWriter, v []uint64) {
			if v[0] != 0 {
				h.put(o, v)
			}
		}
	case *ir.Struct, *ir.Union, *ir.Tuple, *ir.Stack:
		type part struct {
			off int
			put func(*bitWriter, []uint64)
		}
		var ps []part
		add := func(t ir.Type, off int) { ps = append(ps, part{off, k.putter(t)}) }
		switch u := u.(type) {
		case *ir.Tuple:
			off := 0
			for _, e := range u.Elems {
				add(e, off)
				off += k.lay.slots(e)
			}
		case *ir.Stack:
			for i := range u.Size {
				add(u.Elem, 1+i*k.lay.slots(u.Elem))
			}
		default:
			for i, f := range ir.Fields(u) {
				add(f.Type, k.lay.field(u, i))
			}
		}
		return func(o *bitWriter, v []uint64) {
			for _, p := range ps {
				p.put(o, v[p.off:])
			}
		}
	}
	w := max(0, ir.Width(t))
	return func(o *bitWriter, v []uint64) { o.limbs(v, w) }
}
