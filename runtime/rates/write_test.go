package rates

import (
	"fmt"
	"testing"

	"github.com/p4nic/p4nic/internal/netnstest"
)

var engines = []string{"sim", "kernel"}

// TestWrite: what the client was told is in the store, and in the engine, however
// many batches are under way.
func TestWrite(t *testing.T) {
	for _, window := range []int{1, 4} {
		t.Run(fmt.Sprintf("window %d", window), func(t *testing.T) {
			d := newDevice(t, "sim", 10_000)
			start(t, d.order(order{Batches: 10, Size: 1000, Window: window}))()
			if n := d.store.Snapshot(nil).Count(0); n != 10_000 {
				t.Errorf("%d entries of 10,000", n)
			}
			out := start(t, d.order(order{Reads: 1}))()
			if out.Bytes < 10_000*20 {
				t.Errorf("a read of %d bytes", out.Bytes)
			}
		})
	}
}

// BenchmarkWrite is inserts in batches of 1,000 over one connection on a unix
// socket, journal on, each acknowledged when the engine has it. us/insert is
// processor time: the server's with everything behind it, and the client's.
func BenchmarkWrite(b *testing.B) {
	const batches, size = 1000, 1000
	for _, engine := range engines {
		for _, window := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/window=%d", engine, window), func(b *testing.B) {
				if engine == "kernel" {
					netnstest.NeedBPF(b)
				}
				var sum, cpu, mine float64
				for range b.N {
					b.StopTimer()
					d := newDevice(b, engine, batches*size)
					wait := start(b, d.order(order{Batches: batches, Size: size, Window: window}))
					before := processorTime()
					b.StartTimer()
					out := wait()
					b.StopTimer()
					mine += processorTime() - before
					sum, cpu = sum+out.Seconds, cpu+out.CPU
					if n := d.store.Snapshot(nil).Count(0); n != batches*size {
						b.Fatalf("%d entries", n)
					}
				}
				n := float64(b.N * batches * size)
				b.ReportMetric(n/sum, "inserts/s")
				b.ReportMetric(1e6*mine/n, "server-us/insert")
				b.ReportMetric(1e6*cpu/n, "client-us/insert")
				b.ReportMetric(100*cpu/(2*sum), "client-%of-2-cores")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
