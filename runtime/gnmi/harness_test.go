package gnmi

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/p4nic/p4nic/internal/gnmipath"
	"github.com/p4nic/p4nic/runtime/telemetry/telemetrytest"
)

// rig is a server over a connection in memory.
type rig struct {
	*telemetrytest.Rig
	t      testing.TB
	server *Server
	client gpb.GNMIClient
	ctx    context.Context
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{Rig: telemetrytest.New(t), t: t}
	var err error
	r.server, err = NewServer(Options{Telemetry: r.Tel, Instances: r.RIB})
	r.check(err)
	l := bufconn.Listen(1 << 20)
	g := grpc.NewServer()
	r.server.Register(g)
	go func() { _ = g.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return l.Dial() }))
	r.check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r.ctx, r.client = ctx, gpb.NewGNMIClient(conn)
	t.Cleanup(func() {
		cancel()
		_ = conn.Close()
		r.server.Close()
		g.GracefulStop()
	})
	return r
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func path(t testing.TB, text string) *gpb.Path {
	t.Helper()
	p, err := gnmipath.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wantCode compares the code of an error and a part of its message.
func wantCode(t testing.TB, err error, code codes.Code, part string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), part) {
		t.Errorf("got %v, want %v with %q", err, code, part)
	}
}

// viewer is a Subscribe as text.
type viewer struct {
	r *rig
	c gpb.GNMI_SubscribeClient
	// last is the last response.
	last *gpb.SubscribeResponse
}

func (r *rig) subscribe(l *gpb.SubscriptionList) *viewer {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.ctx)
	r.t.Cleanup(cancel)
	c, err := r.client.Subscribe(ctx)
	r.check(err)
	r.check(c.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: l}}))
	return &viewer{r: r, c: c}
}

// next receives one response.
func (s *viewer) next() []string {
	s.r.t.Helper()
	var err error
	s.last, err = s.c.Recv()
	if err != nil {
		s.r.t.Fatalf("Recv: %v", err)
	}
	return show(s.last)
}

// end receives the error that ends the stream.
func (s *viewer) end() error {
	s.r.t.Helper()
	m, err := s.c.Recv()
	if err == nil {
		s.r.t.Fatalf("got %v, want the end", show(m))
	}
	return err
}

// toSync receives up to sync_response, which is left out.
func (s *viewer) toSync() []string {
	s.r.t.Helper()
	var out []string
	for {
		lines := s.next()
		if lines[0] == "sync" {
			return out
		}
		out = append(out, lines...)
	}
}

// want compares the next response.
func (s *viewer) want(lines ...string) {
	s.r.t.Helper()
	same(s.r.t, s.next(), lines...)
}

// same compares lines.
func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// show is a response as lines.
func show(m *gpb.SubscribeResponse) []string {
	if m.GetSyncResponse() {
		return []string{"sync"}
	}
	return showNotification(m.GetUpdate())
}

func showNotification(n *gpb.Notification) []string {
	var head []string
	if d := time.Unix(0, n.GetTimestamp()).Sub(telemetrytest.Start()); d != 0 {
		head = append(head, "+"+d.String())
	}
	if n.GetAtomic() {
		head = append(head, "atomic")
	}
	if t := n.GetPrefix().GetTarget(); t != "" {
		head = append(head, "target="+t)
	}
	if o := n.GetPrefix().GetOrigin(); o != "" {
		head = append(head, "origin="+o)
	}
	if len(n.GetPrefix().GetElem()) > 0 {
		head = append(head, "prefix="+gnmipath.Format(n.GetPrefix()))
	}
	var out []string
	if len(head) > 0 {
		out = append(out, "["+strings.Join(head, " ")+"]")
	}
	for _, d := range n.GetDelete() {
		out = append(out, "delete "+gnmipath.Format(d))
	}
	for _, u := range n.GetUpdate() {
		line := gnmipath.Format(u.GetPath()) + " = " + showValue(u.GetVal())
		if u.GetDuplicates() > 0 {
			line += fmt.Sprintf(" duplicates %d", u.GetDuplicates())
		}
		out = append(out, line)
	}
	return out
}

func showValue(v *gpb.TypedValue) string {
	switch x := v.GetValue().(type) {
	case *gpb.TypedValue_StringVal:
		return fmt.Sprintf("%q", x.StringVal)
	case *gpb.TypedValue_UintVal:
		return fmt.Sprintf("uint %d", x.UintVal)
	case *gpb.TypedValue_IntVal:
		return fmt.Sprintf("int %d", x.IntVal)
	case *gpb.TypedValue_BoolVal:
		return fmt.Sprint(x.BoolVal)
	case *gpb.TypedValue_DoubleVal:
		return fmt.Sprintf("double %v", x.DoubleVal)
	case *gpb.TypedValue_BytesVal:
		return fmt.Sprintf("bytes %q", x.BytesVal)
	case *gpb.TypedValue_JsonVal:
		return "json " + string(x.JsonVal)
	case *gpb.TypedValue_JsonIetfVal:
		return "ietf " + string(x.JsonIetfVal)
	case *gpb.TypedValue_LeaflistVal:
		var out []string
		for _, e := range x.LeaflistVal.GetElement() {
			out = append(out, showValue(e))
		}
		return "[" + strings.Join(out, " ") + "]"
	}
	return fmt.Sprintf("%T", v.GetValue())
}

func sub(t testing.TB, p string, mode gpb.SubscriptionMode, interval time.Duration) *gpb.Subscription {
	return &gpb.Subscription{Path: path(t, p), Mode: mode, SampleInterval: uint64(interval)}
}

func proto(mode gpb.SubscriptionList_Mode, subs ...*gpb.Subscription) *gpb.SubscriptionList {
	return &gpb.SubscriptionList{Mode: mode, Encoding: gpb.Encoding_PROTO, Subscription: subs}
}
