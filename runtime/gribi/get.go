package gribi

import (
	aftpb "github.com/openconfig/gribi/v1/proto/gribi_aft"
	spb "github.com/openconfig/gribi/v1/proto/service"
	"github.com/openconfig/ygot/proto/ywrapper"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/rib"
)

// entriesPerMessage bounds a GetResponse: clients accept 4 MiB.
const entriesPerMessage = 1024

// Get implements the RPC.
func (s *Server) Get(req *spb.GetRequest, stream spb.GRIBI_GetServer) error {
	q := rib.Query{GRIBI: true, NoHops: true}
	switch n := req.GetNetworkInstance().(type) {
	case *spb.GetRequest_All:
	case *spb.GetRequest_Name:
		if n.Name == "" {
			return status.Error(codes.InvalidArgument, "get: the name of the network instance is empty")
		}
		q.Instance = n.Name
	default:
		return status.Error(codes.InvalidArgument, "get: the network instance is missing: name one, or all")
	}
	switch t := req.GetAft(); t {
	case spb.AFTType_ALL:
		q.Routes, q.V4, q.V6, q.Groups, q.Hops = true, true, true, true, true
	case spb.AFTType_IPV4:
		q.Routes, q.V4 = true, true
	case spb.AFTType_IPV6:
		q.Routes, q.V6 = true, true
	case spb.AFTType_NEXTHOP:
		q.Hops = true
	case spb.AFTType_NEXTHOP_GROUP:
		q.Groups = true
	case spb.AFTType_MPLS, spb.AFTType_MAC, spb.AFTType_POLICY_FORWARDING:
		return status.Errorf(codes.Unimplemented, "get: entries of type %s are not supported", t)
	default:
		return status.Errorf(codes.InvalidArgument, "get: AFT type %s is not valid", t)
	}
	v, err := s.rib.View(q)
	if err != nil {
		return status.Errorf(codes.NotFound, "get: %v", err)
	}
	r := &sender{stream: stream}
	for i := range v.Hops {
		e, err := hopEntry(&v.Hops[i])
		if err := r.add(e, err); err != nil {
			return err
		}
	}
	for i := range v.Groups {
		e, err := groupEntry(&v.Groups[i])
		if err := r.add(e, err); err != nil {
			return err
		}
	}
	for i := range v.Routes {
		if err := r.add(routeEntry(&v.Routes[i]), nil); err != nil {
			return err
		}
	}
	return r.flush()
}

type sender struct {
	stream spb.GRIBI_GetServer
	list   []*spb.AFTEntry
}

func (r *sender) add(e *spb.AFTEntry, err error) error {
	if err != nil {
		return status.Errorf(codes.Internal, "get: %v", err)
	}
	r.list = append(r.list, e)
	if len(r.list) < entriesPerMessage {
		return nil
	}
	return r.flush()
}

func (r *sender) flush() error {
	if len(r.list) == 0 {
		return nil
	}
	err := r.stream.Send(&spb.GetResponse{Entry: r.list})
	r.list = nil
	return err
}

func entry(instance string, st rib.State) *spb.AFTEntry {
	e := &spb.AFTEntry{NetworkInstance: instance, RibStatus: spb.AFTEntry_PROGRAMMED, FibStatus: spb.AFTEntry_NOT_PROGRAMMED}
	if st == rib.Programmed {
		e.FibStatus = spb.AFTEntry_PROGRAMMED
	}
	return e
}

func hopEntry(h *rib.HopView) (*spb.AFTEntry, error) {
	m := &aftpb.Afts_NextHop{}
	if err := proto.Unmarshal([]byte(h.Raw), m); err != nil {
		return nil, err
	}
	e := entry(h.Instance, h.State)
	e.Entry = &spb.AFTEntry_NextHop{NextHop: &aftpb.Afts_NextHopKey{Index: h.Index, NextHop: m}}
	return e, nil
}

func groupEntry(g *rib.GroupView) (*spb.AFTEntry, error) {
	m := &aftpb.Afts_NextHopGroup{}
	if err := proto.Unmarshal([]byte(g.Raw), m); err != nil {
		return nil, err
	}
	e := entry(g.Instance, g.State)
	e.Entry = &spb.AFTEntry_NextHopGroup{NextHopGroup: &aftpb.Afts_NextHopGroupKey{Id: g.ID, NextHopGroup: m}}
	return e, nil
}

func routeEntry(r *rib.RouteView) *spb.AFTEntry {
	e := entry(r.Instance, r.State)
	group := &ywrapper.UintValue{Value: r.Group.ID}
	var instance *ywrapper.StringValue
	if r.GroupInstanceNamed {
		instance = &ywrapper.StringValue{Value: r.Group.Instance}
	}
	var meta *ywrapper.BytesValue
	if r.Metadata != "" {
		meta = &ywrapper.BytesValue{Value: []byte(r.Metadata)}
	}
	if r.Prefix.Addr().Is4() {
		e.Entry = &spb.AFTEntry_Ipv4{Ipv4: &aftpb.Afts_Ipv4EntryKey{Prefix: r.Prefix.String(),
			Ipv4Entry: &aftpb.Afts_Ipv4Entry{NextHopGroup: group, NextHopGroupNetworkInstance: instance, EntryMetadata: meta}}}
	} else {
		e.Entry = &spb.AFTEntry_Ipv6{Ipv6: &aftpb.Afts_Ipv6EntryKey{Prefix: r.Prefix.String(),
			Ipv6Entry: &aftpb.Afts_Ipv6Entry{NextHopGroup: group, NextHopGroupNetworkInstance: instance, EntryMetadata: meta}}}
	}
	return e
}
