package kernel

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// mapped is the memory of an mmapable array map, shared with the programs.
// Values are read and written in aligned 64-bit words, each in one access, so a
// program never sees half a word (fe:1: tearing). cilium's Map.Memory copies
// and gives no such promise.
type mapped struct {
	raw    []byte
	stride int // bytes from one value to the next
	base   int // where value 0 is, in a map that tables share
}

func mapArray(m *ebpf.Map) (*mapped, error) {
	stride := (int(m.ValueSize()) + 7) &^ 7
	page := unix.Getpagesize()
	size := (stride*int(m.MaxEntries()) + page - 1) &^ (page - 1)
	raw, err := unix.Mmap(m.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the memory of %s: %w", m, err)
	}
	return &mapped{raw: raw, stride: stride}, nil
}

func (m *mapped) close() error {
	if m == nil || m.raw == nil {
		return nil
	}
	raw := m.raw
	m.raw = nil
	return unix.Munmap(raw)
}

// word points to word w of value i. The slice bounds are checked.
func (m *mapped) word(i uint32, w int) *uint64 {
	off := (m.base+int(i))*m.stride + 8*w
	return (*uint64)(unsafe.Pointer(&m.raw[off : off+8][0]))
}

func (m *mapped) load(i uint32, w int) uint64     { return atomic.LoadUint64(m.word(i, w)) }
func (m *mapped) store(i uint32, w int, v uint64) { atomic.StoreUint64(m.word(i, w), v) }

// value is the bytes of value i; only for values that no program reads yet.
func (m *mapped) value(i uint32) []byte {
	off := (m.base + int(i)) * m.stride
	return m.raw[off : off+m.stride]
}
