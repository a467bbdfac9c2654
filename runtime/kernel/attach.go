package kernel

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// lastPort is the highest number of a port with a netdev; those above have a
// meaning of their own (D8).
const lastPort = 508

// port is a netdev with a P4 port number.
type port struct {
	number  uint32
	netdev  string
	hook    hookKind
	wanted  string // Port.Hook as given to Attach
	mtu     int    // as given to Attach
	veth    bool
	at      *attachment
	down    bool // no carrier
	problem string
}

func (t *port) close() error { return t.at.close() }

func sortedPorts(m map[uint32]*port) []uint32 { return slices.Sorted(maps.Keys(m)) }

// Attach connects a netdev of Open's network namespace. What it finds of ours on
// the netdev, it keeps; a program of somebody else is a *dataplane.Foreign.
func (p *Plane) Attach(want dataplane.Port) error {
	if want.Number > lastPort {
		return fmt.Errorf("port number %d: netdevs take 0 to %d", want.Number, lastPort)
	}
	if p.play != "" {
		return fmt.Errorf("port %d: the plane was opened to play packets, not for netdevs", want.Number)
	}
	if want.Number == p.cpuPort {
		return fmt.Errorf("port number %d: that is the CPU port", want.Number)
	}
	if want.Hook != "" && want.Hook != hookXDP.String() && want.Hook != hookTC.String() {
		return fmt.Errorf("port %d: hook %q is neither xdp nor tc", want.Number, want.Hook)
	}
	p.ops.Lock()
	defer p.ops.Unlock()
	err := p.ns.DoHere(func() error { return p.attach(want) })
	if err != nil {
		return fmt.Errorf("port %d: %w", want.Number, err)
	}
	return nil
}

func (p *Plane) attach(want dataplane.Port) error {
	dev, err := p.ns.Netlink().LinkByName(want.Netdev)
	if err != nil {
		return fmt.Errorf("device %s: %w", want.Netdev, err)
	}
	index := dev.Attrs().Index
	k := chooseHook(want.Hook, dev)

	p.mu.RLock()
	old := p.ports[want.Number]
	var clash error
	for _, n := range sortedPorts(p.ports) {
		t := p.ports[n]
		same := t.netdev == want.Netdev || t.at != nil && t.at.ifindex == index
		if n != want.Number && same {
			clash = fmt.Errorf("%s is port %d already", want.Netdev, n)
		}
		if n == want.Number && !same {
			clash = fmt.Errorf("the number belongs to %s; detach that first", t.netdev)
		}
	}
	p.mu.RUnlock()
	if clash != nil {
		return clash
	}
	if want.MTU != 0 && want.MTU != dev.Attrs().MTU {
		if err := p.ns.Netlink().LinkSetMTU(dev, want.MTU); err != nil {
			return fmt.Errorf("set MTU of %s to %d: %w", want.Netdev, want.MTU, err)
		}
	}
	t := &port{number: want.Number, netdev: want.Netdev, hook: k, wanted: want.Hook, mtu: want.MTU, veth: dev.Type() == "veth", down: !running(dev.Attrs().RawFlags)}
	if old != nil && old.at != nil && old.at.ifindex == index && old.hook == k {
		if t.at = old.at; p.attached(dev, t.at) {
			return p.setPort(t)
		}
		// Somebody took our program away; attach again.
		if err := p.detach(old.at); err != nil {
			return err
		}
		old.at, t.at = nil, nil
	}
	if old != nil && old.at != nil && old.at.ifindex == index {
		// The other hook was asked for. With both, packets would pass twice.
		if err := p.detach(old.at); err != nil {
			return err
		}
	}
	if old != nil && old.at != nil && old.at.ifindex != index {
		// The device was made anew under its name; what was there is gone.
		if err := p.detach(old.at); err != nil {
			return err
		}
	}
	if err := p.needHook(k); err != nil {
		return err
	}
	if t.at, err = p.install(dev, t); err != nil {
		return errors.Join(err, p.forget(t.number, index))
	}
	if err := p.needHandover(t); err != nil {
		return errors.Join(err, p.detach(t.at), p.forget(t.number, index))
	}
	return p.setPort(t)
}

// install checks that nobody else is there, makes the number known and attaches.
func (p *Plane) install(dev netlink.Link, t *port) (*attachment, error) {
	revision, err := p.checkForeign(dev)
	if err != nil {
		return nil, err
	}
	index := dev.Attrs().Index
	if err := p.zeroStats(t.number); err != nil {
		return nil, err
	}
	// Before the program runs, so that its first packet has a port.
	if err := p.publish(t.number, index); err != nil {
		return nil, err
	}
	if t.hook == hookXDP {
		return wrapDev(t.netdev, hookXDP)(p.attachXDP(index))
	}
	return wrapDev(t.netdev, hookTC)(p.attachTC(dev, hookTC, revision))
}

func wrapDev(dev string, k hookKind) func(*attachment, error) (*attachment, error) {
	return func(a *attachment, err error) (*attachment, error) {
		if err != nil {
			return nil, fmt.Errorf("attach %s to %s: %w", k, dev, err)
		}
		return a, nil
	}
}

// chooseHook gives XDP to devices with hardware behind them. On veth and tap XDP
// would cost the peer its segmentation offload and jumbo frames.
func chooseHook(wanted string, dev netlink.Link) hookKind {
	switch {
	case wanted == hookTC.String():
		return hookTC
	case wanted == hookXDP.String():
		return hookXDP
	case dev.Type() == "device" && dev.Attrs().Flags&unix.IFF_LOOPBACK == 0:
		return hookXDP
	}
	return hookTC
}

// attached tells whether our dispatcher still runs on the device.
func (p *Plane) attached(dev netlink.Link, a *attachment) bool {
	if a.link == nil {
		return p.ourFilter(dev, hookTC)
	}
	live, err := p.refresh(a)
	return err == nil && live
}

// ourFilter looks for our clsact filter; it brings it to our dispatcher.
func (p *Plane) ourFilter(dev netlink.Link, k hookKind) bool {
	fs, err := p.clsactFilters(dev, netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		return false
	}
	for _, f := range fs {
		if f.Name == p.filterName() {
			return ebpf.ProgramID(f.Id) == p.hooks[k].id || p.attachClsact(dev, k) == nil
		}
	}
	return false
}

// publish makes the number known to the programs.
func (p *Plane) publish(number uint32, index int) error {
	ifindex := uint32(index)
	updates := []struct {
		name       string
		key, value uint32
	}{{backend.MapIfPort, ifindex, number}, {backend.MapPorts, number, ifindex}, {backend.MapDevmap, number, ifindex}}
	if ifindex < backend.FastNetdevs {
		updates = append(updates, updates[0])
		updates[3].name, updates[3].value = backend.MapIfIndex, number+1
	}
	for _, u := range updates {
		if err := p.maps[u.name].Update(u.key, u.value, ebpf.UpdateAny); err != nil {
			return fmt.Errorf("map %s: %w", u.name, err)
		}
	}
	return nil
}

// forget is the opposite of publish; what is missing is no error.
func (p *Plane) forget(number uint32, index int) error {
	var errs []error
	gone := func(err error) {
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			errs = append(errs, err)
		}
	}
	gone(p.maps[backend.MapPorts].Update(number, uint32(0), ebpf.UpdateAny))
	gone(p.maps[backend.MapDevmap].Delete(number))
	if index != 0 {
		var n uint32
		if p.maps[backend.MapIfPort].Lookup(uint32(index), &n) == nil && n == number {
			gone(p.maps[backend.MapIfPort].Delete(uint32(index)))
			if index < backend.FastNetdevs {
				gone(p.maps[backend.MapIfIndex].Update(uint32(index), uint32(0), ebpf.UpdateAny))
			}
		}
	}
	return errors.Join(errs...)
}

func (p *Plane) setPort(t *port) error {
	defer p.portsChanged() // when mu is free
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ports[t.number] = t
	if t.at.generic {
		p.log.Warn("the driver has no native XDP; generic XDP is slower", "port", t.number, "netdev", t.netdev)
	}
	return nil
}

// Detach gives the netdev back: its packets go to the kernel's stack again.
func (p *Plane) Detach(number uint32) error {
	p.ops.Lock()
	defer p.ops.Unlock()
	p.mu.RLock()
	t := p.ports[number]
	p.mu.RUnlock()
	if t == nil {
		return fmt.Errorf("port %d: %w", number, dataplane.ErrNoPort)
	}
	err := p.ns.DoHere(func() error {
		index := 0
		if t.at != nil {
			index = t.at.ifindex
			if err := p.detach(t.at); err != nil {
				return err
			}
		}
		return p.forget(number, index)
	})
	if err != nil {
		return fmt.Errorf("port %d: detach %s: %w", number, t.netdev, err)
	}
	p.mu.Lock()
	delete(p.ports, number)
	p.mu.Unlock()
	p.portsChanged()
	return nil
}

// Ports lists the ports in order of their numbers, those of an earlier process too.
func (p *Plane) Ports() []dataplane.Port {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []dataplane.Port
	xdp := false
	for _, t := range p.ports {
		xdp = xdp || t.hook == hookXDP
	}
	for _, n := range sortedPorts(p.ports) {
		t := p.ports[n]
		d := dataplane.Port{Number: n, Netdev: t.netdev, Hook: t.hook.String(), Problem: t.problem}
		if t.veth && xdp {
			d.Note = "what XDP sends to a veth is lost unless its far end has GRO on (ethtool -K DEV gro on) or an XDP program"
		}
		if t.at != nil && t.at.generic {
			d.Note = "generic XDP: the driver has no native XDP"
		}
		if dev, err := p.ns.Netlink().LinkByName(t.netdev); err == nil {
			d.MTU = dev.Attrs().MTU
			d.Up = dev.Attrs().RawFlags&(unix.IFF_UP|unix.IFF_RUNNING) == (unix.IFF_UP | unix.IFF_RUNNING)
		} else if d.Problem == "" {
			d.Problem = err.Error()
		}
		out = append(out, d)
	}
	return out
}

// adoptPorts rebuilds the ports from the pinned links and maps.
func (p *Plane) adoptPorts() error {
	links, err := p.adoptLinks()
	if err != nil {
		for _, i := range slices.Sorted(maps.Keys(links)) {
			err = errors.Join(err, links[i].close())
		}
		return err
	}
	for n := range uint32(lastPort + 1) {
		var index uint32
		if err := p.maps[backend.MapPorts].Lookup(n, &index); err != nil {
			return fmt.Errorf("map %s: %w", backend.MapPorts, err)
		}
		if index == 0 {
			continue
		}
		at := links[int(index)]
		delete(links, int(index))
		dev, err := p.ns.Netlink().LinkByIndex(int(index))
		if err == nil && at == nil && p.ourFilter(dev, hookTC) {
			at = &attachment{hook: hookTC, ifindex: int(index)}
		}
		if err != nil || at == nil {
			// The device went while nobody watched; the configuration brings the
			// port back under its name.
			if at != nil {
				if err := p.detach(at); err != nil {
					return err
				}
			}
			if err := p.forget(n, int(index)); err != nil {
				return err
			}
			continue
		}
		// A version without MapIfIndex may have published it.
		if err := p.publish(n, int(index)); err != nil {
			return err
		}
		at.generic = dev.Attrs().Xdp != nil && dev.Attrs().Xdp.AttachMode == xdpAttachedSKB
		p.ports[n] = &port{number: n, netdev: dev.Attrs().Name, hook: at.hook, at: at, veth: dev.Type() == "veth", down: !running(dev.Attrs().RawFlags)}
	}
	// A link without a number: the process died between the two.
	for _, i := range slices.Sorted(maps.Keys(links)) {
		if err := p.detach(links[i]); err != nil {
			return err
		}
	}
	if err := p.adoptHandover(); err != nil {
		return err
	}
	return p.dropOldDispatchers()
}

// xdpAttachedSKB is XDP_ATTACHED_SKB of linux/if_link.h.
const xdpAttachedSKB = 2

// PortStats reads what the programs counted since the port was attached.
func (p *Plane) PortStats(number uint32) (dataplane.Stats, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var s dataplane.Stats
	if p.closed {
		return s, errClosed
	}
	if p.ports[number] == nil {
		return s, fmt.Errorf("port %d: %w", number, dataplane.ErrNoPort)
	}
	return p.portStats(number)
}

func (p *Plane) zeroStats(number uint32) error {
	if err := p.maps[backend.MapPortStats].Update(number, make([]backend.PortStats, p.ncpu), ebpf.UpdateAny); err != nil {
		return fmt.Errorf("map %s: %w", backend.MapPortStats, err)
	}
	return nil
}
