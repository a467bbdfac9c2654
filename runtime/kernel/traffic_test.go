package kernel

import (
	"bytes"
	"encoding/binary"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// Tables and actions of testdata/bridge.ir.
const (
	l2  = 0 // ethernet.dst, exact: drop, to(port), rewrite(dst, src, port); direct counter
	acl = 1 // ethernet.src, ternary: pass, drop

	l2Drop    = 0
	l2To      = 1
	l2Rewrite = 2
	aclDrop   = 1
)

func bridge(t *testing.T) *ir.Program {
	t.Helper()
	src, err := os.ReadFile("testdata/bridge.ir")
	netnstest.Check(t, err)
	p, err := ir.Parse("bridge.ir", src)
	netnstest.Check(t, err)
	return p
}

var (
	macA = [6]byte{2, 0, 0, 0, 2, 0}
	macB = [6]byte{2, 0, 0, 0, 2, 1}
)

func l2Entry(handle uint32, dst [6]byte, action int, args ...[]byte) ir.Entry {
	return ir.Entry{Handle: handle, Match: []ir.Match{{Value: dst[:]}}, Action: action, Args: args}
}

func portArg(n byte) []byte { return []byte{0, n} }

// traffic is the bridge on two ports with one entry, macB to port 1.
type traffic struct {
	*bench
	p   *Plane
	seq uint64
}

func newTraffic(t *testing.T, hook string) *traffic {
	t.Helper()
	b := &traffic{bench: newBench(t)}
	b.p = b.mustOpen()
	b.p.linger = time.Millisecond
	b.attach(b.p, hook)
	b.commit(false, l2Entry(1, macB, l2To, portArg(1)))
	return b
}

func (b *traffic) commit(keep bool, entries ...ir.Entry) {
	b.t.Helper()
	b.seq++
	g, err := b.p.Prepare(dataplane.Config{Program: bridge(b.t), Sequence: b.seq, KeepState: keep,
		Content: []dataplane.Content{{Entries: entries}, {}}})
	netnstest.Check(b.t, err)
	netnstest.Check(b.t, g.Commit())
}

func (b *traffic) apply(ops ...dataplane.Op) {
	b.t.Helper()
	if errs := b.p.Apply(ops); errs != nil {
		b.t.Fatalf("errors: %v", errs)
	}
}

// exchange sends a frame to a destination and gives what arrives at the far end of
// port 1, nil for nothing. A second frame to macB tells when the first would have come.
func (b *traffic) exchange(dst [6]byte, src [6]byte) []byte {
	b.t.Helper()
	out, in := netnstest.Packets(b.t, b.far[0], "eth0"), netnstest.Packets(b.t, b.far[1], "eth0")
	netnstest.Check(b.t, out.Send(netnstest.Frame(dst, src, 1)))
	netnstest.Check(b.t, out.Send(netnstest.Frame(macB, macA, 2)))
	var got []byte
	for {
		f, err := in.Recv(time.Now().Add(5 * time.Second))
		netnstest.Check(b.t, err)
		switch n, ok := netnstest.Number(f); {
		case ok && n == 1:
			got = bytes.Clone(f)
		case ok && n == 2:
			return got
		}
	}
}

func (b *traffic) hits(handles ...uint32) []uint64 {
	b.t.Helper()
	out := make([]dataplane.Counter, len(handles))
	netnstest.Check(b.t, b.p.Counters(l2, handles, out))
	var n []uint64
	for _, c := range out {
		if c.Bytes != 60*c.Packets {
			b.t.Errorf("%d packets of 60 bytes have %d bytes", c.Packets, c.Bytes)
		}
		n = append(n, c.Packets)
	}
	return n
}

func equal(t *testing.T, what string, got []uint64, want ...uint64) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

// Insert, modify, delete and the default action on frames, counters exact.
func TestEntriesOnTraffic(t *testing.T) {
	for _, hook := range hookNames {
		t.Run(hook, func(t *testing.T) {
			b := newTraffic(t, hook)
			if !b.answers() {
				t.Error("frames for the host port do not reach the host")
			}
			dst := [6]byte{2, 0, 0, 0, 9, 9}
			if got := b.exchange(dst, macA); got != nil {
				t.Errorf("the default action forwards: %x", got)
			}
			equal(t, "default", b.hits(0, 1, 7), 1, 1, 0)
			b.apply(dataplane.Op{Kind: dataplane.Insert, Table: l2, Entry: l2Entry(7, dst, l2To, portArg(1))})
			if got := b.exchange(dst, macA); !bytes.HasPrefix(got, append(dst[:], macA[:]...)) {
				t.Errorf("inserted: %x", got)
			}
			newDst, newSrc := []byte{6, 1, 1, 1, 1, 1}, []byte{6, 2, 2, 2, 2, 2}
			b.apply(dataplane.Op{Kind: dataplane.Modify, Table: l2, Entry: l2Entry(7, dst, l2Rewrite, newDst, newSrc, portArg(1))})
			if got := b.exchange(dst, macA); !bytes.HasPrefix(got, append(bytes.Clone(newDst), newSrc...)) {
				t.Errorf("modified: %x", got)
			}
			equal(t, "entry", b.hits(0, 1, 7), 1, 3, 2)
			// The acl comes after l2 and sees what that has written.
			b.apply(dataplane.Op{Kind: dataplane.Modify, Table: l2, Entry: l2Entry(7, dst, l2To, portArg(1))})
			b.apply(dataplane.Op{Kind: dataplane.Insert, Table: acl, Entry: ir.Entry{Handle: 1, Priority: 10, Action: aclDrop,
				Match: []ir.Match{{Value: []byte{0, 0, 0, 0, 0, 1}, Mask: []byte{0, 0, 0, 0, 0, 1}}}}})
			if got := b.exchange(dst, [6]byte{2, 0, 0, 0, 0, 3}); got != nil {
				t.Errorf("through the acl: %x", got)
			}
			if got := b.exchange(dst, [6]byte{2, 0, 0, 0, 0, 4}); got == nil {
				t.Error("the acl drops what it does not match")
			}
			b.apply(dataplane.Op{Kind: dataplane.Delete, Table: l2, Entry: l2Entry(7, dst, 0)})
			if got := b.exchange(dst, macA); got != nil {
				t.Errorf("deleted: %x", got)
			}
			equal(t, "deleted", b.hits(0, 1, 7), 2, 6, 4)
			b.apply(dataplane.Op{Kind: dataplane.SetDefault, Table: l2, Entry: ir.Entry{Action: l2To, Args: [][]byte{portArg(1)}}})
			if got := b.exchange(dst, macA); got == nil {
				t.Error("the new default action does not forward")
			}
			equal(t, "default again", b.hits(0, 1, 7), 3, 7, 4)
			var seen [1]dataplane.Counter
			netnstest.Check(t, b.p.InstanceCounters("ig.seen", []uint32{3}, seen[:]))
			if want := (dataplane.Counter{Packets: 14, Bytes: 14 * 60}); seen[0] != want {
				t.Errorf("indirect counter %v, want %v", seen[0], want)
			}
			s0, err := b.p.PortStats(0)
			netnstest.Check(t, err)
			s1, err := b.p.PortStats(1)
			netnstest.Check(t, err)
			if s0.RxPackets < 14 || s1.TxPackets != 11 || s1.TxBytes != 11*60 || s0.Drops < 3 {
				t.Errorf("port statistics %+v %+v", s0, s1)
			}
			drops, err := b.p.Drops()
			netnstest.Check(t, err)
			if drops[0] != (dataplane.Counter{Packets: 3, Bytes: 180}) {
				t.Errorf("drops by the program %v", drops[0])
			}
		})
	}
}

// Every frame sees an entry as it was or as it is, whatever else changes; none is
// lost, all are counted, over changes of entries and of generations.
func TestChangesUnderTraffic(t *testing.T) {
	for _, hook := range hookNames {
		t.Run(hook, func(t *testing.T) {
			b := newTraffic(t, hook)
			forms := [][]byte{
				append(bytes.Clone(macB[:]), macA[:]...),
				{6, 1, 1, 1, 1, 1, 6, 1, 1, 1, 1, 1},
				{6, 2, 2, 2, 2, 2, 6, 2, 2, 2, 2, 2},
			}
			form := func(n int) ir.Entry {
				if n == 0 {
					return l2Entry(1, macB, l2To, portArg(1))
				}
				return l2Entry(1, macB, l2Rewrite, forms[n][:6], forms[n][6:], portArg(1))
			}
			var seen [3]atomic.Uint64
			var torn atomic.Uint64
			out, in := netnstest.Packets(t, b.far[0], "eth0"), netnstest.Packets(t, b.far[1], "eth0")
			f := netnstest.StartFlow(t, out, in, func(n uint64) []byte { return netnstest.Frame(macB, macA, n) }, func(frame []byte) {
				for i, want := range forms {
					if bytes.Equal(frame[:12], want) {
						seen[i].Add(1)
						return
					}
				}
				torn.Add(1)
			})
			other := func(n int) [6]byte {
				var mac [6]byte
				binary.BigEndian.PutUint32(mac[2:], uint32(n))
				return mac
			}
			for round := range 6 {
				for n := range 30 {
					b.apply(dataplane.Op{Kind: dataplane.Modify, Table: l2, Entry: form((round + n) % 3)})
				}
				f.WaitFor(20)
				var add, remove []dataplane.Op
				for n := range 200 {
					e := l2Entry(uint32(n+2), other(n), l2Drop)
					add = append(add, dataplane.Op{Kind: dataplane.Insert, Table: l2, Entry: e})
					remove = append(remove, dataplane.Op{Kind: dataplane.Delete, Table: l2, Entry: e})
				}
				b.apply(add...)
				// The entry changes hands within one batch.
				mine, next := form(1), form(2)
				next.Handle = 900
				b.apply(dataplane.Op{Kind: dataplane.Delete, Table: l2, Entry: mine}, dataplane.Op{Kind: dataplane.Insert, Table: l2, Entry: next})
				f.WaitFor(20)
				b.apply(dataplane.Op{Kind: dataplane.Delete, Table: l2, Entry: next}, dataplane.Op{Kind: dataplane.Insert, Table: l2, Entry: form(0)})
				b.apply(remove...)
				b.commit(true, form(round%3))
				f.WaitFor(20)
			}
			sent, lost, doubled := f.Stop()
			if lost != 0 || doubled != 0 || torn.Load() != 0 {
				t.Errorf("of %d frames %d lost, %d doubled, %d neither old nor new", sent, lost, doubled, torn.Load())
			}
			for i := range seen {
				if seen[i].Load() == 0 {
					t.Errorf("no frame saw form %d", i)
				}
			}
			n := b.hits(0, 1, 900)
			if n[0] != 0 || n[1]+n[2] != sent {
				t.Errorf("counted %v of %d frames", n, sent)
			}
		})
	}
}

func TestCheckProgram(t *testing.T) {
	b := newBench(t)
	p := b.mustOpen()
	netnstest.Check(t, p.Check(bridge(t)))
	prog := bridge(t)
	prog.Tables[acl].Size = 1 << 23
	err := p.Check(prog)
	u, ok := err.(*dataplane.Unsupported)
	if !ok || u.Construct != "table ig.acl" {
		t.Errorf("got %v", err)
	}
}
