package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Trie is the engine for one lpm key of up to 128 bits, alone or beside exact
// keys. All of it lies in one value, the arena, in lines of 64 bytes; what a
// packet reads is a chain of u32 cells. A cell is a handle (0: no entry) or, with
// bit 31 set, a node:
//
//	bits 0..26   its first line
//	bits 27..30  its form: 0 stride8, 1 stride16, 3..12 ranges, log2 of their number
//
//	stride8   the next 8 bits of the key: a bitmap of 256 bits, set where a slot's
//	          cell differs from the one before (bit 0 always), in 8 words of 32 bits;
//	          8 bytes, how many bits are set in the words before each; then the
//	          cells. A look-up counts the bits up to its own.
//	stride16  the next 16 bits: 65,536 cells.
//	ranges    the next 16 bits: 2^n ascending u16 starts, then their cells; found by
//	          binary search. What is left over has start 0xffff and the last cell.
//
// A cell holds what the longest prefix says for its slots, so a look-up goes down
// and never back. Keys of up to 32 bits, moved up to 32, go down by stride8 nodes,
// of which a stride16 node may stand for the upper two; wider ones, moved up to a
// multiple of 16, by stride16 and ranges.
//
// Where there are no exact keys the root is a stride16 node at line 0. Else the
// arena begins with one root cell for each value of the exact keys, where those
// have up to 16 bits in all, or one for each root number that a hash table gives.
//
// Nodes are changed by storing a cell where their shape stays, else by writing a
// new node and storing its cell in the parent. So each look-up gives what the
// table said at some moment between its start and its end, whatever is changed
// meanwhile.
type Trie struct {
	keyLayout
	Arena *MapSpec
	Roots *MapSpec // HASH exact keys -> root number u32; nil where there are none, or few bits
	Lines uint32   // of the arena; behind them lies what a damaged cell could reach

	lpm       int         // index of the lpm key
	exactBits int         // of the exact keys; 0 where there are none
	exact     *hashEngine // layout of the exact keys in Roots; nil where they index root cells
	exactKeys []int       // their indices
	rootCells uint32      // 1: the root is the node at line 0
	size      uint32
}

const (
	nodeBit    = 1 << 31
	formShift  = 27
	formBits8  = 0
	formFull   = 1
	formRanges = 3 // and up to maxRangesLog
	lineMask   = 1<<formShift - 1

	fullCells   = 1 << 16
	fullLines   = fullCells * 4 / lineSize
	stride8Head = 40 // bitmap and counts
	// maxRangesLog bounds the binary search.
	minRangesLog, maxRangesLog = 3, 12
	// trieSlack is how many bytes behind the start of a node the program can be
	// made to read by any content of cells and nodes.
	trieSlack = 6*4096*4 + lineSize

	maxTrieKey = 128
	// maxTrieLines keeps the value below what the verifier lets a program add to a
	// pointer, 512 MiB.
	maxTrieLines = (1<<29 - 1<<20) / lineSize
)

// wide tells whether the lpm key goes by 16 bits.
func (e *Trie) wide() bool { return e.width[e.lpm] > 32 }

// newTrie plans the engine; hint.Units, where not 0, is a number of lines that
// content asked for.
func newTrie(l *Layout, t *Table, kl keyLayout, hint Hint) (*Trie, error) {
	lines := hint.Units
	e := &Trie{keyLayout: kl, rootCells: 1, size: t.Size}
	for i := range kl.width {
		if t.IR.Keys[i].Kind == ir.MatchLPM {
			e.lpm = i
			continue
		}
		e.exactKeys = append(e.exactKeys, i)
		e.exactBits += kl.width[i]
	}
	n := uint64(t.Size)
	if hint.Entries > 0 {
		n = min(n, max(2*uint64(hint.Entries), 1<<16))
	}
	switch {
	case e.exactBits == 0:
	case e.exactBits <= maxArrayKeyBits:
		e.rootCells = 1 << e.exactBits
	default:
		x := &hashEngine{keyLayout: keyLayout{table: t.IR}}
		for _, i := range e.exactKeys {
			x.width = append(x.width, kl.width[i])
		}
		x.place()
		if x.size > maxHashKey {
			return nil, unsupported(l.Prog, t.IR.Pos, "table "+t.IR.Name, fmt.Sprintf("exact keys of %d bytes, the limit is %d", x.size, maxHashKey), "")
		}
		e.exact = x
		e.rootCells = t.Size + 1
		e.Roots = &MapSpec{Name: "roots:" + t.IR.Name, Type: ebpf.Hash, KeySize: uint32(x.size), ValueSize: 4, MaxEntries: t.Size, Role: Content}
	}
	if lines == 0 {
		// What sets of prefixes as they are found in routing tables take; others
		// may need some times as much.
		first := uint64(e.firstLine())
		switch {
		case !e.wide():
			lines = uint32(min(first+2*n+n/4, first+n/2+65536))
		default:
			lines = uint32(min(first+8*n, first+n+n/2+(1<<18)))
		}
		lines += 64
	}
	e.Lines = min(lines, maxTrieLines)
	e.Arena = &MapSpec{Name: "trie:" + t.IR.Name, Type: ebpf.Array, KeySize: 4, ValueSize: e.Lines*lineSize + trieSlack,
		MaxEntries: 1, Flags: fMmapable, Role: Content}
	return e, nil
}

// firstLine is the first line that is handed out.
func (e *Trie) firstLine() uint32 {
	if e.exactBits == 0 {
		return fullLines
	}
	return (e.rootCells*4 + lineSize - 1) / lineSize
}

// Kind is KindTrie.
func (e *Trie) Kind() Kind { return KindTrie }

// Maps lists Arena and, where there is one, Roots.
func (e *Trie) Maps() []*MapSpec {
	if e.Roots != nil {
		return []*MapSpec{e.Arena, e.Roots}
	}
	return []*MapSpec{e.Arena}
}

// normal moves a key up so that its first bit is bit 63 of hi.
func (e *Trie) normal(v []byte) (hi, lo uint64) {
	w := e.width[e.lpm]
	ls := bytesToLimbs(v, w)
	if len(ls) == 1 {
		return ls[0] << (64 - w), 0
	}
	if w == 128 {
		return ls[0], ls[1]
	}
	return ls[0]<<(128-w) | ls[1]>>(w-64), ls[1] << (128 - w)
}

// rootIndex is the root cell of exact keys of few bits.
func (e *Trie) rootIndex(value func(key int) []byte) uint32 {
	n := uint32(0)
	for _, i := range e.exactKeys {
		n = n<<e.width[i] | uint32(limbOf(value(i), 0, 1, e.width[i]))
	}
	return n
}
