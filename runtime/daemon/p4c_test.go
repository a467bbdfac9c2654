package daemon

import (
	"bytes"
	"os"
	"testing"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/p4info"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// TestP4CPair: D5, p4rt:Q4: what p4c made of a program, P4Info and bmv2 JSON as
// they are, loads over P4Runtime and forwards frames, in the kernel and on the
// simulator.
func TestP4CPair(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
		bpf   bool
	}{
		{"sim", []string{"--engine", "sim", "--port", "1=s1", "--port", "2=s2"}, false},
		{"tc", []string{"--port", "1=s1,hook=tc", "--port", "2=s2,hook=tc"}, true},
		{"xdp", []string{"--port", "1=s1,hook=xdp", "--port", "2=s2,hook=xdp"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.bpf {
				netnstest.NeedBPF(t)
			}
			p4cPair(t, c.flags)
		})
	}
}

func p4cPair(t *testing.T, flags []string) {
	json, err := os.ReadFile("../../bmv2-tests/p4c/router/router.json")
	netnstest.Check(t, err)
	text, err := os.ReadFile("../../bmv2-tests/p4c/router/router.p4info.txtpb")
	netnstest.Check(t, err)
	info, err := p4info.Parse(text)
	netnstest.Check(t, err)
	pair := pipeline{info, json}

	net := newWires(t)
	d := newNicd(t, net.sw, flags...)
	d.start()
	c := d.client()
	netnstest.Check(t, d.load(c, pair, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
	d.write(c, pair, p4.Update_INSERT,
		"interfaces port=1 vlan=0 set_interface vrf=0 mac=02:00:00:00:01:01",
		"egress_interfaces port=2 vlan=0 set_source mac=02:00:00:00:02:01",
		"neighbours_v4 port=2 address=10.0.2.2 set_neighbour mac=02:00:00:00:02:02",
		"next_hops next_hop=1 via_v4 port=2 vlan=0 gateway=10.0.2.2",
		"buckets bucket=1 set_next_hop next_hop=1",
		"next_hop_groups group=1 set_buckets base=1 count=1",
		"ipv4_routes vrf=0 prefix=198.51.100.0/24 set_group group=1")
	out, in := netnstest.Packets(t, net.h1, "eth0"), netnstest.Packets(t, net.h2, "eth0")
	frame := (&routedFlow{}).frame(1)
	const n = 10
	for range n {
		netnstest.Check(t, out.Send(frame))
	}
	// One hop on: the neighbour's MAC, the router's, TTL less one, its checksum.
	want := append([]byte(nil), frame...)
	copy(want, []byte{2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 2, 1})
	want[22]--
	want[24]++
	for i := range n {
		got, err := in.Recv(time.Now().Add(3 * time.Second))
		netnstest.Check(t, err)
		if !bytes.Equal(got, want) {
			t.Fatalf("frame %d:\ngot  %x\nwant %x", i+1, got, want)
		}
	}
	for entry, counted := range d.entries(c, pair, "ipv4_routes", true) {
		if counted != n {
			t.Errorf("%s counted %d packets, want %d", entry, counted, n)
		}
	}
	netnstest.Check(t, c.Close())
	d.detach()
}
