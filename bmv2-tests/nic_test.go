package bmv2tests

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/stf"
)

// nic is a machine with nic.p4 and the service of testdata/nic/edge.stf.
type nic struct {
	t   *testing.T
	m   *exec.Machine
	now uint64
}

// configured is what an stf.Engine needs to take a configuration.
type configured struct{ *exec.Machine }

func (c configured) Process(uint32, []byte) ([]stf.Packet, error) { return nil, nil }
func (c configured) Delete(t int, h uint32) error                 { return c.Machine.Delete(t, h) }
func (c configured) Counter(int, uint32) (uint64, uint64, error)  { return 0, 0, nil }
func (c configured) InstanceCounter(string, uint32) (uint64, uint64, error) {
	return 0, 0, nil
}

func eachNIC(t *testing.T, f func(t *testing.T, n *nic)) {
	p, err := Compile("../p4src/nic.p4", nil)
	check(t, err)
	file := filepath.Join("testdata/nic/edge.stf")
	text, err := os.ReadFile(file)
	check(t, err)
	config, err := stf.Parse(file, text)
	check(t, err)
	for _, level := range []struct {
		name string
		p    *ir.Program
	}{{"core", p.Core}, {"typed", p.Typed}} {
		t.Run(level.name, func(t *testing.T) {
			n := &nic{t: t, now: 1e9}
			n.m, err = exec.New(level.p, exec.Options{Now: func() uint64 { return n.now }})
			check(t, err)
			n.m.SetExpireTimes(exec.ExpireTimes{1: 300e9, 2: 240e9, 3: 7440e9, 4: 30e9, 5: 300e9, 6: 60e9})
			if r := stf.Run(config, configured{n.m}, nil); r.Status != stf.Passed {
				t.Fatal(r.Report)
			}
			f(t, n)
		})
	}
}

// hosts of the tests: MAC and IP address.
type station struct{ mac, ip string }

var (
	a      = station{"02:00:00:00:01:0b", "10.0.1.11"}
	b      = station{"02:00:00:00:01:0c", "10.0.1.12"}
	web1   = station{"02:00:00:00:02:15", "10.0.2.21"}
	web2   = station{"02:00:00:00:02:16", "10.0.2.22"}
	server = station{"02:00:00:00:00:fe", "198.51.100.7"}
	gw10   = "02:00:00:00:aa:01"
	gw20   = "02:00:00:00:aa:02"
	uplink = "02:00:00:00:aa:09"
)

func mac(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

// frame builds a packet: layers from Ethernet up, lengths and checksums right.
func (n *nic) frame(ls ...gopacket.SerializableLayer) []byte {
	n.t.Helper()
	var ip *layers.IPv4
	for _, l := range ls {
		switch l := l.(type) {
		case *layers.IPv4:
			ip = l
		case *layers.TCP:
			check(n.t, l.SetNetworkLayerForChecksum(ip))
		case *layers.UDP:
			check(n.t, l.SetNetworkLayerForChecksum(ip))
		}
	}
	buf := gopacket.NewSerializeBuffer()
	check(n.t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...))
	return bytes.Clone(buf.Bytes())
}

func ether(src, dst string) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: mac(src), DstMAC: mac(dst), EthernetType: layers.EthernetTypeIPv4}
}

func ip4(src, dst string, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: net.ParseIP(src).To4(), DstIP: net.ParseIP(dst).To4()}
}

func (n *nic) tcp(from station, to, toIP string, sport, dport uint16, flags string) []byte {
	l := &layers.TCP{SrcPort: layers.TCPPort(sport), DstPort: layers.TCPPort(dport), Window: 1000}
	for _, f := range flags {
		switch f {
		case 'S':
			l.SYN = true
		case 'A':
			l.ACK = true
		case 'F':
			l.FIN = true
		case 'R':
			l.RST = true
		}
	}
	return n.frame(ether(from.mac, to), ip4(from.ip, toIP, layers.IPProtocolTCP), l, gopacket.Payload("data"))
}

func (n *nic) udp(from station, to, toIP string, sport, dport uint16) []byte {
	return n.frame(ether(from.mac, to), ip4(from.ip, toIP, layers.IPProtocolUDP),
		&layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}, gopacket.Payload("data"))
}

func (n *nic) echo(from station, to, toIP string, typ uint8, id uint16) []byte {
	return n.frame(ether(from.mac, to), ip4(from.ip, toIP, layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(typ, 0), Id: id, Seq: 1}, gopacket.Payload("data"))
}

// send gives what comes out, in words; every checksum of it must be right.
func (n *nic) send(port uint32, data []byte) string {
	n.t.Helper()
	r := n.m.Process(exec.Packet{Port: port, Data: data, Trace: true})
	if len(r.Outputs) == 0 {
		return "drop " + r.Reason
	}
	s := ""
	for i, o := range r.Outputs {
		if i > 0 {
			s += " | "
		}
		s += fmt.Sprintf("%d: %s", o.Port, n.words(o.Data))
	}
	return s
}

// words describes a frame.
func (n *nic) words(data []byte) string {
	n.t.Helper()
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
	if err := p.ErrorLayer(); err != nil {
		return fmt.Sprintf("%x: %v", data, err.Error())
	}
	var ip gopacket.NetworkLayer
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			ip = l
		case *layers.TCP:
			check(n.t, l.SetNetworkLayerForChecksum(ip))
		case *layers.UDP:
			check(n.t, l.SetNetworkLayerForChecksum(ip))
		}
		if c, ok := l.(gopacket.LayerWithChecksum); ok {
			if err, res := c.VerifyChecksum(); err != nil || !res.Valid {
				n.t.Errorf("%s has the checksum %#x, want %#x (%v)", l.LayerType(), res.Actual, res.Correct, err)
			}
		}
	}
	s := ""
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.Ethernet:
			s += fmt.Sprintf("%s>%s", l.SrcMAC, l.DstMAC)
		case *layers.Dot1Q:
			s += fmt.Sprintf(" vlan %d", l.VLANIdentifier)
		case *layers.IPv4:
			s += fmt.Sprintf(" %s>%s ttl %d", l.SrcIP, l.DstIP, l.TTL)
		case *layers.TCP:
			s += fmt.Sprintf(" tcp %d>%d", l.SrcPort, l.DstPort)
		case *layers.UDP:
			s += fmt.Sprintf(" udp %d>%d", l.SrcPort, l.DstPort)
		case *layers.ICMPv4:
			s += fmt.Sprintf(" %s id %d", l.TypeCode, l.Id)
		}
	}
	return s
}

func (n *nic) want(port uint32, data []byte, want string) {
	n.t.Helper()
	if got := n.send(port, data); got != want {
		n.t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNIC(t *testing.T) {
	eachNIC(t, func(t *testing.T, n *nic) {
		t.Run("bridge", func(t *testing.T) {
			n.want(1, n.udp(a, b.mac, b.ip, 1, 2), "2: "+a.mac+">"+b.mac+" 10.0.1.11>10.0.1.12 ttl 64 udp 1>2")
		})
		t.Run("route between bridge domains, by rules, both ways", func(t *testing.T) {
			n.want(1, n.udp(a, gw10, web1.ip, 1, 2), "3: "+gw20+">"+web1.mac+" vlan 20 10.0.1.11>10.0.2.21 ttl 63 udp 1>2")
			n.want(3, tagged(20, n.udp(web1, gw20, a.ip, 2, 1)), "1: "+gw10+">"+a.mac+" 10.0.2.21>10.0.1.11 ttl 63 udp 2>1")
			n.want(2, n.udp(b, gw10, web1.ip, 1, 2), "drop DENIED")
			n.want(3, tagged(20, n.udp(web1, gw20, b.ip, 2, 1)), "2: "+gw10+">"+b.mac+" 10.0.2.21>10.0.1.12 ttl 63 udp 2>1")
			n.want(2, n.udp(b, gw10, web1.ip, 1, 2), "3: "+gw20+">"+web1.mac+" vlan 20 10.0.1.12>10.0.2.21 ttl 63 udp 1>2") // the answer
		})
		t.Run("dp:RO1 the last hop is the host's, what is for nobody too", func(t *testing.T) {
			n.want(1, n.frame(ether(a.mac, gw10), &layers.IPv4{Version: 4, TTL: 1, Protocol: 17, SrcIP: net.ParseIP(a.ip), DstIP: net.ParseIP(web1.ip)},
				&layers.UDP{SrcPort: 1, DstPort: 2}), "509: "+a.mac+">"+gw10+" 10.0.1.11>10.0.2.21 ttl 1 udp 1>2")
			n.want(9, n.udp(server, gw10, "203.0.113.1", 1, 2), "drop NOT_ROUTED")
			n.want(4, n.udp(a, gw10, web1.ip, 1, 2), "drop NO_INTERFACE")
		})
	})
}

// out and in are what a routed packet looks like on the uplink and in domain 10.
func out(rest string) string { return "9: " + uplink + ">" + server.mac + " " + rest }
func in(host station, port int, rest string) string {
	return fmt.Sprintf("%d: %s>%s %s", port, gw10, host.mac, rest)
}

func TestNAT(t *testing.T) {
	eachNIC(t, func(t *testing.T, n *nic) {
		t.Run("dp:NA1 hosts share an address; the port is kept where it is free", func(t *testing.T) {
			n.want(1, n.udp(a, gw10, server.ip, 5000, 7), out("203.0.113.1>198.51.100.7 ttl 63 udp 5000>7"))
			n.want(9, n.udp(server, uplink, "203.0.113.1", 7, 5000), in(a, 1, "198.51.100.7>10.0.1.11 ttl 63 udp 7>5000"))
			n.want(1, n.udp(a, gw10, server.ip, 5000, 7), out("203.0.113.1>198.51.100.7 ttl 63 udp 5000>7"))
			n.want(3, tagged(20, n.udp(web1, gw20, server.ip, 5000, 7)), out("203.0.113.1>198.51.100.7 ttl 63 udp 1024>7"))
			n.want(9, n.udp(server, uplink, "203.0.113.1", 7, 1024), "3: "+gw20+">"+web1.mac+" vlan 20 198.51.100.7>10.0.2.21 ttl 63 udp 7>5000")
			n.want(9, n.udp(server, uplink, "203.0.113.1", 8, 1024), "drop NO_ROUTE") // nobody asked from there: the address is no host
		})
		t.Run("dp:NA5 UDP without a checksum stays without", func(t *testing.T) {
			pkt := n.udp(a, gw10, server.ip, 5001, 7)
			pkt[40], pkt[41] = 0, 0
			n.want(1, pkt, out("203.0.113.1>198.51.100.7 ttl 63 udp 5001>7"))
		})
		t.Run("dp:NA16 a host's own address comes first, both ways", func(t *testing.T) {
			n.want(2, n.udp(b, gw10, server.ip, 5000, 7), out("203.0.113.12>198.51.100.7 ttl 63 udp 5000>7"))
			n.want(9, n.udp(server, uplink, "203.0.113.12", 7, 5000), in(b, 2, "198.51.100.7>10.0.1.12 ttl 63 udp 7>5000"))
			n.want(9, n.tcp(server, uplink, "203.0.113.12", 777, 22, "S"), in(b, 2, "198.51.100.7>10.0.1.12 ttl 63 tcp 777>22"))
			n.want(2, n.tcp(b, gw10, server.ip, 22, 777, "SA"), out("203.0.113.12>198.51.100.7 ttl 63 tcp 22>777"))
			n.want(9, n.tcp(server, uplink, "203.0.113.12", 777, 23, "S"), "drop DENIED")
		})
		t.Run("a forwarded port", func(t *testing.T) {
			n.want(9, n.tcp(server, uplink, "203.0.113.1", 777, 2222, "S"), in(a, 1, "198.51.100.7>10.0.1.11 ttl 63 tcp 777>22"))
			n.want(1, n.tcp(a, gw10, server.ip, 22, 777, "SA"), out("203.0.113.1>198.51.100.7 ttl 63 tcp 2222>777"))
			n.want(9, n.tcp(server, uplink, "203.0.113.1", 777, 2222, "A"), in(a, 1, "198.51.100.7>10.0.1.11 ttl 63 tcp 777>22"))
		})
		t.Run("dp:NA7 the id of an echo is its port", func(t *testing.T) {
			n.want(1, n.echo(a, gw10, server.ip, 8, 5000), out("203.0.113.1>198.51.100.7 ttl 63 EchoRequest id 1025"))
			n.want(9, n.echo(server, uplink, "203.0.113.1", 0, 1025), in(a, 1, "198.51.100.7>10.0.1.11 ttl 63 EchoReply id 5000"))
		})
		t.Run("dp:NA11 a pool without a free port", func(t *testing.T) {
			refused := 0
			for port := range 65535 {
				r := n.m.Process(exec.Packet{Port: 1, Data: n.udp(a, gw10, "198.51.100.8", uint16(port+1), 7)})
				if r.Reason == "PORTS_USED_UP" {
					refused++
				}
			}
			taken, all, err := n.m.PoolUse("NicMain.routed.nat_out.ports", 0)
			check(t, err)
			if taken != all || refused != 65535-(all-4) { // four were taken before
				t.Errorf("%d of %d ports taken, %d refused", taken, all, refused)
			}
			n.now += 31e9
			n.m.SweepIdle(n.now)
			n.want(1, n.udp(a, gw10, "198.51.100.8", 30000, 7), out("203.0.113.1>198.51.100.8 ttl 63 udp 30000>7"))
		})
	})
}

func tagged(vid uint16, frame []byte) []byte {
	tag := []byte{0x81, 0, byte(vid >> 8), byte(vid)}
	return append(append(bytes.Clone(frame[:12]), tag...), frame[12:]...)
}

func TestBalancer(t *testing.T) {
	eachNIC(t, func(t *testing.T, n *nic) {
		t.Run("flows spread, and stay when the table changes", func(t *testing.T) {
			seen := map[string]int{}
			first := map[uint16]string{}
			for port := range uint16(64) {
				got := n.send(9, n.tcp(server, uplink, "203.0.113.80", 1000+port, 80, "S"))
				first[port] = got
				for _, w := range []station{web1, web2} {
					if got == fmt.Sprintf("3: %s>%s vlan 20 198.51.100.7>%s ttl 63 tcp %d>8080", gw20, w.mac, w.ip, 1000+port) {
						seen[w.ip]++
					}
				}
			}
			if seen[web1.ip]+seen[web2.ip] != 64 || seen[web1.ip] < 20 || seen[web2.ip] < 20 {
				t.Fatalf("flows by backend: %v", seen)
			}
			n.config("add maglev bucket:300 to_backend(address:0x0a000215, port:8080, inside:1)")
			for i, table := range n.m.Program().Tables {
				if table.Name == "NicMain.routed.balance.virtual_addresses" { // all to the first backend
					check(t, n.m.Delete(i, 1))
				}
			}
			n.config("add virtual_addresses tenant:2 address:0xcb007150 protocol:6 port:80 balance(first:300, count:1, sticky:0)")
			for port := range uint16(64) {
				n.want(9, n.tcp(server, uplink, "203.0.113.80", 1000+port, 80, "A"), first[port])
			}
			n.want(3, tagged(20, n.tcp(web1, gw20, server.ip, 8080, 2000, "SA")), "drop NOT_A_START")
			n.want(9, n.tcp(server, uplink, "203.0.113.80", 2000, 80, "S"), fmt.Sprintf("3: %s>%s vlan 20 198.51.100.7>%s ttl 63 tcp 2000>8080", gw20, web1.mac, web1.ip))
			n.want(3, tagged(20, n.tcp(web1, gw20, server.ip, 8080, 2000, "SA")), out("203.0.113.80>198.51.100.7 ttl 63 tcp 80>2000"))
		})
		t.Run("direct return: in IP, unchanged", func(t *testing.T) {
			n.want(9, n.udp(server, uplink, "203.0.113.53", 4000, 7777), fmt.Sprintf("3: %s>%s vlan 20 203.0.113.53>10.0.2.22 ttl 64 198.51.100.7>203.0.113.53 ttl 63 udp 4000>7777", gw20, web2.mac))
		})
	})
}

// config runs lines of an STF file.
func (n *nic) config(text string) {
	n.t.Helper()
	c, err := stf.Parse("test", []byte(text))
	check(n.t, err)
	e := configured{n.m}
	if r := stf.Run(c, offset{e, 1000}, nil); r.Status != stf.Passed {
		n.t.Fatal(r.Report)
	}
}

// offset gives entries handles beyond those of the first configuration.
type offset struct {
	configured
	by uint32
}

func (o offset) Insert(t int, e ir.Entry) error {
	e.Handle += o.by
	return o.configured.Insert(t, e)
}

func TestTCP(t *testing.T) {
	eachNIC(t, func(t *testing.T, n *nic) {
		open := func(port uint16) {
			n.send(1, n.tcp(a, gw10, server.ip, port, 80, "S"))
			n.send(9, n.tcp(server, uplink, "203.0.113.1", 80, port, "SA"))
			n.send(1, n.tcp(a, gw10, server.ip, port, 80, "A"))
		}
		alive := func(port uint16, want bool) {
			t.Helper()
			got := n.send(1, n.tcp(a, gw10, server.ip, port, 80, "A"))
			if is := got == out(fmt.Sprintf("203.0.113.1>198.51.100.7 ttl 63 tcp %d>80", port)); is != want {
				t.Errorf("port %d: %s", port, got)
			}
		}
		t.Run("dp:NA19 it begins with SYN", func(t *testing.T) {
			for _, flags := range []string{"", "A", "SA", "F", "R", "SF", "SR"} {
				n.want(1, n.tcp(a, gw10, server.ip, 1, 80, flags), "drop NOT_A_START")
			}
		})
		t.Run("dp:NA2 four minutes for an opening, more than two hours for an open one", func(t *testing.T) {
			n.send(1, n.tcp(a, gw10, server.ip, 40001, 80, "S"))
			open(40002)
			n.now += 240e9 - 1
			alive(40002, true)
			n.now++
			alive(40001, false)
			n.now += 7439e9
			alive(40002, true)
			n.now += 7440e9
			alive(40002, false)
		})
		t.Run("dp:NA18 closed by both sides, or reset", func(t *testing.T) {
			open(40003)
			n.send(1, n.tcp(a, gw10, server.ip, 40003, 80, "FA"))
			n.now += 1000e9
			alive(40003, true) // half closed
			n.send(9, n.tcp(server, uplink, "203.0.113.1", 80, 40003, "FA"))
			n.now += 239e9
			alive(40003, true)
			n.now += 240e9
			alive(40003, false)
			open(40004)
			n.send(9, n.tcp(server, uplink, "203.0.113.1", 80, 40004, "R"))
			n.now += 240e9
			alive(40004, false)
		})
	})
}

func TestFragments(t *testing.T) {
	eachNIC(t, func(t *testing.T, n *nic) {
		whole := n.udp(a, gw10, server.ip, 5000, 7)
		first, later := bytes.Clone(whole), bytes.Clone(whole)
		first[20] = 0x20 // more fragments
		later[21] = 2
		for _, f := range [][]byte{first, later} {
			f[18], f[19] = 0x12, 0x34
			f[24], f[25] = 0, 0
			sum := ^n.sum(f[14:34])
			f[24], f[25] = byte(sum>>8), byte(sum)
		}
		if got := n.send(1, later); got != "drop FRAGMENT" {
			t.Errorf("a fragment before the first: %s", got)
		}
		for _, f := range [][]byte{first, later} {
			r := n.m.Process(exec.Packet{Port: 1, Data: f})
			if len(r.Outputs) != 1 || r.Outputs[0].Port != 9 {
				t.Fatalf("%+v", r)
			}
			o := r.Outputs[0].Data
			if src := net.IP(o[26:30]).String(); src != "203.0.113.1" || n.sum(o[14:34]) != 0xffff {
				t.Errorf("from %s, sum %#x", src, n.sum(o[14:34]))
			}
		}
	})
}

// sum is the ones' complement sum of words.
func (n *nic) sum(b []byte) uint16 {
	s := 0
	for ; len(b) > 1; b = b[2:] {
		s += int(b[0])<<8 | int(b[1])
	}
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// dp:NA8, RFC 5508: an error comes back as if nothing had been translated.
func TestErrors(t *testing.T) {
	eachNIC(t, func(t *testing.T, n *nic) {
		router := station{server.mac, "192.0.2.1"} // somewhere on the way
		for _, c := range []struct {
			name string
			sent []byte
		}{
			{"udp", n.udp(a, gw10, server.ip, 5000, 7)},
			{"echo", n.echo(a, gw10, server.ip, 8, 600)},
			{"tcp", n.tcp(a, gw10, server.ip, 5000, 80, "S")},
		} {
			t.Run(c.name, func(t *testing.T) {
				n.send(3, tagged(20, n.udp(web1, gw20, server.ip, 5000, 7))) // takes the ports away
				n.send(3, tagged(20, n.echo(web1, gw20, server.ip, 8, 600)))
				n.send(3, tagged(20, n.tcp(web1, gw20, server.ip, 5000, 80, "S")))
				r := n.m.Process(exec.Packet{Port: 1, Data: c.sent})
				if len(r.Outputs) != 1 {
					t.Fatal(r.Reason)
				}
				quote := r.Outputs[0].Data[14:42]
				frame := n.frame(ether(router.mac, uplink), ip4(router.ip, "203.0.113.1", layers.IPProtocolICMPv4),
					&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeTimeExceeded, 0)}, gopacket.Payload(quote))
				r = n.m.Process(exec.Packet{Port: 9, Data: frame})
				if len(r.Outputs) != 1 || r.Outputs[0].Port != 1 {
					t.Fatalf("%+v", r)
				}
				got := r.Outputs[0].Data
				if s := n.words(got); s != gw10+">"+a.mac+" 192.0.2.1>10.0.1.11 ttl 63 TimeExceeded(TTLExceeded) id 0" {
					t.Error(s)
				}
				want := bytes.Clone(c.sent[14:42])
				want[8]-- // the TTL, on its way out
				copy(want[10:12], got[52:54])
				if n.sum(got[42:62]) != 0xffff || !bytes.Equal(got[42:70], want) {
					t.Errorf("quoted\n got % x\nwant % x", got[42:70], want)
				}
			})
		}
		t.Run("about nothing that is known", func(t *testing.T) {
			frame := n.frame(ether(router.mac, uplink), ip4(router.ip, "203.0.113.1", layers.IPProtocolICMPv4),
				&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeTimeExceeded, 0)}, gopacket.Payload(n.udp(a, gw10, server.ip, 9, 9)[14:42]))
			n.want(9, frame, "drop NOT_A_START")
		})
	})
}
