package kernel

import (
	"errors"
	"reflect"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// keyRun is a list of keys and handles of one hash table or trie, for one system
// call.
type keyRun struct {
	t       *table
	ops     []int // indices in batch.ops
	keys    []byte
	handles []uint32
}

func (r *keyRun) add(t *table, op int, key []byte, handle uint32) {
	r.t = t
	r.ops = append(r.ops, op)
	r.keys = append(r.keys, key...)
	r.handles = append(r.handles, handle)
}

func (r *keyRun) len() int { return len(r.ops) }

func (r *keyRun) key(j int) []byte {
	size := int(r.t.match.KeySize())
	return r.keys[j*size : (j+1)*size]
}

// drop forgets the first n.
func (r *keyRun) drop(n int) {
	if n == 0 {
		return
	}
	r.ops, r.handles = r.ops[n:], r.handles[n:]
	r.keys = r.keys[n*int(r.t.match.KeySize()):]
}

func (r *keyRun) reset() { *r = keyRun{} }

// update inserts the keys; it gives the number done, and why it stopped.
func (r *keyRun) update() (int, error) {
	if r.len() == 1 {
		if err := r.t.match.Update(r.keys, r.handles[0], ebpf.UpdateAny); err != nil {
			return 0, err
		}
		return 1, nil
	}
	n, err := r.t.match.BatchUpdate(r.keySlice(), r.handles, nil)
	return min(n, r.len()), err
}

// remove deletes the keys, as update inserts them.
func (r *keyRun) remove() (int, error) {
	if r.len() == 1 {
		if err := r.t.match.Delete(r.keys); err != nil {
			return 0, err
		}
		return 1, nil
	}
	n, err := r.t.match.BatchDelete(r.keySlice(), nil)
	return min(n, r.len()), err
}

// keySlice shows the keys as a slice of arrays, the form that batch operations
// take without copying.
func (r *keyRun) keySlice() any {
	elem := reflect.ArrayOf(int(r.t.match.KeySize()), reflect.TypeFor[byte]())
	return reflect.SliceAt(elem, unsafe.Pointer(&r.keys[0]), r.len()).Interface()
}

// isFull tells whether a map had no room: hash tables say E2BIG, tries ENOSPC.
func isFull(err error) bool { return errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ENOSPC) }

func isMissing(err error) bool { return errors.Is(err, ebpf.ErrKeyNotExist) }

// arrayIndex reads the key of an array, a native-endian u32.
func arrayIndex(key []byte) uint32 {
	return *(*uint32)(unsafe.Pointer(&key[:4][0]))
}
