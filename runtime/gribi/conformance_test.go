package gribi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	aftpb "github.com/openconfig/gribi/v1/proto/gribi_aft"
	spb "github.com/openconfig/gribi/v1/proto/service"
	"github.com/openconfig/ygot/proto/ywrapper"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/gribitest"
	"github.com/p4nic/p4nic/runtime/routemap"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// newDevice is a rig whose dataplane keeps books.
func newDevice(t *testing.T) (*gribitest.Rig, *storetest.Plane) {
	plane := storetest.NewPlane()
	r := gribitest.New(t, gribitest.Options{SweepDelay: time.Hour, Ports: []routemap.Port{{Number: 1, Netdev: "p1"}},
		Plane: func() dataplane.Plane { return plane }})
	return r, plane
}

// session is one Modify stream.
type session struct {
	t  *testing.T
	st spb.GRIBI_ModifyClient
	// election is put into operations that have none.
	election *spb.Uint128
	cancel   func()
}

func open(t *testing.T, r *gribitest.Rig) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	st, err := r.GRIBI.Modify(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &session{t: t, st: st, cancel: cancel}
}

func id(high, low uint64) *spb.Uint128 { return &spb.Uint128{High: high, Low: low} }

// text reads a ModifyRequest; elections of operations are filled in.
func (s *session) text(req string) *spb.ModifyRequest {
	s.t.Helper()
	m := &spb.ModifyRequest{}
	if err := prototext.Unmarshal([]byte(req), m); err != nil {
		s.t.Fatal(err)
	}
	for _, op := range m.Operation {
		if op.ElectionId == nil {
			op.ElectionId = s.election
		}
		if op.NetworkInstance == "" {
			op.NetworkInstance = "DEFAULT"
		}
	}
	return m
}

func (s *session) send(req string) {
	s.t.Helper()
	m := s.text(req)
	if err := s.st.Send(m); err != nil && !errors.Is(err, io.EOF) {
		s.t.Fatal(err)
	}
}

func (s *session) recv() *spb.ModifyResponse {
	s.t.Helper()
	m, err := s.st.Recv()
	if err != nil {
		s.t.Fatalf("the stream ended: %v", err)
	}
	return m
}

// ends wants the stream to end with a status.
func (s *session) ends(code codes.Code, reason spb.ModifyRPCErrorDetails_Reason) {
	s.t.Helper()
	for {
		_, err := s.st.Recv()
		if err == nil {
			continue
		}
		st := status.Convert(err)
		got := spb.ModifyRPCErrorDetails_UNKNOWN
		for _, d := range st.Details() {
			if m, ok := d.(*spb.ModifyRPCErrorDetails); ok {
				got = m.GetReason()
			}
		}
		if st.Code() != code || got != reason {
			s.t.Errorf("the stream ended with %v, details %v; want %v, %v", err, got, code, reason)
		}
		return
	}
}

const (
	ribAck = "params { redundancy: SINGLE_PRIMARY persistence: PRESERVE }"
	fibAck = "params { redundancy: SINGLE_PRIMARY persistence: PRESERVE ack_type: RIB_AND_FIB_ACK }"
)

// primary opens a stream with parameters and an election id.
func primary(t *testing.T, r *gribitest.Rig, params string, e *spb.Uint128) *session {
	t.Helper()
	s := open(t, r)
	s.send(params)
	if got := s.recv(); got.GetSessionParamsResult().GetStatus() != spb.SessionParametersResult_OK || got.GetSessionParamsResult() == nil {
		t.Fatalf("gribi:GR8: %v", got)
	}
	s.elect(e, e)
	return s
}

func (s *session) elect(e, want *spb.Uint128) {
	s.t.Helper()
	s.election = e
	if err := s.st.Send(&spb.ModifyRequest{ElectionId: e}); err != nil {
		s.t.Fatal(err)
	}
	if got := s.recv(); !proto.Equal(got, &spb.ModifyResponse{ElectionId: want}) {
		s.t.Errorf("gribi:GR24: %v, want only the election id %v", got, want)
	}
}

// results sends operations and collects their results in order.
func (s *session) results(req string) []*spb.AFTResult {
	s.t.Helper()
	m := s.text(req)
	if err := s.st.Send(m); err != nil {
		s.t.Fatal(err)
	}
	var out []*spb.AFTResult
	for len(out) < len(m.Operation) {
		out = append(out, s.recv().GetResult()...)
	}
	for i, a := range out {
		if a.GetId() != m.Operation[i].GetId() {
			s.t.Errorf("gribi:GR38: result %d is of operation %d, not %d", i, a.GetId(), m.Operation[i].GetId())
		}
		if a.GetTimestamp() == 0 {
			s.t.Errorf("gribi:GR40: result %d has no timestamp", i)
		}
	}
	return out
}

func (s *session) want(status spb.AFTResult_Status, problem, req string) {
	s.t.Helper()
	for _, a := range s.results(req) {
		if a.GetStatus() != status || !strings.Contains(a.GetErrorDetails().GetErrorMessage(), problem) || problem == "" && a.GetErrorDetails() != nil {
			s.t.Errorf("operation %d: %v %q, want %v %q", a.GetId(), a.GetStatus(), a.GetErrorDetails().GetErrorMessage(), status, problem)
		}
	}
}

const (
	hop1    = `operation { id: 1 op: ADD next_hop { index: 1 next_hop { [ADDRESS] interface_ref { interface { value: "p1" } } } } } `
	group1  = `operation { id: 2 op: ADD next_hop_group { id: 1 next_hop_group { next_hop { index: 1 next_hop { weight { value: 1 } } } } } } `
	route1  = `operation { id: 3 op: ADD ipv4 { prefix: "10.0.0.0/8" ipv4_entry { next_hop_group { value: 1 } entry_metadata { value: "meta" } } } } `
	route61 = `operation { id: 4 op: ADD ipv6 { prefix: "2001:db8::/32" ipv6_entry { next_hop_group { value: 1 } } } } `
)

func chain() string {
	return strings.Replace(hop1, "[ADDRESS]", `ip_address { value: "192.0.2.1" }`, 1) + group1 + route1 + route61
}

// TestMessages: what ends a stream, and with what.
func TestMessages(t *testing.T) {
	r, _ := newDevice(t)
	unknown := spb.ModifyRPCErrorDetails_UNKNOWN
	for _, c := range []struct {
		name   string
		send   []string
		code   codes.Code
		reason spb.ModifyRPCErrorDetails_Reason
	}{
		{"gribi:GR2 params and election", []string{ribAck + " election_id { low: 1 }"}, codes.InvalidArgument, unknown},
		{"gribi:GR2 params and operation", []string{ribAck + chain()}, codes.InvalidArgument, unknown},
		{"gribi:GR2 election and operation", []string{ribAck, "election_id { low: 1 }" + chain()}, codes.InvalidArgument, unknown},
		{"gribi:GR5 empty", []string{""}, codes.InvalidArgument, unknown},
		{"gribi:GR7 twice", []string{ribAck, ribAck}, codes.FailedPrecondition, spb.ModifyRPCErrorDetails_MODIFY_NOT_ALLOWED},
		{"gribi:GR7 late", []string{ribAck, "election_id { low: 1 }", ribAck}, codes.FailedPrecondition, spb.ModifyRPCErrorDetails_MODIFY_NOT_ALLOWED},
		{"gribi:GR9 persistence DELETE", []string{"params { redundancy: SINGLE_PRIMARY }"}, codes.Unimplemented, spb.ModifyRPCErrorDetails_UNSUPPORTED_PARAMS},
		{"gribi:GR9 unknown acknowledgement", []string{"params { redundancy: SINGLE_PRIMARY persistence: PRESERVE ack_type: 7 }"}, codes.Unimplemented, spb.ModifyRPCErrorDetails_UNSUPPORTED_PARAMS},
		{"gribi:GR11 ALL_PRIMARY and PRESERVE", []string{"params { persistence: PRESERVE }"}, codes.Unimplemented, spb.ModifyRPCErrorDetails_UNSUPPORTED_PARAMS},
		{"gribi:GR12 no parameters", []string{chain()}, codes.Unimplemented, spb.ModifyRPCErrorDetails_UNSUPPORTED_PARAMS},
		{"ALL_PRIMARY", []string{"params { }"}, codes.Unimplemented, spb.ModifyRPCErrorDetails_UNSUPPORTED_PARAMS},
		{"gribi:GR22 election id 0", []string{ribAck, "election_id { }"}, codes.InvalidArgument, unknown},
		{"gribi:GR23 election in ALL_PRIMARY", []string{"election_id { low: 1 }"}, codes.FailedPrecondition, spb.ModifyRPCErrorDetails_ELECTION_ID_IN_ALL_PRIMARY},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, r)
			for _, m := range c.send {
				s.send(m)
			}
			s.ends(c.code, c.reason)
		})
	}
	t.Run("gribi:GR3 silence", func(t *testing.T) {
		s := open(t, r)
		if err := s.st.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if m, err := s.st.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("%v, %v", m, err)
		}
	})
	t.Run("gribi:GR10 parameters of others", func(t *testing.T) {
		a := primary(t, r, ribAck, id(0, 5))
		b := open(t, r)
		b.send(fibAck)
		b.ends(codes.FailedPrecondition, spb.ModifyRPCErrorDetails_PARAMS_DIFFER_FROM_OTHER_CLIENTS)
		// gribi:GR13: once the last one has left, another mode may begin, at once.
		a.cancel()
		primary(t, r, fibAck, id(0, 6))
	})
}

// TestElection: who may write.
func TestElection(t *testing.T) {
	r, _ := newDevice(t)
	a := primary(t, r, ribAck, id(1, 5))
	a.want(spb.AFTResult_RIB_PROGRAMMED, "", chain())
	t.Run("gribi:GR21 128 bits, gribi:GR26 a lower id", func(t *testing.T) {
		b := open(t, r)
		b.send(ribAck)
		b.recv()
		b.elect(id(0, 9), id(1, 5))
		b.want(spb.AFTResult_FAILED, "not the highest", chain())
		b.elect(id(0, 1), id(1, 5)) // gribi:GR28
	})
	a.want(spb.AFTResult_RIB_PROGRAMMED, "", route1)
	t.Run("gribi:GR29 ids of operations", func(t *testing.T) {
		a.want(spb.AFTResult_FAILED, "not the one that the client sent last", `operation { id: 9 op: ADD election_id { high: 1 low: 6 } next_hop { index: 1 } }`)
		m := a.text(route1)
		m.Operation[0].ElectionId = nil
		if err := a.st.Send(m); err != nil {
			t.Fatal(err)
		}
		if got := a.recv().GetResult()[0]; got.GetStatus() != spb.AFTResult_FAILED {
			t.Errorf("an operation without id: %v", got)
		}
	})
	c := open(t, r)
	c.send(ribAck)
	c.recv()
	c.want(spb.AFTResult_FAILED, "has sent no election id", `operation { id: 9 op: ADD election_id { high: 1 low: 5 } next_hop { index: 1 } }`)
	t.Run("gribi:GR25 equal ids: the newer stream", func(t *testing.T) {
		c.elect(id(1, 5), id(1, 5))
		c.want(spb.AFTResult_RIB_PROGRAMMED, "", route1)
		a.want(spb.AFTResult_FAILED, "another client", route1)
	})
	t.Run("gribi:GR25 a higher id", func(t *testing.T) {
		a.elect(id(1, 6), id(1, 6))
		a.want(spb.AFTResult_RIB_PROGRAMMED, "", route1)
		c.want(spb.AFTResult_FAILED, "not the highest", route1)
	})
	t.Run("a primary that lowers its id", func(t *testing.T) {
		a.elect(id(1, 4), id(1, 6))
		a.want(spb.AFTResult_FAILED, "not the highest", route1)
	})
	t.Run("gribi:GR27 nobody is left, gribi:GR68 a restart", func(t *testing.T) {
		a.cancel()
		c.cancel()
		for range 2 {
			d := open(t, r)
			d.send(ribAck)
			d.recv()
			d.elect(id(0, 1), id(1, 6))
			d.elect(id(1, 6), id(1, 6))
			d.want(spb.AFTResult_RIB_PROGRAMMED, "", route1)
			d.cancel()
			r.Stop()
			r.Start()
		}
	})
}

// TestEntries: operations on entries, one stream that never ends (gribi:GR40).
func TestEntries(t *testing.T) {
	r, plane := newDevice(t)
	s := primary(t, r, fibAck, id(0, 1))
	s.want(spb.AFTResult_FIB_PROGRAMMED, "", chain())
	op := func(kind, entry string) string { return fmt.Sprintf("operation { id: 7 op: %s %s }", kind, entry) }
	failed, done := spb.AFTResult_FAILED, spb.AFTResult_FIB_PROGRAMMED
	for _, c := range []struct {
		name    string
		status  spb.AFTResult_Status
		problem string
		op      string
	}{
		{"gribi:GR31 ADD again", done, "", op("ADD", `ipv4 { prefix: "10.0.0.0/8" ipv4_entry { next_hop_group { value: 1 } entry_metadata { value: "meta" } } }`)},
		{"gribi:GR32 REPLACE", done, "", op("REPLACE", `next_hop { index: 1 next_hop { ip_address { value: "192.0.2.1" } interface_ref { interface { value: "p1" } } } }`)},
		{"gribi:GR32 REPLACE of nothing", failed, "REPLACE", op("REPLACE", `ipv4 { prefix: "11.0.0.0/8" ipv4_entry { next_hop_group { value: 1 } } }`)},
		{"gribi:GR33 DELETE of nothing, payload ignored", done, "", op("DELETE", `ipv4 { prefix: "11.0.0.0/8" ipv4_entry { next_hop_group { value: 9 } } }`)},
		{"gribi:GR34 DELETE of what is used", failed, "used by", op("DELETE", `next_hop { index: 1 }`)},
		{"gribi:GR35 INVALID", failed, "none of ADD", op("INVALID", `next_hop { index: 1 }`)},
		{"gribi:GR35 unknown operation", failed, "none of ADD", op("9", `next_hop { index: 1 }`)},
		{"gribi:GR36 unknown instance", failed, "not configured", `operation { id: 7 network_instance: "x" op: ADD next_hop { index: 1 } }`},
		{"gribi:GR37 no mask", failed, "ADDRESS/LENGTH", op("ADD", `ipv4 { prefix: "10.0.0.1" ipv4_entry { next_hop_group { value: 1 } } }`)},
		{"gribi:GR37 no prefix", failed, "ADDRESS/LENGTH", op("DELETE", `ipv6 { }`)},
		{"gribi:GR37 host bits", failed, "10.0.0.0/8 is meant", op("ADD", `ipv4 { prefix: "10.0.0.1/8" ipv4_entry { next_hop_group { value: 1 } } }`)},
		{"gribi:GR37 family", failed, "no IPv4 prefix", op("ADD", `ipv4 { prefix: "2001:db8::/32" ipv4_entry { next_hop_group { value: 1 } } }`)},
		{"gribi:GR37 group 0", failed, "group is missing", op("ADD", `ipv4 { prefix: "11.0.0.0/8" ipv4_entry { } }`)},
		{"gribi:GR37 next hop 0", failed, "index 0", op("ADD", `next_hop { next_hop { } }`)},
		{"gribi:GR37 empty group", failed, "no next hop", op("ADD", `next_hop_group { id: 5 next_hop_group { } }`)},
		{"gribi:GR44 forward reference", failed, "no next-hop group 9", op("ADD", `ipv4 { prefix: "11.0.0.0/8" ipv4_entry { next_hop_group { value: 9 } } }`)},
		{"gribi:GR45 a next hop that nobody uses", done, "", op("ADD", `next_hop { index: 5 next_hop { ip_address { value: "192.0.2.5" } interface_ref { interface { value: "p1" } } } }`)},
		{"gribi:GR20 a next hop that leads nowhere", done, "", op("ADD", `next_hop { index: 6 next_hop { ip_address { value: "203.0.113.5" } } }`)},
		{"gribi:GR49 weights", done, "", op("ADD", `next_hop_group { id: 5 next_hop_group { next_hop { index: 5 next_hop { weight { value: 3 } } } next_hop { index: 1 } } }`)},
		{"gribi:GR49 weight 0", failed, "weight 0", op("ADD", `next_hop_group { id: 5 next_hop_group { next_hop { index: 5 next_hop { weight { } } } } }`)},
		{"gribi:GR51 64-bit ids", done, "", op("ADD", `next_hop_group { id: 18446744073709551615 next_hop_group { next_hop { index: 5 } } }`)},
		{"gribi:GR51 another instance's group", done, "", `operation { id: 7 network_instance: "VRF-1" op: ADD ipv4 { prefix: "10.0.0.0/8" ipv4_entry { next_hop_group { value: 18446744073709551615 } next_hop_group_network_instance { value: "DEFAULT" } } } }`},
		{"gribi:GR50 MAC entries", failed, "MacEntry", op("ADD", `mac_entry { mac_address: "02:00:00:00:00:01" }`)},
		{"gribi:GR50 policy entries", failed, "PolicyForwardingEntry", op("ADD", `policy_forwarding_entry { index: 1 }`)},
		{"labels", failed, "Mpls", op("ADD", `mpls { label_uint64: 100 }`)},
		{"no entry", failed, "no entry", op("ADD", "")},
		{"gribi:GR48 MAC", done, "", op("ADD", `next_hop { index: 8 next_hop { mac_address { value: "02:00:00:00:00:01" } interface_ref { interface { value: "p1" } subinterface { value: 7 } } } }`)},
		{"gribi:GR48 bad address", failed, "no IP address", op("ADD", `next_hop { index: 8 next_hop { ip_address { value: "1.2.3" } } }`)},
		{"gribi:GR48 bad MAC", failed, "no MAC address", op("ADD", `next_hop { index: 8 next_hop { mac_address { value: "1" } } }`)},
		{"gribi:GR48 multicast MAC", failed, "station", op("ADD", `next_hop { index: 8 next_hop { mac_address { value: "01:00:5e:00:00:01" } } }`)},
		{"gribi:GR48 subinterface", failed, "4096", op("ADD", `next_hop { index: 8 next_hop { interface_ref { interface { value: "p1" } subinterface { value: 4096 } } } }`)},
		{"gribi:GR19 encapsulation", spb.AFTResult_FIB_FAILED, "ip_in_ip", op("ADD", `next_hop { index: 9 next_hop { ip_in_ip { dst_ip { value: "192.0.2.9" } } } }`)},
		{"decapsulation", failed, "decapsulate_header", op("ADD", `ipv4 { prefix: "12.0.0.0/8" ipv4_entry { next_hop_group { value: 1 } decapsulate_header: OPENCONFIGAFTTYPESENCAPSULATIONHEADERTYPE_GRE } }`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			s.want(c.status, c.problem, c.op)
		})
	}
	s.t = t
	t.Run("gribi:GR19 the datapath is full", func(t *testing.T) {
		s.t = t
		plane.FailOp = func(dataplane.Op) error { return dataplane.ErrFull }
		s.want(spb.AFTResult_FIB_FAILED, "table full", op("ADD", `ipv4 { prefix: "13.0.0.0/8" ipv4_entry { next_hop_group { value: 1 } } }`))
		plane.FailOp = nil
		if e := find(get(t, r, `name: "DEFAULT" aft: IPV4`), "13.0.0.0/8"); e == nil || e.GetFibStatus() != spb.AFTEntry_NOT_PROGRAMMED || e.GetRibStatus() != spb.AFTEntry_PROGRAMMED {
			t.Errorf("gribi:GR58: %v", e)
		}
	})
	t.Run("gribi:GR41 others hear nothing", func(t *testing.T) {
		s.t = t
		o := open(t, r)
		o.send(fibAck)
		o.recv()
		s.want(done, "", route1)
		o.elect(id(0, 1), id(0, 1)) // the first that it hears
	})
}

func find(es []*spb.AFTEntry, prefix string) *spb.AFTEntry {
	for _, e := range es {
		if e.GetIpv4().GetPrefix() == prefix || e.GetIpv6().GetPrefix() == prefix {
			return e
		}
	}
	return nil
}

func tryGet(t *testing.T, r *gribitest.Rig, req string) ([]*spb.AFTEntry, error) {
	t.Helper()
	m := &spb.GetRequest{}
	if err := prototext.Unmarshal([]byte(req), m); err != nil {
		t.Fatal(err)
	}
	st, err := r.GRIBI.Get(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	var out []*spb.AFTEntry
	for {
		g, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, g.GetEntry()...)
	}
}

func get(t *testing.T, r *gribitest.Rig, req string) []*spb.AFTEntry {
	t.Helper()
	out, err := tryGet(t, r, req)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGet(t *testing.T) {
	r, _ := newDevice(t)
	s := primary(t, r, fibAck, id(0, 1))
	s.want(spb.AFTResult_FIB_PROGRAMMED, "", chain())
	s.want(spb.AFTResult_FIB_PROGRAMMED, "", `operation { id: 7 network_instance: "VRF-1" op: ADD ipv4 { prefix: "10.0.0.0/8" ipv4_entry { next_hop_group { value: 1 } next_hop_group_network_instance { value: "DEFAULT" } } } }`)
	for _, c := range []struct {
		name, req string
		n         int
		code      codes.Code
	}{
		{"gribi:GR54 all types", `name: "DEFAULT" aft: ALL`, 4, codes.OK},
		{"gribi:GR55 all instances", `all { } aft: ALL`, 5, codes.OK},
		{"gribi:GR55 no instance", `aft: ALL`, 0, codes.InvalidArgument},
		{"gribi:GR55 empty name", `name: "" aft: ALL`, 0, codes.InvalidArgument},
		{"gribi:GR56 IPv4", `all { } aft: IPV4`, 2, codes.OK},
		{"gribi:GR56 IPv6", `all { } aft: IPV6`, 1, codes.OK},
		{"gribi:GR56 next hops", `all { } aft: NEXTHOP`, 1, codes.OK},
		{"gribi:GR56 groups", `all { } aft: NEXTHOP_GROUP`, 1, codes.OK},
		{"gribi:GR56 none", `all { }`, 0, codes.InvalidArgument},
		{"gribi:GR56 unknown", `all { } aft: 99`, 0, codes.InvalidArgument},
		{"gribi:GR56 MPLS", `all { } aft: MPLS`, 0, codes.Unimplemented},
		{"gribi:GR50 MAC", `all { } aft: MAC`, 0, codes.Unimplemented},
		{"gribi:GR50 policy", `all { } aft: POLICY_FORWARDING`, 0, codes.Unimplemented},
		{"gribi:GR57 unknown instance", `name: "x" aft: ALL`, 0, codes.NotFound},
		{"gribi:GR57 nothing there", `name: "VRF-1" aft: IPV6`, 0, codes.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := tryGet(t, r, c.req)
			if status.Code(err) != c.code || len(got) != c.n {
				t.Errorf("%d entries, %v; want %d, %v", len(got), err, c.n, c.code)
			}
		})
	}
	want := &spb.AFTEntry{NetworkInstance: "DEFAULT", RibStatus: spb.AFTEntry_PROGRAMMED, FibStatus: spb.AFTEntry_PROGRAMMED,
		Entry: &spb.AFTEntry_Ipv4{Ipv4: &aftpb.Afts_Ipv4EntryKey{Prefix: "10.0.0.0/8", Ipv4Entry: &aftpb.Afts_Ipv4Entry{
			NextHopGroup: &ywrapper.UintValue{Value: 1}, EntryMetadata: &ywrapper.BytesValue{Value: []byte("meta")}}}}}
	if got := find(get(t, r, `name: "DEFAULT" aft: IPV4`), "10.0.0.0/8"); !proto.Equal(got, want) {
		t.Errorf("gribi:GR46, gribi:GR58: %v, want %v", got, want)
	}
	s.want(spb.AFTResult_FIB_PROGRAMMED, "", `operation { id: 7 op: ADD next_hop_group { id: 2 next_hop_group { color { value: 9 } backup_next_hop_group { value: 1 } next_hop { index: 1 next_hop { weight { value: 5 } } } } } }`)
	r.Stop()
	r.Start()
	for _, e := range get(t, r, `name: "DEFAULT" aft: NEXTHOP_GROUP`) {
		if g := e.GetNextHopGroup(); g.GetId() == 2 && (g.GetNextHopGroup().GetColor().GetValue() != 9 || g.GetNextHopGroup().GetBackupNextHopGroup().GetValue() != 1 ||
			g.GetNextHopGroup().GetNextHop()[0].GetNextHop().GetWeight().GetValue() != 5 || e.GetFibStatus() != spb.AFTEntry_PROGRAMMED) {
			t.Errorf("gribi:GR49, gribi:GR68: %v", e)
		}
	}
}

func TestFlush(t *testing.T) {
	r, _ := newDevice(t)
	s := primary(t, r, fibAck, id(1, 5))
	fill := func() {
		t.Helper()
		s.want(spb.AFTResult_FIB_PROGRAMMED, "", chain())
		s.want(spb.AFTResult_FIB_PROGRAMMED, "", `operation { id: 7 network_instance: "VRF-1" op: ADD ipv4 { prefix: "10.0.0.0/8" ipv4_entry { next_hop_group { value: 1 } next_hop_group_network_instance { value: "DEFAULT" } } } }`)
	}
	fill()
	flush := func(req string) (*spb.FlushResponse, error) {
		m := &spb.FlushRequest{}
		if err := prototext.Unmarshal([]byte(req), m); err != nil {
			t.Fatal(err)
		}
		return r.GRIBI.Flush(t.Context(), m)
	}
	for _, c := range []struct {
		name, req string
		code      codes.Code
		reason    spb.FlushResponseError_Reason
	}{
		{"gribi:GR61 no instance", "override { }", codes.InvalidArgument, spb.FlushResponseError_UNSPECIFIED_NETWORK_INSTANCE},
		{"gribi:GR61 empty name", `override { } name: ""`, codes.InvalidArgument, spb.FlushResponseError_INVALID_NETWORK_INSTANCE},
		{"gribi:GR61 unknown name", `override { } name: "x"`, codes.InvalidArgument, spb.FlushResponseError_NO_SUCH_NETWORK_INSTANCE},
		{"gribi:GR62 nothing about the election", "all { }", codes.FailedPrecondition, spb.FlushResponseError_UNSPECIFIED_ELECTION_BEHAVIOR},
		{"gribi:GR62 id 0", "id { } all { }", codes.InvalidArgument, spb.FlushResponseError_INVALID_ELECTION_ID},
		{"gribi:GR62 a low id", "id { low: 9 } all { }", codes.FailedPrecondition, spb.FlushResponseError_NOT_PRIMARY},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := flush(c.req)
			st := status.Convert(err)
			if st.Code() != c.code || len(st.Details()) != 1 {
				t.Fatalf("%v", err)
			}
			if d, ok := st.Details()[0].(*spb.FlushResponseError); !ok || d.GetStatus() != c.reason {
				t.Errorf("%v, want %v", st.Details(), c.reason)
			}
			if n := len(get(t, r, "all { } aft: ALL")); n != 5 {
				t.Errorf("%d entries are left of 5", n)
			}
		})
	}
	for _, c := range []struct {
		name, req string
		result    spb.FlushResponse_Result
		left      int
	}{
		{"gribi:GR60 used by another instance, gribi:GR64", `id { high: 1 low: 5 } name: "DEFAULT"`, spb.FlushResponse_NON_ZERO_REFERENCE_REMAIN, 3},
		{"gribi:GR62 a higher id", `id { high: 2 } name: "VRF-1"`, spb.FlushResponse_OK, 2},
		{"gribi:GR63 override", `override { } all { }`, spb.FlushResponse_OK, 0},
		{"gribi:GR64 nothing to do", `override { } all { }`, spb.FlushResponse_OK, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := flush(c.req)
			if err != nil || got.GetResult() != c.result || got.GetTimestamp() == 0 {
				t.Errorf("%v, %v", got, err)
			}
			if n := len(get(t, r, "all { } aft: ALL")); n != c.left {
				t.Errorf("%d entries are left, want %d", n, c.left)
			}
		})
	}
	fill()
	s.cancel()
	t.Run("gribi:GR63 no stream is open", func(t *testing.T) {
		if got, err := flush(`override { } all { }`); err != nil || got.GetResult() != spb.FlushResponse_OK {
			t.Errorf("%v, %v", got, err)
		}
	})
}
