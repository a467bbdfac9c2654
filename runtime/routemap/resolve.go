package routemap

import (
	"fmt"
	"net/netip"

	pb "github.com/p4nic/p4nic/proto/bindingspb"
	"github.com/p4nic/p4nic/runtime/rib"
)

// egress is what a hop means on this device: where its packets go.
type egress struct {
	deed    pb.Deed // VIA_V4 (of either family; see gateway), ON_LINK, HOST, DROP
	port    uint32
	vlan    uint32
	gateway netip.Addr // invalid with a MAC of the hop's own
	mac     rib.MAC    // of the hop's own
	// why a hop is not viable: its packets are dropped, which is no failure
	// (gribi:GR20).
	why string
	// floats: it was found, or could be found, through other routes.
	floats bool
}

func (e egress) viable() bool { return e.why == "" }

// resolver finds the egress of hops in the RIB as it is now.
type resolver struct {
	m    *Map
	memo map[*rib.Hop]egress
	busy map[*rib.Hop]bool
}

func (m *Map) resolver() *resolver {
	return &resolver{m: m, memo: map[*rib.Hop]egress{}, busy: map[*rib.Hop]bool{}}
}

func (r *resolver) resolve(h *rib.Hop) egress {
	if e, ok := r.memo[h]; ok {
		return e
	}
	if r.busy[h] {
		return egress{deed: pb.Deed_DROP, floats: true, why: "its address is resolved through itself"}
	}
	r.busy[h] = true
	e := r.find(h)
	delete(r.busy, h)
	r.memo[h] = e
	return e
}

func (r *resolver) find(h *rib.Hop) egress {
	s := h.Spec
	switch s.Kind {
	case rib.ToHost:
		return egress{deed: pb.Deed_HOST}
	case rib.Discard:
		return egress{deed: pb.Deed_DROP}
	}
	if s.Interface != "" {
		port, ok := r.m.ports[s.Interface]
		if !ok {
			return egress{deed: pb.Deed_DROP, why: fmt.Sprintf("interface %s is no port", s.Interface)}
		}
		return onPort(port, s.VLAN, s)
	}
	if !s.Address.IsValid() {
		return egress{deed: pb.Deed_DROP, why: "it has neither an address nor an interface"}
	}
	best, at := -1, Connected{}
	for _, c := range r.m.connected {
		if c.Prefix.Contains(s.Address) && c.Prefix.Bits() > best {
			if _, ok := r.m.ports[c.Interface]; ok {
				best, at = c.Prefix.Bits(), c
			}
		}
	}
	if best >= 0 {
		return onPort(r.m.ports[at.Interface], at.VLAN, s)
	}
	return r.through(h)
}

// through resolves an address by the routes of its instance (gribi:GR52).
func (r *resolver) through(h *rib.Hop) egress {
	in := h.Instance
	if h.Spec.Instance != "" {
		in = r.m.rib.Instance(h.Spec.Instance)
	}
	lost := egress{deed: pb.Deed_DROP, floats: true}
	if in == nil {
		lost.why = fmt.Sprintf("network instance %s is not configured", h.Spec.Instance)
		return lost
	}
	rt := in.Lookup(h.Spec.Address)
	if rt == nil {
		lost.why = fmt.Sprintf("%s is on no port and instance %s has no route to it", h.Spec.Address, in.Name)
		return lost
	}
	lost.why = fmt.Sprintf("route %s to %s leads nowhere", rt.Prefix, h.Spec.Address)
	for _, mem := range rt.Best().Members {
		e := r.resolve(mem.Hop)
		if !e.viable() || e.deed == pb.Deed_DROP {
			continue
		}
		e.floats = true
		if e.deed == pb.Deed_ON_LINK {
			return onLink(e.port, e.vlan, h.Spec)
		}
		return e
	}
	return lost
}

func onLink(port, vlan uint32, s rib.HopSpec) egress {
	e := onPort(port, vlan, s)
	e.floats = true
	return e
}

func onPort(port, vlan uint32, s rib.HopSpec) egress {
	e := egress{deed: pb.Deed_VIA_V4, port: port, vlan: vlan}
	switch {
	case s.MAC != rib.MAC{}:
		e.mac = s.MAC
	case s.Address.IsValid():
		e.gateway = s.Address.WithZone("")
	default:
		e.deed = pb.Deed_ON_LINK
	}
	return e
}
