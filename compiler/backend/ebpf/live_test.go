package ebpf

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

// live is a switch in a namespace with ports 0..3 on veths, the far ends in
// namespaces of their own, and the program behind a dispatcher.
type live struct {
	*twin
	sw    *netns.NS
	hosts [4]*netns.NS
	socks [4]*netns.Packets
	index [4]int
}

func newLive(t testing.TB, p *ir.Program, h Hook) *live {
	t.Helper()
	netnstest.NeedBPF(t)
	v := &live{sw: netnstest.NS(t)}
	netnstest.Check(t, v.sw.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	for i := range v.hosts {
		n := netnstest.NS(t)
		v.hosts[i] = n
		netnstest.Check(t, n.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
		// Every second port has an index that MapIfIndex has no room for.
		netnstest.Veth(t, netns.End{NS: v.sw, Name: fmt.Sprintf("p%d", i), Index: (100 + i) * (1 + i%2*FastNetdevs)}, netns.End{NS: n, Name: "eth"})
		// NAPI, without which a veth drops what XDP redirects to it.
		netnstest.Check(t, n.SetFeature("eth", netns.GRO, true))
		var err error
		v.index[i], err = v.sw.Index(fmt.Sprintf("p%d", i))
		netnstest.Check(t, err)
		v.socks[i] = netnstest.Packets(t, n, "eth")
	}
	v.twin = newTwin(t, p, ssa.Options{}, Options{Hook: h})
	makeMaps(t, DeviceMaps(), v.k.maps)
	disp := Dispatcher(h)
	dp := loadProg(t, disp, v.k.maps)
	progs := v.k.maps[MapProgsXDP]
	if h == TC {
		progs = v.k.maps[MapProgsTC]
	}
	netnstest.Check(t, progs.Put(ProgSlot(2, 0), v.k.prog))
	v.k.put(MapCell, 0, CellWord(5, 2))
	for i, ix := range v.index {
		if h == TC {
			netnstest.AttachTC(t, v.sw, ix, dp)
		} else {
			netnstest.Check(t, v.sw.Do(func() error {
				l, err := link.AttachXDP(link.XDPOptions{Interface: ix, Program: dp})
				if err == nil {
					t.Cleanup(func() { l.Close() })
					err = v.k.maps[MapDevmap].Put(uint32(i), uint32(ix))
				}
				return err
			}))
		}
		v.k.put(MapPorts, uint32(i), uint32(ix))
		v.k.put(MapIfPort, uint32(ix), uint32(i))
		if ix < FastNetdevs {
			v.k.put(MapIfIndex, uint32(ix), uint32(i+1))
		}
	}
	return v
}

// expect sends a frame into a port and wants it where the interpreter sends it.
// It tells whether it was forwarded.
func (v *live) expect(port int, frame []byte) bool {
	v.t.Helper()
	want, err := v.in.Process(ssa.Packet{Port: uint32(port), Data: frame})
	netnstest.Check(v.t, err)
	netnstest.Check(v.t, v.socks[port].Send(frame))
	if want.Dropped || want.Port >= 4 || len(want.Data) < 14 {
		return false
	}
	got, err := v.socks[want.Port].Recv(time.Now().Add(2 * time.Second))
	if err != nil {
		v.t.Fatalf("port %d, frame %x: %v; want %x on port %d", port, frame, err, want.Data, want.Port)
	}
	if !bytes.Equal(got, want.Data) {
		v.t.Fatalf("port %d, frame %x\ngot  %x\nwant %x on port %d", port, frame, got, want.Data, want.Port)
	}
	return true
}

// quiet wants no frame that was not awaited.
func (v *live) quiet() {
	v.t.Helper()
	for i, s := range v.socks {
		if f, err := s.Recv(time.Now().Add(20 * time.Millisecond)); err == nil {
			v.t.Errorf("port %d: unexpected frame %x", i, f)
		}
	}
}

func (v *live) stats(port int) (sum PortStats) {
	var per []PortStats
	netnstest.Check(v.t, v.k.maps[MapPortStats].Lookup(uint32(port), &per))
	for _, s := range per {
		sum.RxPackets += s.RxPackets
		sum.RxBytes += s.RxBytes
		sum.TxPackets += s.TxPackets
		sum.TxBytes += s.TxBytes
		sum.Drops += s.Drops
	}
	return sum
}

func (v *live) drops(reason int) uint64 {
	var per []DropStats
	netnstest.Check(v.t, v.k.maps[MapDrops].Lookup(uint32(reason), &per))
	n := uint64(0)
	for _, s := range per {
		n += s.Packets
	}
	return n
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	netnstest.Check(t, err)
	return b
}

// Tags beside the packet are packet bytes on tc, for any protocol and depth; a
// tag is pushed and popped on both hooks.
func TestLiveTags(t *testing.T) {
	p := samples(t)["push"]
	for _, h := range []Hook{XDP, TC} {
		t.Run(h.String(), func(t *testing.T) {
			v := newLive(t, p, h)
			const macs = "0200000000020200000000aa"
			n, rx, tx := 0, 0, 0
			for _, f := range []string{
				macs + "0800" + "4500001400000000401100000a0000010a0000025555",
				macs + "88b5" + "deadbeef",
				macs + "8100000588b5" + "deadbeef",
				macs + "81000005" + "0800" + "4500001400000000401100000a0000010a0000025555",
				macs + "8100e005" + "81002007" + "88b5" + "0102030405",
				macs + "88a80005" + "8100000788b5" + "0102030405",
				macs + "88a80005" + "810000078100000888b5" + "0102030405",
				macs + "0006" + "0303000000",
			} {
				frame := unhex(t, f)
				for port := range 2 {
					if !v.expect(port, frame) {
						t.Errorf("frame %s is not forwarded", f)
					}
					n++
					rx += len(frame)
					tx += len(frame)
					if f[24:28] == "8100" {
						tx -= 4
					} else {
						tx += 4
					}
				}
			}
			v.quiet()
			a, b := v.stats(0), v.stats(1)
			if got, want := a.RxPackets+b.RxPackets, uint64(n); got != want {
				t.Errorf("received %d packets, want %d", got, want)
			}
			if a.RxBytes+b.RxBytes != uint64(rx) || a.TxBytes+b.TxBytes != uint64(tx) || a.TxPackets+b.TxPackets != uint64(n) {
				t.Errorf("port statistics %+v %+v, want %d bytes in, %d out, %d packets", a, b, rx, tx, n)
			}
		})
	}
}

// router.p4 over real devices, against the interpreter.
func TestLiveRouter(t *testing.T) {
	p := router(t)
	for _, h := range []Hook{XDP, TC} {
		t.Run(h.String(), func(t *testing.T) {
			v := newLive(t, p, h)
			es, r := busy(t, p, 3)
			v.add(es)
			forwarded := 0
			for range 1500 {
				f := r.packet()
				if len(f) < 14 {
					continue
				}
				if v.expect(r.IntN(4), f) {
					forwarded++
				}
			}
			v.quiet()
			t.Logf("%d forwarded", forwarded)
			if forwarded < 20 {
				t.Errorf("only %d frames forwarded: the tables do not meet the frames", forwarded)
			}
			if n := v.drops(DropSetup) + v.drops(DropInternal) + v.drops(int(ssa.DropResize)); n != 0 {
				t.Errorf("%d packets dropped for internal reasons", n)
			}
			v.counters()
		})
	}
}
