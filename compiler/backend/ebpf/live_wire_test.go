package ebpf

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// stackSocket receives what the stack of a namespace gets from a device with an
// ethertype: behind tc and behind XDP.
func stackSocket(t testing.TB, n *netns.NS, dev string, proto uint16) int {
	t.Helper()
	ix, err := n.Index(dev)
	netnstest.Check(t, err)
	var fd int
	netnstest.Check(t, n.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	}))
	t.Cleanup(func() { unix.Close(fd) })
	netnstest.Check(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}))
	netnstest.Check(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto<<8 | proto>>8, Ifindex: ix}))
	return fd
}

// stackFrame receives one frame. tagged says that it had a tag beside it with a
// VLAN number for which there is no device: the kernel takes such a tag away
// before sockets see it, but says that the frame is for another host.
func stackFrame(fd int) (frame []byte, tagged bool, err error) {
	buf := make([]byte, 4096)
	n, from, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return nil, false, err
	}
	ll, ok := from.(*unix.SockaddrLinklayer)
	return buf[:n], ok && ll.Pkttype == unix.PACKET_OTHERHOST, nil
}

func setMAC(t testing.TB, n *netns.NS, dev, mac string) {
	t.Helper()
	l, err := n.Netlink().LinkByName(dev)
	netnstest.Check(t, err)
	hw, err := net.ParseMAC(mac)
	netnstest.Check(t, err)
	netnstest.Check(t, n.Netlink().LinkSetHardwareAddr(l, hw))
}

func (v *live) cell(name string, cell uint32) (n ssa.Count) {
	v.t.Helper()
	for _, in := range v.k.l.Instances {
		if in == nil || in.IR.Name != name {
			continue
		}
		for cpu := range in.Counter.Copies(v.k.l.NCPU) {
			var x [2]uint64
			netnstest.Check(v.t, v.k.maps[in.Counter.Map.Name].Lookup(in.Counter.Index(cpu, cell), &x))
			n.Packets += x[0]
			n.Bytes += x[1]
		}
		return n
	}
	v.t.Fatalf("no counter %s", name)
	return n
}

// One GSO frame counts as its segments and their wire bytes (D9), and has the
// length that its headers say (docs/rationale.md).
func TestLiveGSO(t *testing.T) {
	v := newLive(t, compileP4(t, "testdata/wire.p4"), TC)
	for i, n := range v.hosts[:2] {
		setMAC(t, n, "eth", fmt.Sprintf("02:00:00:00:01:%02x", i))
		netnstest.Check(t, n.AddAddr("eth", fmt.Sprintf("10.0.0.%d/24", i+1)))
		netnstest.Check(t, n.AddNeighbour("eth", fmt.Sprintf("10.0.0.%d", 2-i), fmt.Sprintf("02:00:00:00:01:%02x", 1-i)))
	}
	const size = 3 << 20
	var ln net.Listener
	netnstest.Check(t, v.hosts[1].Do(func() (err error) { ln, err = net.Listen("tcp", "10.0.0.2:0"); return }))
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		if _, err = io.CopyN(io.Discard, c, size); err == nil {
			_, err = c.Write([]byte{1})
		}
		done <- err
		_, _ = io.Copy(io.Discard, c)
	}()
	var info *unix.TCPInfo
	var got ssa.Count
	netnstest.Check(t, v.hosts[0].Do(func() error {
		c, err := net.DialTimeout("tcp", ln.Addr().String(), 5*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		if _, err := c.Write(bytes.Repeat([]byte("p4nic"), size/5+1)[:size]); err != nil {
			return err
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			return err
		}
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			return err
		}
		// Delayed acknowledgements still travel: read both until they agree.
		netnstest.Eventually(t, 3*time.Second, "tcpi_segs_out equals the counter", func() bool {
			if raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }) != nil || err != nil {
				return true
			}
			got = v.cell("I.packets", 0)
			return uint64(info.Segs_out) == got.Packets
		})
		return err
	}))
	netnstest.Check(t, <-done)
	// All segments have timestamps, 14 + 20 + 32 bytes of headers; the SYN
	// has 8 bytes of options more.
	want := info.Bytes_sent + uint64(info.Segs_out)*(14+20+32) + 8
	if got.Bytes != want {
		t.Errorf("D9: counted %d bytes, want %d (%d segments)", got.Bytes, want, info.Segs_out)
	}
	// A FIN may follow what was read above.
	st := v.stats(0)
	if st.RxPackets < got.Packets || st.RxPackets > got.Packets+2 || st.RxBytes-got.Bytes != 66*(st.RxPackets-got.Packets) {
		t.Errorf("port 0: %+v, the counter says %+v", st, got)
	}
	if tx := v.stats(1); tx.TxPackets < got.Packets || tx.TxBytes < got.Bytes {
		t.Errorf("port 1: %+v", tx)
	}
	var longest [1]uint64
	netnstest.Check(t, v.k.maps["register:I.longest"].Lookup(uint32(0), &longest))
	if longest[0] <= 1514 || (longest[0]-66)%1448 != 0 && longest[0] < 10000 {
		t.Errorf("packet_length up to %d", longest[0])
	}
	if got.Packets < size/1500 {
		t.Errorf("only %d packets", got.Packets)
	}
	t.Logf("%d segments, %d bytes", got.Packets, got.Bytes)
}

// Packets for the host reach the stack as the program left them, the outer tag
// beside the packet and the protocol that of the bytes; ports with a meaning drop
// with their reason (D8).
func TestLiveHost(t *testing.T) {
	for _, h := range []Hook{XDP, TC} {
		t.Run(h.String(), func(t *testing.T) {
			v := newLive(t, compileP4(t, "testdata/wire.p4"), h)
			setMAC(t, v.sw, "p0", "02:00:00:00:00:99")
			setMAC(t, v.sw, "p2", "02:00:00:00:00:99")
			const macs, payload = "0200000000990200000000aa", "00112233445566778899"
			for _, c := range []struct {
				name        string
				port        int
				frame, want string
				tagged      bool
				proto       uint16
			}{
				{"untagged", 0, "88b5", "88b5", false, 0x88b5},
				{"tag kept", 0, "8100200588b5", "88b5", true, 0x88b5},
				{"tag changed", 0, "8100000688b5", "88b5", true, 0x88b5},
				{"tag removed", 0, "8100000788b5", "88b5", false, 0x88b5},
				{"tag pushed", 2, "88b5", "88b5", true, 0x88b5},
				{"outer of two changed", 0, "810000068100000988b5", "8100000988b5", true, 0x8100},
				{"outer of two removed", 0, "810000078100000988b5", "88b5", true, 0x88b5},
				{"802.1ad kept", 0, "88a800058100000788b5", "8100000788b5", true, 0x8100},
			} {
				t.Run(c.name, func(t *testing.T) {
					s := stackSocket(t, v.sw, fmt.Sprintf("p%d", c.port), c.proto)
					netnstest.Check(t, v.socks[c.port].Send(unhex(t, macs+c.frame+payload)))
					got, tagged, err := stackFrame(s)
					if err != nil {
						t.Fatal(err)
					}
					if want := unhex(t, macs+c.want+payload); !bytes.Equal(got, want) || tagged != c.tagged {
						t.Errorf("got  %x tagged %v\nwant %x tagged %v", got, tagged, want, c.tagged)
					}
				})
			}
			// The stack answers: TCP, with partial checksums and on tc with segmentation to come.
			host := v.hosts[0]
			netnstest.Check(t, v.sw.AddAddr("p0", "10.7.0.1/24"))
			netnstest.Check(t, host.AddAddr("eth", "10.7.0.2/24"))
			netnstest.Check(t, host.AddNeighbour("eth", "10.7.0.1", "02:00:00:00:00:99"))
			var ln net.Listener
			netnstest.Check(t, v.sw.Do(func() (err error) { ln, err = net.Listen("tcp4", "10.7.0.1:0"); return }))
			defer ln.Close()
			go func() {
				if c, err := ln.Accept(); err == nil {
					_, _ = io.Copy(c, c)
					c.Close()
				}
			}()
			netnstest.Check(t, host.Do(func() error {
				c, err := net.DialTimeout("tcp4", ln.Addr().String(), 3*time.Second)
				if err != nil {
					return err
				}
				defer c.Close()
				netnstest.Check(t, c.SetDeadline(time.Now().Add(5*time.Second)))
				msg := bytes.Repeat([]byte("0123456789"), 5000)
				go func() { _, _ = c.Write(msg) }()
				got := make([]byte, len(msg))
				if _, err := io.ReadFull(c, got); err != nil {
					return err
				}
				if !bytes.Equal(got, msg) {
					t.Error("the echo differs")
				}
				return nil
			}))
			for i, c := range []struct {
				mac    byte
				reason int
			}{{0x98, DropCPUPort}, {0x97, int(ssa.DropPort)}, {0x96, int(ssa.DropProgram)}} {
				before := v.stats(1).Drops
				f := make([]byte, 60)
				copy(f, []byte{2, 0, 0, 0, 0, c.mac, 2, 0, 0, 0, 0, 1, 0x88, 0xb5})
				netnstest.Check(t, v.socks[1].Send(f))
				netnstest.Eventually(t, 2*time.Second, fmt.Sprintf("drop %d is counted", i), func() bool {
					return v.drops(c.reason) == 1 && v.stats(1).Drops == before+1
				})
			}
			if n := v.drops(DropHostShape) + v.drops(DropSetup) + v.drops(DropInternal); n != 0 {
				t.Errorf("%d packets dropped for internal reasons", n)
			}
		})
	}
}
