package p4info

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
)

// prefix is the top byte of an id: the kind of object (P4).
type prefix uint32

const (
	prefixAction           = prefix(p4configv1.P4Ids_ACTION)
	prefixTable            = prefix(p4configv1.P4Ids_TABLE)
	prefixValueSet         = prefix(p4configv1.P4Ids_VALUE_SET)
	prefixControllerHeader = prefix(p4configv1.P4Ids_CONTROLLER_HEADER)
	prefixActionProfile    = prefix(p4configv1.P4Ids_ACTION_PROFILE)
	prefixCounter          = prefix(p4configv1.P4Ids_COUNTER)
	prefixDirectCounter    = prefix(p4configv1.P4Ids_DIRECT_COUNTER)
	prefixMeter            = prefix(p4configv1.P4Ids_METER)
	prefixDirectMeter      = prefix(p4configv1.P4Ids_DIRECT_METER)
	prefixRegister         = prefix(p4configv1.P4Ids_REGISTER)
	prefixDigest           = prefix(p4configv1.P4Ids_DIGEST)
)

const hashMask = 0xffffff

// hash is Jenkins' one-at-a-time function over the bytes of s (P1).
func hash(s string) uint32 {
	var h uint32
	for i := range len(s) {
		h += uint32(s[i])
		h += h << 10
		h ^= h >> 6
	}
	h += h << 3
	h ^= h >> 11
	h += h << 15
	return h
}

// symbol is a name that the control plane sees.
type symbol struct {
	kind prefix
	name string
}

// symbols gives ids and aliases. All symbols are added first.
type symbols struct {
	order   []symbol          // as added, without repetition
	wanted  map[symbol]uint32 // explicit @id
	ids     map[symbol]uint32
	aliases map[string]string
}

func newSymbols() *symbols {
	return &symbols{wanted: map[symbol]uint32{}}
}

// add makes a symbol known; id is its @id, 0 for none. The same symbol may be
// added again: top-level actions are used in several controls.
func (s *symbols) add(kind prefix, name string, id uint32) error {
	sym := symbol{kind, name}
	if !slices.Contains(s.order, sym) {
		s.order = append(s.order, sym)
	}
	if id == 0 {
		return nil
	}
	// P3: without a prefix it is added, with a wrong one it is an error.
	switch top := id >> 24; top {
	case 0:
		id |= uint32(kind) << 24
	case uint32(kind):
	default:
		return fmt.Errorf("@id(%#x) of %s has the prefix %#02x of another kind of object; %#02x is wanted", id, name, top, uint32(kind))
	}
	for other, taken := range s.wanted {
		if taken == id && other != sym {
			// Which of the two is named depends on the order of addition only.
			return fmt.Errorf("@id(%#x) of %s is also that of %s", id, name, other.name)
		}
	}
	s.wanted[sym] = id
	return nil
}

// resolve computes all ids (P1-P3) and aliases (P6).
func (s *symbols) resolve() {
	s.ids = map[symbol]uint32{}
	taken := map[uint32]bool{}
	for sym, id := range s.wanted {
		s.ids[sym] = id
		taken[id] = true
	}
	// P2: hashed in sorted order per kind; on a collision the hash is raised.
	sorted := slices.Clone(s.order)
	slices.SortFunc(sorted, func(a, b symbol) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	})
	for _, sym := range sorted {
		if _, ok := s.ids[sym]; ok {
			continue
		}
		h := hash(sym.name)
		id := func() uint32 { return uint32(sym.kind)<<24 | h&hashMask }
		for taken[id()] {
			h++
		}
		s.ids[sym] = id()
		taken[id()] = true
	}
	s.aliases = aliases(s.order)
}

func (s *symbols) id(kind prefix, name string) uint32 { return s.ids[symbol{kind, name}] }

func (s *symbols) alias(name string) string { return s.aliases[name] }

// aliases gives every name its shortest dotted suffix that no other name ends
// with. A name used by two kinds counts once.
func aliases(syms []symbol) map[string]string {
	count := map[string]int{} // suffix -> names that end with it
	names := map[string]bool{}
	for _, sym := range syms {
		if names[sym.name] {
			continue
		}
		names[sym.name] = true
		for _, suf := range suffixes(sym.name) {
			count[suf]++
		}
	}
	out := map[string]string{}
	for name := range names {
		out[name] = name
		for _, suf := range suffixes(name) {
			if count[suf] == 1 {
				out[name] = suf
				break
			}
		}
	}
	return out
}

// suffixes lists the dotted suffixes of name, shortest first.
func suffixes(name string) []string {
	var out []string
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			out = append(out, name[i+1:])
		}
	}
	return append(out, name)
}
