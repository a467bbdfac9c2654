package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/p4nic/p4nic/bench/insn"
)

// Row is one line of a result. Times are in ns a packet (yardsticks: a look-up).
type Row struct {
	Name string `json:"name"`
	Note string `json:"note,omitempty"`
	// Gross includes driver and kernel loop; Net is without what the empty program
	// takes in the same round, and without moving the packet's start back.
	Gross Interval `json:"gross_ns"`
	Net   Interval `json:"net_ns"`
	// Ratio is the net time over that of the base in the same round; of the empty
	// program it is the gross time over the base's.
	Ratio Interval `json:"ratio"`
	// Undo is the part of Gross that the driver takes to move the packet's ends
	// back, if the program moves them.
	Undo float64 `json:"undo_ns,omitempty"`
	// Insns and Jited are the size of the program after the verifier's rewrites.
	Insns int `json:"insns,omitempty"`
	Jited int `json:"jited_bytes,omitempty"`
	// Executed are the instructions that a packet takes, as loaded and without
	// what is inside helpers: the mean of some frames (package insn).
	Executed *insn.Counts `json:"executed,omitempty"`
}

// Result is a whole run.
type Result struct {
	Title    string  `json:"title"`
	Hook     string  `json:"hook"`
	Frames   int     `json:"frames"`
	FrameLen int     `json:"frame_bytes"`
	Base     string  `json:"base"`
	Rounds   int     `json:"rounds"`
	Packets  int     `json:"packets_per_call"`
	Copies   int     `json:"copies"`
	Target   float64 `json:"target_width"`
	Barrier  bool    `json:"barrier"`
	Rows     []Row   `json:"rows"`
}

// Row finds a row by name, or nil.
func (r *Result) Row(name string) *Row {
	for i := range r.Rows {
		if r.Rows[i].Name == name {
			return &r.Rows[i]
		}
	}
	return nil
}

// moreEmpty is how often more than once the empty program runs in a round: its
// time is subtracted from all others, and the median of three has half the noise.
const moreEmpty = 2

// field is who takes part in a run.
type field struct {
	all    []*Candidate // the empty program first, resize programs last
	shown  int          // how many of them are rows
	undoOf []int        // by row: index of the resize program, 0 = none
	base   int
	turns  []int // indices in all, as often as each runs in a round
}

func (r *Rig) field(base string) (*field, error) {
	f := &field{all: slices.Concat([]*Candidate{r.empty}, r.yards, r.cands), base: -1}
	f.shown = len(f.all)
	f.undoOf = make([]int, f.shown)
	resize := map[int]int{} // bytes -> index
	for i, c := range f.all[:f.shown] {
		if i > 0 && c.Name == base {
			f.base = i
		}
		if c.grows == 0 {
			continue
		}
		if resize[c.grows] == 0 {
			resize[c.grows] = len(f.all)
			f.all = append(f.all, r.resizes[c.grows])
		}
		f.undoOf[i] = resize[c.grows]
	}
	if f.base < 0 {
		return nil, fmt.Errorf("no candidate is named %q", base)
	}
	for i := range f.all {
		f.turns = append(f.turns, i)
	}
	f.turns = append(f.turns, make([]int, moreEmpty)...)
	return f, nil
}

// round runs everything once in a random order and gives the ns of each.
func (r *Rig) round(f *field, order *rand.Rand, first int) ([]float64, error) {
	times := make([]float64, len(f.all))
	var empty []float64
	for _, k := range order.Perm(len(f.turns)) {
		i := f.turns[k]
		ns, err := r.call(f.all[i], order.IntN(r.cfg.Copies), first)
		if err != nil {
			return nil, err
		}
		times[i] = ns
		if i == 0 {
			empty = append(empty, ns)
		}
	}
	times[0] = Median(empty)
	return times, nil
}

// samples are the values of one row, one a round.
type samples struct{ gross, net, ratio, undo []float64 }

// add takes the times of a round apart.
func (f *field) add(rows []samples, times []float64) {
	cost := make([]float64, f.shown)
	for i, c := range f.all[:f.shown] {
		cost[i] = times[i] - times[0]
		if u := f.undoOf[i]; u > 0 {
			half := (times[u] - times[0]) / 2
			rows[i].undo = append(rows[i].undo, half)
			cost[i] -= half
		}
		cost[i] /= float64(max(c.Per, 1))
	}
	for i := range rows {
		q := cost[i] / cost[f.base]
		if i == 0 {
			q = times[0] / times[f.base]
		}
		rows[i].gross = append(rows[i].gross, times[i])
		rows[i].net = append(rows[i].net, cost[i])
		rows[i].ratio = append(rows[i].ratio, q)
	}
}

// Run measures in rounds until every ratio's interval is narrow enough, or
// Config.MaxRounds. The ratios are to the candidate or yardstick named base.
func (r *Rig) Run(title, base string) (*Result, error) {
	f, err := r.field(base)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", title, err)
	}
	rows := make([]samples, f.shown)
	order := rand.New(rand.NewPCG(1, 2)) // the same in every run
	done := 0
	for done < r.cfg.MaxRounds {
		// All see the same frames, in each round the next ones.
		times, err := r.round(f, order, done*r.packets()&(r.frames.N-1))
		if err != nil {
			return nil, err
		}
		f.add(rows, times)
		done++
		if done >= r.cfg.MinRounds && done%10 == 0 && widest(rows) <= r.cfg.Target {
			break
		}
	}
	res := &Result{Title: title, Hook: r.hook.String(), Frames: r.frames.N, FrameLen: r.frames.Len, Base: base, Rounds: done,
		Packets: r.packets(), Copies: r.cfg.Copies, Target: r.cfg.Target, Barrier: r.cfg.Barrier}
	for i, c := range f.all[:f.shown] {
		s := rows[i]
		row := Row{Name: c.Name, Note: c.Note, Gross: MedianInterval(s.gross), Net: MedianInterval(s.net), Ratio: MedianInterval(s.ratio)}
		if len(s.undo) > 0 {
			row.Undo = Median(s.undo)
		}
		row.Insns, row.Jited = sizes(c)
		if c.Code != nil {
			if row.Executed, err = r.count(c); err != nil {
				return nil, fmt.Errorf("%s: count instructions: %w", c.Name, err)
			}
		}
		res.Rows = append(res.Rows, row)
	}
	return res, nil
}

// count interprets the program on some frames.
func (r *Rig) count(c *Candidate) (*insn.Counts, error) {
	const frames = 16
	p := insn.Program{Type: r.hook.progType(), Insns: c.Code, Maps: c.Maps}
	var sum insn.Counts
	for i := range frames {
		in := r.frames.At(i * max(r.frames.N/frames, 1))
		got, err := p.Run(in)
		if err != nil {
			return nil, err
		}
		// An interpreter that errs would count the wrong way through the program.
		if verdict, out, err := r.single(c.Prog, in); err != nil || got.Verdict != verdict || !bytes.Equal(got.Packet, out) {
			return nil, fmt.Errorf("interpreted it gives verdict %d and %x, in the kernel %d and %x (%v)", got.Verdict, got.Packet, verdict, out, err)
		}
		sum.Add(got.Counts)
	}
	sum.Divide(frames)
	return &sum, nil
}

// widest is the width of the widest interval of the ratios.
func widest(rows []samples) float64 {
	w := 0.0
	for _, s := range rows {
		w = max(w, MedianInterval(s.ratio).Width())
	}
	return w
}

// sizes asks the kernel for the size of a program; zeros where it does not tell.
func sizes(c *Candidate) (insns, jited int) {
	info, err := c.Prog.Info()
	if err != nil {
		return 0, 0
	}
	if x, err := info.Instructions(); err == nil {
		insns = len(x)
	}
	if n, err := info.JitedSize(); err == nil {
		jited = int(n)
	}
	return insns, jited
}
