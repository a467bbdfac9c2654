package kernel

import (
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/runtime/dataplane"
)

// watcher follows the netdevs: a port whose device vanishes is reported, and
// attached again when a device of that name appears.
type watcher struct {
	done chan struct{}
	wg   sync.WaitGroup
}

func (w *watcher) stopped() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

func (w *watcher) stop() {
	if w == nil {
		return
	}
	close(w.done)
	w.wg.Wait()
}

func (p *Plane) startWatch() (*watcher, error) {
	w := &watcher{done: make(chan struct{})}
	updates, err := p.subscribe(w)
	if err != nil {
		return nil, err
	}
	w.wg.Go(func() {
		for {
			for u := range updates {
				if !w.stopped() {
					p.linkChanged(u)
				}
			}
			if w.stopped() {
				return
			}
			// The kernel had more messages than the socket's room: some are lost.
			err := p.ns.DoHere(func() (err error) { updates, err = p.subscribe(w); return err })
			if err != nil {
				p.log.Error("netdevs are no longer watched: a port that vanishes is not attached again", "error", err)
				return
			}
			p.recheck()
		}
	})
	return w, nil
}

func (p *Plane) subscribe(w *watcher) (<-chan netlink.LinkUpdate, error) {
	updates := make(chan netlink.LinkUpdate, 64)
	err := netlink.LinkSubscribeWithOptions(updates, w.done, netlink.LinkSubscribeOptions{
		ListExisting:      true,
		ReceiveBufferSize: 1 << 20,
		ErrorCallback: func(err error) {
			if !w.stopped() {
				p.log.Warn("watching netdevs", "error", err)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch netdevs: %w", err)
	}
	return updates, nil
}

// recheck looks for devices that went without a message.
func (p *Plane) recheck() {
	p.ops.Lock()
	defer p.ops.Unlock()
	p.mu.RLock()
	var gone []*port
	for _, n := range sortedPorts(p.ports) {
		if t := p.ports[n]; t.at != nil {
			if _, err := p.ns.Netlink().LinkByIndex(t.at.ifindex); err != nil {
				gone = append(gone, t)
			}
		}
	}
	p.mu.RUnlock()
	for _, t := range gone {
		p.lost(t)
	}
}

// linkChanged follows one message about a netdev.
func (p *Plane) linkChanged(u netlink.LinkUpdate) {
	// Bridges report their ports by messages of their own family.
	if u.Link == nil || u.IfInfomsg.Family != unix.AF_UNSPEC {
		return
	}
	p.ops.Lock()
	defer p.ops.Unlock()
	p.carrier(u)
	p.mu.RLock()
	var found *port
	for _, n := range sortedPorts(p.ports) {
		t := p.ports[n]
		gone := u.Header.Type == unix.RTM_DELLINK && t.at != nil && t.at.ifindex == int(u.Index)
		back := u.Header.Type == unix.RTM_NEWLINK && t.at == nil && t.netdev == u.Link.Attrs().Name
		if gone || back {
			found = t
		}
	}
	p.mu.RUnlock()
	switch {
	case found == nil:
	case u.Header.Type == unix.RTM_DELLINK:
		p.lost(found)
	default:
		want := dataplane.Port{Number: found.number, Netdev: found.netdev, Hook: found.wanted, MTU: found.mtu}
		if err := p.ns.DoHere(func() error { return p.attach(want) }); err != nil {
			p.problem(found, err.Error())
			return
		}
		p.log.Info("port is attached again", "port", found.number, "netdev", found.netdev)
	}
}

// carrier follows whether the device of a port can send.
func (p *Plane) carrier(u netlink.LinkUpdate) {
	if u.Header.Type != unix.RTM_NEWLINK {
		return
	}
	changed := false
	p.mu.Lock()
	for _, t := range p.ports {
		if down := !running(u.IfInfomsg.Flags); t.at != nil && t.at.ifindex == int(u.Index) && t.down != down {
			t.down, changed = down, true
		}
	}
	p.mu.Unlock()
	if changed {
		p.portsChanged()
	}
}

// running tells from a device's flags whether it is up and has a carrier.
func running(flags uint32) bool { return flags&unix.IFF_UP != 0 && flags&unix.IFF_RUNNING != 0 }

// lost notes that a port's device went.
func (p *Plane) lost(t *port) {
	index := t.at.ifindex
	if err := p.detach(t.at); err != nil {
		p.log.Warn("removing the link of a device that went", "netdev", t.netdev, "error", err)
	}
	if err := p.forget(t.number, index); err != nil {
		p.log.Warn("removing a device that went", "netdev", t.netdev, "error", err)
	}
	p.mu.Lock()
	t.at = nil
	p.mu.Unlock()
	p.portsChanged()
	p.problem(t, "the device "+t.netdev+" is gone")
}

func (p *Plane) problem(t *port, text string) {
	p.mu.Lock()
	changed := t.problem != text
	t.problem = text
	p.mu.Unlock()
	if changed {
		p.log.Warn("port is not attached", "port", t.number, "netdev", t.netdev, "problem", text)
	}
}
