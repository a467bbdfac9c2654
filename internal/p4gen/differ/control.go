package differ

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	bmv2tests "github.com/p4nic/p4nic/bmv2-tests"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// setup is a case in machine form, for the core program.
type setup struct {
	core *ir.Program
	// content is without the entries that name members or groups, which are refs:
	// those are inserted when the members are there.
	content []packetcase.Content
	refs    map[string][]ir.Entry // by table
	control *packetcase.Control
}

func newSetup(core *ir.Program, entries, control string) (*setup, error) {
	content, err := packetcase.ParseEntries(core, entries)
	if err != nil {
		return nil, err
	}
	s := &setup{core: core, refs: map[string][]ir.Entry{}}
	if s.control, err = packetcase.ParseControl(core, control); err != nil {
		return nil, err
	}
	for i, c := range content {
		own := packetcase.Content{Default: c.Default}
		for _, e := range c.Entries {
			if e.Ref == ir.RefNone {
				own.Entries = append(own.Entries, e)
			} else {
				s.refs[core.Tables[i].Name] = append(s.refs[core.Tables[i].Name], e)
			}
		}
		s.content = append(s.content, own)
	}
	return s, nil
}

// fresh is the content for one engine, which may add to it.
func (s *setup) fresh() []packetcase.Content {
	out := make([]packetcase.Content, len(s.content))
	for i, c := range s.content {
		out[i] = packetcase.Content{Default: c.Default, Entries: slices.Clone(c.Entries)}
	}
	return out
}

// program gives an engine that runs p the rest of the case. Objects that p does not
// have any more are passed over.
func (s *setup) program(e bmv2tests.Engine, p *ir.Program) error {
	if r, is := e.(bmv2tests.Replicator); is {
		if err := s.copies(r); err != nil {
			return err
		}
	}
	c, is := e.(bmv2tests.Control)
	if !is {
		return errors.New("the engine has no control plane")
	}
	has := func(name string) bool {
		return slices.ContainsFunc(p.Instances, func(i *ir.Instance) bool { return i.Name == name })
	}
	for _, m := range s.control.Members {
		if !has(m.Profile) {
			continue
		}
		action, err := s.memberAction(p, m)
		if err != nil {
			return err
		}
		if action < 0 {
			continue // no table has the profile
		}
		if err := c.SetMember(m.Profile, ir.ProfileMember{ID: m.ID, Action: action, Args: m.Args}); err != nil {
			return err
		}
	}
	used := func(profile string) bool {
		return slices.ContainsFunc(p.Tables, func(t *ir.Table) bool { return t.Implementation != nil && t.Implementation.Name == profile })
	}
	for _, g := range s.control.Choices {
		if used(g.Profile) {
			if err := c.SetGroup(g.Profile, g.Group); err != nil {
				return err
			}
		}
	}
	for i, t := range p.Tables {
		if t.Implementation == nil {
			continue // of P4Info alone: no packet comes to it
		}
		for _, x := range s.refs[t.Name] {
			if err := c.Insert(i, x); err != nil {
				return err
			}
		}
	}
	for _, m := range s.control.Meters {
		if has(m.Name) {
			if err := c.SetMeter(m.Name, m.Cell, &m.Rates); err != nil {
				return err
			}
		}
	}
	for _, m := range s.control.Direct {
		if i := slices.IndexFunc(p.Tables, func(t *ir.Table) bool { return t.Name == m.Name && t.Meters != nil }); i >= 0 {
			if err := c.SetDirectMeter(i, m.Cell, &m.Rates); err != nil {
				return err
			}
		}
	}
	return s.sets(e, p)
}

// memberAction is the index of a member's action in its profile, -1 where nothing
// uses the profile. Levels differ in actions that are specialised for bound
// arguments.
func (s *setup) memberAction(p *ir.Program, m packetcase.Member) (int, error) {
	at := slices.IndexFunc(p.Instances, func(i *ir.Instance) bool { return i.Name == m.Profile })
	actions := p.ProfileActions(p.Instances[at])
	if len(actions) == 0 {
		return -1, nil
	}
	if i := slices.IndexFunc(actions, func(a *ir.Action) bool { return a.Name == m.Action }); i >= 0 {
		return i, nil
	}
	for _, own := range s.core.Actions {
		if own.Name != m.Action {
			continue
		}
		if i := slices.IndexFunc(actions, func(a *ir.Action) bool { return passes.ControlName(a) == passes.ControlName(own) }); i >= 0 {
			return i, nil
		}
	}
	return 0, fmt.Errorf("profile %s has no action %s at level %s", m.Profile, m.Action, p.Level)
}

func (s *setup) copies(r bmv2tests.Replicator) error {
	for _, id := range slices.Sorted(maps.Keys(s.control.Groups)) {
		if err := r.SetMulticastGroup(id, s.control.Groups[id]); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.control.Sessions)) {
		if err := r.SetCloneSession(id, s.control.Sessions[id]); err != nil {
			return err
		}
	}
	return nil
}

// sets fills value sets.
func (s *setup) sets(e bmv2tests.Engine, p *ir.Program) error {
	type taker interface {
		SetValueSet(index int, members [][]ir.Match) error
	}
	var x taker
	if m := bmv2tests.Machine(e); m != nil {
		x = m
	} else if t, is := e.(taker); is {
		x = t
	}
	for _, name := range slices.Sorted(maps.Keys(s.control.Sets)) {
		i := slices.IndexFunc(p.ValueSets, func(v *ir.ValueSet) bool { return v.Name == name })
		if i < 0 || x == nil { // an engine without refuses a program that looks at one
			continue
		}
		if err := x.SetValueSet(i, s.control.Sets[name]); err != nil {
			return err
		}
	}
	return nil
}

// left is all that the packets left behind: besides State messages and hits.
func left(e bmv2tests.Engine, p *ir.Program) (bmv2tests.State, error) {
	s, err := e.State()
	if err != nil {
		return nil, err
	}
	c, is := e.(bmv2tests.Control)
	if !is {
		return s, nil
	}
	messages, err := c.Digests()
	if err != nil {
		return nil, err
	}
	for i, m := range messages {
		_, fields, _ := strings.Cut(m, " ") // the names of those without one differ
		s[fmt.Sprintf("digest[%d]", i)] = fields
	}
	for i, t := range p.Tables {
		if !t.SupportTimeout || len(t.Keys) == 0 {
			continue
		}
		hits, err := c.LastHits(i)
		if err != nil {
			return nil, err
		}
		for h, at := range hits {
			s[fmt.Sprintf("hit %s[%d]", t.Name, h)] = fmt.Sprint(at)
		}
	}
	return s, nil
}
