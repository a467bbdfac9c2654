package p4rt

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/store"
)

// arbiter decides who is primary of each role (P4Runtime section 5). Locks, in
// this order: role.turn, role.gate, arbiter.mu.
type arbiter struct {
	mu    sync.Mutex
	roles map[string]*role
	limit int
	load  func(role string) (store.Election, bool)
	save  func(role string, e store.Election) error
}

// role is one client role. Fields behind the locks are guarded by arbiter.mu.
type role struct {
	key string
	// turn orders the elections, so that each stream hears of them in order
	// (p4rt:A29).
	turn sync.Mutex
	// gate is held for reading by every write of the primary, and for writing
	// while the next one takes over (p4rt:A17, A18).
	gate sync.RWMutex

	streams []*stream // in order of arrival
	primary *stream
	highest *store.Election // ever seen from a primary; nil = none
}

func newArbiter(limit int, load func(string) (store.Election, bool), save func(string, store.Election) error) *arbiter {
	return &arbiter{roles: map[string]*role{}, limit: limit, load: load, save: save}
}

// roleKey identifies a role by name, or by the deprecated number.
func roleKey(name string, id uint64) string {
	if name == "" && id != 0 {
		return fmt.Sprintf("\x00%d", id)
	}
	return name
}

func roleText(key string) string {
	switch {
	case key == "":
		return "the default role"
	case key[0] == 0:
		return "role id " + key[1:]
	}
	return fmt.Sprintf("role %q", key)
}

func compare(a, b store.Election) int {
	return cmp.Or(cmp.Compare(a.High, b.High), cmp.Compare(a.Low, b.Low))
}

func idText(e store.Election) string { return fmt.Sprintf("(%d,%d)", e.High, e.Low) }

func election(id *p4v1.Uint128) *store.Election {
	if id == nil {
		return nil
	}
	return &store.Election{High: id.GetHigh(), Low: id.GetLow()}
}

// role finds or makes a role; mu is held.
func (a *arbiter) role(key string) *role {
	r := a.roles[key]
	if r == nil {
		r = &role{key: key}
		if e, ok := a.load(key); ok {
			r.highest = &e
		}
		a.roles[key] = r
	}
	return r
}

// known finds a role that a client arbitrated for, in this run or before a
// restart. The default role is always known.
func (a *arbiter) known(key string) *role {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.roles[key]; r != nil {
		return r
	}
	if _, ok := a.load(key); ok || key == "" {
		return a.role(key)
	}
	return nil
}

// begin admits a write of a primary (p4rt:W1, S5). done must be called after it.
func (a *arbiter) begin(key string, id *p4v1.Uint128) (done func(), err error) {
	r := a.known(key)
	if r == nil {
		return nil, status.Errorf(codes.NotFound, "%s is unknown: no client arbitrated for it", roleText(key))
	}
	// Once before waiting at the gate, so that an old primary is refused at
	// once, and once behind it.
	if err := a.isPrimary(r, id); err != nil {
		return nil, err
	}
	r.gate.RLock()
	if err := a.isPrimary(r, id); err != nil {
		r.gate.RUnlock()
		return nil, err
	}
	return r.gate.RUnlock, nil
}

func (a *arbiter) isPrimary(r *role, id *p4v1.Uint128) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := election(id)
	switch {
	case e == nil:
		return status.Errorf(codes.PermissionDenied, "not primary of %s: the request has no election id", roleText(r.key))
	case r.primary == nil:
		return status.Errorf(codes.PermissionDenied, "not primary of %s: it has no primary", roleText(r.key))
	case *r.primary.id != *e:
		return status.Errorf(codes.PermissionDenied, "not primary of %s: election id %s, the primary's is %s", roleText(r.key), idText(*e), idText(*r.primary.id))
	}
	return nil
}

// update handles a MasterArbitrationUpdate whose device id was checked. An error
// closes the stream.
func (a *arbiter) update(st *stream, m *p4v1.MasterArbitrationUpdate) error {
	if m.GetRole().GetConfig() != nil {
		return status.Errorf(codes.InvalidArgument, "role config %s: no role configs were agreed upon, leave it unset", m.GetRole().GetConfig().GetTypeUrl())
	}
	key := roleOfArbitration(m)
	if st.role != nil && st.role.key != key {
		return status.Errorf(codes.FailedPrecondition, "this stream is for %s, not for %s: open another one", roleText(st.role.key), roleText(key))
	}
	a.mu.Lock()
	r := a.role(key)
	a.mu.Unlock()
	r.turn.Lock()
	defer r.turn.Unlock()

	a.mu.Lock()
	id := election(m.GetElectionId())
	if id != nil {
		for _, o := range r.streams {
			if o != st && o.id != nil && *o.id == *id {
				a.mu.Unlock()
				return status.Errorf(codes.InvalidArgument, "election id %s is already used by another client of %s", idText(*id), roleText(key))
			}
		}
	}
	if st.role == nil {
		if len(r.streams) >= a.limit {
			a.mu.Unlock()
			return status.Errorf(codes.ResourceExhausted, "%s has %d clients, the limit is %d", roleText(key), len(r.streams), a.limit)
		}
		st.role, st.device, st.message = r, m.GetDeviceId(), m.GetRole()
		r.streams = append(r.streams, st)
	}
	before := st.id
	st.id = id
	if id == nil || r.highest != nil && compare(*id, *r.highest) < 0 {
		if r.primary == st { // it stepped down
			r.primary = nil
			r.notify(nil)
		} else {
			st.push(r.notification(st))
		}
		a.mu.Unlock()
		return nil
	}
	if r.primary == st && *before == *id {
		r.notify(nil)
		a.mu.Unlock()
		return nil
	}
	return a.takeOver(r, st, *id)
}

// takeOver makes st primary (p4rt:A17). turn and mu are held; mu is released.
func (a *arbiter) takeOver(r *role, st *stream, id store.Election) error {
	r.primary = nil // writes of the old primary are refused from here on
	for _, o := range r.streams {
		if o != st {
			o.push(o.answer(&id, codes.AlreadyExists))
		}
	}
	a.mu.Unlock()

	r.gate.Lock() // its writes under way come to their end
	defer r.gate.Unlock()
	if r.highest == nil || *r.highest != id {
		if err := a.save(r.key, id); err != nil {
			a.mu.Lock()
			defer a.mu.Unlock()
			r.notify(st)
			return rpcError(err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r.highest, r.primary = &id, st
	st.push(r.notification(st))
	return nil
}

// leave takes a stream that ended off its role (p4rt:A30).
func (a *arbiter) leave(st *stream) {
	r := st.role
	if r == nil {
		return
	}
	r.turn.Lock()
	defer r.turn.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(r.streams, st); i >= 0 {
		r.streams = slices.Delete(r.streams, i, i+1)
	}
	if r.primary == st {
		r.primary = nil
		r.notify(nil)
	}
}

// notify tells all clients but one how things stand; mu is held.
func (r *role) notify(except *stream) {
	for _, st := range r.streams {
		if st != except {
			st.push(r.notification(st))
		}
	}
}

func (r *role) notification(st *stream) *p4v1.StreamMessageResponse {
	c := codes.NotFound
	switch {
	case r.primary == st:
		c = codes.OK
	case r.primary != nil:
		c = codes.AlreadyExists
	}
	return st.answer(r.highest, c)
}

// answer is what st hears: its device and role as it gave them, the highest
// election id and its own standing (p4rt:A26, A27).
func (st *stream) answer(highest *store.Election, c codes.Code) *p4v1.StreamMessageResponse {
	m := &p4v1.MasterArbitrationUpdate{DeviceId: st.device, Status: &rpcstatus.Status{Code: int32(c)}}
	if st.message != nil {
		m.Role = proto.Clone(st.message).(*p4v1.Role)
	}
	if highest != nil {
		m.ElectionId = &p4v1.Uint128{High: highest.High, Low: highest.Low}
	}
	switch c {
	case codes.OK:
		m.Status.Message = "you are primary"
	case codes.AlreadyExists:
		m.Status.Message = "another client is primary"
	default:
		m.Status.Message = "there is no primary"
	}
	return &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Arbitration{Arbitration: m}}
}
