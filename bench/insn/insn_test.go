package insn

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/internal/netnstest"
)

// TestAgainstKernel runs small programs here and in the kernel.
func TestAgainstKernel(t *testing.T) {
	netnstest.NeedBPF(t)
	hash, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	netnstest.Check(t, err)
	defer hash.Close()
	netnstest.Check(t, hash.Put(uint32(7), uint64(0x1122334455667788)))
	array, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1})
	netnstest.Check(t, err)
	defer array.Close()
	netnstest.Check(t, array.Put(uint32(0), [16]byte{8: 42}))
	maps := map[string]*ebpf.Map{"hash": hash, "array": array}

	end := asm.Instructions{asm.Return()}
	for _, c := range []struct {
		name string
		ins  asm.Instructions
		want Counts // of what the case is about
	}{
		{"32-bit operations clear the upper half", asm.Instructions{
			asm.LoadImm(asm.R0, -1, asm.DWord), asm.Add.Imm32(asm.R0, 2), asm.RSh.Imm(asm.R0, 32), asm.Add.Imm(asm.R0, 5)},
			Counts{All: 5, Moves: 1, ALU: 3, Jumps: 1}},
		{"shifts, division, byte order", asm.Instructions{
			asm.Mov.Imm(asm.R0, -100), asm.ArSh.Imm32(asm.R0, 3), asm.HostTo(asm.BE, asm.R0, asm.Word), asm.Mov.Imm(asm.R1, 0),
			asm.Mod.Reg(asm.R0, asm.R1), asm.Mov.Imm(asm.R2, 77), asm.Div.Reg(asm.R2, asm.R1), asm.Add.Reg(asm.R0, asm.R2), asm.Neg.Imm(asm.R0, 0)},
			Counts{All: 10, Moves: 3, ALU: 6, Jumps: 1}},
		{"signed jumps", asm.Instructions{
			asm.Mov.Imm(asm.R0, 1), asm.Mov.Imm(asm.R1, -1), asm.JSLT.Imm(asm.R1, 0, "less"), asm.Mov.Imm(asm.R0, 9),
			asm.JGT.Imm(asm.R1, 5, "out").WithSymbol("less"), asm.Mov.Imm(asm.R0, 8), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol("out")},
			Counts{All: 6, Moves: 3, Jumps: 3}},
		{"a loop on the stack", asm.Instructions{
			asm.Mov.Imm(asm.R0, 0), asm.Mov.Imm(asm.R1, 10), asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
			asm.LoadMem(asm.R0, asm.RFP, -8, asm.DWord).WithSymbol("loop"), asm.Add.Reg(asm.R0, asm.R1), asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
			asm.Sub.Imm(asm.R1, 1), asm.JNE.Imm(asm.R1, 0, "loop")},
			Counts{All: 54, Stack: 21, Moves: 2, ALU: 20, Jumps: 11}},
		{"maps", asm.Instructions{
			asm.StoreImm(asm.RFP, -4, 7, asm.Word), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
			asm.LoadMapPtr(asm.R1, 0).WithReference("hash"), asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "miss"),
			asm.LoadMem(asm.R0, asm.R0, 3, asm.Byte), asm.LoadMapValue(asm.R1, 0, 8).WithReference("array"),
			asm.LoadMem(asm.R1, asm.R1, 0, asm.Word), asm.Add.Reg(asm.R0, asm.R1),
			asm.Mov.Reg(asm.R3, asm.R0).WithSymbol("miss")},
			Counts{All: 12, Stack: 1, Moves: 4, Memory: 2, ALU: 2, Jumps: 2, Calls: 1}},
		{"packet", asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 20),
			asm.Mov.Imm(asm.R0, 1), asm.JGT.Reg(asm.R4, asm.R3, "short"), asm.LoadMem(asm.R0, asm.R2, 16, asm.Half), asm.StoreMem(asm.R2, 18, asm.R0, asm.Half),
			asm.Mov.Reg(asm.R3, asm.R0).WithSymbol("short")},
			Counts{All: 10, Moves: 3, Memory: 4, ALU: 1, Jumps: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ins := append(append(asm.Instructions{}, c.ins...), end...)
			linked := append(asm.Instructions{}, ins...)
			for name, m := range maps {
				_ = linked.AssociateMap(name, m) // not all name it
			}
			p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: linked})
			netnstest.Check(t, err)
			defer p.Close()
			in := make([]byte, 40)
			for i := range in {
				in[i] = byte(i * 7)
			}
			o := ebpf.RunOptions{Data: in, DataOut: make([]byte, 64)}
			verdict, err := p.Run(&o)
			netnstest.Check(t, err)
			got, err := (&Program{Type: ebpf.XDP, Insns: ins, Maps: maps}).Run(in)
			netnstest.Check(t, err)
			if got.Verdict != verdict || string(got.Packet) != string(o.DataOut) {
				t.Errorf("verdict %d, packet %x; in the kernel %d, %x", got.Verdict, got.Packet, verdict, o.DataOut)
			}
			got.Lookups = nil
			if g := got.Counts; g.All != c.want.All || g.Stack != c.want.Stack || g.Moves != c.want.Moves || g.Memory != c.want.Memory || g.ALU != c.want.ALU || g.Jumps != c.want.Jumps || g.Calls != c.want.Calls {
				t.Errorf("%+v, want %+v", g, c.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		ins  asm.Instructions
		want string
	}{
		{"no end", asm.Instructions{asm.Ja.Label("x").WithSymbol("x")}, "no end"},
		{"helper", asm.Instructions{asm.FnGetStackid.Call(), asm.Return()}, "is not known here"},
		{"access", asm.Instructions{asm.LoadMem(asm.R0, asm.R1, 4000, asm.DWord), asm.Return()}, "access to"},
		{"falls off", asm.Instructions{asm.Mov.Imm(asm.R0, 0)}, "jump to 1"},
		{"map", asm.Instructions{asm.LoadMapValue(asm.R1, 0, 0).WithReference("none"), asm.Return()}, `no map "none"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := (&Program{Type: ebpf.XDP, Insns: c.ins}).Run(make([]byte, 60))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
