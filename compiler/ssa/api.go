package ssa

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Options of Lower. The zero value lowers with the default limits.
type Options struct {
	// MaxParserStates bounds the parser states after loops over header stacks are
	// unrolled; 0 means 512.
	MaxParserStates int
	// MaxUnroll bounds the rounds of one loop; 0 means 64.
	MaxUnroll int
	// NoOptimize leaves the result as lowered: still verified, dead values in it.
	NoOptimize bool
	// Off names optimisation passes (see Passes) that are not run.
	Off map[string]bool
}

func (o Options) maxParserStates() int {
	if o.MaxParserStates > 0 {
		return o.MaxParserStates
	}
	return 512
}

func (o Options) maxUnroll() int {
	if o.MaxUnroll > 0 {
		return o.MaxUnroll
	}
	return 64
}

// Unsupported says that a program uses what cannot be lowered.
type Unsupported struct {
	Construct string // "extern clone", "wide multiplication"
	Pos       ir.Pos
	File      string // path of Pos, "" when unknown
	Reason    string
}

func (u *Unsupported) Error() string {
	s := u.Construct + ": " + u.Reason
	if u.File != "" {
		s = fmt.Sprintf("%s:%d: %s", u.File, u.Pos.Line, s)
	}
	return s
}

// effects lists the ops that change something besides their result.
func (op Op) effects() bool {
	switch op {
	case OpRand, OpCountHit, OpCounterInc, OpRegRead, OpRegWrite, OpCellAdd,
		OpLearned, OpLearnedCount, OpLearn, OpTimer, OpFlowID,
		OpMeter, OpDigest, OpTouch,
		OpStore, OpScratch, OpScratchCopy, OpScratchMove, OpScratchBits, OpSplice, OpTrim,
		OpJob, OpJobStore, OpReplicate:
		return true
	}
	return false
}

// HasEffect tells whether v must be evaluated exactly once and in order: it may
// be neither dropped, moved across another effect nor duplicated. (A look-up
// has no effect: tables only change between packets.)
func (v *Value) HasEffect() bool { return v.Op.effects() }

// HasResult tells whether v defines a value that others may use.
func (v *Value) HasResult() bool {
	switch v.Op {
	case OpCountHit, OpCounterInc, OpRegWrite, OpCellAdd, OpLearnedCount, OpTimer, OpStore, OpScratch, OpScratchCopy, OpScratchMove, OpScratchBits, OpJobStore, OpDigest, OpTouch:
		return false
	}
	return true
}

// IsConst tells whether v is the constant c.
func (v *Value) IsConst(c uint64) bool { return v.Op == OpConst && v.Aux == c }

// Limbs gives the widths of the limbs of a w-bit value, most significant first.
func Limbs(w int) []Type {
	if w <= 0 {
		return nil
	}
	n := (w + 63) / 64
	ts := make([]Type, n)
	for i := range ts {
		ts[i] = 64
	}
	if r := w % 64; r != 0 {
		ts[0] = Type(r)
	}
	return ts
}

// Mask gives the w low bits set, w from 0 to 64.
func Mask(w Type) uint64 {
	if w >= 64 {
		return ^uint64(0)
	}
	return 1<<uint(w) - 1
}

// Preds gives for every block the edges into it, in the order of Blocks.
func (f *Func) Preds() map[*Block][]*Edge {
	m := make(map[*Block][]*Edge, len(f.Blocks))
	for _, b := range f.Blocks {
		for i := range b.Term.Succs {
			e := &b.Term.Succs[i]
			m[e.To] = append(m[e.To], e)
		}
	}
	return m
}

// ptrEdge tells whether the target of edge i gets its first parameter, of type
// Ptr, from the terminator itself: Succs[0] of a Check.
func (t *Term) ptrEdge(i int) bool { return t.Kind == TermCheck && i == 0 }
