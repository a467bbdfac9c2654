package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/internal/netns"
)

// Remove takes an instance that no process runs out of the kernel: its ports'
// packets go to the kernel's stack again. Other than Open and DetachAll it also
// works on what another version left. It must be called in the network namespace
// of the ports, with the instance's lock held; it gives the netdevs that it freed.
func Remove(o Options) (netdevs []string, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	ns, err := netns.Current()
	if err != nil {
		return nil, err
	}
	p := &Plane{log: o.Logger, instance: o.Instance, bpffs: o.BPFFS, root: o.root(), ns: ns}
	defer func() { err = errors.Join(err, ns.Close()) }()
	pins, err := os.ReadDir(p.dir("links"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var errs []error
	for _, pin := range pins {
		path := p.dir("links", pin.Name())
		l, err := link.LoadPinnedLink(path, nil)
		if err != nil {
			errs = append(errs, fmt.Errorf("link %s: %w", path, err))
			continue
		}
		a := &attachment{link: l, pin: path}
		if dev, err := ns.Netlink().LinkByIndex(a.index()); err == nil && !slices.Contains(netdevs, dev.Attrs().Name) {
			netdevs = append(netdevs, dev.Attrs().Name)
		}
		errs = append(errs, p.detach(a))
	}
	devs, err := ns.Netlink().LinkList()
	errs = append(errs, err)
	for _, dev := range devs {
		ours, err := p.hasFilter(dev)
		if err == nil && ours {
			if !slices.Contains(netdevs, dev.Attrs().Name) {
				netdevs = append(netdevs, dev.Attrs().Name)
			}
			err = p.detachClsact(dev)
		}
		errs = append(errs, err)
	}
	return netdevs, errors.Join(append(errs, p.removePins())...)
}

// index is the device of a link, 0 when it is gone.
func (a *attachment) index() int {
	info, err := a.link.Info()
	switch {
	case err != nil:
	case info.XDP() != nil:
		return int(info.XDP().Ifindex)
	case info.TCX() != nil:
		return int(info.TCX().Ifindex)
	}
	return 0
}

func (p *Plane) hasFilter(dev netlink.Link) (bool, error) {
	filters, err := p.clsactFilters(dev, netlink.HANDLE_MIN_INGRESS)
	for _, f := range filters {
		if f.Name == p.filterName() {
			return true, nil
		}
	}
	return false, err
}

// removePins removes the instance's directory; that of all instances goes with
// its last one.
func (p *Plane) removePins() error {
	if err := removeDir(p.root); err != nil {
		return err
	}
	err := os.Remove(filepath.Dir(p.root))
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
