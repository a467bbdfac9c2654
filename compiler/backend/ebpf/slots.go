package ebpf

import (
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf/asm"
)

// slotPass takes out of the emitted code what goes to a stack slot and comes
// back for nothing. The allocator keeps a spilled value in its slot for all its
// life, so every use loads it and every change stores it. Here
//
//   - a load of a slot whose value some register still holds becomes a move, or
//     nothing when it is the same register;
//   - a store of what the slot holds already is dropped;
//   - a store that no load follows on any way is dropped.
//
// A register holds a slot's value from a load or store of it until either
// changes, within blocks and into a block that only the one before leads to.
// Slots are the allocator's alone: nothing takes their address (the key area,
// whose address is taken, lies above them).
type slotPass struct {
	e      *emitter
	starts []int        // first instruction of each block
	target map[int]int  // jump -> block
	dead   []bool       // instructions to be dropped
	liveIn []slotSet    // slots that are read from the start of each block on
	jumped map[int]bool // blocks that a jump leads to
}

// slotSet has a bit for each 8 bytes of stack.
type slotSet uint64

func (p *slotPass) run() {
	p.dead = make([]bool, len(p.e.out))
	p.jumped = map[int]bool{}
	for _, b := range p.target {
		p.jumped[b] = true
	}
	p.forward()
	p.dropStores()
}

// slot is the slot that an instruction loads or stores, -1 for others.
func (p *slotPass) slot(ins *asm.Instruction) int {
	base := ins.Dst
	switch ins.OpCode.Class() {
	case asm.LdXClass:
		base = ins.Src
	case asm.StXClass, asm.StClass:
	default:
		return -1
	}
	if base != asm.RFP || int(ins.Offset) >= p.e.keyBase || ins.OpCode.Mode() != asm.MemMode || ins.OpCode.Size() != asm.DWord {
		return -1
	}
	return (p.e.keyBase-int(ins.Offset))/8 - 1
}

// held says which slot's value each register has; -1 for none.
type held [11]int

func (h *held) clear() {
	for i := range h {
		h[i] = -1
	}
}

// changed forgets what registers hold of a slot.
func (h *held) changed(slot int) {
	for i := range h {
		if h[i] == slot {
			h[i] = -1
		}
	}
}

func (p *slotPass) forward() {
	var h held
	for b := range p.starts {
		if b == 0 || p.jumped[b] || !p.fallsInto(b) {
			h.clear()
		}
		for i := p.starts[b]; i < p.endOf(b); i++ {
			p.forwardOne(&h, i)
		}
	}
}

func (p *slotPass) forwardOne(h *held, i int) {
	ins := &p.e.out[i]
	class := ins.OpCode.Class()
	slot := p.slot(ins)
	switch {
	case slot >= 0 && class == asm.LdXClass:
		if h[ins.Dst] == slot {
			p.dead[i] = true
			return
		}
		for r := range asm.RFP {
			if h[r] == slot {
				*ins = asm.Mov.Reg(ins.Dst, r).WithMetadata(ins.Metadata)
				break
			}
		}
		h[ins.Dst] = slot
	case slot >= 0 && class == asm.StXClass:
		if h[ins.Src] == slot {
			p.dead[i] = true
			return
		}
		h.changed(slot)
		h[ins.Src] = slot
	case slot >= 0:
		h.changed(slot)
	case class == asm.StXClass && ins.OpCode.Mode() == asm.AtomicMode:
		h[ins.Src] = -1 // where it fetches
	case class == asm.StXClass, class == asm.StClass:
	case class.IsJump():
		if ins.OpCode.JumpOp() == asm.Call {
			for r := asm.R0; r <= asm.R5; r++ {
				h[r] = -1
			}
		}
	default:
		kept := -1
		if class == asm.ALU64Class && ins.OpCode.ALUOp() == asm.Mov && ins.OpCode.Source() == asm.RegSource {
			kept = h[ins.Src]
		}
		h[ins.Dst] = kept
	}
}

func (p *slotPass) endOf(b int) int {
	if b+1 < len(p.starts) {
		return p.starts[b+1]
	}
	return len(p.e.out)
}

// fallsInto tells whether the block before b continues with it.
func (p *slotPass) fallsInto(b int) bool {
	for i := p.starts[b] - 1; i >= 0; i-- {
		if !p.dead[i] {
			return !ends(&p.e.out[i])
		}
	}
	return true
}

// ends tells whether nothing behind the instruction is reached from it.
func ends(ins *asm.Instruction) bool {
	op := ins.OpCode.JumpOp()
	return ins.OpCode.Class().IsJump() && (op == asm.Ja || op == asm.Exit)
}

// dropStores finds which slots are live, from the end of each block to its
// start, until nothing changes, and drops the stores to others.
func (p *slotPass) dropStores() {
	p.liveIn = make([]slotSet, len(p.starts)+1)
	for changed := true; changed; {
		changed = false
		for b := len(p.starts) - 1; b >= 0; b-- {
			if live := p.walk(b, false); live != p.liveIn[b] {
				p.liveIn[b], changed = live, true
			}
		}
	}
	for b := range p.starts {
		p.walk(b, true)
	}
}

// walk gives the slots that are live at the start of a block.
func (p *slotPass) walk(b int, drop bool) slotSet {
	live := p.liveIn[b+1]
	for i := p.endOf(b) - 1; i >= p.starts[b]; i-- {
		ins := &p.e.out[i]
		if p.dead[i] {
			continue
		}
		if ends(ins) {
			live = 0
		}
		if to, ok := p.target[i]; ok {
			live |= p.liveIn[to]
		}
		slot := p.slot(ins)
		if slot < 0 {
			continue
		}
		bit := slotSet(bits.RotateLeft64(1, slot))
		switch {
		case ins.OpCode.Class() == asm.LdXClass:
			live |= bit
		case live&bit == 0:
			p.dead[i] = drop
		default:
			live &^= bit
		}
	}
	return live
}

// compact removes the dropped instructions and gives the new place of each old
// one. A line record moves on to the next instruction if that has none.
func (p *slotPass) compact() []int {
	at := make([]int, len(p.e.out)+1)
	out := make(asm.Instructions, 0, len(p.e.out))
	var line fmt.Stringer
	for i, ins := range p.e.out {
		at[i] = len(out)
		if s := ins.Source(); s != nil {
			line = s
		}
		if p.dead[i] {
			continue
		}
		if line != nil && ins.Source() == nil {
			ins = ins.WithSource(line)
		}
		line = nil
		out = append(out, ins)
	}
	at[len(p.e.out)] = len(out)
	p.e.out = out
	return at
}
