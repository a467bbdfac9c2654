package ebpf

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Limits of what lies behind extern objects.
const (
	maxMeterRates  = 1 << 18 // different rates of one meter
	defaultMembers = 1024    // of an action profile without a size
	maxMembers     = 1 << 20
	spareMembers   = 64 // those that wait for a grace period
	selectorShares = 1 << 17
	maxRegister    = 1 << 24 // limbs of one register
	digestRing     = 1 << 20 // bytes
)

// Actions that the word of an entry with an action profile has in the place of an
// action's number (ssa.OpMember).
const (
	wordMember = 0
	wordGroup  = 1
)

// MeterLayout is a meter. A packet finds the word of its cell, by that the rates,
// and under the cell's lock the buckets.
//
// The word is a nonce in its upper 40 bits and the index of the rates below; 0 is a
// cell without rates. A nonce is never given twice: buckets that were filled for
// another one are full at the first packet (SetMeter). So rates are content and
// buckets are state, and a change of the rates is one store.
type MeterLayout struct {
	Cells   uint32
	Bytes   bool     // it marks bytes
	Word    *MapSpec // ARRAY of u64, mmapable, by cell
	Rates   *MapSpec // ARRAY of MeterRatesSize bytes, mmapable, by the word's index
	Buckets *MapSpec // ARRAY, by cell: a lock and four counts
}

// Offsets in a value of Rates: of each of the two buckets its size, its rate R a
// second, R / 10^6, R mod 10^6, and the seconds in which 2^63 - 1 tokens come.
const (
	ratePeak       = 0
	rateCommitted  = 40
	rateBurst      = 0
	ratePerSecond  = 8
	ratePerMicro   = 16
	rateRest       = 24
	rateLimit      = 32
	MeterRatesSize = 80
)

// Offsets in a value of Buckets: lock, nonce, and of each bucket the tokens in it
// and those that the rate has given since time 0.
const (
	bucketNonce     = 8
	bucketPeak      = 16
	bucketCommitted = 32
	bucketsSize     = 48
	nonceShift      = 24
)

// MeterWord puts a word of Word together.
func MeterWord(nonce uint64, rates uint32) uint64 { return nonce<<nonceShift | uint64(rates) }

// MeterWordParts takes it apart.
func MeterWordParts(word uint64) (nonce uint64, rates uint32) {
	return word >> nonceShift, uint32(word & (1<<nonceShift - 1))
}

// MaxMeterNonce is the largest nonce.
const MaxMeterNonce = 1<<(64-nonceShift) - 1

// PutMeterRates writes rates into a value of Rates.
func PutMeterRates(b []byte, r *ir.MeterRates) {
	put := func(at int, rate, burst uint64) {
		limit := uint64(1<<63 - 1)
		if rate > 0 {
			limit /= rate
		}
		for i, v := range []uint64{burst, rate, rate / 1e6, rate % 1e6, limit} {
			nativeEndian.PutUint64(b[at+8*i:], v)
		}
	}
	put(ratePeak, r.PIR, r.PBurst)
	put(rateCommitted, r.CIR, r.CBurst)
}

// MeterRatesOf reads a value of Rates.
func MeterRatesOf(b []byte) ir.MeterRates {
	return ir.MeterRates{
		CIR: nativeEndian.Uint64(b[rateCommitted+ratePerSecond:]), CBurst: nativeEndian.Uint64(b[rateCommitted+rateBurst:]),
		PIR: nativeEndian.Uint64(b[ratePeak+ratePerSecond:]), PBurst: nativeEndian.Uint64(b[ratePeak+rateBurst:]),
	}
}

func planMeter(name string, cells uint32, in *ir.Instance) *MeterLayout {
	n := max(cells, 1)
	return &MeterLayout{
		Cells: cells, Bytes: in.MetersBytes(),
		Word: &MapSpec{Name: "meter:" + name, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: n, Flags: fMmapable, Role: Content},
		Rates: &MapSpec{Name: "rates:" + name, Type: ebpf.Array, KeySize: 4, ValueSize: MeterRatesSize,
			MaxEntries: min(n+n/8+64, maxMeterRates), Flags: fMmapable, Role: Content},
		Buckets: &MapSpec{Name: "buckets:" + name, Type: ebpf.Array, KeySize: 4, ValueSize: bucketsSize, MaxEntries: n, Role: State, Locked: true},
	}
}

func (m *MeterLayout) maps() []*MapSpec { return []*MapSpec{m.Word, m.Rates, m.Buckets} }

// ProfileLayout is an action profile or selector. Members lie as the entries of a
// table do, by slots that the owner chooses as handles. The word of an entry of a
// table with the profile holds a member's slot or a group's (MemberRef, GroupRef);
// a group's word its share of Shares (GroupWord); shares are slots of members.
type ProfileLayout struct {
	Selector bool
	Members  *Table
	Group    *MapSpec // ARRAY of u64, mmapable, by group slot; nil unless Selector
	Shares   *MapSpec // ARRAY of u64, mmapable; nil unless Selector
}

// MemberRef and GroupRef are words of entries.
func MemberRef(slot uint32) uint64 { return wordMember<<actionShift | uint64(slot) }
func GroupRef(slot uint32) uint64  { return wordGroup<<actionShift | uint64(slot) }

// GroupWord says where a group's shares lie; of size 0 it is empty.
func GroupWord(base, size uint32) uint64 { return uint64(base)<<32 | uint64(size) }

// profileSize is the size that the constructor gives, 0 for none.
func profileSize(in *ir.Instance) uint64 {
	at := 0
	if in.Kind() == "action_selector" {
		at = 1
	}
	if at < len(in.Args) {
		if c, ok := in.Args[at].(*ir.Const); ok && c.Val != nil && c.Val.IsUint64() {
			return c.Val.Uint64()
		}
	}
	return 0
}

// planProfile plans an action profile that tables have as their implementation; nil
// where none has.
func (l *Layout) planProfile(in *ir.Instance) (*ProfileLayout, error) {
	actions := l.Prog.ProfileActions(in)
	if len(actions) == 0 {
		return nil, nil
	}
	bad := func(reason string) error {
		return unsupported(l.Prog, in.Pos, in.Type.Name+" "+in.Name, reason, "")
	}
	size := profileSize(in)
	switch {
	case size > maxMembers:
		return nil, bad(fmt.Sprintf("size %d is over %d members", size, maxMembers))
	case size == 0:
		size = defaultMembers
	}
	// The defaults of the tables, and entries that the program gives actions of
	// their own, are members without a name.
	extra := 0
	for _, t := range l.Prog.Tables {
		if t.Implementation == in {
			extra += 1 + len(t.Entries)
		}
	}
	m := &Table{Index: -1, IR: &ir.Table{Name: in.Name, Pos: in.Pos}, Size: uint32(size) + uint32(extra) + spareMembers, Engine: noEngine{}}
	for _, a := range actions {
		m.IR.Actions = append(m.IR.Actions, ir.ActionRef{Action: a})
	}
	if err := l.planWords(m, "member:"+in.Name, "memberdata:"+in.Name); err != nil {
		return nil, err
	}
	p := &ProfileLayout{Selector: in.Kind() == "action_selector", Members: m}
	if p.Selector {
		p.Group = &MapSpec{Name: "group:" + in.Name, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: uint32(size) + spareMembers, Flags: fMmapable, Role: Content}
		p.Shares = &MapSpec{Name: "shares:" + in.Name, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: selectorShares + 2*uint32(size), Flags: fMmapable, Role: Content}
	}
	return p, nil
}

func (p *ProfileLayout) maps() []*MapSpec {
	ms := []*MapSpec{p.Members.Entry}
	if p.Members.Data != nil {
		ms = append(ms, p.Members.Data)
	}
	if p.Selector {
		ms = append(ms, p.Group, p.Shares)
	}
	return ms
}

// planWords plans the words and the action data of entries, maps of the given names.
func (l *Layout) planWords(tl *Table, words, data string) error {
	dataSize := 0
	for _, ar := range tl.IR.Actions {
		a, n, err := l.planAction(ar.Action)
		if err != nil {
			return err
		}
		tl.Actions = append(tl.Actions, a)
		dataSize = max(dataSize, n)
	}
	tl.Entry = &MapSpec{Name: words, Type: ebpf.Array, KeySize: 4, ValueSize: 8,
		MaxEntries: tl.Size + 1, Flags: fMmapable, Role: Content}
	if tl.IR.Implementation != nil {
		return nil // the data are the members'
	}
	if dataSize > 0 {
		// Spare slots: a changed entry holds its old slot until grace is over.
		tl.Slots = tl.Size + 1 + tl.Size/8 + 64
		tl.Data = &MapSpec{Name: data, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(dataSize),
			MaxEntries: tl.Slots, Flags: fMmapable, Role: Content}
	}
	return nil
}

// DigestLayout is how messages to the control plane leave the programs: a ring of
// records {u32 index in Types, u32 0, u64 limbs of the fields}.
type DigestLayout struct {
	Types []ir.DigestType
	Ring  *MapSpec
	Lost  *MapSpec // ARRAY of one u64, mmapable: messages for which the ring had no room
}

func planDigests(p *ir.Program) *DigestLayout {
	types := p.DigestTypes()
	if len(types) == 0 {
		return nil
	}
	return &DigestLayout{
		Types: types,
		Ring:  &MapSpec{Name: "digests", Type: ebpf.RingBuf, MaxEntries: digestRing, Role: Content},
		Lost:  &MapSpec{Name: "digestlost", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: fMmapable, Role: State},
	}
}

// recordSize is the length of a record of type i.
func (d *DigestLayout) recordSize(i int) int {
	n := 8
	for _, w := range d.Types[i].Widths {
		n += 8 * len(limbsOf(w))
	}
	return n
}

// Decode reads a record.
func (d *DigestLayout) Decode(b []byte) (ir.Digest, error) {
	if len(b) < 8 || nativeEndian.Uint32(b) >= uint32(len(d.Types)) {
		return ir.Digest{}, fmt.Errorf("a message of %d bytes of no known kind", len(b))
	}
	i := int(nativeEndian.Uint32(b))
	if len(b) < d.recordSize(i) {
		return ir.Digest{}, fmt.Errorf("a message of %d bytes for digest %s, which has %d", len(b), d.Types[i].Name, d.recordSize(i))
	}
	out := ir.Digest{Name: d.Types[i].Name}
	b = b[8:]
	for _, w := range d.Types[i].Widths {
		limbs := make([]uint64, len(limbsOf(w)))
		for k := range limbs {
			limbs[k] = nativeEndian.Uint64(b)
			b = b[8:]
		}
		out.Fields = append(out.Fields, limbsToBytes(limbs, w))
	}
	return out, nil
}

// stateMaps lists the maps behind what l has besides tables' entries.
func (l *Layout) stateMaps() []*MapSpec {
	var ms []*MapSpec
	for _, t := range l.Tables {
		if t.Meter != nil {
			ms = append(ms, t.Meter.maps()...)
		}
		if t.Hits != nil {
			ms = append(ms, t.Hits)
		}
		if t.Learn != nil {
			ms = append(ms, t.Learn.maps()...)
		}
	}
	if learns(l.Prog) {
		ms = append(ms, learnMaps()...)
	}
	for _, in := range l.Instances {
		switch {
		case in == nil:
		case in.Meter != nil:
			ms = append(ms, in.Meter.maps()...)
		case in.Profile != nil:
			ms = append(ms, in.Profile.maps()...)
		case in.Base != nil:
			ms = append(ms, in.Base)
		}
	}
	if l.Digests != nil {
		ms = append(ms, l.Digests.Ring, l.Digests.Lost)
	}
	return ms
}

// planTableState plans what a table has besides its entries.
func (l *Layout) planTableState(tl *Table) error {
	t := tl.IR
	if i := t.Implementation; i != nil && i.Kind() != "action_profile" && i.Kind() != "action_selector" {
		return unsupported(l.Prog, t.Pos, "table "+t.Name, "its implementation "+i.Name+" is no action profile or selector", "")
	}
	if t.Meters != nil {
		if t.Meters.Kind() != "direct_meter" {
			return unsupported(l.Prog, t.Pos, "table "+t.Name, t.Meters.Name+" is no direct meter", "")
		}
		tl.Meter = planMeter(t.Name, tl.Size+1, t.Meters)
	}
	if t.SupportTimeout {
		tl.Hits = &MapSpec{Name: "hits:" + t.Name, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: tl.Size + 1, Flags: fMmapable, Role: State}
	}
	return nil
}

// planRegister plans a register of any type: the limbs of its leaves as u64.
func (l *Layout) planRegister(in *ir.Instance, bad func(string) error) (*Instance, error) {
	n, err := cellsOf(in, maxRegister)
	if err != nil {
		return nil, bad(err.Error())
	}
	if len(in.Type.Args) == 0 {
		return nil, bad("the type of its cells is unknown")
	}
	t := in.Type.Args[0]
	leaves, ok := ir.Leaves(t)
	if !ok {
		return nil, bad(fmt.Sprintf("cells of type %s have no fixed size", t))
	}
	limbs := 0
	for _, f := range leaves {
		limbs += len(limbsOf(f.Width))
	}
	if uint64(n)*uint64(limbs) > maxRegister {
		return nil, bad(fmt.Sprintf("its cells take more than %d bytes", 8*maxRegister))
	}
	return &Instance{IR: in, Cells: n, Width: max(ir.Width(t), 0), Leaves: leaves, Initial: slices.Clone(in.InitialValue()),
		Register: &MapSpec{Name: "register:" + in.Name, Type: ebpf.Array, KeySize: 4,
			ValueSize: uint32(8 * max(limbs, 1)), MaxEntries: max(n, 1), Flags: fMmapable, Role: State}}, nil
}
