package sim

import (
	"bytes"
	"encoding/hex"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

// TestCompleteChecksum: what a sender left to its hardware is what RFC 793, 768
// and 8200 section 8.1 ask for; what is not understood stays as it is.
func TestCompleteChecksum(t *testing.T) {
	eth := "020000000202020000000102"
	for _, c := range []struct{ name, frame, want string }{
		// IPv4 UDP 10.0.0.1 -> 10.0.0.2, ports 1 -> 2, data "ab": pseudo-header
		// 0a000001+0a000002+0011+000a, header 0001+0002+000a, data 6162.
		{"UDP over IPv4", eth + "0800" + "4500001e00004000401126cd0a0000010a000002" + "00010002000affff6162",
			eth + "0800" + "4500001e00004000401126cd0a0000010a000002" + "00010002000a8a726162"},
		{"a fragment", eth + "0800" + "4500001e00002000401126cd0a0000010a000002" + "00010002000affff6162", ""},
		{"ARP", eth + "0806" + "0001080006040001", ""},
		{"cut short", eth + "0800" + "4500001e0000", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			frame, err := hex.DecodeString(c.frame)
			netnstest.Check(t, err)
			want := c.want
			if want == "" {
				want = c.frame
			}
			completeChecksum(frame)
			if got := hex.EncodeToString(frame); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestNothingLoaded: attaching cuts nobody off (principle 5, D8): frames reach
// the host netdev and what the host sends leaves unchanged, VLAN tags included.
func TestNothingLoaded(t *testing.T) {
	far, sw, router := netnstest.NS(t), netnstest.NS(t), netnstest.NS(t)
	for _, n := range []*netns.NS{far, sw, router} {
		netnstest.Check(t, n.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	}
	netnstest.Veth(t, netns.End{NS: far, Name: "eth0"}, netns.End{NS: sw, Name: "p1"})
	netnstest.Veth(t, netns.End{NS: router, Name: "r1"}, netns.End{NS: sw, Name: "hp1"})
	p, err := Open(Options{})
	netnstest.Check(t, err)
	netnstest.Check(t, sw.Do(func() error { return p.Attach(dataplane.Port{Number: 1, Netdev: "p1", Host: "hp1"}) }))
	t.Cleanup(func() { netnstest.Check(t, p.Close()) })

	outside, inside := netnstest.Packets(t, far, "eth0"), netnstest.Packets(t, router, "r1")
	plain := netnstest.Frame([6]byte{2, 1}, [6]byte{2, 2}, 7)
	tagged := append(append(append([]byte{}, plain[:12]...), 0x81, 0, 0, 42), plain[12:]...)
	for _, frame := range [][]byte{plain, tagged} {
		for _, way := range []struct {
			name    string
			out, in *netns.Packets
		}{{"to the host", outside, inside}, {"from the host", inside, outside}} {
			netnstest.Check(t, way.out.Send(frame))
			got, err := way.in.Recv(time.Now().Add(3 * time.Second))
			netnstest.Check(t, err)
			if !bytes.Equal(got, frame) {
				t.Errorf("%s: got %x, want %x", way.name, got, frame)
			}
		}
	}
	want := dataplane.Stats{RxPackets: 2, RxBytes: uint64(len(plain) + len(tagged)), TxPackets: 2, TxBytes: uint64(len(plain) + len(tagged))}
	var st dataplane.Stats
	netnstest.Eventually(t, 3*time.Second, "the port has counted its frames", func() bool { // after it sent them
		st, err = p.PortStats(1)
		return err != nil || st == want
	})
	netnstest.Check(t, err)
	if err := p.Detach(9); err != dataplane.ErrNoPort {
		t.Errorf("detach of a port that is not there: %v", err)
	}
}

// TestLongFrames: frames that fit no slot of the ring (the MTU rose after the port
// was opened; a sender's GSO frames are like that too) keep their place among
// those that do.
func TestLongFrames(t *testing.T) {
	far, sw, router := netnstest.NS(t), netnstest.NS(t), netnstest.NS(t)
	for _, n := range []*netns.NS{far, sw, router} {
		netnstest.Check(t, n.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	}
	netnstest.Veth(t, netns.End{NS: far, Name: "eth0"}, netns.End{NS: sw, Name: "p1"})
	netnstest.Veth(t, netns.End{NS: router, Name: "r1"}, netns.End{NS: sw, Name: "hp1"})
	p, err := Open(Options{})
	netnstest.Check(t, err)
	netnstest.Check(t, sw.Do(func() error { return p.Attach(dataplane.Port{Number: 1, Netdev: "p1", Host: "hp1"}) }))
	t.Cleanup(func() { netnstest.Check(t, p.Close()) })
	for _, e := range []struct {
		ns  *netns.NS
		dev string
	}{{far, "eth0"}, {sw, "p1"}, {sw, "hp1"}, {router, "r1"}} {
		netnstest.Check(t, e.ns.Do(func() error {
			l, err := netlink.LinkByName(e.dev)
			if err != nil {
				return err
			}
			return netlink.LinkSetMTU(l, 9000)
		}))
	}
	outside, inside := netnstest.Packets(t, far, "eth0"), netnstest.Packets(t, router, "r1")
	const rounds = 300
	frame := func(i int) []byte {
		f := netnstest.Frame([6]byte{2, 1}, [6]byte{2, 2}, uint64(i))
		if i%3 == 1 {
			f = append(f, bytes.Repeat([]byte{byte(i)}, 2000+i)...)
		}
		return f
	}
	for i := range rounds {
		netnstest.Check(t, outside.Send(frame(i)))
		got, err := inside.Recv(time.Now().Add(3 * time.Second))
		netnstest.Check(t, err)
		if !bytes.Equal(got, frame(i)) {
			t.Fatalf("frame %d: got %d bytes %x, want %d", i, len(got), got[:20], len(frame(i)))
		}
	}
	st, err := p.PortStats(1)
	netnstest.Check(t, err)
	if st.RxPackets != rounds || st.Drops != 0 {
		t.Errorf("statistics %+v", st)
	}
}

// TestOutboxes: order and counts where frames for several wires and several
// counters alternate, and a closed wire.
func TestOutboxes(t *testing.T) {
	a, b := netnstest.NS(t), netnstest.NS(t)
	for _, n := range []*netns.NS{a, b} {
		netnstest.Check(t, n.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	}
	netnstest.Veth(t, netns.End{NS: a, Name: "eth0"}, netns.End{NS: b, Name: "p1"})
	var w *wire
	netnstest.Check(t, a.Do(func() (err error) { w, err = openWire("eth0"); return err }))
	in := netnstest.Packets(t, b, "p1")
	var sent, other, lost stats
	var out outboxes
	const n = 3*outboxFrames + 5
	for i := range n {
		counts := &sent
		if i%50 == 49 {
			counts = &other
		}
		out.put(w, netnstest.Frame([6]byte{2, 1}, [6]byte{2, 2}, uint64(i)), counts, &lost)
	}
	out.put(w, make([]byte, 70000), &sent, &lost) // longer than any frame
	out.flush()
	for i := range n {
		got, err := in.Recv(time.Now().Add(3 * time.Second))
		netnstest.Check(t, err)
		if number, ok := netnstest.Number(got); !ok || number != uint64(i) {
			t.Fatalf("frame %d came as %d", i, number)
		}
	}
	if s, o, l := sent.txPackets.Load(), other.txPackets.Load(), lost.drops.Load(); s != n-3 || o != 3 || l != 1 {
		t.Errorf("counted %d, %d, lost %d", s, o, l)
	}
	w.close()
	out.put(w, netnstest.Frame([6]byte{2, 1}, [6]byte{2, 2}, 0), &sent, &lost)
	out.flush()
	if l := lost.drops.Load(); l != 2 || len(out.list) != 0 {
		t.Errorf("after close: lost %d, %d outboxes", l, len(out.list))
	}
}
