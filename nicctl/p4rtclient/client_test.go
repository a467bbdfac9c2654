package p4rtclient

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// device is a P4Runtime device with another controller: what arbitration looks
// like from nicctl.
type device struct {
	p4.UnimplementedP4RuntimeServer
	mu      sync.Mutex
	live    *p4.Uint128 // of the primary; nil = there is none
	highest *p4.Uint128 // ever
	race    bool        // another controller takes every place that nicctl wants
	asked   []string    // what nicctl sent
	left    chan struct{}

	write   error
	read    []*p4.Entity
	readErr error
	get     error
	gotID   []*p4.Uint128
}

func text(id *p4.Uint128) string {
	if id == nil {
		return "unset"
	}
	return fmt.Sprintf("%d:%d", id.High, id.Low)
}

func less(a, b *p4.Uint128) bool { return a.High < b.High || a.High == b.High && a.Low < b.Low }

func (d *device) StreamChannel(stream p4.P4Runtime_StreamChannelServer) error {
	defer close(d.left)
	for {
		m, err := stream.Recv()
		if err != nil {
			return nil
		}
		// What any stream may get at any time comes first.
		other := &p4.StreamMessageResponse{Update: &p4.StreamMessageResponse_Packet{Packet: &p4.PacketIn{}}}
		if err := stream.Send(other); err != nil {
			return err
		}
		a := d.arbitrate(m.GetArbitration())
		if err := stream.Send(&p4.StreamMessageResponse{Update: &p4.StreamMessageResponse_Arbitration{Arbitration: a}}); err != nil {
			return err
		}
	}
}

func (d *device) arbitrate(m *p4.MasterArbitrationUpdate) *p4.MasterArbitrationUpdate {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := m.GetElectionId()
	d.asked = append(d.asked, text(id))
	code := codes.AlreadyExists
	switch {
	case id != nil && d.race:
		d.highest = &p4.Uint128{High: id.High, Low: id.Low + 5}
		d.live = d.highest
	case id == nil && d.live == nil:
		code = codes.NotFound
	case id != nil && (d.highest == nil || !less(id, d.highest)):
		d.live, d.highest, code = id, id, codes.OK
	}
	return &p4.MasterArbitrationUpdate{DeviceId: m.GetDeviceId(), ElectionId: d.highest, Status: &rpcstatus.Status{Code: int32(code)}}
}

func (d *device) Write(_ context.Context, r *p4.WriteRequest) (*p4.WriteResponse, error) {
	d.gotID = append(d.gotID, r.GetElectionId())
	return &p4.WriteResponse{}, d.write
}

func (d *device) SetForwardingPipelineConfig(_ context.Context, r *p4.SetForwardingPipelineConfigRequest) (*p4.SetForwardingPipelineConfigResponse, error) {
	d.gotID = append(d.gotID, r.GetElectionId())
	return &p4.SetForwardingPipelineConfigResponse{}, d.write
}

func (d *device) Read(_ *p4.ReadRequest, stream p4.P4Runtime_ReadServer) error {
	for _, e := range d.read {
		if err := stream.Send(&p4.ReadResponse{Entities: []*p4.Entity{e}}); err != nil {
			return err
		}
	}
	return d.readErr
}

func (d *device) GetForwardingPipelineConfig(context.Context, *p4.GetForwardingPipelineConfigRequest) (*p4.GetForwardingPipelineConfigResponse, error) {
	if d.get != nil {
		return nil, d.get
	}
	info := &p4config.P4Info{PkgInfo: &p4config.PkgInfo{Name: "router"}}
	return &p4.GetForwardingPipelineConfigResponse{Config: &p4.ForwardingPipelineConfig{P4Info: info}}, nil
}

// serve runs d on a unix socket and connects to it.
func serve(t *testing.T, d *device) *Client {
	t.Helper()
	d.left = make(chan struct{})
	dir, err := os.MkdirTemp("", "p4nic") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	p4.RegisterP4RuntimeServer(s, d)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	c, err := Dial(socket, 1, Security{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMastership: D15.
func TestMastership(t *testing.T) {
	for _, c := range []struct {
		name          string
		live, highest *p4.Uint128
		race          bool
		takeover      bool
		asked         string // what nicctl sends
		want          string // the error; "" = primary
	}{
		{name: "nobody ever was", asked: "unset, 0:1"},
		{name: "a controller that is gone", highest: &p4.Uint128{High: 3, Low: 9}, asked: "unset, 3:9"},
		{name: "nobody, with --takeover", highest: &p4.Uint128{Low: 9}, takeover: true, asked: "unset, 0:9"},
		{name: "another primary", live: &p4.Uint128{Low: 100}, asked: "unset",
			want: "device 1 is controlled by a primary with election id 100; --takeover makes nicctl primary in its place"},
		{name: "another primary with a long id", live: &p4.Uint128{High: 7, Low: 100}, asked: "unset",
			want: "device 1 is controlled by a primary with election id 7:100; --takeover makes nicctl primary in its place"},
		{name: "taken over", live: &p4.Uint128{Low: 100}, takeover: true, asked: "unset, 0:101"},
		{name: "taken over, with carry", live: &p4.Uint128{High: 1, Low: math.MaxUint64}, takeover: true, asked: "unset, 2:0"},
		{name: "the largest id", live: &p4.Uint128{High: math.MaxUint64, Low: math.MaxUint64}, takeover: true, asked: "unset",
			want: "device 1: the primary has the largest election id there is, nobody can take over"},
		{name: "somebody is faster", live: &p4.Uint128{Low: 100}, race: true, takeover: true, asked: "unset, 0:101",
			want: "device 1: another controller became primary meanwhile (election id 106)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &device{live: c.live, highest: c.highest, race: c.race}
			if c.live != nil {
				d.highest = c.live
			}
			client := serve(t, d)
			err := client.BecomePrimary(t.Context(), c.takeover)
			if got := fmt.Sprint(err); c.want != "" && got != c.want || c.want == "" && err != nil {
				t.Errorf("got %v, want %q", err, c.want)
			}
			d.mu.Lock()
			if got := strings.Join(d.asked, ", "); got != c.asked {
				t.Errorf("nicctl sent %s, want %s", got, c.asked)
			}
			d.mu.Unlock()
			if c.want == "" {
				if err := client.BecomePrimary(t.Context(), c.takeover); err != nil { // once is enough
					t.Error(err)
				}
				if _, err := client.Write(t.Context(), nil); err != nil {
					t.Error(err)
				}
				if err := client.SetPipeline(t.Context(), p4.SetForwardingPipelineConfigRequest_VERIFY, nil, nil); err != nil {
					t.Error(err)
				}
				want := c.asked[strings.LastIndexByte(c.asked, ' ')+1:]
				for _, id := range d.gotID {
					if text(id) != want {
						t.Errorf("written with election id %s, want %s", text(id), want)
					}
				}
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
			select { // the place is free when Close returns
			case <-d.left:
			case <-time.After(10 * time.Second):
				t.Error("the stream is still there")
			}
		})
	}
}

// TestMastershipInterrupted: a stream that is given up does not stay.
func TestMastershipInterrupted(t *testing.T) {
	c := serve(t, &device{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.BecomePrimary(ctx, false); err == nil {
		t.Error("primary although the command was interrupted")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// detailed is an error with one detail an update.
func detailed(t *testing.T, code codes.Code, details ...*p4.Error) error {
	t.Helper()
	s := &rpcstatus.Status{Code: int32(code), Message: "some failed"}
	for _, d := range details {
		a, err := anypb.New(d)
		if err != nil {
			t.Fatal(err)
		}
		s.Details = append(s.Details, a)
	}
	return status.ErrorProto(s)
}

// TestWriteRefused: p4rt:E2: the updates that were refused, by index.
func TestWriteRefused(t *testing.T) {
	ok := &p4.Error{}
	full := &p4.Error{CanonicalCode: int32(codes.ResourceExhausted), Message: "table t is full"}
	updates := make([]*p4.Update, 2)
	for i := range updates {
		updates[i] = &p4.Update{}
	}
	for _, c := range []struct {
		name    string
		err     error
		refused string
		want    string
	}{
		{"all done", nil, "[]", "<nil>"},
		{"one refused", detailed(t, codes.Unknown, ok, full), "[table t is full (ResourceExhausted)]", "<nil>"},
		{"refused altogether", status.Error(codes.PermissionDenied, "not primary"), "[]", "not primary (PermissionDenied)"},
		{"details of another number", detailed(t, codes.Unknown, full), "[]", "some failed (Unknown)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := serve(t, &device{write: c.err})
			defer client.Close()
			refused, err := client.Write(t.Context(), updates)
			if fmt.Sprint(refused) != c.refused || fmt.Sprint(err) != c.want {
				t.Errorf("got %v, %v", refused, err)
			}
			for _, r := range refused {
				if r.Index != 1 {
					t.Errorf("index %d", r.Index)
				}
			}
		})
	}
}

func TestRead(t *testing.T) {
	entry := &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: &p4.TableEntry{TableId: 7}}}
	bad := &p4.Error{CanonicalCode: int32(codes.InvalidArgument), Message: "table 9 is unknown"}
	c := serve(t, &device{read: []*p4.Entity{entry, entry}, readErr: detailed(t, codes.Unknown, &p4.Error{}, bad)})
	defer c.Close()
	n := 0
	err := c.Read(t.Context(), nil, func(*p4.Entity) error { n++; return nil })
	if n != 2 || fmt.Sprint(err) != "table 9 is unknown (InvalidArgument)" {
		t.Errorf("%d entities, %v", n, err)
	}
	stop := errors.New("stop")
	if err := c.Read(t.Context(), nil, func(*p4.Entity) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// TestNoPipeline: p4rt:F11: other servers answer FAILED_PRECONDITION.
func TestNoPipeline(t *testing.T) {
	c := serve(t, &device{get: status.Error(codes.FailedPrecondition, "no config")})
	defer c.Close()
	if info, err := c.P4Info(t.Context()); info != nil || err != nil {
		t.Errorf("got %v, %v", info, err)
	}
	c = serve(t, &device{})
	defer c.Close()
	if info, err := c.P4Info(t.Context()); info.GetPkgInfo().GetName() != "router" || err != nil {
		t.Errorf("got %v, %v", info, err)
	}
}

// TestAddresses: D21 and what is no address.
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		address  string
		insecure bool
		want     string
	}{
		{"unix:///run/x.sock", false, ""},
		{"/run/x.sock", false, ""},
		{"127.0.0.1:9559", true, ""},
		{"[::1]:9559", true, ""},
		{"127.0.0.1:9559", false, ""},
		{"nicd", false, `address "nicd": unix:///PATH, HOST:PORT or p4rt://HOST:PORT is wanted`},
		{"nicd", true, `address "nicd": unix:///PATH, HOST:PORT or p4rt://HOST:PORT is wanted`},
		{"p4rt://192.0.2.1:50051", true, ""},
		{"p4rt://switch.example", true, ""},
		{"p4rt://[2001:db8::1]", true, ""},
		{"p4rt://[2001:db8::1]:9559", true, ""},
		{"p4rt://192.0.2.1:50051", false, ""},
		{"p4rt://", true, `address "p4rt://": unix:///PATH, HOST:PORT or p4rt://HOST:PORT is wanted`},
		{"p4rt://a/b", true, `address "p4rt://a/b": unix:///PATH, HOST:PORT or p4rt://HOST:PORT is wanted`},
		{"http://a:80", true, `address "http://a:80": unix:///PATH, HOST:PORT or p4rt://HOST:PORT is wanted`},
	} {
		client, err := Dial(c.address, 1, Security{Insecure: c.insecure})
		if got := fmt.Sprint(err); c.want != "" && got != c.want || c.want == "" && err != nil {
			t.Errorf("%s: got %v, want %q", c.address, err, c.want)
		}
		if err == nil {
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestNobodyAnswers: the system's reason, not gRPC's.
func TestNobodyAnswers(t *testing.T) {
	dir, err := os.MkdirTemp("", "p4nic")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ address, want string }{
		{"unix://" + dir + "/s", "no nicd answers at unix://" + dir + "/s (no such file or directory): is it running?"},
		{closed, "no nicd answers at " + closed + " (connection refused): is it running?"},
	} {
		client, err := Dial(c.address, 1, Security{Insecure: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Capabilities(t.Context()); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
		if err := client.BecomePrimary(t.Context(), false); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	c := &Client{Address: "x"}
	for _, e := range []struct {
		err  error
		want string
	}{
		{nil, "<nil>"},
		{errors.New("plain"), "plain"},
		{status.Error(codes.DeadlineExceeded, "context deadline exceeded"), "x did not answer in time (--timeout)"},
		{status.Error(codes.Unimplemented, "unknown service"), "x does not offer this: unknown service"},
		{status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial unix /s: connect: permission denied"`),
			"x: permission denied: the socket is for the user who runs nicd alone"},
		{status.Error(codes.Unavailable, "the device is starting"), "the connection to x failed: the device is starting"},
		{status.Error(codes.NotFound, "device 2 is unknown"), "device 2 is unknown (NotFound)"},
	} {
		if got := fmt.Sprint(c.Explain(e.err)); got != e.want {
			t.Errorf("got %s, want %s", got, e.want)
		}
	}
}
