package stf

import (
	"fmt"
	"math"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
)

// pre is bmv2's view of the replication engine: groups of nodes, each of which
// sends copies with one replication id to its ports, the lowest first.
type pre struct {
	groups   map[uint32][]int // nodes in order of their association
	nodes    []*node
	sessions map[uint32]ir.CloneSession
}

type node struct {
	rid   uint32
	ports []uint32
	group uint32
	in    bool // a group
}

func (p *player) replication(c *Command) error {
	e, ok := p.e.(Replicator)
	if !ok {
		return &Unsupported{c.Name + ": this engine does not replicate packets"}
	}
	if p.pre.groups == nil {
		p.pre.groups, p.pre.sessions = map[uint32][]int{}, map[uint32]ir.CloneSession{}
	}
	n := c.Numbers
	switch c.Kind {
	case MirrorAdd:
		return p.session(e, n[0], ir.CloneSession{Replicas: []ir.Replica{{Port: n[1]}}})
	case MirrorAddMC:
		return p.session(e, n[0], ir.CloneSession{Group: n[1]})
	case MirrorDelete:
		delete(p.pre.sessions, n[0])
		return e.DeleteCloneSession(n[0])
	case MirrorGet:
		s, ok := p.pre.sessions[n[0]]
		if !ok {
			return fmt.Errorf("there is no session %d", n[0])
		}
		p.verbose(fmt.Sprintf("session %d: group %d, ports %v", n[0], s.Group, s.Replicas))
		return nil
	case GroupCreate:
		p.pre.groups[n[0]] = nil
		return p.group(e, n[0])
	case GroupDestroy:
		if _, ok := p.pre.groups[n[0]]; !ok {
			return fmt.Errorf("there is no group %d", n[0])
		}
		for _, i := range p.pre.groups[n[0]] {
			p.pre.nodes[i].in = false
		}
		delete(p.pre.groups, n[0])
		return e.DeleteMulticastGroup(n[0])
	case NodeCreate:
		if n[0] > math.MaxUint16 {
			return fmt.Errorf("replication id %d has more than 16 bits", n[0])
		}
		p.pre.nodes = append(p.pre.nodes, &node{rid: n[0], ports: bitmap(n[1:])})
		return nil
	}
	return p.node(e, c)
}

// bitmap orders ports as bmv2's map of them does.
func bitmap(ports []uint32) []uint32 {
	ps := slices.Sorted(slices.Values(ports))
	return slices.Compact(ps)
}

// node are the commands on nodes that exist.
func (p *player) node(e Replicator, c *Command) error {
	handle := c.Numbers[0]
	if c.Kind == NodeAssociate || c.Kind == NodeDissociate {
		handle = c.Numbers[1]
	}
	if int(handle) >= len(p.pre.nodes) || p.pre.nodes[handle] == nil {
		return fmt.Errorf("there is no node %d", handle)
	}
	x := p.pre.nodes[handle]
	leave := func() {
		p.pre.groups[x.group] = slices.DeleteFunc(p.pre.groups[x.group], func(i int) bool { return i == int(handle) })
		x.in = false
	}
	switch c.Kind {
	case NodeUpdate:
		x.ports = bitmap(c.Numbers[1:])
	case NodeAssociate:
		g := c.Numbers[0]
		if _, ok := p.pre.groups[g]; !ok {
			return fmt.Errorf("there is no group %d", g)
		}
		if x.in {
			return fmt.Errorf("node %d is in group %d", handle, x.group)
		}
		x.group, x.in = g, true
		p.pre.groups[g] = append(p.pre.groups[g], int(handle))
	case NodeDissociate:
		if !x.in || x.group != c.Numbers[0] {
			return fmt.Errorf("node %d is not in group %d", handle, c.Numbers[0])
		}
		leave()
	case NodeDestroy:
		p.pre.nodes[handle] = nil
		if !x.in {
			return nil
		}
		leave()
	default:
		return fmt.Errorf("command %d is not known", c.Kind)
	}
	if x.in || c.Kind != NodeUpdate {
		return p.group(e, x.group)
	}
	return nil
}

// group hands a group to the engine.
func (p *player) group(e Replicator, id uint32) error {
	var rs []ir.Replica
	for _, i := range p.pre.groups[id] {
		x := p.pre.nodes[i]
		for _, port := range x.ports {
			rs = append(rs, ir.Replica{Port: port, Instance: uint16(x.rid)})
		}
	}
	return e.SetMulticastGroup(id, rs)
}

func (p *player) session(e Replicator, id uint32, s ir.CloneSession) error {
	p.pre.sessions[id] = s
	return e.SetCloneSession(id, s)
}

func (p *player) meter(c *Command) error {
	e, ok := p.e.(Metered)
	if !ok {
		return &Unsupported{"meters: this engine does not meter packets"}
	}
	i, err := p.array("meter", c.Name)
	if err != nil {
		return err
	}
	if c.Kind == MeterRead {
		r, err := e.Meter(i.Name, c.Index)
		switch {
		case err != nil:
			return err
		case r == nil:
			p.verbose(fmt.Sprintf("%s[%d]: no rates", c.Name, c.Index))
		default:
			p.verbose(fmt.Sprintf("%s[%d]: %d:%d %d:%d a second", c.Name, c.Index, r.CIR, r.CBurst, r.PIR, r.PBurst))
		}
		return nil
	}
	second := func(r Rate) uint64 { return uint64(math.Round(r.PerMicro * 1e6)) }
	r := &ir.MeterRates{CIR: second(c.Rates[0]), CBurst: c.Rates[0].Burst, PIR: second(c.Rates[1]), PBurst: c.Rates[1].Burst}
	from, to := c.Index, c.Index+1
	if c.Kind == MeterSetAll {
		from, to = 0, arraySize(i)
	}
	for n := from; n < to; n++ {
		if err := e.SetMeter(i.Name, n, r); err != nil {
			return err
		}
	}
	return nil
}

// arraySize is the number of cells of a counter, meter or register.
func arraySize(i *ir.Instance) uint32 {
	if len(i.Args) > 0 {
		if k, is := i.Args[0].(*ir.Const); is && k.Val.IsUint64() {
			return uint32(min(k.Val.Uint64(), 1<<31))
		}
	}
	return 0
}

func (p *player) writeCounter(c *Command) error {
	e, ok := p.e.(CounterWriter)
	if !ok {
		return &Unsupported{"counters of this engine are not written"}
	}
	i, err := p.array("counter", c.Name)
	if err != nil {
		return err
	}
	if c.Kind == CounterWrite {
		return e.SetInstanceCounter(i.Name, c.Index, uint64(c.Numbers[0]), uint64(c.Numbers[1]))
	}
	from, to := c.Index, c.Index+1
	if c.All {
		from, to = 0, arraySize(i)
	}
	for n := from; n < to; n++ {
		if err := e.SetInstanceCounter(i.Name, n, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// profile makes a member or a group.
func (p *player) profile(c *Command) error {
	e, ok := p.e.(Profiled)
	if !ok {
		return &Unsupported{"action profiles: this engine has none"}
	}
	var tables []*ir.Table
	var names []string
	for _, t := range p.e.Program().Tables {
		if i := t.Implementation; i != nil && !slices.Contains(names, i.Name) {
			tables, names = append(tables, t), append(names, i.Name)
		}
	}
	at, err := find("action profile", names, c.Name)
	if err != nil {
		return err
	}
	if c.Kind == Group {
		g := ir.ProfileGroup{ID: c.Target}
		for _, m := range c.Numbers {
			g.Members = append(g.Members, ir.GroupMember{Member: m, Weight: 1})
		}
		return e.SetGroup(names[at], g)
	}
	all := p.e.Program().ProfileActions(tables[at].Implementation)
	actions := make([]string, len(all))
	for i, a := range all {
		actions[i] = passes.ControlName(a)
	}
	m := ir.ProfileMember{ID: c.Target}
	if m.Action, err = find("action", actions, c.Action); err != nil {
		return err
	}
	if m.Args, err = arguments(all[m.Action], c.Args); err != nil {
		return err
	}
	return e.SetMember(names[at], m)
}
