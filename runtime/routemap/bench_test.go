package routemap_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	aftpb "github.com/openconfig/gribi/v1/proto/gribi_aft"
	spb "github.com/openconfig/gribi/v1/proto/service"
	"github.com/openconfig/ygot/proto/ywrapper"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/gribitest"
	"github.com/p4nic/p4nic/runtime/kernel"
	"github.com/p4nic/p4nic/runtime/routemap"
)

// fullTable gives n prefixes with the lengths of a public full table: about 60 %
// /24, the rest mostly /16 to /23, and /0, /8 and /32 among them.
func fullTable(n int) []netip.Prefix {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[netip.Prefix]bool{}
	var out []netip.Prefix
	add := func(p netip.Prefix) {
		if p = p.Masked(); !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	add(netip.MustParsePrefix("0.0.0.0/0"))
	for i := range 8 {
		add(netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i), 0, 0, 0}), 8))
	}
	for len(out) < n {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 1<<24+r.Uint32N(223<<24-1<<24))
		bits := 24
		switch x := r.IntN(100); {
		case x < 60:
		case x < 62:
			bits = 32
		case x < 98:
			bits = 16 + r.IntN(8)
		default:
			bits = 9 + r.IntN(7)
		}
		add(netip.PrefixFrom(netip.AddrFrom4(b), bits))
	}
	return out
}

const groupsOfBench = 100

// session opens a Modify stream as primary with FIB acknowledgement.
func session(t testing.TB, r *gribitest.Rig, id uint64) spb.GRIBI_ModifyClient {
	t.Helper()
	st, err := r.GRIBI.Modify(t.Context())
	netnstest.Check(t, err)
	netnstest.Check(t, st.Send(&spb.ModifyRequest{Params: &spb.SessionParameters{Redundancy: spb.SessionParameters_SINGLE_PRIMARY,
		Persistence: spb.SessionParameters_PRESERVE, AckType: spb.SessionParameters_RIB_AND_FIB_ACK}}))
	netnstest.Check(t, st.Send(&spb.ModifyRequest{ElectionId: &spb.Uint128{Low: id}}))
	for range 2 {
		_, err := st.Recv()
		netnstest.Check(t, err)
	}
	return st
}

func ofHop(id, election uint64, address, dev string) *spb.AFTOperation {
	h := &aftpb.Afts_NextHop{IpAddress: &ywrapper.StringValue{Value: address}}
	if dev != "" {
		h.InterfaceRef = &aftpb.Afts_NextHop_InterfaceRef{Interface: &ywrapper.StringValue{Value: dev}}
	}
	return &spb.AFTOperation{Id: id, NetworkInstance: "DEFAULT", Op: spb.AFTOperation_ADD, ElectionId: &spb.Uint128{Low: election},
		Entry: &spb.AFTOperation_NextHop{NextHop: &aftpb.Afts_NextHopKey{Index: id, NextHop: h}}}
}

func ofGroup(id, election, group uint64, hops ...uint64) *spb.AFTOperation {
	g := &aftpb.Afts_NextHopGroup{}
	for _, h := range hops {
		g.NextHop = append(g.NextHop, &aftpb.Afts_NextHopGroup_NextHopKey{Index: h, NextHop: &aftpb.Afts_NextHopGroup_NextHop{Weight: &ywrapper.UintValue{Value: 1}}})
	}
	return &spb.AFTOperation{Id: id, NetworkInstance: "DEFAULT", Op: spb.AFTOperation_ADD, ElectionId: &spb.Uint128{Low: election},
		Entry: &spb.AFTOperation_NextHopGroup{NextHopGroup: &aftpb.Afts_NextHopGroupKey{Id: group, NextHopGroup: g}}}
}

func ofRoute(id, election, group uint64, p netip.Prefix) *spb.AFTOperation {
	return &spb.AFTOperation{Id: id, NetworkInstance: "DEFAULT", Op: spb.AFTOperation_ADD, ElectionId: &spb.Uint128{Low: election},
		Entry: &spb.AFTOperation_Ipv4{Ipv4: &aftpb.Afts_Ipv4EntryKey{Prefix: p.String(), Ipv4Entry: &aftpb.Afts_Ipv4Entry{NextHopGroup: &ywrapper.UintValue{Value: group}}}}}
}

// await reads n results, all of which must be FIB_PROGRAMMED.
func await(st spb.GRIBI_ModifyClient, n int) error {
	for n > 0 {
		m, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the stream ended, %d results are missing", n)
		}
		if err != nil {
			return err
		}
		for _, a := range m.GetResult() {
			if a.GetStatus() != spb.AFTResult_FIB_PROGRAMMED {
				return fmt.Errorf("operation %d: %v: %s", a.GetId(), a.GetStatus(), a.GetErrorDetails().GetErrorMessage())
			}
		}
		n -= len(m.GetResult())
	}
	return nil
}

func kernelPlane(t testing.TB) func() dataplane.Plane {
	ns, err := netns.Current()
	netnstest.Check(t, err)
	netnstest.Check(t, ns.Close())
	fs := netnstest.BPFFS(t)
	return func() dataplane.Plane {
		p, err := kernel.Open(kernel.Options{BPFFS: fs})
		netnstest.Check(t, err)
		return p
	}
}

// inject sends routes through the groups and waits for all acknowledgements.
func inject(t testing.TB, r *gribitest.Rig, list []netip.Prefix) time.Duration {
	t.Helper()
	st := session(t, r, 1)
	var ops []*spb.AFTOperation
	for i := range uint64(groupsOfBench) {
		ops = append(ops, ofHop(i+1, 1, fmt.Sprintf("192.0.2.%d", i+1), "p1"))
	}
	for i := range uint64(groupsOfBench) {
		ops = append(ops, ofGroup(1000+i, 1, i+1, i+1, (i+1)%groupsOfBench+1))
	}
	netnstest.Check(t, st.Send(&spb.ModifyRequest{Operation: ops}))
	netnstest.Check(t, await(st, len(ops)))
	var requests []*spb.ModifyRequest
	for i := 0; i < len(list); i += 256 {
		m := &spb.ModifyRequest{}
		for j, p := range list[i:min(i+256, len(list))] {
			m.Operation = append(m.Operation, ofRoute(uint64(10000+i+j), 1, uint64((i+j)%groupsOfBench)+1, p))
		}
		requests = append(requests, m)
	}
	start := time.Now()
	sent := make(chan error, 1)
	go func() {
		for _, m := range requests {
			if err := st.Send(m); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	netnstest.Check(t, await(st, len(list)))
	d := time.Since(start)
	netnstest.Check(t, <-sent)
	return d
}

// BenchmarkRoutes measures routes over gRIBI, acknowledged by the kernel's maps
// (gribi:TF6).
func BenchmarkRoutes(b *testing.B) {
	for _, n := range []int{100_000, 400_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := fullTable(n)
			plane := kernelPlane(b)
			for range b.N {
				b.StopTimer()
				r := gribitest.New(b, gribitest.Options{Plane: plane, Ports: []routemap.Port{{Number: 1, Netdev: "p1"}}})
				b.StartTimer()
				d := inject(b, r, list)
				b.StopTimer()
				b.ReportMetric(d.Seconds(), "s/table")
				b.ReportMetric(float64(n)/d.Seconds(), "routes/s")
				r.Stop()
				netnstest.Check(b, r.Plane.DetachAll())
				b.StartTimer()
			}
		})
	}
}
