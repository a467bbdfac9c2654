package packetcase

import "fmt"

// Part is a field of a frame, or some bytes of its payload. Fields that share a
// byte are one part.
type Part struct {
	Name     string // "eth.dst", "ipv4.version+ihl", "0036"
	Off, Len int    // bytes
}

// Describe finds the layers of a frame as far as ParseFrame knows them, for
// reports. The parts cover all of b.
func Describe(b []byte) []Part {
	forms := layers()
	var parts []Part
	off := 0
	for f := &forms[0]; f != nil && off < len(b); {
		start := off
		next, proto, words := uint64(0), f.proto, -1
		name, bits, from := "", 0, 0
		for _, fd := range f.fields {
			if name != "" {
				name += "+"
			}
			name += fd.name
			bits += fd.width
			v := bitsOf(b, 8*start+bits-fd.width, fd.width)
			switch fd.name {
			case "type":
				if f.id != 1 && f.id != 58 {
					next = v
				}
			case "proto", "next":
				next, proto = v, true
			case "ihl", "off":
				words = int(v)
			case "frag":
				if v != 0 { // no header follows
					next = allSet
				}
			}
			if bits%8 == 0 {
				if start+from < len(b) {
					parts = append(parts, Part{f.name + "." + name, start + from, min(bits/8-from, len(b)-start-from)})
				}
				name, from = "", bits/8
			}
		}
		off = start + bits/8
		if n := start + 4*words - off; n > 0 && off < len(b) {
			n = min(n, len(b)-off)
			parts = append(parts, Part{f.name + ".opt", off, n})
			off += n
		}
		f = following(forms, f, next, proto)
	}
	for off < len(b) {
		n := min(16, len(b)-off)
		parts = append(parts, Part{fmt.Sprintf("%04x", off), off, n})
		off += n
	}
	return parts
}

// following is the form with that type or protocol, nil when there is none.
func following(forms []form, f *form, id uint64, proto bool) *form {
	if f.name == "arp" || f.proto && f.name != "hop" {
		return nil
	}
	for i := range forms {
		n := &forms[i]
		if n.proto == proto && n.id == id && n.fields != nil && n.name != "eth" {
			return n
		}
	}
	return nil
}

// bitsOf reads up to 64 bits; what lies behind the end is 0.
func bitsOf(b []byte, off, n int) uint64 {
	if n > 64 {
		return 0
	}
	v := uint64(0)
	for i := off; i < off+n; i++ {
		v <<= 1
		if i/8 < len(b) {
			v |= uint64(b[i/8]>>(7-i%8)) & 1
		}
	}
	return v
}
