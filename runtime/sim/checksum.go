package sim

import "encoding/binary"

// completeChecksum fills in the TCP or UDP checksum of a frame whose sender left
// it to the hardware (the kernel gives such frames to packet sockets with only
// the pseudo-header summed). Frames it does not understand stay as they are.
func completeChecksum(frame []byte) {
	if len(frame) < 14 {
		return
	}
	off, ethType := 14, binary.BigEndian.Uint16(frame[12:])
	for (ethType == 0x8100 || ethType == 0x88a8) && len(frame) >= off+4 {
		ethType = binary.BigEndian.Uint16(frame[off+2:])
		off += 4
	}
	var proto byte
	var pseudo uint32
	var l4 []byte
	switch ip := frame[off:]; {
	case ethType == 0x0800 && len(ip) >= 20:
		ihl, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
		fragment := binary.BigEndian.Uint16(ip[6:])&0x3fff != 0
		if ihl < 20 || total < ihl || total > len(ip) || fragment {
			return
		}
		proto, l4 = ip[9], ip[ihl:total]
		pseudo = sum16(ip[12:20], 0)
	case ethType == 0x86dd && len(ip) >= 40:
		payload := int(binary.BigEndian.Uint16(ip[4:]))
		if 40+payload > len(ip) {
			return
		}
		proto, l4 = ip[6], ip[40:40+payload]
		pseudo = sum16(ip[8:40], 0)
	default:
		return
	}
	var at int
	switch {
	case proto == 6 && len(l4) >= 20:
		at = 16
	case proto == 17 && len(l4) >= 8:
		at = 6
	default:
		return
	}
	l4[at], l4[at+1] = 0, 0
	sum := ^fold(sum16(l4, pseudo+uint32(proto)+uint32(len(l4))))
	if proto == 17 && sum == 0 {
		sum = 0xffff // RFC 768: 0 means no checksum
	}
	binary.BigEndian.PutUint16(l4[at:], sum)
}

// sum16 adds the big-endian 16-bit words of b to sum (RFC 1071); an odd last
// byte is padded with zero.
func sum16(b []byte, sum uint32) uint32 {
	for len(b) >= 2 {
		sum += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
