// Package gnmi serves gnmi.gNMI (gNMI 0.10.0) from runtime/telemetry.
//
// In: RPCs. Out: telemetry's leaves as notifications, and changes of the few
// leaves that can be written. Everything between the two is translation; what is
// collected when, and how it is shared, is runtime/telemetry's.
// Must not import: engines, other adapters.
//
// The files: server.go wires; path.go reads paths; encode.go and tree.go write
// values; notify.go builds notifications; get.go, subscribe.go (requests),
// stream.go (STREAM) and set.go, config.go (Set) are the RPCs; extension.go the
// extensions. docs/gnmi-paths.md lists paths and choices.
package gnmi

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/rib"
	"github.com/p4nic/p4nic/runtime/telemetry"
)

// Version is the gNMI version that Capabilities answers: that of the
// specification whose behaviour the server has.
const Version = "0.10.0"

// Instances is the list of network instances that Set changes; *rib.RIB has it.
type Instances interface {
	Instances() []rib.InstanceConfig
	SetInstances([]rib.InstanceConfig) error
}

// Options of NewServer.
type Options struct {
	Telemetry *telemetry.Telemetry
	Instances Instances // nil: there are none
	// MinSample is the smallest sample_interval and the one that 0 means
	// (gnmi:GN31); 0 is 100 ms.
	MinSample time.Duration
	// Sample is the interval that TARGET_DEFINED uses for counters; 0 is 10 s.
	Sample time.Duration
	Log    *slog.Logger
}

// Server implements the service.
type Server struct {
	gpb.UnimplementedGNMIServer
	opts    Options
	tel     *telemetry.Telemetry
	hub     *telemetry.Hub
	clock   telemetry.Clock
	log     *slog.Logger
	setting sync.Mutex // one Set at a time
	masters masters
	tree    *schemaNode
	tails   tails
	quit    chan struct{}
	once    sync.Once
}

// NewServer makes a server.
func NewServer(o Options) (*Server, error) {
	if o.Telemetry == nil {
		return nil, errors.New("gnmi: Options.Telemetry is missing")
	}
	if o.MinSample <= 0 {
		o.MinSample = 100 * time.Millisecond
	}
	if o.Sample <= 0 {
		o.Sample = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Server{opts: o, tel: o.Telemetry, hub: o.Telemetry.Hub, clock: o.Telemetry.Hub.Clock(), log: o.Log,
		masters: masters{highest: map[string]electionID{}}, tree: schemaTree(o.Telemetry.Hub.Schema), tails: newTails(o.Telemetry.Hub.Schema), quit: make(chan struct{})}, nil
}

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) { gpb.RegisterGNMIServer(r, s) }

// Close ends all streams with UNAVAILABLE, so that a graceful stop of the gRPC
// server comes to its end.
func (s *Server) Close() { s.once.Do(func() { close(s.quit) }) }

// Capabilities implements the RPC (gnmi:GN11).
func (s *Server) Capabilities(_ context.Context, r *gpb.CapabilityRequest) (*gpb.CapabilityResponse, error) {
	if _, err := s.extensions(r.GetExtension(), nil); err != nil {
		return nil, err
	}
	out := &gpb.CapabilityResponse{GNMIVersion: Version,
		SupportedEncodings: []gpb.Encoding{gpb.Encoding_JSON, gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO}}
	for _, m := range s.hub.Schema.Models {
		out.SupportedModels = append(out.SupportedModels, &gpb.ModelData{Name: m.Name, Organization: m.Organization, Version: m.Version})
	}
	return out, nil
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

func unimplemented(format string, args ...any) error {
	return status.Errorf(codes.Unimplemented, format, args...)
}

// collectError words an error of a collector.
func collectError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return status.FromContextError(context.Canceled).Err()
	case errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(context.DeadlineExceeded).Err()
	}
	return status.Errorf(codes.Unavailable, "reading the device: %v", err)
}

// checkEncoding refuses what is not served (gnmi:GN7).
func checkEncoding(e gpb.Encoding) error {
	switch e {
	case gpb.Encoding_JSON, gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO:
		return nil
	}
	return unimplemented("encoding %v is not supported; there are JSON, JSON_IETF and PROTO", e)
}

// checkModels refuses use_models (gnmi:GN10).
func checkModels(m []*gpb.ModelData) error {
	if len(m) > 0 {
		return unimplemented("use_models is not supported: every model of Capabilities is always used")
	}
	return nil
}
