package kernel

import (
	"encoding/binary"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// BenchmarkApply measures changes of a hash table in batches of 1,000.
func BenchmarkApply(b *testing.B) {
	const size, chunk = 1 << 18, 1000
	ns, err := netns.Current()
	netnstest.Check(b, err)
	netnstest.Check(b, ns.Close())
	p, err := Open(Options{BPFFS: netnstest.BPFFS(b)})
	netnstest.Check(b, err)
	defer p.Close()
	p.codegen = passing
	prog := tablesProgram()
	prog.Tables[tHash].Size = size
	conf := dataplane.Config{Program: prog, Sequence: 1, Content: make([]dataplane.Content, tables)}
	g, err := p.Prepare(conf)
	netnstest.Check(b, err)
	netnstest.Check(b, g.Commit())
	ops := func(kind dataplane.OpKind, from int) []dataplane.Op {
		out := make([]dataplane.Op, chunk)
		for i := range out {
			key := binary.BigEndian.AppendUint32(nil, uint32(from+i))
			out[i] = dataplane.Op{Kind: kind, Table: tHash, Entry: ir.Entry{Handle: uint32(from + i + 1), Action: aPack, Args: [][]byte{{0, 1}},
				Match: []ir.Match{{Value: key}, {Value: []byte{0, 1}}}}}
		}
		return out
	}
	for _, c := range []struct {
		name string
		kind dataplane.OpKind
	}{{"insert", dataplane.Insert}, {"modify", dataplane.Modify}} {
		b.Run(c.name, func(b *testing.B) {
			left := 0
			for range b.N {
				b.StopTimer()
				if left+chunk > size {
					left = 0
				}
				change := ops(c.kind, left)
				// An insert finds its entries gone, a modification finds them there;
				// errors say that it was so before.
				if c.kind == dataplane.Insert {
					p.Apply(ops(dataplane.Delete, left))
				} else {
					p.Apply(ops(dataplane.Insert, left))
				}
				left += chunk
				b.StartTimer()
				if errs := p.Apply(change); errs != nil {
					b.Fatal(errs)
				}
			}
			b.ReportMetric(float64(b.N*chunk)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}
