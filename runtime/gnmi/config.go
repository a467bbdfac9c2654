package gnmi

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/telemetry"
)

// Schema paths that Set changes or checks.
const (
	enabledPath      = "/interfaces/interface[name]/config/enabled"
	instanceName     = "/network-instances/network-instance[name]/name"
	instanceConfName = "/network-instances/network-instance[name]/config/name"
	instanceType     = "/network-instances/network-instance[name]/config/type"
	instanceEnabled  = "/network-instances/network-instance[name]/config/enabled"
)

// enabledDefault is the default of config/enabled in openconfig-interfaces.
const enabledDefault = true

// candidate is the configuration as a Set would make it.
type candidate struct {
	s       *Server
	current map[string]telemetry.Value // config leaves as they are, by path
	// enabled is the administrative state of ports, by netdev.
	enabled, was map[string]bool
	instances    map[string]bool   // by name
	ids          map[string]uint32 // of those that were there
	changed      bool              // the instances
}

// newCandidate starts from what is.
func (s *Server) newCandidate(ctx context.Context) (*candidate, error) {
	c := &candidate{s: s, current: map[string]telemetry.Value{}, enabled: map[string]bool{}, was: map[string]bool{}, instances: map[string]bool{}, ids: map[string]uint32{}}
	for _, src := range s.hub.Schema.Sources {
		if src.Origin != telemetry.OriginOpenConfig || src.Atomic || !slices.ContainsFunc(src.Leaves, isConfig) {
			continue
		}
		f, err := s.hub.Frame(ctx, src, "", s.clock.Now())
		if err != nil {
			return nil, collectError(err)
		}
		for _, r := range f.Rows {
			src.Walk(r, isConfig, func(l *telemetry.Leaf, keys []string, v telemetry.Value) {
				c.current[telemetry.FormatPath(l.Path, keys)] = v
				if l.Text() == enabledPath {
					c.enabled[keys[0]], c.was[keys[0]] = v.Bool(), v.Bool()
				}
			})
		}
	}
	if s.opts.Instances != nil {
		for _, i := range s.opts.Instances.Instances() {
			c.instances[i.Name], c.ids[i.Name] = true, i.ID
		}
	}
	return c, nil
}

func isConfig(l *telemetry.Leaf) bool { return l.Class == telemetry.Config }

// remove is a delete (gnmi:GN20): what is not there is silently gone.
func (c *candidate) remove(q telemetry.Query) error {
	sels, err := c.s.hub.Schema.Select(q)
	if err != nil {
		return pathError(err)
	}
	writes := false
	for _, sel := range sels {
		for _, l := range sel.Source.Leaves {
			if !sel.Wants(l) {
				continue
			}
			writes = writes || l.Writable
			if l.Class == telemetry.Config && !l.Writable && len(q.Elems) == len(l.Path) && c.has(sel, l) {
				return unimplemented("%s cannot be deleted over gNMI: it comes from nicd's configuration file", q.Text())
			}
		}
		// A list entry, or more.
		if n := len(sel.Source.Elems); len(q.Elems) <= n && sel.Source.Elems[0].Name != "network-instances" {
			for _, l := range sel.Source.Leaves {
				if l.Class == telemetry.Config && sel.Wants(l) && c.has(sel, l) {
					return unimplemented("%s cannot be deleted over gNMI: ports and devices come from nicd's configuration file", q.Text())
				}
			}
		}
	}
	if !writes {
		for _, sel := range sels {
			if slices.ContainsFunc(sel.Source.Leaves, func(l *telemetry.Leaf) bool { return sel.Wants(l) && isConfig(l) }) {
				return nil
			}
		}
		return invalid("path %s is read-only", q.Text())
	}
	if q.Deep() {
		return unimplemented("path %s: ... is not supported in a delete", q.Text())
	}
	c.reset(q)
	return nil
}

// has tells whether a selected leaf has a value now.
func (c *candidate) has(sel *telemetry.Selection, l *telemetry.Leaf) bool {
	for _, keys := range c.entries(l) {
		if sel.Has(l, keys) {
			return true
		}
	}
	return false
}

// entries are the list keys that exist for a leaf.
func (c *candidate) entries(l *telemetry.Leaf) [][]string {
	var out [][]string
	add := func(names []string) {
		for _, n := range names {
			out = append(out, []string{n})
		}
	}
	switch l.Path[0].Name {
	case "interfaces":
		add(slices.Sorted(maps.Keys(c.enabled)))
		for _, p := range c.s.tel.Netdevs() { // a port whose netdev is gone
			if _, ok := c.enabled[p]; !ok {
				add([]string{p})
			}
		}
	case "network-instances":
		add(slices.Sorted(maps.Keys(c.instances)))
	case "components":
		add([]string{c.s.tel.Component()})
	}
	return out
}

// reset gives what is below a path its default (gnmi:GN17): ports are enabled,
// network instances that the path holds whole are gone.
func (c *candidate) reset(q telemetry.Query) {
	sels, err := c.s.hub.Schema.Select(q)
	if err != nil {
		return // body has refused such a path
	}
	for _, sel := range sels {
		for _, l := range sel.Source.Leaves {
			if !sel.Wants(l) {
				continue
			}
			for _, keys := range c.entries(l) {
				if !sel.Has(l, keys) {
					continue
				}
				switch l.Text() {
				case enabledPath:
					if _, ok := c.enabled[keys[0]]; ok {
						c.enabled[keys[0]] = enabledDefault
					}
				case instanceName:
					if len(q.Elems) <= 2 {
						delete(c.instances, keys[0])
						c.changed = true
					}
				}
			}
		}
	}
}

// assign is one leaf of an update or replace.
func (c *candidate) assign(a assignment) error {
	last := a.leaf.Path[len(a.leaf.Path)-1].Name
	if len(a.keys) > 0 && last == "name" && len(a.leaf.Path) <= 4 && a.value.S != a.keys[0] { // gnmi:GN19
		return invalid("%s: the value %q differs from the key", a.path(), a.value.S)
	}
	if a.leaf.Class != telemetry.Config {
		return invalid("%s is read-only", a.path())
	}
	switch a.leaf.Text() {
	case enabledPath:
		if _, ok := c.enabled[a.keys[0]]; !ok {
			if _, err := c.s.tel.PortNetdev(a.keys[0]); err != nil {
				return status.Errorf(codes.NotFound, "%s: %v; ports come from nicd's configuration file", a.path(), err)
			}
			return status.Errorf(codes.FailedPrecondition, "%s: the netdev is not present", a.path())
		}
		c.enabled[a.keys[0]] = a.value.Bool()
		return nil
	case instanceName, instanceConfName, instanceType, instanceEnabled:
		return c.instance(a)
	}
	// What comes from the configuration file can be said again, not changed.
	switch now, ok := c.current[a.path()]; {
	case !ok:
		return status.Errorf(codes.NotFound, "%s: there is no such entry; ports and devices come from nicd's configuration file", a.path())
	case a.leaf.Type.Text(now) != a.leaf.Type.Text(a.value):
		return unimplemented("%s is %s and cannot be changed over gNMI: it comes from nicd's configuration file", a.path(), a.leaf.Type.Text(now))
	}
	return nil
}

// instance is a leaf of a network instance; naming one makes it.
func (c *candidate) instance(a assignment) error {
	if c.s.opts.Instances == nil {
		return unimplemented("%s: network instances are not configured on this device", a.path())
	}
	name := a.keys[0]
	switch a.leaf.Text() {
	case instanceType:
		if want := telemetry.InstanceType(name); a.leaf.Type.Text(telemetry.Value{S: want}) != a.leaf.Type.Text(a.value) {
			return invalid("%s: the type of %s is %s", a.path(), name, want)
		}
	case instanceEnabled:
		if !a.value.Bool() {
			return unimplemented("%s: a network instance cannot be disabled; delete it", a.path())
		}
	}
	if !c.instances[name] {
		c.instances[name], c.changed = true, true
	}
	return nil
}

// commit makes the changes: ports, which can be undone, before network
// instances, which are all or nothing.
func (c *candidate) commit() error {
	var done []string
	undo := func() {
		for _, name := range slices.Backward(done) {
			if err := c.s.tel.SetEnabled(name, c.was[name]); err != nil {
				c.s.log.Error("a Set failed and could not be undone", "netdev", name, "enabled", c.was[name], "error", err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.enabled)) {
		if c.enabled[name] == c.was[name] {
			continue
		}
		if err := c.s.tel.SetEnabled(name, c.enabled[name]); err != nil {
			undo()
			return status.Errorf(codes.Aborted, "nothing was changed: enabled of %s: %v", name, err)
		}
		done = append(done, name)
	}
	if !c.changed {
		return nil
	}
	if err := c.s.opts.Instances.SetInstances(c.list()); err != nil {
		undo()
		return status.Errorf(codes.FailedPrecondition, "nothing was changed: %v", err)
	}
	c.s.hub.Notify(telemetry.RoutesChanged)
	return nil
}

// list gives new instances the smallest ids that are free; 0 is DEFAULT's.
func (c *candidate) list() []rib.InstanceConfig {
	names := slices.Sorted(maps.Keys(c.instances))
	used := map[uint32]bool{}
	for _, n := range names {
		if id, ok := c.ids[n]; ok {
			used[id] = true
		}
	}
	var out []rib.InstanceConfig
	for _, n := range names {
		id, ok := c.ids[n]
		if !ok {
			if n != rib.DefaultInstance {
				id = 1
			}
			for used[id] {
				id++
			}
			used[id] = true
		}
		out = append(out, rib.InstanceConfig{Name: n, ID: id})
	}
	return out
}
