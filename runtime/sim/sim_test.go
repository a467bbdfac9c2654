package sim

import (
	"bytes"
	"encoding/hex"
	"os"
	"testing"
	"time"

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
