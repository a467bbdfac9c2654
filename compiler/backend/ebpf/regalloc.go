package ebpf

import (
	"slices"

	"github.com/cilium/ebpf/asm"
)

// Register use: r10 is the frame. r0 and r5 are the allocator's own, for spilled
// operands and cycles of argument moves; r1-r4 hold values between calls, r6-r9
// any value. Everything that finds no register lives in a stack slot for all its
// life, and when the 512 bytes are full, numbers go to the per-CPU scratch map.
const (
	tmpA = asm.R0
	tmpB = asm.R5
)

var (
	callerSaved = [...]asm.Register{asm.R1, asm.R2, asm.R3, asm.R4}
	calleeSaved = [...]asm.Register{asm.R6, asm.R7, asm.R8, asm.R9}
)

const stackBytes = 512

// locKind tells where a register lives.
type locKind uint8

const (
	locNone  locKind = iota // never read
	locReg                  // machine register n
	locStack                // stack slot n
	locMap                  // slot n of the scratch map
)

type loc struct {
	kind locKind
	n    int
}

// assignment is the allocator's result.
type assignment struct {
	locs     []loc // index vreg
	stack    int   // stack slots in use
	mapSlots int   // scratch map slots in use
	spillPtr loc   // where the address of the scratch map lies
}

// allocate assigns locations. stackSlots is the room on the stack. spillBase is
// the register with the scratch map's address, noReg when there is none; ok is
// false when it is needed and missing.
func allocate(b *builder, blocks []*mblock, stackSlots int, spillBase vreg, join bool) (as *assignment, ok bool) {
	n := len(b.vregs)
	ranges := liveness(blocks, n)
	rep := coalesce(b, blocks, ranges, spillBase, join)
	weight := make([]int, n)
	hints := make([][]vreg, n)
	clobbers := liveRange{}
	pos := int32(0)
	for _, blk := range blocks {
		for k := range blk.ins {
			m := &blk.ins[k]
			m.uses(func(v vreg) { weight[rep[v]] += blk.freq })
			if d := m.def(); d > 0 {
				weight[rep[d]] += blk.freq
				if m.copies() {
					x, y := rep[d], rep[m.src]
					hints[x], hints[y] = append(hints[x], y), append(hints[y], x)
				}
			}
			if m.op == mCall {
				clobbers = append(clobbers, segment{pos + posClobber, pos + posClobber + 1})
			}
			pos += posStep
		}
	}
	order := make([]vreg, 0, n)
	for v := vreg(1); int(v) < n; v++ {
		if rep[v] == v && len(ranges[v]) > 0 && v != spillBase {
			order = append(order, v)
		}
	}
	cost := make([]int, n)
	for _, v := range order {
		cost[v] = weight[v] * 4096 / (ranges[v].length() + 8)
	}
	slices.SortStableFunc(order, func(x, y vreg) int { return cost[y] - cost[x] })

	as = &assignment{locs: make([]loc, n)}
	busy := map[asm.Register]*occupancy{}
	for _, r := range callerSaved {
		busy[r] = &occupancy{ranges: []liveRange{clobbers}}
	}
	for _, r := range calleeSaved {
		busy[r] = &occupancy{}
	}
	var spilled []vreg
	for _, v := range order {
		r := ranges[v]
		try := make([]asm.Register, 0, 12)
		for _, h := range hints[v] {
			if l := as.locs[h]; l.kind == locReg {
				try = append(try, asm.Register(l.n))
			}
		}
		try = append(try, callerSaved[:]...)
		try = append(try, calleeSaved[:]...)
		found := false
		for _, reg := range try {
			if busy[reg].free(r) {
				busy[reg].take(r)
				as.locs[v] = loc{locReg, int(reg)}
				found = true
				break
			}
		}
		if !found {
			spilled = append(spilled, v)
		}
	}
	// What only the stack can hold goes first.
	slices.SortStableFunc(spilled, func(x, y vreg) int {
		switch sx, sy := b.vregs[x].onStack, b.vregs[y].onStack; {
		case sx == sy:
			return 0
		case sx:
			return -1
		}
		return 1
	})
	var slots, mapSlots []*occupancy
	if spillBase != noReg {
		as.spillPtr = loc{locStack, 0}
		as.locs[spillBase] = as.spillPtr
		slots = append(slots, &occupancy{ranges: []liveRange{{{0, pos}}}})
	}
	for _, v := range spilled {
		if s := fit(slots, ranges[v], stackSlots, as, hints[v], locStack); s >= 0 {
			for s >= len(slots) {
				slots = append(slots, &occupancy{})
			}
			slots[s].take(ranges[v])
			as.locs[v] = loc{locStack, s}
			continue
		}
		if spillBase == noReg || b.vregs[v].onStack {
			return nil, false
		}
		s := fit(mapSlots, ranges[v], 1<<20, as, hints[v], locMap)
		for s >= len(mapSlots) {
			mapSlots = append(mapSlots, &occupancy{})
		}
		mapSlots[s].take(ranges[v])
		as.locs[v] = loc{locMap, s}
	}
	as.stack, as.mapSlots = len(slots), len(mapSlots)
	for v := vreg(1); int(v) < n; v++ {
		as.locs[v] = as.locs[rep[v]]
	}
	return as, true
}

// fit finds a slot whose occupants leave room for r: that of a register it is
// copied from or to, then the first; -1 when all limit slots are taken.
func fit(slots []*occupancy, r liveRange, limit int, as *assignment, hints []vreg, kind locKind) int {
	for _, h := range hints {
		if l := as.locs[h]; l.kind == kind && slots[l.n].free(r) {
			return l.n
		}
	}
	for i, s := range slots {
		if s.free(r) {
			return i
		}
	}
	if len(slots) < limit {
		return len(slots)
	}
	return -1
}

// occupancy is who holds a register or slot, and when.
type occupancy struct{ ranges []liveRange }

func (o *occupancy) free(r liveRange) bool {
	for _, x := range o.ranges {
		if x.overlaps(r) {
			return false
		}
	}
	return true
}

// take adds a range; small ones are merged to keep the list short.
func (o *occupancy) take(r liveRange) {
	if n := len(o.ranges); n > 0 && len(o.ranges[n-1]) < 64 {
		o.ranges[n-1] = o.ranges[n-1].union(r)
		return
	}
	o.ranges = append(o.ranges, r)
}

// coalesce joins registers that are copied to each other and never hold two
// values at once; it returns each register's representative, whose range becomes
// the union.
func coalesce(b *builder, blocks []*mblock, ranges []liveRange, spillBase vreg, join bool) []vreg {
	rep := make([]vreg, len(ranges))
	for i := range rep {
		rep[i] = vreg(i)
	}
	find := func(v vreg) vreg {
		for rep[v] != v {
			rep[v] = rep[rep[v]]
			v = rep[v]
		}
		return v
	}
	if !join {
		return rep
	}
	type move struct {
		x, y vreg
		freq int
	}
	var moves []move
	for _, blk := range blocks {
		for k := range blk.ins {
			if m := &blk.ins[k]; m.copies() && m.dst > 0 && m.src != spillBase && m.dst != spillBase {
				moves = append(moves, move{m.dst, m.src, blk.freq})
			}
		}
	}
	slices.SortStableFunc(moves, func(p, q move) int { return q.freq - p.freq })
	for _, m := range moves {
		x, y := find(m.x), find(m.y)
		if x == y || ranges[x].overlaps(ranges[y]) {
			continue
		}
		rep[y] = x
		ranges[x] = ranges[x].union(ranges[y])
		ranges[y] = nil
		b.vregs[x].onStack = b.vregs[x].onStack || b.vregs[y].onStack
	}
	for i := range rep {
		rep[i] = find(vreg(i))
	}
	return rep
}
