package nicctl

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/compiler/stf"
	"github.com/p4nic/p4nic/internal/kernelstf"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/kernel"
)

// How long a kernelEngine waits for what comes out of a packet.
const (
	// stfSettled is the time in which nothing more may come once the counters of
	// the datapath account for the packet.
	stfSettled = 20 * time.Millisecond
	// stfQuiet is that time while they do not: the packet went to the host.
	stfQuiet = 150 * time.Millisecond
	// stfPatience is the time for a packet that is on its way for certain.
	stfPatience = 2 * time.Second
)

const (
	stfMinFrame  = 14  // an Ethernet header: less does not travel on a veth
	stfMinTagged = 20  // a receiver that takes a tag off drops what has less
	stfLastPort  = 508 // the highest number of a netdev (D8)
)

// kernelEngine runs one test in the kernel: a plane whose ports are veth pairs,
// in a namespace without addresses, and packet sockets on their far ends.
type kernelEngine struct {
	kernelstf.Control
	ctx      context.Context
	instance string
	sw, far  *netns.NS
	ports    []uint32
	sockets  []*netns.Packets // by index in ports
}

var _ stf.Engine = (*kernelEngine)(nil)

// checkKernelTarget tells what is missing to run tests in the kernel.
func checkKernelTarget(ctx context.Context) error {
	e := &kernelEngine{ctx: ctx, instance: stfInstance(0)}
	return errors.Join(e.open(), e.close())
}

// stfInstance names the n-th instance of this process.
func stfInstance(n int) string { return fmt.Sprintf("stf-%d-%d", os.Getpid(), n) }

// newKernelEngine loads a core program on the hook of every port that the test
// names. What the kernel does not run is *stf.Unsupported.
func newKernelEngine(ctx context.Context, p *ir.Program, t *stf.Test, hook, instance string) (*kernelEngine, error) {
	ports, err := stfPorts(t)
	if err != nil {
		return nil, err
	}
	e := &kernelEngine{ctx: ctx, instance: instance, ports: ports}
	err = e.open()
	if err == nil {
		err = e.connect(hook)
	}
	if err == nil {
		err = e.Load(p)
	}
	if err == nil {
		return e, nil
	}
	if left := e.close(); left != nil {
		return nil, fmt.Errorf("%w; what it left: %w", err, left)
	}
	return nil, kernelstf.Refused(err)
}

// stfPorts gives the ports of a test, or why they cannot be netdevs.
func stfPorts(t *stf.Test) ([]uint32, error) {
	var ports []uint32
	for _, c := range t.Commands {
		if c.Kind != stf.SendPacket && c.Kind != stf.Expect {
			continue
		}
		if c.Port > stfLastPort {
			return nil, &stf.Unsupported{Reason: fmt.Sprintf("%s:%d: port %d: netdevs are ports 0 to %d", t.Name, c.Line, c.Port, stfLastPort)}
		}
		if c.Kind == stf.SendPacket && len(c.Data) > 0 && !travels(c.Data) {
			return nil, &stf.Unsupported{Reason: fmt.Sprintf("%s:%d: a frame of %d bytes: netdevs carry frames of at least %d, tagged ones of at least %d", t.Name, c.Line, len(c.Data), stfMinFrame, stfMinTagged)}
		}
		if !slices.Contains(ports, c.Port) {
			ports = append(ports, c.Port)
		}
	}
	return ports, nil
}

// travels tells whether a veth delivers a frame.
func travels(frame []byte) bool {
	if len(frame) < stfMinFrame {
		return false
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_8021Q, unix.ETH_P_8021AD:
		return len(frame) >= stfMinTagged
	}
	return true
}

func (e *kernelEngine) open() error {
	for _, n := range []**netns.NS{&e.sw, &e.far} {
		ns, err := netns.New()
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w; tests in the kernel need CAP_SYS_ADMIN and CAP_NET_ADMIN for namespaces, CAP_BPF and CAP_PERFMON for programs: run as root, or use --target sim or ssa", err)
		}
		if err != nil {
			return err
		}
		*n = ns
		// Else the kernel announces itself on the new devices. A kernel without
		// IPv6 has no such key.
		if err := ns.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return e.sw.Do(func() (err error) {
		e.Plane, err = kernel.Open(kernel.Options{Instance: e.instance})
		return err
	})
}

// connect makes and attaches the ports.
func (e *kernelEngine) connect(hook string) error {
	for _, n := range e.ports {
		dev := fmt.Sprintf("p%d", n)
		if err := netns.Veth(netns.End{NS: e.sw, Name: dev}, netns.End{NS: e.far, Name: dev}); err != nil {
			return err
		}
		// Without NAPI the far end drops what XDP redirects to it.
		if err := e.far.SetFeature(dev, netns.GRO, true); err != nil {
			return err
		}
		if err := e.waitUp(dev); err != nil {
			return err
		}
		s, err := e.far.OpenPackets(dev)
		if err != nil {
			return err
		}
		e.sockets = append(e.sockets, s)
		if err := e.Plane.Attach(dataplane.Port{Number: n, Netdev: dev, Hook: hook}); err != nil {
			return err
		}
	}
	return nil
}

// waitUp waits until both ends of a pair are up. The kernel's queue of the end
// that was up first takes no frames before that, and says nothing.
func (e *kernelEngine) waitUp(dev string) error {
	start := time.Now()
	for _, ns := range []*netns.NS{e.sw, e.far} {
		for {
			l, err := ns.Netlink().LinkByName(dev)
			if err != nil {
				return fmt.Errorf("device %s: %w", dev, err)
			}
			if l.Attrs().OperState == netlink.OperUp {
				break
			}
			if time.Since(start) > stfPatience {
				return fmt.Errorf("device %s does not come up: it is %s", dev, l.Attrs().OperState)
			}
			if err := e.pause(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pause waits a moment; its error is that of a user who gave up.
func (e *kernelEngine) pause() error {
	t := time.NewTimer(time.Millisecond)
	defer t.Stop()
	select {
	case <-e.ctx.Done():
		return e.ctx.Err()
	case <-t.C:
		return nil
	}
}

// close takes everything out of the kernel.
func (e *kernelEngine) close() error {
	var errs []error
	for _, s := range e.sockets {
		errs = append(errs, s.Close())
	}
	if e.Plane != nil {
		errs = append(errs, e.Plane.DetachAll())
	} else if _, err := os.Lstat(filepath.Join(pinRoot, e.instance)); err == nil { // what an Open that failed left
		errs = append(errs, e.sw.Do(func() error {
			_, err := kernel.Remove(kernel.Options{Instance: e.instance})
			return err
		}))
	}
	return errors.Join(append(errs, netns.CloseAll(e.sw, e.far))...)
}

// fate is what the datapath counted: all packets in, all out, and drops by reason.
type fate struct {
	rx, tx uint64
	drops  []dataplane.Counter
}

func (e *kernelEngine) fate() (f fate, err error) {
	for _, n := range e.ports {
		s, err := e.Plane.PortStats(n)
		if err != nil {
			return f, err
		}
		f.rx += s.RxPackets
		f.tx += s.TxPackets
	}
	f.drops, err = e.Plane.Drops()
	return f, err
}

// since is what was counted after before.
func (f fate) since(before fate) fate {
	f.rx -= before.rx
	f.tx -= before.tx
	for i := range f.drops {
		f.drops[i].Packets -= before.drops[i].Packets
	}
	return f
}

func (f fate) dropped() bool {
	return slices.ContainsFunc(f.drops, func(c dataplane.Counter) bool { return c.Packets > 0 })
}

// Process sends a frame and collects what arrives at the far ends of all ports.
func (e *kernelEngine) Process(port uint32, data []byte) ([]stf.Packet, error) {
	before, err := e.fate()
	if err != nil {
		return nil, err
	}
	err = e.sockets[slices.Index(e.ports, port)].Send(data)
	if errors.Is(err, unix.EMSGSIZE) {
		return nil, &stf.Unsupported{Reason: fmt.Sprintf("a frame of %d bytes is longer than the MTU of the ports allows", len(data))}
	}
	if err != nil {
		return nil, err
	}
	var out []stf.Packet
	last := time.Now()
	for {
		more, err := e.receive()
		if err != nil {
			return nil, err
		}
		if len(more) > 0 {
			out, last = append(out, more...), time.Now()
		}
		now, err := e.fate()
		if err != nil {
			return nil, err
		}
		f := now.since(before)
		limit := stfQuiet
		switch {
		case f.rx == 0 || uint64(len(out)) < f.tx:
			limit = stfPatience
		case f.tx > 0 || f.dropped():
			limit = stfSettled
		}
		if time.Since(last) >= limit {
			return out, f.explain(len(out))
		}
		if err := e.pause(); err != nil {
			return nil, err
		}
	}
}

// receive gives the frames that have arrived.
func (e *kernelEngine) receive() ([]stf.Packet, error) {
	var out []stf.Packet
	for i, s := range e.sockets {
		for {
			frame, err := s.Recv(time.Time{})
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, err
			}
			out = append(out, stf.Packet{Port: e.ports[i], Data: bytes.Clone(frame)})
		}
	}
	return out, nil
}

// explain is why what came out at the far ends is not what the program did.
func (f fate) explain(received int) error {
	switch {
	case f.rx == 0:
		return errors.New("the packet did not reach the program")
	case uint64(received) < f.tx:
		return &stf.Unsupported{Reason: fmt.Sprintf("the program sent a packet that did not arrive: it is longer than the MTU allows, or shorter than %d bytes, %d with a tag", stfMinFrame, stfMinTagged)}
	case f.drops[ssa.DropPort].Packets > 0:
		return errors.New("the program sent a packet to a port that the test does not name")
	case f.drops[backend.DropCPUPort].Packets > 0:
		return &stf.Unsupported{Reason: fmt.Sprintf("the program sent a packet to the CPU port (%d), which this target does not connect", dataplane.CPUPort)}
	case f.tx == 0 && received == 0 && !f.dropped():
		return &stf.Unsupported{Reason: "the program left a packet to the host, which this target does not look at"}
	}
	return nil
}
