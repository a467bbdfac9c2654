package packetcase

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// ParseFrame reads a frame: hexadecimal bytes, or layers from the outermost in,
// each a name with fields, separated by " / ":
//
//	eth dst=02:00:00:00:01:01 src=... / vlan vid=100 / ipv4 src=10.0.0.1 dst=... ttl=1 / udp sport=1 dport=2 / hex beef
//
// A field that is not named has the value of a correct frame: types and
// protocols from the next layer, lengths and checksums from what follows. Names
// and defaults of the fields are in the table layers.
//
// Three more words change the bytes made so far: "cut N" leaves the first N,
// "flip N" inverts bit N (from the first of the frame), "pad N" appends zeros up
// to N bytes.
func ParseFrame(s string) ([]byte, error) {
	forms := layers()
	var stack []*layer
	var after [][]string
	for i, part := range strings.Split(s, "/") {
		f := strings.Fields(part)
		if len(f) == 0 {
			if i == 0 && !strings.Contains(s, "/") {
				return []byte{}, nil
			}
			return nil, fmt.Errorf("an empty layer in %q", s)
		}
		switch f[0] {
		case "cut", "flip", "pad":
			after = append(after, f)
			continue
		}
		if len(after) > 0 {
			return nil, fmt.Errorf("layer %s after %s", f[0], after[0][0])
		}
		l, err := parseLayer(forms, f)
		if err != nil {
			return nil, err
		}
		stack = append(stack, l)
	}
	b := []byte{}
	for i := len(stack) - 1; i >= 0; i-- {
		var err error
		if b, err = stack[i].encode(stack, i, b); err != nil {
			return nil, err
		}
	}
	for _, f := range after {
		if len(f) != 2 {
			return nil, fmt.Errorf("%s takes one number", f[0])
		}
		n, err := strconv.Atoi(f[1])
		switch {
		case err != nil || n < 0:
			return nil, fmt.Errorf("%s %q: no number", f[0], f[1])
		case f[0] == "cut" && n <= len(b):
			b = b[:n]
		case f[0] == "flip" && n < 8*len(b):
			b[n/8] ^= 0x80 >> (n % 8)
		case f[0] == "pad" && n >= len(b) && n <= 1<<16:
			b = append(b, make([]byte, n-len(b))...)
		default:
			return nil, fmt.Errorf("%s %d does not fit a frame of %d bytes", f[0], n, len(b))
		}
	}
	return b, nil
}

// field is a field of a layer: its width and what it holds when the text does
// not say.
type field struct {
	name  string
	width int // bits
	value uint64
	auto  func(c *encoding) uint64 // instead of value
}

// encoding is what an automatic field can look at.
type encoding struct {
	stack   []*layer
	at      int
	head    []byte // the layer's fixed part; automatic checksums still zero
	opt     []byte // what opt= gave
	payload []byte
}

// form is a kind of layer. Its fields lie one after the other; opt follows them.
type form struct {
	name   string
	id     uint64 // ether type, or IP protocol where proto is set
	proto  bool
	opt    bool // takes opt=HEX
	fields []field
}

type layer struct {
	*form
	set map[string][]byte
	opt []byte
}

const allSet = ^uint64(0) >> 1

// layers are the known layers.
func layers() []form {
	return []form{
		{name: "eth", fields: []field{
			{name: "dst", width: 48}, {name: "src", width: 48}, {name: "type", width: 16, auto: nextType}}},
		{name: "vlan", id: 0x8100, fields: []field{
			{name: "pcp", width: 3}, {name: "dei", width: 1}, {name: "vid", width: 12}, {name: "type", width: 16, auto: nextType}}},
		{name: "arp", id: 0x0806, fields: []field{
			{name: "htype", width: 16, value: 1}, {name: "ptype", width: 16, value: 0x800}, {name: "hlen", width: 8, value: 6},
			{name: "plen", width: 8, value: 4}, {name: "op", width: 16, value: 1},
			{name: "sha", width: 48}, {name: "spa", width: 32}, {name: "tha", width: 48}, {name: "tpa", width: 32}}},
		{name: "ipv4", id: 0x0800, opt: true, fields: []field{
			{name: "version", width: 4, value: 4},
			{name: "ihl", width: 4, auto: func(c *encoding) uint64 { return uint64(20+len(c.opt)) / 4 }},
			{name: "tos", width: 8},
			{name: "len", width: 16, auto: func(c *encoding) uint64 { return uint64(20 + len(c.opt) + len(c.payload)) }},
			{name: "id", width: 16}, {name: "flags", width: 3}, {name: "frag", width: 13}, {name: "ttl", width: 8, value: 64},
			{name: "proto", width: 8, auto: nextProto},
			{name: "sum", width: 16, auto: func(c *encoding) uint64 { return uint64(checksum(c.head, c.opt)) }},
			{name: "src", width: 32}, {name: "dst", width: 32}}},
		{name: "ipv6", id: 0x86dd, fields: []field{
			{name: "version", width: 4, value: 6}, {name: "tc", width: 8}, {name: "flow", width: 20},
			{name: "len", width: 16, auto: func(c *encoding) uint64 { return uint64(len(c.payload)) }},
			{name: "next", width: 8, auto: nextProto}, {name: "hops", width: 8, value: 64},
			{name: "src", width: 128}, {name: "dst", width: 128}}},
		// Hop-by-hop options: eight bytes with a PadN option.
		{name: "hop", id: 0, proto: true, fields: []field{
			{name: "next", width: 8, auto: nextProto}, {name: "len", width: 8}, {name: "options", width: 48, value: 0x010400000000}}},
		{name: "tcp", id: 6, proto: true, opt: true, fields: []field{
			{name: "sport", width: 16}, {name: "dport", width: 16}, {name: "seq", width: 32}, {name: "ack", width: 32},
			{name: "off", width: 4, auto: func(c *encoding) uint64 { return uint64(20+len(c.opt)) / 4 }},
			{name: "flags", width: 12, value: 2}, {name: "window", width: 16, value: allSet},
			{name: "sum", width: 16, auto: pseudoSum}, {name: "urgent", width: 16}}},
		{name: "udp", id: 17, proto: true, fields: []field{
			{name: "sport", width: 16}, {name: "dport", width: 16},
			{name: "len", width: 16, auto: func(c *encoding) uint64 { return uint64(8 + len(c.payload)) }},
			{name: "sum", width: 16, auto: pseudoSum}}},
		{name: "icmp", id: 1, proto: true, fields: []field{
			{name: "type", width: 8, value: 8}, {name: "code", width: 8},
			{name: "sum", width: 16, auto: func(c *encoding) uint64 { return uint64(checksum(c.head, c.payload)) }},
			{name: "rest", width: 32}}},
		{name: "icmpv6", id: 58, proto: true, fields: []field{
			{name: "type", width: 8, value: 128}, {name: "code", width: 8},
			{name: "sum", width: 16, auto: pseudoSum}, {name: "rest", width: 32}}},
		{name: "hex", opt: true},
	}
}

func parseLayer(forms []form, f []string) (*layer, error) {
	var l *layer
	for _, k := range forms {
		if k.name == f[0] {
			l = &layer{form: &k, set: map[string][]byte{}}
		}
	}
	if l == nil {
		// Bytes need no word in front.
		if b, err := hex.DecodeString(strings.Join(f, "")); err == nil {
			return &layer{form: &form{name: "hex"}, opt: b}, nil
		}
		return nil, fmt.Errorf("there is no layer %q, and it is not hexadecimal", f[0])
	}
	if l.name == "hex" {
		var err error
		l.opt, err = hex.DecodeString(strings.Join(f[1:], ""))
		return l, err
	}
	for _, w := range f[1:] {
		name, v, ok := strings.Cut(w, "=")
		if !ok {
			return nil, fmt.Errorf("%s: expected FIELD=VALUE, found %q", l.name, w)
		}
		if l.set[name] != nil || name == "opt" && l.opt != nil {
			return nil, fmt.Errorf("%s: %s is given twice", l.name, name)
		}
		if name == "opt" && l.form.opt {
			b, err := hex.DecodeString(v)
			if err != nil || len(b)%4 != 0 || len(b) > 40 {
				return nil, fmt.Errorf("%s: opt is not 0 to 40 bytes, a multiple of 4", l.name)
			}
			l.opt = b
			continue
		}
		known := false
		for _, fd := range l.fields {
			if fd.name != name {
				continue
			}
			known = true
			b, err := number(v, &ir.Bit{W: fd.width})
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", l.name, name, err)
			}
			l.set[name] = b
		}
		if !known {
			return nil, fmt.Errorf("%s has no field %s", l.name, name)
		}
	}
	return l, nil
}

// encode gives the layer's bytes in front of its payload.
func (l *layer) encode(stack []*layer, at int, payload []byte) ([]byte, error) {
	c := &encoding{stack: stack, at: at, opt: l.opt, payload: payload}
	width := 0
	for _, f := range l.fields {
		width += f.width
	}
	bits := new(big.Int)
	put := func(v *big.Int, off, w int) {
		bits.Or(bits, new(big.Int).Lsh(v, uint(width-off-w)))
	}
	for pass := range 2 { // checksums last: they see all other fields
		off := 0
		for _, f := range l.fields {
			sum := f.name == "sum" && l.set["sum"] == nil
			if sum == (pass == 1) {
				v := new(big.Int).SetUint64(f.value)
				switch {
				case l.set[f.name] != nil:
					v.SetBytes(l.set[f.name])
				case f.auto != nil:
					v.SetUint64(f.auto(c))
				}
				put(v.And(v, mask(f.width)), off, f.width)
			}
			off += f.width
		}
		c.head = bits.FillBytes(make([]byte, width/8))
	}
	out := append(append([]byte{}, c.head...), l.opt...)
	return append(out, payload...), nil
}

func mask(w int) *big.Int {
	m := new(big.Int).Lsh(big.NewInt(1), uint(w))
	return m.Sub(m, big.NewInt(1))
}

// nextType is the ether type of the next layer; bytes have the one for
// experiments, 0x88b5.
func nextType(c *encoding) uint64 {
	if c.at+1 < len(c.stack) && !c.stack[c.at+1].proto && c.stack[c.at+1].id != 0 {
		return c.stack[c.at+1].id
	}
	return 0x88b5
}

// nextProto is the protocol of the next layer; bytes have the one for
// experiments, 253.
func nextProto(c *encoding) uint64 {
	if c.at+1 < len(c.stack) && c.stack[c.at+1].proto {
		return c.stack[c.at+1].id
	}
	return 253
}

// checksum is the Internet checksum (RFC 1071) of the pieces, each of which
// starts at an even offset.
func checksum(pieces ...[]byte) uint16 {
	s := uint32(0)
	for _, b := range pieces {
		for i := 0; i+1 < len(b); i += 2 {
			s += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		if len(b)%2 == 1 {
			s += uint32(b[len(b)-1]) << 8
		}
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// pseudoSum is the checksum of TCP, UDP and ICMPv6 with the addresses of the IP
// layer around them.
func pseudoSum(c *encoding) uint64 {
	l := c.stack[c.at]
	n := len(c.head) + len(c.opt) + len(c.payload)
	var pseudo []byte
	for _, ip := range c.stack[:c.at] {
		w := 0
		switch ip.name {
		case "ipv4":
			w = 4
		case "ipv6":
			w = 16
		default:
			continue
		}
		pseudo = nil
		for _, f := range []string{"src", "dst"} {
			a := make([]byte, w)
			copy(a, ip.set[f])
			pseudo = append(pseudo, a...)
		}
	}
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(n))
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(l.id))
	s := checksum(pseudo, c.head, c.opt, c.payload)
	if s == 0 && l.name == "udp" { // RFC 768: 0 says that there is none
		s = 0xffff
	}
	return uint64(s)
}
