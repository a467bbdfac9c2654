package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/kernel"
	"github.com/p4nic/p4nic/runtime/sim"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

// engine is what PacketIO must hold for.
type engine interface {
	dataplane.Plane
	dataplane.PacketIO
}

var engines = []struct {
	name, hook string
	open       opener
}{
	{"sim", "", func(_ *testing.T, _ *netns.NS, cpuPort uint32) (engine, error) {
		return sim.Open(sim.Options{CPUPort: cpuPort})
	}},
	{"tc", "tc", openKernel},
	{"xdp", "xdp", openKernel},
}

// opener opens an engine whose CPU port has a number, 0 for its own choice.
type opener func(t *testing.T, ns *netns.NS, cpuPort uint32) (engine, error)

func openKernel(t *testing.T, ns *netns.NS, cpuPort uint32) (e engine, err error) {
	bpffs := netnstest.BPFFS(t)
	err = ns.Do(func() error {
		e, err = kernel.Open(kernel.Options{Instance: "a-name-of-many-letters", BPFFS: bpffs, CPUPort: cpuPort})
		return err
	})
	return e, err
}

// rig is testdata/packetio.p4 on ports 1 and 2 of an engine.
type rig struct {
	t     *testing.T
	p     engine
	socks [3]*netns.Packets
	far   [3]*netns.NS
	sw    *netns.NS
	in    chan []byte
}

func newRig(t *testing.T, name, hook string, open opener) *rig {
	t.Helper()
	return newRigOn(t, name, hook, open, 0)
}

func newRigOn(t *testing.T, name, hook string, open opener, cpuPort uint32) *rig {
	t.Helper()
	r := &rig{t: t, sw: netnstest.NS(t), in: make(chan []byte, 10000)}
	netnstest.Check(t, r.sw.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	var err error
	r.p, err = open(t, r.sw, cpuPort)
	netnstest.Check(t, err)
	t.Cleanup(func() { netnstest.Check(t, r.p.DetachAll()) })
	for i := 1; i < 3; i++ {
		r.far[i] = netnstest.NS(t)
		netnstest.Check(t, r.far[i].Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
		dev := fmt.Sprintf("p%d", i)
		netnstest.Veth(t, netns.End{NS: r.far[i], Name: "eth0", MAC: fmt.Sprintf("02:00:00:00:00:0%d", i), Addrs: []string{fmt.Sprintf("10.0.%d.1/24", i)}},
			netns.End{NS: r.sw, Name: dev})
		// Without NAPI the far end drops what XDP redirects to it.
		netnstest.Check(t, r.far[i].SetFeature("eth0", netns.GRO, true))
		r.socks[i] = netnstest.Packets(t, r.far[i], "eth0")
		netnstest.Check(t, r.sw.Do(func() error {
			return r.p.Attach(dataplane.Port{Number: uint32(i), Netdev: dev, Hook: hook})
		}))
	}
	var defines []string
	if cpuPort != 0 {
		defines = append(defines, fmt.Sprintf("CPU_PORT=%d", cpuPort))
	}
	res, err := driver.Compile(driver.Options{Path: "testdata/packetio.p4", Defines: defines})
	netnstest.Check(t, err)
	if res.Core == nil {
		t.Fatalf("%s: packetio.p4 does not compile", name)
	}
	g, err := r.p.Prepare(dataplane.Config{Program: res.Core, Sequence: 1, Content: []dataplane.Content{{
		// dst 02..99 goes to port 2.
		Entries: []ir.Entry{{Handle: 1, Match: []ir.Match{{Value: []byte{2, 0, 0, 0, 0, 0x99}}}, Action: 1, Args: [][]byte{{0, 2}}}},
		Default: ir.Entry{Action: 0, Args: [][]byte{{5}}},
	}}})
	netnstest.Check(t, err)
	netnstest.Check(t, g.Commit())
	return r
}

func (r *rig) connect() {
	r.t.Helper()
	netnstest.Check(r.t, r.p.SetPacketIn(func(f []byte) { r.in <- bytes.Clone(f) }))
}

func (r *rig) send(port int, frame []byte) {
	r.t.Helper()
	netnstest.Check(r.t, r.socks[port].Send(frame))
}

// packetIn is the next packet-in.
func (r *rig) packetIn(want string) []byte {
	r.t.Helper()
	select {
	case f := <-r.in:
		if got := hex.EncodeToString(f); want != "" && got != want {
			r.t.Errorf("packet-in\n got %s\nwant %s", got, want)
		}
		return f
	case <-time.After(5 * time.Second):
		r.t.Fatal("no packet-in")
	}
	return nil
}

// expect waits for a frame at the far end of a port; others are passed over.
func (r *rig) expect(port int, frame []byte) {
	r.t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		f, err := r.socks[port].Recv(deadline)
		if err != nil {
			r.t.Fatalf("port %d: frame %x: %v", port, frame[:22], err)
		}
		if bytes.Equal(f, frame) {
			return
		}
	}
}

func (r *rig) stats() dataplane.Stats {
	r.t.Helper()
	s, err := r.p.CPUStats()
	netnstest.Check(r.t, err)
	return s
}

var (
	unknown = [6]byte{2, 0, 0, 0, 0, 0x55}
	known   = [6]byte{2, 0, 0, 0, 0, 0x99}
	source  = [6]byte{2, 0, 0, 0, 0, 1}
)

// TestPacketIO: p4rt:PK1-PK5 below the protocol, D8: exact bytes both ways.
func TestPacketIO(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			r := newRig(t, e.name, e.hook, e.open)
			// Nobody listens: dropped and counted, and the port's other packets flow.
			before, err := r.p.PortStats(1)
			netnstest.Check(t, err)
			r.send(1, netnstest.Frame(unknown, source, 0))
			netnstest.Eventually(t, 5*time.Second, "the drop is counted", func() bool {
				s, err := r.p.PortStats(1)
				return err == nil && s.Drops == before.Drops+1
			})
			if err := r.p.PacketOut(netnstest.Frame(known, source, 0)); err == nil {
				t.Error("packet-out although the port is not connected")
			}
			if _, err := r.p.CPUStats(); !errors.Is(err, dataplane.ErrNoPort) {
				t.Errorf("statistics of a port that is not connected: %v", err)
			}
			r.connect()

			// 9 bits port 1, 3 bits reason 5, 4 bits 0xa, 16 bits length 60.
			plain := netnstest.Frame(unknown, source, 1)
			r.send(1, plain)
			r.packetIn("00da003c" + hex.EncodeToString(plain))
			r.send(2, plain)
			r.packetIn("015a003c" + hex.EncodeToString(plain))
			// Tags, which the kernel keeps beside the packet, are part of it.
			tagged := append(append(bytes.Clone(plain[:12]), 0x88, 0xa8, 0x20, 0x07, 0x81, 0x00, 0x60, 0x08), plain[12:]...)
			r.send(1, tagged)
			r.packetIn("00da0044" + hex.EncodeToString(tagged))
			// 9 bits port 2, 1 bit, 6 bits of padding.
			netnstest.Check(t, r.p.PacketOut(append([]byte{1, 0}, plain...)))
			r.expect(2, plain)
			netnstest.Check(t, r.p.PacketOut(append([]byte{1, 0}, tagged...)))
			r.expect(2, tagged)
			// Bytes where the kernel looks for a tag, once the header is in front.
			odd := append(append(bytes.Clone(unknown[:]), 2, 0, 0, 0, 0x81, 0x00, 0x88, 0xb5), bytes.Repeat([]byte{7}, 46)...)
			netnstest.Check(t, r.p.PacketOut(append([]byte{1, 0}, odd...)))
			r.expect(2, odd)
			// Through the tables: from port 510.
			netnstest.Check(t, r.p.PacketOut(append([]byte{0, 0x40}, plain...)))
			r.packetIn("ff5a003e" + hex.EncodeToString(plain))
			to2 := netnstest.Frame(known, source, 2)
			netnstest.Check(t, r.p.PacketOut(append([]byte{0, 0x40}, to2...)))
			r.expect(2, to2)
			// A port that is not there: dropped, counted.
			netnstest.Check(t, r.p.PacketOut(append([]byte{3, 0}, plain...)))

			if got, want := r.stats(), (dataplane.Stats{RxPackets: 6, RxBytes: 5*62 + 70, TxPackets: 4, TxBytes: 3*64 + 72, Drops: 1}); got != want {
				t.Errorf("statistics %+v, want %+v", got, want)
			}
			var size *dataplane.FrameSize
			if err := r.p.PacketOut(make([]byte, 70000)); !errors.As(err, &size) {
				t.Errorf("70,000 bytes: %v", err)
			}
			// p4rt:PK7: too short for a device, so filled up.
			netnstest.Check(t, r.p.PacketOut([]byte{0, 0x40, 1}))
			r.packetIn("ff5a000e" + "010000000000000000000000")
			// Disconnected and connected again.
			netnstest.Check(t, r.p.SetPacketIn(nil))
			r.send(1, plain)
			r.send(1, to2)
			r.expect(2, to2)
			r.connect()
			r.send(1, plain)
			r.packetIn("00da003c" + hex.EncodeToString(plain))
			if n := len(r.in); n != 0 {
				t.Errorf("%d packets more than were sent", n)
			}
		})
	}
}

// TestCPUPortNumber: D8: the port's number is settable; programs written for
// others say 255.
func TestCPUPortNumber(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			r := newRigOn(t, e.name, e.hook, e.open, 255)
			plain := netnstest.Frame(unknown, source, 1)
			r.send(1, plain) // nobody listens
			behind := netnstest.Frame(known, source, 2)
			r.send(1, behind)
			r.expect(2, behind) // so the first has passed
			r.connect()
			netnstest.Check(t, r.p.PacketOut(append([]byte{0, 0x40}, plain...)))
			// 9 bits port 255, 3 bits reason 5, 4 bits 0xa, 16 bits length 62.
			r.packetIn("7fda003e" + hex.EncodeToString(plain))
			r.send(2, plain)
			r.packetIn("015a003c" + hex.EncodeToString(plain))
			netnstest.Check(t, r.p.PacketOut(append([]byte{1, 0}, plain...)))
			r.expect(2, plain)
			// 510 is a port as any other now.
			netnstest.Check(t, r.p.PacketOut(append([]byte{255, 0}, plain...)))
			if got, want := r.stats(), (dataplane.Stats{RxPackets: 3, RxBytes: 3 * 62, TxPackets: 2, TxBytes: 2 * 64, Drops: 1}); got != want {
				t.Errorf("statistics %+v, want %+v", got, want)
			}
			if err := r.p.Attach(dataplane.Port{Number: 255, Netdev: "p1"}); err == nil || err.Error() != "port number 255: that is the CPU port" {
				t.Errorf("a netdev as port 255: %v", err)
			}
			if _, err := e.open(t, r.sw, 509); err == nil {
				t.Error("the host port is the CPU port")
			}
		})
	}
}

// TestSlowReceiver: p4rt:PK6 below the protocol: a receiver that does not come
// back holds nobody up; what it misses is counted.
func TestSlowReceiver(t *testing.T) {
	const flood = 6000
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			r := newRig(t, e.name, e.hook, e.open)
			wait, received := make(chan struct{}), make(chan struct{}, flood)
			netnstest.Check(t, r.p.SetPacketIn(func([]byte) { <-wait; received <- struct{}{} }))
			for i := range flood {
				r.send(1, netnstest.Frame(unknown, source, uint64(i)))
				if i%100 == 0 { // not more than sockets hold
					to2 := netnstest.Frame(known, source, uint64(i))
					r.send(1, to2)
					r.expect(2, to2)
				}
			}
			last := netnstest.Frame(known, source, flood)
			r.send(1, last)
			r.expect(2, last)
			s := r.stats()
			if s.TxPackets != flood || s.Drops == 0 || s.Drops > flood-4096 {
				t.Errorf("of %d packets %d reached the port and %d were dropped", flood, s.TxPackets, s.Drops)
			}
			close(wait)
			netnstest.Eventually(t, 10*time.Second, "all that was not dropped is received", func() bool {
				return uint64(len(received)) == flood-r.stats().Drops
			})
		})
	}
}

// TestPacketInChecksum: a checksum that a sender leaves to its hardware is what
// it would be on a cable (RFC 768).
func TestPacketInChecksum(t *testing.T) {
	for _, e := range engines {
		if e.hook == "xdp" {
			continue // XDP on a veth shows what is there
		}
		t.Run(e.name, func(t *testing.T) {
			r := newRig(t, e.name, e.hook, e.open)
			r.connect()
			netnstest.Check(t, r.far[1].AddNeighbour("eth0", "10.0.1.2", "02:00:00:00:00:55"))
			netnstest.Check(t, r.far[1].Do(func() error {
				c, err := net.Dial("udp", "10.0.1.2:9")
				if err != nil {
					return err
				}
				defer c.Close()
				_, err = c.Write([]byte("checked"))
				return err
			}))
			f := r.packetIn("")[4:]
			ip := f[14:]
			udp := ip[20:binary.BigEndian.Uint16(ip[2:])]
			sum := uint32(17 + len(udp))
			for _, b := range [][]byte{ip[12:20], append(bytes.Clone(udp), 0)} {
				for i := 0; i+1 < len(b); i += 2 {
					sum += uint32(binary.BigEndian.Uint16(b[i:]))
				}
			}
			for sum > 0xffff {
				sum = sum&0xffff + sum>>16
			}
			if sum != 0xffff {
				t.Errorf("UDP checksum: the sum is %#x: %x", sum, f)
			}
		})
	}
}

// TestPacketInSegments: D9: a frame of several segments is cut before a
// controller sees it, each piece with the packet_in header of the one packet that
// the program saw.
func TestPacketInSegments(t *testing.T) {
	r := newRig(t, "tc", "tc", openKernel)
	r.connect()
	netnstest.Check(t, r.far[1].AddNeighbour("eth0", "10.0.1.2", "02:00:00:00:00:55"))
	data := bytes.Repeat([]byte("0123456789"), 450)
	netnstest.Check(t, r.far[1].Do(func() error {
		c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(10, 0, 1, 2), Port: 9})
		if err != nil {
			return err
		}
		defer c.Close()
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		var opt error
		err = raw.Control(func(fd uintptr) { opt = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) })
		if err = errors.Join(err, opt); err != nil {
			return err
		}
		_, err = c.Write(data)
		return err
	}))
	var got []byte
	for i := range 5 {
		f := r.packetIn("")
		// packet_length is the whole frame's (docs/rationale.md).
		if want := []byte{0, 0xda, 0x11, 0xbe}; !bytes.Equal(f[:4], want) {
			t.Errorf("segment %d: packet_in header %x, want %x", i, f[:4], want)
		}
		if n := int(binary.BigEndian.Uint16(f[4+14+2:])); n != len(f)-4-14 || n > 1028 {
			t.Errorf("segment %d: IPv4 length %d of %d bytes", i, n, len(f)-4-14)
		}
		got = append(got, f[4+42:]...)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes arrived, %d were sent", len(got), len(data))
	}
}

// TestCPUPortComesBack: a device that somebody removed is made again, and one of
// that name which is not ours is left alone and named.
func TestCPUPortComesBack(t *testing.T) {
	r := newRig(t, "tc", "tc", openKernel)
	links, err := r.sw.Netlink().LinkList()
	netnstest.Check(t, err)
	r.connect()
	now, err := r.sw.Netlink().LinkList()
	netnstest.Check(t, err)
	if len(now) != len(links)+1 {
		t.Fatalf("%d devices, then %d", len(links), len(now))
	}
	name := now[len(now)-1].Attrs().Name
	if want := "a-na7166992-cpu"; name != want {
		t.Errorf("the device is called %s, want %s", name, want)
	}
	netnstest.Check(t, r.sw.DeleteLink(name))
	plain := netnstest.Frame(unknown, source, 1)
	netnstest.Eventually(t, 10*time.Second, "packets come in again", func() bool {
		r.send(1, plain)
		select {
		case f := <-r.in:
			return bytes.Equal(f[4:], plain)
		case <-time.After(20 * time.Millisecond):
			return false
		}
	})
	netnstest.Check(t, r.p.SetPacketIn(nil))
	if now, err = r.sw.Netlink().LinkList(); err != nil || len(now) != len(links) {
		t.Errorf("%d devices are left, %v", len(now), err)
	}
	netnstest.Veth(t, netns.End{NS: r.sw, Name: name}, netns.End{NS: r.far[1], Name: "other"})
	if err := r.p.SetPacketIn(func([]byte) {}); err == nil {
		t.Errorf("device %s of somebody else was taken", name)
	} else {
		t.Log(err)
	}
	if _, err := r.sw.Index(name); err != nil {
		t.Error(err)
	}
}
