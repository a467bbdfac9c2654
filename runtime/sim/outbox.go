package sim

import (
	"errors"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// outboxes are the frames that one reader has forwarded and not sent yet, by wire:
// many leave with one system call. They belong to the reader's goroutine.
type outboxes struct{ list []*outbox }

// outbox holds frames for one wire in order.
type outbox struct {
	to    *wire
	sent  *stats // counts frames that left as transmitted; nil: nobody counts them
	lost  *stats // counts frames that did not as dropped
	arena []byte
	ends  []int // of each frame in arena
	iovs  []unix.Iovec
	msgs  []mmsghdr
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// An outbox is sent when it holds so much, and whenever its reader has nothing to read.
const (
	outboxFrames = 64
	outboxBytes  = 256 << 10
)

// put copies a frame into the outbox of a wire. Whom it counts for may change
// from frame to frame, so what is there for another is sent first.
func (o *outboxes) put(to *wire, frame []byte, sent, lost *stats) {
	var b *outbox
	for _, c := range o.list {
		if c.to == to {
			b = c
		}
	}
	if b == nil {
		b = &outbox{to: to}
		o.list = append(o.list, b)
	}
	if len(b.ends) == outboxFrames || len(b.ends) > 0 &&
		(len(b.arena)+len(frame) > outboxBytes || b.sent != sent || b.lost != lost) {
		b.flush()
	}
	b.sent, b.lost = sent, lost
	b.arena = append(b.arena, frame...)
	b.ends = append(b.ends, len(b.arena))
}

// flush sends everything, and forgets wires that have been closed meanwhile.
func (o *outboxes) flush() {
	open := o.list[:0]
	for _, b := range o.list {
		if b.flush() {
			open = append(open, b)
		}
	}
	clear(o.list[len(open):])
	o.list = open
}

// flush sends the outbox; false when its wire is closed.
func (b *outbox) flush() bool {
	if len(b.ends) == 0 {
		return true
	}
	b.iovs, b.msgs = b.iovs[:0], b.msgs[:0]
	for i, at := 0, 0; i < len(b.ends); at, i = b.ends[i], i+1 {
		v := unix.Iovec{Base: unsafe.SliceData(b.arena[at:])}
		v.SetLen(b.ends[i] - at)
		b.iovs = append(b.iovs, v)
	}
	for i := range b.iovs {
		m := mmsghdr{}
		m.hdr.Iov = &b.iovs[i]
		m.hdr.SetIovlen(1)
		b.msgs = append(b.msgs, m)
	}
	err := b.to.sendAll(b.msgs, func(i int, err error) {
		if err != nil {
			b.lost.drops.Add(1)
		} else if b.sent != nil {
			b.sent.txPackets.Add(1)
			b.sent.txBytes.Add(uint64(b.iovs[i].Len))
		}
	})
	b.arena, b.ends = b.arena[:0], b.ends[:0]
	return !errors.Is(err, net.ErrClosed)
}

// sendAll puts frames on the netdev in order and tells of each whether it went.
// Any goroutine may call it, after close too: then the error is net.ErrClosed.
func (w *wire) sendAll(msgs []mmsghdr, done func(i int, err error)) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for i := 0; i < len(msgs); {
		if w.closed {
			done(i, net.ErrClosed)
			i++
			continue
		}
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(w.fd), uintptr(unsafe.Pointer(&msgs[i])), uintptr(len(msgs)-i), 0, 0, 0)
		switch errno {
		case 0:
			for range n {
				done(i, nil)
				i++
			}
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS:
			// The queue is full: wait for room, as a switch port's queue would.
			fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}
			if _, err := unix.Poll(fds, 10); err != nil && !errors.Is(err, unix.EINTR) {
				done(i, err)
				i++
			}
		default:
			done(i, errno)
			i++
		}
	}
	if w.closed {
		return net.ErrClosed
	}
	return nil
}
