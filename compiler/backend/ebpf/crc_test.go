package ebpf

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/internal/refops"
)

// TestCRC compares the kernel's hashes of 0 to 20 bytes, given in pieces of
// several widths, with those of internal/refops: groups of eight bytes are
// looked up at once, and lengths around them are where that goes wrong.
func TestCRC(t *testing.T) {
	netnstest.NeedBPF(t)
	r := rand.New(rand.NewPCG(1, 1))
	for _, op := range []ssa.Op{ssa.OpCRC16, ssa.OpCRC32} {
		for n := range 21 {
			t.Run(fmt.Sprintf("%v/%d", op, n), func(t *testing.T) {
				l := plan(t)
				f := newFn(l)
				entry, short := f.block("entry"), f.block("short")
				body := f.block("body", ssa.Ptr)
				entry.check(entry.c(16, 0), 32, to(body), to(short))
				short.drop(ssa.DropProgram)
				var args []*ssa.Value
				for at := 0; at < n; {
					size := min([]int{1, 2, 4, 8}[r.IntN(4)], n-at)
					for size&(size-1) != 0 {
						size--
					}
					args = append(args, body.load(body.param(0), at, size))
					at += size
				}
				width := ssa.Type(16)
				if op == ssa.OpCRC32 {
					width = 32
				}
				body.output(body.op(op, width, args...))
				k := compileLoad(t, f.Func, l, Options{Harness: true})
				for range 20 {
					pkt := make([]byte, 40)
					for i := range pkt {
						pkt[i] = byte(r.Uint32())
					}
					want := uint64(refops.CRC16(pkt[:n]))
					if op == ssa.OpCRC32 {
						want = uint64(refops.CRC32(pkt[:n]))
					}
					if got, _ := k.run(0, pkt); uint64(uint32(got)) != want {
						t.Fatalf("% x: %#x, want %#x", pkt[:n], got, want)
					}
				}
			})
		}
	}
}
