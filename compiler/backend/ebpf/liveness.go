package ebpf

import (
	"math/bits"
	"slices"
)

// Positions: instruction i of the layout reads its operands at 4i, calls
// clobber r0-r5 at 4i+1, results appear at 4i+2.
const (
	posUse     = 1 // end of a segment that is read last by the instruction
	posClobber = 1
	posDef     = 2
	posStep    = 4
)

// segment is a half-open range of positions.
type segment struct{ from, to int32 }

// liveRange is where a register holds a value that is still read, as sorted,
// disjoint segments.
type liveRange []segment

// overlaps tells whether two ranges share a position.
func (a liveRange) overlaps(b liveRange) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) == 0 {
		return false
	}
	j, _ := slices.BinarySearchFunc(b, a[0].from, func(s segment, from int32) int {
		if s.to <= from {
			return -1
		}
		return 1
	})
	for i := 0; i < len(a) && j < len(b); {
		switch {
		case a[i].to <= b[j].from:
			i++
		case b[j].to <= a[i].from:
			j++
		default:
			return true
		}
	}
	return false
}

// union merges two ranges.
func (a liveRange) union(b liveRange) liveRange {
	out := make(liveRange, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		var s segment
		if len(b) == 0 || len(a) > 0 && a[0].from <= b[0].from {
			s, a = a[0], a[1:]
		} else {
			s, b = b[0], b[1:]
		}
		if n := len(out); n > 0 && out[n-1].to >= s.from {
			out[n-1].to = max(out[n-1].to, s.to)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// length is the number of positions covered.
func (a liveRange) length() int {
	n := 0
	for _, s := range a {
		n += int(s.to - s.from)
	}
	return n
}

// bitset is a set of virtual registers.
type bitset []uint64

func (s bitset) has(v vreg) bool { return s[v>>6]>>(v&63)&1 != 0 }
func (s bitset) add(v vreg)      { s[v>>6] |= 1 << (v & 63) }
func (s bitset) del(v vreg)      { s[v>>6] &^= 1 << (v & 63) }

// reachable keeps the blocks that can be executed, in layout order: the verifier
// refuses programs with unreachable instructions.
func reachable(blocks []*mblock) []*mblock {
	seen := map[*mblock]bool{}
	work := []*mblock{blocks[0]}
	seen[blocks[0]] = true
	for len(work) > 0 {
		b := work[len(work)-1]
		work = work[:len(work)-1]
		for _, s := range b.succs() {
			if !seen[s] {
				seen[s] = true
				work = append(work, s)
			}
		}
	}
	var out []*mblock
	for _, b := range blocks {
		if seen[b] {
			b.order = len(out)
			out = append(out, b)
		}
	}
	return out
}

// liveOut computes which registers are live at the end of each block.
func liveOut(blocks []*mblock, nregs int) []bitset {
	words := (nregs + 63) / 64
	in, out := make([]bitset, len(blocks)), make([]bitset, len(blocks))
	use, def := make([]bitset, len(blocks)), make([]bitset, len(blocks))
	for i, b := range blocks {
		in[i], out[i], use[i], def[i] = make(bitset, words), make(bitset, words), make(bitset, words), make(bitset, words)
		for k := range b.ins {
			m := &b.ins[k]
			m.uses(func(v vreg) {
				if !def[i].has(v) {
					use[i].add(v)
				}
			})
			if d := m.def(); d > 0 {
				def[i].add(d)
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for i := len(blocks) - 1; i >= 0; i-- {
			for _, s := range blocks[i].succs() {
				for w, x := range in[s.order] {
					out[i][w] |= x
				}
			}
			for w := range words {
				x := use[i][w] | out[i][w]&^def[i][w]
				if x != in[i][w] {
					in[i][w] = x
					changed = true
				}
			}
		}
	}
	return out
}

// removeDead drops instructions whose only effect is a register nobody reads;
// keep is read by the allocator's own code.
func removeDead(blocks []*mblock, nregs int, keep vreg) {
	for changed := true; changed; {
		changed = false
		out := liveOut(blocks, nregs)
		for i, b := range blocks {
			live := out[i]
			kept := len(b.ins)
			for k := len(b.ins) - 1; k >= 0; k-- {
				m := b.ins[k]
				d := m.def()
				if d > 0 && d != keep && m.op != mCall && m.op != mFetchAdd && !live.has(d) {
					changed = true
					continue
				}
				if d > 0 {
					live.del(d)
				}
				m.uses(live.add)
				kept--
				b.ins[kept] = m
			}
			b.ins = b.ins[kept:]
		}
	}
}

// liveness computes the live range of every register.
func liveness(blocks []*mblock, nregs int) []liveRange {
	out := liveOut(blocks, nregs)
	ranges := make([]liveRange, nregs)
	end := make([]int32, nregs) // end of the segment being built backwards, 0 = not live
	// Walk backwards so that segments come in falling order; reversed at the end.
	pos := int32(0)
	starts := make([]int32, len(blocks))
	for i, b := range blocks {
		starts[i] = pos
		pos += int32(len(b.ins)) * posStep
	}
	add := func(v vreg, from, to int32) {
		r := ranges[v]
		if n := len(r); n > 0 && r[n-1].from <= to {
			r[n-1].from = min(from, r[n-1].from)
			return
		}
		ranges[v] = append(r, segment{from, to})
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		b := blocks[i]
		from, to := starts[i], starts[i]+int32(len(b.ins))*posStep
		var live []vreg
		for w, x := range out[i] {
			for ; x != 0; x &= x - 1 {
				v := vreg(w*64 + bits.TrailingZeros64(x))
				end[v] = to
				live = append(live, v)
			}
		}
		for k := len(b.ins) - 1; k >= 0; k-- {
			m := &b.ins[k]
			at := from + int32(k)*posStep
			if d := m.def(); d > 0 {
				if end[d] == 0 {
					end[d] = at + posDef + 1
				}
				add(d, at+posDef, end[d])
				end[d] = 0
			}
			m.uses(func(v vreg) {
				if end[v] == 0 {
					end[v] = at + posUse
					live = append(live, v)
				}
			})
		}
		for _, v := range live {
			if end[v] != 0 {
				add(v, from, end[v])
				end[v] = 0
			}
		}
	}
	for _, r := range ranges {
		slices.Reverse(r)
	}
	return ranges
}
