package ebpf

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/cilium/ebpf"
)

// Role tells who shares a map and who fills it (D7).
type Role uint8

const (
	// Content belongs to one generation; the store fills it.
	Content Role = iota
	// State is written by packets; generations share it when Name and Digest
	// are equal.
	State
	// Device maps exist once a device, whatever program runs.
	Device
	// Const maps hold MapSpec.Contents, the same for every program.
	Const
	// Scratch maps hold nothing between two packets.
	Scratch
)

func (r Role) String() string {
	return [...]string{"content", "state", "device", "const", "scratch"}[r]
}

// MapSpec describes one kernel map. Instructions refer to it by Name.
type MapSpec struct {
	Name       string // unique in a Layout, e.g. "entry:MyIngress.acl"
	Type       ebpf.MapType
	KeySize    uint32 // bytes
	ValueSize  uint32 // bytes; of an mmapable array each value takes Stride bytes
	MaxEntries uint32
	Flags      uint32 // BPF_F_*
	Role       Role
	Contents   []byte // Const: the value of key 0
	// Locked values begin with a bpf_spin_lock: the kernel wants to be told so by
	// BTF, and does not map them into user space.
	Locked bool
}

// Flags of bpf(2) that layouts use.
const (
	fNoPrealloc = 1 << 0
	fRdonlyProg = 1 << 7
	fMmapable   = 1 << 10
)

// Mmapable tells whether user space can map the values.
func (m *MapSpec) Mmapable() bool { return m.Flags&fMmapable != 0 }

// Stride is the distance in bytes of two values of a mapped array.
func (m *MapSpec) Stride() uint32 { return (m.ValueSize + 7) &^ 7 }

// Spec gives the map in the form that creates it. Const contents are not part
// of it: write them to key 0 and freeze the map.
func (m *MapSpec) Spec() *ebpf.MapSpec {
	s := &ebpf.MapSpec{
		Name: m.KernelName(), Type: m.Type, KeySize: m.KeySize, ValueSize: m.ValueSize,
		MaxEntries: m.MaxEntries, Flags: m.Flags,
	}
	if m.Locked {
		s.Key, s.Value = lockedTypes(m)
	}
	return s
}

// KernelName is a name of at most 15 bytes for bpftool: the kind's first letter
// and the end of the P4 name.
func (m *MapSpec) KernelName() string {
	kind, name, ok := strings.Cut(m.Name, ":")
	if ok {
		if i := strings.LastIndexByte(name, '.'); i >= 0 && i+1 < len(name) {
			name = name[i+1:]
		}
		name = kind[:1] + "_" + name
	} else {
		name = kind
	}
	b := []byte(name)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_') {
			b[i] = '_'
		}
	}
	if len(b) > 15 {
		b = b[:15]
	}
	return string(b)
}

// Digest names the map's shape. A state map found under the same name may be
// adopted when the digests are equal (D6).
func (m *MapSpec) Digest() string {
	h := sha256.Sum256(fmt.Appendf(nil, "v1 %s %d %d %d %d %d %d", m.Name, m.Type, m.KeySize, m.ValueSize, m.MaxEntries, m.Flags, m.Role))
	return hex.EncodeToString(h[:8])
}

// Names of the maps that do not come from a table or instance.
const (
	MapPorts     = "ports"     // ARRAY port number -> ifindex u32, 0 = no such port
	MapIfPort    = "ifport"    // HASH ifindex u32 -> port number u32
	MapIfIndex   = "ifindex"   // ARRAY ifindex below FastNetdevs -> port number + 1 u32, 0 = no port; as MapIfPort
	MapDevmap    = "devmap"    // DEVMAP port number -> ifindex
	MapPortStats = "portstats" // PERCPU_ARRAY port number -> PortStats
	MapDrops     = "drops"     // PERCPU_ARRAY drop reason -> packets, bytes u64
	MapCell      = "cell"      // ARRAY of one u64, mmapable: the generation cell (D3)
	MapZero      = "zero"      // ARRAY of one u64, always 0, which the verifier cannot know
	MapProgsXDP  = "progs_xdp" // PROG_ARRAY generation*16 + stage
	MapProgsTC   = "progs_tc"
	MapConst     = "const"   // CRC tables
	MapScratch   = "scratch" // PERCPU_ARRAY: header image, wide keys
	MapResult    = "result"  // ARRAY of one Result, harness only
)

// Sizes of the device maps.
const (
	MaxPorts       = 512 // port numbers 0..511; 509..511 have a meaning (D8)
	Generations    = 4   // slots for generations in a program array (D3)
	StagesPerGen   = 16
	progArraySize  = Generations * StagesPerGen
	maxNetdevs     = 1024
	FastNetdevs    = 1 << 15 // ifindexes whose port is found without hashing
	portStatsSize  = 5 * 8
	dropStatSize   = 2 * 8
	resultSize     = 24
	crcTables      = 8 // tables of each CRC: bytes that are looked up at once
	crc32TableOff  = 0
	crc16TableOff  = crcTables * 256 * 4
	constTableSize = crc16TableOff + crcTables*256*2
)

// PortStats is one CPU's value in MapPortStats, as the program counts it (D9);
// bytes are those of the packets on the wire.
type PortStats struct {
	RxPackets, RxBytes, TxPackets, TxBytes, Drops uint64
}

// DropStats is one CPU's value in MapDrops.
type DropStats struct {
	Packets, Bytes uint64
}

// Result is the value of MapResult. The harness writes Ingress and Now, the program
// the rest.
type Result struct {
	Port    uint32 // VerdictOutput: the output port
	Verdict uint32 // one of the Verdict constants
	Ingress uint32
	Reason  uint32 // VerdictDrop: a ssa.DropReason or one of the constants below
	Now     uint64 // nanoseconds: the time of the packet
}

// Verdicts of a harness program.
const (
	VerdictNone   = 0 // the program did not reach an end
	VerdictOutput = 1
	VerdictDrop   = 2
	VerdictCopies = 3 // Port packets are in MapOutputs; Reason is 0, or why one of the others was dropped
	VerdictFork   = 4 // XDP: the machine goes on, with {handMagic, Port, sequence} in skb->cb (HandoverCB)
)

// Drop reasons of MapDrops besides those of ssa.DropReason.
const (
	DropCPUPort   = 16 // sent to the CPU port, which is not connected
	DropSetup     = 17 // tc: the kernel refused to turn tags into bytes or to make headers linear
	DropHostShape = 18 // tc: sent to the host with more bytes in front than the stack can be told of
	DropInternal  = 19 // an index in a map is out of range
	DropCPUSize   = 20 // XDP: sent to the CPU port, in several buffers
	DropCopies    = 24 // more copies of one packet than there is room for
	DropCopy      = 25 // the kernel refused to make a copy, or to make the packet what a copy begins with
	DropHandover  = 26 // XDP: the driver has no room for metadata, or jobs were overwritten before tc took them
	DropReasons   = 32
)

// DeviceMaps are the maps that exist once a device, in a fixed order.
func DeviceMaps() []*MapSpec {
	return []*MapSpec{
		{Name: MapPorts, Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: MaxPorts, Role: Device},
		{Name: MapIfPort, Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: maxNetdevs, Role: Device},
		{Name: MapIfIndex, Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: FastNetdevs, Role: Device},
		{Name: MapDevmap, Type: ebpf.DevMap, KeySize: 4, ValueSize: 4, MaxEntries: MaxPorts, Role: Device},
		{Name: MapPortStats, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: portStatsSize, MaxEntries: MaxPorts, Role: Device},
		{Name: MapDrops, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: dropStatSize, MaxEntries: DropReasons, Role: Device},
		{Name: MapCell, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: fMmapable, Role: Device},
		{Name: MapZero, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Role: Device},
		{Name: MapProgsXDP, Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: progArraySize, Role: Device},
		{Name: MapProgsTC, Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: progArraySize, Role: Device},
	}
}

// constMap holds the tables of the reflected CRC-32 (IEEE 802.3) and CRC-16/ARC.
// Table k gives what a byte does to the CRC when k more bytes follow it.
func constMap() *MapSpec {
	b := make([]byte, constTableSize)
	for i := range 256 {
		c32, c16 := uint32(i), uint32(i)
		for range 8 {
			c32 = c32>>1 ^ crc32.IEEE&-(c32&1)
			c16 = c16>>1 ^ 0xa001&-(c16&1)
		}
		nativeEndian.PutUint32(b[crc32TableOff+4*i:], c32)
		nativeEndian.PutUint16(b[crc16TableOff+2*i:], uint16(c16))
	}
	for k := 1; k < crcTables; k++ {
		for i := range 256 {
			c32 := nativeEndian.Uint32(b[crc32TableOff+4*(256*(k-1)+i):])
			c16 := nativeEndian.Uint16(b[crc16TableOff+2*(256*(k-1)+i):])
			c32 = c32>>8 ^ nativeEndian.Uint32(b[crc32TableOff+4*int(c32&0xff):])
			c16 = c16>>8 ^ nativeEndian.Uint16(b[crc16TableOff+2*int(c16&0xff):])
			nativeEndian.PutUint32(b[crc32TableOff+4*(256*k+i):], c32)
			nativeEndian.PutUint16(b[crc16TableOff+2*(256*k+i):], c16)
		}
	}
	return &MapSpec{Name: MapConst, Type: ebpf.Array, KeySize: 4, ValueSize: constTableSize, MaxEntries: 1,
		Flags: fRdonlyProg, Role: Const, Contents: b}
}

// resultMap receives the verdict of harness programs.
func resultMap() *MapSpec {
	return &MapSpec{Name: MapResult, Type: ebpf.Array, KeySize: 4, ValueSize: resultSize, MaxEntries: 1, Role: Scratch}
}

// scratchMap is the per-CPU scratch. One element is enough: both hooks run with
// bottom halves off and never call each other.
func scratchMap(size uint32) *MapSpec {
	return &MapSpec{Name: MapScratch, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: size, MaxEntries: 1, Role: Scratch}
}
