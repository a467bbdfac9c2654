// Package kernelrun plays packets through harness programs of backend/ebpf with
// BPF_PROG_TEST_RUN, those with copies too: what XDP hands over goes on at tc as it
// does with netdevs.
//
// In: loaded programs (ebpf.Options.Harness) and their maps. Out: all packets that
// they send. Must not import: runtime, nicctl.
package kernelrun

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// Prefix is the Options.StartOffset that programs are compiled with: TEST_RUN takes
// no packet that is not longer than an Ethernet header (D20).
const Prefix = 14

// growth is how much longer than it came in a packet may leave.
const growth = 512

// Run is a program with what it needs to play packets. Not for concurrent use.
type Run struct {
	Main    *ebpf.Program
	Machine *ebpf.Program // nil: the program makes no copies
	// Maps finds a map of the programs by its name in MapSpec.
	Maps func(name string) *ebpf.Map
	// Now is the time that programs see, in nanoseconds.
	Now uint64

	in, buf []byte
	out     []Packet
}

// Packet is a packet that goes out.
type Packet struct {
	Port uint32
	Data []byte
}

// Dropped says why a packet, or one of its copies, was dropped: a ssa.DropReason or
// one of the back end's. That a program asked for it is no error of Process.
type Dropped struct{ Reason uint32 }

func (d *Dropped) Error() string {
	if d.Reason <= uint32(ssa.DropPort) {
		return "dropped: " + ssa.DropReason(d.Reason).String()
	}
	return fmt.Sprintf("dropped for reason %d of the back end", d.Reason)
}

// Process plays one packet. What it gives is valid until the next call.
func (r *Run) Process(port uint32, data []byte) ([]Packet, error) {
	r.out = r.out[:0]
	r.in = append(append(r.in[:0], make([]byte, Prefix)...), data...)
	if n := len(r.in) + growth; cap(r.buf) < n {
		r.buf = make([]byte, n)
	}
	res, n, err := r.run(r.Main, port, nil)
	if err != nil {
		return nil, err
	}
	if res.Verdict == backend.VerdictFork {
		if res, n, err = r.takeOver(port, res.Port); err != nil {
			return nil, err
		}
	}
	switch res.Verdict {
	case backend.VerdictDrop:
		return nil, dropped(res.Reason)
	case backend.VerdictCopies:
		if err := r.copies(res.Port); err != nil {
			return nil, err
		}
		return r.out, dropped(res.Reason)
	case backend.VerdictOutput:
	default:
		return nil, errors.New("the program ended without a verdict")
	}
	if n < Prefix {
		return nil, fmt.Errorf("%d bytes are less than the prefix", n)
	}
	if res.Port != backend.PortDrop {
		r.out = append(r.out, Packet{res.Port, r.buf[Prefix:n]})
	}
	return r.out, nil
}

// dropped is nil for what the program asked for.
func dropped(reason uint32) error {
	if reason == uint32(ssa.DropProgram) {
		return nil
	}
	return &Dropped{reason}
}

// run plays r.in; it gives the length of what is in r.buf.
func (r *Run) run(p *ebpf.Program, port uint32, context []byte) (res backend.Result, n int, err error) {
	m := r.Maps(backend.MapResult)
	if err := m.Put(uint32(0), backend.Result{Ingress: port, Now: r.Now}); err != nil {
		return res, 0, err
	}
	o := ebpf.RunOptions{Data: r.in, DataOut: r.buf[:len(r.in)+growth]}
	if context != nil {
		o.Context = context
	}
	if _, err := p.Run(&o); err != nil {
		return res, 0, err
	}
	return res, len(o.DataOut), m.Lookup(uint32(0), &res)
}

// takeOver plays on tc what XDP has passed up.
func (r *Run) takeOver(port, slot uint32) (backend.Result, int, error) {
	const skbSize, cb = 192, 48
	var b [backend.HandoverSize]byte
	if err := r.Maps(backend.MapHandover).Lookup(slot, b[:]); err != nil {
		return backend.Result{}, 0, err
	}
	skb := make([]byte, skbSize)
	for i, w := range backend.HandoverCB(slot, binary.LittleEndian.Uint64(b[:])) {
		binary.LittleEndian.PutUint32(skb[cb+4*i:], w)
	}
	return r.run(r.Machine, port, skb)
}

// copies reads what the machine sent.
func (r *Run) copies(n uint32) error {
	outputs := r.Maps(backend.MapOutputs)
	for i := range n {
		var o backend.Output
		if err := outputs.Lookup(i, &o); err != nil {
			return err
		}
		if o.Len > backend.OutputBytes {
			return fmt.Errorf("a packet of %d bytes; a harness sees %d", o.Len, backend.OutputBytes)
		}
		r.out = append(r.out, Packet{o.Port, o.Data[:o.Len:o.Len]})
	}
	return nil
}
