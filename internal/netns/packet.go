package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Packets is an AF_PACKET socket bound to one device: whole frames in and out,
// VLAN tags in the frame even where the kernel carries them beside it. Send and
// Recv may run in two goroutines.
type Packets struct {
	fd  int
	dev string
	buf []byte // the receiver's
	oob []byte
}

// OpenPackets opens a packet socket on a device. It does not see frames that
// this host sends on it (D8). The receive buffer is as large as the privileges
// allow, so that a reader that is scheduled late loses nothing.
func (n *NS) OpenPackets(dev string) (*Packets, error) {
	index, err := n.Index(dev)
	if err != nil {
		return nil, err
	}
	var fd int
	err = n.Do(func() error {
		// Protocol 0: nothing is queued before the socket is bound to its device.
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("packet socket on %s: %w (needs CAP_NET_RAW)", dev, err)
	}
	const buffer = 64 << 20
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer) // the kernel clamps it
	}
	for _, o := range []int{unix.PACKET_IGNORE_OUTGOING, unix.PACKET_AUXDATA} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, o, 1); err != nil {
			return nil, errors.Join(fmt.Errorf("packet socket option %d: %w", o, err), unix.Close(fd))
		}
	}
	const all = unix.ETH_P_ALL
	addr := &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: index}
	if err := unix.Bind(fd, addr); err != nil {
		return nil, errors.Join(fmt.Errorf("bind packet socket to %s: %w", dev, err), unix.Close(fd))
	}
	return &Packets{fd: fd, dev: dev, buf: make([]byte, 1<<17), oob: make([]byte, 256)}, nil
}

// Send sends one frame, Ethernet header first. It waits while the device's
// queue is full.
func (p *Packets) Send(frame []byte) error {
	for {
		_, err := unix.Write(p.fd, frame)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		default:
			return fmt.Errorf("send on %s: %w", p.dev, err)
		}
	}
}

// Recv gives the next frame, or os.ErrDeadlineExceeded. The slice is valid
// until the next call.
func (p *Packets) Recv(deadline time.Time) ([]byte, error) {
	for {
		n, oobn, flags, _, err := unix.Recvmsg(p.fd, p.buf[4:], p.oob, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			left := time.Until(deadline)
			if left <= 0 {
				return nil, os.ErrDeadlineExceeded
			}
			ms := int(left/time.Millisecond) + 1
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, ms); err != nil && !errors.Is(err, unix.EINTR) {
				return nil, err
			}
			continue
		case err != nil:
			return nil, fmt.Errorf("receive on %s: %w", p.dev, err)
		}
		if flags&unix.MSG_TRUNC != 0 && n > len(p.buf)-4 {
			return nil, fmt.Errorf("receive on %s: frame of %d bytes is too long", p.dev, n)
		}
		return p.withTag(n, p.oob[:oobn])
	}
}

// withTag puts the VLAN tag from auxdata back between the addresses and the
// type; the frame starts at buf[4].
func (p *Packets) withTag(n int, oob []byte) ([]byte, error) {
	frame := p.buf[4 : 4+n]
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		// struct tpacket_auxdata: status, len, snaplen u32; mac, net, vlan_tci, vlan_tpid u16
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 || n < 12 {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		if status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tpid := uint16(unix.ETH_P_8021Q)
		if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = binary.NativeEndian.Uint16(m.Data[18:])
		}
		copy(p.buf[:12], frame[:12])
		binary.BigEndian.PutUint16(p.buf[12:], tpid)
		binary.BigEndian.PutUint16(p.buf[14:], binary.NativeEndian.Uint16(m.Data[16:]))
		return p.buf[:4+n], nil
	}
	return frame, nil
}

// Lost is the number of frames that the kernel dropped since the last call
// because the receive buffer was full.
func (p *Packets) Lost() (uint32, error) {
	s, err := unix.GetsockoptTpacketStats(p.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, err
	}
	return s.Drops, nil
}

// Close closes the socket; not while Send or Recv runs.
func (p *Packets) Close() error { return unix.Close(p.fd) }
