package exec

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/p4nic/p4nic/compiler/ir"
)

// table is a table's content. Look-ups take the read lock; an entry's action is
// one pointer, so a change of it is seen whole or not at all.
type table struct {
	t       *ir.Table
	keys    []keyField
	slots   int  // of all keys
	ordered bool // linear search by priority; else exact or lpm
	lpm     int  // index of the lpm key, -1
	actions []tableAction
	counted bool
	meter   *instance // direct meter; nil
	profile *profile  // implementation; nil
	// fromProfile gives the index in actions of an action of the profile.
	fromProfile []int
	aging       bool // entries have idle timeouts
	// Of tables that packets add to (learn.go); keyAt is where the key of the
	// look-up lies.
	addOnMiss, expires bool
	keyAt              int
	learned            int
	nextLearned        uint32
	now                func() uint64
	apply              func(*ctx) (st status, hit bool, run int)
	emptyGroup         *actionData // nil: a group without members runs nothing

	mu       sync.RWMutex
	byHandle byHandle[entry]
	def      *entry
	exact    *keyMap
	levels   []level // lpm: longest first
	list     []*entry
	// cells are the direct counters by handle. A cell outlives its entry, so that
	// whoever gives the handle to a new one can still read where it stood.
	cells byHandle[cell]
}

type keyField struct {
	name   string
	kind   ir.MatchKind
	w      int
	at, n  int // slots in the key
	signed bool
}

// tableAction is how an action's data gets to its parameters.
type tableAction struct {
	name   string
	pos    ir.Pos
	bind   stmt // arguments bound in the action list; nil
	unbind func(*ctx)
	body   stmt
	params []param
}

type param struct {
	name       string
	w, addr, n int
}

// entry is an installed entry.
type entry struct {
	handle uint32
	prio   int32
	match  []ir.Match
	val    []uint64 // exact, lpm, ternary, optional: (key ^ val) & mask == 0
	mask   []uint64
	ranges []keyRange
	act    atomic.Pointer[actionData]

	count *cell
	meter *meterCell // of tables with a direct meter
	age   *age       // of tables with idle timeouts
}

// age is an entry's idle timeout and when it was hit, in nanoseconds.
type age struct {
	timeout atomic.Uint64 // 0: never idle
	lastHit atomic.Uint64
	told    atomic.Uint64 // lastHit+1 of the last report
}

type keyRange struct {
	f      *keyField
	lo, hi []uint64
}

type actionData struct {
	action int
	args   [][]uint64 // one a data parameter
	via    *target    // a member or group instead of both
}

// level is all entries with one prefix length.
type level struct {
	length int
	mask   []uint64
	m      *keyMap
}

// keyMap maps whole keys to entries.
type keyMap struct {
	one   map[uint64]*entry    // keys of one slot
	small map[[4]uint64]*entry // of up to 4
	large map[string]*entry
}

func newKeyMap(slots int) *keyMap {
	if slots == 1 {
		return &keyMap{one: map[uint64]*entry{}}
	}
	if slots <= 4 {
		return &keyMap{small: map[[4]uint64]*entry{}}
	}
	return &keyMap{large: map[string]*entry{}}
}

func (m *keyMap) get(key []uint64) *entry {
	if m.one != nil {
		return m.one[key[0]]
	}
	if m.small != nil {
		var k [4]uint64
		copy(k[:], key)
		return m.small[k]
	}
	return m.large[limbKey(key)]
}

func (m *keyMap) put(key []uint64, e *entry) {
	if m.one != nil {
		m.one[key[0]] = e
		return
	}
	if m.small != nil {
		var k [4]uint64
		copy(k[:], key)
		m.small[k] = e
		return
	}
	m.large[limbKey(key)] = e
}

func (m *keyMap) del(key []uint64) {
	if m.one != nil {
		delete(m.one, key[0])
		return
	}
	if m.small != nil {
		var k [4]uint64
		copy(k[:], key)
		delete(m.small, k)
		return
	}
	delete(m.large, limbKey(key))
}

func (m *keyMap) len() int { return len(m.one) + len(m.small) + len(m.large) }

// lookup finds the entry for key, nil for a miss. The caller holds the lock.
func (t *table) lookup(key, scratch []uint64) *entry {
	switch {
	case t.ordered:
		for _, e := range t.list {
			if e.matches(key) {
				return e
			}
		}
		return nil
	case t.lpm >= 0:
		for i := range t.levels {
			l := &t.levels[i]
			for j, m := range l.mask {
				scratch[j] = key[j] & m
			}
			if e := l.m.get(scratch); e != nil {
				return e
			}
		}
		return nil
	}
	return t.exact.get(key)
}

func (e *entry) matches(key []uint64) bool {
	for i, m := range e.mask {
		if (key[i]^e.val[i])&m != 0 {
			return false
		}
	}
	for i := range e.ranges {
		r := &e.ranges[i]
		v := key[r.f.at : r.f.at+r.f.n]
		if r.f.signed {
			if cmpSigned(r.lo, v, r.f.w) > 0 || cmpSigned(v, r.hi, r.f.w) > 0 {
				return false
			}
		} else if cmpWide(r.lo, v) > 0 || cmpWide(v, r.hi) > 0 {
			return false
		}
	}
	return true
}

// build turns an entry in machine form into an installed one.
func (t *table) build(e ir.Entry) (*entry, error) {
	if len(e.Match) != len(t.keys) {
		return nil, fmt.Errorf("table %s: entry has %d key fields, not %d", t.t.Name, len(e.Match), len(t.keys))
	}
	n := &entry{handle: e.Handle, prio: e.Priority, match: e.Match}
	words := make([]uint64, 2*t.slots)
	n.val, n.mask = words[:t.slots:t.slots], words[t.slots:]
	for i := range t.keys {
		f := &t.keys[i]
		if f.kind == ir.MatchSelector {
			continue // input of a hash, no match
		}
		if err := n.field(f, e.Match[i]); err != nil {
			return nil, fmt.Errorf("table %s: key %s: %w", t.t.Name, f.name, err)
		}
	}
	d, err := t.data(e)
	if err != nil {
		return nil, err
	}
	n.act.Store(d)
	if t.meter != nil {
		n.meter = &meterCell{}
	}
	switch {
	case t.aging || t.expires:
		n.age = &age{}
		n.age.timeout.Store(e.IdleTimeout)
		n.age.lastHit.Store(t.now())
	case e.IdleTimeout != 0:
		return nil, fmt.Errorf("table %s: it has no idle timeouts", t.t.Name)
	}
	return n, nil
}

func (n *entry) field(f *keyField, m ir.Match) error {
	if f.kind == ir.MatchExact && f.n == 1 && len(m.Value) == ir.ByteWidth(f.w) { // nearly all of large tables
		v := n.val[f.at : f.at+1]
		fromBytes(v, m.Value)
		if n.mask[f.at] = topMask(f.w); v[0]&^n.mask[f.at] != 0 {
			return fmt.Errorf("value %x is wider than %d bits", m.Value, f.w)
		}
		return nil
	}
	value := func(b []byte) ([]uint64, error) {
		if len(b) != ir.ByteWidth(f.w) {
			return nil, fmt.Errorf("%d bytes, not %d", len(b), ir.ByteWidth(f.w))
		}
		v := make([]uint64, f.n)
		fromBytes(v, b)
		if v[f.n-1]&^topMask(f.w) != 0 {
			return nil, fmt.Errorf("value %x is wider than %d bits", b, f.w)
		}
		return v, nil
	}
	set := func(val, mask []uint64) {
		for i := range val {
			n.val[f.at+i], n.mask[f.at+i] = val[i]&mask[i], mask[i]
		}
	}
	ones := make([]uint64, f.n)
	fillWide(ones, 0, f.w)
	if f.kind != ir.MatchExact && f.kind != ir.MatchLPM {
		free := m.Mask == nil
		if f.kind == ir.MatchOptional {
			free = m.Value == nil
		}
		if free {
			return nil
		}
	}
	v, err := value(m.Value)
	if err != nil {
		return err
	}
	switch f.kind {
	case ir.MatchExact, ir.MatchOptional:
		set(v, ones)
	case ir.MatchLPM:
		if m.PrefixLen < 0 || m.PrefixLen > f.w {
			return fmt.Errorf("prefix length %d of %d bits", m.PrefixLen, f.w)
		}
		set(v, prefixMask(f.w, m.PrefixLen))
	case ir.MatchTernary:
		mk, err := value(m.Mask)
		if err != nil {
			return err
		}
		set(v, mk)
	case ir.MatchRange:
		hi, err := value(m.Mask)
		if err != nil {
			return err
		}
		n.ranges = append(n.ranges, keyRange{f, v, hi})
	}
	return nil
}

// prefixMask has the l upper bits of w set.
func prefixMask(w, l int) []uint64 {
	m := make([]uint64, limbs(w))
	fillWide(m, w-l, w)
	return m
}

func (t *table) data(e ir.Entry) (*actionData, error) {
	if e.Ref != ir.RefNone {
		if t.profile == nil {
			return nil, fmt.Errorf("table %s: it has no action profile", t.t.Name)
		}
		t.profile.mu.Lock()
		defer t.profile.mu.Unlock()
		via, err := t.profile.target(e.Ref, e.Target)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.t.Name, err)
		}
		return &actionData{action: -1, via: via}, nil
	}
	d, err := actionArgs(t.actions, e.Action, e.Args)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.t.Name, err)
	}
	return d, nil
}

// actionArgs makes the data of an action of a list.
func actionArgs(actions []tableAction, action int, args [][]byte) (*actionData, error) {
	if action < 0 || action >= len(actions) {
		return nil, fmt.Errorf("action %d of %d", action, len(actions))
	}
	a := &actions[action]
	if len(args) != len(a.params) {
		return nil, fmt.Errorf("action %s takes %d arguments, not %d", a.name, len(a.params), len(args))
	}
	d, words := newActionData(a)
	d.action = action
	for i, p := range a.params {
		if len(args[i]) != ir.ByteWidth(p.w) {
			return nil, fmt.Errorf("action %s: argument %s has %d bytes, not %d", a.name, p.name, len(args[i]), ir.ByteWidth(p.w))
		}
		v := words[:p.n:p.n]
		words = words[p.n:]
		fromBytes(v, args[i])
		if v[p.n-1]&^topMask(p.w) != 0 {
			return nil, fmt.Errorf("action %s: argument %s is wider than %d bits", a.name, p.name, p.w)
		}
		d.args = append(d.args, v)
	}
	return d, nil
}

// fewArgs is the data of an action with few arguments, in one piece: large tables
// have many entries.
type fewArgs struct {
	actionData
	list  [2][]uint64
	words [3]uint64
}

// newActionData makes room for an action's arguments.
func newActionData(a *tableAction) (d *actionData, words []uint64) {
	n := 0
	for _, p := range a.params {
		n += p.n
	}
	if len(a.params) == 0 {
		return &actionData{}, nil
	}
	if len(a.params) > len(fewArgs{}.list) || n > len(fewArgs{}.words) {
		return &actionData{args: make([][]uint64, 0, len(a.params))}, make([]uint64, n)
	}
	f := &fewArgs{}
	f.args = f.list[:0]
	return &f.actionData, f.words[:]
}

func (m *Machine) table(i int) (*table, error) {
	if i < 0 || i >= len(m.tables) {
		return nil, fmt.Errorf("table %d of %d", i, len(m.tables))
	}
	return m.tables[i], nil
}

// Insert adds an entry. table is the index in Program.Tables; handles are the
// caller's, unique in the table and not 0. ErrDuplicate: the handle or (for
// tables without priorities) the key is there already.
func (m *Machine) Insert(table int, e ir.Entry) error {
	t, err := m.table(table)
	if err != nil {
		return err
	}
	return t.insert(e)
}

func (t *table) insert(e ir.Entry) error {
	n, err := t.build(e)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byHandle.get(e.Handle) != nil || e.Handle == 0 {
		return fmt.Errorf("table %s: handle %d: %w", t.t.Name, e.Handle, ErrDuplicate)
	}
	switch {
	case t.ordered:
		i, _ := slices.BinarySearchFunc(t.list, n, byPriority)
		t.list = slices.Insert(t.list, i, n)
	case t.lpm >= 0:
		l := t.level(e.Match[t.lpm].PrefixLen, n.mask)
		if l.m.get(n.val) != nil {
			return fmt.Errorf("table %s: %w", t.t.Name, ErrDuplicate)
		}
		l.m.put(n.val, n)
	default:
		if t.exact.get(n.val) != nil {
			return fmt.Errorf("table %s: %w", t.t.Name, ErrDuplicate)
		}
		t.exact.put(n.val, n)
	}
	t.byHandle.set(e.Handle, n)
	if t.counted {
		n.count = t.cell(e.Handle)
	}
	t.profile.use(n.act.Load().via, 1)
	return nil
}

// cell finds or makes the counter of a handle.
func (t *table) cell(handle uint32) *cell {
	c := t.cells.get(handle)
	if c == nil {
		c = &cell{}
		t.cells.set(handle, c)
	}
	return c
}

func byPriority(a, b *entry) int {
	if d := cmp.Compare(b.prio, a.prio); d != 0 {
		return d
	}
	return cmp.Compare(a.handle, b.handle)
}

// level finds or makes the level of a prefix length.
func (t *table) level(length int, mask []uint64) *level {
	i, found := slices.BinarySearchFunc(t.levels, length, func(l level, n int) int { return n - l.length })
	if !found {
		t.levels = slices.Insert(t.levels, i, level{length, mask, newKeyMap(t.slots)})
	}
	return &t.levels[i]
}

// Modify gives the entry with e's handle a new action and arguments, and a new
// idle timeout. Its match, its counter and its meter stay.
func (m *Machine) Modify(table int, e ir.Entry) error {
	t, err := m.table(table)
	if err != nil {
		return err
	}
	d, err := t.data(e)
	if err != nil {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.byHandle.get(e.Handle)
	if n == nil {
		return fmt.Errorf("table %s: handle %d: %w", t.t.Name, e.Handle, ErrNoEntry)
	}
	t.profile.use(d.via, 1)
	t.profile.use(n.act.Swap(d).via, -1)
	if n.age != nil {
		n.age.timeout.Store(e.IdleTimeout)
	}
	return nil
}

// Delete removes the entry with the handle.
func (m *Machine) Delete(table int, handle uint32) error {
	t, err := m.table(table)
	if err != nil {
		return err
	}
	return t.remove(handle)
}

func (t *table) remove(handle uint32) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byHandle.get(handle)
	if n == nil {
		return fmt.Errorf("table %s: handle %d: %w", t.t.Name, handle, ErrNoEntry)
	}
	if handle >= firstLearned {
		t.learned--
	}
	t.byHandle.set(handle, nil)
	t.profile.use(n.act.Load().via, -1)
	switch {
	case t.ordered:
		i, _ := slices.BinarySearchFunc(t.list, n, byPriority)
		t.list = slices.Delete(t.list, i, i+1)
	case t.lpm >= 0:
		l := t.level(n.match[t.lpm].PrefixLen, n.mask)
		l.m.del(n.val)
		if l.m.len() == 0 {
			i := slices.IndexFunc(t.levels, func(x level) bool { return x.length == l.length })
			t.levels = slices.Delete(t.levels, i, i+1)
		}
	default:
		t.exact.del(n.val)
	}
	return nil
}

// SetDefault sets the default action; only e.Action and e.Args are read.
func (m *Machine) SetDefault(table int, e ir.Entry) error {
	t, err := m.table(table)
	if err != nil {
		return err
	}
	d, err := t.data(e)
	if err != nil {
		return err
	}
	t.profile.use(d.via, 1)
	t.profile.use(t.def.act.Swap(d).via, -1)
	return nil
}

// Clear removes all entries and gives the table the default action that the
// program names.
func (m *Machine) Clear(table int) error {
	t, err := m.table(table)
	if err != nil {
		return err
	}
	_, def, err := t.t.Initial()
	if err != nil {
		return err
	}
	d, err := t.data(def)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.byHandle.all() {
		t.profile.use(n.act.Load().via, -1)
	}
	t.reset()
	t.profile.use(t.def.act.Swap(d).via, -1)
	return nil
}

func (t *table) reset() {
	t.byHandle = byHandle[entry]{}
	t.exact, t.levels, t.list = newKeyMap(t.slots), nil, nil
}

// Counter reads the direct counter of a handle, 0 for the default action. It
// counts on over entries that have the handle one after the other, and is zero
// for a handle that no entry had yet.
func (m *Machine) Counter(table int, handle uint32) (Counter, error) {
	t, err := m.table(table)
	if err != nil {
		return Counter{}, err
	}
	if !t.counted {
		return Counter{}, fmt.Errorf("table %s has no direct counter", t.t.Name)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	c := t.cells.get(handle)
	if c == nil {
		return Counter{}, nil
	}
	return Counter{c.packets.Load(), c.bytes.Load()}, nil
}

// Entries lists a table's entries by handle, and its default action as handle 0.
func (m *Machine) Entries(table int) ([]ir.Entry, error) {
	t, err := m.table(table)
	if err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	es := []ir.Entry{t.machineForm(t.def)}
	for _, n := range t.byHandle.all() {
		es = append(es, t.machineForm(n))
	}
	slices.SortFunc(es, func(a, b ir.Entry) int { return cmp.Compare(a.Handle, b.Handle) })
	return es, nil
}

func (t *table) machineForm(n *entry) ir.Entry {
	d := n.act.Load()
	e := ir.Entry{Handle: n.handle, Match: n.match, Priority: n.prio, Action: d.action}
	if n.age != nil {
		e.IdleTimeout = n.age.timeout.Load()
	}
	if d.via != nil {
		e.Action = 0
		e.Ref, e.Target = d.via.ref()
		return e
	}
	for i, p := range t.actions[d.action].params {
		e.Args = append(e.Args, ir.MachineBytes(toBig(d.args[i], p.w, false), p.w))
	}
	return e
}

// hexKey is the key as text, for traces.
func (t *table) hexKey(key []uint64) string {
	s := ""
	for _, f := range t.keys {
		if f.kind == ir.MatchSelector {
			continue
		}
		if s != "" {
			s += " "
		}
		s += fmt.Sprintf("%s=%s", f.name, hexValue(key[f.at:f.at+f.n], f.w))
	}
	return s
}

func hexValue(v []uint64, w int) string {
	return "0x" + fmt.Sprintf("%0*s", (w+3)/4, toBig(v, w, false).Text(16))
}
