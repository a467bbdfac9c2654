package access

import (
	"slices"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	gribi "github.com/openconfig/gribi/v1/proto/service"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/p4nic/p4nic/internal/gnmipath"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"uri:spiffe://example.org/a", "uri:spiffe://example.org/a", true},
		{"uri:spiffe://example.org/a", "uri:spiffe://example.org/a/b", false},
		{"uri:spiffe://example.org/a/*", "uri:spiffe://example.org/a/b", true},
		{"uri:spiffe://example.org/a/*", "uri:spiffe://example.org/a/b/c", true},
		{"uri:spiffe://example.org/a/*", "uri:spiffe://example.org/a/", false},
		{"uri:spiffe://example.org/a/*", "uri:spiffe://example.org/a", false},
		{"uri:spiffe://example.org/a/*", "uri:spiffe://example.org/ab", false},
		{"dns:*.example.org", "dns:a.example.org", true},
		{"dns:*.example.org", "dns:A.EXAMPLE.org", true},
		{"dns:*.example.org", "dns:a.b.example.org", false},
		{"dns:*.example.org", "dns:example.org", false},
		{"dns:*.example.org", "dns:.example.org", false},
		{"dns:*.example.org", "cn:a.example.org", false},
		{"dns:Host", "dns:host", true},
		{"cn:Ops", "cn:ops", false},
		{"*", "*", true},
		{"*", anonymous, false},
		{anonymous, anonymous, true},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%s %s: %v", c.pattern, c.name, got)
		}
	}
}

// TestIdentities: which names of a certificate count.
func TestIdentities(t *testing.T) {
	p := newPKI(t)
	for _, c := range []struct {
		names []string
		want  []string
	}{
		{[]string{"spiffe://example.org/a"}, []string{"uri:spiffe://example.org/a", "cn:spiffe://example.org/a", "*"}},
		{[]string{"spiffe://example.org/a", "spiffe://example.org/b"}, []string{"cn:spiffe://example.org/a", "*"}},
		{[]string{"h.example.org", "spiffe://example.org/a"}, []string{"uri:spiffe://example.org/a", "dns:h.example.org", "cn:h.example.org", "*"}},
	} {
		if got := identities(p.client(c.names...).Leaf); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q", c.names, got)
		}
	}
}

// TestCovers: which paths of gNMI a rule's path allows.
func TestCovers(t *testing.T) {
	for _, c := range []struct {
		allowed, prefix, path string
		want                  bool
	}{
		{"/interfaces", "/", "/interfaces", true},
		{"/interfaces", "/", "/interfaces/interface[name=a]/state", true},
		{"/interfaces", "/interfaces", "/interface[name=*]", true},
		{"/interfaces", "/", "/", false},
		{"/interfaces", "/", "/interfaces-extra", false},
		{"/interfaces", "/", "/*", false},
		{"/interfaces", "/", "/...", false},
		{"/interfaces", "/", "/openconfig-interfaces:interfaces", true},
		{"/a/b[name=x]", "/", "/a/b[name=x]/c", true},
		{"/a/b[name=x]", "/", "/a/b[m:name=x]/c", true},
		{"/a/b[name=x]", "/", "/a/b[name=y]", false},
		{"/a/b[name=x]", "/", "/a/b[name=*]", false},
		{"/a/b[name=x]", "/", "/a/b", false},
		{"/a/b[name=x]", "/", "/a", false},
		{"/a/b[name=*]", "/", "/a/b[name=y]", true},
		{"/a/b", "/", "/a/*", false},
		{"p4nic:/pipeline", "/", "/pipeline", false},
		{"p4nic:/pipeline", "/", "p4nic:/pipeline/tables", true},
		{"p4nic:/pipeline", "p4nic:/", "/pipeline/tables", true},
		{"/pipeline", "p4nic:/", "/pipeline/tables", true},
		{"/", "/", "/anything", true},
	} {
		parse := func(s string) *gpb.Path {
			p, err := gnmipath.Parse(s)
			check(t, err)
			return p
		}
		if got := covers(parse(c.allowed), parse(c.prefix), parse(c.path)); got != c.want {
			t.Errorf("%s covers %s %s: %v", c.allowed, c.prefix, c.path, got)
		}
	}
}

// call is one thing that a client tries.
type call struct {
	name  string
	needs Permission
	do    func(t *testing.T, c *grpc.ClientConn) error
}

func arbitrate(role string, id uint64) *p4v1.StreamMessageRequest {
	a := &p4v1.MasterArbitrationUpdate{DeviceId: 1}
	if role != "" {
		a.Role = &p4v1.Role{Name: role}
	}
	if id != 0 {
		a.ElectionId = &p4v1.Uint128{Low: id}
	}
	return &p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{Arbitration: a}}
}

// exchange sends messages on a StreamChannel and gives what comes until n
// answers are there.
func exchange(t *testing.T, c *grpc.ClientConn, n int, send ...*p4v1.StreamMessageRequest) ([]*p4v1.StreamMessageResponse, error) {
	t.Helper()
	s, err := p4v1.NewP4RuntimeClient(c).StreamChannel(ctx(t))
	check(t, err)
	for _, m := range send {
		if err := s.Send(m); err != nil {
			break // Recv says why
		}
	}
	var out []*p4v1.StreamMessageResponse
	for len(out) < n {
		m, err := s.Recv()
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
	check(t, s.CloseSend())
	return out, nil
}

func calls() []call {
	path := &gpb.Path{Elem: []*gpb.PathElem{{Name: "a"}}}
	return []call{
		{"Write", P4RTWrite, func(t *testing.T, c *grpc.ClientConn) error {
			_, err := p4v1.NewP4RuntimeClient(c).Write(ctx(t), writeOf(1, ""))
			return err
		}},
		{"Read", P4RTRead, func(t *testing.T, c *grpc.ClientConn) error {
			s, err := p4v1.NewP4RuntimeClient(c).Read(ctx(t), &p4v1.ReadRequest{DeviceId: 1})
			check(t, err)
			_, err = s.Recv()
			return err
		}},
		{"Set pipeline", P4RTPipeline, func(t *testing.T, c *grpc.ClientConn) error {
			_, err := p4v1.NewP4RuntimeClient(c).SetForwardingPipelineConfig(ctx(t), &p4v1.SetForwardingPipelineConfigRequest{DeviceId: 1})
			return err
		}},
		{"packet-out", P4RTPacket, func(t *testing.T, c *grpc.ClientConn) error {
			_, err := exchange(t, c, 2, arbitrate("", 0),
				&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Packet{Packet: &p4v1.PacketOut{}}}, arbitrate("", 0))
			return err
		}},
		{"gNMI Get", GNMIGet, func(t *testing.T, c *grpc.ClientConn) error {
			_, err := gpb.NewGNMIClient(c).Get(ctx(t), &gpb.GetRequest{Path: []*gpb.Path{path}})
			return err
		}},
		{"gNMI Set", GNMISet, func(t *testing.T, c *grpc.ClientConn) error {
			_, err := gpb.NewGNMIClient(c).Set(ctx(t), &gpb.SetRequest{Delete: []*gpb.Path{path}})
			return err
		}},
		{"gNMI Subscribe", GNMISubscribe, func(t *testing.T, c *grpc.ClientConn) error {
			s, err := gpb.NewGNMIClient(c).Subscribe(ctx(t))
			check(t, err)
			_ = s.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: &gpb.SubscriptionList{Subscription: []*gpb.Subscription{{Path: path}}}}})
			_, err = s.Recv()
			return err
		}},
		{"gRIBI Modify", GRIBIWrite, func(t *testing.T, c *grpc.ClientConn) error {
			s, err := gribi.NewGRIBIClient(c).Modify(ctx(t))
			check(t, err)
			_ = s.Send(&gribi.ModifyRequest{ElectionId: &gribi.Uint128{Low: 1}})
			_, err = s.Recv()
			return err
		}},
		{"Status", NicdRead, func(t *testing.T, c *grpc.ClientConn) error {
			_, err := nicdpb.NewNicdClient(c).Status(ctx(t), &nicdpb.StatusRequest{})
			return err
		}},
		{"Detach", NicdWrite, func(t *testing.T, c *grpc.ClientConn) error {
			_, err := nicdpb.NewNicdClient(c).Detach(ctx(t), &nicdpb.DetachRequest{})
			return err
		}},
	}
}

// TestPermissions: op:SP11: each RPC wants its permission, and no other will do.
func TestPermissions(t *testing.T) {
	p := newPKI(t)
	conf := defaults()
	conf.TLS = p.config()
	for _, perm := range Permissions() {
		conf.Rules = append(conf.Rules, Rule{Clients: []string{"cn:" + string(perm)}, Allow: []string{string(perm)}})
	}
	r := newRig(t, conf, ViaTLS)
	denied := uint64(0)
	for _, perm := range Permissions() {
		conn := r.dial(p.tls(p.client(string(perm))))
		for _, c := range calls() {
			err := c.do(t, conn)
			if c.needs == perm {
				if code := codeOf(err); code != codes.OK && code != codes.Unimplemented {
					t.Errorf("%s with %s: %v", c.name, perm, err)
				}
				continue
			}
			denied++
			wantError(t, err, codes.PermissionDenied, "client "+string(perm)+" may not call /")
			wantError(t, err, codes.PermissionDenied, "the permission ")
		}
	}
	if s := r.g.State(); s.Denied != denied {
		t.Errorf("%d denials are counted, %d were made", s.Denied, denied)
	}
	t.Run("no rule", func(t *testing.T) {
		conn := r.dial(p.tls(p.client("stranger")))
		for _, c := range calls() {
			wantError(t, c.do(t, conn), codes.PermissionDenied, "client stranger may not call")
		}
		_, err := p4v1.NewP4RuntimeClient(conn).Capabilities(ctx(t), &p4v1.CapabilitiesRequest{})
		wantError(t, err, codes.Unimplemented, "") // the fake has none: it came through
	})
	t.Run("an RPC that the table does not know", func(t *testing.T) {
		err := r.dial(p.tls(p.client("p4rt.read"))).Invoke(ctx(t), "/p4nic.v1.Unknown/Thing", &nicdpb.StatusRequest{}, &nicdpb.StatusResponse{})
		wantError(t, err, codes.Unimplemented, "")
	})
}

// TestRoles: permissions of P4Runtime may be for some roles.
func TestRoles(t *testing.T) {
	p := newPKI(t)
	conf := defaults()
	conf.TLS = p.config()
	conf.Rules = []Rule{
		{Clients: []string{"cn:c"}, Allow: []string{"p4rt.write", "p4rt.read"}, Roles: []string{"routing"}},
		{Clients: []string{"cn:c"}, Allow: []string{"p4rt.read"}, Roles: []string{""}},
	}
	r := newRig(t, conf, ViaTLS)
	conn := r.dial(p.tls(p.client("c")))
	client := p4v1.NewP4RuntimeClient(conn)
	write := func(req *p4v1.WriteRequest) error { _, err := client.Write(ctx(t), req); return err }
	wantError(t, write(writeOf(1, "routing")), codes.OK, "")
	wantError(t, write(writeOf(1, "")), codes.PermissionDenied, "the permission p4rt.write is missing for the default role")
	wantError(t, write(writeOf(1, "acl")), codes.PermissionDenied, `for role "acl"`)
	byNumber := writeOf(1, "")
	byNumber.RoleId = 7 //lint:ignore SA1019 older clients name roles by number
	wantError(t, write(byNumber), codes.PermissionDenied, `for role "7"`)
	for role, want := range map[string]codes.Code{"routing": codes.OK, "": codes.OK, "acl": codes.PermissionDenied} {
		s, err := client.Read(ctx(t), &p4v1.ReadRequest{DeviceId: 1, Role: role})
		check(t, err)
		_, err = s.Recv()
		wantError(t, err, want, "")
	}
	for _, c := range []struct {
		role string
		id   uint64
		want codes.Code
	}{{"routing", 1, codes.OK}, {"acl", 1, codes.PermissionDenied}, {"acl", 0, codes.OK}, {"", 1, codes.PermissionDenied}} {
		got, err := exchange(t, conn, 1, arbitrate(c.role, c.id))
		wantError(t, err, c.want, "")
		if err == nil && got[0].GetPacket() != nil {
			t.Error("a client without p4rt.packet got a packet")
		}
	}
}

// TestGNMIPaths: Get, Subscribe and Set may be for some paths.
func TestGNMIPaths(t *testing.T) {
	p := newPKI(t)
	conf := defaults()
	conf.TLS = p.config()
	conf.Rules = []Rule{{Clients: []string{"*"}, Allow: []string{"gnmi.*"}, GNMIRead: []string{"/a"}, GNMISet: []string{"/a/b[name=x]"}}}
	r := newRig(t, conf, ViaTLS)
	c := gpb.NewGNMIClient(r.dial(p.tls(p.client("c"))))
	at := func(s string) *gpb.Path {
		x, err := gnmipath.Parse(s)
		check(t, err)
		return x
	}
	get := func(paths ...*gpb.Path) error { _, err := c.Get(ctx(t), &gpb.GetRequest{Path: paths}); return err }
	set := func(s *gpb.SetRequest) error { _, err := c.Set(ctx(t), s); return err }
	update := func(p string) []*gpb.Update { return []*gpb.Update{{Path: at(p)}} }
	wantError(t, get(at("/a/z")), codes.OK, "")
	wantError(t, get(at("/a"), at("/b")), codes.PermissionDenied, "client c may not call /gnmi.gNMI/Get: the permission gnmi.get is missing for /b")
	wantError(t, get(), codes.PermissionDenied, "for /")
	wantError(t, set(&gpb.SetRequest{Update: update("/a/b[name=x]/c")}), codes.OK, "")
	for name, s := range map[string]*gpb.SetRequest{
		"update":        {Update: update("/a/b[name=y]")},
		"replace":       {Replace: update("/a")},
		"union replace": {UnionReplace: update("/a")},
		"delete":        {Delete: []*gpb.Path{at("/a/b[name=*]")}},
		"one of two":    {Delete: []*gpb.Path{at("/a/b[name=x]"), at("/c")}},
		"by the prefix": {Prefix: at("/z"), Update: update("/a/b[name=x]")},
		"none":          {},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, set(s), codes.PermissionDenied, "the permission gnmi.set is missing for ")
		})
	}
}
