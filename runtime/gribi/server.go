// Package gribi is the gRIBI service: routes, next-hop groups and next hops of
// external controllers.
//
// In: gRPC streams. Out: operations for the RIB and their results. Served are
// the modes SINGLE_PRIMARY and PRESERVE with either acknowledgement; forward
// references are refused (gribi:GR44).
// Must not import: other adapters, store, engines.
//
// The files: server.go is the server and its clients; modify.go is one Modify
// stream; decode.go reads operations; get.go and flush.go are the other RPCs;
// errors.go makes the statuses that the specification asks for.
package gribi

import (
	"context"
	"log/slog"
	"sync"
	"time"

	spb "github.com/openconfig/gribi/v1/proto/service"
	"google.golang.org/grpc"

	"github.com/p4nic/p4nic/runtime/rib"
)

// Options of NewServer.
type Options struct {
	RIB *rib.RIB
	Log *slog.Logger     // nil = slog.Default
	Now func() time.Time // nil = time.Now
}

// Server is the service.
type Server struct {
	spb.UnimplementedGRIBIServer
	rib *rib.RIB
	log *slog.Logger
	now func() time.Time

	// election is held for reading while operations of a primary are made, so
	// that none of them is made after another client has won (gribi:GR30).
	election sync.RWMutex
	highest  rib.Election
	primary  *client

	mu      sync.Mutex
	clients map[*client]bool
	closed  chan struct{}
	once    sync.Once
}

// client is one Modify stream.
type client struct {
	ctx    context.Context
	params *params // nil until they are sent; under Server.mu
	// id is the election id that the client sent last; under Server.election.
	id rib.Election
	// began is true once any message came; of the stream's worker.
	began bool
}

// params are what a session asks for.
type params struct{ fibAck bool }

// NewServer makes the service. The highest election id is what the RIB
// remembers.
func NewServer(o Options) *Server {
	s := &Server{rib: o.RIB, log: o.Log, now: o.Now, highest: o.RIB.Elected(), clients: map[*client]bool{}, closed: make(chan struct{})}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Register adds the service to a gRPC server.
func (s *Server) Register(g grpc.ServiceRegistrar) { spb.RegisterGRIBIServer(g, s) }

// Close ends the streams, which would otherwise go on for ever.
func (s *Server) Close() { s.once.Do(func() { close(s.closed) }) }

func (s *Server) join(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c] = true
}

func (s *Server) leave(c *client) {
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
	s.election.Lock()
	defer s.election.Unlock()
	if s.primary == c {
		s.primary = nil // the highest id stays (gribi:GR27)
	}
}

// leaving is how long a session with other parameters may take to go, whose
// stream was closed a moment ago.
const leaving = 200 * time.Millisecond

// setParams gives the client its parameters when they are those of all others
// (gribi:GR10).
func (s *Server) setParams(c *client, p params) error {
	patience := time.NewTimer(leaving)
	defer patience.Stop()
	for {
		s.mu.Lock()
		var other *client
		for o := range s.clients {
			if o != c && o.params != nil && *o.params != p && o.ctx.Err() == nil {
				other = o
			}
		}
		if other == nil {
			c.params = &p
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-other.ctx.Done():
		case <-patience.C:
			return errParamsDiffer()
		}
	}
}

// elect notes an election id of a client and gives the highest.
func (s *Server) elect(c *client, id rib.Election) (rib.Election, error) {
	s.election.Lock()
	defer s.election.Unlock()
	c.id = id
	switch d := id.Compare(s.highest); {
	case d > 0:
		if err := s.rib.SetElected(id); err != nil {
			return rib.Election{}, err
		}
		s.highest, s.primary = id, c
	case d == 0:
		s.primary = c // with equal ids the newer stream wins (gribi:GR25)
	}
	return s.highest, nil
}
