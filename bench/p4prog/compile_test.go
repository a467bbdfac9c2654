package p4prog

import (
	"testing"

	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/bench/ref"
	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
)

const router = "../../p4src/router.p4"

// BenchmarkCheck is what an editor waits for.
func BenchmarkCheck(b *testing.B) {
	for b.Loop() {
		res, err := driver.Check(driver.Options{Path: router})
		netnstest.Check(b, err)
		if res.Diags.HasErrors() {
			b.Fatal(res.Diags.All()[0])
		}
	}
}

// BenchmarkCore is source to core: `nicctl build` but for writing the bundle.
func BenchmarkCore(b *testing.B) {
	for b.Loop() {
		_, err := Compile(router)
		netnstest.Check(b, err)
	}
}

// BenchmarkCodegen is core to instructions for a hook: what a load takes in nicd
// before the kernel is asked.
func BenchmarkCodegen(b *testing.B) {
	prog, err := Compile(router)
	netnstest.Check(b, err)
	for _, h := range []backend.Hook{backend.XDP, backend.TC} {
		b.Run(h.String(), func(b *testing.B) {
			for b.Loop() {
				l, err := backend.PlanLayout(prog, 2)
				netnstest.Check(b, err)
				f, err := ssa.Lower(prog, ssa.Options{})
				netnstest.Check(b, err)
				_, err = backend.Compile(f, l, backend.Options{Hook: h})
				netnstest.Check(b, err)
			}
		})
	}
}

// BenchmarkLoad adds maps, the verifier and the JIT.
func BenchmarkLoad(b *testing.B) {
	netnstest.NeedBPF(b)
	prog, err := Compile(router)
	netnstest.Check(b, err)
	net, err := ref.NewNetwork(1)
	netnstest.Check(b, err)
	content, err := routerContent(prog, net)
	netnstest.Check(b, err)
	for b.Loop() {
		x, err := Load(prog, content, Options{Hook: bench.XDP})
		netnstest.Check(b, err)
		x.Close()
	}
}
