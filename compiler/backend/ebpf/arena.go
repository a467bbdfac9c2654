package ebpf

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// lineSize is the unit in which an arena hands out memory: a cache line.
const lineSize = 64

// ErrNoRoom says that the memory of a match structure is used up, though the
// table may have room for more entries: a larger one is needed (Layout hints).
var ErrNoRoom = errors.New("the memory of the match structure is used up")

// ErrNoMatch says that an entry to delete has not the match that is given.
var ErrNoMatch = errors.New("the entry has another match")

// arena hands out the lines of one map value that programs read at the same
// time. Blocks are powers of two of lines, each aligned to its size; two halves
// that are free become one again (buddies). What programs may still read is
// retired, and comes back after a grace period that began later (D11).
type arena struct {
	mem   []byte // the whole value
	lines uint32
	env   *WriterEnv

	free    [maxOrder + 1]uint32 // first free block of an order, + 1; 0 = none
	state   []uint8              // by line: order + 1 of the free block that starts there, or 0
	next    []uint32             // by line of a free block: neighbours in its list, + 1
	prev    []uint32
	retired []retiredBlock
	used    uint32 // lines handed out, with the retired ones
	live    bool   // programs read it
}

type retiredBlock struct {
	line  uint32
	order uint8
	epoch uint64
}

// maxOrder is the order of the largest block, 2^22 lines or 256 MiB.
const maxOrder = 22

// newArena makes an arena whose first lines, up to from, are not handed out.
func newArena(mem []byte, lines, from uint32, env *WriterEnv) *arena {
	a := &arena{mem: mem, lines: lines, env: env, state: make([]uint8, lines), next: make([]uint32, lines), prev: make([]uint32, lines)}
	for from < lines {
		o := uint8(0)
		for o < maxOrder && from&(1<<(o+1)-1) == 0 && from+1<<(o+1) <= lines {
			o++
		}
		a.put(from, o)
		from += 1 << o
	}
	return a
}

func orderOf(bytes int) uint8 {
	n := (bytes + lineSize - 1) / lineSize
	o := uint8(0)
	for 1<<o < n {
		o++
	}
	return o
}

func (a *arena) put(line uint32, o uint8) {
	a.state[line] = o + 1
	a.prev[line], a.next[line] = 0, a.free[o]
	if n := a.free[o]; n != 0 {
		a.prev[n-1] = line + 1
	}
	a.free[o] = line + 1
}

func (a *arena) take(line uint32, o uint8) {
	a.state[line] = 0
	p, n := a.prev[line], a.next[line]
	if p != 0 {
		a.next[p-1] = n
	} else {
		a.free[o] = n
	}
	if n != 0 {
		a.prev[n-1] = p
	}
}

// find takes a block that is free now.
func (a *arena) find(o uint8) (uint32, bool) {
	k := o
	for k <= maxOrder && a.free[k] == 0 {
		k++
	}
	if k > maxOrder {
		return 0, false
	}
	line := a.free[k] - 1
	a.take(line, k)
	for k > o {
		k--
		a.put(line+1<<k, k)
	}
	a.used += 1 << o
	return line, true
}

// alloc takes a block of at least that many bytes, waiting for a grace period
// where only that is missing. Its content is arbitrary.
func (a *arena) alloc(bytes int) (uint32, error) {
	o := orderOf(bytes)
	if o > maxOrder {
		return 0, fmt.Errorf("a node of %d bytes: %w", bytes, ErrNoRoom)
	}
	a.reclaim()
	if line, ok := a.find(o); ok {
		return line, nil
	}
	if len(a.retired) > 0 {
		if err := a.env.Grace(); err != nil {
			return 0, err
		}
		a.reclaim()
		if line, ok := a.find(o); ok {
			return line, nil
		}
	}
	return 0, ErrNoRoom
}

// release gives back a block that no program has seen.
func (a *arena) release(line uint32, bytes int) {
	o := orderOf(bytes)
	a.used -= 1 << o
	for o < maxOrder {
		buddy := line ^ 1<<o
		if buddy >= a.lines || a.state[buddy] != o+1 {
			break
		}
		a.take(buddy, o)
		line &^= 1 << o
		o++
	}
	a.put(line, o)
}

// retire gives back a block that programs may be reading.
func (a *arena) retire(line uint32, bytes int) {
	if !a.live {
		a.release(line, bytes)
		return
	}
	a.retired = append(a.retired, retiredBlock{line, orderOf(bytes), a.env.Epoch()})
}

func (a *arena) reclaim() {
	if len(a.retired) == 0 {
		return
	}
	now, n := a.env.Epoch(), 0
	for n < len(a.retired) && a.retired[n].epoch < now {
		r := a.retired[n]
		a.release(r.line, lineSize<<r.order)
		n++
	}
	a.retired = a.retired[n:]
	if len(a.retired) == 0 {
		a.retired = nil
	}
}

// word points to 32 bits at a byte offset; the slice bounds are checked.
func (a *arena) word(off int) *uint32 { return (*uint32)(unsafe.Pointer(&a.mem[off : off+4][0])) }

func (a *arena) load(off int) uint32     { return atomic.LoadUint32(a.word(off)) }
func (a *arena) store(off int, v uint32) { atomic.StoreUint32(a.word(off), v) }

// block is the memory of a block, for those that no program reads yet.
func (a *arena) block(line uint32, bytes int) []byte {
	return a.mem[int(line)*lineSize:][:bytes]
}
