package ebpf

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// twin runs a program in the kernel and in the SSA interpreter, with the same
// entries.
type twin struct {
	t  testing.TB
	k  *kernel
	in *ssa.Interp
	f  *ssa.Func
	// entries of each table, handles from 1
	entries [][]ir.Entry
	defs    []ir.Entry
}

func newTwin(t testing.TB, p *ir.Program, so ssa.Options, o Options) *twin {
	t.Helper()
	f, err := ssa.Lower(p, so)
	if err != nil {
		t.Fatal(err)
	}
	in, err := ssa.NewInterp(f, ssa.InterpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := PlanLayout(p, 8)
	if err != nil {
		t.Fatal(err)
	}
	w := &twin{t: t, k: compileLoad(t, f, l, o), in: in, f: f, entries: make([][]ir.Entry, len(p.Tables)), defs: make([]ir.Entry, len(p.Tables))}
	for i, tab := range p.Tables {
		es, def, err := tab.Initial()
		if err != nil {
			t.Fatal(err)
		}
		w.entries[i], w.defs[i] = es, def
		w.k.insert(i, def)
		w.fill(i, es)
	}
	return w
}

func (w *twin) fill(i int, es []ir.Entry) {
	for _, e := range es {
		w.k.insert(i, e)
	}
	if _, ok := w.k.l.Tables[i].Engine.(*Linear); ok {
		w.k.setRows(i, len(w.entries[i])&1, w.entries[i])
	}
}

// add inserts entries on both sides.
func (w *twin) add(tables [][]ir.Entry) {
	for i, es := range tables {
		for _, e := range es {
			if err := w.in.Insert(i, e); err != nil {
				w.t.Fatal(err)
			}
		}
		w.entries[i] = append(w.entries[i], es...)
		w.fill(i, es)
	}
}

func dup(t *ir.Table, es []ir.Entry, e ir.Entry) bool {
	for _, x := range es {
		same := true
		for i := range e.Match {
			a, b := x.Match[i], e.Match[i]
			same = same && bytes.Equal(a.Value, b.Value) && bytes.Equal(a.Mask, b.Mask) && a.PrefixLen == b.PrefixLen
		}
		if same || t.NeedsPriority() && x.Priority == e.Priority {
			return true
		}
	}
	return false
}

// check plays one packet on both sides.
func (w *twin) check(port uint32, pkt []byte) {
	w.t.Helper()
	want, err := w.in.Process(ssa.Packet{Port: port, Data: pkt})
	if err != nil {
		w.t.Fatal(err)
	}
	wp := int(want.Port)
	if want.Dropped {
		wp, want.Data = -1-int(want.Reason), nil
	} else if want.Port == PortDrop {
		wp, want.Data = -1-int(ssa.DropProgram), nil
	}
	got, out := w.k.run(port, pkt)
	if got >= 0 && got == PortDrop {
		got, out = -1, nil
	}
	if got != wp || !bytes.Equal(out, want.Data) {
		w.t.Fatalf("port %d packet %x\ngot  %d %x\nwant %d %x", port, pkt, got, out, wp, want.Data)
	}
}

// counters compares all direct and indirect counters and registers.
func (w *twin) counters() {
	w.t.Helper()
	read := func(c *CounterLayout, cell uint32) (n ssa.Count) {
		for cpu := range c.Copies(w.k.l.NCPU) {
			var v [2]uint64
			if err := w.k.maps[c.Map.Name].Lookup(c.Index(cpu, cell), &v); err != nil {
				w.t.Fatal(err)
			}
			n.Packets += v[0]
			n.Bytes += v[1]
		}
		return n
	}
	for i, t := range w.k.l.Tables {
		if t.Counter == nil {
			continue
		}
		for h := range uint32(len(w.entries[i]) + 1) {
			if got, want := read(t.Counter, h), w.in.Counter(i, h); got != want {
				w.t.Errorf("D12: table %s handle %d: counted %v, want %v", t.IR.Name, h, got, want)
			}
		}
	}
	for _, in := range w.k.l.Instances {
		if in == nil {
			continue
		}
		for c := range min(in.Cells, 64) {
			if in.Counter != nil {
				want, _ := w.in.InstanceCounter(in.IR, uint64(c))
				if got := read(in.Counter, c); got != want {
					w.t.Errorf("counter %s[%d]: %v, want %v", in.IR.Name, c, got, want)
				}
				continue
			}
			want, _ := w.in.Register(in.IR, uint64(c))
			got := make([]uint64, in.Register.ValueSize/8)
			if err := w.k.maps[in.Register.Name].Lookup(c, got); err != nil {
				w.t.Fatal(err)
			}
			for j := range got {
				if len(want) > j && got[j] != want[j] || len(want) == 0 && got[j] != 0 {
					w.t.Errorf("register %s[%d]: %x, want %x", in.IR.Name, c, got, want)
				}
			}
		}
	}
}

// randomizer makes packets and entries from small pools, so that they meet.
type randomizer struct{ *rand.Rand }

func (r randomizer) pick(xs ...uint64) uint64 { return xs[r.IntN(len(xs))] }

// value makes a value of w bits that is likely to occur elsewhere.
func (r randomizer) value(w int) []byte {
	b := make([]byte, ir.ByteWidth(w))
	set := func(x uint64) {
		for i := len(b) - 1; i >= 0; i-- {
			b[i] = byte(x)
			x >>= 8
		}
	}
	switch {
	case w == 128:
		copy(b, []byte{0x20, 1, 0x0d, 0xb8})
		b[7], b[15] = byte(r.IntN(2)), byte(r.IntN(4))
	case w == 48:
		set(0x020000000000 | r.pick(1, 1, 1, 2))
	case w == 32:
		set(0x0a000000 | uint64(r.IntN(3))<<8 | uint64(r.IntN(4)))
	case w == 16:
		set(r.pick(0, 1, 1, 1, 1, 2, 80, 0x800))
	case w == 12:
		set(r.pick(0, 0, 5, 100))
	case w == 9:
		set(r.pick(0, 1, 2, 3))
	case w == 8:
		set(r.pick(0, 1, 6, 17, 58, 64))
	default:
		set(r.Uint64())
		if w%8 != 0 {
			b[0] &= byte(maskOf(w % 8))
		}
	}
	return b
}

func (r randomizer) match(k ir.Key) ir.Match {
	w := ir.Width(k.Expr.Type())
	v := r.value(w)
	switch k.Kind {
	case ir.MatchLPM:
		n := r.IntN(w + 1)
		if r.IntN(2) == 0 {
			n = w - r.IntN(min(w, 12))
		}
		m := limbsToBytes(prefixMask(w, n), w)
		for i := range v {
			v[i] &= m[i]
		}
		return ir.Match{Value: v, PrefixLen: n}
	case ir.MatchTernary:
		if r.IntN(2) == 0 {
			return ir.Match{}
		}
		m := make([]byte, len(v))
		for i := range v {
			m[i] = byte(r.pick(0, 0xff, 0xff, 0xf0, 3)) & limbsToBytes(onesOf(w), w)[i]
			v[i] &= m[i]
		}
		return ir.Match{Value: v, Mask: m}
	case ir.MatchRange:
		if r.IntN(2) == 0 {
			return ir.Match{}
		}
		hi := r.value(w)
		if bytes.Compare(v, hi) > 0 {
			v, hi = hi, v
		}
		return ir.Match{Value: v, Mask: hi}
	case ir.MatchOptional:
		if r.IntN(2) == 0 {
			return ir.Match{}
		}
	}
	return ir.Match{Value: v}
}

func (r randomizer) entry(t *ir.Table) ir.Entry {
	var e ir.Entry
	for _, k := range t.Keys {
		e.Match = append(e.Match, r.match(k))
	}
	if t.NeedsPriority() {
		e.Priority = int32(1 + r.IntN(1000))
	}
	for {
		// The first action is the one with an effect, as programs are written.
		if e.Action = 0; r.IntN(3) == 0 {
			e.Action = r.IntN(len(t.Actions))
		}
		if !t.Actions[e.Action].DefaultOnly {
			break
		}
	}
	for _, p := range t.Actions[e.Action].Action.DataParams() {
		e.Args = append(e.Args, r.value(ir.Width(p.Type)))
	}
	return e
}

// tables makes n entries for every table, fewer where they collide.
func (r randomizer) tables(p *ir.Program, n int) [][]ir.Entry {
	out := make([][]ir.Entry, len(p.Tables))
	for i, t := range p.Tables {
		if len(t.Keys) == 0 || t.ConstEntries {
			continue
		}
		es, _, _ := t.Initial()
		k := len(es)
		for range n {
			if e := r.entry(t); !dup(t, es, e) && (t.Size == 0 || len(es) < t.Size) {
				e.Handle = uint32(len(es) + 1)
				es = append(es, e)
			}
		}
		out[i] = es[k:]
	}
	return out
}

// busy finds a seed whose tables forward a good part of its packets, and gives
// the tables and the source that makes such packets.
func busy(t testing.TB, p *ir.Program, seed uint64) ([][]ir.Entry, randomizer) {
	t.Helper()
	f, err := ssa.Lower(p, ssa.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for ; ; seed += 1000 {
		r := randomizer{rand.New(rand.NewPCG(seed, 1))}
		es := r.tables(p, 60)
		in, err := ssa.NewInterp(f, ssa.InterpOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range es {
			for _, e := range es[i] {
				if err := in.Insert(i, e); err != nil {
					t.Fatal(err)
				}
			}
		}
		forwarded := 0
		for range 200 {
			res, err := in.Process(ssa.Packet{Port: uint32(r.IntN(4)), Data: r.packet()})
			if err != nil {
				t.Fatal(err)
			}
			if !res.Dropped && res.Port < portHost {
				forwarded++
			}
		}
		if forwarded >= 10 || seed > 100000 {
			return es, r
		}
	}
}

// packet makes a frame: mostly well-formed, sometimes cut or with bits flipped.
func (r randomizer) packet() []byte {
	var b []byte
	b = append(b, r.value(48)...)
	b = append(b, r.value(48)...)
	typ := r.pick(0x0800, 0x0800, 0x86dd, 0x86dd, 0x0806)
	for r.IntN(3) == 0 {
		b = append(b, 0x81, 0, byte(r.IntN(16)<<4))
		b = append(b, byte(r.pick(0, 5, 100)))
	}
	b = append(b, byte(typ>>8), byte(typ))
	proto := r.value(8)
	switch typ {
	case 0x0800:
		h := make([]byte, 20)
		h[0] = 0x45
		if r.IntN(10) == 0 {
			h[0] = byte(0x40 | r.IntN(16))
		}
		h[1] = byte(r.IntN(256))
		h[3] = 24
		h[8] = byte(r.pick(0, 1, 2, 64, 255))
		h[9] = proto[0]
		copy(h[12:], r.value(32))
		copy(h[16:], r.value(32))
		if r.IntN(8) != 0 {
			var s uint32
			for i := 0; i < 20; i += 2 {
				s += uint32(h[i])<<8 | uint32(h[i+1])
			}
			for s > 0xffff {
				s = s>>16 + s&0xffff
			}
			h[10], h[11] = byte(^s>>8), byte(^s)
		}
		b = append(b, h...)
	case 0x86dd:
		h := make([]byte, 40)
		h[0] = 0x60
		h[6], h[7] = proto[0], byte(r.pick(0, 1, 2, 64))
		copy(h[8:], r.value(128))
		copy(h[24:], r.value(128))
		b = append(b, h...)
	}
	b = append(b, r.value(16)...)
	b = append(b, r.value(16)...)
	for range r.IntN(24) {
		b = append(b, byte(r.Uint32()))
	}
	if r.IntN(6) == 0 {
		b = b[:r.IntN(len(b)+1)]
	}
	if r.IntN(6) == 0 && len(b) > 0 {
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	}
	return b
}

// router compiles p4src/router.p4 as far as core.
func router(t testing.TB) *ir.Program {
	t.Helper()
	return compileP4(t, filepath.Join("..", "..", "..", "p4src", "router.p4"))
}

func compileP4(t testing.TB, path string) *ir.Program {
	t.Helper()
	res, err := driver.Compile(driver.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if res.Diags.HasErrors() {
		for _, d := range res.Diags.All() {
			t.Error(d)
		}
		t.FailNow()
	}
	return res.Core
}

// core reads a core program in text form.
func core(t testing.TB, text string) *ir.Program {
	t.Helper()
	arch, err := os.ReadFile("../../ssa/testdata/v1model.ir")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ir.Parse("test.ir", []byte("p4nic-ir 1 core\n"+strings.Replace(text, "%v1model%\n", string(arch), 1)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// samples are the core programs of package ssa.
func samples(t testing.TB) map[string]*ir.Program {
	t.Helper()
	files, err := filepath.Glob("../../ssa/testdata/lower/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	ps := map[string]*ir.Program{}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if f.Name == "core.ir" {
				ps[strings.TrimSuffix(filepath.Base(name), ".txtar")] = core(t, string(f.Data))
			}
		}
	}
	return ps
}

// TestTwin compares the kernel with the SSA interpreter on random tables and
// frames, for every sample, both hooks, each optimisation off in turn.
func TestTwin(t *testing.T) {
	progs := samples(t)
	progs["router.p4"] = router(t)
	progs["features.p4"] = compileP4(t, "testdata/features.p4")
	progs["stacks.p4"] = compileP4(t, "testdata/stacks.p4")
	progs["loops.p4"] = compileP4(t, "testdata/loops.p4")
	progs["varbit.p4"] = compileP4(t, "testdata/varbit.p4")
	progs["odd.p4"] = compileP4(t, "testdata/odd.p4")
	names := slices.Sorted(maps.Keys(progs))
	offs := []string{""}
	offs = append(offs, Optimisations()...)
	for _, name := range names {
		p := progs[name]
		for _, h := range []Hook{XDP, TC} {
			for n, off := range offs {
				for _, noOpt := range []bool{false, true} {
					if noOpt && n > 0 {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/off=%s/unoptimised=%v", name, h, off, noOpt), func(t *testing.T) {
						netnstest.NeedBPF(t)
						w := newTwin(t, p, ssa.Options{NoOptimize: noOpt}, Options{Hook: h, StartOffset: 14, Harness: true, Off: map[string]bool{off: true}})
						t.Logf("%d instructions, %d stack slots, %d map slots", len(w.k.obj.Insns), w.k.obj.StackSlots, w.k.obj.MapSlots)
						es, r := busy(t, p, uint64(n))
						w.add(es)
						rounds := 1500
						if n > 0 || noOpt {
							rounds = 300
						}
						if testing.Short() { // in an emulated kernel
							rounds /= 10
						}
						for range rounds {
							w.check(uint32(r.IntN(4)), r.packet())
						}
						w.counters()
					})
				}
			}
		}
	}
}
