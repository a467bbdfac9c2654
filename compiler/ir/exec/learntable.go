package exec

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/p4nic/p4nic/compiler/ir"
)

// learnTable is p4nic's LearnTable<K, V>: what packets teach. It is state (D7).
type learnTable struct {
	keys, values int // slots
	size         int

	*learnState
}

// learnState is what packets write; machines may share it (AdoptState).
type learnState struct {
	mu     sync.RWMutex
	byKey  map[string]*learnt
	counts LearnCounts
}

// LearnCounts are the events of a LearnTable since it was made.
type LearnCounts struct {
	Added, Moved, Forgotten, Expired uint64
	Refused                          uint64 // new keys that found no room
}

type learnt struct {
	value    []uint64 // replaced, never written
	profile  uint8
	timeout  uint64 // 0: never
	lastSeen atomic.Uint64
}

func (l *learnt) over(now uint64) bool {
	last := l.lastSeen.Load()
	return l.timeout != 0 && now >= last && now-last >= l.timeout
}

// Results of learn, as Learnt_t numbers them.
const (
	learntKnown = iota
	learntAdded
	learntMoved
	learntFull
)

// maxValueBits is what a value has at most: engines write it in one step.
const maxValueBits = 64

func (k *compiler) learnTable(r *instance, i *ir.Instance) {
	what := "extern LearnTable " + i.Name
	r.size = k.size(i, maxSessions)
	if r.size == 0 {
		k.fail(i.Pos, what, "it has no room")
	}
	if len(i.Type.Args) != 2 {
		k.fail(i.Pos, what, "the types of its keys and values are not known")
	}
	bits := 0
	for _, w := range flatWidths(i.Type.Args[1]) {
		bits += w
	}
	if bits > maxValueBits {
		k.fail(i.Pos, what, "its values have more than 64 bits")
	}
	r.learnt = &learnTable{keys: k.flatSlots(i, i.Type.Args[0]), values: k.flatSlots(i, i.Type.Args[1]), size: int(r.size),
		learnState: &learnState{byKey: map[string]*learnt{}}}
}

// flatWidths are the widths of the scalars of a struct of scalars.
func flatWidths(t ir.Type) []int {
	if w := ir.Width(t); w >= 0 {
		return []int{w}
	}
	var ws []int
	for _, f := range ir.Fields(t) {
		ws = append(ws, flatWidths(f.Type)...)
	}
	return ws
}

func (t *learnTable) find(key []byte, now uint64) []uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if l := t.byKey[string(key)]; l != nil && !l.over(now) {
		return l.value
	}
	return nil
}

// learn tells what it found, see Learnt_t.
func (t *learnTable) learn(key []byte, value []uint64, profile uint8, timeout, now uint64) uint64 {
	t.mu.RLock()
	l := t.byKey[string(key)]
	if l != nil && !l.over(now) && l.profile == profile && slices.Equal(l.value, value) {
		l.lastSeen.Store(now)
		t.mu.RUnlock()
		return learntKnown
	}
	t.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &learnt{value: slices.Clone(value), profile: profile, timeout: timeout}
	n.lastSeen.Store(now)
	switch l := t.byKey[string(key)]; {
	case l == nil:
		if len(t.byKey) >= t.size && t.sweepLocked(now) == 0 {
			t.counts.Refused++
			return learntFull
		}
	case l.over(now):
		t.counts.Expired++
	default:
		t.byKey[string(key)] = n
		if slices.Equal(l.value, value) {
			return learntKnown
		}
		t.counts.Moved++
		return learntMoved
	}
	t.byKey[string(key)] = n
	t.counts.Added++
	return learntAdded
}

func (t *learnTable) forget(key []byte, now uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.byKey[string(key)]
	if l == nil {
		return false
	}
	delete(t.byKey, string(key))
	if l.over(now) {
		t.counts.Expired++
		return false
	}
	t.counts.Forgotten++
	return true
}

// sweep removes what is over.
func (t *learnTable) sweep(now uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweepLocked(now)
}

func (t *learnTable) sweepLocked(now uint64) (n int) {
	for key, l := range t.byKey {
		if l.over(now) {
			delete(t.byKey, key)
			t.counts.Expired++
			n++
		}
	}
	return n
}

// learnCall compiles the methods of LearnTable, nil for others.
func (k *compiler) learnCall(s *externSite) stmt {
	method, is := strings.CutPrefix(s.name, "LearnTable.")
	if !is {
		return nil
	}
	t := k.object(s, "LearnTable").learnt
	set := k.result64(s)
	args := map[string]int{"lookup": 2, "learn": 3, "forget": 1}[method]
	k.need(s, args, args)
	key := k.flat(s, 0, t.keys)
	readKey := func(c *ctx) bool {
		c.scratch = key(c, c.scratch[:0])
		c.keyBuf = keyBytes(c.keyBuf[:0], c.scratch)
		return c.pend == next
	}
	switch method {
	case "lookup":
		if n := k.lay.slots(s.args[1].Type()); n != t.values {
			k.fail(s.pos, "extern "+s.name, "the value has another type than the object's")
		}
		put := k.putterTo(s.args[1], t.values)
		return after(func(c *ctx) {
			if !readKey(c) {
				return
			}
			v := t.find(c.keyBuf, c.now)
			put(c, func(dst []uint64) {
				clear(dst)
				copy(dst, v)
			})
			set(c, b2u(v != nil))
			if c.tracing {
				c.event("extern", s.name, map[bool]string{true: "hit", false: "miss"}[v != nil], s.pos)
			}
		})
	case "learn":
		value, profile := k.flat(s, 1, t.values), k.slotArg(s, 2)
		return after(func(c *ctx) {
			if !readKey(c) {
				return
			}
			c.scratch = value(c, c.scratch[:0])
			p := profile.u(c)
			if c.pend != next {
				return
			}
			what := t.learn(c.keyBuf, c.scratch, uint8(p), c.m.expireTime(p), c.now)
			set(c, what)
			if c.tracing {
				c.event("extern", s.name, [...]string{"known", "added", "moved", "full"}[what], s.pos)
			}
		})
	case "forget":
		return after(func(c *ctx) {
			if readKey(c) {
				set(c, b2u(t.forget(c.keyBuf, c.now)))
			}
		})
	}
	k.fail(s.pos, "extern "+s.name, "LearnTable has no such method")
	return nil
}

// LearntInfo is one key with its value, scalars in order, in machine form.
type LearntInfo struct {
	Key, Value        [][]byte
	Profile           uint8
	LastSeen, Timeout uint64 // nanoseconds; Timeout 0: never
}

func (m *Machine) learnTableOf(name string) (*learnTable, *ir.Instance, error) {
	i, err := m.instanceByName(name, "LearnTable")
	if err != nil {
		return nil, nil, err
	}
	return i.learnt, m.prog.Instances[slices.IndexFunc(m.prog.Instances, func(x *ir.Instance) bool { return x.Name == name })], nil
}

// Learnt gives what a LearnTable holds at a time, in no order, until yield gives
// false.
func (m *Machine) Learnt(name string, now uint64, yield func(LearntInfo) bool) error {
	t, inst, err := m.learnTableOf(name)
	if err != nil {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for key, l := range t.byKey {
		if l.over(now) {
			continue
		}
		info := LearntInfo{Key: machineFields(inst.Type.Args[0], fromKey(key)), Value: machineFields(inst.Type.Args[1], l.value),
			Profile: l.profile, LastSeen: l.lastSeen.Load(), Timeout: l.timeout}
		if !yield(info) {
			return nil
		}
	}
	return nil
}

// LearnCounts reads what has happened to a LearnTable, and how many keys it holds,
// expired ones that nobody has removed included.
func (m *Machine) LearnCounts(name string) (keys int, n LearnCounts, err error) {
	t, _, err := m.learnTableOf(name)
	if err != nil {
		return 0, LearnCounts{}, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byKey), t.counts, nil
}

// Forget removes what match holds for and tells how many.
func (m *Machine) Forget(name string, match func(LearntInfo) bool) (int, error) {
	t, inst, err := m.learnTableOf(name)
	if err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for key, l := range t.byKey {
		if match(LearntInfo{Key: machineFields(inst.Type.Args[0], fromKey(key)), Value: machineFields(inst.Type.Args[1], l.value), Profile: l.profile}) {
			delete(t.byKey, key)
			t.counts.Forgotten++
			n++
		}
	}
	return n, nil
}
