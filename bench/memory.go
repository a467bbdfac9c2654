package bench

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const mmapable = 1 << 10 // BPF_F_MMAPABLE

// valueMap makes an array of one value that programs address directly.
func valueMap(name string, size int) (*ebpf.Map, error) {
	return ebpf.NewMap(&ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), MaxEntries: 1, Flags: mmapable})
}

// MapMemory maps the value of an array of one value, made with BPF_F_MMAPABLE.
// unix.Munmap gives it back.
func MapMemory(m *ebpf.Map) ([]byte, error) {
	page := unix.Getpagesize()
	size := (int(m.ValueSize()) + page - 1) &^ (page - 1)
	b, err := unix.Mmap(m.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the memory of %s: %w", m, err)
	}
	return b, nil
}

// word is an aligned u64 in shared memory.
func word(b []byte, off int) *uint64 { return (*uint64)(unsafe.Pointer(&b[off : off+8][0])) }

func load(b []byte, off int) uint64     { return atomic.LoadUint64(word(b, off)) }
func store(b []byte, off int, v uint64) { atomic.StoreUint64(word(b, off), v) }
