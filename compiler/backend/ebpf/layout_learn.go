package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// LearnLayout is where a table keeps the entries that packets add (PNA's
// add_on_miss): state that generations share (D7). An entry has a number from 1 to
// Size. A program takes it from Free, or where that is empty counts Next up, fills
// Records[number] and then inserts the key; whoever comes second gives the number
// back. A program that meets an entry whose time is over deletes the key and puts
// the number into Dead, from where user space moves it to Free when no packet can
// hold it any more (D11).
type LearnLayout struct {
	Match   *MapSpec // HASH, key as the table's hash engine has it -> u32 number
	Records *MapSpec // ARRAY of records, mmapable, index = number
	Free    *MapSpec // QUEUE of u32 numbers
	Dead    *MapSpec // QUEUE of u32 numbers
	Next    *MapSpec // ARRAY of one u64, mmapable: numbers given out so far
	Size    uint32
	// Limbs of the arguments of each of Table.Actions, as indices of record words.
	Args [][]Param
	keys *hashEngine
}

// Words of a record, 8 bytes each; the action's arguments follow, a word a limb.
const (
	LearnTimeout = iota // nanoseconds without a restart after which the entry is over, 0: never
	LearnLast           // when its timer was started, by the clock of bpf_ktime_get_ns
	LearnAction         // index in Table.Actions
	LearnPackets
	LearnBytes
	LearnArgs
)

// Names of the maps that all learning tables share.
const (
	MapExpire = "expire" // ARRAY of 256 u64, mmapable: nanoseconds of each expire time profile
	MapFlows  = "flows"  // ARRAY of one u64, mmapable: flow ids given out
)

// ExpireProfiles is the number of expire time profiles.
const ExpireProfiles = 256

func (l *Layout) planLearn(tl *Table) error {
	t := tl.IR
	if !t.AddOnMiss() {
		return nil
	}
	bad := func(reason, remedy string) error {
		return unsupported(l.Prog, t.Pos, "table "+t.Name, reason, remedy)
	}
	kl := keyLayout{table: t}
	for _, k := range t.Keys {
		kl.width = append(kl.width, ir.Width(k.Expr.Type()))
	}
	e := &hashEngine{keyLayout: kl}
	e.place()
	if e.size == 0 {
		return bad("its keys have no bits: packets have nothing to add", "")
	}
	if e.size > maxStackKey {
		return bad(fmt.Sprintf("packets add keys of at most %d bytes, not %d", maxStackKey, e.size), "use fewer or narrower keys")
	}
	size := uint32(t.LearnLimit())
	ll := &LearnLayout{Size: size, keys: e}
	words := 0
	for _, r := range t.Actions {
		var ps []Param
		at := LearnArgs
		for _, p := range r.Action.DataParams() {
			w := ir.Width(p.Type)
			ls := limbsOf(w)
			for i := range ls {
				ls[i].Off, ls[i].Size = 8*at, 8
				at++
			}
			ps = append(ps, Param{Width: w, Limbs: ls})
		}
		ll.Args = append(ll.Args, ps)
		words = max(words, at)
	}
	ll.Match = &MapSpec{Name: "learn:" + t.Name, Type: ebpf.Hash, KeySize: uint32(e.size), ValueSize: 4, MaxEntries: size, Role: State}
	ll.Records = &MapSpec{Name: "learned:" + t.Name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(8 * words), MaxEntries: size + 1, Flags: fMmapable, Role: State}
	ll.Free = &MapSpec{Name: "free:" + t.Name, Type: ebpf.Queue, ValueSize: 4, MaxEntries: size, Role: State}
	ll.Dead = &MapSpec{Name: "dead:" + t.Name, Type: ebpf.Queue, ValueSize: 4, MaxEntries: size, Role: State}
	ll.Next = &MapSpec{Name: "next:" + t.Name, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: fMmapable, Role: State}
	tl.Learn = ll
	return nil
}

func (ll *LearnLayout) maps() []*MapSpec {
	return []*MapSpec{ll.Match, ll.Records, ll.Free, ll.Dead, ll.Next}
}

// learnMaps are the maps that all learning tables share.
func learnMaps() []*MapSpec {
	return []*MapSpec{
		{Name: MapExpire, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: ExpireProfiles, Flags: fMmapable, Role: State},
		{Name: MapFlows, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: fMmapable, Role: State},
	}
}

// Entry gives an entry that packets added from its key and record, in machine form;
// its handle is not set.
func (ll *LearnLayout) Entry(key, record []byte) (ir.Entry, error) {
	e := ir.Entry{Action: int(nativeEndian.Uint64(record[8*LearnAction:]))}
	var err error
	if e.Match, err = ll.keys.DecodeKey(key); err != nil {
		return e, err
	}
	if e.Action >= len(ll.Args) {
		return e, fmt.Errorf("a learned entry with action %d of %d", e.Action, len(ll.Args))
	}
	for _, p := range ll.Args[e.Action] {
		b := make([]byte, ir.ByteWidth(p.Width))
		at := len(b)
		for i := len(p.Limbs) - 1; i >= 0; i-- {
			v := nativeEndian.Uint64(record[p.Limbs[i].Off:])
			for range min(8, at) {
				at--
				b[at] = byte(v)
				v >>= 8
			}
		}
		e.Args = append(e.Args, b)
	}
	e.IdleTimeout = nativeEndian.Uint64(record[8*LearnTimeout:])
	return e, nil
}

// LearnWord is a word of a record.
func LearnWord(record []byte, word int) uint64 { return nativeEndian.Uint64(record[8*word:]) }
