package bench

import (
	"fmt"
	"slices"
)

// Frames are the packets of a run: N of one length, N a power of two. Packet i
// of a call is frame i mod N.
type Frames struct {
	Len, N int
	data   []byte
}

// MakeFrames makes n frames of size bytes; make writes frame i. Frames differ in
// what a sender would vary (addresses, ports, checksums): the driver writes the
// bytes that differ for each packet, the others only where a program changed
// them.
func MakeFrames(n, size int, write func(i int, b []byte)) (*Frames, error) {
	if n < 1 || n&(n-1) != 0 || n > 1<<22 {
		return nil, fmt.Errorf("%d frames: it takes a power of two up to 2^22", n)
	}
	if size < 14 || size > 1500 {
		return nil, fmt.Errorf("frames of %d bytes: it takes 14 to 1,500", size)
	}
	f := &Frames{Len: size, N: n, data: make([]byte, n*size)}
	for i := range n {
		write(i, f.At(i))
	}
	return f, nil
}

// At is frame i mod N.
func (f *Frames) At(i int) []byte {
	i &= f.N - 1
	return f.data[i*f.Len : (i+1)*f.Len : (i+1)*f.Len]
}

// segment is a run of bytes that the driver writes for each packet.
type segment struct {
	off, len int
	varies   bool // from the frame's record, else the same for all
}

// plan cuts the bytes that must be written for each packet, those that differ
// between frames and those in dirty, into segments, and makes the records.
//
// Segments begin and end on even offsets and swallow gaps of up to two bytes,
// so that a field that a program reads at once was mostly written at once: a
// load that takes from two stores in flight waits for both, which packets from a
// wire never make it do.
func (f *Frames) plan(dirty []bool) (segs []segment, records []byte, stride int) {
	varies := make([]bool, f.Len)
	for i := 1; i < f.N; i++ {
		for k, b := range f.At(i) {
			varies[k] = varies[k] || b != f.data[k]
		}
	}
	for k := 0; k < f.Len; k += 2 {
		e := min(k+2, f.Len)
		any := func(s []bool) bool { return slices.Contains(s[k:e], true) }
		if !any(varies) && !any(dirty) {
			continue
		}
		v := any(varies)
		if n := len(segs) - 1; n >= 0 && segs[n].off+segs[n].len >= k-2 {
			segs[n].len = e - segs[n].off
			segs[n].varies = segs[n].varies || v
			continue
		}
		segs = append(segs, segment{k, e - k, v})
	}
	for _, s := range segs {
		if s.varies {
			stride += s.len
		}
	}
	if stride == 0 {
		return segs, nil, 0
	}
	size := 8
	for size < stride {
		size *= 2
	}
	records = make([]byte, f.N*size)
	for i := range f.N {
		at := i * size
		for _, s := range segs {
			if s.varies {
				at += copy(records[at:], f.At(i)[s.off:s.off+s.len])
			}
		}
	}
	return segs, records, size
}
