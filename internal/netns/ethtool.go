package netns

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Feature is an offload that can be switched with SetFeature; the values are
// the ETHTOOL_S* commands of linux/ethtool.h that set one flag.
type Feature uint32

const (
	RxChecksum    Feature = 0x15
	TxChecksum    Feature = 0x17
	ScatterGather Feature = 0x19
	TSO           Feature = 0x1f
	GSO           Feature = 0x24
	GRO           Feature = 0x2c
)

// SetFeature switches an offload of a device, as `ethtool -K` does. GRO on the
// peer of a veth gives it NAPI, without which it drops every frame that XDP
// redirects to it.
func (n *NS) SetFeature(dev string, f Feature, on bool) error {
	// struct ethtool_value and struct ifreq
	val := struct{ cmd, data uint32 }{cmd: uint32(f)}
	if on {
		val.data = 1
	}
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	if len(dev) >= unix.IFNAMSIZ {
		return fmt.Errorf("device name %q is too long", dev)
	}
	copy(req.name[:], dev)
	req.data = unsafe.Pointer(&val)
	return n.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); e != 0 {
			return fmt.Errorf("%s: ethtool command %#x: %w", dev, uint32(f), e)
		}
		return nil
	})
}

// PlainFrames switches off what makes frames on a veth differ from frames on a
// wire: segmentation and checksum offload of what this device sends.
func (n *NS) PlainFrames(dev string) error {
	for _, f := range []Feature{TSO, GSO, TxChecksum} {
		if err := n.SetFeature(dev, f, false); err != nil {
			return err
		}
	}
	return nil
}
