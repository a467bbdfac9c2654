package rib

import (
	"errors"
	"fmt"
	"math"
)

// replay repeats the journal's changes.
type replay struct {
	r       *RIB
	skipped int // changes of instances that are not configured
}

func (p *replay) record(payload []byte) error {
	d := &decoder{b: payload}
	for len(d.b) > 0 && d.err == nil {
		p.change(d)
	}
	return d.err
}

// keep takes over the instances of the journal; those that stay keep what they
// hold.
func (p *replay) keep(cs []InstanceConfig) {
	r := p.r
	old := map[string]*Instance{}
	for _, c := range r.added {
		old[c.Name] = r.instances[c.Name]
	}
	r.readded(cs)
	for _, c := range r.added {
		if o := old[c.Name]; o != nil && o.ID == c.ID {
			r.instances[c.Name] = o
		}
	}
}

func (p *replay) change(d *decoder) {
	typ := d.byte()
	if typ == recElection {
		p.r.elected = Election{High: d.uint(), Low: d.uint()}
		return
	}
	if typ == recInstances {
		var cs []InstanceConfig
		for range d.count() {
			c := InstanceConfig{Name: d.str()}
			id := d.uint()
			if id > math.MaxUint32 {
				d.fail(fmt.Errorf("network instance %s has id %d", c.Name, id))
			}
			c.ID = uint32(id)
			cs = append(cs, c)
		}
		if d.err == nil {
			d.err = checkInstances(cs)
		}
		if d.err == nil {
			p.keep(cs)
		}
		return
	}
	name := d.str()
	op := Op{Kind: Add, Instance: name}
	n := p.r.instances[name]
	var hops []WeightedHop
	switch typ {
	case recPutHop:
		op.Entity, op.Hop, op.Spec, op.Raw = HopEntity, d.uint(), d.spec(), d.str()
	case recDelHop:
		op.Kind, op.Entity, op.Hop = Delete, HopEntity, d.uint()
	case recPutGroup:
		op.Entity, op.Group = GroupEntity, d.uint()
		for range d.count() {
			op.Next.Members = append(op.Next.Members, MemberSpec{d.uint(), d.uint()})
		}
		op.Next.Backup, op.Raw = d.uint(), d.str()
	case recDelGroup:
		op.Kind, op.Entity, op.Group = Delete, GroupEntity, d.uint()
	case recPutRoute:
		op.Entity, op.Prefix = RouteEntity, d.prefix()
		op.Route = RouteSpec{Group: d.uint(), GroupInstance: d.str(), Metadata: d.str()}
	case recDelRoute, recDelStatic:
		op.Kind, op.Entity, op.Prefix = Delete, RouteEntity, d.prefix()
	case recDropInstance:
	case recPutStatic:
		op.Prefix = d.prefix()
		for range d.count() {
			hops = append(hops, WeightedHop{d.spec(), d.uint()})
		}
	default:
		d.fail(fmt.Errorf("unknown change %d: written by a newer version", typ))
	}
	if d.err != nil {
		return
	}
	if n == nil {
		p.skipped++
		return
	}
	switch typ {
	case recDropInstance:
		// Instances that went together may have used each other's groups.
		p.r.dropRoutes(n)
		for _, o := range p.r.ordered() {
			for _, rt := range o.sorted() {
				if q := rt.path(GRIBI); q != nil && q.group.Instance == n {
					p.r.dropPath(rt, GRIBI)
				}
			}
		}
		p.r.dropObjects(n)
	case recPutStatic:
		p.r.putStatic(n, StaticRoute{Instance: name, Prefix: op.Prefix, Hops: hops}, true)
	case recDelStatic:
		if rt := n.family(op.Prefix.Addr()).m[keyOf(op.Prefix)]; rt.path(Static) != nil {
			p.r.dropPath(rt, Static)
		}
	default:
		if err := p.r.one(&op); err != nil {
			if op.Route.GroupInstance != "" && p.r.instances[op.Route.GroupInstance] == nil {
				p.skipped++
				return
			}
			if op.Spec.Instance != "" && p.r.instances[op.Spec.Instance] == nil {
				p.skipped++
				return
			}
			if p.skipped > 0 {
				p.skipped++ // it rests on one that was skipped
				return
			}
			d.fail(errors.New(err.Error()))
		}
	}
	// Replay fills the records of a flush that never comes.
	if len(p.r.pending.records.b) > 1<<16 || len(p.r.pending.Routes) > 1<<16 {
		p.r.clearPending()
	}
}
