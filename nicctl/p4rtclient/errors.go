package p4rtclient

import (
	"fmt"
	"strings"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/internal/certs"
)

// PrimaryError says that another controller is primary (D15).
type PrimaryError struct {
	Device   uint64
	High     uint64
	Low      uint64
	Takeover bool // somebody else was faster
	Unnamed  bool // the device does not tell the primary's id
}

func (e *PrimaryError) Error() string {
	id := fmt.Sprintf("%d", e.Low)
	if e.High != 0 {
		id = fmt.Sprintf("%d:%d", e.High, e.Low)
	}
	if e.Unnamed {
		return fmt.Sprintf("device %d is controlled by a primary whose election id it does not tell; --takeover makes nicctl primary in its place", e.Device)
	}
	if e.Takeover {
		return fmt.Sprintf("device %d: another controller became primary meanwhile (election id %s)", e.Device, id)
	}
	return fmt.Sprintf("device %d is controlled by a primary with election id %s; --takeover makes nicctl primary in its place", e.Device, id)
}

// UpdateError is the refusal of one update of a batch.
type UpdateError struct {
	Index   int
	Code    codes.Code
	Message string
	Limit   *LimitError // the limit of the device that is the reason; nil = none is known
}

func (e UpdateError) Error() string {
	if e.Limit != nil {
		return e.Limit.Error()
	}
	return fmt.Sprintf("%s (%s)", e.Message, e.Code)
}

// Explain turns errors of calls on Conn into something an operator can act on.
func (c *Client) Explain(err error) error {
	s, ok := status.FromError(err)
	if !ok || err == nil {
		return err
	}
	switch s.Code() {
	case codes.Unavailable:
		return c.unavailable(s.Message())
	case codes.DeadlineExceeded:
		return fmt.Errorf("%s did not answer in time (--timeout)", c.Address)
	case codes.Unimplemented:
		return fmt.Errorf("%s does not offer this: %s", c.Address, s.Message())
	}
	return fmt.Errorf("%s (%s)", s.Message(), s.Code())
}

// unavailable says in the system's words why nobody answers; gRPC hides them in
// its own.
func (c *Client) unavailable(message string) error {
	if text := certs.Explain(message, c.secure); text != "" {
		return fmt.Errorf("%s: %s", c.Address, text)
	}
	reason := message
	if i := strings.LastIndex(message, "connect: "); i >= 0 {
		reason = strings.TrimRight(message[i+len("connect: "):], `"`)
	}
	switch reason {
	case "permission denied":
		return fmt.Errorf("%s: permission denied: the socket is for the user who runs nicd alone", c.Address)
	case "no such file or directory", "connection refused":
		return fmt.Errorf("no nicd answers at %s (%s): is it running?", c.Address, reason)
	}
	return fmt.Errorf("the connection to %s failed: %s", c.Address, reason)
}

// readError names the first request that a server refused (p4rt:E6).
func (c *Client) readError(err error) error {
	s, _ := status.FromError(err)
	for _, d := range s.Details() {
		if e, ok := d.(*p4.Error); ok && e.GetCanonicalCode() != 0 {
			return fmt.Errorf("%s (%s)", e.GetMessage(), codes.Code(e.GetCanonicalCode()))
		}
	}
	return c.Explain(err)
}
