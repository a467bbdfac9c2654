package store

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unsafe"

	"github.com/p4nic/p4nic/runtime/entity"
)

// rows are a table's entries by handle: records of one size, packed into chunks
// without a pointer an entry, so that millions of them cost the garbage collector
// nothing. Snapshots share chunks (table.go).
type rows struct {
	lay    layout
	chunks []*chunk // by handle / chunkSize
}

// chunkSize is the number of records that are copied together at the first change
// after a snapshot.
const chunkSize = 64

type chunk struct {
	epoch uint64
	live  uint64           // bit set of the records in use
	rec   []byte           // records, see layout
	base  []entity.Counter // nil: all zero
	extra []*entity.Extra  // nil: none
}

// layout of a record: birth 8, priority 4, flags 1, action 1, key, arguments
// (room for the longest).
type layout struct {
	key, args, size int // offsets
	argSize         []int
}

const recordHeader = 8 + 4 + 1 + 1

func newLayout(t *entity.Table) layout {
	l := layout{key: recordHeader, args: recordHeader + t.KeySize}
	longest := 0
	for t.ArgSize(len(l.argSize)) >= 0 {
		n := t.ArgSize(len(l.argSize))
		l.argSize = append(l.argSize, n)
		longest = max(longest, n)
	}
	l.size = l.args + longest
	return l
}

func (r *rows) at(handle uint32) (c *chunk, i uint32) {
	if n := handle / chunkSize; int(n) < len(r.chunks) {
		c = r.chunks[n]
	}
	if i = handle % chunkSize; c == nil || c.live>>i&1 == 0 {
		return nil, 0
	}
	return c, i
}

// has tells whether a handle other than 0 has an entry.
func (r *rows) has(handle uint32) bool {
	c, _ := r.at(handle)
	return c != nil
}

// load reads the entry of a handle other than 0. Its strings are the chunk's own
// memory: those of a snapshot stay as they are, those of a table only until the
// applier's next change.
func (r *rows) load(handle uint32, e *entity.Entry) bool {
	c, i := r.at(handle)
	if c == nil {
		return false
	}
	c.load(&r.lay, i, e)
	e.Handle = handle
	return true
}

func (c *chunk) load(l *layout, i uint32, e *entity.Entry) {
	b := c.rec[int(i)*l.size:][:l.size]
	e.Birth = binary.LittleEndian.Uint64(b)
	e.Priority = int32(binary.LittleEndian.Uint32(b[8:]))
	e.Flags = entity.Flags(b[12])
	e.Action = uint16(b[13])
	e.Key = view(b[l.key:l.args])
	e.Args = view(b[l.args:][:l.argSize[b[13]]])
	e.Base, e.Extra = entity.Counter{}, nil
	if c.base != nil {
		e.Base = c.base[i]
	}
	if c.extra != nil {
		e.Extra = c.extra[i]
	}
}

// view shows bytes that do not change while anybody reads the string.
func view(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

// copyOf gives an entry that stays as it is, nil where there is none.
func (r *rows) copyOf(handle uint32) *entity.Entry {
	e := &entity.Entry{}
	if !r.load(handle, e) {
		return nil
	}
	e.Key, e.Args = strings.Clone(e.Key), strings.Clone(e.Args)
	return e
}

// is tells whether a handle has the entry of this key and priority.
func (r *rows) is(handle uint32, key string, priority int32) bool {
	c, i := r.at(handle)
	if c == nil {
		return false
	}
	b := c.rec[int(i)*r.lay.size:][:r.lay.size]
	return string(b[r.lay.key:r.lay.args]) == key && int32(binary.LittleEndian.Uint32(b[8:])) == priority
}

// store writes the record of e.Handle into a chunk that is not shared.
func (c *chunk) store(l *layout, e *entity.Entry) {
	i := e.Handle % chunkSize
	b := c.rec[int(i)*l.size:][:l.size]
	binary.LittleEndian.PutUint64(b, e.Birth)
	binary.LittleEndian.PutUint32(b[8:], uint32(e.Priority))
	b[12], b[13] = byte(e.Flags), byte(e.Action)
	copy(b[l.key:l.args], e.Key)
	copy(b[l.args:], e.Args)
	if c.base == nil && e.Base != (entity.Counter{}) {
		c.base = make([]entity.Counter, chunkSize)
	}
	if c.base != nil {
		c.base[i] = e.Base
	}
	if c.extra == nil && e.Extra != nil {
		c.extra = make([]*entity.Extra, chunkSize)
	}
	if c.extra != nil {
		c.extra[i] = e.Extra
	}
	c.live |= 1 << i
}

func (c *chunk) drop(handle uint32) {
	i := handle % chunkSize
	c.live &^= 1 << i
	if c.extra != nil {
		c.extra[i] = nil
	}
}

func (c *chunk) clone(epoch uint64) *chunk {
	d := &chunk{epoch: epoch, live: c.live, rec: append(make([]byte, 0, len(c.rec)), c.rec...)}
	if c.base != nil {
		d.base = append(make([]entity.Counter, 0, chunkSize), c.base...)
	}
	if c.extra != nil {
		d.extra = append(make([]*entity.Extra, 0, chunkSize), c.extra...)
	}
	return d
}

// fill reads entries in order of handles, from a handle on, into buf. next is
// where the following call goes on, 0 when there is no more.
func (r *rows) fill(from uint32, buf []entity.Entry) (n int, next uint32) {
	for k := int(from / chunkSize); k < len(r.chunks); k++ {
		c := r.chunks[k]
		if c == nil {
			continue
		}
		live := c.live
		if uint32(k) == from/chunkSize {
			live &= ^uint64(0) << (from % chunkSize)
		}
		for ; live != 0; live &= live - 1 {
			i := uint32(bits.TrailingZeros64(live))
			if n == len(buf) {
				return n, uint32(k)*chunkSize + i
			}
			c.load(&r.lay, i, &buf[n])
			buf[n].Handle = uint32(k)*chunkSize + i
			n++
		}
	}
	return n, 0
}

// each gives all entries in order of handles, as load does; e is the same
// variable every time.
func (r *rows) each(yield func(e *entity.Entry) bool) {
	var e entity.Entry
	for k, c := range r.chunks {
		if c == nil {
			continue
		}
		for live := c.live; live != 0; live &= live - 1 {
			i := uint32(bits.TrailingZeros64(live))
			c.load(&r.lay, i, &e)
			e.Handle = uint32(k)*chunkSize + i
			if !yield(&e) {
				return
			}
		}
	}
}

// birth tells when the entry of a handle was inserted, false without one.
func (r *rows) birth(handle uint32) (uint64, bool) {
	c, i := r.at(handle)
	if c == nil {
		return 0, false
	}
	return binary.LittleEndian.Uint64(c.rec[int(i)*r.lay.size:]), true
}
