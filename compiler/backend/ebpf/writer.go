package ebpf

import (
	"fmt"
	"unsafe"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Packed is an engine whose match structure is more than an element an entry: a
// Writer keeps it in the memory of its maps.
type Packed interface {
	Engine
	// NewWriter makes the writer of maps that are all zero.
	NewWriter(env WriterEnv) Writer
}

// WriterEnv is what a Writer works on. Memory is shared with running programs:
// what they read is changed by aligned stores of one word only.
type WriterEnv struct {
	// Value is the memory of value 0 of one of the engine's arrays, 8-byte aligned.
	Value func(m *MapSpec) []byte
	// Put and Delete write one of the engine's hash tables.
	Put    func(m *MapSpec, key []byte, value uint32) error
	Delete func(m *MapSpec, key []byte) error
	// Epoch counts the grace periods; Grace waits for one that begins now (D11).
	Epoch func() uint64
	Grace func() error
}

// Writer changes a match structure under the packets: each sees it as it was
// before or after each change. Only one goroutine uses it.
type Writer interface {
	// Insert gives an entry's match its handle; ErrNoRoom where the structure has
	// no memory for it, and then nothing is changed.
	Insert(e *ir.Entry) error
	// Delete takes the match of an entry out.
	Delete(e *ir.Entry) error
	// Flush ends a batch: what Insert and Delete left for later is in the datapath
	// when it returns. The caller waits for a grace period afterwards before it
	// inserts again if something was deleted.
	Flush() error
	// Grow says, after ErrNoRoom, with what hint the table should be planned again;
	// false where no larger structure would help.
	Grow() (Hint, bool)
	// Live says that programs read the maps from now on. Until then nothing waits.
	Live()
	// Each calls f with handle, match and priority of every entry, until it fails.
	Each(f func(e *ir.Entry) error) error
	// Lookup finds the handle for a key, one value a key field as in an exact match,
	// as the programs do; for tests and dumps.
	Lookup(key [][]byte) uint32
	// Bytes is the memory in use, of the maps and of the writer itself.
	Bytes() (maps, own int)
}

// Pack fills maps that are all zero and that no program reads yet; put writes one
// element. It gives the writer, which says what to do about ErrNoRoom (Grow).
func Pack(e Packed, entries []ir.Entry, put func(m *MapSpec, key, value []byte) error) (Writer, error) {
	values := map[*MapSpec][]byte{}
	w := e.NewWriter(WriterEnv{
		Value: func(m *MapSpec) []byte {
			// Words, for their alignment.
			words := make([]uint64, (m.ValueSize+7)/8)
			values[m] = unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), m.ValueSize)
			return values[m]
		},
		Put: func(m *MapSpec, key []byte, value uint32) error {
			return put(m, key, nativeEndian.AppendUint32(nil, value))
		},
		Delete: func(m *MapSpec, _ []byte) error {
			return fmt.Errorf("map %s: nothing is deleted while it is filled", m.Name)
		},
		Epoch: func() uint64 { return 0 },
		Grace: func() error { return ErrNoRoom },
	})
	for i := range entries {
		if err := w.Insert(&entries[i]); err != nil {
			return w, err
		}
	}
	if err := w.Flush(); err != nil {
		return w, err
	}
	for _, m := range e.Maps() {
		if v := values[m]; v != nil {
			if err := put(m, make([]byte, 4), v); err != nil {
				return w, err
			}
		}
	}
	return w, nil
}
