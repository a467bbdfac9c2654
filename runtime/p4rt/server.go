// Package p4rt serves p4.v1.P4Runtime (version 1.5.0) from a store.
//
// In: RPCs. Out: entity.Updates for the store, and the store's snapshots as
// messages. Everything between the two is translation: arbitration alone has
// state here.
// Must not import: engines, other adapters.
//
// The files: server.go wires; arbitration.go and stream.go are StreamChannel,
// packetio.go and packetlayout.go its packets;
// config.go sets and gets pipelines, binding.go relates P4Info ids to the
// program, diff.go compares P4Infos; write.go, decode.go, wiredecode.go and counter.go write;
// digest.go and idle.go tell primaries what the pipeline tells;
// objects.go binds what is no table: replication.go has multicast groups and
// clone sessions, profile.go action profiles, meter.go, register.go, valueset.go
// and digestconfig.go what their names say, p4data.go their values;
// read.go and encode.go read, wire.go writes entries; errors.go words refusals.
//
// What is not supported is refused with UNIMPLEMENTED and named: VERIFY_AND_SAVE
// and COMMIT, DATAPLANE_ATOMIC, role configs, externs.
// docs/p4runtime.md lists choices where the specification leaves one.
package p4rt

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/store"
)

// APIVersion is what Capabilities answers (p4rt:CP1).
const APIVersion = "1.5.0"

// Loader reads a p4_device_config: the P4Info that belongs to it and the core
// program.
type Loader func(device []byte) (*p4configv1.P4Info, *ir.Program, error)

// Options of NewServer.
type Options struct {
	Store    *store.Store
	DeviceID uint64 // 0 means 1
	// AcceptDeviceZero takes device id 0 as an alias, for older clients (Q2).
	AcceptDeviceZero bool
	// MaxStreams bounds the clients of one role; 0 means 16 (p4rt:A4).
	MaxStreams int
	Load       Loader // nil = LoadBundle
	// Packets is the engine's CPU port; nil: packet-outs are refused.
	Packets dataplane.PacketIO
	Log     *slog.Logger
}

// Server implements the service.
type Server struct {
	p4v1.UnimplementedP4RuntimeServer
	opts    Options
	store   *store.Store
	log     *slog.Logger
	arbiter *arbiter
	setting sync.Mutex // one Set at a time
	bound   atomic.Pointer[binding]
	packets packetIO
	digests *digests
	idles   *idles
	tasks   sync.WaitGroup
	decoded sync.Pool // of *decoded
	quit    chan struct{}
	once    sync.Once
}

// NewServer makes a server for a store that was opened. It fails when the stored
// P4Info does not fit the stored program.
func NewServer(o Options) (*Server, error) {
	if o.Store == nil {
		return nil, errors.New("p4rt: Options.Store is missing")
	}
	if o.DeviceID == 0 {
		o.DeviceID = 1
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = 16
	}
	if o.Load == nil {
		o.Load = LoadBundle
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Server{opts: o, store: o.Store, log: o.Log, quit: make(chan struct{})}
	s.arbiter = newArbiter(o.MaxStreams, o.Store.Election, o.Store.SaveElection)
	if _, err := s.binding(o.Store.Pipeline()); err != nil {
		return nil, err
	}
	s.packets.plane = o.Packets
	s.connectPackets()
	s.listenToEvents()
	return s, nil
}

// listenToEvents takes what programs tell the control plane.
func (s *Server) listenToEvents() {
	s.digests, s.idles = newDigests(s), newIdles(s)
	e := s.store.Events()
	if e == nil {
		return
	}
	s.tasks.Go(func() { s.digests.run(s.quit) })
	s.tasks.Go(func() { s.idles.run(s.quit) })
	e.SetDigests(s.digests.receive)
	e.SetIdle(s.idles.receive)
}

// LoadBundle reads a .nicpkg.
func LoadBundle(device []byte) (*p4configv1.P4Info, *ir.Program, error) {
	b, err := bundle.Read(device)
	if err != nil {
		return nil, nil, err
	}
	return b.P4Info, b.Program, nil
}

// Register adds the service to a gRPC server made with ServerOptions.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	d := p4v1.P4Runtime_ServiceDesc
	d.Methods = slices.Clone(d.Methods)
	for i := range d.Methods {
		if d.Methods[i].MethodName == "Write" {
			d.Methods[i].Handler = writeHandler
		}
	}
	r.RegisterService(&d, s)
}

// Close ends all streams with UNAVAILABLE, so that a graceful stop of the gRPC
// server comes to its end, and gives the CPU port back.
func (s *Server) Close() {
	s.once.Do(func() {
		if e := s.store.Events(); e != nil {
			e.SetDigests(nil)
			e.SetIdle(nil)
		}
		close(s.quit)
		s.tasks.Wait()
		s.disconnectPackets()
	})
}

// maxReceive is what a Set with a large p4_device_config or a Write of millions
// of entries needs (p4rt:S4, Q7).
const maxReceive = 256 << 20

const (
	windowSize = 1 << 20
	bufferSize = 128 << 10
)

// ServerOptions are the gRPC options that P4Runtime clients rely on: large
// messages, and pings every second without a call (Q7, Q8).
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxReceive),
		// A batch of a thousand updates is over 64 KB: it must not wait for the
		// window of a connection that starts with that, nor be read in small pieces.
		grpc.InitialWindowSize(windowSize),
		grpc.InitialConnWindowSize(4 * windowSize),
		grpc.ReadBufferSize(bufferSize),
		grpc.WriteBufferSize(bufferSize),
		// Half of the second that the keenest known client waits between pings.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 500 * time.Millisecond, PermitWithoutStream: true}),
		// A client that vanished without a word must not stay primary (p4rt:A30).
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}),
	}
}

// device checks a request's device id (p4rt:S7, A32).
func (s *Server) device(id uint64) error {
	if id == s.opts.DeviceID || id == 0 && s.opts.AcceptDeviceZero {
		return nil
	}
	return status.Errorf(codes.NotFound, "device %d is unknown, this is device %d", id, s.opts.DeviceID)
}

// Capabilities implements the RPC (p4rt:CP1-CP4).
func (s *Server) Capabilities(_ context.Context, r *p4v1.CapabilitiesRequest) (*p4v1.CapabilitiesResponse, error) {
	if r.GetDeviceId() != 0 { // 0 asks for the server's
		if err := s.device(r.GetDeviceId()); err != nil {
			return nil, err
		}
	}
	return &p4v1.CapabilitiesResponse{P4RuntimeApiVersion: APIVersion}, nil
}
