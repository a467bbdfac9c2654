package telemetry

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Link is a netdev as the kernel reports it.
type Link struct {
	Name    string
	Index   int
	MTU     int
	AdminUp bool
	Running bool
	Oper    Oper
	MAC     net.HardwareAddr

	RxErrors, TxErrors, TxDropped, RxCRCErrors, RxMulticast uint64
}

// Oper is a netdev's operational state (RFC 2863).
type Oper uint8

// States, with the numbers of the kernel (linux/if.h, IF_OPER_*).
const (
	OperUnknown Oper = iota
	OperNotPresent
	OperDown
	OperLowerLayerDown
	OperTesting
	OperDormant
	OperUp
)

// Links reads and changes netdevs.
type Links interface {
	// List gives the netdevs of the daemon's network namespace by name.
	List() (map[string]*Link, error)
	// SetUp changes the administrative state.
	SetUp(name string, up bool) error
	// Watch calls changed after every change of a netdev until stop is called.
	Watch(changed func()) (stop func(), err error)
}

// Netlink is Links of the namespace that NewNetlink was called in.
type Netlink struct {
	h   *netlink.Handle
	log *slog.Logger
}

// NewNetlink opens a socket in the current network namespace.
func NewNetlink(log *slog.Logger) (*Netlink, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	return &Netlink{h, log}, nil
}

// Close closes the socket.
func (n *Netlink) Close() { n.h.Close() }

// List implements Links.
func (n *Netlink) List() (map[string]*Link, error) {
	links, err := n.h.LinkList()
	// A list that changed while it was read is still a list: who is told of a
	// change reads again.
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list netdevs: %w", err)
	}
	out := make(map[string]*Link, len(links))
	for _, l := range links {
		a := l.Attrs()
		q := &Link{Name: a.Name, Index: a.Index, MTU: a.MTU, AdminUp: a.RawFlags&unix.IFF_UP != 0, Running: a.RawFlags&unix.IFF_RUNNING != 0,
			Oper: Oper(a.OperState), MAC: a.HardwareAddr}
		if s := a.Statistics; s != nil {
			q.RxErrors, q.TxErrors, q.TxDropped, q.RxMulticast = s.RxErrors, s.TxErrors, s.TxDropped, s.Multicast
			q.RxCRCErrors = s.RxCrcErrors
		}
		out[a.Name] = q
	}
	return out, nil
}

// SetUp implements Links.
func (n *Netlink) SetUp(name string, up bool) error {
	l, err := n.h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("netdev %s: %w", name, err)
	}
	change := n.h.LinkSetDown
	if up {
		change = n.h.LinkSetUp
	}
	if err := change(l); err != nil {
		return fmt.Errorf("netdev %s: %w", name, err)
	}
	return nil
}

// Watch implements Links.
func (n *Netlink) Watch(changed func()) (func(), error) {
	done := make(chan struct{})
	stopped := func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	subscribe := func() (<-chan netlink.LinkUpdate, error) {
		updates := make(chan netlink.LinkUpdate, 64)
		return updates, netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{
			ErrorCallback: func(err error) {
				if !stopped() {
					n.log.Warn("watching netdevs", "error", err)
				}
			},
		})
	}
	updates, err := subscribe()
	if err != nil {
		return nil, fmt.Errorf("watch netdevs: %w", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			for range updates {
				changed()
			}
			if stopped() {
				return
			}
			// The kernel had more messages than the socket's room: some are lost.
			if updates, err = subscribe(); err != nil {
				n.log.Error("netdevs are no longer watched: ON_CHANGE of interfaces is late by up to a second", "error", err)
				return
			}
			changed()
		}
	})
	return sync.OnceFunc(func() { close(done); wg.Wait() }), nil
}
