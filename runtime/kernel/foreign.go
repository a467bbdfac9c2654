package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/runtime/dataplane"
)

// checkForeign refuses a device on which somebody else's programs see packets,
// at XDP, tcx or clsact (D18): with ours beside them neither would do what its
// owner expects. It returns the revision of tcx, so that one that comes between
// check and attachment is noticed too.
func (p *Plane) checkForeign(dev netlink.Link) (revision uint64, err error) {
	index := dev.Attrs().Index
	// A fresh look: XDP's program is an attribute of the device.
	dev, err = p.ns.Netlink().LinkByIndex(index)
	if err != nil {
		return 0, fmt.Errorf("device %d: %w", index, err)
	}
	if x := dev.Attrs().Xdp; x != nil && x.Attached {
		// With programs in several modes the kernel gives no single id.
		if id := ebpf.ProgramID(x.ProgId); id == 0 || !p.isOurs(id) {
			return 0, p.foreign(dev, "xdp", id, 0)
		}
	}
	for _, at := range []struct {
		name string
		typ  ebpf.AttachType
	}{{"tcx/ingress", ebpf.AttachTCXIngress}, {"tcx/egress", ebpf.AttachTCXEgress}} {
		if p.noTCX {
			break
		}
		res, err := link.QueryPrograms(link.QueryOptions{Target: index, Attach: at.typ})
		if err != nil {
			return 0, fmt.Errorf("%s: %s programs: %w", dev.Attrs().Name, at.name, err)
		}
		if at.typ == ebpf.AttachTCXIngress {
			revision = res.Revision
		}
		for _, prog := range res.Programs {
			if !p.isOurs(prog.ID) {
				id, _ := prog.LinkID()
				return 0, p.foreign(dev, at.name, prog.ID, id)
			}
		}
	}
	for _, at := range []struct {
		name   string
		parent uint32
	}{{"clsact/ingress", netlink.HANDLE_MIN_INGRESS}, {"clsact/egress", netlink.HANDLE_MIN_EGRESS}} {
		fs, err := p.clsactFilters(dev, at.parent)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", dev.Attrs().Name, err)
		}
		for _, f := range fs {
			if !p.isOurs(ebpf.ProgramID(f.Id)) {
				return 0, p.foreign(dev, at.name, ebpf.ProgramID(f.Id), 0)
			}
		}
	}
	return revision, nil
}

// haveTCX tells whether programs at tc can have links (Linux 6.6): other kernels
// do not know the attach type and look for no device.
func haveTCX() bool {
	const noDevice = 1<<31 - 1
	_, err := link.QueryPrograms(link.QueryOptions{Target: noDevice, Attach: ebpf.AttachTCXIngress})
	return !errors.Is(err, unix.EINVAL) && !errors.Is(err, ebpf.ErrNotSupported)
}

func (p *Plane) isOurs(id ebpf.ProgramID) bool {
	return slices.ContainsFunc(p.hooks[:], func(h *hook) bool { return h.id == id })
}

// foreign finds out what an operator needs to know about a program. What cannot
// be found is left out: the refusal does not depend on it.
func (p *Plane) foreign(dev netlink.Link, hook string, id ebpf.ProgramID, linkID link.ID) error {
	f := &dataplane.Foreign{Netdev: dev.Attrs().Name, Hook: hook, ProgramID: uint32(id), LinkID: uint32(linkID)}
	if prog, err := ebpf.NewProgramFromID(id); err == nil {
		if info, err := prog.Info(); err == nil {
			f.Program = info.Name
		}
		_ = prog.Close()
	}
	if f.LinkID == 0 && hook == "xdp" {
		f.LinkID = uint32(xdpLinkOf(dev.Attrs().Index, id))
	}
	f.Pin, f.Instance = p.findPin(id, link.ID(f.LinkID))
	f.PID, f.Command = findHolder(id, link.ID(f.LinkID))
	return f
}

// xdpLinkOf finds the link of a program on a device. Indices repeat in other
// network namespaces, whose links are seen here too.
func xdpLinkOf(ifindex int, id ebpf.ProgramID) link.ID {
	it := new(link.Iterator)
	defer it.Close()
	for it.Next() {
		info, err := it.Link.Info()
		if err == nil && info.XDP() != nil && int(info.XDP().Ifindex) == ifindex && info.Program == id {
			return it.ID
		}
	}
	return 0
}

// findPin searches every mounted BPF file system for the link, then for the
// program. Below another p4nic instance's directory it names that instance.
func (p *Plane) findPin(id ebpf.ProgramID, linkID link.ID) (pin, instance string) {
	var progPin, linkPin string
	for _, root := range bpfMounts(p.bpffs) {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || linkPin != "" {
				return nil
			}
			if l, err := link.LoadPinnedLink(path, &ebpf.LoadPinOptions{}); err == nil {
				if info, err := l.Info(); err == nil && linkID != 0 && info.ID == linkID {
					linkPin = path
				}
				_ = l.Close()
				return nil
			}
			if prog, err := ebpf.LoadPinnedProgram(path, nil); err == nil {
				if info, err := prog.Info(); err == nil {
					if n, ok := info.ID(); ok && n == id && progPin == "" {
						progPin = path
					}
				}
				_ = prog.Close()
			}
			return nil
		})
	}
	pin = linkPin
	if pin == "" {
		pin = progPin
	}
	parts := strings.Split(pin, "/")
	for i, part := range parts {
		if part == namespaceDir && i+2 < len(parts) {
			instance = parts[i+1]
		}
	}
	return pin, instance
}

// bpfMounts lists the BPF file systems, ours first.
func bpfMounts(ours string) []string {
	list := []string{ours}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return list
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "bpf" && !slices.Contains(list, f[1]) {
			list = append(list, f[1])
		}
	}
	return list
}

// findHolder searches for a process, other than this one, with a descriptor of
// the link or the program.
func findHolder(id ebpf.ProgramID, linkID link.ID) (pid int, command string) {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return 0, ""
	}
	want := []string{"prog_id:\t" + strconv.Itoa(int(id)) + "\n"}
	if linkID != 0 {
		want = append(want, "link_id:\t"+strconv.Itoa(int(linkID))+"\n")
	}
	for _, proc := range procs {
		n, err := strconv.Atoi(proc.Name())
		if err != nil || n == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", proc.Name(), "fdinfo")
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			text, err := os.ReadFile(filepath.Join(dir, fd.Name()))
			if err != nil || !slices.ContainsFunc(want, func(w string) bool { return strings.Contains(string(text), w) }) {
				continue
			}
			comm, _ := os.ReadFile(filepath.Join("/proc", proc.Name(), "comm"))
			return n, strings.TrimSpace(string(comm))
		}
	}
	return 0, ""
}
