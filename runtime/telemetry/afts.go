package telemetry

import (
	"errors"
	"hash/fnv"
	"strconv"
	"sync"
	"weak"

	"github.com/p4nic/p4nic/runtime/rib"
)

// Paths of openconfig-network-instance.
const (
	instancePath = "/openconfig-network-instance:network-instances/network-instance[name]"
	ipv4Path     = instancePath + "/afts/ipv4-unicast/ipv4-entry[prefix]"
	ipv6Path     = instancePath + "/afts/ipv6-unicast/ipv6-entry[prefix]"
	groupPath    = instancePath + "/afts/next-hop-groups/next-hop-group[id:uint64]"
	hopPath      = instancePath + "/afts/next-hops/next-hop[index:uint64]"
)

// RIB is the part of the RIB that telemetry reads; *rib.RIB has it.
type RIB interface {
	Instances() []rib.InstanceConfig
	View(rib.Query) (*rib.View, error)
}

// InstanceType is the identity of a network instance's type.
func InstanceType(name string) string {
	if name == rib.DefaultInstance {
		return "openconfig-network-instance-types:DEFAULT_INSTANCE"
	}
	return "openconfig-network-instance-types:L3VRF"
}

func instances(r RIB) *Source {
	text, identity, boolean := Type{Kind: String}, Type{Kind: Identity}, Type{Kind: Bool}
	name := func(c *rib.InstanceConfig) (Value, bool) { return str(c.Name), true }
	typ := func(c *rib.InstanceConfig) (Value, bool) { return str(InstanceType(c.Name)), true }
	on := func(*rib.InstanceConfig) (Value, bool) { return truth(true), true }
	s := newSource(OriginOpenConfig, instancePath, []def[rib.InstanceConfig]{
		{"name", text, name, writable, nil},
		{"config/name", text, name, writable, nil},
		{"config/type", identity, typ, writable, nil},
		{"config/enabled", boolean, on, config, nil},
		{"state/name", text, name, applied, nil},
		{"state/type", identity, typ, applied, nil},
		{"state/enabled", boolean, on, applied, nil},
	})
	s.events = []Event{RoutesChanged}
	s.collect = func(string, *Frame) ([]*Row, error) {
		var rows []*Row
		if r != nil {
			for _, c := range r.Instances() {
				rows = append(rows, &Row{Keys: []string{c.Name}, Data: &c})
			}
		}
		return rows, nil
	}
	return s
}

// routeRow is an entry of ipv4-unicast or ipv6-unicast.
type routeRow struct {
	v     rib.RouteView
	group uint64
}

// groupRow is a next-hop group.
type groupRow struct {
	id, programmed, backup uint64
	hops                   []memberRow
}

type memberRow struct{ index, weight uint64 }

// hopRow is a next hop.
type hopRow struct {
	index, programmed uint64
	spec              rib.HopSpec
}

// afts is what the datapath holds of the RIB, as rows of the four lists. Groups
// and next hops of static and dynamic routes have no number of their own: theirs
// are made from their content, from 2^63 on (gribi:GR67: a device's ids may
// differ from programmed-id).
type afts struct {
	serial               uint64
	v4, v6, groups, hops []*Row
}

const implicitID = 1 << 63

func contentID(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return h.Sum64() | implicitID
}

func hopIndex(h *rib.HopView) uint64 {
	if h.Index != 0 {
		return h.Index
	}
	return contentID(h.Spec.String())
}

func newAFTs(v *rib.View) *afts {
	a := &afts{serial: v.Serial}
	seenHop, seenGroup := map[string]bool{}, map[string]bool{}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	addHop := func(h *rib.HopView) {
		i := hopIndex(h)
		key := h.Instance + "\x00" + number(i)
		if seenHop[key] {
			return
		}
		seenHop[key] = true
		a.hops = append(a.hops, &Row{Keys: []string{h.Instance, number(i)}, Data: &hopRow{i, h.Index, h.Spec}})
	}
	addGroup := func(instance string, id, programmed, backup uint64, members []rib.HopView) {
		key := instance + "\x00" + number(id)
		if seenGroup[key] {
			return
		}
		seenGroup[key] = true
		g := &groupRow{id: id, programmed: programmed, backup: backup}
		for i := range members {
			g.hops = append(g.hops, memberRow{hopIndex(&members[i]), members[i].Weight})
			addHop(&members[i])
		}
		a.groups = append(a.groups, &Row{Keys: []string{instance, number(id)}, Data: g})
	}
	for i := range v.Groups {
		if g := &v.Groups[i]; g.State == rib.Programmed {
			addGroup(g.Instance, g.ID, g.ID, g.Backup, g.Members)
		}
	}
	for i := range v.Hops {
		if h := &v.Hops[i]; h.State == rib.Programmed {
			addHop(h)
		}
	}
	for i := range v.Routes {
		r := &v.Routes[i]
		if !r.Best || r.State != rib.Programmed {
			continue
		}
		row := &routeRow{v: *r, group: r.Group.ID}
		if r.Group.ID == 0 {
			parts := []string{r.Group.Instance}
			for j := range r.Hops {
				parts = append(parts, r.Hops[j].Spec.String(), number(r.Hops[j].Weight))
			}
			row.group = contentID(parts...)
			addGroup(r.Group.Instance, row.group, 0, 0, r.Hops)
		}
		row.v.Hops = nil
		list := &a.v4
		if !r.Prefix.Addr().Is4() {
			list = &a.v6
		}
		*list = append(*list, &Row{Keys: []string{r.Instance, r.Prefix.String()}, Data: row})
	}
	return a
}

// aftReader reads the RIB once for the four lists, as long as it is unchanged.
type aftReader struct {
	rib  RIB
	mu   sync.Mutex
	last map[string]weak.Pointer[afts] // by part
}

func (a *aftReader) read(part string, pick func(*afts) []*Row) ([]*Row, error) {
	if a.rib == nil {
		return nil, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now, err := a.rib.View(rib.Query{})
	if err != nil {
		return nil, err
	}
	have := a.last[part].Value()
	if have == nil || have.serial != now.Serial {
		v, err := a.rib.View(rib.Query{Instance: part, Routes: true, V4: true, V6: true, Groups: true, Hops: true})
		if _, gone := errors.AsType[*rib.NotFoundError](err); gone {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		have = newAFTs(v)
		for p, w := range a.last {
			if w.Value() == nil {
				delete(a.last, p)
			}
		}
		a.last[part] = weak.Make(have)
	}
	rows := pick(have)
	out := make([]*Row, len(rows)) // settle puts other rows in
	for i, r := range rows {
		out[i] = &Row{Keys: r.Keys, Data: r.Data}
	}
	return out, nil
}

func aftSources(r RIB) []*Source {
	text, u32, u64, identity := Type{Kind: String}, Type{Kind: Uint32}, Type{Kind: Uint64}, Type{Kind: Identity}
	binary := Type{Kind: Binary}
	rd := &aftReader{rib: r, last: map[string]weak.Pointer[afts]{}}
	prefix := func(r *routeRow) (Value, bool) { return str(r.v.Prefix.String()), true }
	entry := []def[routeRow]{
		{"prefix", text, prefix, applied, nil},
		{"state/prefix", text, prefix, applied, nil},
		{"state/openconfig-aft-network-instance:next-hop-group", u64, func(r *routeRow) (Value, bool) { return num(r.group), true }, operational, nil},
		{"state/openconfig-aft-network-instance:next-hop-group-network-instance", text, func(r *routeRow) (Value, bool) {
			return str(r.v.Group.Instance), r.v.Group.Instance != r.v.Instance
		}, operational, nil},
		{"state/origin-protocol", identity, originProtocol, operational, nil},
		{"state/entry-metadata", binary, func(r *routeRow) (Value, bool) { return str(r.v.Metadata), r.v.Metadata != "" }, operational, nil},
	}
	index := func(h *hopRow) (Value, bool) { return num(h.index), true }
	id := func(g *groupRow) (Value, bool) { return num(g.id), true }
	member := func(value func(memberRow) uint64) func(*groupRow, func([]string, Value)) {
		return func(g *groupRow, yield func([]string, Value)) {
			for _, m := range g.hops {
				yield([]string{strconv.FormatUint(m.index, 10)}, num(value(m)))
			}
		}
	}
	memberIndex := member(func(m memberRow) uint64 { return m.index })
	out := []*Source{
		newSource(OriginOpenConfig, ipv4Path, entry),
		newSource(OriginOpenConfig, ipv6Path, entry),
		newSource(OriginOpenConfig, groupPath, []def[groupRow]{
			{"id", u64, id, applied, nil},
			{"state/id", u64, id, operational, nil},
			{"state/programmed-id", u64, func(g *groupRow) (Value, bool) { return num(g.programmed), g.programmed != 0 }, operational, nil},
			{"state/backup-next-hop-group", u64, func(g *groupRow) (Value, bool) { return num(g.backup), g.backup != 0 }, operational, nil},
			{"next-hops/next-hop[index:uint64]/index", u64, nil, operational, memberIndex},
			{"next-hops/next-hop[index:uint64]/state/index", u64, nil, operational, memberIndex},
			{"next-hops/next-hop[index:uint64]/state/weight", u64, nil, operational, member(func(m memberRow) uint64 { return m.weight })},
		}),
		newSource(OriginOpenConfig, hopPath, []def[hopRow]{
			{"index", u64, index, applied, nil},
			{"state/index", u64, index, operational, nil},
			{"state/programmed-index", u64, func(h *hopRow) (Value, bool) { return num(h.programmed), h.programmed != 0 }, operational, nil},
			{"state/ip-address", text, func(h *hopRow) (Value, bool) {
				if !h.spec.Address.IsValid() {
					return Value{}, false
				}
				return str(h.spec.Address.String()), true
			}, operational, nil},
			{"state/mac-address", text, func(h *hopRow) (Value, bool) {
				return str(h.spec.MAC.String()), h.spec.MAC != rib.MAC{}
			}, operational, nil},
			{"state/openconfig-aft-network-instance:network-instance", text, func(h *hopRow) (Value, bool) {
				return str(h.spec.Instance), h.spec.Instance != ""
			}, operational, nil},
			{"interface-ref/state/interface", text, func(h *hopRow) (Value, bool) {
				return str(h.spec.Interface), h.spec.Interface != ""
			}, operational, nil},
			{"interface-ref/state/subinterface", u32, func(h *hopRow) (Value, bool) {
				return num(uint64(h.spec.VLAN)), h.spec.Interface != "" && h.spec.VLAN != 0
			}, operational, nil},
		}),
	}
	for i, pick := range []func(*afts) []*Row{
		func(a *afts) []*Row { return a.v4 }, func(a *afts) []*Row { return a.v6 },
		func(a *afts) []*Row { return a.groups }, func(a *afts) []*Row { return a.hops },
	} {
		s := out[i]
		s.events, s.Parted, s.Atomic = []Event{RoutesChanged}, true, true
		s.collect = func(part string, _ *Frame) ([]*Row, error) { return rd.read(part, pick) }
	}
	return out
}

// originProtocol is the protocol that installed a route, where
// openconfig-policy-types has a name for it.
func originProtocol(r *routeRow) (Value, bool) {
	switch r.v.Source {
	case rib.GRIBI:
		return str("openconfig-policy-types:GRIBI"), true
	case rib.Static:
		return str("openconfig-policy-types:STATIC"), true
	case rib.Connected:
		return str("openconfig-policy-types:DIRECTLY_CONNECTED"), true
	}
	return Value{}, false
}
