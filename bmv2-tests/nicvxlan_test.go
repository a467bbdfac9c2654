package bmv2tests

import (
	"bytes"
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// Tunnels: what a VXLAN peer sends is bridged as if its end were a port; floods go
// to every port and tunnel but where they came from (dp:BR1, TU1, TU11).
func TestVXLAN(t *testing.T) {
	eachNIC(t, func(t *testing.T, n *nic) {
		n.config(`add networks vni:5010 bridged(domain:10, tenant:1, router_mac:0x02000000aa01, zone:1)
add tunnel_ends address:0xc0000202 set_tunnel(tunnel:7)
add domain_networks domain:10 encapsulate(vni:5010)
add tunnels tunnel:7 outer(local:0xc0000201, remote:0xc0000202, source:0x02000000aa09, next:0x0200000000fe)`)
		check(t, n.m.SetValueSet(0, [][]ir.Match{{{Value: []byte{192, 0, 2, 1}}}}))
		check(t, n.m.SetMulticastGroup(10, []ir.Replica{{Port: 1}, {Port: 2}, {Port: 9, Instance: 7}}))
		remote := station{"02:00:00:00:99:01", "10.0.1.99"}
		arp := n.frame(&layers.Ethernet{SrcMAC: mac(remote.mac), DstMAC: mac("ff:ff:ff:ff:ff:ff"), EthernetType: layers.EthernetTypeARP},
			&layers.ARP{AddrType: 1, Protocol: 0x800, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1, SourceHwAddress: mac(remote.mac),
				SourceProtAddress: net.ParseIP(remote.ip).To4(), DstHwAddress: make([]byte, 6), DstProtAddress: net.ParseIP(a.ip).To4()})
		wrap := func(vni uint32, flags bool, inner []byte) []byte {
			return n.frame(ether(server.mac, uplink), ip4("192.0.2.2", "192.0.2.1", layers.IPProtocolUDP),
				&layers.UDP{SrcPort: 50000, DstPort: 4789}, &layers.VXLAN{ValidIDFlag: flags, VNI: vni}, gopacket.Payload(inner))
		}
		t.Run("flooded to ports, not to tunnels", func(t *testing.T) {
			r := n.m.Process(exec.Packet{Port: 9, Data: wrap(5010, true, arp)})
			if len(r.Outputs) != 2 || r.Outputs[0].Port != 1 || r.Outputs[1].Port != 2 || !bytes.Equal(r.Outputs[0].Data, arp) || !bytes.Equal(r.Outputs[1].Data, arp) {
				t.Errorf("%+v", r)
			}
		})
		t.Run("learnt, and encapsulated towards it", func(t *testing.T) {
			inner := n.udp(a, remote.mac, remote.ip, 1, 2)
			r := n.m.Process(exec.Packet{Port: 1, Data: inner})
			if len(r.Outputs) != 1 || r.Outputs[0].Port != 9 {
				t.Fatalf("%+v", r)
			}
			got := r.Outputs[0].Data
			p := gopacket.NewPacket(got, layers.LayerTypeEthernet, gopacket.Default)
			vx, ok := p.Layer(layers.LayerTypeVXLAN).(*layers.VXLAN)
			if !ok || vx.VNI != 5010 || !vx.ValidIDFlag || !bytes.Equal(vx.Payload, inner) {
				t.Errorf("% x", got)
			}
			ip := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
			udp := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
			if ip.SrcIP.String() != "192.0.2.1" || ip.DstIP.String() != "192.0.2.2" || int(ip.Length) != len(got)-14 || int(udp.Length) != len(got)-34 || n.sum(got[14:34]) != 0xffff {
				t.Errorf("%v %v of %d bytes", ip, udp, len(got))
			}
			if udp.SrcPort < 0xc000 {
				t.Errorf("source port %d", udp.SrcPort)
			}
		})
		t.Run("a flood from a port reaches the tunnel", func(t *testing.T) {
			r := n.m.Process(exec.Packet{Port: 2, Data: arp})
			if len(r.Outputs) != 2 || r.Outputs[0].Port != 1 || r.Outputs[1].Port != 9 || len(r.Outputs[1].Data) != len(arp)+50 {
				t.Errorf("%+v", r)
			}
		})
		t.Run("TU6 unknown networks, a missing flag", func(t *testing.T) {
			n.want(9, wrap(5011, true, arp), "drop NO_VNI")
			n.want(9, wrap(5010, false, arp), "drop NO_VNI")
		})
	})
}
