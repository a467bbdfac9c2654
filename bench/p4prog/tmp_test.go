package p4prog

import (
	"fmt"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/bench/insn"
	"github.com/p4nic/p4nic/bench/ref"
)

func TestDumpTmp(t *testing.T) {
	prog, _ := Compile("../../p4src/router.p4")
	net, _ := ref.NewNetwork(1)
	content, _ := routerContent(prog, net)
	x, err := Load(prog, content, Options{Hook: bench.XDP})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	f, _ := os.Create("/tmp/prof/trace.asm")
	cur := ""
	n, st := 0, 0
	ip := insn.Program{Type: ebpf.XDP, Insns: x.Object.Insns, Maps: x.Maps, Visit: func(i *asm.Instruction) {
		if i.Source() != nil && i.Source().String() != cur {
			fmt.Fprintf(f, "   == %d insns, %d stack\n", n, st)
			cur = i.Source().String()
			fmt.Fprintf(f, "; %s\n", cur)
			n, st = 0, 0
		}
		n++
		c := i.OpCode.Class()
		if c == asm.LdXClass && i.Src == asm.RFP || (c == asm.StXClass || c == asm.StClass) && i.Dst == asm.RFP {
			st++
		}
		fmt.Fprintf(f, "      %v\n", i)
	}}
	r, err := ip.Run(net.Frames.At(3))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%+v\n", r.Counts)
}
