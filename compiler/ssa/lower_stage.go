package ssa

import "errors"

// stageSet are the stages that a program's lowerers ask for, in the order of the
// first time. All lowerers of a program share one.
type stageSet struct {
	names  []string
	builds []func(l *lowerer)
	bits   bool // parsers count bits, see lower_bits.go
	// apart: what one deparser makes and another parser reads is a real packet.
	apart bool
}

// errNotFused says that a program is to be lowered with stageSet.apart.
var errNotFused = errors.New("ssa: two parsers are not fused")

// stage gives the number of the stage called name, which build lowers. Every
// lowerer that asks for it gives the same build: it must not refer to the one that
// asks.
func (l *lowerer) stage(name string, build func(l *lowerer)) uint64 {
	for i, n := range l.stages.names {
		if n == name {
			return uint64(i)
		}
	}
	l.stages.names = append(l.stages.names, name)
	l.stages.builds = append(l.stages.builds, build)
	return uint64(len(l.stages.names) - 1)
}

// lowerStages lowers the stages that f and its stages ask for.
func lowerStages(f *Func, opt Options, set *stageSet) error {
	for i := 0; i < len(set.names); i++ {
		s, err := lowerFunc(f.Prog, set.names[i], opt, set, set.builds[i])
		if err != nil {
			return err
		}
		s.FrameSize = max(s.FrameSize, FrameCells)
		f.Stages = append(f.Stages, s)
	}
	f.sizeFrames()
	return nil
}

// storedCell is a value for a cell of a job's frame.
type storedCell struct {
	at uint64
	v  *Value
}

// cellAt is the place of leaf number i in a frame.
func cellAt(i int) uint64 { return FrameCells + 8*uint64(i) }

// newJob makes a job for a stage, with the cells.
func (l *lowerer) newJob(stage uint64, kind int, name string, cells []storedCell) *Value {
	l.force()
	j := l.emit(&Value{Op: OpJob, Type: 32, Aux: stage, N: kind, Name: name})
	for _, c := range cells {
		l.emit(&Value{Op: OpJobStore, Args: []*Value{j, c.v}, Aux: c.at})
	}
	return j
}

// replicateJob makes the copies of job j; the result tells whether there are any.
func (l *lowerer) replicateJob(j *Value, kind int, id *Value) *Value {
	return l.emit(&Value{Op: OpReplicate, Type: 1, Args: []*Value{j, id}, N: kind})
}

// next ends the current flow: what it made besides goes on.
func (l *lowerer) next() {
	l.force()
	if l.cur == nil {
		return
	}
	l.cur.blk.Term = Term{Kind: TermNext, Pos: l.pos}
	l.cur = nil
}

// frame reads a cell of the running job's frame.
func (l *lowerer) frame(at uint64, t Type, name string) *Value {
	if at >= FrameCells {
		l.f.FrameSize = max(l.f.FrameSize, int(at)+8)
	}
	return l.emit(&Value{Op: OpFrame, Type: t, Aux: at, Name: name})
}

// frameLeaves sets n leaves from base on from the cells from number cell on.
func (l *lowerer) frameLeaves(base, n, cell int) {
	for i := range n {
		l.set(base+i, l.frame(cellAt(cell+i), l.leafType[base+i], l.leafName[base+i]))
	}
}

// never tells whether leaf is known to be another constant than c on all ways.
func (l *lowerer) never(leaf int, c uint64) bool {
	if l.cur == nil {
		return true
	}
	other := func(v *Value) bool { return v.Op == OpConst && v.Aux != c }
	if l.cur.pending == nil {
		return other(l.at(l.cur.env, leaf))
	}
	for _, x := range l.cur.pending {
		if !other(l.at(x.env, leaf)) {
			return false
		}
	}
	return true
}

// where parts the ways on which leaf is c from the others. Ways on which that is
// known are not joined.
func (l *lowerer) where(leaf int, c uint64, likely int, name string) (is, not []exit) {
	var rest []exit
	for _, x := range l.here() {
		switch v := l.at(x.env, leaf); {
		case v.Op != OpConst:
			rest = append(rest, x)
		case v.Aux == c:
			is = append(is, x)
		default:
			not = append(not, x)
		}
	}
	if l.resume(rest, name); l.cur != nil {
		l.force()
		v := l.get(leaf)
		then, els := l.branch(l.op(OpEq, 1, v, l.constant(v.Type, c)), likely)
		is, not = append(is, then...), append(not, els...)
	}
	return is, not
}

// setOn sets a leaf on exits.
func (l *lowerer) setOn(exits []exit, leaf int, v *Value) []exit {
	out := make([]exit, len(exits))
	for i, x := range exits {
		x.env = append([]*Value(nil), x.env...)
		for len(x.env) <= leaf {
			x.env = append(x.env, nil)
		}
		x.env[leaf] = v
		out[i] = x
	}
	return out
}

// resumeFresh is resume for exits whose variables do not matter.
func (l *lowerer) resumeFresh(exits []exit, name string) {
	for i := range exits {
		exits[i].env = nil
	}
	l.resume(exits, name)
}

// plainLeaves visits the leaves at or below n that lie in no header: the metadata
// of copies is reset, their headers are not.
func (n *node) plainLeaves(rel int, visit func(rel int)) {
	switch n.kind {
	case nodeHeader, nodeUnion:
		return
	case nodeScalar, nodeVarbit:
		for i := range n.n {
			visit(rel + i)
		}
		return
	case nodeStack:
		if len(n.kids) > 0 && (n.kids[0].kind == nodeHeader || n.kids[0].kind == nodeUnion) {
			return
		}
		visit(rel)
	}
	for _, k := range n.kids {
		k.plainLeaves(rel+k.rel, visit)
	}
}

func (l *lowerer) flagLeaf(name string) int {
	return l.leaves(&node{kind: nodeScalar, w: 1, n: 1}, name)
}

func (l *lowerer) wordLeaf(name string) int {
	return l.leaves(&node{kind: nodeScalar, w: 32, n: 1}, name)
}
