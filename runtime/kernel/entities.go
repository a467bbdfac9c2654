package kernel

import (
	"github.com/p4nic/p4nic/runtime/dataplane"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The methods of dataplane.Entities. Those of the Plane act on the live generation,
// those of a generation fill it before Commit.

var (
	_ dataplane.Entities = (*Plane)(nil)
	_ dataplane.Entities = (*generation)(nil)
)

// liveGeneration is the generation that changes go to.
func (p *Plane) liveGeneration() (*generation, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	switch {
	case p.closed:
		return nil, errClosed
	case p.live == nil:
		return nil, errNoPipeline
	}
	return p.live, nil
}

// SetMulticastGroup makes or replaces a group, 1 to 65535.
func (p *Plane) SetMulticastGroup(id uint32, replicas []ir.Replica) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetMulticastGroup(id, replicas)
}

// DeleteMulticastGroup removes a group; dataplane.ErrNoEntry where there is none.
func (p *Plane) DeleteMulticastGroup(id uint32) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.DeleteMulticastGroup(id)
}

// SetCloneSession makes or replaces a session, 0 to 65535.
func (p *Plane) SetCloneSession(id uint32, s ir.CloneSession) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.SetCloneSession(id, s)
}

// DeleteCloneSession removes a session; dataplane.ErrNoEntry where there is none.
func (p *Plane) DeleteCloneSession(id uint32) error {
	g, err := p.liveGeneration()
	if err != nil {
		return err
	}
	return g.DeleteCloneSession(id)
}

func (g *generation) SetMulticastGroup(id uint32, replicas []ir.Replica) error {
	return g.pre.setGroup(id, replicas)
}

func (g *generation) DeleteMulticastGroup(id uint32) error {
	return g.pre.remove("multicast group", g.pre.groups, g.pre.group, id)
}

func (g *generation) SetCloneSession(id uint32, s ir.CloneSession) error {
	return g.pre.setSession(id, s)
}

func (g *generation) DeleteCloneSession(id uint32) error {
	return g.pre.remove("clone session", g.pre.sessions, g.pre.session, id)
}
