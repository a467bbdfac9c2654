package ref

import (
	"encoding/binary"

	"github.com/p4nic/p4nic/bench"
)

// frameLen is that of the shortest Ethernet frame, without its check sequence.
const frameLen = 60

// Packet is an Ethernet frame with IPv4 and TCP or UDP.
type Packet struct {
	DstMAC, SrcMAC   uint64 // low 48 bits
	Src, Dst         uint32
	SrcPort, DstPort uint16
	Proto, TTL       uint8
}

const (
	protoTCP = 6
	protoUDP = 17
)

// Write makes the frame, with right checksums, in b, whose length is the frame's.
func (p *Packet) Write(b []byte) {
	clear(b)
	putMAC(b, p.DstMAC)
	putMAC(b[6:], p.SrcMAC)
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	ip := b[14:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(len(b)-14))
	ip[6] = 0x40 // do not fragment
	ip[8], ip[9] = p.TTL, p.Proto
	if p.TTL == 0 {
		ip[8] = 64
	}
	binary.BigEndian.PutUint32(ip[12:], p.Src)
	binary.BigEndian.PutUint32(ip[16:], p.Dst)
	binary.BigEndian.PutUint16(ip[20:], p.SrcPort)
	binary.BigEndian.PutUint16(ip[22:], p.DstPort)
	if p.Proto == protoTCP {
		ip[32] = 5 << 4
		ip[33] = 0x10 // ACK
	} else {
		binary.BigEndian.PutUint16(ip[24:], uint16(len(b)-34))
	}
	FixChecksums(b)
}

// FixChecksums computes the checksums of IPv4 and TCP or UDP anew.
func FixChecksums(b []byte) {
	ip := b[14:]
	ip[10], ip[11] = 0, 0
	binary.BigEndian.PutUint16(ip[10:], checksum(0, ip[:20]))
	at := 36
	if ip[9] == protoUDP {
		at = 26
	}
	ip[at], ip[at+1] = 0, 0
	pseudo := uint32(ip[9]) + uint32(len(ip)-20)
	for i := 12; i < 20; i += 2 {
		pseudo += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	c := checksum(pseudo, ip[20:])
	if ip[9] == protoUDP && c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(ip[at:], c)
}

// checksum of RFC 1071, from a sum on.
func checksum(sum uint32, b []byte) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func putMAC(b []byte, mac uint64) {
	var x [8]byte
	binary.BigEndian.PutUint64(x[:], mac)
	copy(b, x[2:])
}

func getMAC(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}

// wireMAC is a MAC address as programs read it from the wire: its first byte is
// the lowest.
func wireMAC(mac uint64) (w uint64) {
	for i := range 6 {
		w |= mac >> (8 * i) & 0xff << (8 * (5 - i))
	}
	return w
}

func be16(x uint16) uint16 { return x<<8 | x>>8 }
func be32(x uint32) uint32 { return uint32(be16(uint16(x)))<<16 | uint32(be16(uint16(x>>16))) }

// Frames makes n frames of packets.
func Frames(n int, packet func(i int) Packet) (*bench.Frames, error) {
	return bench.MakeFrames(n, frameLen, func(i int, b []byte) {
		p := packet(i)
		p.Write(b)
	})
}
