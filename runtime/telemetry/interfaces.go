package telemetry

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/p4nic/p4nic/runtime/dataplane"
)

// Ports is the part of an engine that telemetry reads; dataplane.Plane has it.
type Ports interface {
	Ports() []dataplane.Port
	PortStats(number uint32) (dataplane.Stats, error)
}

// iface is a row of /interfaces/interface: a configured port and its netdev.
type iface struct {
	port       dataplane.Port
	link       *Link // nil: the netdev is gone
	stats      dataplane.Stats
	counted    bool
	lastChange uint64 // 0: not yet known
}

func ifString(f func(*iface) string) func(*iface) (Value, bool) {
	return func(i *iface) (Value, bool) { return str(f(i)), true }
}

// ifCount reads a count of the datapath.
func ifCount(f func(dataplane.Stats) uint64) func(*iface) (Value, bool) {
	return func(i *iface) (Value, bool) { return num(f(i.stats)), i.counted }
}

// ifLink reads what the netdev says.
func ifLink(f func(*Link) Value) func(*iface) (Value, bool) {
	return func(i *iface) (Value, bool) {
		if i.link == nil {
			return Value{}, false
		}
		return f(i.link), true
	}
}

func ifLinkCount(f func(*Link) uint64) func(*iface) (Value, bool) {
	return ifLink(func(l *Link) Value { return num(f(l)) })
}

func ifName(i *iface) string { return i.port.Netdev }

func ifPort(i *iface) (Value, bool) { return num(uint64(i.port.Number)), true }

// ifMTU has no value for a netdev whose MTU OpenConfig's uint16 cannot say.
func ifMTU(i *iface) (Value, bool) {
	if i.link == nil || i.link.MTU > math.MaxUint16 {
		return Value{}, false
	}
	return num(uint64(i.link.MTU)), true
}

func ifEnabled(l *Link) Value { return truth(l.AdminUp) }

func ifType(*iface) string { return "iana-if-type:ethernetCsmacd" }

func ifAdmin(i *iface) string {
	if i.link != nil && i.link.AdminUp {
		return "UP"
	}
	return "DOWN"
}

// ifOper is oper-status. The kernel says unknown for drivers that do not tell
// (dummy, tap): running is up then. What is switched off is down, whatever its
// lower layer does (RFC 2863 section 3.1.13); Linux 6.1 says otherwise of a veth.
func ifOper(i *iface) string {
	if i.link == nil {
		return "NOT_PRESENT"
	}
	switch i.link.Oper {
	case OperUp:
		return "UP"
	case OperDown:
		return "DOWN"
	case OperTesting:
		return "TESTING"
	case OperDormant:
		return "DORMANT"
	case OperNotPresent:
		return "NOT_PRESENT"
	case OperLowerLayerDown:
		if i.link.AdminUp {
			return "LOWER_LAYER_DOWN"
		}
	}
	switch {
	case !i.link.AdminUp:
		return "DOWN"
	case i.link.Running:
		return "UP"
	}
	return "UNKNOWN"
}

// interfaces is openconfig-interfaces with the port number of openconfig-p4rt.
// Packets and octets are those that the datapath counted (D9): what the host
// itself sends out of a port is not among them.
func interfaces(ports Ports, links Links, now func() time.Time) *Source {
	text, boolean := Type{Kind: String}, Type{Kind: Bool}
	u16, u32, u64 := Type{Kind: Uint16}, Type{Kind: Uint32}, Type{Kind: Uint64}
	enum, identity := Type{Kind: Enum}, Type{Kind: Identity}
	s := newSource(OriginOpenConfig, "/openconfig-interfaces:interfaces/interface[name]", []def[iface]{
		{"name", text, ifString(ifName), config, nil},
		{"config/name", text, ifString(ifName), config, nil},
		{"config/type", identity, ifString(ifType), config, nil},
		{"config/mtu", u16, ifMTU, config, nil},
		{"config/enabled", boolean, ifLink(ifEnabled), writable, nil},
		{"config/openconfig-p4rt:id", u32, ifPort, config, nil},
		{"state/name", text, ifString(ifName), applied, nil},
		{"state/type", identity, ifString(ifType), applied, nil},
		{"state/mtu", u16, ifMTU, applied, nil},
		{"state/enabled", boolean, ifLink(ifEnabled), applied, nil},
		{"state/openconfig-p4rt:id", u32, ifPort, applied, nil},
		{"state/ifindex", u32, ifLink(func(l *Link) Value { return num(uint64(l.Index)) }), operational, nil},
		{"state/admin-status", enum, ifString(ifAdmin), operational, nil},
		{"state/oper-status", enum, ifString(ifOper), operational, nil},
		{"state/last-change", u64, func(i *iface) (Value, bool) { return num(i.lastChange), i.lastChange != 0 }, operational, nil},
		{"state/logical", boolean, func(*iface) (Value, bool) { return truth(false), true }, operational, nil},
		{"state/counters/in-pkts", u64, ifCount(func(s dataplane.Stats) uint64 { return s.RxPackets }), counted, nil},
		{"state/counters/in-octets", u64, ifCount(func(s dataplane.Stats) uint64 { return s.RxBytes }), counted, nil},
		{"state/counters/in-discards", u64, ifCount(func(s dataplane.Stats) uint64 { return s.Drops }), counted, nil},
		{"state/counters/in-errors", u64, ifLinkCount(func(l *Link) uint64 { return l.RxErrors }), counted, nil},
		{"state/counters/in-multicast-pkts", u64, ifLinkCount(func(l *Link) uint64 { return l.RxMulticast }), counted, nil},
		{"state/counters/in-fcs-errors", u64, ifLinkCount(func(l *Link) uint64 { return l.RxCRCErrors }), counted, nil},
		{"state/counters/out-pkts", u64, ifCount(func(s dataplane.Stats) uint64 { return s.TxPackets }), counted, nil},
		{"state/counters/out-octets", u64, ifCount(func(s dataplane.Stats) uint64 { return s.TxBytes }), counted, nil},
		{"state/counters/out-discards", u64, ifLinkCount(func(l *Link) uint64 { return l.TxDropped }), counted, nil},
		{"state/counters/out-errors", u64, ifLinkCount(func(l *Link) uint64 { return l.TxErrors }), counted, nil},
		{"openconfig-if-ethernet:ethernet/state/mac-address", text, func(i *iface) (Value, bool) {
			if i.link == nil || len(i.link.MAC) == 0 {
				return Value{}, false
			}
			return str(i.link.MAC.String()), true
		}, applied, nil},
	})
	s.events = []Event{LinksChanged}
	var mu sync.Mutex
	type seen struct {
		oper  string
		since uint64
	}
	last := map[string]seen{}
	s.collect = func(string, *Frame) ([]*Row, error) {
		at := uint64(now().UnixNano())
		all, err := links.List()
		if err != nil {
			return nil, err
		}
		var rows []*Row
		mu.Lock()
		defer mu.Unlock()
		for _, p := range ports.Ports() {
			i := &iface{port: p, link: all[p.Netdev]}
			if i.stats, err = ports.PortStats(p.Number); err == nil {
				i.counted = true
			}
			oper := ifOper(i)
			if was := last[p.Netdev]; was.oper != oper {
				last[p.Netdev] = seen{oper, at}
			}
			i.lastChange = last[p.Netdev].since
			rows = append(rows, &Row{Keys: []string{p.Netdev}, Data: i})
		}
		return rows, nil
	}
	return s
}

// SetEnabled changes the administrative state of a port's netdev.
func (t *Telemetry) SetEnabled(name string, up bool) error {
	if err := t.opts.Links.SetUp(name, up); err != nil {
		return err
	}
	t.Hub.Notify(LinksChanged)
	return nil
}

// Netdevs are the netdevs of the configured ports.
func (t *Telemetry) Netdevs() []string {
	var out []string
	for _, p := range t.opts.Ports.Ports() {
		out = append(out, p.Netdev)
	}
	return out
}

// Component is the name of the component that stands for the device.
func (t *Telemetry) Component() string { return t.opts.Name }

// PortNetdev tells whether a port of that netdev is configured.
func (t *Telemetry) PortNetdev(name string) (dataplane.Port, error) {
	for _, p := range t.opts.Ports.Ports() {
		if p.Netdev == name {
			return p, nil
		}
	}
	return dataplane.Port{}, fmt.Errorf("no port has netdev %q", name)
}
