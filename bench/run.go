package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"

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

// Run measures in rounds until every ratio's interval is narrow enough, or
// Config.MaxRounds. The ratios are to the candidate or yardstick named base.
func (r *Rig) Run(title, base string) (*Result, error) {
	all := []*Candidate{r.empty}
	all = append(all, r.yards...)
	all = append(all, r.cands...)
	shown := len(all)
	undoOf := make([]int, shown) // index of the resize program, 0 = none
	at := map[int]int{}
	for i, c := range all {
		if c.grows == 0 {
			continue
		}
		if at[c.grows] == 0 {
			at[c.grows] = len(all)
			all = append(all, r.resizes[c.grows])
		}
		undoOf[i] = at[c.grows]
	}
	b := -1
	for i, c := range all[:shown] {
		if c.Name == base {
			b = i
		}
	}
	if b < 1 {
		return nil, fmt.Errorf("%s: no candidate is named %q", title, base)
	}

	gross, net, ratio := make([][]float64, shown), make([][]float64, shown), make([][]float64, shown)
	undo := make([][]float64, shown)
	order := rand.New(rand.NewPCG(1, 2)) // the same in every run
	round := make([]float64, len(all))
	turns := make([]int, 0, len(all)+moreEmpty) // by index in all
	for i := range all {
		turns = append(turns, i)
	}
	for range moreEmpty {
		turns = append(turns, 0)
	}
	done := 0
	for done < r.cfg.MaxRounds {
		// All see the same frames, in each round the next ones.
		first := done * r.packets() & (r.frames.N - 1)
		var empty []float64
		for _, k := range order.Perm(len(turns)) {
			i := turns[k]
			ns, err := r.call(all[i], order.IntN(r.cfg.Copies), first)
			if err != nil {
				return nil, err
			}
			round[i] = ns
			if i == 0 {
				empty = append(empty, ns)
			}
		}
		round[0] = Median(empty)
		done++
		cost := make([]float64, shown)
		for i, c := range all[:shown] {
			cost[i] = round[i] - round[0]
			if u := undoOf[i]; u > 0 {
				half := (round[u] - round[0]) / 2
				undo[i] = append(undo[i], half)
				cost[i] -= half
			}
			cost[i] /= float64(max(c.Per, 1))
		}
		for i := range cost {
			gross[i] = append(gross[i], round[i])
			net[i] = append(net[i], cost[i])
			q := cost[i] / cost[b]
			if i == 0 {
				q = round[0] / round[b]
			}
			ratio[i] = append(ratio[i], q)
		}
		if done >= r.cfg.MinRounds && done%10 == 0 && widest(ratio) <= r.cfg.Target {
			break
		}
	}

	var err error
	res := &Result{Title: title, Hook: r.hook.String(), Frames: r.frames.N, FrameLen: r.frames.Len, Base: base, Rounds: done,
		Packets: r.packets(), Copies: r.cfg.Copies, Target: r.cfg.Target, Barrier: r.cfg.Barrier}
	for i, c := range all[:shown] {
		row := Row{Name: c.Name, Note: c.Note, Gross: MedianInterval(gross[i]), Net: MedianInterval(net[i]), Ratio: MedianInterval(ratio[i])}
		if len(undo[i]) > 0 {
			row.Undo = Median(undo[i])
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

func widest(ratio [][]float64) float64 {
	w := 0.0
	for _, q := range ratio {
		w = max(w, MedianInterval(q).Width())
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
