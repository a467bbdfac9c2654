package ssa

import (
	"errors"
	"fmt"
)

// Jobs. What a packet makes besides itself (clones, the copies of a multicast
// group) and what goes through blocks again (resubmitted, recirculated packets)
// are jobs: a stage to run, a packet that it begins with, and a frame of cells
// that carries what else the stage needs to know.
//
// OpJob makes a job and OpJobStore fills its frame; OpReplicate puts a copy of it
// for each replica of a multicast group or clone session in its place. Jobs run
// first in, first out, after the packet or job that made them has ended; each
// begins at the entry of its stage. A stage ends as any Func does, with at most
// one output; it may make jobs anywhere and go on.
//
// The Func itself, which packets that came in run, makes jobs only while the packet
// is as it came in, and nothing but jobs follows: no change of the packet or of the
// image, no output, no drop, only TermNext. So an engine may hand a packet that
// forks to another place unchanged, together with its jobs. (Verify holds this.)
//
// A packet makes at most ir.MaxCopies jobs; a copy of OpReplicate counts as one, in
// the place of the job that it was. An OpJob beyond that gives 0, an OpReplicate
// makes the copies that there is room for. Lost jobs end as drops.

// What a job's packet is: N of OpJob.
const (
	// JobFound is the packet as the Func or stage that makes the job found it.
	JobFound = 0
	// JobNow is the packet as it is at the OpJob, after stores and resizing.
	JobNow = 1
	// JobOwn is JobNow as a frame of its own: what follows sees and counts the length
	// that it has then, and not that of the frame that came in (OpWireLen, and the
	// bytes of counters and meters).
	JobOwn = 2
)

// N of OpReplicate.
const (
	ReplicateGroup   = 0 // a multicast group's replicas, in order
	ReplicateSession = 1 // a clone session: the replicas of its group, then its own
)

// Cells of a frame, as byte offsets. Those below FrameCells have 4 bytes (Type
// 32); the engine sets them when the job is made, OpReplicate and stores change
// them. Those from FrameCells on have 8 bytes and hold a value of one type,
// zero-extended; what makes a job stores every one of them that its stage reads.
const (
	FramePort     = 0  // starts at 0; a replica's port
	FrameInstance = 4  // starts at 0; a replica's instance
	FrameCut      = 8  // starts at FrameWhole; length beyond which the output shall be cut: a session's Truncate where that is not 0
	FrameLength   = 12 // not stored by OpJobStore: bytes of the frame for OpWireLen and counters, 0 for those of the frame that came in. Starts as that of the job that makes it; JobOwn: the packet's length
	FrameClass    = 16 // starts at 0; a session's class of service
	FrameCells    = 24
)

// FrameWhole is FrameCut's value for an output that is not cut.
const FrameWhole = 0xffffffff

// job checks the operations on jobs.
func (c *checker) job(v *Value) error {
	typ := func(n int, ts ...Type) error {
		if len(v.Args) != n {
			return fmt.Errorf("%d operands, not %d", len(v.Args), n)
		}
		for i, t := range ts {
			if v.Args[i].Type != t {
				return errors.New("operand or result of a wrong type")
			}
		}
		return nil
	}
	if v.Op == OpJobStore || v.Op == OpReplicate {
		if len(v.Args) == 0 || v.Args[0].Op != OpJob {
			return errors.New("the first operand is no job")
		}
	}
	switch v.Op {
	case OpJob:
		if v.Aux >= uint64(len(c.whole.Stages)) {
			return errors.New("no such stage")
		}
		if v.N < JobFound || v.N > JobOwn || v.Type != 32 {
			return errors.New("no such job")
		}
		return typ(0)
	case OpReplicate:
		if v.N != ReplicateGroup && v.N != ReplicateSession || v.Type != 1 {
			return errors.New("no such replication")
		}
		return typ(2, 32, 32)
	case OpJobStore:
		if err := typ(2); err != nil {
			return err
		}
		if v.Args[1].Type == Ptr {
			return errors.New("a pointer in a frame")
		}
		if v.Aux == FrameLength {
			return errors.New("cell of the engine")
		}
		return cell(v.Aux, v.Args[1].Type)
	}
	if c.f == c.whole {
		return errors.New("a frame outside of stages")
	}
	if v.Aux+8 > uint64(c.f.FrameSize) {
		return errors.New("cell beyond the frame")
	}
	return errors.Join(typ(0), cell(v.Aux, v.Type))
}

// cell checks the place of a value of type t in a frame.
func cell(at uint64, t Type) error {
	switch at {
	case FramePort, FrameInstance, FrameCut, FrameLength, FrameClass:
		if t == 32 {
			return nil
		}
	default:
		if at >= FrameCells && at%8 == 0 && at < 1<<20 {
			return nil
		}
	}
	return errors.New("no such cell")
}

// jobs checks that what comes behind a job in the whole program's Func is jobs and
// TermNext, that no job follows a change of the packet there, and that a job is
// used in the block that makes it, before the next one and last by its OpReplicate.
func (c *checker) jobs() error {
	const made, changed = 1, 2
	state := map[*Block]int{}
	for again := true; again; {
		again = false
		for _, b := range c.f.Blocks {
			s := state[b]
			var last *Value // job of this block
			gone := false   // it was replicated
			for _, v := range b.Instrs {
				switch v.Op {
				case OpStore, OpScratch, OpScratchCopy, OpScratchMove, OpScratchBits, OpSplice, OpTrim:
					if s |= changed; s&made != 0 && c.f == c.whole {
						return c.errorf(b, "the packet is changed after a job was made: %s", v)
					}
				case OpJob:
					last, gone = v, false
					if s |= made; s&changed != 0 && c.f == c.whole {
						return c.errorf(b, "a job is made after the packet was changed: %s", v)
					}
				case OpJobStore, OpReplicate:
					if v.Args[0] != last {
						return c.errorf(b, "not the last job that this block made: %s", v)
					}
					if gone {
						return c.errorf(b, "the job is used after it was replicated: %s", v)
					}
					gone = v.Op == OpReplicate
				}
			}
			if k := b.Term.Kind; (k == TermOutput || k == TermDrop) && s&made != 0 && c.f == c.whole {
				return c.errorf(b, "%s after a job was made", termNames[k])
			}
			for _, e := range b.Term.Succs {
				if state[e.To]|s != state[e.To] {
					state[e.To] |= s
					again = true
				}
			}
		}
	}
	return nil
}

// verifyFrames checks that frames have one type a cell, and their sizes.
func verifyFrames(f *Func) error {
	size := 0
	for i, s := range f.Stages {
		if len(s.Stages) > 0 {
			return fmt.Errorf("ssa: stage %s has stages of its own", s.Name)
		}
		if s.FrameSize < FrameCells || s.FrameSize%8 != 0 {
			return fmt.Errorf("ssa: stage %s: frame of %d bytes", s.Name, s.FrameSize)
		}
		size = max(size, s.FrameSize)
		types := map[uint64]Type{}
		check := func(v *Value, t Type) error {
			if old, ok := types[v.Aux]; ok && old != t {
				return fmt.Errorf("ssa: stage %s: cell %d has two types: %s", s.Name, v.Aux, v)
			}
			types[v.Aux] = t
			return nil
		}
		for _, g := range f.funcs() {
			for _, b := range g.Blocks {
				for _, v := range b.Instrs {
					var err error
					switch {
					case v.Op == OpFrame && g == s:
						err = check(v, v.Type)
					case v.Op == OpJobStore && v.Args[0].Aux == uint64(i):
						err = check(v, v.Args[1].Type)
					}
					if err != nil {
						return err
					}
				}
			}
		}
	}
	if f.FrameSize != size {
		return fmt.Errorf("ssa: %s: the largest frame has %d bytes, not %d", f.Name, size, f.FrameSize)
	}
	return nil
}

// funcs are f and its stages.
func (f *Func) funcs() []*Func { return append([]*Func{f}, f.Stages...) }
