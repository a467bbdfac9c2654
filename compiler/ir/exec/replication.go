package exec

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/p4nic/p4nic/compiler/ir"
)

// replication is the packet replication engine: multicast groups and clone
// sessions. It is content, as tables are.
type replication struct {
	mu       sync.RWMutex
	groups   map[uint32][]ir.Replica
	sessions map[uint32]ir.CloneSession
}

// group are the replicas of a multicast group; they are never changed in place.
func (p *replication) group(id uint32) []ir.Replica {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.groups[id]
}

// session finds a clone session and the replicas of its group.
func (p *replication) session(id uint32) (s ir.CloneSession, group []ir.Replica, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	s, ok = p.sessions[id]
	if ok && s.Group != 0 {
		group = p.groups[s.Group]
	}
	return s, group, ok
}

// SetMulticastGroup makes or replaces a group. Group 0 means no multicast and
// cannot be one.
func (m *Machine) SetMulticastGroup(id uint32, replicas []ir.Replica) error {
	if id == 0 {
		return fmt.Errorf("multicast group 0: that number means no multicast")
	}
	m.pre.mu.Lock()
	defer m.pre.mu.Unlock()
	if m.pre.groups == nil {
		m.pre.groups = map[uint32][]ir.Replica{}
	}
	m.pre.groups[id] = slices.Clone(replicas)
	return nil
}

// DeleteMulticastGroup removes a group; ErrNoEntry where there is none.
func (m *Machine) DeleteMulticastGroup(id uint32) error {
	m.pre.mu.Lock()
	defer m.pre.mu.Unlock()
	if _, ok := m.pre.groups[id]; !ok {
		return fmt.Errorf("multicast group %d: %w", id, ErrNoEntry)
	}
	delete(m.pre.groups, id)
	return nil
}

// maxSession is the largest clone session of simple_switch.
const maxSession = 1<<15 - 1

// SetCloneSession makes or replaces a clone session, 0 to 32767.
func (m *Machine) SetCloneSession(id uint32, s ir.CloneSession) error {
	if id > maxSession {
		return fmt.Errorf("clone session %d: the largest is %d", id, maxSession)
	}
	s.Replicas = slices.Clone(s.Replicas)
	m.pre.mu.Lock()
	defer m.pre.mu.Unlock()
	if m.pre.sessions == nil {
		m.pre.sessions = map[uint32]ir.CloneSession{}
	}
	m.pre.sessions[id] = s
	return nil
}

// DeleteCloneSession removes a session; ErrNoEntry where there is none.
func (m *Machine) DeleteCloneSession(id uint32) error {
	m.pre.mu.Lock()
	defer m.pre.mu.Unlock()
	if _, ok := m.pre.sessions[id]; !ok {
		return fmt.Errorf("clone session %d: %w", id, ErrNoEntry)
	}
	delete(m.pre.sessions, id)
	return nil
}

// MulticastGroup reads a group; false where there is none.
func (m *Machine) MulticastGroup(id uint32) ([]ir.Replica, bool) {
	m.pre.mu.RLock()
	defer m.pre.mu.RUnlock()
	g, ok := m.pre.groups[id]
	return slices.Clone(g), ok
}

// CloneSession reads a session; false where there is none.
func (m *Machine) CloneSession(id uint32) (ir.CloneSession, bool) {
	m.pre.mu.RLock()
	defer m.pre.mu.RUnlock()
	s, ok := m.pre.sessions[id]
	s.Replicas = slices.Clone(s.Replicas)
	return s, ok
}

// MulticastGroups and CloneSessions list what there is, in order.
func (m *Machine) MulticastGroups() []uint32 {
	m.pre.mu.RLock()
	defer m.pre.mu.RUnlock()
	return slices.Sorted(maps.Keys(m.pre.groups))
}

func (m *Machine) CloneSessions() []uint32 {
	m.pre.mu.RLock()
	defer m.pre.mu.RUnlock()
	return slices.Sorted(maps.Keys(m.pre.sessions))
}
