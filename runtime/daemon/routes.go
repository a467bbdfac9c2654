package daemon

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/proto/routespb"
	"github.com/p4nic/p4nic/runtime/rib"
)

// routesService answers operators about routes (proto/routes.proto).
type routesService struct {
	routespb.UnimplementedRoutesServer
	rib *rib.RIB
}

func routesError(err error) error {
	var missing *rib.NotFoundError
	var configured *rib.ConfiguredError
	switch {
	case errors.As(err, &missing):
		return status.Error(codes.NotFound, err.Error())
	case errors.As(err, &configured):
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	return status.Error(codes.InvalidArgument, err.Error())
}

// Add implements the RPC.
func (s *routesService) Add(_ context.Context, req *routespb.AddRequest) (*routespb.AddResponse, error) {
	list := make([]rib.StaticRoute, len(req.GetRoutes()))
	for i, in := range req.GetRoutes() {
		var err error
		if list[i], err = staticRoute(in); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
	}
	problems, err := s.rib.AddStatic(list, req.GetDryRun())
	if err != nil {
		return nil, routesError(err)
	}
	out := &routespb.AddResponse{}
	for _, p := range problems {
		out.Failed = append(out.Failed, &routespb.Failure{Instance: p.Instance, Prefix: p.Prefix.String(), Message: p.Problem})
	}
	return out, nil
}

// Delete implements the RPC.
func (s *routesService) Delete(_ context.Context, req *routespb.DeleteRequest) (*routespb.DeleteResponse, error) {
	list := make([]rib.StaticKey, len(req.GetRoutes()))
	for i, in := range req.GetRoutes() {
		p, err := netip.ParsePrefix(in.GetPrefix())
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "prefix %q: ADDRESS/LENGTH is wanted", in.GetPrefix())
		}
		list[i] = rib.StaticKey{Instance: instanceName(in.GetInstance()), Prefix: p}
	}
	if err := s.rib.DeleteStatic(list, req.GetDryRun()); err != nil {
		return nil, routesError(err)
	}
	return &routespb.DeleteResponse{}, nil
}

// routesPerMessage bounds a ListResponse: clients accept 4 MiB.
const routesPerMessage = 1024

// List implements the RPC.
func (s *routesService) List(req *routespb.ListRequest, stream grpc.ServerStreamingServer[routespb.ListResponse]) error {
	v, err := s.rib.View(rib.Query{Instance: req.GetInstance(), Routes: true, V4: true, V6: true})
	if err != nil {
		return routesError(err)
	}
	list := slices.DeleteFunc(v.Routes, func(r rib.RouteView) bool { return req.GetSource() != "" && req.GetSource() != r.Source.String() })
	for len(list) > 0 {
		n := min(len(list), routesPerMessage)
		if err := stream.Send(&routespb.ListResponse{Routes: routeMessages(list[:n])}); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// Get implements the RPC.
func (s *routesService) Get(_ context.Context, req *routespb.GetRequest) (*routespb.GetResponse, error) {
	a, err := netip.ParseAddr(req.GetAddress())
	if err != nil || a.Zone() != "" {
		return nil, status.Errorf(codes.InvalidArgument, "address %q is no IP address", req.GetAddress())
	}
	list, err := s.rib.Covering(instanceName(req.GetInstance()), a)
	if err != nil {
		return nil, routesError(err)
	}
	return &routespb.GetResponse{Routes: routeMessages(list)}, nil
}

func routeMessages(list []rib.RouteView) []*routespb.Route {
	out := make([]*routespb.Route, len(list))
	for i := range list {
		out[i] = routeMessage(&list[i])
	}
	return out
}

func routeMessage(r *rib.RouteView) *routespb.Route {
	m := &routespb.Route{Instance: r.Instance, Prefix: r.Prefix.String(), Source: r.Source.String(), Preference: r.Preference, Best: r.Best,
		Problem: r.Problem, Group: r.Group.ID}
	switch {
	case !r.Best:
		m.Fib = "not best"
	case r.State == rib.Programmed:
		m.Fib = "programmed"
	case r.State == rib.Failed:
		m.Fib = "failed"
	default:
		m.Fib = "no table"
	}
	if r.Group.Instance != r.Instance {
		m.GroupInstance = r.Group.Instance
	}
	for _, h := range r.Hops {
		if h.State == rib.Programmed && h.Problem != "" && r.Best && r.State == rib.Programmed {
			if m.Problem != "" {
				m.Problem += "; "
			}
			m.Problem += "next hop " + h.Spec.String() + " leads nowhere: " + h.Problem
		}
		switch h.Spec.Kind {
		case rib.ToHost:
			m.Target = routespb.Target_HOST
			continue
		case rib.Discard:
			m.Target = routespb.Target_DROP
			continue
		}
		n := &routespb.NextHop{Interface: h.Spec.Interface, Vlan: h.Spec.VLAN, Weight: h.Weight}
		if h.Spec.Address.IsValid() {
			n.Address = h.Spec.Address.String()
		}
		if h.Spec.MAC != (rib.MAC{}) {
			n.Mac = h.Spec.MAC.String()
		}
		m.NextHops = append(m.NextHops, n)
	}
	slices.SortStableFunc(m.NextHops, func(a, b *routespb.NextHop) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Interface, b.Interface))
	})
	return m
}
