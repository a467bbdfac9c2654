package kernel

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
)

// A packet that a program copies goes on in the machine, a program of its own at
// tc. Where XDP sees the packets of a netdev, one that needs copies is passed up,
// and a second dispatcher at tc takes it. That one is attached when a program that
// makes copies becomes live, to every netdev with XDP, and goes with the port.

// loadMachine loads the program that copies of packets go on in, once for both
// hooks.
func (g *generation) loadMachine(o *backend.Object, dir string) error {
	if o.Machine == nil || g.machine != nil {
		return nil
	}
	prog, err := g.loadObject(o.Machine, dir)
	if err != nil {
		return fmt.Errorf("program %s for copies: %w", g.prog.Name, err)
	}
	slot := backend.ProgSlot(uint8(g.index), backend.StageMachine)
	if err := g.p.maps[backend.MapProgsTC].Update(slot, prog, ebpf.UpdateAny); err != nil {
		return errors.Join(fmt.Errorf("program array for copies: %w", err), prog.Close())
	}
	g.machine = prog
	return nil
}

// completeHandover attaches the second dispatcher wherever g needs it.
func (p *Plane) completeHandover(g *generation) error {
	if g.machine == nil {
		return nil
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, n := range sortedPorts(p.ports) {
		if err := p.attachHandover(p.ports[n]); err != nil {
			return fmt.Errorf("port %d: %w", n, err)
		}
	}
	return nil
}

// needHandover attaches the second dispatcher to a new port when the live program
// needs it. Of one that an earlier process loaded, other ports tell.
func (p *Plane) needHandover(t *port) error {
	p.mu.RLock()
	g := p.live
	p.mu.RUnlock()
	if g != nil && g.machine != nil || g == nil && len(p.handover) > 0 {
		return p.attachHandover(t)
	}
	return nil
}

func (p *Plane) attachHandover(t *port) error {
	if t.hook != hookXDP || t.at == nil || p.handover[t.at.ifindex] != nil {
		return nil
	}
	if t.at.generic {
		return fmt.Errorf("the program copies packets, and the driver of %s has no native XDP; attach the port with hook tc", t.netdev)
	}
	dev, err := p.ns.Netlink().LinkByIndex(t.at.ifindex)
	if err != nil {
		return fmt.Errorf("device %s: %w", t.netdev, err)
	}
	revision, err := p.checkForeign(dev)
	if err != nil {
		return err
	}
	a, err := wrapDev(t.netdev, hookTC)(p.attachTC(dev, hookHandover, revision))
	if err != nil {
		return err
	}
	p.handover[t.at.ifindex] = a
	return nil
}

// dropHandover removes the second dispatcher with the first.
func (p *Plane) dropHandover(a *attachment) error {
	h := p.handover[a.ifindex]
	if a.hook != hookXDP || h == nil {
		return nil
	}
	delete(p.handover, a.ifindex)
	return p.detachOne(h)
}

// adoptHandover finds second dispatchers without links, and removes those whose
// port is gone.
func (p *Plane) adoptHandover() error {
	xdp := map[int]bool{}
	for _, n := range sortedPorts(p.ports) {
		t := p.ports[n]
		if t.hook != hookXDP {
			continue
		}
		index := t.at.ifindex
		xdp[index] = true
		if p.handover[index] != nil {
			continue
		}
		if dev, err := p.ns.Netlink().LinkByIndex(index); err == nil && p.ourFilter(dev, hookHandover) {
			p.handover[index] = &attachment{hook: hookHandover, ifindex: index}
		}
	}
	for _, index := range slices.Sorted(maps.Keys(p.handover)) {
		if xdp[index] {
			continue
		}
		h := p.handover[index]
		delete(p.handover, index)
		if err := p.detachOne(h); err != nil {
			return err
		}
	}
	return nil
}
