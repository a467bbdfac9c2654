package refops

import (
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Key is a field of a table's key.
type Key struct {
	Kind ir.MatchKind
	T    T
}

// FromBytes reads machine form.
func (t T) FromBytes(b []byte) *big.Int { return t.Wrap(new(big.Int).SetBytes(b)) }

// Matches tells whether the key's value v fits m (see ir.Match).
func (k Key) Matches(m ir.Match, v *big.Int) bool {
	switch k.Kind {
	case ir.MatchExact:
		return k.T.FromBytes(m.Value).Cmp(v) == 0
	case ir.MatchLPM:
		drop := pow2(k.T.W - m.PrefixLen)
		a := new(big.Int).Div(k.T.Bits(v), drop)
		b := new(big.Int).Div(new(big.Int).SetBytes(m.Value), drop)
		return a.Cmp(b) == 0
	case ir.MatchTernary:
		if m.Mask == nil {
			return true
		}
		want, mask, have := new(big.Int).SetBytes(m.Value), new(big.Int).SetBytes(m.Mask), k.T.Bits(v)
		for i := range k.T.W {
			if mask.Bit(i) == 1 && want.Bit(i) != have.Bit(i) {
				return false
			}
		}
		return true
	case ir.MatchRange:
		if m.Mask == nil {
			return true
		}
		return k.T.FromBytes(m.Value).Cmp(v) <= 0 && v.Cmp(k.T.FromBytes(m.Mask)) <= 0
	case ir.MatchOptional:
		return m.Value == nil || k.T.FromBytes(m.Value).Cmp(v) == 0
	}
	return false
}

// Lookup gives the index of the entry that wins, -1 for none. Of those that
// match: the highest priority; then the longest prefix; then the lowest handle.
func Lookup(keys []Key, es []ir.Entry, v []*big.Int) int {
	best := -1
	for i := range es {
		fits := true
		for j, k := range keys {
			fits = fits && k.Matches(es[i].Match[j], v[j])
		}
		if fits && (best < 0 || better(keys, &es[i], &es[best])) {
			best = i
		}
	}
	return best
}

func better(keys []Key, a, b *ir.Entry) bool {
	ordered := false
	for _, k := range keys {
		ordered = ordered || k.Kind == ir.MatchTernary || k.Kind == ir.MatchRange || k.Kind == ir.MatchOptional
	}
	if ordered {
		if a.Priority != b.Priority {
			return a.Priority > b.Priority
		}
		return a.Handle < b.Handle
	}
	for j, k := range keys {
		if k.Kind == ir.MatchLPM && a.Match[j].PrefixLen != b.Match[j].PrefixLen {
			return a.Match[j].PrefixLen > b.Match[j].PrefixLen
		}
	}
	return a.Handle < b.Handle
}
