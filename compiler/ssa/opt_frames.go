package ssa

import (
	"maps"
	"slices"
)

// framesPass looks at the frames of all stages together: stages that no job is for
// go, stores to cells that the stage does not read go, cells into which every job
// puts one constant become that constant, and the others move together.
func framesPass(f *Func) bool {
	if len(f.Stages) == 0 {
		return false
	}
	changed := dropStages(f)
	for again := true; again; {
		again = false
		for i, s := range f.Stages {
			again = frameOf(f, uint64(i), s) || again
		}
		changed = changed || again
	}
	f.sizeFrames()
	return changed
}

// sizeFrames sets FrameSize of f from its stages.
func (f *Func) sizeFrames() {
	f.FrameSize = 0
	for _, s := range f.Stages {
		f.FrameSize = max(f.FrameSize, s.FrameSize)
	}
}

// dropStages drops stages that cannot run and counts the others anew.
func dropStages(f *Func) bool {
	used := make([]bool, len(f.Stages))
	var walk func(g *Func)
	walk = func(g *Func) {
		g.each(OpJob, func(v *Value) {
			if !used[v.Aux] {
				used[v.Aux] = true
				walk(f.Stages[v.Aux])
			}
		})
	}
	walk(f)
	if !slices.Contains(used, false) {
		return false
	}
	number := make([]uint64, len(used))
	var keep []*Func
	for i, s := range f.Stages {
		if number[i] = uint64(len(keep)); used[i] {
			keep = append(keep, s)
		}
	}
	f.Stages = keep
	for _, g := range f.funcs() {
		g.each(OpJob, func(v *Value) { v.Aux = number[v.Aux] })
	}
	return true
}

// each visits the instructions of g with op.
func (g *Func) each(op Op, visit func(v *Value)) {
	for _, b := range g.Blocks {
		for _, v := range b.Instrs {
			if v.Op == op {
				visit(v)
			}
		}
	}
}

// stored is what the jobs for a stage put into a cell.
type stored struct {
	jobs int    // that store it
	c    *Value // the constant that all of them store so far
	many bool   // there is another value
}

// frameOf does the work for stage s, number i.
func frameOf(f *Func, i uint64, s *Func) bool {
	read := map[uint64]bool{}
	s.each(OpFrame, func(v *Value) { read[v.Aux] = true })
	jobs := 0
	cells := map[uint64]*stored{}
	changed := false
	for _, g := range f.funcs() {
		g.each(OpJob, func(v *Value) {
			if v.Aux == i {
				jobs++
			}
		})
		for _, b := range g.Blocks {
			b.Instrs = slices.DeleteFunc(b.Instrs, func(v *Value) bool {
				if v.Op != OpJobStore || v.Args[0].Aux != i {
					return false
				}
				if !read[v.Aux] {
					changed = true
					return true
				}
				c := cells[v.Aux]
				if c == nil {
					c = &stored{}
					cells[v.Aux] = c
				}
				c.jobs++
				switch val := v.Args[1]; {
				case g == s && val.Op == OpFrame && val.Aux == v.Aux: // what it was
				case val.Op == OpConst && (c.c == nil || c.c.Aux == val.Aux):
					c.c = val
				default:
					c.many = true
				}
				return false
			})
		}
	}
	// Cells of the engine may hold what no store put there.
	p := newPool(s)
	sub := subst{}
	s.each(OpFrame, func(v *Value) {
		if c := cells[v.Aux]; v.Aux >= FrameCells && c != nil && c.c != nil && !c.many && c.jobs == jobs {
			sub[v] = p.constant(v.Type, c.c.Aux)
		}
	})
	if len(sub) > 0 {
		p.settle()
		sub.remove(s)
		sub.apply(s)
		return true // their stores go when it is called again
	}
	move := map[uint64]uint64{}
	at := uint64(FrameCells)
	for _, c := range slices.Sorted(maps.Keys(read)) {
		if c >= FrameCells {
			move[c] = at
			at += 8
		} else {
			move[c] = c
		}
		changed = changed || move[c] != c
	}
	s.each(OpFrame, func(v *Value) { v.Aux = move[v.Aux] })
	for _, g := range f.funcs() {
		g.each(OpJobStore, func(v *Value) {
			if v.Args[0].Aux == i {
				v.Aux = move[v.Aux]
			}
		})
	}
	changed = changed || s.FrameSize != int(at)
	s.FrameSize = int(at)
	return changed
}
