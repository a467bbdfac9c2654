// Package p4rtclient is nicctl's P4Runtime client: connections, mastership for
// the length of one command (D15), batches with readable errors, and entries by
// name.
//
// In: names and values as people write them. Out: P4Runtime requests.
// Must not import: runtime, compiler.
package p4rtclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// maxMessage is the largest message to accept: a Get carries a whole bundle.
const maxMessage = 256 << 20

// Client is a connection to one device.
type Client struct {
	Conn    *grpc.ClientConn
	P4RT    p4.P4RuntimeClient
	Device  uint64
	Address string
	stream  p4.P4Runtime_StreamChannelClient
	cancel  context.CancelFunc
	id      *p4.Uint128
}

// AddressError is an address that Dial refuses.
type AddressError struct{ Address, Reason string }

func (e *AddressError) Error() string { return fmt.Sprintf("address %q: %s", e.Address, e.Reason) }

// Dial prepares a connection to address: unix:///PATH, /PATH, or HOST:PORT, which
// has no certificate yet and so wants allowInsecure (D21). Errors are
// *AddressError; whether anybody answers shows with the first call.
func Dial(address string, device uint64, allowInsecure bool) (*Client, error) {
	target := address
	switch {
	case strings.HasPrefix(address, "/"):
		target = "unix://" + address
	case strings.HasPrefix(address, "unix:"):
	default:
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, &AddressError{address, "unix:///PATH or HOST:PORT is wanted"}
		}
		if !allowInsecure {
			return nil, &AddressError{address, "TCP has no certificate: add --insecure to talk to it in the clear"}
		}
		target = "passthrough:///" + address
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))
	if err != nil {
		return nil, &AddressError{address, err.Error()}
	}
	return &Client{Conn: conn, P4RT: p4.NewP4RuntimeClient(conn), Device: device, Address: address}, nil
}

// Close leaves the arbitration, if any, and closes the connection.
func (c *Client) Close() error {
	if c.stream != nil {
		_ = c.stream.CloseSend()
		for { // until the server has seen it, so that the primary's place is free
			if _, err := c.stream.Recv(); err != nil {
				break
			}
		}
		c.cancel()
	}
	return c.Conn.Close()
}

// BecomePrimary makes this client primary until Close. It never disturbs a live
// primary unless takeover is true.
func (c *Client) BecomePrimary(ctx context.Context, takeover bool) error {
	if c.stream != nil {
		return nil
	}
	// The stream lives until Close; ctx bounds the arbitration only.
	sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)()
	stream, err := c.P4RT.StreamChannel(sctx)
	if err != nil {
		cancel()
		return c.Explain(err)
	}
	fail := func(err error) error {
		cancel()
		return err
	}
	high, low, code, err := c.arbitrate(stream, nil)
	if err != nil {
		return fail(err)
	}
	switch codes.Code(code) {
	case codes.NotFound:
		if high == 0 && low == 0 {
			low = 1
		}
	case codes.AlreadyExists:
		if !takeover {
			return fail(&PrimaryError{Device: c.Device, High: high, Low: low})
		}
		if low++; low == 0 {
			if high++; high == 0 {
				return fail(fmt.Errorf("device %d: the primary has the largest election id there is, nobody can take over", c.Device))
			}
		}
	}
	want := &p4.Uint128{High: high, Low: low}
	gotHigh, gotLow, code, err := c.arbitrate(stream, want)
	if err != nil {
		return fail(err)
	}
	if codes.Code(code) != codes.OK {
		return fail(&PrimaryError{Device: c.Device, High: gotHigh, Low: gotLow, Takeover: true})
	}
	c.stream, c.cancel, c.id = stream, cancel, want
	return nil
}

// arbitrate sends one update and waits for its answer.
func (c *Client) arbitrate(stream p4.P4Runtime_StreamChannelClient, id *p4.Uint128) (high, low uint64, code int32, err error) {
	req := &p4.StreamMessageRequest{Update: &p4.StreamMessageRequest_Arbitration{
		Arbitration: &p4.MasterArbitrationUpdate{DeviceId: c.Device, ElectionId: id},
	}}
	if err := stream.Send(req); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, 0, c.Explain(err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return 0, 0, 0, c.Explain(err)
		}
		if a := m.GetArbitration(); a != nil {
			return a.GetElectionId().GetHigh(), a.GetElectionId().GetLow(), a.GetStatus().GetCode(), nil
		}
	}
}

// Capabilities returns the P4Runtime version of the server.
func (c *Client) Capabilities(ctx context.Context) (string, error) {
	r, err := c.P4RT.Capabilities(ctx, &p4.CapabilitiesRequest{})
	if err != nil {
		return "", c.Explain(err)
	}
	return r.GetP4RuntimeApiVersion(), nil
}

// P4Info reads the running pipeline's P4Info; nil when none is loaded.
func (c *Client) P4Info(ctx context.Context) (*p4config.P4Info, error) {
	r, err := c.P4RT.GetForwardingPipelineConfig(ctx, &p4.GetForwardingPipelineConfigRequest{
		DeviceId:     c.Device,
		ResponseType: p4.GetForwardingPipelineConfigRequest_P4INFO_AND_COOKIE,
	})
	if status.Code(err) == codes.FailedPrecondition { // other servers (p4rt:F11)
		return nil, nil
	}
	if err != nil {
		return nil, c.Explain(err)
	}
	return r.GetConfig().GetP4Info(), nil
}

// SetPipeline sends a Set; the client must be primary for all but VERIFY.
func (c *Client) SetPipeline(ctx context.Context, action p4.SetForwardingPipelineConfigRequest_Action, info *p4config.P4Info, device []byte) error {
	_, err := c.P4RT.SetForwardingPipelineConfig(ctx, &p4.SetForwardingPipelineConfigRequest{
		DeviceId:   c.Device,
		ElectionId: c.id,
		Action:     action,
		Config:     &p4.ForwardingPipelineConfig{P4Info: info, P4DeviceConfig: device},
	})
	if err != nil {
		return c.Explain(err)
	}
	return nil
}

// Write sends one batch. Where updates are refused it returns them all.
func (c *Client) Write(ctx context.Context, updates []*p4.Update) ([]UpdateError, error) {
	_, err := c.P4RT.Write(ctx, &p4.WriteRequest{DeviceId: c.Device, ElectionId: c.id, Updates: updates})
	if err == nil {
		return nil, nil
	}
	s, _ := status.FromError(err)
	if s.Code() != codes.Unknown || len(s.Details()) != len(updates) {
		return nil, c.Explain(err)
	}
	var refused []UpdateError
	for i, d := range s.Details() {
		if e, ok := d.(*p4.Error); ok && e.GetCanonicalCode() != 0 {
			refused = append(refused, UpdateError{Index: i, Code: codes.Code(e.GetCanonicalCode()), Message: e.GetMessage()})
		}
	}
	return refused, nil
}

// Read calls each with every entity that the server returns.
func (c *Client) Read(ctx context.Context, entities []*p4.Entity, each func(*p4.Entity) error) error {
	stream, err := c.P4RT.Read(ctx, &p4.ReadRequest{DeviceId: c.Device, Entities: entities})
	if err != nil {
		return c.Explain(err)
	}
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return c.readError(err)
		}
		for _, e := range r.GetEntities() {
			if err := each(e); err != nil {
				return err
			}
		}
	}
}
