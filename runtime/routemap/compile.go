package routemap

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/p4nic/p4nic/compiler/ir"
	pb "github.com/p4nic/p4nic/proto/bindingspb"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/store"
)

// Families index tables that exist for IPv4 and IPv6.
const (
	v4 = iota
	v6
	families
)

func family(a netip.Addr) int {
	if a.Is4() {
		return v4
	}
	return v6
}

// tableMap is a bound table.
type tableMap struct {
	t     *entity.Table
	key   map[pb.Meaning]*entity.Field
	deeds map[pb.Deed]*actionMap
}

// actionMap is a bound action.
type actionMap struct {
	a      *entity.Action
	params map[pb.Meaning]*entity.Param
}

// tables are the bound tables of a program; nil where there is none.
type tables struct {
	pl        *store.Pipeline
	route     [families]*tableMap
	group     *tableMap
	bucket    *tableMap
	hop       *tableMap
	neighbour [families]*tableMap
	holds     []string // by table: what is kept there, "" = not bound
}

// compile finds the bound tables of a pipeline. The compiler has checked the
// bindings; what does not fit here comes from another compiler's bundle.
func compile(pl *store.Pipeline, b *pb.Bindings) (*tables, error) {
	out := &tables{pl: pl, holds: make([]string, len(pl.Schema.Tables))}
	for _, t := range b.GetTables() {
		m, err := compileTable(pl.Schema, t)
		if err != nil {
			return nil, err
		}
		at, what := out.place(t.Role)
		if at == nil || *at != nil {
			return nil, fmt.Errorf("bindings: table %s: role %s is unknown or taken", t.Table, t.Role)
		}
		*at = m
		out.holds[m.t.Index] = what
	}
	return out, nil
}

func (p *tables) place(r pb.Role) (at **tableMap, what string) {
	switch r {
	case pb.Role_ROUTE_V4:
		return &p.route[v4], "IPv4 routes"
	case pb.Role_ROUTE_V6:
		return &p.route[v6], "IPv6 routes"
	case pb.Role_GROUP:
		return &p.group, "next-hop groups"
	case pb.Role_BUCKET:
		return &p.bucket, "buckets of next-hop groups"
	case pb.Role_NEXT_HOP:
		return &p.hop, "next hops"
	case pb.Role_NEIGHBOUR_V4:
		return &p.neighbour[v4], "IPv4 neighbours"
	case pb.Role_NEIGHBOUR_V6:
		return &p.neighbour[v6], "IPv6 neighbours"
	}
	return nil, ""
}

func compileTable(sc *entity.Schema, b *pb.Table) (*tableMap, error) {
	t := sc.Table(b.Table)
	if t == nil {
		return nil, fmt.Errorf("bindings: the program has no table %s", b.Table)
	}
	m := &tableMap{t: t, key: map[pb.Meaning]*entity.Field{}, deeds: map[pb.Deed]*actionMap{}}
	for _, k := range b.Keys {
		f := t.Field(k.Key)
		if f == nil {
			return nil, fmt.Errorf("bindings: table %s has no key %s", b.Table, k.Key)
		}
		m.key[k.Is] = f
	}
	for _, x := range b.Actions {
		a := t.Action(x.Action)
		if a == nil {
			return nil, fmt.Errorf("bindings: table %s has no action %s", b.Table, x.Action)
		}
		am := &actionMap{a: a, params: map[pb.Meaning]*entity.Param{}}
		for _, q := range x.Params {
			for i := range a.Params {
				if a.Params[i].Name == q.Param {
					am.params[q.Is] = &a.Params[i]
				}
			}
			if am.params[q.Is] == nil {
				return nil, fmt.Errorf("bindings: action %s has no parameter %s", x.Action, q.Param)
			}
		}
		m.deeds[x.Is] = am
	}
	return m, nil
}

// grouped tells whether routes go through a table of groups.
func (p *tables) grouped(fam int) bool {
	return p.group != nil && p.bucket != nil && p.route[fam] != nil && p.route[fam].deeds[pb.Deed_TO_GROUP] != nil
}

// act is an action with packed arguments.
type act struct {
	action uint16
	args   string
}

// values are what the parameters of an action may be filled with.
type values map[pb.Meaning][]byte

func number(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// make packs the arguments of a deed. A parameter without a value is zero.
func (m *tableMap) make(d pb.Deed, v values) (act, error) {
	am := m.deeds[d]
	if am == nil {
		return act{}, fmt.Errorf("table %s has no action that is %s", m.t.Name, d)
	}
	args := make([]byte, am.a.ArgSize)
	for is, p := range am.params {
		if val, ok := v[is]; ok {
			if err := p.Set(args, trim(val, p.Width)); err != nil {
				return act{}, fmt.Errorf("action %s: parameter %s: %w", am.a.Name, p.Name, err)
			}
		}
	}
	return act{uint16(am.a.Index), string(args)}, nil
}

// trim drops leading zero bytes that do not fit, so that numbers of 64 bits go
// into narrow places when their value does.
func trim(v []byte, width int) []byte {
	for len(v) > ir.ByteWidth(width) && v[0] == 0 {
		v = v[1:]
	}
	return v
}

// pack makes a key from exact values.
func (m *tableMap) pack(v values) (string, error) {
	key := m.t.NewKey()
	for is, f := range m.key {
		val, ok := v[is]
		if !ok {
			continue
		}
		var err error
		switch val = trim(val, f.Width); f.Kind {
		case ir.MatchOptional:
			err = f.SetOptional(key, val)
		case ir.MatchTernary:
			mask := make([]byte, ir.ByteWidth(f.Width))
			for i := range mask {
				mask[i] = 0xff
			}
			if f.Width%8 != 0 {
				mask[0] = 1<<(f.Width%8) - 1
			}
			err = f.SetTernary(key, val, mask)
		default:
			err = f.SetExact(key, val)
		}
		if err != nil {
			return "", fmt.Errorf("table %s: key %s: %w", m.t.Name, f.Name, err)
		}
	}
	return string(key), nil
}

// routeKeys packs keys of routes of one table; the part of the instance is
// computed once.
type routeKeys struct {
	m     *tableMap
	base  map[*rib.Instance][]byte
	field *entity.Field
	prio  bool
}

func newRouteKeys(m *tableMap) *routeKeys {
	return &routeKeys{m: m, base: map[*rib.Instance][]byte{}, field: m.key[pb.Meaning_PREFIX], prio: m.t.NeedsPriority}
}

// pack gives the key and the priority of a route.
func (k *routeKeys) pack(rt *rib.Route) (string, int32, error) {
	base, ok := k.base[rt.Instance]
	if !ok {
		if k.m.key[pb.Meaning_VRF] == nil && rt.Instance.ID != 0 {
			return "", 0, fmt.Errorf("table %s has no key that is the VRF: it takes the routes of instance 0 only", k.m.t.Name)
		}
		s, err := k.m.pack(values{pb.Meaning_VRF: number(uint64(rt.Instance.ID))})
		if err != nil {
			return "", 0, err
		}
		base = []byte(s)
		k.base[rt.Instance] = base
	}
	var buf [64]byte
	key := append(buf[:0], base...)
	bits := rt.Prefix.Bits()
	if bits > 0 {
		var addr [16]byte
		val := addr[:]
		if a := rt.Prefix.Addr(); a.Is4() {
			v := a.As4()
			val = val[:4]
			copy(val, v[:])
		} else {
			addr = a.As16()
		}
		if err := k.field.SetLPM(key, val, int32(bits)); err != nil {
			return "", 0, fmt.Errorf("table %s: %w", k.m.t.Name, err)
		}
	}
	if k.prio {
		return string(key), int32(bits) + 1, nil
	}
	return string(key), 0, nil
}
