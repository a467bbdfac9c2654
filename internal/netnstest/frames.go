package netnstest

import (
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p4nic/p4nic/internal/netns"
)

// EtherType of numbered frames: the local experimental one, which no stack answers.
const EtherType = 0x88b5

// Frame is a numbered frame of 60 bytes: destination and source address, type,
// number (64 bits).
func Frame(dst, src [6]byte, number uint64) []byte {
	f := make([]byte, 60)
	copy(f, dst[:])
	copy(f[6:], src[:])
	binary.BigEndian.PutUint16(f[12:], EtherType)
	binary.BigEndian.PutUint64(f[14:], number)
	return f
}

// Number reads the number of a numbered frame.
func Number(frame []byte) (uint64, bool) {
	if len(frame) < 22 || binary.BigEndian.Uint16(frame[12:]) != EtherType {
		return 0, false
	}
	return binary.BigEndian.Uint64(frame[14:]), true
}

// Flow sends numbered frames on one socket, at a bounded rate, and receives
// them on another, until Stop.
type Flow struct {
	t        testing.TB
	in       *netns.Packets
	stop     chan struct{}
	sent     chan uint64
	seen     []bool
	received atomic.Uint64
	done     chan error
	double   uint64
	limit    uint64
	see      func([]byte)
}

// StartFlow starts to send frames made by frame, which gets their numbers, on
// out, and to collect them on in. Unless it is nil, see gets every numbered
// frame that arrives, in order, in a goroutine of its own.
func StartFlow(t testing.TB, out, in *netns.Packets, frame func(uint64) []byte, see func([]byte)) *Flow {
	f := &Flow{t: t, in: in, see: see, stop: make(chan struct{}), sent: make(chan uint64, 1), done: make(chan error, 1)}
	go func() {
		n := uint64(0)
		defer func() { f.sent <- n }()
		for {
			select {
			case <-f.stop:
				return
			default:
			}
			// A window keeps queues of the kernel from running over when the
			// receiver gets no CPU; a frame lost by the datapath closes it,
			// which Stop reports. A veth's ring has 256 places, and not for
			// these frames alone.
			if n >= f.received.Load()+128 {
				select {
				case <-f.stop:
					return
				case <-time.After(100 * time.Microsecond):
					continue
				}
			}
			if out.Send(frame(n)) != nil {
				return
			}
			n++
		}
	}()
	go f.collect()
	return f
}

func (f *Flow) collect() {
	limit := ^uint64(0) // number sent, once known
	deadline := time.Now().Add(time.Hour)
	for f.received.Load() < limit {
		frame, err := f.in.Recv(minTime(deadline, time.Now().Add(20*time.Millisecond)))
		if limit == ^uint64(0) {
			select {
			case limit = <-f.sent:
				deadline = time.Now().Add(3 * time.Second)
			default:
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if time.Now().After(deadline) {
				break
			}
			continue
		}
		if err != nil {
			f.done <- err
			return
		}
		n, ok := Number(frame)
		if !ok {
			continue
		}
		if f.see != nil {
			f.see(frame)
		}
		for uint64(len(f.seen)) <= n {
			f.seen = append(f.seen, false)
		}
		if f.seen[n] {
			f.double++
			continue
		}
		f.seen[n] = true
		f.received.Add(1)
	}
	f.limit = limit
	f.done <- nil
}

// Received is the number of frames that have arrived so far.
func (f *Flow) Received() uint64 { return f.received.Load() }

// WaitFor waits until n more frames have arrived.
func (f *Flow) WaitFor(n uint64) {
	f.t.Helper()
	want := f.Received() + n
	Eventually(f.t, 10*time.Second, "more frames arrive", func() bool { return f.Received() >= want })
}

// Stop ends the flow and tells how many frames were sent, did not arrive
// within three seconds, and arrived more than once.
func (f *Flow) Stop() (sent, lost, doubled uint64) {
	f.t.Helper()
	close(f.stop)
	Check(f.t, <-f.done)
	return f.limit, f.limit - f.received.Load(), f.double
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
