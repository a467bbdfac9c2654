package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// copying sends frames of the test's type from port 0 to the replicas of group 7
// and of clone session 8, each with its instance behind the addresses; other frames
// go to the host. An odd instance gets 4 bytes more.
const copying = `func "t" image=64 frame=24
b0:
  v1 = const.32 aux=0
  check v1 n=18 -> b1, b2
b1(v2:ptr):
  v3 = load.16 v2 aux=12 n=2
  v4 = const.16 aux=34997
  v5 = eq.1 v3, v4
  branch v5 -> b3, b2
b2:
  v6 = const.32 aux=509
  output v6
b3:
  v7 = const.32 aux=7
  v8 = const.32 aux=8
  v9 = job.32 aux=0
  v10 = replicate.1 v9, v7
  v11 = job.32 aux=0
  v12 = replicate.1 v11, v8 n=1
  next
stage "egress" image=64 frame=24
b0:
  v1 = const.32 aux=0
  check v1 n=18 -> b1, b2
b2:
  drop parser
b1(v2:ptr):
  v3 = frame.32 aux=0
  v4 = frame.32 aux=4
  v5 = frame.32 aux=8
  v6 = trunc.1 v4
  branch v6 -> b4, b3
b3:
  store v2, v4 aux=14 n=4
  jump -> b5
b4:
  v10 = load.48 v2 aux=0 n=6
  v11 = load.48 v2 aux=6 n=6
  v12 = load.16 v2 aux=12 n=2
  scratch v1, v10 aux=0 n=6
  scratch v1, v11 aux=6 n=6
  scratch v1, v12 aux=12 n=2
  scratch v1, v4 aux=14 n=4
  scratch v1, v4 aux=18 n=4
  v13 = const.32 aux=22
  v14 = const.32 aux=18
  v15 = splice.1 v13, v14
  branch v15 -> b5, b6
b5:
  v16 = trim.1 v5
  branch v16 -> b7, b6
b7:
  output v3
b6:
  drop resize
`

// compileText is a codegen of one program in SSA.
func compileText(text string) codegen {
	return func(prog *ir.Program, to planTarget, hooks [2]bool) (*compiled, error) {
		l, err := to.plan(prog)
		if err != nil {
			return nil, err
		}
		f, err := ssa.Parse(text, prog)
		if err != nil {
			return nil, err
		}
		c := &compiled{layout: l}
		for k, wanted := range hooks {
			if !wanted {
				continue
			}
			if c.objects[k], err = backend.Compile(f, l, backend.Options{Hook: backend.Hook(k)}); err != nil {
				return nil, err
			}
		}
		return c, nil
	}
}

// copyFrame is what the replica with an instance gets of a frame.
func copyFrame(frame []byte, instance uint16, cut int) []byte {
	out := bytes.Clone(frame)
	if instance&1 != 0 {
		out = append(append(bytes.Clone(frame[:18]), 0, 0, 0, 0), frame[18:]...)
		binary.BigEndian.PutUint32(out[18:], uint32(instance))
	}
	binary.BigEndian.PutUint32(out[14:], uint32(instance))
	if cut > 0 {
		out = out[:min(cut, len(out))]
	}
	return out
}

// Groups and sessions with real netdevs: every copy arrives once, in order, as the
// program made it, and is counted; the host gets its own; marks of the host's users
// stay.
func TestCopiesLive(t *testing.T) {
	for _, hook := range hookNames {
		t.Run(hook, func(t *testing.T) {
			b := newBench(t)
			b.withoutIPv6()
			p := b.mustOpen()
			p.codegen = compileText(copying)
			b.attach(p, hook)
			g, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: 1})
			netnstest.Check(t, err)
			var group []ir.Replica
			for i := range 80 {
				group = append(group, ir.Replica{Port: uint32(i & 1), Instance: uint16(i)})
			}
			group = append(group, ir.Replica{Port: 509, Instance: 100}, ir.Replica{Port: 5, Instance: 101})
			session := ir.CloneSession{Truncate: 30, Replicas: []ir.Replica{{Port: 1, Instance: 200}, {Port: 0, Instance: 201}}}
			for _, r := range []interface {
				SetMulticastGroup(uint32, []ir.Replica) error
				SetCloneSession(uint32, ir.CloneSession) error
			}{g.(*generation)} {
				netnstest.Check(t, r.SetMulticastGroup(7, group))
				netnstest.Check(t, r.SetCloneSession(8, session))
			}
			netnstest.Check(t, g.Commit())
			socks := [2]*netns.Packets{netnstest.Packets(t, b.far[0], "eth0"), netnstest.Packets(t, b.far[1], "eth0")}
			host := hostSocket(t, b.host, "p0")
			var want [2]dataplane.Stats
			for n, size := range []int{60, 64, 100, 1000, 1514} {
				if size > 1510 {
					size -= 4 // odd instances have 4 bytes more
				}
				frame := netnstest.Frame([6]byte{2, 0, 0, 0, 1, 0}, [6]byte{2, 0, 0, 0, 2, 0}, uint64(n))
				frame = append(frame, bytes.Repeat([]byte{byte(n)}, size)...)[:size]
				binary.BigEndian.PutUint16(frame[12:], 34997)
				netnstest.Check(t, socks[0].Send(frame))
				for _, r := range append(group, session.Replicas...) {
					cut := 0
					if r.Instance >= 200 {
						cut = 30
					}
					w := copyFrame(frame, r.Instance, cut)
					switch r.Port {
					case 0, 1:
						got, err := socks[r.Port].Recv(time.Now().Add(2 * time.Second))
						if err != nil || !bytes.Equal(got, w) {
							t.Fatalf("dp:MC3 frame of %d bytes, instance %d: %v\ngot  %x\nwant %x", size, r.Instance, err, got, w)
						}
						want[r.Port].TxPackets++
						want[r.Port].TxBytes += uint64(len(w))
					case 509:
						got := make([]byte, 2000)
						n, _, err := unix.Recvfrom(host, got, 0)
						if err != nil || !bytes.Equal(got[:n], w) {
							t.Fatalf("host: %v\ngot  %x\nwant %x", err, got[:n], w)
						}
					case 5:
						want[0].Drops++
					}
				}
				want[0].RxPackets++
				want[0].RxBytes += uint64(size)
			}
			for i := range want {
				got, err := p.PortStats(uint32(i))
				netnstest.Check(t, err)
				if got != want[i] {
					t.Errorf("port %d: counted %+v, want %+v", i, got, want[i])
				}
			}
			if !b.answers() {
				t.Error("what is not copied does not reach the host")
			}
			// Other groups, at once.
			netnstest.Check(t, p.SetMulticastGroup(7, []ir.Replica{{Port: 1, Instance: 2}}))
			netnstest.Check(t, p.DeleteCloneSession(8))
			frame := netnstest.Frame([6]byte{2, 0, 0, 0, 1, 0}, [6]byte{2, 0, 0, 0, 2, 0}, 9)
			binary.BigEndian.PutUint16(frame[12:], 34997)
			netnstest.Check(t, socks[0].Send(frame))
			got, err := socks[1].Recv(time.Now().Add(2 * time.Second))
			if w := copyFrame(frame, 2, 0); err != nil || !bytes.Equal(got, w) {
				t.Fatalf("D17: changed group: %v\ngot  %x\nwant %x", err, got, w)
			}
		})
	}
}

// hostSocket receives what the stack gets of the test's frames.
func hostSocket(t testing.TB, n *netns.NS, dev string) int {
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
	netnstest.Check(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 34997>>8 | 34997&0xff<<8, Ifindex: ix}))
	return fd
}

// The second dispatcher of a port with XDP comes with a program that makes copies,
// is adopted by the next process, and goes with the port.
func TestHandoverComesAndGoes(t *testing.T) {
	b := newBench(t)
	b.withoutIPv6()
	load := func(p *Plane, seq uint64) {
		t.Helper()
		p.codegen = compileText(copying)
		g, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: seq})
		netnstest.Check(t, err)
		netnstest.Check(t, g.(*generation).SetMulticastGroup(7, []ir.Replica{{Port: 1, Instance: 2}}))
		netnstest.Check(t, g.Commit())
	}
	second := func(p *Plane, want ...string) {
		t.Helper()
		pins, err := filepath.Glob(p.dir("links", "handover_*"))
		netnstest.Check(t, err)
		if p.noTCX {
			return // no links
		}
		for i := range pins {
			pins[i] = filepath.Base(pins[i])
		}
		if !slices.Equal(pins, want) {
			t.Errorf("second dispatchers %v, want %v", pins, want)
		}
	}
	names := []string{fmt.Sprintf("handover_%d", b.ifindex[0]), fmt.Sprintf("handover_%d", b.ifindex[1])}
	slices.Sort(names)
	p, err := b.open("nic0")
	netnstest.Check(t, err)
	netnstest.Check(t, p.Attach(dataplane.Port{Number: 0, Netdev: "p0", Hook: "xdp"}))
	second(p)
	load(p, 1)
	second(p, fmt.Sprintf("handover_%d", b.ifindex[0]))
	netnstest.Check(t, p.Attach(dataplane.Port{Number: 1, Netdev: "p1", Hook: "xdp"}))
	second(p, names...)
	netnstest.Check(t, p.Close())

	p = b.mustOpen()
	second(p, names...)
	in, out := netnstest.Packets(t, b.far[0], "eth0"), netnstest.Packets(t, b.far[1], "eth0")
	send := func(n uint64) {
		t.Helper()
		frame := netnstest.Frame([6]byte{2, 0, 0, 0, 1, 0}, [6]byte{2, 0, 0, 0, 2, 0}, n)
		binary.BigEndian.PutUint16(frame[12:], 34997)
		netnstest.Check(t, in.Send(frame))
		for {
			got, err := out.Recv(time.Now().Add(2 * time.Second))
			if err == nil && !bytes.Equal(got[12:14], frame[12:14]) {
				continue // of a stack, from before it was told to be quiet
			}
			if w := copyFrame(frame, 2, 0); err != nil || !bytes.Equal(got, w) {
				t.Fatalf("%v\ngot  %x\nwant %x", err, got, w)
			}
			return
		}
	}
	send(1) // of the generation that the old process loaded
	load(p, 2)
	send(2)
	netnstest.Check(t, p.Attach(dataplane.Port{Number: 0, Netdev: "p0", Hook: "tc"}))
	second(p, fmt.Sprintf("handover_%d", b.ifindex[1]))
	send(3)
	netnstest.Check(t, p.Detach(1))
	netnstest.Check(t, p.Detach(0))
	second(p)
}

// mirroring sends every frame from port to port, and before that to clone session 8.
const mirroring = `func "t" image=64 frame=24
b0:
  v1 = ingressport.32
  v2 = const.32 aux=1
  v3 = sub.32 v2, v1
  v4 = const.32 aux=8
  v5 = job.32 aux=0
  v6 = replicate.1 v5, v4 n=1
  v7 = job.32 aux=0
  jobstore v7, v3
  next
stage "egress" image=64 frame=24
b0:
  v1 = frame.32 aux=0
  v2 = frame.32 aux=8
  v3 = trim.1 v2
  branch v3 -> b1, b2
b1:
  output v1
b2:
  drop resize
`

// A mirror that cuts its copies leaves what it copies whole, GSO frames too.
func TestCutMirrorOfGSO(t *testing.T) {
	b := newBench(t)
	// The kernel cuts off no checksum that it has yet to compute; those of IPv6's
	// reports lie behind byte 60.
	b.withoutIPv6()
	p := b.mustOpen()
	p.codegen = compileText(mirroring)
	b.attach(p, "tc")
	g, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: 1})
	netnstest.Check(t, err)
	netnstest.Check(t, g.(*generation).SetCloneSession(8, ir.CloneSession{Truncate: 60, Replicas: []ir.Replica{{Port: 0}, {Port: 0}}}))
	netnstest.Check(t, g.Commit())
	for i, n := range b.far {
		netnstest.Check(t, n.AddAddr("eth0", fmt.Sprintf("10.9.0.%d/24", i+1)))
		netnstest.Check(t, n.AddNeighbour("eth0", fmt.Sprintf("10.9.0.%d", 2-i), fmt.Sprintf("02:00:00:00:02:0%d", 1-i)))
	}
	const size = 4 << 20
	var ln net.Listener
	netnstest.Check(t, b.far[1].Do(func() (err error) { ln, err = net.Listen("tcp", "10.9.0.2:0"); return }))
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			_, err = io.CopyN(io.Discard, c, size)
			err = errors.Join(err, c.Close())
		}
		done <- err
	}()
	netnstest.Check(t, b.far[0].Do(func() error {
		c, err := net.DialTimeout("tcp", ln.Addr().String(), 5*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		netnstest.Check(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = c.Write(make([]byte, size))
		return err
	}))
	netnstest.Check(t, <-done)
	drops, err := p.Drops()
	netnstest.Check(t, err)
	for i, d := range drops {
		if d.Packets != 0 {
			t.Errorf("%d packets dropped for reason %d", d.Packets, i)
		}
	}
}

// withoutIPv6 keeps the stacks of the ports from sending by themselves.
func (b *bench) withoutIPv6() {
	b.t.Helper()
	for i := range b.far {
		netnstest.Check(b.t, b.far[i].Sysctl("net/ipv6/conf/eth0/disable_ipv6", "1"))
		netnstest.Check(b.t, b.host.Sysctl(fmt.Sprintf("net/ipv6/conf/p%d/disable_ipv6", i), "1"))
	}
}
