package bmv2tests

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// TestMeterRace: CPUs that meet in one cell of a meter take every token once: not one
// is lost or given twice.
func TestMeterRace(t *testing.T) {
	netnstest.NeedBPF(t)
	p, err := Compile(filepath.Join(root, "control", "objects.p4"), nil)
	check(t, err)
	content, err := packetcase.ParseEntries(p.Core, "")
	check(t, err)
	for _, kind := range Kinds() {
		if !kind.Kernel || kind.JSON {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			k := open(t, kind, p, content).(*kernelEngine)
			const workers, each, burst = 4, 20_000, 1 << 30
			check(t, k.SetMeter("I.frames", 2, &ir.MeterRates{CBurst: burst, PBurst: 2 * burst}))
			k.SetNow(1_000_000_000)
			_, err := k.Process(0, request(4, 2, 0, 0, 0)) // also sets what the harness gives
			check(t, err)
			var wg sync.WaitGroup
			errs := make([]error, workers)
			for i := range workers {
				wg.Go(func() {
					in := append(make([]byte, prefix), request(4, 2, 0, 0, 0)...)
					o := ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+512), Repeat: each}
					_, errs[i] = k.run.Main.Run(&o)
				})
			}
			wg.Wait()
			for _, err := range errs {
				check(t, err)
			}
			in, err := k.instance("I.frames")
			check(t, err)
			var cell struct {
				Lock, Pad                             uint32
				Nonce, Peak, PeakGiven, Com, ComGiven uint64
			}
			check(t, k.maps[in.Meter.Buckets.Name].Lookup(uint32(2), &cell))
			const taken = workers*each + 1
			if cell.Com != burst-taken || cell.Peak != 2*burst-taken {
				t.Errorf("%d packets took %d committed and %d peak tokens", taken, burst-cell.Com, 2*burst-cell.Peak)
			}
		})
	}
}

// TestLostMessages: a ring without room loses messages, and counts every one.
func TestLostMessages(t *testing.T) {
	netnstest.NeedBPF(t)
	p, err := Compile(filepath.Join(root, "control", "objects.p4"), nil)
	check(t, err)
	content, err := packetcase.ParseEntries(p.Core, "")
	check(t, err)
	k := open(t, Kind{Name: "tc", New: newTC}, p, content).(*kernelEngine)
	const sent = 40_000 // of 48 bytes in the ring, which has a mebibyte
	b := append(make([]byte, prefix), request(7, 0, 0, 0, 0)...)
	o := ebpf.RunOptions{Data: append(b, 0, 0), DataOut: make([]byte, len(b)+512), Repeat: sent}
	_, err = k.run.Main.Run(&o)
	check(t, err)
	got, err := k.Digests()
	check(t, err)
	var lost uint64
	check(t, k.maps[k.l.Digests.Lost.Name].Lookup(uint32(0), &lost))
	if lost == 0 || len(got) == 0 || uint64(len(got))+lost != sent {
		t.Errorf("%d messages arrive and %d are lost of %d", len(got), lost, sent)
	}
}
