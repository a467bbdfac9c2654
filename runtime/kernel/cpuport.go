package kernel

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// The CPU port is a tap device whose far end is this process: what the programs
// redirect to it is read here, and what is written here enters the tc program
// with its number. It goes when the process ends; packets for it are then dropped
// by the programs (docs/rationale.md says why a tap device).
//
// A tap device without offloads is a cable: checksums that a sender left to its
// hardware are completed and segments are cut before a frame is read.

const (
	tunDevice   = "/dev/net/tun"
	cpuQueue    = 4096  // frames that wait for the receiver
	cpuMTU      = 65521 // the most that a tap device takes
	maxFrame    = cpuMTU + 14
	cpuPortBack = time.Second // until a device that went is made again
)

// cpuPort is the CPU port while it is connected.
type cpuPort struct {
	netdev  string
	receive func([]byte)
	stop    chan struct{}
	wg      sync.WaitGroup
	tap     atomic.Pointer[tap] // nil while the device is gone
}

// tap is the device of one connection.
type tap struct {
	file *os.File
	at   *attachment
}

var _ dataplane.PacketIO = (*Plane)(nil)

// cpuNetdev names the device after the instance; IFNAMSIZ leaves 15 letters.
func cpuNetdev(instance string) string {
	if len(instance) <= unix.IFNAMSIZ-1-4 {
		return instance + "-cpu"
	}
	h := sha256.Sum256([]byte(instance))
	return instance[:4] + hex.EncodeToString(h[:])[:7] + "-cpu"
}

// SetPacketIn implements dataplane.PacketIO.
func (p *Plane) SetPacketIn(receive func([]byte)) error {
	if err := p.disconnectCPU(); err != nil || receive == nil {
		return err
	}
	p.ops.Lock()
	defer p.ops.Unlock()
	p.mu.RLock()
	closed, other := p.closed, p.cpu
	p.mu.RUnlock()
	switch {
	case closed:
		return errClosed
	case other != nil:
		return errors.New("the CPU port was connected by somebody else meanwhile")
	}
	c := &cpuPort{netdev: cpuNetdev(p.instance), receive: receive, stop: make(chan struct{})}
	if err := p.zeroStats(p.cpuPort); err != nil {
		return err
	}
	if err := p.needHook(hookTC); err != nil {
		return fmt.Errorf("CPU port: %w", err)
	}
	if err := p.openTap(c); err != nil {
		return fmt.Errorf("CPU port: %w", err)
	}
	p.mu.Lock()
	p.cpu = c
	p.mu.Unlock()
	c.wg.Go(func() { p.readCPU(c) })
	return nil
}

// disconnectCPU ends the CPU port if it is connected.
func (p *Plane) disconnectCPU() error {
	p.ops.Lock()
	p.mu.Lock()
	c := p.cpu
	p.cpu = nil
	p.mu.Unlock()
	if c == nil {
		p.ops.Unlock()
		return nil
	}
	close(c.stop)
	err := p.closeTap(c)
	p.ops.Unlock()
	c.wg.Wait()
	return err
}

// openTap makes the device, and connects it last. ops is held.
func (p *Plane) openTap(c *cpuPort) error {
	t := &tap{}
	err := p.ns.DoHere(func() (err error) {
		if t.file, err = newTap(c.netdev); err != nil {
			return err
		}
		return p.connectTap(c, t)
	})
	if err != nil {
		if t.file != nil {
			err = errors.Join(err, t.file.Close())
		}
		return err
	}
	c.tap.Store(t)
	return nil
}

func (p *Plane) connectTap(c *cpuPort, t *tap) error {
	nl := p.ns.Netlink()
	dev, err := nl.LinkByName(c.netdev)
	if err != nil {
		return fmt.Errorf("device %s: %w", c.netdev, err)
	}
	// The host's stack must not speak on it: the receiver would take that for
	// packets of the pipeline. Without IPv6 there is no such file.
	err = os.WriteFile("/proc/sys/net/ipv6/conf/"+c.netdev+"/disable_ipv6", []byte("1"), 0)
	switch {
	case errors.Is(err, unix.EROFS): // as in many containers
		p.log.Warn("IPv6 cannot be switched off: what the host sends on the CPU port's device, controllers see", "netdev", c.netdev, "error", err)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	for _, step := range []func() error{
		func() error { return nl.LinkSetARPOff(dev) },
		func() error { return nl.LinkSetMTU(dev, cpuMTU) },
		func() error { return nl.LinkSetTxQLen(dev, cpuQueue) },
		func() error { return nl.LinkSetUp(dev) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("device %s: %w", c.netdev, err)
		}
	}
	index := dev.Attrs().Index
	if t.at, err = wrapDev(c.netdev, hookTC)(p.attachTC(dev, hookTC, 0)); err != nil {
		return err
	}
	if err := p.publish(p.cpuPort, index); err != nil {
		return errors.Join(err, p.forget(p.cpuPort, index), p.detach(t.at))
	}
	return nil
}

// closeTap takes the device away. ops is held.
func (p *Plane) closeTap(c *cpuPort) error {
	t := c.tap.Swap(nil)
	if t == nil {
		return nil
	}
	return p.ns.DoHere(func() error {
		return errors.Join(p.forget(p.cpuPort, t.at.ifindex), p.detach(t.at), t.file.Close())
	})
}

// forgetCPU clears what a process that was killed left in the maps, under a
// number that no netdev has; adoptPorts clears the others.
func (p *Plane) forgetCPU() error {
	var index uint32
	if err := p.maps[backend.MapPorts].Lookup(uint32(dataplane.CPUPort), &index); err != nil {
		return fmt.Errorf("map %s: %w", backend.MapPorts, err)
	}
	if index == 0 {
		return nil
	}
	return p.forget(dataplane.CPUPort, int(index))
}

// newTap makes the device; it lives as long as the file.
func newTap(name string) (*os.File, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: the kernel's module tun is needed for packets to and from controllers", tunDevice, err)
	}
	// struct ifreq
	var req struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(req.name[:], name)
	req.flags = unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_TUN_EXCL
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&req))); e != 0 {
		unix.Close(fd)
		if e == unix.EBUSY || e == unix.EEXIST || e == unix.EINVAL {
			return nil, fmt.Errorf("tap device %s: %w: is there another device of that name?", name, e)
		}
		return nil, fmt.Errorf("tap device %s: %w", name, e)
	}
	return os.NewFile(uintptr(fd), name), nil // known to the poller only now: before, it had no device
}

// readCPU hands frames to the receiver until the port is disconnected. A device
// that somebody removed is made again.
func (p *Plane) readCPU(c *cpuPort) {
	buf := make([]byte, maxFrame)
	for {
		if t := c.tap.Load(); t != nil {
			err := t.read(buf, c.receive)
			if c.stopped() {
				return
			}
			p.log.Error("the CPU port's device went", "netdev", c.netdev, "error", err)
		}
		select {
		case <-c.stop:
			return
		case <-time.After(cpuPortBack):
		}
		if err := p.reopenTap(c); err != nil {
			p.log.Warn("the CPU port is not connected", "netdev", c.netdev, "error", err)
		}
	}
}

func (c *cpuPort) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

func (t *tap) read(buf []byte, receive func([]byte)) error {
	for {
		n, err := t.file.Read(buf)
		if err != nil {
			return err
		}
		receive(buf[:n])
	}
}

func (p *Plane) reopenTap(c *cpuPort) error {
	p.ops.Lock()
	defer p.ops.Unlock()
	if c.stopped() {
		return nil
	}
	if err := p.closeTap(c); err != nil {
		p.log.Warn("removing the CPU port's old device", "netdev", c.netdev, "error", err)
	}
	if err := p.openTap(c); err != nil {
		return err
	}
	p.log.Info("the CPU port is connected again", "netdev", c.netdev)
	return nil
}

// PacketOut implements dataplane.PacketIO: when the write returns the program has run.
func (p *Plane) PacketOut(frame []byte) error {
	if len(frame) > maxFrame {
		return &dataplane.FrameSize{Length: len(frame), Max: maxFrame}
	}
	p.mu.RLock()
	c, live := p.cpu, p.live
	p.mu.RUnlock()
	switch {
	case live == nil:
		return errNoPipeline
	case c == nil:
		return errors.New("the CPU port is not connected")
	}
	t := c.tap.Load()
	if t == nil {
		return fmt.Errorf("the CPU port's device %s is gone", c.netdev)
	}
	if _, err := t.file.Write(dataplane.Padded(frame)); err != nil {
		return fmt.Errorf("CPU port: %w", err)
	}
	return nil
}

// CPUStats implements dataplane.PacketIO.
func (p *Plane) CPUStats() (dataplane.Stats, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return dataplane.Stats{}, errClosed
	}
	if p.cpu == nil {
		return dataplane.Stats{}, fmt.Errorf("CPU port: %w", dataplane.ErrNoPort)
	}
	s, err := p.portStats(p.cpuPort)
	if err != nil {
		return s, err
	}
	dev, err := p.ns.Netlink().LinkByName(p.cpu.netdev)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("device %s: %w", p.cpu.netdev, err)
	}
	if st := dev.Attrs().Statistics; st != nil {
		s.Drops += st.TxDropped
	}
	return s, nil
}

// portStats reads the programs' counts of a port. mu is held.
func (p *Plane) portStats(number uint32) (dataplane.Stats, error) {
	var s dataplane.Stats
	var cpus []backend.PortStats
	if err := p.maps[backend.MapPortStats].Lookup(number, &cpus); err != nil {
		return s, fmt.Errorf("port %d: statistics: %w", number, err)
	}
	for _, c := range cpus {
		s.RxPackets += c.RxPackets
		s.RxBytes += c.RxBytes
		s.TxPackets += c.TxPackets
		s.TxBytes += c.TxBytes
		s.Drops += c.Drops
	}
	return s, nil
}
