package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
)

// hookKind is a place where programs see packets.
type hookKind int

const (
	hookXDP hookKind = iota
	hookTC
	hookHandover // tc of a netdev whose packets XDP sees; see handover.go
)

func (k hookKind) String() string { return [...]string{"xdp", "tc", "handover"}[k] }

// dispatcher is the program that netdevs run there.
func (k hookKind) dispatcher() *backend.Object {
	if k == hookHandover {
		return backend.HandoverDispatcher()
	}
	return backend.Dispatcher(backend.Hook(k))
}

func (k hookKind) progs() string { return [...]string{backend.MapProgsXDP, backend.MapProgsTC}[k] }

// hook is the dispatcher of one hook; netdevs run it, and it calls the live
// generation. It never changes while it is attached, except for another version.
type hook struct {
	kind     hookKind
	dispatch *ebpf.Program
	id       ebpf.ProgramID
}

func (h *hook) close() error {
	if h == nil || h.dispatch == nil {
		return nil
	}
	return h.dispatch.Close()
}

// openHook adopts the pinned dispatcher, or loads it. One of another version
// stays pinned until adoptPorts has replaced it in every link.
func (p *Plane) openHook(k hookKind) (*hook, error) {
	obj := k.dispatcher()
	pin := p.dir("device", dispatchPin(k))
	prog, err := ebpf.LoadPinnedProgram(pin, nil)
	if errors.Is(err, os.ErrNotExist) {
		if prog, err = loadProgram(obj, "p4nic_"+k.String(), p.maps); err == nil {
			if err = prog.Pin(pin); err != nil {
				err = errors.Join(err, prog.Close())
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("dispatcher for %s: %w", k, err)
	}
	h := &hook{kind: k, dispatch: prog}
	info, err := prog.Info()
	if err == nil {
		var ok bool
		if h.id, ok = info.ID(); !ok {
			err = errors.New("the kernel gives no program ids")
		}
	}
	if err != nil {
		return nil, errors.Join(err, prog.Close())
	}
	return h, nil
}

func dispatchPin(k hookKind) string {
	return "dispatch_" + k.String() + "-" + digest(k.dispatcher())
}

// attachment is a dispatcher on a netdev.
type attachment struct {
	hook    hookKind
	ifindex int
	link    link.Link // nil with clsact. Referenced for as long as the port lives: its finalizer detaches.
	pin     string
	generic bool // XDP in the stack, not in the driver
}

func (a *attachment) close() error {
	if a == nil || a.link == nil {
		return nil
	}
	return a.link.Close() // pinned, so it stays attached
}

func (p *Plane) linkPin(k hookKind, ifindex int) string {
	return p.dir("links", k.String()+"_"+strconv.Itoa(ifindex))
}

// attachXDP attaches natively, or in the stack where the driver cannot.
func (p *Plane) attachXDP(ifindex int) (*attachment, error) {
	a := &attachment{hook: hookXDP, ifindex: ifindex, pin: p.linkPin(hookXDP, ifindex)}
	opts := link.XDPOptions{Program: p.hooks[hookXDP].dispatch, Interface: ifindex, Flags: link.XDPDriverMode}
	l, native := link.AttachXDP(opts)
	if errors.Is(native, unix.EBUSY) {
		return nil, native
	}
	if native != nil {
		opts.Flags = link.XDPGenericMode
		var err error
		if l, err = link.AttachXDP(opts); err != nil {
			return nil, fmt.Errorf("native: %w; generic: %w", native, err)
		}
		a.generic = true
	}
	a.link = l
	return a, p.pinLink(a)
}

// attachTC attaches a dispatcher of tc with tcx, or with a filter of a clsact qdisc before Linux 6.6.
func (p *Plane) attachTC(dev netlink.Link, k hookKind, revision uint64) (*attachment, error) {
	index := dev.Attrs().Index
	a := &attachment{hook: k, ifindex: index, pin: p.linkPin(k, index)}
	if !p.noTCX {
		l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: p.hooks[k].dispatch,
			Attach: ebpf.AttachTCXIngress, ExpectedRevision: revision})
		switch {
		case err == nil:
			a.link = l
			return a, p.pinLink(a)
		case !errors.Is(err, ebpf.ErrNotSupported):
			return nil, err
		}
	}
	return a, p.attachClsact(dev, k)
}

func (p *Plane) pinLink(a *attachment) error {
	// A pin of that name can only be of a device that is gone: the index is new.
	if err := os.Remove(a.pin); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, a.link.Close())
	}
	if err := a.link.Pin(a.pin); err != nil {
		return errors.Join(fmt.Errorf("pin the link: %w", err), a.link.Close())
	}
	return nil
}

// filterName marks our filter in a clsact qdisc, where programs have no link
// that could be pinned.
func (p *Plane) filterName() string { return "p4nic:" + p.instance }

func (p *Plane) attachClsact(dev netlink.Link, k hookKind) error {
	nl := p.ns.Netlink()
	q := &netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: dev.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}
	if err := nl.QdiscAdd(q); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("clsact qdisc: %w", err)
	}
	f := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: dev.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS,
			Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1},
		Fd: p.hooks[k].dispatch.FD(), Name: p.filterName(), DirectAction: true,
	}
	if err := nl.FilterReplace(f); err != nil {
		return fmt.Errorf("clsact filter: %w", err)
	}
	return nil
}

// clsactFilters lists the BPF filters of a device.
func (p *Plane) clsactFilters(dev netlink.Link, parent uint32) ([]*netlink.BpfFilter, error) {
	fs, err := p.ns.Netlink().FilterList(dev, parent)
	// Without a clsact qdisc the kernel says EINVAL, ENOENT or nothing, by version.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("clsact filters: %w", err)
	}
	var out []*netlink.BpfFilter
	for _, f := range fs {
		if b, ok := f.(*netlink.BpfFilter); ok {
			out = append(out, b)
		}
	}
	return out, nil
}

// detach removes the dispatcher from its device.
func (p *Plane) detach(a *attachment) error {
	return errors.Join(p.detachOne(a), p.dropHandover(a))
}

func (p *Plane) detachOne(a *attachment) error {
	if a.link != nil {
		var errs []error
		if err := a.link.Detach(); err != nil && !errors.Is(err, ebpf.ErrNotSupported) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.ENOLINK) {
			errs = append(errs, err)
		}
		if err := os.Remove(a.pin); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
		return errors.Join(append(errs, a.link.Close())...)
	}
	dev, err := p.ns.Netlink().LinkByIndex(a.ifindex)
	if err != nil {
		return nil // the device went, and its filters with it
	}
	return p.detachClsact(dev)
}

func (p *Plane) detachClsact(dev netlink.Link) error {
	left := 0
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		all, err := p.ns.Netlink().FilterList(dev, parent)
		if err != nil {
			return fmt.Errorf("clsact filters: %w", err)
		}
		for _, f := range all {
			if b, ok := f.(*netlink.BpfFilter); !ok || b.Name != p.filterName() {
				left++
				continue
			}
			if err := p.ns.Netlink().FilterDel(f); err != nil {
				return fmt.Errorf("clsact filter: %w", err)
			}
		}
	}
	if left > 0 {
		return nil
	}
	q := &netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: dev.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}
	if err := p.ns.Netlink().QdiscDel(q); err != nil {
		return fmt.Errorf("clsact qdisc: %w", err)
	}
	return nil
}

// adoptLinks opens the pinned links. Those whose device is gone are dropped;
// those that run the dispatcher of another version get ours, without a gap.
func (p *Plane) adoptLinks() (map[int]*attachment, error) {
	pins, err := os.ReadDir(p.dir("links"))
	if err != nil {
		return nil, err
	}
	found := map[int]*attachment{}
	for _, pin := range pins {
		name, num, _ := strings.Cut(pin.Name(), "_")
		index, err := strconv.Atoi(num)
		k := hookXDP
		switch name {
		case hookTC.String():
			k = hookTC
		case hookHandover.String():
			k = hookHandover
		}
		if err != nil || name != k.String() {
			return found, fmt.Errorf("%s is no link of p4nic", filepath.Join(p.dir("links"), pin.Name()))
		}
		a := &attachment{hook: k, ifindex: index, pin: p.linkPin(k, index)}
		if a.link, err = link.LoadPinnedLink(a.pin, nil); err != nil {
			return found, fmt.Errorf("link %s: %w", a.pin, err)
		}
		live, err := p.refresh(a)
		if err != nil {
			return found, errors.Join(fmt.Errorf("link %s: %w", a.pin, err), a.link.Close())
		}
		if live && k == hookHandover {
			p.handover[index] = a
			continue
		}
		if !live || found[index] != nil {
			if err := p.detach(a); err != nil {
				return found, fmt.Errorf("link %s: %w", a.pin, err)
			}
			continue
		}
		found[index] = a
	}
	return found, nil
}

// refresh tells whether a link's device is still there, and brings the link to
// our dispatcher.
func (p *Plane) refresh(a *attachment) (bool, error) {
	info, err := a.link.Info()
	if err != nil {
		return false, err
	}
	if a.index() != a.ifindex {
		return false, nil
	}
	if info.Program != p.hooks[a.hook].id {
		return true, a.link.Update(p.hooks[a.hook].dispatch)
	}
	return true, nil
}

// dropOldDispatchers unpins the dispatchers of other versions; no link runs them.
func (p *Plane) dropOldDispatchers() error {
	pins, err := os.ReadDir(p.dir("device"))
	if err != nil {
		return err
	}
	for _, pin := range pins {
		if !strings.HasPrefix(pin.Name(), "dispatch_") {
			continue
		}
		path := p.dir("device", pin.Name())
		keep := false
		for k := range p.hooks {
			keep = keep || pin.Name() == dispatchPin(hookKind(k))
		}
		if !keep {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
