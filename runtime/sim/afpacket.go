package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wire is an AF_PACKET socket on one netdev: whole Ethernet frames in and out. It
// receives from a ring that the kernel fills (ring.go) and sends in batches
// (outbox.go).
//
// Frames that this host sends on the netdev are not received (they belong to
// nobody's ingress). A VLAN tag that the kernel took into metadata is put back,
// and a checksum that the sender left to its hardware is completed, so that a
// frame here is what it would be on a cable.
type wire struct {
	netdev   string
	fd       int
	stop     int // eventfd that wakes the reader
	stopping atomic.Bool
	mtu      int
	ring     *ring
	lost     atomic.Uint64 // frames that the kernel or a frame's length kept out of the ring
	mu       sync.RWMutex  // held for reading by senders, so that close cannot pull fd away
	closed   bool
}

const (
	maxFrame = 65536 + 64
	vlanTag  = 4

	// linux/if_packet.h
	packetIgnoreOutgoing = 23
	statusCsumNotReady   = 1 << 3
	statusVLANValid      = 1 << 4
	statusVLANTPIDValid  = 1 << 6
)

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func openWire(netdev string) (*wire, error) {
	ifi, err := net.InterfaceByName(netdev)
	if err != nil {
		return nil, fmt.Errorf("netdev %s: %w", netdev, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			return nil, fmt.Errorf("netdev %s: packet socket: %w: CAP_NET_RAW is missing in this network namespace", netdev, err)
		}
		return nil, fmt.Errorf("netdev %s: packet socket: %w", netdev, err)
	}
	w := &wire{netdev: netdev, fd: fd, mtu: ifi.MTU}
	fail := func(what string, err error) (*wire, error) {
		w.ring.close()
		unix.Close(fd)
		return nil, fmt.Errorf("netdev %s: %s: %w", netdev, what, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, packetIgnoreOutgoing, 1); err != nil {
		return fail("PACKET_IGNORE_OUTGOING", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return fail("PACKET_AUXDATA", err)
	}
	mreq := unix.PacketMreq{Ifindex: int32(ifi.Index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
		return fail("promiscuous mode", err)
	}
	// Bursts must fit: without the privilege to exceed the limit take what it gives.
	for _, opt := range []int{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, 32<<20) == nil {
			break
		}
	}
	for _, opt := range []int{unix.SO_SNDBUFFORCE, unix.SO_SNDBUF} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, 8<<20) == nil {
			break
		}
	}
	if w.ring, err = openRing(fd, ifi.MTU); err != nil {
		return fail("receive ring", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: ifi.Index}); err != nil {
		return fail("bind", err)
	}
	w.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fail("eventfd", err)
	}
	return w, nil
}

// read calls deliver for each frame until interrupt, and idle whenever no frame
// waits. The slice is valid during the call only.
func (w *wire) read(deliver func(frame []byte), idle func()) error {
	buf := make([]byte, vlanTag+maxFrame) // of frames that fit no slot of the ring
	oob := make([]byte, 256)
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(w.stop), Events: unix.POLLIN}}
	for !w.stopping.Load() {
		if status, frame, ok := w.ring.head(); ok {
			switch {
			case frame != nil:
				deliver(frame)
			case status&unix.TP_STATUS_COPY != 0:
				n, oobn, _, _, err := unix.Recvmsg(w.fd, buf[vlanTag:], oob, unix.MSG_DONTWAIT)
				if err == nil {
					deliver(restore(buf, n, oob[:oobn]))
				} else {
					w.lost.Add(1)
				}
			default:
				w.lost.Add(1)
			}
			w.ring.release()
			continue
		}
		idle()
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("netdev %s: poll: %w", w.netdev, err)
		}
		if fds[0].Revents&unix.POLLERR != 0 {
			// Reading the error clears it: a netdev that is down says so once.
			switch e, err := unix.GetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_ERROR); {
			case err != nil:
				return fmt.Errorf("netdev %s: SO_ERROR: %w", w.netdev, err)
			case e != 0 && unix.Errno(e) != unix.ENETDOWN:
				return fmt.Errorf("netdev %s: receive: %w", w.netdev, unix.Errno(e))
			}
		}
	}
	idle()
	return nil
}

// restore gives the frame of n bytes at buf[vlanTag:] its tag and checksum back.
func restore(buf []byte, n int, oob []byte) []byte {
	frame := buf[vlanTag : vlanTag+n]
	aux, ok := auxdata(oob)
	if !ok {
		return frame
	}
	if aux.Status&statusCsumNotReady != 0 {
		completeChecksum(frame)
	}
	return retag(buf[:vlanTag+n], aux.Status, aux.Vlan_tci, aux.Vlan_tpid)
}

// retag gives the frame at buf[vlanTag:] back the tag that the kernel keeps beside
// it; buf's first bytes are room for it.
func retag(buf []byte, status uint32, tci, tpid uint16) []byte {
	if status&statusVLANValid == 0 || len(buf) < vlanTag+12 {
		return buf[vlanTag:]
	}
	if status&statusVLANTPIDValid == 0 {
		tpid = unix.ETH_P_8021Q
	}
	copy(buf[0:12], buf[vlanTag:vlanTag+12])
	binary.BigEndian.PutUint16(buf[12:], tpid)
	binary.BigEndian.PutUint16(buf[14:], tci)
	return buf
}

func auxdata(oob []byte) (unix.TpacketAuxdata, bool) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return unix.TpacketAuxdata{}, false
	}
	for _, m := range msgs {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA &&
			len(m.Data) >= int(unsafe.Sizeof(unix.TpacketAuxdata{})) {
			return *(*unix.TpacketAuxdata)(unsafe.Pointer(&m.Data[0])), true
		}
	}
	return unix.TpacketAuxdata{}, false
}

// losses is how many frames the kernel had no room for since the socket opened,
// and those that read could not take.
func (w *wire) losses() uint64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if !w.closed {
		// Reading sets the kernel's count to zero.
		if st, err := unix.GetsockoptTpacketStats(w.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			w.lost.Add(uint64(st.Drops))
		}
	}
	return w.lost.Load()
}

// interrupt makes read return.
func (w *wire) interrupt() {
	w.stopping.Store(true)
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(w.stop, one[:])
}

// close frees the descriptors; read must have returned.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	w.ring.close()
	unix.Close(w.fd)
	unix.Close(w.stop)
}
