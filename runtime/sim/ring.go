package sim

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is the receive ring of a packet socket, version 2 of its layout
// (Documentation/networking/packet_mmap.rst): slots of one size that the kernel
// fills in order and this process gives back. Version 2 hands over frame by frame;
// version 3's blocks would hold a frame back for up to a millisecond.
//
// A frame that is longer than a slot (a GSO frame of a veth) comes through the
// socket's queue, its slot says so and keeps its place in order.
type ring struct {
	mem   []byte
	slot  int // bytes of a slot
	count int
	next  int // slot that is filled next
}

// ringBytes is the memory of one ring: 8,192 slots of 2 KiB for an MTU of 1,500.
const ringBytes = 16 << 20

// slotOverhead is what a slot holds beside the frame: the kernel's header, an
// address, the room for a tag, the link layer's header.
const slotOverhead = 128

func openRing(fd, mtu int) (*ring, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_RESERVE, vlanTag); err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_COPY_THRESH, 1); err != nil {
		return nil, err
	}
	r := &ring{slot: 2048}
	for r.slot < mtu+slotOverhead && r.slot < 1<<16 {
		r.slot *= 2
	}
	block := max(r.slot, 1<<16)
	// Where memory is short a smaller ring serves too.
	for size := ringBytes; ; size /= 2 {
		r.count = size / r.slot
		req := unix.TpacketReq{Block_size: uint32(block), Block_nr: uint32(size / block), Frame_size: uint32(r.slot), Frame_nr: uint32(r.count)}
		err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req)
		if err == nil {
			r.mem, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			return r, err
		}
		if err != unix.ENOMEM || size <= 1<<20 {
			return nil, err
		}
	}
}

// header is the kernel's record at the start of slot i.
func (r *ring) header(i int) *unix.Tpacket2Hdr {
	return (*unix.Tpacket2Hdr)(unsafe.Pointer(&r.mem[i*r.slot]))
}

// head gives the next frame if there is one: whole, tag and checksum restored, in
// the ring's memory until release. The frame is nil when the slot could not hold
// it; status then says whether it waits in the socket's queue (TP_STATUS_COPY).
func (r *ring) head() (status uint32, frame []byte, ok bool) {
	h := r.header(r.next)
	if status = atomic.LoadUint32(&h.Status); status&unix.TP_STATUS_USER == 0 {
		return 0, nil, false
	}
	if h.Snaplen < h.Len {
		return status, nil, true
	}
	at := r.next*r.slot + int(h.Mac)
	end := at + int(h.Snaplen)
	if status&statusCsumNotReady != 0 {
		completeChecksum(r.mem[at:end])
	}
	return status, retag(r.mem[at-vlanTag:end:end], status, h.Vlan_tci, h.Vlan_tpid), true
}

// release gives the slot of head back to the kernel.
func (r *ring) release() {
	atomic.StoreUint32(&r.header(r.next).Status, unix.TP_STATUS_KERNEL)
	if r.next++; r.next == r.count {
		r.next = 0
	}
}

func (r *ring) close() {
	if r != nil && r.mem != nil {
		_ = unix.Munmap(r.mem)
		r.mem = nil
	}
}
