package ebpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// loadMachine loads the program that copies go on in, into slot 1 of generation 0.
func (k *kernel) loadMachine() {
	k.t.Helper()
	if k.obj.Machine == nil {
		return
	}
	makeMaps(k.t, DeviceMaps(), k.maps)
	// The scratch maps of the two programs differ in size.
	maps := map[string]*ebpf.Map{}
	for n, m := range k.maps {
		if n != MapScratch {
			maps[n] = m
		}
	}
	makeMaps(k.t, k.obj.Machine.Maps, maps)
	for n, m := range maps {
		k.maps[n] = m
	}
	k.machine = loadProg(k.t, k.obj.Machine, maps)
	netnstest.Check(k.t, k.maps[MapProgsTC].Put(ProgSlot(0, 1), k.machine))
}

// runAll plays a packet and gives all outputs, or nothing and the reason of a drop.
func (k *kernel) runAll(ingress uint32, pkt []byte) ([]ssa.Output, int) {
	k.t.Helper()
	port, out := k.run(ingress, pkt)
	switch port {
	case runCopies:
		return k.outputs()
	case runFork:
		return k.takeOver(ingress, pkt)
	}
	if port < 0 {
		return nil, -1 - port
	}
	if port == PortDrop {
		return nil, int(ssa.DropProgram)
	}
	return []ssa.Output{{Port: uint32(port), Data: out}}, 0
}

func (k *kernel) result() (r Result) {
	k.t.Helper()
	netnstest.Check(k.t, k.maps[MapResult].Lookup(uint32(0), &r))
	return r
}

func (k *kernel) outputs() (out []ssa.Output, reason int) {
	k.t.Helper()
	r := k.result()
	for i := range r.Port {
		var o Output
		netnstest.Check(k.t, k.maps[MapOutputs].Lookup(i, &o))
		out = append(out, ssa.Output{Port: o.Port, Data: bytes.Clone(o.Data[:o.Len])})
	}
	return out, int(r.Reason)
}

// takeOver plays what XDP passed up on tc.
func (k *kernel) takeOver(ingress uint32, pkt []byte) ([]ssa.Output, int) {
	k.t.Helper()
	slot := k.result().Port
	s := make([]byte, HandoverSize)
	netnstest.Check(k.t, k.maps[MapHandover].Lookup(slot, s))
	netnstest.Check(k.t, k.maps[MapResult].Put(uint32(0), Result{Ingress: ingress}))
	ctx := make([]byte, 192)
	for i, w := range HandoverCB(slot, binary.LittleEndian.Uint64(s)) {
		binary.LittleEndian.PutUint32(ctx[skbCB+4*i:], w)
	}
	in := append(make([]byte, k.off), pkt...)
	if _, err := k.machine.Run(&ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+512), Context: ctx}); err != nil {
		k.t.Fatal(err)
	}
	if v := k.result().Verdict; v != VerdictCopies {
		k.t.Fatalf("verdict %d of the machine", v)
	}
	return k.outputs()
}

// replicate writes groups and sessions on both sides. Row 0 is of nobody.
func replicate(t testing.TB, k *kernel, in *ssa.Interp, groups map[uint32][]ir.Replica, sessions map[uint32]ir.CloneSession) {
	t.Helper()
	row := uint32(1)
	put := func(rs []ir.Replica) {
		for _, r := range rs {
			k.put(MapRows, row, Row{Port: r.Port, Instance: r.Instance})
			row++
		}
	}
	for id, rs := range groups {
		netnstest.Check(t, in.SetMulticastGroup(id, rs))
		at := row
		put(rs)
		k.put(MapGroups, id, RangeWord(at, row-at))
	}
	for id, s := range sessions {
		netnstest.Check(t, in.SetCloneSession(id, s))
		at := row
		k.put(MapRows, row, Row{Port: s.Group, Class: uint16(s.ClassOfService), Cut: s.Truncate})
		row++
		put(s.Replicas)
		k.put(MapSessions, id, RangeWord(at, row-at))
	}
}

// forkAll makes the job of a text for every packet of 14 bytes at least; others go
// out on port 1.
func forkAll(jobs, stages string, frame int) string {
	return fmt.Sprintf(`func "t" image=64 frame=%d
b0:
  v1 = const.32 aux=0
  check v1 n=14 -> b1, b2
b1(v2:ptr):
  v3 = load.8 v2 aux=0 n=1
  v4 = zext.32 v3
  v5 = const.8 aux=255
  v6 = eq.1 v3, v5
  branch v6 -> b2, b3
b2:
  v7 = const.32 aux=1
  output v7
b3:
%s  next
%s`, frame, jobs, stages)
}

// rewrite is a stage that puts its port and instance into the packet's first bytes
// and sends it, with more or fewer bytes in front for odd instances.
const rewrite = `stage "egress" image=64 frame=32
b0:
  v1 = const.32 aux=0
  check v1 n=14 -> b1, b2
b2:
  drop parser
b1(v2:ptr):
  v3 = frame.32 aux=0
  v4 = frame.32 aux=4
  v5 = frame.32 aux=24
  v6 = load.32 v2 aux=8 n=4
  v7 = trunc.8 v4
  v8 = const.8 aux=3
  v9 = and.8 v7, v8
  v12 = frame.32 aux=16
  switch v9 -> 0: b3, 1: b4, 2: b5, b6
b3:
  store v2, v3 aux=0 n=4
  store v2, v4 aux=4 n=4
  store v2, v5 aux=8 n=4
  output v3
b4:
  v20 = const.32 aux=0
  scratch v20, v3 aux=0 n=4
  scratch v20, v4 aux=4 n=4
  scratch v20, v6 aux=8 n=4
  scratch v20, v5 aux=12 n=4
  scratch v20, v6 aux=16 n=4
  v21 = const.32 aux=20
  v22 = const.32 aux=13
  v23 = splice.1 v21, v22
  branch v23 -> b7, b8
b5:
  v30 = const.32 aux=0
  scratch v30, v3 aux=0 n=4
  scratch v30, v4 aux=4 n=4
  v33 = const.16 aux=2048
  scratch v30, v6 aux=8 n=4
  scratch v30, v33 aux=12 n=2
  v31 = const.32 aux=14
  v32 = const.32 aux=14
  v34 = splice.1 v31, v32
  branch v34 -> b7, b8
b6:
  v40 = frame.32 aux=8
  v41 = trim.1 v40
  branch v41 -> b7, b8
b7:
  output v3
b8:
  drop resize
`

func TestCopies(t *testing.T) {
	tests := []struct {
		name     string
		text     string
		groups   map[uint32][]ir.Replica
		sessions map[uint32]ir.CloneSession
	}{
		{"one job", forkAll("  v8 = job.32 aux=0\n  jobstore v8, v4 aux=24\n  jobstore v8, v4\n", rewrite, 32), nil, nil},
		{"group", forkAll("  v8 = job.32 aux=0\n  jobstore v8, v4 aux=24\n  v9 = replicate.1 v8, v4\n", rewrite, 32),
			map[uint32][]ir.Replica{7: {{Port: 1, Instance: 0}, {Port: 2, Instance: 1}, {Port: 2, Instance: 2}, {Port: 3, Instance: 3}, {Port: 4, Instance: 8}}}, nil},
		{"session", forkAll("  v8 = job.32 aux=0\n  jobstore v8, v4 aux=24\n  v9 = replicate.1 v8, v4 n=1\n  v10 = job.32 aux=0\n  jobstore v10, v4 aux=24\n  jobstore v10, v4\n", rewrite, 32),
			map[uint32][]ir.Replica{7: {{Port: 1, Instance: 3}, {Port: 2, Instance: 1}}},
			map[uint32]ir.CloneSession{7: {Group: 7, Truncate: 20, Replicas: []ir.Replica{{Port: 5, Instance: 7}, {Port: 6, Instance: 4}}}, 8: {Replicas: []ir.Replica{{Port: 9}}}, 9: {}}},
	}
	for _, c := range tests {
		eachHook(t, func(t *testing.T, o Options) {
			t.Run(c.name, func(t *testing.T) {
				l := plan(t)
				f, err := ssa.Parse(c.text, l.Prog)
				netnstest.Check(t, err)
				in, err := ssa.NewInterp(f, ssa.InterpOptions{})
				netnstest.Check(t, err)
				k := compileLoad(t, f, l, o)
				replicate(t, k, in, c.groups, c.sessions)
				for _, first := range []byte{7, 8, 9, 10, 255} {
					for _, n := range []int{14, 15, 20, 60, 64, 65, 100, 1400} {
						if n < 60 && o.StartOffset == 0 {
							continue // TEST_RUN takes no such packet
						}
						pkt := make([]byte, n)
						for i := range pkt {
							pkt[i] = byte(i)
						}
						pkt[0], pkt[12], pkt[13] = first, 8, 0
						checkCopies(t, k, in, 3, pkt)
					}
				}
			})
		})
	}
}

// checkCopies wants of the kernel what the interpreter gives.
func checkCopies(t testing.TB, k *kernel, in *ssa.Interp, port uint32, pkt []byte) {
	t.Helper()
	want, err := in.Process(ssa.Packet{Port: port, Data: pkt})
	netnstest.Check(t, err)
	got, _ := k.runAll(port, pkt)
	if len(got) != len(want.Outputs) {
		t.Fatalf("packet %x: %d outputs, want %d\ngot  %v\nwant %v", pkt, len(got), len(want.Outputs), got, want.Outputs)
	}
	for i, o := range want.Outputs {
		if got[i].Port != o.Port || !bytes.Equal(got[i].Data, o.Data) {
			t.Fatalf("packet %x, output %d\ngot  %d %x\nwant %d %x", pkt, i, got[i].Port, got[i].Data, o.Port, o.Data)
		}
	}
}

// Packets that go round: their first byte counts down, each round adds or takes
// bytes in front, and the last sends it. Every round also sends a copy of the
// packet as the round found it, and one of what came in is not there any more.
const rounds = `stage "again" image=128 frame=40
b0:
  v1 = const.32 aux=0
  check v1 n=14 -> b1, b2
b2:
  v3 = frame.32 aux=24
  output v3
b1(v4:ptr):
  v5 = load.32 v4 aux=8 n=4
  v6 = frame.32 aux=24
  v7 = frame.32 aux=32
  v8 = wirelen.32
  v9 = pktlen.32
  v10 = const.32 aux=0
  v11 = eq.1 v6, v10
  branch v11 -> b3, b4
b3:
  store v4, v8 aux=0 n=4
  store v4, v9 aux=4 n=4
  output v7
b4:
  v12 = const.32 aux=1
  v13 = sub.32 v6, v12
  v14 = and.32 v7, v12
  v15 = eq.1 v14, v12
  v16 = job.32 aux=1
  jobstore v16, v6 aux=24
  scratch v10, v6 aux=0 n=4
  scratch v10, v8 aux=4 n=4
  scratch v10, v9 aux=8 n=4
  scratch v10, v5 aux=12 n=4
  scratch v10, v5 aux=16 n=4
  scratch v10, v5 aux=20 n=4
  branch v15 -> b5, b6
b5:
  v20 = const.32 aux=19
  v21 = const.32 aux=14
  v22 = splice.1 v20, v21
  branch v22 -> b7, b8
b6:
  v23 = const.32 aux=32
  check v10 n=32 -> b9, b5
b9(v24:ptr):
  v25 = const.32 aux=15
  v26 = splice.1 v25, v23
  branch v26 -> b7, b8
b7:
  v30 = job.32 aux=0 n=2
  jobstore v30, v13 aux=24
  jobstore v30, v7 aux=32
  v31 = job.32 aux=1 n=1
  jobstore v31, v13 aux=24
  next
b8:
  drop resize
stage "copy" image=64 frame=32
b0:
  v1 = const.32 aux=0
  check v1 n=14 -> b1, b2
b1(v4:ptr):
  v3 = frame.32 aux=24
  v5 = wirelen.32
  store v4, v5 aux=0 n=4
  output v3
b2:
  drop parser
`

func TestCopiesGoRound(t *testing.T) {
	text := forkAll("  v8 = job.32 aux=0\n  jobstore v8, v4 aux=24\n  v9 = ingressport.32\n  jobstore v8, v9 aux=32\n", rounds, 40)
	eachHook(t, func(t *testing.T, o Options) {
		l := plan(t)
		f, err := ssa.Parse(text, l.Prog)
		netnstest.Check(t, err)
		in, err := ssa.NewInterp(f, ssa.InterpOptions{})
		netnstest.Check(t, err)
		k := compileLoad(t, f, l, o)
		for _, first := range []byte{0, 1, 2, 3, 7, 20, 40} {
			for _, n := range []int{60, 64, 65, 100, 600, 1400} {
				for port := range uint32(2) {
					pkt := make([]byte, n)
					for i := range pkt {
						pkt[i] = byte(i * 7)
					}
					pkt[0], pkt[12], pkt[13] = first, 8, 0
					checkCopies(t, k, in, port, pkt)
				}
			}
		}
	})
}

// A packet makes ir.MaxCopies copies; what is more is lost.
func TestCopiesLimit(t *testing.T) {
	text := forkAll("  v8 = job.32 aux=0\n  jobstore v8, v4 aux=24\n  v9 = replicate.1 v8, v4\n  v10 = job.32 aux=0\n  jobstore v10, v4 aux=24\n  jobstore v10, v4\n", rewrite, 32)
	eachHook(t, func(t *testing.T, o Options) {
		l := plan(t)
		f, err := ssa.Parse(text, l.Prog)
		netnstest.Check(t, err)
		in, err := ssa.NewInterp(f, ssa.InterpOptions{})
		netnstest.Check(t, err)
		k := compileLoad(t, f, l, o)
		groups := map[uint32][]ir.Replica{}
		for i, n := range []int{ir.MaxCopies - 1, ir.MaxCopies, ir.MaxCopies + 1} {
			rs := make([]ir.Replica, n)
			for j := range rs {
				rs[j] = ir.Replica{Port: uint32(j) % 500, Instance: uint16(j)}
			}
			groups[uint32(i+1)] = rs
		}
		replicate(t, k, in, groups, nil)
		for i := range len(groups) {
			pkt := make([]byte, 64)
			pkt[0], pkt[12] = byte(i+1), 8
			checkCopies(t, k, in, 1, pkt)
		}
	})
}

// The verifier takes what runs on netdevs, too.
func TestCopiesVerify(t *testing.T) {
	netnstest.NeedBPF(t)
	for _, h := range []Hook{XDP, TC} {
		for name, text := range map[string]string{
			"rewrite": forkAll("  v8 = job.32 aux=0\n  jobstore v8, v4 aux=24\n  v9 = replicate.1 v8, v4 n=1\n", rewrite, 32),
			"rounds":  forkAll("  v8 = job.32 aux=0\n  jobstore v8, v4 aux=24\n  v9 = ingressport.32\n  jobstore v8, v9 aux=32\n", rounds, 40),
			"drop":    forkAll("  v8 = job.32 aux=0\n", "stage \"s\" frame=24\nb0:\n  drop program\n", 24),
			"branch": forkAll("  v8 = job.32 aux=0\n", `stage "s" frame=24
b0:
  v1 = const.32 aux=0
  check v1 n=20 -> b1, b2
b1(v2:ptr):
  v3 = load.8 v2 aux=9 n=1
  v4 = zext.32 v3
  check v4 n=4 -> b3, b2
b3(v5:ptr):
  v6 = load.32 v5 aux=0 n=4
  output v6
b2:
  drop parser
`, 24),
		} {
			t.Run(h.String()+"/"+name, func(t *testing.T) {
				l := plan(t)
				f, err := ssa.Parse(text, l.Prog)
				netnstest.Check(t, err)
				compileLoad(t, f, l, Options{Hook: h})
			})
		}
	}
}
