package netns_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

func TestVethCarriesTCP(t *testing.T) {
	a, b := netnstest.NS(t), netnstest.NS(t)
	netnstest.Veth(t, netns.End{NS: a, Name: "x", MAC: "02:00:00:00:00:01", Addrs: []string{"10.0.0.1/24"}},
		netns.End{NS: b, Name: "x", Addrs: []string{"10.0.0.2/24", "2001:db8::2/64"}, MTU: 1500})
	mac, err := a.MAC("x")
	netnstest.Check(t, err)
	if mac.String() != "02:00:00:00:00:01" {
		t.Errorf("MAC %s", mac)
	}
	netnstest.Check(t, a.PlainFrames("x"))
	netnstest.Check(t, b.AddRoute("default", "10.0.0.1"))
	netnstest.Check(t, b.AddNeighbour("x", "10.0.0.1", "02:00:00:00:00:01"))
	netnstest.Check(t, b.Sysctl("net/ipv4/ip_forward", "0"))

	var l net.Listener
	netnstest.Check(t, a.Do(func() (err error) { l, err = net.Listen("tcp", "10.0.0.1:0"); return }))
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = c.Write([]byte("hello"))
			c.Close()
		}
	}()
	var got [8]byte
	var n int
	netnstest.Check(t, b.Do(func() error {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 5*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		n, err = c.Read(got[:])
		return err
	}))
	if string(got[:n]) != "hello" {
		t.Errorf("read %q", got[:n])
	}
}

func TestPackets(t *testing.T) {
	a, b := netnstest.NS(t), netnstest.NS(t)
	netnstest.Veth(t, netns.End{NS: a, Name: "x"}, netns.End{NS: b, Name: "y"})
	out, in := netnstest.Packets(t, a, "x"), netnstest.Packets(t, b, "y")

	next := func(p *netns.Packets) []byte {
		t.Helper()
		for {
			f, err := p.Recv(time.Now().Add(5 * time.Second))
			netnstest.Check(t, err)
			if bytes.HasPrefix(f, []byte{2, 0, 0, 0, 0, 9}) { // not the stack's own chatter
				return f
			}
		}
	}
	t.Run("plain", func(t *testing.T) {
		f := netnstest.Frame([6]byte{2, 0, 0, 0, 0, 9}, [6]byte{2}, 7)
		netnstest.Check(t, out.Send(f))
		if got := next(in); !bytes.Equal(got, f) {
			t.Errorf("got %x want %x", got, f)
		}
	})
	t.Run("VLAN tag is in the frame", func(t *testing.T) {
		f := append([]byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x60, 5, 0x88, 0xb5}, make([]byte, 50)...)
		netnstest.Check(t, out.Send(f))
		if got := next(in); !bytes.Equal(got, f) {
			t.Errorf("got %x want %x", got, f)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		for { // until the stack's own frames are read
			_, err := out.Recv(time.Now())
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			netnstest.Check(t, err)
		}
		if n, err := in.Lost(); err != nil || n != 0 {
			t.Errorf("lost %d, %v", n, err)
		}
	})
}

func TestFlowCountsLosses(t *testing.T) {
	a, b := netnstest.NS(t), netnstest.NS(t)
	netnstest.Veth(t, netns.End{NS: a, Name: "x"}, netns.End{NS: b, Name: "y"})
	out, in := netnstest.Packets(t, a, "x"), netnstest.Packets(t, b, "y")
	f := netnstest.StartFlow(t, out, in, func(n uint64) []byte {
		if n == 5 { // a frame that is not counted stands for a lost one
			return make([]byte, 60)
		}
		return netnstest.Frame([6]byte{2}, [6]byte{4}, n)
	}, nil)
	f.WaitFor(1000)
	if sent, lost, doubled := f.Stop(); lost != 1 || doubled != 0 || sent < 1001 {
		t.Errorf("sent %d, lost %d, doubled %d", sent, lost, doubled)
	}
}

func TestNamed(t *testing.T) {
	if _, err := netns.NewNamed("../x"); err == nil {
		t.Error("a path was accepted as a name")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs CAP_SYS_ADMIN")
	}
	const name = "p4nic-test-named"
	n, err := netns.NewNamed(name)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("needs write access to /run/netns")
	}
	netnstest.Check(t, err)
	defer n.Close()
	m, err := netns.Open(name)
	netnstest.Check(t, err)
	defer m.Close()
	if i, err := m.Index("lo"); err != nil || i != 1 {
		t.Errorf("lo: %d %v", i, err)
	}
	netnstest.Check(t, netns.Remove(name))
	if _, err := netns.Open(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}
