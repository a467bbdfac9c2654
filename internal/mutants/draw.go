package mutants

import (
	"errors"
	"math/rand/v2"
)

// Draw gives n mutants of the packages. Every statement is as likely as any
// other; of the kinds of change that apply to it each is as likely; of the places
// of that kind each is. A change that does not compile is drawn again for the
// same statement; a statement without one that does is drawn again. No mutant
// comes twice. The same tree and seed give the same mutants in the same order, so
// that the first n of more are those of n.
func Draw(root, module string, packages []string, seed uint64, n int) ([]*Mutant, int, error) {
	list, err := load(root, module, packages)
	if err != nil {
		return nil, 0, err
	}
	sites := statements(list)
	if len(sites) == 0 {
		return nil, 0, errors.New("no statement in these packages")
	}
	out := draw(sites, seed, n)
	if len(out) < n {
		return out, len(sites), errors.New("the packages have too few statements for so many faults")
	}
	return out, len(sites), nil
}

func draw(sites []*site, seed uint64, n int) []*Mutant {
	r := rand.New(rand.NewPCG(seed, 0))
	drawn := map[string]bool{}
	var out []*Mutant
	for misses := 0; len(out) < n && misses < 20*n+1000; {
		s := sites[r.IntN(len(sites))]
		m := s.mutant(r, drawn)
		if m == nil {
			misses++
			continue
		}
		out = append(out, m)
	}
	return out
}

// mutant draws a change of the site that compiles and was not drawn before.
func (s *site) mutant(r *rand.Rand, drawn map[string]bool) *Mutant {
	byKind := map[string][]change{}
	var kinds []string
	for _, c := range s.changes() {
		if byKind[c.kind] == nil {
			kinds = append(kinds, c.kind)
		}
		byKind[c.kind] = append(byKind[c.kind], c)
	}
	for len(kinds) > 0 {
		k := r.IntN(len(kinds))
		list := byKind[kinds[k]]
		i := r.IntN(len(list))
		c := list[i]
		byKind[c.kind] = append(list[:i:i], list[i+1:]...)
		if len(byKind[c.kind]) == 0 {
			kinds = append(kinds[:k:k], kinds[k+1:]...)
		}
		src := apply(s.f.src, c.edits)
		if key := s.f.rel + string(src); drawn[key] || !s.p.compiles(s.f, src) {
			continue
		} else {
			drawn[key] = true
		}
		return &Mutant{Package: s.p.rel, File: s.f.rel, Line: s.pos.Line, Function: s.function, Kind: c.kind,
			Diff: diff(s.f.src, src), source: src, abs: s.f.abs}
	}
	return nil
}
