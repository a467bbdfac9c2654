package bmv2switch

import (
	"fmt"
	"math"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
)

var (
	_ stf.Replicator    = (*Switch)(nil)
	_ stf.Metered       = (*Switch)(nil)
	_ stf.Profiled      = (*Switch)(nil)
	_ stf.CounterWriter = (*Switch)(nil)
)

// pre is the service of the replication engine.
const pre = "simple_pre_lag"

// mcGroup is a multicast group with its nodes, by the switch's handles.
type mcGroup struct {
	group int32
	nodes []int32
}

// SetMulticastGroup implements stf.Replicator: a node for each run of replicas with
// one replication id.
func (s *Switch) SetMulticastGroup(id uint32, replicas []ir.Replica) error {
	g, is := s.mcGroups[id]
	handle := func(into *int32) func(*reader) error {
		return func(r *reader) (err error) {
			*into, err = r.i32()
			return err
		}
	}
	if !is {
		if err := s.call(pre, "bm_mc_mgrp_create", fields{context0, int32(id)}, handle(&g.group)); err != nil {
			return err
		}
		s.mcGroups[id] = g
	}
	if err := s.removeNodes(id); err != nil {
		return err
	}
	g.nodes = nil
	for len(replicas) > 0 {
		rid := replicas[0].Instance
		var ports []uint32
		for len(replicas) > 0 && replicas[0].Instance == rid {
			ports = append(ports, replicas[0].Port)
			replicas = replicas[1:]
		}
		var node int32
		if err := s.call(pre, "bm_mc_node_create", fields{context0, int32(rid), portMap(ports), ""}, handle(&node)); err != nil {
			return err
		}
		g.nodes = append(g.nodes, node)
		s.mcGroups[id] = g
		if err := s.call(pre, "bm_mc_node_associate", fields{context0, g.group, node}, nil); err != nil {
			return err
		}
	}
	return nil
}

// portMap is a string of 0 and 1 whose last character is port 0.
func portMap(ports []uint32) string {
	b := make([]byte, slices.Max(ports)+1)
	for i := range b {
		b[i] = '0'
	}
	for _, p := range ports {
		b[len(b)-1-int(p)] = '1'
	}
	return string(b)
}

func (s *Switch) removeNodes(id uint32) error {
	g := s.mcGroups[id]
	for _, node := range g.nodes {
		if err := s.call(pre, "bm_mc_node_dissociate", fields{context0, g.group, node}, nil); err != nil {
			return err
		}
		if err := s.call(pre, "bm_mc_node_destroy", fields{context0, node}, nil); err != nil {
			return err
		}
	}
	g.nodes = nil
	s.mcGroups[id] = g
	return nil
}

// DeleteMulticastGroup implements stf.Replicator.
func (s *Switch) DeleteMulticastGroup(id uint32) error {
	g, is := s.mcGroups[id]
	if !is {
		return fmt.Errorf("there is no multicast group %d", id)
	}
	if err := s.removeNodes(id); err != nil {
		return err
	}
	delete(s.mcGroups, id)
	return s.call(pre, "bm_mc_mgrp_destroy", fields{context0, g.group}, nil)
}

// SetCloneSession implements stf.Replicator.
func (s *Switch) SetCloneSession(id uint32, c ir.CloneSession) error {
	var config fields
	switch {
	case c.Group != 0:
		config = fields{nil, int32(c.Group)}
	case len(c.Replicas) == 1 && c.Replicas[0].Instance == 0:
		config = fields{int32(c.Replicas[0].Port)}
	default:
		return &stf.Unsupported{Reason: "clone sessions of the switch have one port or a multicast group"}
	}
	return s.call(s.service, "mirroring_session_add", fields{int32(id), config}, nil)
}

// DeleteCloneSession implements stf.Replicator.
func (s *Switch) DeleteCloneSession(id uint32) error {
	return s.call(s.service, "mirroring_session_delete", fields{int32(id)}, nil)
}

// SetMeter implements stf.Metered.
func (s *Switch) SetMeter(name string, index uint32, m *ir.MeterRates) error {
	if m == nil || max(m.CBurst, m.PBurst) > math.MaxInt32 {
		return &stf.Unsupported{Reason: "the switch does not take rates from a meter, nor bursts of more than 31 bits"}
	}
	rates := []fields{{float64(m.CIR) / 1e6, int32(m.CBurst)}, {float64(m.PIR) / 1e6, int32(m.PBurst)}}
	if s.meters[name] == nil {
		s.meters[name] = map[uint32]*ir.MeterRates{}
	}
	s.meters[name][index] = m
	return s.call(standard, "bm_meter_set_rates", fields{context0, name, int32(index), rates}, nil)
}

// Meter implements stf.Metered.
func (s *Switch) Meter(name string, index uint32) (*ir.MeterRates, error) {
	return s.meters[name][index], nil
}

// profileTable is a table of an action profile.
func (s *Switch) profileTable(profile string) (*ir.Table, error) {
	for _, t := range s.program.Tables {
		if t.Implementation != nil && t.Implementation.Name == profile {
			return t, nil
		}
	}
	return nil, fmt.Errorf("there is no action profile %s", profile)
}

// remember notes the switch's handle of a member or group.
func remember(handles map[string]map[uint32]int32, profile string, id uint32) func(*reader) error {
	return func(r *reader) error {
		h, err := r.i32()
		if err == nil {
			if handles[profile] == nil {
				handles[profile] = map[uint32]int32{}
			}
			handles[profile][id] = h
		}
		return err
	}
}

// SetMember implements stf.Profiled.
func (s *Switch) SetMember(profile string, m ir.ProfileMember) error {
	t, err := s.profileTable(profile)
	if err != nil {
		return err
	}
	if h, is := s.members[profile][m.ID]; is {
		return s.call(standard, "bm_mt_act_prof_modify_member", fields{context0, profile, h, actionName(t, m.Action), args(m.Args)}, nil)
	}
	return s.call(standard, "bm_mt_act_prof_add_member", fields{context0, profile, actionName(t, m.Action), args(m.Args)}, remember(s.members, profile, m.ID))
}

// SetGroup implements stf.Profiled.
func (s *Switch) SetGroup(profile string, g ir.ProfileGroup) error {
	if _, is := s.groups[profile][g.ID]; is {
		return &stf.Unsupported{Reason: "groups are not changed on the switch"}
	}
	if err := s.call(standard, "bm_mt_act_prof_create_group", fields{context0, profile}, remember(s.groups, profile, g.ID)); err != nil {
		return err
	}
	for _, m := range g.Members {
		member, is := s.members[profile][m.Member]
		if !is {
			return fmt.Errorf("action profile %s: there is no member %d", profile, m.Member)
		}
		if m.Weight > 1 || m.Watch {
			return &stf.Unsupported{Reason: "members of the switch have no weights and watch no ports"}
		}
		if err := s.call(standard, "bm_mt_act_prof_add_member_to_group", fields{context0, profile, member, s.groups[profile][g.ID]}, nil); err != nil {
			return err
		}
	}
	return nil
}
