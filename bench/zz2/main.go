package main

import (
	"fmt"
	"os"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/bench/p4prog"
	"github.com/p4nic/p4nic/compiler/ssa"
)

func main() {
	p, err := p4prog.Compile(os.Args[1])
	if err != nil {
		panic(err)
	}
	f, err := ssa.Lower(p, ssa.Options{})
	if err != nil {
		panic(err)
	}
	if len(os.Args) > 2 {
		fmt.Println(f)
		return
	}
	l, err := backend.PlanLayout(p, 2)
	if err != nil {
		panic(err)
	}
	o, err := backend.Compile(f, l, backend.Options{Hook: backend.XDP})
	if err != nil {
		panic(err)
	}
	fmt.Println(o.Insns)
}
