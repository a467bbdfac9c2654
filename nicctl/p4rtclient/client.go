// Package p4rtclient is nicctl's P4Runtime client: connections, mastership for
// the length of one command (D15), batches with readable errors, and entries by
// name.
//
// In: names and values as people write them. Out: P4Runtime requests.
// Must not import: runtime, compiler.
package p4rtclient

import (
	"context"
	"fmt"
	"net"
	"strconv"
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
	secure  bool // speaks TLS
	stream  p4.P4Runtime_StreamChannelClient
	cancel  context.CancelFunc
	id      *p4.Uint128
	limits  []Limit
}

// AddressError is an address that Dial refuses.
type AddressError struct{ Address, Reason string }

func (e *AddressError) Error() string { return fmt.Sprintf("address %q: %s", e.Address, e.Reason) }

// Dial prepares a connection to address: unix:///PATH, /PATH, HOST:PORT or
// p4rt://HOST[:PORT]; TCP speaks TLS unless s says otherwise (D21). Errors are
// *AddressError or *SecurityError; whether anybody answers shows with the first
// call.
func Dial(address string, device uint64, s Security) (*Client, error) {
	target, secure := address, false
	if rest, ok := strings.CutPrefix(address, "p4rt://"); ok {
		if target = rest; !hasPort(rest) {
			target = net.JoinHostPort(strings.Trim(rest, "[]"), strconv.Itoa(defaultPort))
		}
	}
	switch {
	case strings.HasPrefix(address, "/"):
		target = "unix://" + address
	case strings.HasPrefix(address, "unix:"):
	default:
		if host, port, err := net.SplitHostPort(target); err != nil || host == "" || port == "" || strings.ContainsAny(target, "/ ") {
			return nil, &AddressError{address, "unix:///PATH, HOST:PORT or p4rt://HOST:PORT is wanted"}
		}
		target, secure = "passthrough:///"+target, !s.Insecure
	}
	creds := insecure.NewCredentials()
	if secure {
		var err error
		if creds, err = s.credentials(); err != nil {
			return nil, err
		}
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))
	if err != nil {
		return nil, &AddressError{address, err.Error()}
	}
	return &Client{Conn: conn, P4RT: p4.NewP4RuntimeClient(conn), Device: device, Address: address, secure: secure}, nil
}

// defaultPort is P4Runtime's, as IANA has it.
const defaultPort = 9559

func hasPort(hostport string) bool {
	_, port, err := net.SplitHostPort(hostport)
	return err == nil && port != ""
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

// Capabilities returns the P4Runtime version of the server, "" when it does not
// tell (p4rt:CP1).
func (c *Client) Capabilities(ctx context.Context) (string, error) {
	r, err := c.P4RT.Capabilities(ctx, &p4.CapabilitiesRequest{})
	if status.Code(err) == codes.Unimplemented {
		c.met(NoCapabilities)
		return "", nil
	}
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
