package gribi

import (
	"context"
	"errors"

	spb "github.com/openconfig/gribi/v1/proto/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/rib"
)

// Flush implements the RPC.
func (s *Server) Flush(_ context.Context, req *spb.FlushRequest) (*spb.FlushResponse, error) {
	name := ""
	switch n := req.GetNetworkInstance().(type) {
	case *spb.FlushRequest_All:
	case *spb.FlushRequest_Name:
		if n.Name == "" {
			return nil, flushError(codes.InvalidArgument, spb.FlushResponseError_INVALID_NETWORK_INSTANCE, "the name of the network instance is empty")
		}
		name = n.Name
	default:
		return nil, flushError(codes.InvalidArgument, spb.FlushResponseError_UNSPECIFIED_NETWORK_INSTANCE, "the network instance is missing: name one, or all")
	}
	s.election.RLock()
	defer s.election.RUnlock()
	switch e := req.GetElection().(type) {
	case *spb.FlushRequest_Override:
	case *spb.FlushRequest_Id:
		id := electionOf(e.Id)
		switch {
		case id == rib.Election{}:
			return nil, flushError(codes.InvalidArgument, spb.FlushResponseError_INVALID_ELECTION_ID, "election id 0 is not valid")
		case id.Compare(s.highest) < 0:
			return nil, flushError(codes.FailedPrecondition, spb.FlushResponseError_NOT_PRIMARY, "the election id is below the highest, high %d low %d", s.highest.High, s.highest.Low)
		}
	default:
		return nil, flushError(codes.FailedPrecondition, spb.FlushResponseError_UNSPECIFIED_ELECTION_BEHAVIOR, "SINGLE_PRIMARY needs an election id or override")
	}
	kept, err := s.rib.FlushGRIBI(name)
	var missing *rib.NotFoundError
	switch {
	case errors.As(err, &missing):
		return nil, flushError(codes.InvalidArgument, spb.FlushResponseError_NO_SUCH_NETWORK_INSTANCE, "%v", err)
	case err != nil:
		return nil, status.Errorf(codes.Internal, "flush: %v", err)
	}
	r := &spb.FlushResponse{Timestamp: s.now().UnixNano(), Result: spb.FlushResponse_OK}
	if kept {
		r.Result = spb.FlushResponse_NON_ZERO_REFERENCE_REMAIN
	}
	return r, nil
}
