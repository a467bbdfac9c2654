package netns

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
)

// End is one end of a veth pair.
type End struct {
	NS    *NS
	Name  string
	MAC   string   // "" = chosen by the kernel
	Addrs []string // in CIDR form
	MTU   int      // 0 = 1500
	Index int      // of the device, the first end only; 0 = chosen by the kernel
}

// Veth makes a veth pair, sets addresses and both ends up.
func Veth(a, b End) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = a.Name
	attrs.MTU, attrs.Index = a.MTU, a.Index
	v := &netlink.Veth{LinkAttrs: attrs, PeerName: b.Name, PeerMTU: uint32(b.MTU), PeerNamespace: netlink.NsFd(b.NS.fd)}
	for _, e := range []struct {
		mac  string
		into *net.HardwareAddr
	}{{a.MAC, &v.HardwareAddr}, {b.MAC, &v.PeerHardwareAddr}} {
		if e.mac == "" {
			continue
		}
		hw, err := net.ParseMAC(e.mac)
		if err != nil {
			return fmt.Errorf("veth: %w", err)
		}
		*e.into = hw
	}
	if err := a.NS.nl.LinkAdd(v); err != nil {
		return fmt.Errorf("veth %s - %s: %w", a.Name, b.Name, err)
	}
	for _, e := range []End{a, b} {
		for _, addr := range e.Addrs {
			if err := e.NS.AddAddr(e.Name, addr); err != nil {
				return err
			}
		}
		if err := e.NS.Up(e.Name); err != nil {
			return err
		}
	}
	return nil
}

// Move moves a device into another namespace.
func Move(from *NS, dev string, to *NS) error {
	l, err := from.link(dev)
	if err != nil {
		return err
	}
	if err := from.nl.LinkSetNsFd(l, int(vnetns.NsHandle(to.fd))); err != nil {
		return fmt.Errorf("move %s: %w", dev, err)
	}
	return nil
}

// CloseAll closes namespaces and joins the errors.
func CloseAll(list ...*NS) error {
	var errs []error
	for _, n := range list {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}
