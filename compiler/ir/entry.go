package ir

// Entry is one table entry in machine form, shared by every engine (ir/exec,
// the SSA interpreter, the kernel). Values are big-endian, exactly
// ceil(W/8) bytes, unused high bits zero; int<W> in two's complement of W bits.
type Entry struct {
	// Handle identifies the entry from insert to delete (D2); it indexes
	// counters, meters and hit times. 0 is the default action.
	Handle   uint32
	Match    []Match // one a key of the table, in order; nil for the default action
	Priority int32   // larger wins; 0 where Table.NeedsPriority is false
	Action   int     // index in Table.Actions; not read where Ref is set
	Args     [][]byte
	// Ref and Target name a member or a group of the table's implementation.
	Ref    Ref
	Target uint32
	// IdleTimeout in nanoseconds after which an entry without hits is reported, 0
	// for never. Only in tables with SupportTimeout.
	IdleTimeout uint64
}

// Match is one key field's match.
//
//	exact     Value
//	lpm       Value, PrefixLen (bits beyond it are zero); PrefixLen 0 = don't care
//	ternary   Value, Mask (Value has no bits outside Mask); Mask nil = don't care
//	range     Value <= key <= Mask; Mask nil = don't care
//	optional  Value; nil = don't care
type Match struct {
	Value     []byte
	Mask      []byte
	PrefixLen int
}

// ByteWidth is the number of bytes that carry w bits.
func ByteWidth(w int) int { return (w + 7) / 8 }
