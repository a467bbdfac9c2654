package routemap_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	aftpb "github.com/openconfig/gribi/v1/proto/gribi_aft"
	spb "github.com/openconfig/gribi/v1/proto/service"
	"github.com/openconfig/ygot/proto/ywrapper"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/internal/packetcase"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/gribitest"
	"github.com/p4nic/p4nic/runtime/kernel"
	"github.com/p4nic/p4nic/runtime/routemap"
	"github.com/p4nic/p4nic/runtime/sim"
	"github.com/p4nic/p4nic/runtime/store"
)

// router is router.p4 with three ports: packets come in at port 1 and leave at
// port 2 or 3, as routes over gRIBI say.
type router struct {
	t    *testing.T
	rig  *gribitest.Rig
	st   spb.GRIBI_ModifyClient
	next uint64 // operation id
	in   *netns.Packets
	out  [2]*netns.Packets
	sent uint64
}

func newRouter(t *testing.T, open func() (dataplane.Plane, error)) *router {
	t.Helper()
	host := netnstest.NS(t)
	r := &router{t: t}
	var ports []routemap.Port
	for i := range 3 {
		far := netnstest.NS(t)
		dev := fmt.Sprintf("p%d", i+1)
		netnstest.Veth(t, netns.End{NS: host, Name: dev, MAC: fmt.Sprintf("02:00:00:00:01:0%d", i+1)},
			netns.End{NS: far, Name: "eth0", MAC: fmt.Sprintf("02:00:00:00:02:0%d", i+1)})
		ports = append(ports, routemap.Port{Number: uint32(i + 1), Netdev: dev})
		p := netnstest.Packets(t, far, "eth0")
		if i == 0 {
			r.in = p
		} else {
			r.out[i-1] = p
		}
	}
	in := func(f func() error) error { return host.Do(f) }
	r.rig = gribitest.New(t, gribitest.Options{Ports: ports, Plane: func() dataplane.Plane {
		var p dataplane.Plane
		netnstest.Check(t, in(func() (err error) { p, err = open(); return err }))
		return p
	}})
	netnstest.Check(t, r.rig.Store.Do(func(p dataplane.Plane) error {
		return in(func() error {
			for _, q := range ports {
				if err := p.Attach(dataplane.Port{Number: q.Number, Netdev: q.Netdev}); err != nil {
					return err
				}
			}
			return nil
		})
	}))
	t.Cleanup(func() { netnstest.Check(t, r.rig.Store.Do(func(p dataplane.Plane) error { return in(p.DetachAll) })) })
	// The operator's part, over P4Runtime.
	pl := r.rig.Store.Pipeline()
	var us []entity.Update
	for port := byte(1); port <= 3; port++ {
		mac := []byte{2, 0, 0, 0, 1, port}
		ingress, egress := pl.Schema.Table("RouterIngress.interfaces"), pl.Schema.Table("RouterEgress.egress_interfaces")
		us = append(us,
			entity.Update{Kind: entity.Insert, Table: ingress.Index, Key: string([]byte{0, port, 0, 0}), HasAction: true, Action: ingress.Action("RouterIngress.set_interface").Index, Args: string(append([]byte{0, 0}, mac...))},
			entity.Update{Kind: entity.Insert, Table: egress.Index, Key: string([]byte{0, port, 0, 0}), HasAction: true, Action: egress.Action("RouterEgress.set_source").Index, Args: string(mac)})
	}
	errs, err := r.rig.Store.Apply(store.Batch{Pipeline: pl, Updates: us})
	if err != nil || errs != nil {
		t.Fatal(err, errs)
	}
	r.st = session(t, r.rig, 1)
	for i := range uint64(2) {
		r.do(&spb.AFTOperation{Entry: &spb.AFTOperation_NextHop{NextHop: &aftpb.Afts_NextHopKey{Index: i + 1, NextHop: &aftpb.Afts_NextHop{
			MacAddress:   &ywrapper.StringValue{Value: fmt.Sprintf("02:00:00:00:02:0%d", i+2)},
			InterfaceRef: &aftpb.Afts_NextHop_InterfaceRef{Interface: &ywrapper.StringValue{Value: fmt.Sprintf("p%d", i+2)}}}}}})
		r.do(ofGroup(0, 1, i+1, i+1))
	}
	return r
}

// do makes an operation and waits for its FIB acknowledgement.
func (r *router) do(op *spb.AFTOperation) {
	r.t.Helper()
	r.next++
	op.Id, op.NetworkInstance, op.ElectionId = r.next, "DEFAULT", &spb.Uint128{Low: 1}
	if op.Op == spb.AFTOperation_INVALID {
		op.Op = spb.AFTOperation_ADD
	}
	netnstest.Check(r.t, r.st.Send(&spb.ModifyRequest{Operation: []*spb.AFTOperation{op}}))
	m, err := r.st.Recv()
	netnstest.Check(r.t, err)
	for _, a := range m.GetResult() {
		if a.GetId() != r.next || a.GetStatus() != spb.AFTResult_FIB_PROGRAMMED {
			r.t.Fatalf("operation %d is answered with %v", r.next, m)
		}
	}
	if len(m.GetResult()) != 1 {
		r.t.Fatalf("operation %d is answered with %v", r.next, m)
	}
}

// takes sends a packet and gives the group by whose port it leaves.
func (r *router) takes(dst netip.Addr) uint64 {
	r.t.Helper()
	r.sent++
	frame, err := packetcase.ParseFrame(fmt.Sprintf("eth dst=02:00:00:00:01:01 src=02:00:00:00:02:01 / ipv4 src=198.51.100.1 dst=%s / udp sport=7 dport=8 / hex %016x", dst, r.sent))
	netnstest.Check(r.t, err)
	netnstest.Check(r.t, r.in.Send(frame))
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		for i, p := range r.out {
			f, err := p.Recv(time.Now().Add(time.Millisecond))
			if err == nil && len(f) >= 50 && binary.BigEndian.Uint64(f[42:]) == r.sent {
				return uint64(i) + 1
			}
		}
	}
	r.t.Fatalf("the packet to %s left nowhere", dst)
	return 0
}

// TestAcknowledgedMeansForwarded: a packet that is sent when the FIB
// acknowledgement has come takes the route, in every engine (gribi:GR17).
func TestAcknowledgedMeansForwarded(t *testing.T) {
	for _, e := range []struct {
		name string
		n    int
		open func(fs string) (dataplane.Plane, error)
	}{
		{"kernel", 1000, func(fs string) (dataplane.Plane, error) { return kernel.Open(kernel.Options{BPFFS: fs}) }},
		{"sim", 200, func(string) (dataplane.Plane, error) { return sim.Open(sim.Options{}) }},
	} {
		t.Run(e.name, func(t *testing.T) {
			fs := ""
			if e.name == "kernel" {
				fs = netnstest.BPFFS(t)
			}
			r := newRouter(t, func() (dataplane.Plane, error) { return e.open(fs) })
			rnd := rand.New(rand.NewPCG(3, 4))
			for i, p := range fullTable(e.n) {
				a := p.Addr()
				if b := a.As4(); b[0] == 0 || b[0] == 127 || b[0] >= 224 {
					continue // no packet on a wire has it
				}
				g := rnd.Uint64N(2) + 1
				for range 2 {
					r.do(ofRoute(0, 1, g, p))
					list, err := r.rig.RIB.Covering("DEFAULT", a)
					netnstest.Check(t, err)
					if got, want := r.takes(a), list[0].Group.ID; got != want {
						t.Fatalf("route %d, %s: the packet took group %d, the route acknowledged before it is %d", i, p, got, want)
					}
					g = 3 - g
				}
			}
			// A group moves all its routes at once, and deletion ends them.
			p := netip.MustParsePrefix("203.0.113.0/24")
			r.do(ofRoute(0, 1, 1, p))
			r.do(ofGroup(0, 1, 1, 2))
			if got := r.takes(netip.MustParseAddr("203.0.113.77")); got != 2 {
				t.Errorf("after the group's change the packet left by port %d", got+1)
			}
			if e.name != "kernel" {
				return
			}
			// gribi:GR68, principle 5: the daemon goes and comes, packets do not care.
			r.rig.Stop()
			if got := r.takes(netip.MustParseAddr("203.0.113.77")); got != 2 {
				t.Errorf("without nicd the packet left by port %d", got+1)
			}
			r.rig.Start()
			if got := r.takes(netip.MustParseAddr("203.0.113.77")); got != 2 {
				t.Errorf("after a restart the packet left by port %d", got+1)
			}
			r.st, r.next = session(t, r.rig, 1), 0
			r.do(ofGroup(0, 1, 1, 1))
			if got := r.takes(netip.MustParseAddr("203.0.113.77")); got != 1 {
				t.Errorf("after a restart and a change the packet left by port %d", got+1)
			}
		})
	}
}
