// Package capture reads and writes files of captured Ethernet frames, pcap and
// pcapng, as the ports of a switch: in order of time over several files.
//
// In: names of files. Out: frames with port and time. Must not import: any other
// package of this module.
package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// File is one capture of what a port receives.
type File struct {
	Path string
	Port uint32
}

// Frame is one captured frame. Data is valid until the next call of Next.
type Frame struct {
	Port uint32
	Time time.Time
	Data []byte
	// Length is how long the frame was on the wire; Data is shorter when the
	// capture was told to cut.
	Length int
}

// Error is a fault in a capture, with the frame (from 1) it is at; 0 is the
// file's head.
type Error struct {
	Path  string
	Frame int
	Err   error
}

func (e *Error) Error() string {
	if e.Frame == 0 {
		return fmt.Sprintf("%s: no capture: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s: frame %d: %v", e.Path, e.Frame, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// errCut is what a file says that ends within a frame.
var errCut = errors.New("the file ends in the middle of it")

// source is what both formats' readers have in common.
type source interface {
	ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

// input is one open file with its next frame.
type input struct {
	file   File
	handle *os.File
	from   source
	frames int
	next   Frame
	ended  bool
}

// Reader merges captures in order of time; where times are equal the file named
// first comes first.
type Reader struct {
	inputs []*input
	last   *input // whose frame Next gave; it is refilled by the next call
}

// MaxFrame bounds a frame, so that a length out of a broken file asks for no memory.
const MaxFrame = 256 << 10

// Open opens captures.
func Open(files []File) (*Reader, error) {
	r := &Reader{}
	for _, f := range files {
		in, err := open(f)
		if err == nil {
			r.inputs = append(r.inputs, in)
			err = in.advance()
		}
		if err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

func open(f File) (*input, error) {
	h, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	from, err := newSource(h)
	if err != nil {
		h.Close()
		return nil, &Error{Path: f.Path, Err: err}
	}
	return &input{file: f, handle: h, from: from}, nil
}

// newSource tells the format by its magic number.
func newSource(h io.Reader) (source, error) {
	b := bufio.NewReaderSize(h, 1<<20)
	magic, err := b.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("shorter than a capture's magic number")
	}
	if [4]byte(magic) == [4]byte{0x0a, 0x0d, 0x0d, 0x0a} {
		// Frames of other link types are told from Ethernet one by one.
		r, err := pcapgo.NewNgReader(&blocks{r: b, order: binary.LittleEndian}, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, plain(err)
		}
		return ngSource{r}, nil
	}
	r, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, plain(err)
	}
	if r.LinkType() != layers.LinkTypeEthernet {
		return nil, fmt.Errorf("link type %d (%s), Ethernet is wanted", r.LinkType(), r.LinkType())
	}
	r.SetSnaplen(MaxFrame) // as others do: what the file says of it is often wrong
	return r, nil
}

// ngSource refuses frames that are not Ethernet.
type ngSource struct{ r *pcapgo.NgReader }

func (s ngSource) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	data, ci, err := s.r.ZeroCopyReadPacketData()
	if err == nil {
		i, ierr := s.r.Interface(ci.InterfaceIndex)
		if ierr != nil {
			return nil, ci, ierr
		}
		if i.LinkType != layers.LinkTypeEthernet {
			return nil, ci, fmt.Errorf("link type %d (%s), Ethernet is wanted", i.LinkType, i.LinkType)
		}
	}
	return data, ci, err
}

// plain gives the end of a file a name.
func plain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errCut
	}
	return err
}

// advance reads the input's next frame.
func (in *input) advance() (err error) {
	defer func() {
		// The library trusts lengths that a file gives it.
		if r := recover(); r != nil {
			err = &Error{in.file.Path, in.frames + 1, fmt.Errorf("broken: %v", r)}
		}
	}()
	data, ci, err := in.from.ZeroCopyReadPacketData()
	switch {
	case err == io.EOF:
		in.ended = true
		return nil
	case err != nil:
		return &Error{in.file.Path, in.frames + 1, plain(err)}
	}
	in.frames++
	in.next = Frame{Port: in.file.Port, Time: ci.Timestamp, Data: data, Length: max(ci.Length, len(data))}
	return nil
}

// Next gives the next frame, or io.EOF. After an *Error the other files can be
// read on.
func (r *Reader) Next() (Frame, error) {
	if in := r.last; in != nil {
		r.last = nil
		if err := in.advance(); err != nil {
			in.ended = true
			return Frame{}, err
		}
	}
	var first *input
	for _, in := range r.inputs {
		if !in.ended && (first == nil || in.next.Time.Before(first.next.Time)) {
			first = in
		}
	}
	if first == nil {
		return Frame{}, io.EOF
	}
	r.last = first
	return first.next, nil
}

// Close closes the files.
func (r *Reader) Close() {
	for _, in := range r.inputs {
		in.handle.Close()
	}
}

// Writer writes frames that leave a switch. A pcap has no place for the port;
// a pcapng has an interface a port.
type Writer struct {
	path   string
	handle *os.File
	buf    *bufio.Writer
	pcap   *pcapgo.Writer
	ng     *pcapgo.NgWriter
	ports  map[uint32]int // interface of a port
}

// Create makes a capture: pcapng when the name ends so, else pcap with
// nanoseconds.
func Create(path string) (*Writer, error) { return create(path, pcapgo.NewWriterNanos) }

// CreateMicro is Create of a pcap with microseconds, which is all that older
// programs read.
func CreateMicro(path string) (*Writer, error) { return create(path, pcapgo.NewWriter) }

func create(path string, pcap func(io.Writer) *pcapgo.Writer) (*Writer, error) {
	h, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, handle: h, buf: bufio.NewWriterSize(h, 1<<20)}
	if filepath.Ext(path) == ".pcapng" {
		w.ports = map[uint32]int{}
		return w, nil
	}
	w.pcap = pcap(w.buf)
	if err := w.pcap.WriteFileHeader(MaxFrame, layers.LinkTypeEthernet); err != nil {
		h.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

// Write appends a frame.
func (w *Writer) Write(f Frame) error {
	ci := gopacket.CaptureInfo{Timestamp: f.Time, CaptureLength: len(f.Data), Length: len(f.Data)}
	var err error
	if w.pcap != nil {
		err = w.pcap.WritePacket(ci, f.Data)
	} else if ci.InterfaceIndex, err = w.ngInterface(f.Port); err == nil {
		err = w.ng.WritePacket(ci, f.Data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", w.path, err)
	}
	return nil
}

// ngInterface finds or adds the interface of a port.
func (w *Writer) ngInterface(port uint32) (int, error) {
	if i, is := w.ports[port]; is {
		return i, nil
	}
	desc := pcapgo.NgInterface{Name: fmt.Sprintf("port %d", port), LinkType: layers.LinkTypeEthernet, TimestampResolution: 9}
	var i int
	var err error
	if w.ng == nil {
		w.ng, err = pcapgo.NewNgWriterInterface(w.buf, desc, pcapgo.NgWriterOptions{})
	} else {
		i, err = w.ng.AddInterface(desc)
	}
	if err == nil {
		w.ports[port] = i
	}
	return i, err
}

// Close completes the file.
func (w *Writer) Close() error {
	var err error
	if w.pcap == nil && w.ng == nil {
		_, err = w.ngInterface(0) // an empty pcapng has a head too
	}
	if w.ng != nil {
		err = errors.Join(err, w.ng.Flush())
	}
	if err = errors.Join(err, w.buf.Flush(), w.handle.Close()); err != nil {
		return fmt.Errorf("%s: %w", w.path, err)
	}
	return nil
}
