package ebpf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
)

// TestSlots: what goes to a stack slot and comes back for nothing is left out,
// and nothing else.
func TestSlots(t *testing.T) {
	const keyBase = -16
	at := func(n int) int16 { return int16(keyBase - 8*(n+1)) }
	ld := func(r asm.Register, n int) asm.Instruction { return asm.LoadMem(r, asm.RFP, at(n), asm.DWord) }
	st := func(n int, r asm.Register) asm.Instruction { return asm.StoreMem(asm.RFP, at(n), r, asm.DWord) }
	inc := func(r asm.Register) asm.Instruction { return asm.Add.Imm(r, 1) }
	jeq := asm.JEq.Imm(asm.R1, 0, "")
	for _, c := range []struct {
		name   string
		blocks [][]asm.Instruction
		target map[int]int
		want   string
	}{
		{"store and load again", [][]asm.Instruction{{st(0, asm.R0), ld(asm.R0, 0), inc(asm.R0), st(0, asm.R0), ld(asm.R1, 0), asm.Return()}}, nil,
			"r0+1 r1=r0 exit"},
		{"read on the other way", [][]asm.Instruction{{st(0, asm.R0), jeq, inc(asm.R0), st(0, asm.R0)}, {ld(asm.R2, 0), asm.Return()}}, map[int]int{1: 1},
			"[0]=r0 jmp r0+1 [0]=r0 / r2=[0] exit"},
		{"a call clobbers", [][]asm.Instruction{{st(0, asm.R1), st(1, asm.R6), asm.FnKtimeGetNs.Call(), ld(asm.R1, 0), ld(asm.R2, 1), asm.Return()}}, nil,
			"[0]=r1 call r1=[0] r2=r6 exit"},
		{"falls through alone", [][]asm.Instruction{{st(0, asm.R3), jeq}, {ld(asm.R3, 0), asm.Return()}, {ld(asm.R3, 0), asm.Return()}}, map[int]int{1: 2},
			"[0]=r3 jmp / exit / r3=[0] exit"},
		{"a loop reads what it wrote", [][]asm.Instruction{{st(0, asm.R0)}, {ld(asm.R1, 0), inc(asm.R1), st(0, asm.R1), jeq}, {asm.Return()}}, map[int]int{4: 1},
			"[0]=r0 / r1=[0] r1+1 [0]=r1 jmp / exit"},
		{"the key area is not the allocator's", [][]asm.Instruction{{asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord), asm.FnKtimeGetNs.Call(), asm.Return()}}, nil,
			"[key]=r1 call exit"},
		{"a moved value is the same", [][]asm.Instruction{{ld(asm.R1, 0), asm.Mov.Reg(asm.R2, asm.R1), inc(asm.R1), ld(asm.R3, 0), st(0, asm.R2), asm.Return()}}, nil,
			"r1=[0] r2=r1 r1+1 r3=r2 exit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &emitter{keyBase: keyBase}
			p := slotPass{e: e, target: c.target}
			for _, b := range c.blocks {
				p.starts = append(p.starts, len(e.out))
				e.out = append(e.out, b...)
			}
			p.run()
			where := p.compact()
			var got []string
			for i, ins := range e.out {
				for _, s := range p.starts[1:] {
					if where[s] == i {
						got = append(got, "/")
					}
				}
				got = append(got, short(&p, ins))
			}
			if g := strings.Join(got, " "); g != c.want {
				t.Errorf("got  %s\nwant %s", g, c.want)
			}
		})
	}
}

func short(p *slotPass, ins asm.Instruction) string {
	cell := "[key]"
	if s := p.slot(&ins); s >= 0 {
		cell = fmt.Sprintf("[%d]", s)
	}
	switch class := ins.OpCode.Class(); {
	case class == asm.LdXClass:
		return fmt.Sprintf("%v=%s", ins.Dst, cell)
	case class == asm.StXClass:
		return fmt.Sprintf("%s=%v", cell, ins.Src)
	case class.IsALU() && ins.OpCode.ALUOp() == asm.Mov:
		return fmt.Sprintf("%v=%v", ins.Dst, ins.Src)
	case class.IsALU():
		return fmt.Sprintf("%v+%d", ins.Dst, ins.Constant)
	case ins.OpCode.JumpOp() == asm.Exit:
		return "exit"
	case ins.OpCode.JumpOp() == asm.Call:
		return "call"
	}
	return "jmp"
}
