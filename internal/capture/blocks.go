package capture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// blocks passes the bytes of a pcapng through and checks the length that each
// block claims, and each frame in it, before the library makes room for it
// (draft-ietf-opsawg-pcapng, section 3.1 and 4).
type blocks struct {
	r     *bufio.Reader
	order binary.ByteOrder
	left  int // bytes of the block that are still to pass
}

// maxBlock bounds a block: a frame with its options.
const maxBlock = 16 << 20

// Types of blocks.
const (
	sectionBlock  = 0x0a0d0d0a
	oldFrameBlock = 2
	simpleBlock   = 3
	frameBlock    = 6
)

func (b *blocks) Read(p []byte) (int, error) {
	if b.left == 0 {
		if err := b.check(); err != nil {
			return 0, err
		}
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// check looks at the head of the next block.
func (b *blocks) check() error {
	head, err := b.r.Peek(12)
	if len(head) == 0 {
		return err
	}
	if len(head) < 12 {
		return io.ErrUnexpectedEOF
	}
	if binary.LittleEndian.Uint32(head) == sectionBlock {
		b.order = binary.LittleEndian
		if binary.BigEndian.Uint32(head[8:]) == 0x1a2b3c4d {
			b.order = binary.BigEndian
		}
	}
	length := b.order.Uint32(head[4:])
	if length < 12 || length > maxBlock {
		return fmt.Errorf("a block of %d bytes", length)
	}
	var frame uint32
	switch b.order.Uint32(head) {
	case frameBlock, oldFrameBlock:
		if head, err = b.r.Peek(24); err != nil {
			return io.ErrUnexpectedEOF
		}
		frame = b.order.Uint32(head[20:])
	case simpleBlock:
		// The frame is cut to the interface's snap length, if that is shorter.
		frame = min(b.order.Uint32(head[8:]), length-12)
	}
	if frame > min(length-12, MaxFrame) {
		return fmt.Errorf("a frame of %d bytes in a block of %d", frame, length)
	}
	b.left = int(length)
	return nil
}
