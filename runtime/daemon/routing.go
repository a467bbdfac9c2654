package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"google.golang.org/grpc"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/proto/bindingspb"
	"github.com/p4nic/p4nic/proto/routespb"
	"github.com/p4nic/p4nic/runtime/gribi"
	"github.com/p4nic/p4nic/runtime/hostnet"
	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/routemap"
	"github.com/p4nic/p4nic/runtime/store"
)

// InstanceConfig is one network instance.
type InstanceConfig struct {
	Name        string `yaml:"name"`
	ID          uint32 `yaml:"id"`
	KernelTable uint32 `yaml:"kernel-table,omitempty"`
}

// RouteConfig is one static route.
type RouteConfig struct {
	Instance string      `yaml:"instance,omitempty"` // empty = DEFAULT
	Prefix   string      `yaml:"prefix"`
	NextHops []HopConfig `yaml:"next-hops,omitempty"`
	Target   string      `yaml:"target,omitempty"` // host, drop
}

// HopConfig is one next hop of a static route.
type HopConfig struct {
	Address   string `yaml:"address,omitempty"`
	Interface string `yaml:"interface,omitempty"`
	VLAN      uint32 `yaml:"vlan,omitempty"`
	MAC       string `yaml:"mac,omitempty"`
	Weight    uint64 `yaml:"weight,omitempty"` // 0 = 1
}

// PreferenceConfig says which source of routes wins: the smallest number.
type PreferenceConfig struct {
	Connected uint32 `yaml:"connected"`
	Static    uint32 `yaml:"static"`
	GRIBI     uint32 `yaml:"gribi"`
	Kernel    uint32 `yaml:"kernel"`
}

// routing is what handles routes: the RIB, routemap, gRIBI, the kernel's.
type routing struct {
	rib    *rib.RIB
	routes *routemap.Map
	gribi  *gribi.Server
	api    *routesService
	host   *hostnet.Watcher
}

// checkRouting checks instances and static routes, as far as the configuration
// alone tells.
func (c *Config) checkRouting() error {
	var errs []error
	names, ids, tables := map[string]bool{}, map[uint32]string{}, map[uint32]string{}
	for _, n := range c.NetworkInstances {
		switch {
		case n.Name == "":
			errs = append(errs, errors.New("a network instance has no name"))
		case names[n.Name]:
			errs = append(errs, fmt.Errorf("network instance %s is there twice", n.Name))
		case ids[n.ID] != "":
			errs = append(errs, fmt.Errorf("network instances %s and %s have the same id %d", ids[n.ID], n.Name, n.ID))
		case n.KernelTable != 0 && tables[n.KernelTable] != "":
			errs = append(errs, fmt.Errorf("network instances %s and %s follow the same kernel table %d", tables[n.KernelTable], n.Name, n.KernelTable))
		}
		names[n.Name], ids[n.ID], tables[n.KernelTable] = true, n.Name, n.Name
	}
	for i, r := range c.Routes {
		s, err := r.static()
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("route %d: %w", i+1, err))
		case !names[s.Instance]:
			errs = append(errs, fmt.Errorf("route %s: network instance %s is not configured", r.Prefix, s.Instance))
		}
	}
	return errors.Join(errs...)
}

func (r *RouteConfig) static() (rib.StaticRoute, error) {
	hops := make([]*routespb.NextHop, len(r.NextHops))
	for i, h := range r.NextHops {
		hops[i] = &routespb.NextHop{Address: h.Address, Interface: h.Interface, Vlan: h.VLAN, Mac: h.MAC, Weight: h.Weight}
	}
	var t routespb.Target
	switch r.Target {
	case "":
	case "host":
		t = routespb.Target_HOST
	case "drop":
		t = routespb.Target_DROP
	default:
		return rib.StaticRoute{}, fmt.Errorf("target %q: host or drop is wanted", r.Target)
	}
	return staticRoute(&routespb.StaticRoute{Instance: r.Instance, Prefix: r.Prefix, NextHops: hops, Target: t})
}

// staticRoute reads a route of the API or the configuration.
func staticRoute(in *routespb.StaticRoute) (rib.StaticRoute, error) {
	s := rib.StaticRoute{Instance: instanceName(in.GetInstance())}
	var err error
	if s.Prefix, err = netip.ParsePrefix(in.GetPrefix()); err != nil {
		return s, fmt.Errorf("prefix %q: ADDRESS/LENGTH is wanted", in.GetPrefix())
	}
	switch t := in.GetTarget(); {
	case t == routespb.Target_NEXT_HOPS && len(in.GetNextHops()) == 0:
		return s, fmt.Errorf("route %s has neither next hops nor a target", s.Prefix)
	case t != routespb.Target_NEXT_HOPS && len(in.GetNextHops()) > 0:
		return s, fmt.Errorf("route %s has both next hops and a target", s.Prefix)
	case t == routespb.Target_HOST:
		s.Hops = []rib.WeightedHop{{Hop: rib.HopSpec{Kind: rib.ToHost}}}
	case t == routespb.Target_DROP:
		s.Hops = []rib.WeightedHop{{Hop: rib.HopSpec{Kind: rib.Discard}}}
	case t != routespb.Target_NEXT_HOPS:
		return s, fmt.Errorf("route %s: target %d is unknown", s.Prefix, t)
	}
	for _, h := range in.GetNextHops() {
		w := rib.WeightedHop{Weight: h.GetWeight(), Hop: rib.HopSpec{Interface: h.GetInterface(), VLAN: h.GetVlan()}}
		if text := h.GetAddress(); text != "" {
			if w.Hop.Address, err = netip.ParseAddr(text); err != nil || w.Hop.Address.Is4In6() {
				return s, fmt.Errorf("route %s: next hop %q is no IP address", s.Prefix, text)
			}
		}
		if text := h.GetMac(); text != "" {
			m, err := net.ParseMAC(text)
			if err != nil || len(m) != len(w.Hop.MAC) {
				return s, fmt.Errorf("route %s: %q is no MAC address", s.Prefix, text)
			}
			copy(w.Hop.MAC[:], m)
		}
		s.Hops = append(s.Hops, w)
	}
	return s, nil
}

func instanceName(name string) string {
	if name == "" {
		return rib.DefaultInstance
	}
	return name
}

// startRouting opens the RIB and fills the tables that are routemap's.
func (d *Daemon) startRouting() error {
	c := &d.config
	instances := make([]rib.InstanceConfig, len(c.NetworkInstances))
	for i, n := range c.NetworkInstances {
		instances[i] = rib.InstanceConfig{Name: n.Name, ID: n.ID}
	}
	prefs := rib.Preferences{rib.Connected: c.Preferences.Connected, rib.Static: c.Preferences.Static, rib.GRIBI: c.Preferences.GRIBI, rib.Kernel: c.Preferences.Kernel}
	r, err := rib.Open(rib.Options{Dir: c.StateDir, Power: c.Durability == "power", Preferences: &prefs, Instances: instances, Log: d.log})
	if err != nil {
		return err
	}
	d.routing = &routing{rib: r}
	statics := make([]rib.StaticRoute, len(c.Routes))
	for i := range c.Routes {
		if statics[i], err = c.Routes[i].static(); err != nil {
			return err
		}
	}
	if err := r.SetConfigured(statics); err != nil {
		return err
	}
	var ports []routemap.Port
	var names []string
	for _, p := range c.Ports {
		ports = append(ports, routemap.Port{Number: p.Number, Netdev: p.Netdev, Host: p.Host})
		names = append(names, p.Netdev)
		if p.Host != "" {
			names = append(names, p.Host)
		}
	}
	m := routemap.New(routemap.Options{Store: d.store, RIB: r, Ports: ports, Log: d.log,
		Bindings: storedBindings})
	// The kernel's view first: what an earlier nicd put into the tables for its
	// sake must not go and come again.
	follow := map[string]int{}
	for _, n := range c.NetworkInstances {
		if n.KernelTable != 0 {
			follow[n.Name] = int(n.KernelTable)
		}
	}
	if d.routing.host, err = hostnet.Start(hostnet.Options{Interfaces: names, Follow: follow, Sink: hostSink{r, m}, Log: d.log}); err != nil {
		return err
	}
	d.routing.routes = m
	d.routing.gribi = gribi.NewServer(gribi.Options{RIB: r, Log: d.log})
	d.routing.api = &routesService{rib: r}
	return m.Start()
}

// hostSink tells the RIB and routemap what the kernel says.
type hostSink struct {
	r *rib.RIB
	m *routemap.Map
}

func (s hostSink) Connected(list []hostnet.Connected) {
	out := make([]routemap.Connected, len(list))
	for i, c := range list {
		out[i] = routemap.Connected{Interface: c.Interface, VLAN: c.VLAN, Prefix: c.Prefix}
	}
	s.m.SetConnected(out)
}

func (s hostSink) Neighbours(list []hostnet.Neighbour) {
	out := make([]routemap.Neighbour, len(list))
	for i, n := range list {
		out[i] = routemap.Neighbour{Interface: n.Interface, VLAN: n.VLAN, Address: n.Address, MAC: n.MAC}
	}
	s.m.UpdateNeighbours(out)
}

func (s hostSink) Routes(instance string, whole bool, list []hostnet.Route) {
	out := make([]rib.DynamicRoute, len(list))
	for i, r := range list {
		out[i] = rib.DynamicRoute{Prefix: r.Prefix, Source: rib.Kernel}
		if r.Connected {
			out[i].Source = rib.Connected
		}
		for _, h := range r.Hops {
			w := rib.WeightedHop{Weight: h.Weight, Hop: rib.HopSpec{Address: h.Gateway, Interface: h.Interface, VLAN: h.VLAN}}
			switch h.Kind {
			case hostnet.ToHost:
				w.Hop = rib.HopSpec{Kind: rib.ToHost}
			case hostnet.Discard:
				w.Hop = rib.HopSpec{Kind: rib.Discard}
			}
			if !slices.Contains(out[i].Hops, w) {
				out[i].Hops = append(out[i].Hops, w)
			}
		}
	}
	if whole {
		s.r.ReplaceDynamic(instance, out)
	} else {
		s.r.UpdateDynamic(instance, out)
	}
}

func (r *routing) register(g grpc.ServiceRegistrar) {
	r.gribi.Register(g)
	routespb.RegisterRoutesServer(g, r.api)
}

// quiet ends the streams.
func (r *routing) quiet() {
	if r != nil && r.gribi != nil {
		r.gribi.Close()
	}
}

// close ends the rest, after the gRPC server and before the store.
func (r *routing) close() error {
	if r == nil {
		return nil
	}
	if r.host != nil {
		r.host.Close()
	}
	if r.routes != nil {
		r.routes.Close()
	}
	return r.rib.Close()
}

// storedBindings are the bindings of a configuration's bundle. bmv2 JSON has no
// place for any.
func storedBindings(c store.Config) (*bindingspb.Bindings, error) {
	if _, is := bmv2.DeviceConfig(c.Device); is {
		return nil, nil
	}
	return bundle.ReadBindings(c.Device)
}
