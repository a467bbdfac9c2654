package access

import (
	"context"
	"errors"
	"time"

	gribi "github.com/openconfig/gribi/v1/proto/service"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// admit finds the client and the method of an RPC and refuses what cannot be
// allowed whatever its messages say.
func (g *Guard) admit(ctx context.Context, name string) (*Client, *method, error) {
	c, ok := clientOf(ctx)
	if !ok {
		return nil, nil, status.Error(codes.Internal, "a connection that came past the gate")
	}
	m := g.methods[name]
	switch {
	case m == nil:
		if !c.rights.full {
			g.counts.denied.Add(1)
			return nil, nil, status.Errorf(codes.PermissionDenied, "%s may not call %s: only clients with all rights may", c, name)
		}
		m = &method{open: true}
	case !m.open && !c.rights.may(m.needs...):
		return c, m, g.deny(c, name, &missing{m.needs[0], ""})
	}
	return c, m, nil
}

func (g *Guard) deny(c *Client, name string, x *missing) error {
	g.counts.denied.Add(1)
	return status.Errorf(codes.PermissionDenied, "%s may not call %s: the permission %s is missing%s", c, name, x.permission, x.scope)
}

// message checks one message of a client.
func (g *Guard) message(c *Client, name string, m *method, req any) error {
	if m.check == nil {
		return nil
	}
	if x := m.check(&c.rights, req); x != nil {
		return g.deny(c, name, x)
	}
	return nil
}

// limit checks batch and rate of a write.
func (g *Guard) limit(c *Client, changes int) error {
	if most := g.conf.Limits.Batch; changes > most {
		g.counts.limited.Add(1)
		return status.Errorf(codes.ResourceExhausted, "%d changes in one request, the limit is %d (limits: batch)", changes, most)
	}
	if wait := g.rate.take(c.bucket, changes); wait > 0 {
		g.counts.limited.Add(1)
		s := status.Newf(codes.ResourceExhausted, "%s writes more than %d changes a second (limits: write-rate); try again in %v",
			c, g.conf.Limits.WriteRate, wait.Round(time.Millisecond))
		if d, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)}); err == nil {
			s = d
		}
		return s.Err()
	}
	return nil
}

// unary is the interceptor of unary RPCs.
func (g *Guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	w, known := g.digests.take(req)
	c, m, err := g.admit(ctx, info.FullMethod)
	if c == nil {
		return nil, err
	}
	writes := m.writes != nil && m.writes(req)
	if err == nil {
		err = g.message(c, info.FullMethod, m, req)
	}
	if !writes {
		if err != nil {
			return nil, err
		}
		return handle(ctx, req)
	}
	what, changes := describe(req)
	r := record{client: c, rpc: info.FullMethod, what: what}
	if known {
		r.wire = w
	}
	if err == nil {
		err = g.limit(c, changes)
	}
	if err != nil {
		g.write(r, err)
		return nil, err
	}
	if err := g.reserve(); err != nil {
		return nil, err
	}
	defer g.release()
	out, err := handle(ctx, req)
	g.write(r, err)
	return out, err
}

// stream is the interceptor of streams.
func (g *Guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	c, m, err := g.admit(ss.Context(), info.FullMethod)
	if err != nil {
		if m != nil && m.writes != nil {
			g.write(record{client: c, rpc: info.FullMethod}, err)
		}
		return err
	}
	s := &guarded{ServerStream: ss, g: g, client: c, method: m, name: info.FullMethod}
	err = handle(srv, s)
	if refusal := s.ended(); refusal != nil {
		return refusal
	}
	return err
}

// guarded is a stream whose messages are checked. Receiving and sending are each
// of one goroutine at a time.
type guarded struct {
	grpc.ServerStream
	g      *Guard
	client *Client
	method *method
	name   string
	trail  trail
}

// RecvMsg implements grpc.ServerStream. A message that is refused ends the
// stream: the handler sees an error, and the client gets the refusal.
func (s *guarded) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	w, known := s.g.digests.take(m)
	err := s.g.message(s.client, s.name, s.method, m)
	writes := s.method.writes != nil && s.method.writes(m)
	if writes && err == nil {
		err = s.pace(m)
	}
	if writes && err == nil {
		err = s.g.room()
	}
	if writes {
		s.trail.add(m, w, known)
		if err != nil {
			s.g.write(s.trail.take(s.client, s.name), err)
		}
	}
	if err != nil {
		s.trail.refuse(err)
		return err
	}
	if arb, ok := m.(*p4v1.StreamMessageRequest); ok && writes && arb.GetArbitration() != nil {
		// Its result is a message to several streams: the attempt is recorded.
		s.g.write(s.trail.take(s.client, s.name), nil)
	}
	return nil
}

// pace holds a stream back that changes more than it may: flow control makes the
// client wait. A message over the batch limit is refused.
func (s *guarded) pace(m any) error {
	changes := 0
	if r, ok := m.(*gribi.ModifyRequest); ok {
		changes = len(r.GetOperation())
	}
	if most := s.g.conf.Limits.Batch; changes > most {
		return s.g.limit(s.client, changes)
	}
	for {
		wait := s.g.rate.take(s.client.bucket, changes)
		if wait == 0 {
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-s.Context().Done():
			t.Stop()
			return status.FromContextError(s.Context().Err()).Err()
		}
	}
}

// SendMsg implements grpc.ServerStream. Changes are recorded before the client
// hears of them.
func (s *guarded) SendMsg(m any) error {
	if !receives(&s.client.rights, m) {
		return nil
	}
	if r, ok := m.(*gribi.ModifyResponse); ok {
		failed := 0
		for _, x := range r.GetResult() {
			if x.GetStatus() == gribi.AFTResult_FAILED || x.GetStatus() == gribi.AFTResult_FIB_FAILED {
				failed++
			}
		}
		if s.trail.pending() || failed > 0 {
			x := s.trail.take(s.client, s.name)
			x.failed = failed
			s.g.write(x, nil)
		}
	}
	return s.ServerStream.SendMsg(m)
}

// ended records what is left and gives the refusal that ended the stream.
func (s *guarded) ended() error {
	if s.trail.pending() {
		s.g.write(s.trail.take(s.client, s.name), errUnanswered)
	}
	return s.trail.refusal()
}

// errUnanswered marks requests whose result the client was not told.
var errUnanswered = status.Error(codes.Unknown, "the stream ended before the result was told")

var errAudit = errors.New("the audit log cannot be written, and the configuration refuses writes then (audit: when-full)")
