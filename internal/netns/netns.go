// Package netns makes small networks out of Linux network namespaces: the
// demo, the end-to-end tests and the kernel tests stand on it.
//
// In: names, addresses, routes as text. Out: namespaces, veth pairs, packet
// sockets and a function that runs inside a namespace.
// Must not import: any other package of this module.
//
// It needs CAP_NET_ADMIN and CAP_SYS_ADMIN in the user namespace that owns the
// network namespace; an unprivileged caller first enters a user namespace.
package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Dir is where named namespaces are bound, as iproute2 does it, so that
// `ip netns exec NAME` works on them.
const Dir = "/run/netns"

// NS is a network namespace, held by a file descriptor. Its methods may be
// called from several goroutines.
type NS struct {
	name string
	fd   int
	nl   *netlink.Handle
	once sync.Once
}

// New makes an anonymous namespace with its loopback device up. It lives as
// long as it is open here or somebody else uses it.
func New() (*NS, error) { return create("") }

// NewNamed makes a namespace that is also bound to Dir/name. Remove takes the
// name away again.
func NewNamed(name string) (*NS, error) {
	if name == "" || name != filepath.Base(name) || name == "." || name == ".." {
		return nil, fmt.Errorf("namespace name %q is not a plain file name", name)
	}
	return create(name)
}

// Open opens the namespace of that name.
func Open(name string) (*NS, error) {
	fd, err := unix.Open(filepath.Join(Dir, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	return newNS(name, fd)
}

// Current is the namespace of the calling thread.
func Current() (*NS, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := unix.Open(threadNS(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("current network namespace: %w", err)
	}
	// Not newNS: entering a namespace takes CAP_SYS_ADMIN even when one is in it.
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("netlink: %w", err), unix.Close(fd))
	}
	return &NS{fd: fd, nl: nl}, nil
}

// Remove takes the name of a namespace away; the namespace ends with its last user.
func Remove(name string) error {
	path := filepath.Join(Dir, name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	return os.Remove(path)
}

func threadNS() string { return fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()) }

func create(name string) (*NS, error) {
	type result struct {
		fd  int
		err error
	}
	done := make(chan result)
	go func() {
		// The thread is never unlocked, so it ends with the goroutine and
		// nobody else runs in the new namespace by accident.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- result{-1, fmt.Errorf("new network namespace: %w (needs CAP_SYS_ADMIN)", err)}
			return
		}
		if name != "" {
			if err := bind(threadNS(), name); err != nil {
				done <- result{-1, err}
				return
			}
		}
		fd, err := unix.Open(threadNS(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		done <- result{fd, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, r.err
	}
	n, err := newNS(name, r.fd)
	if err != nil {
		return nil, err
	}
	if err := n.Up("lo"); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func bind(from, name string) error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(Dir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := unix.Mount(from, path, "none", unix.MS_BIND, ""); err != nil {
		return errors.Join(fmt.Errorf("namespace %s: bind: %w", name, err), os.Remove(path))
	}
	return nil
}

func newNS(name string, fd int) (*NS, error) {
	nl, err := netlink.NewHandleAt(vnetns.NsHandle(fd), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("netlink: %w", err), unix.Close(fd))
	}
	return &NS{name: name, fd: fd, nl: nl}, nil
}

// Name is the name given to NewNamed or Open, else "".
func (n *NS) Name() string { return n.name }

// FD is the descriptor that holds the namespace; it stays the NS's.
func (n *NS) FD() int { return n.fd }

// Netlink is a route netlink handle inside the namespace.
func (n *NS) Netlink() *netlink.Handle { return n.nl }

// Close gives up the descriptor. A named namespace stays until Remove.
func (n *NS) Close() error {
	var err error
	n.once.Do(func() {
		n.nl.Close()
		err = unix.Close(n.fd)
	})
	return err
}

// Do runs f on a thread of its own inside the namespace. Sockets that f opens
// stay in the namespace; goroutines that f starts do not run in it.
func (n *NS) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// A test that ends itself inside f ends this goroutine only.
		defer close(done)
		runtime.LockOSThread() // see create: the thread ends with the goroutine
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- f()
	}()
	err, ok := <-done
	if !ok {
		runtime.Goexit()
	}
	return err
}

// DoHere is Do, but on the calling thread when that is in the namespace
// already, which takes no privilege.
func (n *NS) DoHere(f func() error) error {
	runtime.LockOSThread()
	var here, there unix.Stat_t
	same := unix.Stat(threadNS(), &here) == nil && unix.Fstat(n.fd, &there) == nil &&
		here.Dev == there.Dev && here.Ino == there.Ino
	defer runtime.UnlockOSThread()
	if same {
		return f()
	}
	return n.Do(f)
}

// Up sets a device up.
func (n *NS) Up(dev string) error {
	l, err := n.link(dev)
	if err != nil {
		return err
	}
	if err := n.nl.LinkSetUp(l); err != nil {
		return fmt.Errorf("%s up: %w", dev, err)
	}
	return nil
}

// Down sets a device down.
func (n *NS) Down(dev string) error {
	l, err := n.link(dev)
	if err != nil {
		return err
	}
	if err := n.nl.LinkSetDown(l); err != nil {
		return fmt.Errorf("%s down: %w", dev, err)
	}
	return nil
}

// DeleteLink removes a device, with its peer if it is a veth.
func (n *NS) DeleteLink(dev string) error {
	l, err := n.link(dev)
	if err != nil {
		return err
	}
	if err := n.nl.LinkDel(l); err != nil {
		return fmt.Errorf("delete %s: %w", dev, err)
	}
	return nil
}

// Index is the interface index of a device.
func (n *NS) Index(dev string) (int, error) {
	l, err := n.link(dev)
	if err != nil {
		return 0, err
	}
	return l.Attrs().Index, nil
}

// MAC is the hardware address of a device.
func (n *NS) MAC(dev string) (net.HardwareAddr, error) {
	l, err := n.link(dev)
	if err != nil {
		return nil, err
	}
	return l.Attrs().HardwareAddr, nil
}

func (n *NS) link(dev string) (netlink.Link, error) {
	l, err := n.nl.LinkByName(dev)
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", dev, err)
	}
	return l, nil
}

// AddAddr adds an address such as "10.0.0.1/24" or "2001:db8::1/64" to a
// device. IPv6 addresses skip duplicate address detection, so they can be used
// at once.
func (n *NS) AddAddr(dev, cidr string) error {
	l, err := n.link(dev)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		return fmt.Errorf("address %q: %w", cidr, err)
	}
	if a.IP.To4() == nil {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := n.nl.AddrAdd(l, a); err != nil {
		return fmt.Errorf("address %s on %s: %w", cidr, dev, err)
	}
	return nil
}

// AddRoute adds a route to "default" (then via says the family) or a prefix,
// over a gateway.
func (n *NS) AddRoute(dst, via string) error {
	gw := net.ParseIP(via)
	if gw == nil {
		return fmt.Errorf("route %s: gateway %q is no address", dst, via)
	}
	r := &netlink.Route{Gw: gw}
	if dst != "default" {
		_, prefix, err := net.ParseCIDR(dst)
		if err != nil {
			return fmt.Errorf("route: %w", err)
		}
		r.Dst = prefix
	}
	if err := n.nl.RouteAdd(r); err != nil {
		return fmt.Errorf("route %s via %s: %w", dst, via, err)
	}
	return nil
}

// AddNeighbour adds a permanent neighbour entry.
func (n *NS) AddNeighbour(dev, ip, mac string) error {
	l, err := n.link(dev)
	if err != nil {
		return err
	}
	addr := net.ParseIP(ip)
	hw, err := net.ParseMAC(mac)
	if err != nil || addr == nil {
		return fmt.Errorf("neighbour %s %s: not an address and a MAC", ip, mac)
	}
	family := unix.AF_INET6
	if addr.To4() != nil {
		family = unix.AF_INET
	}
	neigh := &netlink.Neigh{LinkIndex: l.Attrs().Index, Family: family, State: unix.NUD_PERMANENT, IP: addr, HardwareAddr: hw}
	if err := n.nl.NeighSet(neigh); err != nil {
		return fmt.Errorf("neighbour %s on %s: %w", ip, dev, err)
	}
	return nil
}

// Sysctl writes a value under /proc/sys, for example
// "net/ipv6/conf/all/disable_ipv6"; those under net are the namespace's own.
func (n *NS) Sysctl(key, value string) error {
	return n.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0o644)
	})
}
