package kernel

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// An access list outgrows its match structure while frames pass and the list
// changes: masks at random make classes of 8 bits of it. In every state that the
// list ever has, the first rule lets the frames pass and the last drops all: a
// frame that is missing was matched against no such state.
func TestEngineChangeUnderTraffic(t *testing.T) {
	for _, hook := range hookNames {
		t.Run(hook, func(t *testing.T) {
			b := newTraffic(t, hook)
			pass := ir.Entry{Handle: 1, Priority: 1 << 20, Match: []ir.Match{{Value: macA[:], Mask: bytes.Repeat([]byte{0xff}, 6)}}, Action: 0}
			drop := ir.Entry{Handle: 2, Priority: 1, Match: []ir.Match{{Value: make([]byte, 6), Mask: make([]byte, 6)}}, Action: aclDrop}
			b.apply(dataplane.Op{Kind: dataplane.Insert, Table: acl, Entry: pass}, dataplane.Op{Kind: dataplane.Insert, Table: acl, Entry: drop})
			out, in := netnstest.Packets(t, b.far[0], "eth0"), netnstest.Packets(t, b.far[1], "eth0")
			f := netnstest.StartFlow(t, out, in, func(n uint64) []byte { return netnstest.Frame(macB, macA, n) }, func([]byte) {})
			r := rand.New(rand.NewPCG(1, 2))
			handle := uint32(3)
			var batch []dataplane.Op
			for !b.p.live.opt.Hints[acl].Narrow && handle < 500 {
				batch = batch[:0]
				for range 30 {
					v, m := make([]byte, 6), make([]byte, 6)
					for i := range m {
						m[i] = byte(r.Uint32())
						v[i] = byte(r.Uint32()) & m[i]
					}
					batch = append(batch, dataplane.Op{Kind: dataplane.Insert, Table: acl,
						Entry: ir.Entry{Handle: handle, Priority: int32(2 + handle), Match: []ir.Match{{Value: v, Mask: m}}, Action: aclDrop}})
					handle++
				}
				b.apply(batch...)
				f.WaitFor(20)
			}
			if !b.p.live.opt.Hints[acl].Narrow {
				t.Fatalf("after %d entries the match structure is as it was", handle)
			}
			for i := range batch {
				batch[i].Kind = dataplane.Delete
			}
			b.apply(batch...)
			f.WaitFor(200)
			if sent, lost, doubled := f.Stop(); lost != 0 || doubled != 0 {
				t.Errorf("of %d frames %d lost, %d doubled", sent, lost, doubled)
			} else if n := b.hits(0, 1); n[0] != 0 || n[1] != sent {
				t.Errorf("counted %v of %d frames", n, sent)
			}
			// The list is in force.
			b.apply(dataplane.Op{Kind: dataplane.Delete, Table: acl, Entry: pass})
			b.apply(dataplane.Op{Kind: dataplane.Modify, Table: acl, Entry: drop})
			b.dropped(macA)
			// And what comes after it begins with what is planned.
			b.commit(true, l2Entry(1, macB, l2To, portArg(1)))
			if b.exchange(macB, macA) == nil {
				t.Error("no frame passed after a reload")
			}
		})
	}
}

// dropped sends a frame and waits until the program has dropped it.
func (b *traffic) dropped(src [6]byte) {
	b.t.Helper()
	before, err := b.p.Drops()
	netnstest.Check(b.t, err)
	out := netnstest.Packets(b.t, b.far[0], "eth0")
	netnstest.Check(b.t, out.Send(netnstest.Frame(macB, src, 7)))
	netnstest.Eventually(b.t, 5*time.Second, "a dropped frame", func() bool {
		now, err := b.p.Drops()
		netnstest.Check(b.t, err)
		return now[0].Packets > before[0].Packets
	})
}

// A routing table larger than what prefixes usually take: it grows while entries
// are inserted, and at once where they are there from the start.
func TestTrieGrows(t *testing.T) {
	const size = 60000
	var all []ir.Entry
	r := rand.New(rand.NewPCG(7, 7))
	seen := map[uint32]bool{}
	for len(all) < size {
		a := r.Uint32()
		if seen[a] {
			continue
		}
		seen[a] = true
		all = append(all, ir.Entry{Handle: uint32(len(all) + 1), Action: aPack, Args: [][]byte{{0, 1}},
			Match: []ir.Match{{Value: binary.BigEndian.AppendUint32(nil, a), PrefixLen: 32}}})
	}
	b := newTables(t)
	prog := tablesProgram()
	prog.Tables[tLPM].Size = size
	conf := dataplane.Config{Program: prog, Sequence: 2, Content: make([]dataplane.Content, tables)}
	for i := range conf.Content {
		conf.Content[i].Default = entry(tNone, 0, 1, aNone)
	}
	check := func(how string) {
		t.Helper()
		tab := b.p.live.tables[tLPM]
		for i := range all {
			if got := tab.writer.Lookup([][]byte{all[i].Match[0].Value}); got != all[i].Handle {
				t.Fatalf("%s: entry %d is found as %d", how, all[i].Handle, got)
			}
		}
		if b.p.live.opt.Hints[tLPM].Units == 0 {
			t.Errorf("%s: it fits, the test is of no use", how)
		}
	}
	commit := func() {
		g, err := b.p.Prepare(conf)
		netnstest.Check(t, err)
		netnstest.Check(t, g.Commit())
	}
	commit()
	if errs := b.p.Apply([]dataplane.Op{op(dataplane.Insert, tHash, entry(tHash, 3, 3, aSlot))}); errs != nil {
		t.Fatal(errs)
	}
	for from := 0; from < size; from += 5000 {
		var ops []dataplane.Op
		for _, e := range all[from:][:5000] {
			ops = append(ops, op(dataplane.Insert, tLPM, e))
		}
		if errs := b.p.Apply(ops); errs != nil {
			t.Fatal(errs)
		}
	}
	check("inserted")
	if errs := b.p.Apply([]dataplane.Op{op(dataplane.Delete, tHash, entry(tHash, 3, 3, 0))}); errs != nil {
		t.Fatal("another table was not kept:", errs)
	}
	conf.Sequence, conf.Content[tLPM].Entries = 3, all
	commit()
	check("from the start")
}
