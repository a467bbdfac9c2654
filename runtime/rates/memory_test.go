package rates

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/internal/netnstest"
)

func largeEngine() string {
	if os.Geteuid() == 0 {
		return "kernel"
	}
	return "sim"
}

// mapMemory is what the kernel charges for the BPF maps that this process has
// open.
func mapMemory(t testing.TB) (sum int64) {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fdinfo/*")
	netnstest.Check(t, err)
	seen := map[string]bool{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			continue // closed meanwhile
		}
		var id string
		var bytes int64
		for s := bufio.NewScanner(f); s.Scan(); {
			k, v, _ := strings.Cut(s.Text(), ":")
			switch k {
			case "map_id":
				id = strings.TrimSpace(v)
			case "memlock":
				bytes, _ = strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			}
		}
		f.Close()
		if id != "" && !seen[id] {
			seen[id] = true
			sum += bytes
		}
	}
	return sum
}

// BenchmarkMemory is 4 M entries in the kernel's maps: this process's resident
// memory (the server's and its compiler's; mapped maps are counted here too) and
// that of the maps, filled, and at the highest during a restart, when two
// generations are there.
func BenchmarkMemory(b *testing.B) {
	netnstest.NeedBPF(b)
	const entries, part = 4_000_000, 250
	for range b.N {
		d := newDevice(b, "kernel", entries)
		for from := 0; from < entries; from += part * 1000 {
			start(b, d.order(order{From: from, Batches: part, Size: 1000, Window: 4}))()
		}
		if n := d.store.Snapshot(nil).Count(0); n != entries {
			b.Fatalf("%d entries", n)
		}
		filled := memory(b)
		maps := mapMemory(b)
		runtime.GC()
		b.ReportMetric(gib(filled+maps), "GiB-filled")
		b.ReportMetric(gib(maps), "GiB-maps")
		debug.FreeOSMemory()
		b.ReportMetric(gib(memory(b)), "GiB-resident-after-gc")
		// A restart: the store replays, a second generation is filled.
		netnstest.Check(b, d.store.Close())
		netnstest.Check(b, d.plane.Close())
		netnstest.Check(b, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // resets VmHWM
		d.restart()
		if n := d.store.Snapshot(nil).Count(0); n != entries {
			b.Fatalf("%d entries after a restart", n)
		}
		b.ReportMetric(gib(status(b, "VmHWM")+mapMemory(b)), "GiB-restart-peak")
		d.stop()
		d.stop = func() {}
	}
	b.ReportMetric(0, "ns/op")
}

func gib(n int64) float64 { return float64(n) / (1 << 30) }
