package exec

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/p4nic/p4nic/compiler/ir"
)

// sessions is p4nic's Session<K, S>: states that two keys find (D16). It is state
// that packets write (D7).
type sessions struct {
	name  string
	at    int // of ctx.sessions
	keys  int // slots of a key
	state int // slots of a state
	size  int
	evict bool

	*sessionTable
}

// sessionTable is what packets write; machines may share it (AdoptState).
type sessionTable struct {
	mu     sync.RWMutex
	byKey  map[string]*session
	order  []*session // live ones and some that ended; scanned for a victim
	scan   int
	live   int
	counts SessionCounts
}

// SessionCounts are the events of a Session object since it was made.
type SessionCounts struct {
	Created, Removed, Expired, Evicted uint64
	Refused                            uint64 // creates that found no room
	Clashes                            uint64 // creates that found one of their keys taken
}

type session struct {
	keys     [2]string
	state    []uint64
	over     atomic.Bool
	marks    atomic.Uint32
	timeout  atomic.Uint64 // 0: never
	lastSeen atomic.Uint64
	count    [2]cell
	profile  atomic.Uint32
	made     uint64
	pool     *portPool
	lease    uint32
}

// maxSessions bounds the size of one object.
const maxSessions = 1 << 24

func (k *compiler) sessions(r *instance, i *ir.Instance) {
	what := "extern Session " + i.Name
	r.size = k.size(i, maxSessions)
	if r.size == 0 {
		k.fail(i.Pos, what, "it has no room")
	}
	if len(i.Type.Args) != 2 || len(i.Args) < 2 {
		k.fail(i.Pos, what, "the types of its keys and states are not known")
	}
	s := &sessions{name: i.Name, size: int(r.size), evict: enumName(i.Args[1]) == "EVICT",
		sessionTable: &sessionTable{byKey: map[string]*session{}}}
	s.keys, s.state = k.flatSlots(i, i.Type.Args[0]), k.flatSlots(i, i.Type.Args[1])
	s.at = k.m.sessionSlots
	k.m.sessionSlots++
	r.sessions = s
}

// flatSlots counts the slots of a struct of scalars.
func (k *compiler) flatSlots(i *ir.Instance, t ir.Type) int {
	if w := ir.Width(t); w >= 0 {
		return limbs(w)
	}
	st, ok := ir.Underlying(t).(*ir.Struct)
	if !ok {
		k.fail(i.Pos, "extern Session "+i.Name, "keys and states are structs of scalars, not "+t.String())
	}
	n := 0
	for _, f := range st.Fields {
		n += k.flatSlots(i, f.Type)
	}
	return n
}

// current is the session that a packet has found or made, with the side of its key.
type current struct {
	s    *session
	side int // 0 original, 1 reply
}

// ended tells whether the session is over for a packet at that time.
func (s *session) ended(now uint64) bool {
	if s.over.Load() {
		return true
	}
	after, last := s.timeout.Load(), s.lastSeen.Load()
	return after != 0 && now >= last && now-last >= after
}

// find gives the live session of a key.
func (t *sessions) find(key []byte, now uint64) (*session, int) {
	t.mu.RLock()
	s := t.byKey[string(key)]
	t.mu.RUnlock()
	if s == nil || s.ended(now) {
		return nil, 0
	}
	if s.keys[0] == string(key) {
		return s, 0
	}
	return s, 1
}

// create commits a session, or tells that it cannot.
func (t *sessions) create(n *session, now uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range n.keys {
		switch old := t.byKey[key]; {
		case old == nil:
		case old.ended(now):
			t.end(old, &t.counts.Expired)
		default:
			t.counts.Clashes++
			return false
		}
	}
	if t.live >= t.size && !t.makeRoom(n, now) {
		t.counts.Refused++
		return false
	}
	t.byKey[n.keys[0]], t.byKey[n.keys[1]] = n, n
	t.live++
	t.counts.Created++
	t.order = append(t.order, n)
	return true
}

// end removes a session whose table is locked; false when it was over already. It
// counts those that a packet or the clock has not ended before.
func (t *sessions) end(s *session, why *uint64) bool {
	first := !s.over.Swap(true)
	if t.byKey[s.keys[0]] == s {
		delete(t.byKey, s.keys[0])
		delete(t.byKey, s.keys[1])
		t.live--
		*why++
		s.pool.giveBack(s.lease)
	}
	return first
}

func (p *portPool) giveBack(lease uint32) {
	if p != nil {
		p.give(lease)
	}
}

// makeRoom ends an expired session, or where evicting is allowed one whose expire
// time is no longer than that of n; the search goes on where it ended last.
func (t *sessions) makeRoom(n *session, now uint64) bool {
	t.compact()
	longest := n.timeout.Load()
	victim := -1
	for range t.order {
		if t.scan >= len(t.order) {
			t.scan = 0
		}
		at := t.scan
		s := t.order[at]
		t.scan++
		if s.ended(now) {
			return t.drop(at, &t.counts.Expired)
		}
		after := s.timeout.Load()
		if t.evict && victim < 0 && after != 0 && (longest == 0 || after <= longest) {
			victim = at
		}
	}
	if victim < 0 {
		return false
	}
	return t.drop(victim, &t.counts.Evicted)
}

func (t *sessions) drop(at int, why *uint64) bool {
	t.end(t.order[at], why)
	last := len(t.order) - 1
	t.order[at] = t.order[last]
	t.order = t.order[:last]
	return true
}

// compact forgets sessions that are over when they are as many as the live ones.
func (t *sessions) compact() {
	if len(t.order) < 2*t.live+16 {
		return
	}
	keep := t.order[:0]
	for _, s := range t.order {
		if t.byKey[s.keys[0]] == s {
			keep = append(keep, s)
		}
	}
	clear(t.order[len(keep):])
	t.order = keep
}

// sweep removes the sessions that are over.
func (t *sessions) sweep(now uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.order {
		if s.ended(now) && t.byKey[s.keys[0]] == s {
			t.end(s, &t.counts.Expired)
		}
	}
	t.compact()
}

// sessionCall compiles the methods of Session, then those of LearnTable and
// PortPool; nil for others.
func (k *compiler) sessionCall(s *externSite) stmt {
	method, is := strings.CutPrefix(s.name, "Session.")
	if !is {
		if st := k.learnCall(s); st != nil {
			return st
		}
		return k.poolCall(s)
	}
	t := k.object(s, "Session").sessions
	set := k.result64(s)
	switch method {
	case "lookup":
		k.need(s, 2, 2)
		return k.sessionLookup(s, t)
	case "create":
		k.need(s, 5, 5)
		return k.sessionCreate(s, t)
	case "mark":
		k.need(s, 1, 1)
		x := k.slotArg(s, 0)
		return after(func(c *ctx) {
			bits, old := uint32(x.u(c)), uint32(0)
			if cur := c.sessions[t.at].s; cur != nil && c.pend == next {
				old = cur.marks.Or(bits)
			}
			set(c, uint64(old))
		})
	case "set_expire_time":
		k.need(s, 1, 1)
		x := k.slotArg(s, 0)
		return after(func(c *ctx) {
			p := x.u(c)
			if cur := c.sessions[t.at].s; cur != nil && c.pend == next {
				cur.profile.Store(uint32(p))
				cur.timeout.Store(c.m.expireTime(p))
			}
		})
	case "restart_timer":
		return func(c *ctx) status {
			if cur := c.sessions[t.at].s; cur != nil {
				cur.lastSeen.Store(c.now)
			}
			return next
		}
	case "count":
		return func(c *ctx) status {
			if cur := c.sessions[t.at]; cur.s != nil {
				p, b := c.counts()
				cur.s.count[cur.side].packets.Add(p)
				cur.s.count[cur.side].bytes.Add(b)
			}
			return next
		}
	case "remove":
		return after(func(c *ctx) {
			did := false
			if cur := c.sessions[t.at].s; cur != nil && !cur.over.Load() {
				t.mu.Lock()
				did = t.end(cur, &t.counts.Removed)
				t.compact()
				t.mu.Unlock()
			}
			set(c, b2u(did))
		})
	}
	k.fail(s.pos, "extern "+s.name, "Session has no such method")
	return nil
}

// flat compiles a struct argument of n slots to a function that appends its
// scalars.
func (k *compiler) flat(s *externSite, i, n int) func(*ctx, []uint64) []uint64 {
	var fields []*xp
	k.scalars(s, s.args[i], &fields)
	have := 0
	for _, x := range fields {
		have += x.n
	}
	if have != n {
		k.fail(s.pos, "extern "+s.name, fmt.Sprintf("argument %d of type %s does not fit the object", i+1, s.args[i].Type()))
	}
	return func(c *ctx, dst []uint64) []uint64 {
		for _, x := range fields {
			at := len(dst)
			dst = append(dst, make([]uint64, x.n)...)
			x.into(c, dst[at:])
		}
		return dst
	}
}

func keyBytes(dst []byte, slots []uint64) []byte {
	for _, x := range slots {
		dst = binary.BigEndian.AppendUint64(dst, x)
	}
	return dst
}

func (k *compiler) sessionLookup(s *externSite, t *sessions) stmt {
	key := k.flat(s, 0, t.keys)
	set := k.result64(s)
	put := k.putterTo(s.args[1], t.state)
	if n := k.lay.slots(s.args[1].Type()); n != t.state {
		k.fail(s.pos, "extern "+s.name, "the state has another type than the object's")
	}
	return after(func(c *ctx) {
		c.scratch = key(c, c.scratch[:0])
		if c.pend != next {
			return
		}
		c.keyBuf = keyBytes(c.keyBuf[:0], c.scratch)
		cur, side := t.find(c.keyBuf, c.now)
		c.sessions[t.at] = current{cur, side}
		hit := uint64(0)
		put(c, func(dst []uint64) {
			clear(dst)
			if cur != nil {
				copy(dst, cur.state)
				hit = uint64(1 + side)
			}
		})
		set(c, hit)
		if c.tracing {
			c.event("extern", s.name, [...]string{"miss", "hit of the original key", "hit of the reply key"}[hit], s.pos)
		}
	})
}

func (k *compiler) sessionCreate(s *externSite, t *sessions) stmt {
	original, reply, state := k.flat(s, 0, t.keys), k.flat(s, 1, t.keys), k.flat(s, 2, t.state)
	profile, held, set := k.slotArg(s, 3), k.slotArg(s, 4), k.result64(s)
	return after(func(c *ctx) {
		n := &session{made: c.now}
		for i, f := range []func(*ctx, []uint64) []uint64{original, reply} {
			c.scratch = f(c, c.scratch[:0])
			n.keys[i] = string(keyBytes(c.keyBuf[:0], c.scratch))
		}
		n.state = state(c, nil)
		p, id := profile.u(c), uint32(held.u(c))
		if c.pend != next {
			return
		}
		n.profile.Store(uint32(p))
		n.timeout.Store(c.m.expireTime(p))
		n.lastSeen.Store(c.now)
		if pool, ok := c.passLease(id); ok {
			n.pool, n.lease = pool, id
		}
		ok := t.create(n, c.now)
		if ok {
			c.sessions[t.at] = current{n, 0}
		} else {
			n.pool.giveBack(n.lease)
		}
		set(c, b2u(ok))
		if c.tracing {
			c.event("extern", s.name, map[bool]string{true: "made", false: "refused"}[ok], s.pos)
		}
	})
}

// SessionInfo is one session, as an operator sees it. Keys and State hold the
// scalars of their types in order, in machine form (see ir.Entry).
type SessionInfo struct {
	Original, Reply, State [][]byte
	Marks                  uint32
	Profile                uint8
	Made, LastSeen         uint64 // nanoseconds of the machine's clock
	Timeout                uint64 // nanoseconds, 0: never
	Counts                 [2]Counter
}

func (m *Machine) sessionsOf(name string) (*sessions, *ir.Instance, error) {
	i, err := m.instanceByName(name, "Session")
	if err != nil {
		return nil, nil, err
	}
	for _, inst := range m.prog.Instances {
		if inst.Name == name {
			return i.sessions, inst, nil
		}
	}
	return nil, nil, fmt.Errorf("there is no Session %s", name)
}

// Sessions gives the sessions that are live at a time, in no order, until yield
// gives false.
func (m *Machine) Sessions(name string, now uint64, yield func(SessionInfo) bool) error {
	t, inst, err := m.sessionsOf(name)
	if err != nil {
		return err
	}
	t.mu.RLock()
	all := append([]*session(nil), t.order...)
	t.mu.RUnlock()
	kt, st := inst.Type.Args[0], inst.Type.Args[1]
	for _, s := range all {
		if s.ended(now) {
			continue
		}
		info := SessionInfo{Original: machineFields(kt, fromKey(s.keys[0])), Reply: machineFields(kt, fromKey(s.keys[1])),
			State: machineFields(st, s.state), Marks: s.marks.Load(), Profile: uint8(s.profile.Load()),
			Made: s.made, LastSeen: s.lastSeen.Load(), Timeout: s.timeout.Load()}
		for i := range info.Counts {
			info.Counts[i] = Counter{s.count[i].packets.Load(), s.count[i].bytes.Load()}
		}
		if !yield(info) {
			return nil
		}
	}
	return nil
}

// SessionCounts reads what has happened to the sessions of an object, and how many
// there are, expired ones that nobody has removed included.
func (m *Machine) SessionCounts(name string) (live int, n SessionCounts, err error) {
	t, _, err := m.sessionsOf(name)
	if err != nil {
		return 0, SessionCounts{}, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.live, t.counts, nil
}

// EndSessions ends the sessions that match holds for and tells how many.
func (m *Machine) EndSessions(name string, match func(SessionInfo) bool) (int, error) {
	t, inst, err := m.sessionsOf(name)
	if err != nil {
		return 0, err
	}
	kt, st := inst.Type.Args[0], inst.Type.Args[1]
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, s := range t.order {
		if s.over.Load() {
			continue
		}
		info := SessionInfo{Original: machineFields(kt, fromKey(s.keys[0])), Reply: machineFields(kt, fromKey(s.keys[1])),
			State: machineFields(st, s.state), Marks: s.marks.Load(), Profile: uint8(s.profile.Load())}
		if match(info) && t.end(s, &t.counts.Removed) {
			n++
		}
	}
	t.compact()
	return n, nil
}

// PoolUse tells how many ports of a pool are taken, of how many.
func (m *Machine) PoolUse(name string, pool uint32) (taken, ports int, err error) {
	i, err := m.instanceByName(name, "PortPool")
	if err != nil {
		return 0, 0, err
	}
	p := i.pool
	if uint64(pool) >= p.pools {
		return 0, 0, fmt.Errorf("%s has %d pools, there is no %d", name, p.pools, pool)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.used[pool]), int(p.size()), nil
}

func fromKey(key string) []uint64 {
	var out []uint64
	for ; len(key) >= 8; key = key[8:] {
		out = append(out, binary.BigEndian.Uint64([]byte(key[:8])))
	}
	return out
}

// machineFields cuts the slots of a value into its scalars.
func machineFields(t ir.Type, slots []uint64) [][]byte {
	var out [][]byte
	var walk func(t ir.Type)
	walk = func(t ir.Type) {
		if w := ir.Width(t); w >= 0 {
			n := limbs(w)
			out = append(out, machineBytes(slots[:n], w))
			slots = slots[n:]
			return
		}
		for _, f := range ir.Fields(t) {
			walk(f.Type)
		}
	}
	walk(t)
	return out
}
