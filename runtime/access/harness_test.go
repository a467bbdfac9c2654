package access

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	gribi "github.com/openconfig/gribi/v1/proto/service"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/internal/auditlog"
	"github.com/p4nic/p4nic/internal/certs"
	"github.com/p4nic/p4nic/internal/p4wire"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

// fake answers every RPC; of Writes it refuses the second update.
type fake struct {
	p4v1.UnimplementedP4RuntimeServer
	nicdpb.UnimplementedNicdServer
}

func (*fake) Write(_ context.Context, r *p4v1.WriteRequest) (*p4v1.WriteResponse, error) {
	if len(r.GetUpdates()) < 2 {
		return &p4v1.WriteResponse{}, nil
	}
	s := status.New(codes.Unknown, "1 of the updates was refused")
	for i := range r.GetUpdates() {
		e := &p4v1.Error{}
		if i == 1 {
			e.CanonicalCode = int32(codes.NotFound)
		}
		s, _ = s.WithDetails(e)
	}
	return nil, s.Err()
}

// p4rtDesc is the service with a Write that takes bytes, as runtime/p4rt has it.
func p4rtDesc() *grpc.ServiceDesc {
	d := p4v1.P4Runtime_ServiceDesc
	d.Methods = slices.Clone(d.Methods)
	for i := range d.Methods {
		if d.Methods[i].MethodName != "Write" {
			continue
		}
		d.Methods[i].Handler = func(srv any, ctx context.Context, dec func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			in := new(p4wire.Write)
			if err := dec(in); err != nil {
				return nil, err
			}
			info := &grpc.UnaryServerInfo{Server: srv, FullMethod: p4v1.P4Runtime_Write_FullMethodName}
			return intercept(ctx, in, info, func(ctx context.Context, m any) (any, error) {
				r := &p4v1.WriteRequest{}
				if err := proto.Unmarshal(m.(*p4wire.Write).Bytes(), r); err != nil {
					return nil, err
				}
				return srv.(p4v1.P4RuntimeServer).Write(ctx, r)
			})
		}
	}
	return &d
}

func (*fake) Read(_ *p4v1.ReadRequest, s p4v1.P4Runtime_ReadServer) error {
	return s.Send(&p4v1.ReadResponse{})
}

// StreamChannel echoes arbitrations, and answers each with a packet.
func (*fake) StreamChannel(s p4v1.P4Runtime_StreamChannelServer) error {
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if a := m.GetArbitration(); a != nil {
			for _, out := range []*p4v1.StreamMessageResponse{
				{Update: &p4v1.StreamMessageResponse_Packet{Packet: &p4v1.PacketIn{Payload: []byte("secret")}}},
				{Update: &p4v1.StreamMessageResponse_Arbitration{Arbitration: a}},
			} {
				if err := s.Send(out); err != nil {
					return err
				}
			}
		}
	}
}

// fakeGNMI answers everything.
type fakeGNMI struct{ gpb.UnimplementedGNMIServer }

func (*fakeGNMI) Get(_ context.Context, r *gpb.GetRequest) (*gpb.GetResponse, error) {
	return &gpb.GetResponse{}, nil
}

func (*fakeGNMI) Set(_ context.Context, r *gpb.SetRequest) (*gpb.SetResponse, error) {
	return &gpb.SetResponse{}, nil
}

func (*fakeGNMI) Subscribe(s gpb.GNMI_SubscribeServer) error {
	if _, err := s.Recv(); err != nil {
		return err
	}
	return s.Send(&gpb.SubscribeResponse{})
}

func (*fake) Status(context.Context, *nicdpb.StatusRequest) (*nicdpb.StatusResponse, error) {
	return &nicdpb.StatusResponse{}, nil
}

// fakeGRIBI answers every operation.
type fakeGRIBI struct{ gribi.UnimplementedGRIBIServer }

func (*fakeGRIBI) Modify(s gribi.GRIBI_ModifyServer) error {
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		out := &gribi.ModifyResponse{ElectionId: m.GetElectionId()}
		for _, op := range m.GetOperation() {
			st := gribi.AFTResult_FIB_PROGRAMMED
			if op.GetOp() == gribi.AFTOperation_DELETE {
				st = gribi.AFTResult_FAILED
			}
			out.Result = append(out.Result, &gribi.AFTResult{Id: op.GetId(), Status: st})
		}
		if err := s.Send(out); err != nil {
			return err
		}
	}
}

// pki is an authority with its files.
type pki struct {
	t    *testing.T
	dir  string
	a    *certs.Authority
	pool *x509.CertPool
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a, ca, err := certs.NewAuthority("test", time.Now(), time.Hour)
	check(t, err)
	p.a = a
	check(t, certs.Write(p.dir, "ca", ca, false))
	p.pool.AppendCertsFromPEM(ca.Cert)
	p.server("localhost", "127.0.0.1")
	return p
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server puts a new certificate where nicd looks.
func (p *pki) server(names ...string) {
	p.t.Helper()
	pair, err := p.a.Issue(certs.Request{Use: certs.Server, Names: names, From: time.Now(), For: time.Hour})
	check(p.t, err)
	check(p.t, certs.Write(p.dir, "server", pair, true))
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

func (p *pki) config() TLSConfig {
	return TLSConfig{Cert: p.path("server.crt"), Key: p.path("server.key"), ClientCA: p.path("ca.crt"), MinVersion: "1.2"}
}

// client makes a client's certificate.
func (p *pki) client(names ...string) *tls.Certificate {
	return p.issue(certs.Request{Use: certs.Client, Names: names, From: time.Now(), For: time.Hour})
}

func (p *pki) issue(r certs.Request) *tls.Certificate {
	p.t.Helper()
	pair, err := p.a.Issue(r)
	check(p.t, err)
	c, err := tls.X509KeyPair(pair.Cert, pair.Key)
	check(p.t, err)
	return &c
}

// tls is a client's configuration; cert is nil for none.
func (p *pki) tls(cert *tls.Certificate) *tls.Config {
	c := &tls.Config{RootCAs: p.pool, ServerName: "localhost"}
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return c
}

type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rig is a gate with a server behind it.
type rig struct {
	t    *testing.T
	g    *Guard
	srv  *grpc.Server
	log  *logText
	addr string
	dir  string       // of the audit log
	full atomic.Bool  // its disk is; what was allocated can be written
	room atomic.Int64 // bytes that were
}

// disk is one that can be full.
func (r *rig) disk() auditlog.Disk {
	return auditlog.Disk{
		Write: func(f *os.File, b []byte, at int64) error {
			if r.full.Load() && at+int64(len(b)) > r.room.Load() {
				return unix.ENOSPC
			}
			_, err := f.WriteAt(b, at)
			return err
		},
		Allocate: func(_ *os.File, at, n int64) error {
			if r.full.Load() {
				return unix.ENOSPC
			}
			r.room.Store(at + n)
			return nil
		},
	}
}

func defaults() Config {
	return Config{TLS: TLSConfig{MinVersion: "1.2"},
		Limits: Limits{Message: 1 << 20, Connections: 100, PerAddress: 100, Streams: 100, Batch: 1000, Handshake: 5 * time.Second, Ping: time.Second},
		Audit:  Audit{On: true, MaxBytes: 1 << 20, Keep: 4, WhenFull: "refuse"}}
}

// newRig serves on a TCP address of loopback.
func newRig(t *testing.T, c Config, via Via) *rig {
	t.Helper()
	r := &rig{t: t, log: &logText{}, dir: filepath.Join(t.TempDir(), "audit")}
	c.Audit.Dir = r.dir
	var err error
	r.g, err = New(Options{Config: c, Version: "test", Log: slog.New(slog.NewTextHandler(r.log, nil)), Disk: r.disk()})
	check(t, err)
	r.srv = grpc.NewServer(r.g.ServerOptions()...)
	f := &fake{}
	r.srv.RegisterService(p4rtDesc(), f)
	gpb.RegisterGNMIServer(r.srv, &fakeGNMI{})
	gribi.RegisterGRIBIServer(r.srv, &fakeGRIBI{})
	nicdpb.RegisterNicdServer(r.srv, f)
	r.addr = r.serve("tcp", "127.0.0.1:0", via)
	t.Cleanup(func() {
		r.srv.Stop()
		if err := r.g.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) serve(network, address string, via Via) string {
	r.t.Helper()
	l, err := net.Listen(network, address)
	check(r.t, err)
	go func() { _ = r.srv.Serve(r.g.Listen(l, via)) }()
	return l.Addr().String()
}

// dial connects; conf is nil for TCP in the clear.
func (r *rig) dial(conf *tls.Config) *grpc.ClientConn {
	r.t.Helper()
	creds := insecure.NewCredentials()
	if conf != nil {
		creds = credentials.NewTLS(conf)
	}
	c, err := grpc.NewClient("passthrough:///"+r.addr, grpc.WithTransportCredentials(creds))
	check(r.t, err)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// dialTarget connects to a target of gRPC, in the clear.
func (r *rig) dialTarget(target string) *grpc.ClientConn {
	r.t.Helper()
	c, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(r.t, err)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return c
}

// wantError checks code and words of an error; code OK with "" means none.
func wantError(t *testing.T, err error, code codes.Code, words string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), words) {
		t.Errorf("got %v, want %v with %q", err, code, words)
	}
}

// records reads the audit log, which must be whole.
func (r *rig) records() []auditlog.Record {
	r.t.Helper()
	var out []auditlog.Record
	rep, err := auditlog.Verify(r.dir, "", func(x auditlog.Record) error { out = append(out, x); return nil })
	check(r.t, err)
	if len(rep.Faults) > 0 {
		r.t.Errorf("faults: %v", rep.Faults)
	}
	return out
}

// eventually waits for what another goroutine does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		<-tick.C
	}
}

func writeOf(n int, role string) *p4v1.WriteRequest {
	r := &p4v1.WriteRequest{DeviceId: 1, Role: role, ElectionId: &p4v1.Uint128{Low: 3}}
	for i := range n {
		r.Updates = append(r.Updates, &p4v1.Update{Type: p4v1.Update_Type(1 + i%3)})
	}
	return r
}
