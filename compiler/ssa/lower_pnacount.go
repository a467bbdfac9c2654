package ssa

import "github.com/p4nic/p4nic/compiler/ir"

// PNA's counters take an increment: the bytes that the program names count, not
// those of the frame.

// countBytes lowers Counter.count(index, bytes) and DirectCounter.count(bytes); false
// for the calls without.
func (l *lowerer) countBytes(s *ir.ExternCall) bool {
	at := 1
	if s.Name == "DirectCounter.count" {
		at = 0
	}
	if len(s.Args) <= at || s.Args[at] == nil {
		return false
	}
	l.narrow(s.Args[at], "increment")
	if s.Name == "Counter.count" {
		i := l.object(s, "counter")
		index := l.index32(s.Args[0])
		n := l.op(OpZext, 64, l.scalar(s.Args[1]))
		l.emit(&Value{Op: OpCounterInc, Args: []*Value{index, n}, Sym: i, Name: i.Name})
		return true
	}
	i := l.object(s, "direct_counter")
	for _, t := range l.p.Tables {
		if t.Counters != i {
			continue
		}
		n := l.op(OpZext, 64, l.scalar(s.Args[0]))
		seen := l.known(l.get(l.countedLeaf(i)))
		then, els := l.branch(l.op(OpNe, 1, seen, l.constant(64, 0)), +1)
		if l.resume(then, "counted"); l.cur != nil {
			handle := l.op(OpTrunc, 32, l.op(OpSub, 64, seen, l.constant(64, 1)))
			l.emit(&Value{Op: OpCountHit, Args: []*Value{handle, n}, Sym: t})
		}
		l.resume(append(l.here(), els...), "recounted")
		return true
	}
	l.refuse(s.P, "extern "+s.Name, "no table has the direct counter "+i.Name)
	return true
}

// countedLeaf is 1 + the handle of the entry that the table of a direct counter
// counted last, 0 before.
func (l *lowerer) countedLeaf(i *ir.Instance) int { return l.objectLeaf(i, 64, ".$counted") }

// countedEntry notes the entry for a call of DirectCounter.count with an increment.
func (l *lowerer) countedEntry(t *ir.Table, handle *Value) {
	if callsAny(l.p, "DirectCounter.count") && l.p.Arch == "pna" {
		l.set(l.countedLeaf(t.Counters), l.op(OpAdd, 64, l.op(OpZext, 64, handle), l.constant(64, 1)))
	}
}
