package ssa

import (
	"fmt"
	"strings"
)

// Pass is a row of the pass table: what may be turned off by name.
type Pass struct {
	Name string
	Doc  string
	run  func(f *Func) bool // true when it changed f
}

// Passes are the optimisation passes in the order in which a round runs them.
// Each keeps the meaning of the Func; none needs another. All but frames see one
// stage at a time.
func Passes() []Pass {
	return []Pass{
		{"fold", "operations on constants, algebraic identities, selects that are known", foldPass},
		{"branch", "branches and switches on constants, or with one way", branchPass},
		{"known", "a branch's condition is known where only one of its edges leads", knownPass},
		{"params", "block parameters that get one value from everywhere", paramsPass},
		{"cse", "values computed before on every way are not computed again", csePass},
		{"thread", "edges into blocks that only pass on lead to the next block", threadPass},
		{"merge", "a block and its only successor become one when it has no other predecessor", mergePass},
		{"dce", "values, block parameters and blocks that nothing needs", dcePass},
		{"fastpath", "packets too short for a header leave the way of the others", fastPathPass},
		{"frames", "cells of jobs' frames that no stage reads, or that always hold one constant; stages that no job is for", framesPass},
	}
}

// maxRounds bounds the repetition of the passes; they normally settle in two or
// three rounds.
const maxRounds = 8

// Optimize runs the passes that opt does not turn off until nothing changes.
// The error is a fault of a pass: what it made does not verify.
func Optimize(f *Func, opt Options) error {
	for round := range maxRounds {
		for _, g := range f.funcs() {
			// One copy, of what every packet passes, when all else has settled.
			if err := optimizeOne(f, g, opt, round == 0 && g == f); err != nil {
				return err
			}
		}
		if len(f.Stages) == 0 || opt.Off["frames"] || !framesPass(f) {
			break
		}
		if err := Verify(f); err != nil {
			return fmt.Errorf("ssa: pass frames: %w", err)
		}
	}
	f.Renumber()
	return nil
}

// optimizeOne runs the passes on g, which is f or one of its stages; split says
// that fastpath may copy blocks, once. What a round makes
// is verified: to verify after each pass would be half of the time that large programs
// take.
func optimizeOne(f, g *Func, opt Options, split bool) error {
	for range maxRounds {
		var changed []string
		for _, p := range Passes() {
			if opt.Off[p.Name] || p.Name == "frames" || p.Name == "fastpath" && (len(changed) > 0 || !split) {
				continue
			}
			if p.run(g) {
				changed = append(changed, p.Name)
				split = split && p.Name != "fastpath"
			}
		}
		if len(changed) == 0 {
			break
		}
		if err := verifyFunc(f, g); err != nil {
			return fmt.Errorf("ssa: passes %s: %w", strings.Join(changed, ", "), err)
		}
	}
	return nil
}

// subst replaces values everywhere; chains are followed.
type subst map[*Value]*Value

func (s subst) of(v *Value) *Value {
	for {
		w, ok := s[v]
		if !ok {
			return v
		}
		v = w
	}
}

func (s subst) apply(f *Func) {
	if len(s) == 0 {
		return
	}
	for _, b := range f.Blocks {
		for _, v := range b.Instrs {
			for i, a := range v.Args {
				v.Args[i] = s.of(a)
			}
		}
		if b.Term.Cond != nil {
			b.Term.Cond = s.of(b.Term.Cond)
		}
		for _, e := range b.Term.Succs {
			for i, a := range e.Args {
				e.Args[i] = s.of(a)
			}
		}
	}
}

// remove drops the instructions that s replaces.
func (s subst) remove(f *Func) {
	if len(s) == 0 {
		return
	}
	for _, b := range f.Blocks {
		out := b.Instrs[:0]
		for _, v := range b.Instrs {
			if _, gone := s[v]; !gone {
				out = append(out, v)
			}
		}
		clear(b.Instrs[len(out):])
		b.Instrs = out
	}
}

// pool finds and makes constants, which all stand at the start of the entry
// block.
type pool struct {
	f     *Func
	have  map[constKey]*Value
	added []*Value
	maxID int
}

func newPool(f *Func) *pool {
	p := &pool{f: f, have: map[constKey]*Value{}}
	for _, b := range f.Blocks {
		for _, v := range b.Params {
			p.maxID = max(p.maxID, v.ID)
		}
		for _, v := range b.Instrs {
			p.maxID = max(p.maxID, v.ID)
			if k := (constKey{v.Type, v.Aux}); v.Op == OpConst && b == f.Blocks[0] && p.have[k] == nil {
				p.have[k] = v
			}
		}
	}
	return p
}

func (p *pool) constant(t Type, c uint64) *Value {
	k := constKey{t, c & Mask(t)}
	if v := p.have[k]; v != nil {
		return v
	}
	p.maxID++
	v := &Value{ID: p.maxID, Op: OpConst, Type: t, Aux: k.c}
	p.have[k] = v
	p.added = append(p.added, v)
	return v
}

// settle moves all pooled constants to the front of the entry block.
func (p *pool) settle() {
	entry := p.f.Blocks[0]
	var consts, rest []*Value
	for _, v := range entry.Instrs {
		if v.Op == OpConst {
			consts = append(consts, v)
		} else {
			rest = append(rest, v)
		}
	}
	entry.Instrs = append(append(consts, p.added...), rest...)
	p.added = nil
}

// replaceTerm gives b a jump along edge e.
func replaceTerm(b *Block, e Edge) {
	b.Term = Term{Kind: TermJump, Succs: []Edge{e}, Pos: b.Term.Pos}
}
