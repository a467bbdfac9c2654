package access

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	gribi "github.com/openconfig/gribi/v1/proto/service"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func codeOf(err error) codes.Code { return status.Code(err) }

// TestMessageSize: a message over the limit is refused, one below is not.
func TestMessageSize(t *testing.T) {
	conf := defaults()
	conf.Limits.Message = 1 << 16
	r := newRig(t, conf, ViaInsecure)
	c := p4v1.NewP4RuntimeClient(r.dial(nil))
	_, err := c.Write(ctx(t), &p4v1.WriteRequest{Role: strings.Repeat("x", 1<<16)})
	wantError(t, err, codes.ResourceExhausted, "larger than max")
	_, err = c.Write(ctx(t), &p4v1.WriteRequest{Role: strings.Repeat("x", 1<<15)})
	wantError(t, err, codes.OK, "")
}

// TestBatch: a request with more changes than the limit is refused whole.
func TestBatch(t *testing.T) {
	conf := defaults()
	conf.Limits.Batch = 10
	r := newRig(t, conf, ViaInsecure)
	conn := r.dial(nil)
	c := p4v1.NewP4RuntimeClient(conn)
	_, err := c.Write(ctx(t), writeOf(11, ""))
	wantError(t, err, codes.ResourceExhausted, "11 changes in one request, the limit is 10 (limits: batch)")
	_, err = c.Write(ctx(t), writeOf(10, ""))
	wantError(t, err, codes.Unknown, "1 of the updates was refused")
	s, err := gribi.NewGRIBIClient(conn).Modify(ctx(t))
	check(t, err)
	m := &gribi.ModifyRequest{}
	for range 11 {
		m.Operation = append(m.Operation, &gribi.AFTOperation{Op: gribi.AFTOperation_ADD})
	}
	check(t, s.Send(m))
	_, err = s.Recv()
	wantError(t, err, codes.ResourceExhausted, "the limit is 10")
}

// TestRate: a client that writes more than it may hears when to try again;
// another one is not held up, and time gives the right back.
func TestRate(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	r := &rate{perSecond: 100, burst: 50, now: func() time.Time { return at }, buckets: map[string]*bucket{}}
	steps := []struct {
		advance time.Duration
		client  string
		n       int
		wait    time.Duration
	}{
		{0, "a", 30, 0}, {0, "a", 20, 0}, {0, "a", 1, 10 * time.Millisecond}, {0, "b", 50, 0},
		{20 * time.Millisecond, "a", 1, 0}, {0, "a", 1, 0}, {0, "a", 1, 10 * time.Millisecond},
		{time.Hour, "a", 1000, 0}, // a batch above the burst leaves a debt
		{0, "a", 1, 9510 * time.Millisecond}, {9 * time.Second, "a", 1, 510 * time.Millisecond}, {600 * time.Millisecond, "a", 1, 0},
		{0, "b", 0, 0},
	}
	for i, s := range steps {
		at = at.Add(s.advance)
		if got := r.take(s.client, s.n); got != s.wait {
			t.Errorf("step %d: wait %v, want %v", i, got, s.wait)
		}
	}
	for i := range 3 * maxBuckets {
		r.take(strings.Repeat("x", i%100)+string(rune(i)), 1)
	}
	if len(r.buckets) > maxBuckets {
		t.Errorf("%d clients are remembered", len(r.buckets))
	}
}

// TestRateOverTheWire: RESOURCE_EXHAUSTED with a RetryInfo; a gRIBI stream waits
// instead.
func TestRateOverTheWire(t *testing.T) {
	conf := defaults()
	conf.Limits.WriteRate, conf.Limits.WriteBurst = 200, 4
	r := newRig(t, conf, ViaInsecure)
	conn := r.dial(nil)
	c := p4v1.NewP4RuntimeClient(conn)
	_, err := c.Write(ctx(t), writeOf(100, ""))
	wantError(t, err, codes.Unknown, "1 of the updates was refused")
	_, err = c.Write(ctx(t), writeOf(1, ""))
	wantError(t, err, codes.ResourceExhausted, "writes more than 200 changes a second (limits: write-rate); try again in ")
	var retry *errdetails.RetryInfo
	for _, d := range status.Convert(err).Details() {
		if x, ok := d.(*errdetails.RetryInfo); ok {
			retry = x
		}
	}
	if d := retry.GetRetryDelay().AsDuration(); d <= 0 || d > 500*time.Millisecond {
		t.Errorf("retry after %v", d)
	}
	started := time.Now()
	s, err := gribi.NewGRIBIClient(conn).Modify(ctx(t))
	check(t, err)
	for range 3 {
		check(t, s.Send(&gribi.ModifyRequest{Operation: make([]*gribi.AFTOperation, 40)}))
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	// The debts of two messages of 40, at 200 a second.
	if d := time.Since(started); d < 300*time.Millisecond {
		t.Errorf("120 operations took %v", d)
	}
	if s := r.g.State(); s.Limited != 1 {
		t.Errorf("%+v", s)
	}
}

// TestConnections: connections over the limits are closed at once, and a place
// that is given back is free.
func TestConnections(t *testing.T) {
	for _, c := range []struct {
		name             string
		all, one, served int
	}{{"all", 3, 100, 3}, {"one address", 100, 2, 2}} {
		t.Run(c.name, func(t *testing.T) {
			conf := defaults()
			conf.Limits.Connections, conf.Limits.PerAddress = c.all, c.one
			r := newRig(t, conf, ViaInsecure)
			var open []net.Conn
			for range c.served {
				x, err := net.Dial("tcp", r.addr)
				check(t, err)
				defer x.Close()
				open = append(open, x)
			}
			eventually(t, "all are counted", func() bool { return r.g.State().Connections == c.served })
			x, err := net.Dial("tcp", r.addr)
			check(t, err)
			defer x.Close()
			check(t, x.SetDeadline(time.Now().Add(5*time.Second)))
			if n, err := x.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Error("it was not closed")
			}
			if s := r.g.State(); s.Full != 1 {
				t.Errorf("%+v", s)
			}
			check(t, open[0].Close())
			eventually(t, "its place is free", func() bool { return r.g.State().Connections == c.served-1 })
			wantError(t, r.status(nil), codes.OK, "")
		})
	}
}

// TestSlowHandshake: op:SP14: who does not get done with a handshake is closed.
func TestSlowHandshake(t *testing.T) {
	p := newPKI(t)
	conf := defaults()
	conf.TLS, conf.Limits.Handshake = p.config(), 100*time.Millisecond
	for name, first := range map[string][]byte{"nothing": nil, "half a record": {22, 3, 1, 2, 0, 1}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, conf, ViaTLS)
			c, err := net.Dial("tcp", r.addr)
			check(t, err)
			defer c.Close()
			_, err = c.Write(first)
			check(t, err)
			check(t, c.SetDeadline(time.Now().Add(5*time.Second)))
			var got bytes.Buffer
			if _, err := got.ReadFrom(c); err != nil {
				t.Errorf("it was not closed: %v", err)
			}
			eventually(t, "the place is free", func() bool { return r.g.State().Connections == 0 })
			if !strings.Contains(r.log.String(), "the handshake took too long") {
				t.Errorf("log: %s", r.log)
			}
		})
	}
}

// TestStreams: a connection has so many RPCs at a time; more wait.
func TestStreams(t *testing.T) {
	conf := defaults()
	conf.Limits.Streams = 2
	r := newRig(t, conf, ViaInsecure)
	c := p4v1.NewP4RuntimeClient(r.dial(nil))
	open := func() (p4v1.P4Runtime_StreamChannelClient, error) {
		s, err := c.StreamChannel(ctx(t))
		if err != nil {
			return nil, err
		}
		if err := s.Send(arbitrate("", 0)); err != nil {
			return nil, err
		}
		_, err = s.Recv()
		return s, err
	}
	first, err := open()
	check(t, err)
	_, err = open()
	check(t, err)
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = c.Write(short, writeOf(1, ""))
	wantError(t, err, codes.DeadlineExceeded, "")
	check(t, first.CloseSend())
	for err = nil; err == nil; {
		_, err = first.Recv()
	}
	_, err = c.Write(ctx(t), writeOf(1, ""))
	wantError(t, err, codes.OK, "")
}
