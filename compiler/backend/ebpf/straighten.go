package ebpf

import "github.com/cilium/ebpf/asm"

// straighten makes few jumps of many: those to blocks that only jump on lead to
// where these lead, a block stands before the one that follows it, and a condition
// is turned round where that saves the jump behind it. It keeps the blocks that can
// be reached, in the order in which they are to be emitted.
func straighten(blocks []*mblock) []*mblock {
	for _, b := range blocks {
		b.jumpOn()
	}
	for _, b := range blocks {
		if n := len(b.ins); n > 0 && b.ins[n-1].target != nil {
			b.ins[n-1].target = b.ins[n-1].target.destination()
		}
		if b.next != nil {
			b.next = b.next.destination()
		}
		if n := len(b.ins); n > 0 && b.ins[n-1].op == mJump && b.ins[n-1].target == b.next {
			b.ins = b.ins[:n-1] // both ways lead there
		}
	}
	out := reachable(blocks)
	out = chains(out)
	for i, b := range out {
		b.order = i
		if i+1 < len(out) && b.next != out[i+1] {
			b.invert(out[i+1])
		}
	}
	return out
}

// jumpOn makes a jump at the end of a block what follows it.
func (b *mblock) jumpOn() {
	if n := len(b.ins); n > 0 && b.ins[n-1].op == mJa {
		b.next = b.ins[n-1].target
		b.ins = b.ins[:n-1]
	}
}

// destination is where control gets to from the start of b without doing anything.
func (b *mblock) destination() *mblock {
	for seen := map[*mblock]bool{}; len(b.ins) == 0 && b.next != nil && !seen[b]; b = b.next {
		seen[b] = true
	}
	return b
}

// chains orders the blocks so that as many as can be are followed by the one that
// follows them.
func chains(blocks []*mblock) []*mblock {
	placed := map[*mblock]bool{}
	var out []*mblock
	for _, b := range blocks {
		for b != nil && !placed[b] {
			placed[b] = true
			out = append(out, b)
			next := b.next
			if n := len(b.ins); (next == nil || placed[next]) && n > 0 && b.ins[n-1].op == mJump {
				if _, ok := opposite[b.ins[n-1].jmp]; ok {
					next = b.ins[n-1].target
				}
			}
			b = next
		}
	}
	return out
}

// invert makes b fall through to follower where its condition leads there.
func (b *mblock) invert(follower *mblock) {
	n := len(b.ins)
	if n == 0 || b.next == nil || b.ins[n-1].op != mJump || b.ins[n-1].target != follower {
		return
	}
	if op, ok := opposite[b.ins[n-1].jmp]; ok {
		b.ins[n-1].jmp = op
		b.ins[n-1].target, b.next = b.next, follower
	}
}

// opposite are the conditions that hold when others do not.
var opposite = map[asm.JumpOp]asm.JumpOp{
	asm.JEq: asm.JNE, asm.JNE: asm.JEq,
	asm.JGT: asm.JLE, asm.JLE: asm.JGT,
	asm.JGE: asm.JLT, asm.JLT: asm.JGE,
	asm.JSGT: asm.JSLE, asm.JSLE: asm.JSGT,
	asm.JSGE: asm.JSLT, asm.JSLT: asm.JSGE,
}
