package bench

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

func TestMedianInterval(t *testing.T) {
	seq := func(n int) []float64 {
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = float64((i*7)%n + 1) // 1 to n, shuffled: n is no multiple of 7
		}
		return xs
	}
	for _, c := range []struct {
		n           int
		lo, mid, hi float64
	}{
		{1, 1, 1, 1}, {5, 1, 3, 5}, {6, 1, 3.5, 6}, {9, 2, 5, 8}, {20, 6, 10.5, 15}, {100, 40, 50.5, 61}, // tables of the sign test
	} {
		if got := MedianInterval(seq(c.n)); got != (Interval{c.lo, c.mid, c.hi}) {
			t.Errorf("1..%d: %+v, want %v", c.n, got, c)
		}
	}
	if v := MedianInterval(nil); !math.IsNaN(v.Mid) {
		t.Errorf("median of nothing: %v", v)
	}
}

// The interval holds the true median in 95 of 100 cases, whatever the
// distribution.
func TestIntervalCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const runs = 4000
	inside := 0
	for range runs {
		xs := make([]float64, 61)
		for i := range xs {
			xs[i] = r.ExpFloat64()
		}
		if v := MedianInterval(xs); v.Lo <= math.Ln2 && math.Ln2 <= v.Hi {
			inside++
		}
	}
	if inside < runs*945/1000 || inside > runs*985/1000 {
		t.Errorf("%d of %d intervals hold the median", inside, runs)
	}
}

func TestPlan(t *testing.T) {
	f, err := MakeFrames(4, 64, func(i int, b []byte) { b[30], b[33], b[50] = byte(i), byte(2*i), 9 })
	netnstest.Check(t, err)
	dirty := make([]bool, 64)
	for _, k := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 22, 24, 25, 63} {
		dirty[k] = true
	}
	segs, records, stride := f.plan(dirty)
	want := []segment{{0, 12, false}, {22, 4, false}, {30, 4, true}, {62, 2, false}}
	if !reflect.DeepEqual(segs, want) || stride != 8 || len(records) != 32 {
		t.Errorf("%v, stride %d, %d bytes of records; want %v", segs, stride, len(records), want)
	}
	if !slices.Equal(records[24:28], []byte{3, 0, 0, 6}) {
		t.Errorf("record of frame 3: %v", records[24:])
	}
	for _, n := range []int{0, 3, 1 << 23} {
		if _, err := MakeFrames(n, 64, nil); err == nil {
			t.Errorf("%d frames are accepted", n)
		}
	}
}

func isolated(t *testing.T, f func() error) {
	t.Helper()
	netnstest.NeedBPF(t)
	netnstest.Check(t, Isolated(-1, func(*netns.NS) error { return f() }))
}

func testFrames(t *testing.T, n int) *Frames {
	f, err := MakeFrames(n, 60, func(i int, b []byte) { b[12], b[13], b[14], b[30], b[31] = 8, 0, 0x45, byte(i), byte(i>>8) })
	netnstest.Check(t, err)
	return f
}

// candidate loads instructions that end with R0 set.
func candidate(t *testing.T, h Hook, name string, ins ...asm.Instruction) *Candidate {
	p, err := h.load("test", append(ins, asm.Mov.Imm(asm.R0, h.okCode()), asm.Return()))
	netnstest.Check(t, err)
	t.Cleanup(func() { p.Close() })
	return &Candidate{Name: name, Prog: p, Verdict: uint32(h.okCode())}
}

// count adds one to a byte of the packet: if the driver did not restore it, the
// output would differ from that of a single run.
func count(h Hook) []asm.Instruction {
	data, end := int16(0), int16(4)
	if h == TC {
		data, end = skbData, skbDataEnd
	}
	return []asm.Instruction{
		asm.LoadMem(asm.R2, asm.R1, data, asm.Word), asm.LoadMem(asm.R3, asm.R1, end, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 32), asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R4, asm.R2, 20, asm.Byte), asm.Add.Imm(asm.R4, 1), asm.StoreMem(asm.R2, 20, asm.R4, asm.Byte),
		asm.LoadMem(asm.R4, asm.R2, 30, asm.Byte), asm.Add.Imm(asm.R4, 1), asm.StoreMem(asm.R2, 30, asm.R4, asm.Byte),
		asm.Mov.Imm(asm.R4, 0).WithSymbol("out"),
	}
}

// TestHarness: yardsticks cost what they must cost in order, the same program
// twice costs the same, packets are restored also after their ends have moved,
// on both hooks.
func TestHarness(t *testing.T) {
	for _, h := range []Hook{XDP, TC} {
		for _, barrier := range []bool{false, true} {
			t.Run(h.String(), func(t *testing.T) {
				isolated(t, func() error {
					resize := func(n int32) []asm.Instruction {
						if h == TC {
							return []asm.Instruction{asm.Mov.Imm(asm.R2, n), asm.Mov.Imm(asm.R3, adjRoomMAC), asm.Mov.Imm(asm.R4, 0), asm.FnSkbAdjustRoom.Call()}
						}
						return []asm.Instruction{asm.Mov.Imm(asm.R2, -n), asm.FnXdpAdjustHead.Call()}
					}
					grow, cut := candidate(t, h, "longer", resize(20)...), candidate(t, h, "shorter", resize(-10)...)
					r, err := NewRig(h, testFrames(t, 256), []*Candidate{candidate(t, h, "once", count(h)...), candidate(t, h, "twice", count(h)...), grow, cut},
						Config{MinRounds: 30, MaxRounds: 30, Barrier: barrier, Copies: 2})
					if err != nil {
						return err
					}
					defer r.Close()
					res, err := r.Run("test", NameHash)
					if err != nil {
						return err
					}
					array, hash := res.Row(NameArray).Net.Mid, res.Row(NameHash).Net.Mid
					if array < 0.1 || array > 5 || hash < 5*array {
						t.Errorf("an array look-up costs %.2f ns, a hash look-up %.2f", array, hash)
					}
					once, twice := res.Row("once").Gross, res.Row("twice").Gross
					if d := math.Abs(once.Mid-twice.Mid) / once.Mid; d > 0.1 {
						t.Errorf("the same program costs %.1f and %.1f ns", once.Mid, twice.Mid)
					}
					for _, name := range []string{"longer", "shorter"} {
						if row := res.Row(name); row.Undo <= 0 {
							t.Errorf("%s: undoing costs %.1f ns", name, row.Undo)
						}
					}
					return nil
				})
			})
		}
	}
}

// TestRefusals: what does not do its work is not measured.
func TestRefusals(t *testing.T) {
	wrong := func(t *testing.T) *Candidate {
		c := candidate(t, XDP, "wrong", count(XDP)...)
		c.Want = func(_ int, frame []byte) []byte { return frame }
		return c
	}
	verdict := func(t *testing.T) *Candidate {
		c := candidate(t, XDP, "verdict")
		c.Verdict = 4
		return c
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T) *Candidate
		cfg  Config
		want string
	}{
		{"packet", wrong, Config{}, "wrong: frame 0 comes out wrong"},
		{"verdict", verdict, Config{}, "verdict: frame 0: verdict 2, want 4"},
		{"chunk", func(t *testing.T) *Candidate { return candidate(t, XDP, "x") }, Config{Chunk: 100}, "power of two"},
		{"chunks", func(t *testing.T) *Candidate { return candidate(t, XDP, "x") }, Config{Chunks: 5000}, "fewer than 1024"},
		{"key", func(t *testing.T) *Candidate { return candidate(t, XDP, "x") }, Config{KeySize: 2}, "keys of 2 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			isolated(t, func() error {
				r, err := NewRig(XDP, testFrames(t, 16), []*Candidate{c.make(t)}, c.cfg)
				if err == nil {
					r.Close()
				}
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				return nil
			})
		})
	}
	isolated(t, func() error {
		r, err := NewRig(XDP, testFrames(t, 16), nil, Config{})
		if err != nil {
			return err
		}
		defer r.Close()
		if _, err := r.Run("x", "nobody"); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
			t.Errorf("a base that is not there: %v", err)
		}
		return nil
	})
}

func TestReport(t *testing.T) {
	res := &Result{Title: "title", Hook: "xdp", Base: "b", Rows: []Row{
		{Name: NameEmpty, Gross: Interval{25, 26, 27}, Ratio: Interval{.4, .5, .6}},
		{Name: "b", Note: "note", Net: Interval{49, 50, 51}, Ratio: Interval{1, 1, 1}, Undo: 3.25, Insns: 7, Jited: 70},
	}}
	var text, js strings.Builder
	netnstest.Check(t, res.Text(&text))
	for _, want := range []string{"title (xdp)", "(26.0)", "50.0", "49.0-51.0", "note; 3.2 ns more to undo its resizing"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
	netnstest.Check(t, (&Report{Machine: ThisMachine(), Results: []*Result{res}}).JSON(&js))
	if !strings.Contains(js.String(), `"undo_ns": 3.25`) {
		t.Error(js.String())
	}
}
