package exec

import (
	"fmt"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Entries that packets write: PNA's add on miss. Such a table is state (D7); its
// entries have handles from firstLearned on, which the machine chooses, and end
// when their expire time has passed without a restart of their timer.

// firstLearned is the first handle of entries that packets add.
const firstLearned = 1 << 31

// ExpireTimes of the profiles that programs name, in nanoseconds; a profile that
// is not here never expires.
type ExpireTimes map[uint8]uint64

// SetExpireTimes replaces the expire time profiles.
func (m *Machine) SetExpireTimes(times ExpireTimes) {
	m.expire.Store(&times)
}

func (m *Machine) expireTime(profile uint64) uint64 {
	if t := m.expire.Load(); t != nil && profile < 256 {
		return (*t)[uint8(profile)]
	}
	return 0
}

// boolProp tells whether a table has a property that is the constant true.
func boolProp(t *ir.Table, name string) bool {
	for _, p := range t.Props {
		if p.Name == name && p.Expr != nil {
			v := constVal(p.Expr)
			return v != nil && v.Sign() != 0
		}
	}
	return false
}

// learns reads the properties of a table that packets can add to.
func (k *compiler) learns(r *table) {
	r.addOnMiss = boolProp(r.t, "add_on_miss")
	r.expires = r.addOnMiss || boolProp(r.t, "idle_timeout_with_auto_delete")
	if !r.addOnMiss {
		return
	}
	for _, key := range r.t.Keys {
		if key.Kind != ir.MatchExact {
			k.fail(key.Pos, "key "+key.Name+" of table "+r.t.Name, "only exact keys can be added on a miss")
		}
	}
}

// expired tells whether an entry is over at the time of the packet.
func (e *entry) expired(now uint64) bool {
	after, last := e.age.timeout.Load(), e.age.lastHit.Load()
	return after != 0 && now >= last && now-last >= after
}

// learnFunction compiles the functions of add on miss, nil for others.
func (k *compiler) learnFunction(s *externSite) stmt {
	set := k.result64(s)
	switch s.name {
	case "add_entry":
		k.need(s, 3, 3)
		return k.addEntry(s, nil, 0)
	case "add_entry_if":
		k.need(s, 4, 4)
		return k.addEntry(s, k.slotArg(s, 0), 1)
	case "allocate_flow_id":
		return after(func(c *ctx) { set(c, uint64(c.m.flows.Add(1))) })
	case "restart_expire_timer":
		return k.timer(s, nil, nil, nil)
	case "set_entry_expire_time":
		k.need(s, 1, 1)
		return k.timer(s, nil, nil, k.slotArg(s, 0))
	case "set_entry_expire_time_if":
		k.need(s, 2, 2)
		return k.timer(s, k.slotArg(s, 0), k.slotArg(s, 0), k.slotArg(s, 1))
	case "update_expire_info":
		k.need(s, 3, 3)
		return k.timer(s, k.slotArg(s, 0), k.slotArg(s, 1), k.slotArg(s, 2))
	}
	return nil
}

// timer restarts the timer of the entry that was hit where restart holds, and sets
// its expire time where change holds; nil conditions hold.
func (k *compiler) timer(s *externSite, restart, change, profile *xp) stmt {
	holds := func(c *ctx, x *xp) bool { return x == nil || x.u(c) != 0 }
	return after(func(c *ctx) {
		e := c.pna.hit
		if e == nil || e.age == nil {
			return
		}
		if profile != nil && holds(c, change) {
			e.age.timeout.Store(c.m.expireTime(profile.u(c)))
		}
		if holds(c, restart) {
			e.age.lastHit.Store(c.now)
		}
	})
}

// addEntry is add_entry(action, params, profile): the key that missed gets an
// entry. Its result tells by the convention of the version: a bool is true, a
// status 0 when the entry was added.
func (k *compiler) addEntry(s *externSite, cond *xp, at int) stmt {
	lit, ok := s.args[at].(*ir.StringLit)
	if !ok {
		k.fail(s.pos, "extern "+s.name, "the name of the action is not a string constant")
	}
	var fields []*xp
	k.scalars(s, s.args[at+1], &fields)
	profile := k.slotArg(s, at+2)
	set := k.result64(s)
	good := uint64(0)
	if s.dst != nil {
		if _, ok := ir.Underlying(s.dst.Type()).(*ir.Bool); ok {
			good = 1
		}
	}
	pos, action := s.pos, lit.Val
	return after(func(c *ctx) {
		added := false
		if cond == nil || cond.u(c) != 0 {
			err := c.learn(action, fields, c.m.expireTime(profile.u(c)))
			added = err == nil
			if c.tracing {
				what := action
				if err != nil {
					what = err.Error()
				}
				c.event("extern", s.name, what, pos)
			}
		}
		v := good
		if !added {
			v = 1 - good
		}
		set(c, v)
	})
}

// learn adds an entry for the key that the table whose default action runs missed.
func (c *ctx) learn(action string, fields []*xp, timeout uint64) error {
	t := c.pna.missed
	if t == nil || !t.addOnMiss {
		return fmt.Errorf("no table with add_on_miss has missed")
	}
	e := ir.Entry{Action: -1, IdleTimeout: timeout}
	for i := range t.t.Actions {
		if n := t.actions[i].name; n == action || strings.HasSuffix(n, "."+action) {
			e.Action = i
		}
	}
	if e.Action < 0 {
		return fmt.Errorf("table %s has no action %s", t.t.Name, action)
	}
	params := t.actions[e.Action].params
	if len(params) != len(fields) {
		return fmt.Errorf("action %s takes %d arguments, not %d", action, len(params), len(fields))
	}
	for i, x := range fields {
		v := make([]uint64, max(x.n, params[i].n))
		x.into(c, v[:x.n])
		e.Args = append(e.Args, machineBytes(v, params[i].w))
	}
	for _, f := range t.keys {
		e.Match = append(e.Match, ir.Match{Value: machineBytes(c.mem[t.keyAt+f.at:t.keyAt+f.at+f.n], f.w)})
	}
	t.mu.Lock()
	if t.learned >= t.t.LearnLimit() {
		t.mu.Unlock()
		return fmt.Errorf("table %s is full", t.t.Name)
	}
	t.nextLearned++
	t.learned++
	e.Handle = firstLearned + t.nextLearned
	t.mu.Unlock()
	if err := t.insert(e); err != nil {
		t.mu.Lock()
		t.learned--
		t.mu.Unlock()
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n := t.byHandle.get(e.Handle); n != nil {
		n.age.lastHit.Store(c.now)
	}
	return nil
}
