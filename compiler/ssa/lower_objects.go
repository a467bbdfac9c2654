package ssa

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The extern objects that PSA and PNA share and that keep nothing from packet to
// packet: Hash, Random, Checksum, InternetChecksum. lower_state.go has the others.
//
// A checksum in progress is leaves that are 0 where it is cleared: for sums of 16-bit
// words the sum so far and its place in a word, for a CRC its value so far.

// sumState are the leaves of a checksum object.
type sumState struct {
	value int // 64 bits: folded sum, exclusive or, or CRC
	align int // 32 bits: bits taken so far, modulo 16
}

// valueExtern lowers the externs of these objects; false for others.
func (l *lowerer) valueExtern(s *ir.ExternCall) bool {
	switch s.Name {
	case "Hash.get_hash":
		l.getHash(s)
	case "Random.read":
		if s.Object == nil || len(s.Object.Args) != 2 {
			l.refuse(s.P, "extern "+s.Name, "it is not called on a Random")
		}
		if s.Dst != nil {
			l.random(s.Dst, s.Object.Args[0], s.Object.Args[1])
		}
	case "DirectCounter.count": // counted by the table
		return len(s.Args) == 0 || s.Args[0] == nil
	case "Checksum.clear", "InternetChecksum.clear":
		l.clearSum(l.sumOf(s))
	case "Checksum.update":
		l.args(s, 1)
		l.updateSum(s)
	case "Checksum.get":
		l.getSum(s)
	case "InternetChecksum.add", "InternetChecksum.subtract":
		l.args(s, 1)
		l.addSum(s)
	case "InternetChecksum.get":
		l.setResult(s, l.op(OpNot, 16, l.sum16(s)))
	case "InternetChecksum.get_state":
		l.setResult(s, l.sum16(s))
	case "InternetChecksum.set_state":
		l.args(s, 1)
		v := l.resize(l.resize(l.eval(s.Args[0]), 16, false), 64, false)[0]
		l.set(l.sumOf(s).value, v)
	default:
		return false
	}
	return true
}

// setResult stores what a method returns, where it goes anywhere.
func (l *lowerer) setResult(s *ir.ExternCall, v *Value) {
	if s.Dst == nil {
		return
	}
	w := ir.Width(s.Dst.Type())
	if w < 0 {
		l.refuse(s.P, "extern "+s.Name, "the result is no scalar")
	}
	l.assignTo(s.Dst, l.resize([]*Value{v}, w, false))
}

// objectAlgorithm is the algorithm of a Hash or Checksum, by its name in v1model.
func (l *lowerer) objectAlgorithm(s *ir.ExternCall) string {
	if s.Object == nil || len(s.Object.Args) < 1 {
		l.refuse(s.P, "extern "+s.Name, "it is not called on an object with an algorithm")
	}
	switch name := strings.ToLower(l.enumMember(s.Object.Args[0])); name {
	case "target_default":
		return "crc32"
	case "ones_complement16":
		return "csum16"
	default:
		return name
	}
}

// getHash is get_hash(data) and get_hash(base, data, max): base + hash mod max. Data
// that fill no whole byte have zeros before them.
func (l *lowerer) getHash(s *ir.ExternCall) {
	if s.Dst == nil {
		return
	}
	at := 0
	if len(s.Args) == 3 {
		at = 1
	}
	l.args(s, 2*at+1)
	data := l.data(s.Args[at])
	bits := 0
	for _, p := range data {
		bits += width(p.pieces)
	}
	if n := -bits & 7; n != 0 {
		data = append([]part{{pieces: []*Value{l.constant(Type(n), 0)}}}, data...)
	}
	h := l.digestOf(l.objectAlgorithm(s), data, s.P)
	if at > 0 {
		l.narrow(s.Args[0], "base of "+s.Name)
		l.narrow(s.Args[2], "maximum of "+s.Name)
		base, limit := l.op(OpZext, 64, l.scalar(s.Args[0])), l.op(OpZext, 64, l.scalar(s.Args[2]))
		h = l.op(OpAdd, 64, base, l.op(OpMod, 64, l.op(OpZext, 64, h), limit))
	}
	l.setResult(s, h)
}

// sumOf are the leaves of the object of a call.
func (l *lowerer) sumOf(s *ir.ExternCall) *sumState {
	if s.Object == nil {
		l.refuse(s.P, "extern "+s.Name, "it is not called on a checksum")
	}
	st := l.sums[s.Object]
	if st == nil {
		st = &sumState{
			l.leaves(&node{kind: nodeScalar, w: 64, n: 1}, s.Object.Name),
			l.wordLeaf(s.Object.Name + ".$bits"),
		}
		if l.sums == nil {
			l.sums = map[*ir.Instance]*sumState{}
		}
		l.sums[s.Object] = st
	}
	return st
}

func (l *lowerer) clearSum(st *sumState) {
	l.set(st.value, l.constant(64, 0))
	l.set(st.align, l.constant(32, 0))
}

// newSums clears the checksums: every parser and control begins so.
func (l *lowerer) newSums() {
	if l.cur == nil || len(l.sums) == 0 {
		return
	}
	l.edit(func(_ func(int) *Value, set func(int, *Value)) {
		for _, st := range l.sums {
			set(st.value, l.constant(64, 0))
			set(st.align, l.constant(32, 0))
		}
	})
}

// sum16 is an InternetChecksum's state.
func (l *lowerer) sum16(s *ir.ExternCall) *Value {
	return l.op(OpTrunc, 16, l.get(l.sumOf(s).value))
}

// addSum is add and subtract: one's complement sums of 16-bit words (RFC 1624).
func (l *lowerer) addSum(s *ir.ExternCall) {
	st := l.sumOf(s)
	data := l.data(s.Args[0])
	bits := 0
	for _, p := range data {
		bits += width(p.pieces)
	}
	if bits%16 != 0 {
		l.refuse(s.P, "extern "+s.Name, fmt.Sprintf("%d bits of data are no multiple of 16", bits))
	}
	minus := s.Name == "InternetChecksum.subtract"
	l.runs(s, data, func(state *Value, align int, pieces []*Value) *Value {
		return l.onesSum(state, l.shifted(pieces, align), minus)
	}, st)
}

// runs folds data into the state of a checksum: pieces that are always there at a
// time, and headers that may be absent one by one.
func (l *lowerer) runs(s *ir.ExternCall, data []part, f func(state *Value, align int, pieces []*Value) *Value, st *sumState) {
	for i := 0; i < len(data); {
		if data[i].slice != nil {
			l.refuse(s.P, "extern "+s.Name, "a field of variable size in a checksum that goes on")
		}
		there := l.constant(1, 1)
		var pieces []*Value
		if p := data[i]; p.valid != nil && !l.known(p.valid).IsConst(1) {
			there, pieces = l.known(p.valid), p.pieces
			i++
		} else {
			for ; i < len(data) && data[i].slice == nil && (data[i].valid == nil || l.known(data[i].valid).IsConst(1)); i++ {
				pieces = append(pieces, data[i].pieces...)
			}
		}
		if len(pieces) == 0 {
			continue
		}
		align := l.known(l.get(st.align))
		if align.Op != OpConst {
			l.refuse(s.P, "extern "+s.Name, "the data before it have no whole 16-bit words on some ways to here")
		}
		old := l.get(st.value)
		l.set(st.value, l.sel(there, f(old, int(align.Aux), pieces), old))
		next := l.constant(32, (align.Aux+uint64(width(pieces)))%16)
		l.set(st.align, l.sel(there, next, align))
	}
}

// shifted puts zeros before the pieces that begin within a word.
func (l *lowerer) shifted(pieces []*Value, align int) []*Value {
	if align == 0 {
		return pieces
	}
	return append([]*Value{l.constant(Type(align), 0)}, pieces...)
}

// updateSum is Checksum.update.
func (l *lowerer) updateSum(s *ir.ExternCall) {
	st := l.sumOf(s)
	algo := l.objectAlgorithm(s)
	l.runs(s, l.data(s.Args[0]), func(state *Value, align int, pieces []*Value) *Value {
		switch algo {
		case "csum16":
			return l.onesSum(state, l.shifted(pieces, align), false)
		case "xor16":
			x := l.op(OpZext, 64, l.xor16(l.shifted(pieces, align)))
			return l.op(OpXor, 64, state, x)
		case "crc16", "crc16_custom", "crc32", "crc32_custom":
			if width(pieces)%8 != 0 || align%8 != 0 {
				l.refuse(s.P, "extern "+s.Name, "a CRC goes on over whole bytes")
			}
			return l.op(OpZext, 64, l.crcOn(strings.TrimSuffix(algo, "_custom"), state, pieces))
		}
		l.refuse(s.P, "extern "+s.Name, "checksums of algorithm "+algo+" cannot be lowered")
		return nil
	}, st)
}

// crcOn continues a reflected CRC over whole bytes: the value so far goes into the
// first bytes of the data, with its own first byte the least significant; what the
// data are too short for moves down.
func (l *lowerer) crcOn(algo string, state *Value, pieces []*Value) *Value {
	bytes, w := 4, Type(32)
	if algo == "crc16" {
		bytes, w = 2, 16
	}
	n := width(pieces) / 8
	k := min(n, bytes)
	var mixed []*Value
	for i := range k {
		b := l.gather([]*Value{state}, 8*i, 8)
		mixed = append(mixed, l.op(OpXor, 8, b, l.gather(pieces, 8*(n-1-i), 8)))
	}
	if rest := l.slice(pieces, 0, 8*(n-k)); n > k {
		mixed = append(mixed, rest...)
	}
	r := l.digest(algo, mixed, l.pos)
	if n < bytes {
		r = l.op(OpXor, w, r, l.op(OpShr, w, l.op(OpTrunc, w, state), l.constant(8, uint64(8*n))))
	}
	return r
}

// getSum is Checksum.get.
func (l *lowerer) getSum(s *ir.ExternCall) {
	v := l.get(l.sumOf(s).value)
	if l.objectAlgorithm(s) == "csum16" {
		v = l.op(OpNot, 16, l.op(OpTrunc, 16, v))
	}
	l.setResult(s, v)
}

// onesSum adds the pieces, or with minus their complements, to a sum of at most 16
// bits and folds it: the end-around carry keeps it within 16 bits, and a sum that is
// not 0 never becomes 0. Whatever stands at a multiple of 16 bits is added as it is,
// since 2^16 is 1 modulo 2^16 - 1.
func (l *lowerer) onesSum(sum *Value, pieces []*Value, minus bool) *Value {
	bound := uint64(0xffff)
	if sum.Op == OpConst {
		bound = sum.Aux
	}
	fold16 := func(n uint) {
		m := l.constant(64, 1<<n-1)
		sum = l.op(OpAdd, 64, l.op(OpShr, 64, sum, l.constant(8, uint64(n))), l.op(OpAnd, 64, sum, m))
		hi := bound >> n
		bound = max(hi-1+1<<n-1, hi+bound&(1<<n-1))
	}
	l.words16(pieces, func(v *Value, b uint64) {
		if bound > ^uint64(0)-b {
			fold16(32)
		}
		if minus {
			v = l.op(OpXor, 64, v, l.constant(64, b))
		}
		sum = l.op(OpAdd, 64, sum, v)
		bound += b
	})
	for bound > 1<<33 {
		fold16(32)
	}
	for bound > 0xffff {
		fold16(16)
	}
	return sum
}
