package access

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	gribi "github.com/openconfig/gribi/v1/proto/service"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/internal/gnmipath"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

// TestAudit: op:SP12: every write is one record: who, what, the digest of the
// bytes, the result. Reads are none.
func TestAudit(t *testing.T) {
	p := newPKI(t)
	conf := defaults()
	conf.TLS = p.config()
	conf.Rules = []Rule{{Clients: []string{"spiffe://example.org/c"}, Allow: []string{"p4rt.*", "gnmi.*", "gribi.*", "nicd.read"}}}
	r := newRig(t, conf, ViaTLS)
	conn := r.dial(p.tls(p.client("spiffe://example.org/c")))
	p4, gnmi, g := p4v1.NewP4RuntimeClient(conn), gpb.NewGNMIClient(conn), gribi.NewGRIBIClient(conn)
	path, err := gnmipath.Parse("/a/b[name=x]")
	check(t, err)

	write := writeOf(7, "routing")
	setReq := &gpb.SetRequest{Delete: []*gpb.Path{path}, Update: []*gpb.Update{{Path: path}, {Path: path}}}
	for _, do := range []func(){
		func() { _, _ = p4.Write(ctx(t), write) },
		func() { _, _ = p4.Capabilities(ctx(t), &p4v1.CapabilitiesRequest{}) },
		func() { _, _ = gnmi.Get(ctx(t), &gpb.GetRequest{}) },
		func() {
			_, _ = p4.SetForwardingPipelineConfig(ctx(t), &p4v1.SetForwardingPipelineConfigRequest{Action: p4v1.SetForwardingPipelineConfigRequest_VERIFY})
		},
		func() {
			_, _ = p4.SetForwardingPipelineConfig(ctx(t), &p4v1.SetForwardingPipelineConfigRequest{Action: p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT,
				Config: &p4v1.ForwardingPipelineConfig{P4DeviceConfig: []byte("abc")}})
		},
		func() { _, _ = gnmi.Set(ctx(t), setReq) },
		func() { _, _ = nicdpb.NewNicdClient(conn).Detach(ctx(t), &nicdpb.DetachRequest{}) },
		func() { _, _ = exchange(t, conn, 2, arbitrate("routing", 9)) },
		func() { _, _ = exchange(t, conn, 2, arbitrate("", 0)) },
	} {
		do()
	}
	modify, err := g.Modify(ctx(t))
	check(t, err)
	ask := func(m *gribi.ModifyRequest) {
		t.Helper()
		check(t, modify.Send(m))
		if _, err := modify.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	op := func(k gribi.AFTOperation_Operation) *gribi.AFTOperation { return &gribi.AFTOperation{Op: k} }
	ask(&gribi.ModifyRequest{ElectionId: &gribi.Uint128{Low: 5}})
	ask(&gribi.ModifyRequest{Operation: []*gribi.AFTOperation{op(gribi.AFTOperation_ADD), op(gribi.AFTOperation_ADD), op(gribi.AFTOperation_DELETE)}})
	check(t, modify.CloseSend())

	digest := func(m proto.Message) string {
		raw, err := proto.Marshal(m)
		check(t, err)
		sum := sha256.Sum256(raw)
		return hex.EncodeToString(sum[:])
	}
	type row struct {
		rpc    string
		what   map[string]string
		digest string
		code   string
		failed uint64
	}
	want := []row{
		{"p4.v1.P4Runtime/Write", map[string]string{"insert": "3", "modify": "2", "delete": "2", "role": "routing", "election": "(0,3)"}, digest(write), "Unknown", 1},
		{"p4.v1.P4Runtime/SetForwardingPipelineConfig", map[string]string{"action": "verify_and_commit", "device_config_bytes": "3"}, "any", "Unimplemented", 0},
		{"gnmi.gNMI/Set", map[string]string{"delete": "1", "update": "2", "paths": "/a/b[name=x] /a/b[name=x] /a/b[name=x]"}, digest(setReq), "OK", 0},
		{"p4nic.v1.Nicd/Detach", map[string]string{}, "", "PermissionDenied", 0},
		{"p4.v1.P4Runtime/StreamChannel", map[string]string{"action": "arbitration", "role": "routing", "election": "(0,9)"}, "", "OK", 0},
		{"gribi.gRIBI/Modify", map[string]string{"election": "(0,5)"}, "any", "OK", 0},
		{"gribi.gRIBI/Modify", map[string]string{"add": "2", "delete": "1"}, "any", "OK", 1},
	}
	got := r.records()[1:]
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		x := got[i]
		if x.RPC != w.rpc || !maps.Equal(x.What, w.what) || x.Code != w.code || x.Failed != w.failed {
			t.Errorf("record %d is %+v, want %+v", i, x, w)
		}
		if w.digest == "any" && len(x.Digest) != 64 || w.digest != "any" && x.Digest != w.digest {
			t.Errorf("record %d has the digest %q, want %q", i, x.Digest, w.digest)
		}
		if x.Client != "spiffe://example.org/c" || x.Via != "tls" || !strings.HasPrefix(x.Address, "127.0.0.1:") {
			t.Errorf("record %d: %+v", i, x)
		}
	}
	if len(r.g.digests.m) != 0 {
		t.Errorf("%d digests are left", len(r.g.digests.m))
	}
}

// TestAuditFull: op:SP12: what cannot be recorded is refused, or made and told, as the
// configuration says.
func TestAuditFull(t *testing.T) {
	for _, when := range []string{"refuse", "continue"} {
		t.Run(when, func(t *testing.T) {
			conf := defaults()
			conf.Audit.WhenFull = when
			r := newRig(t, conf, ViaInsecure)
			conn := r.dial(nil)
			write := func() error { return calls()[0].do(t, conn) }
			wantError(t, write(), codes.OK, "")
			r.full.Store(true)
			code, words := codes.OK, ""
			if when == "refuse" {
				code, words = codes.Unavailable, "the audit log cannot be written, and the configuration refuses writes then (audit: when-full): "
			}
			made := 1
			for ; when == "refuse" && made < 20000 && write() == nil; made++ {
			}
			wantError(t, write(), code, words)
			wantError(t, r.status(nil), codes.OK, "") // reads go on
			s := r.g.State().Audit
			if !strings.Contains(s.Problem, "no space left") || s.Refusing != (when == "refuse") {
				t.Errorf("%+v", s)
			}
			if when == "continue" && (s.Lost != 1 || !strings.Contains(r.log.String(), "the audit log cannot be written")) {
				t.Errorf("%+v, log: %s", s, r.log)
			}
			r.full.Store(false)
			wantError(t, write(), codes.OK, "")
			if s := r.g.State().Audit; s.Problem != "" {
				t.Errorf("%+v", s)
			}
			kinds := ""
			for _, x := range r.records() {
				kinds += x.Kind + " "
			}
			if want := map[string]string{"refuse": "start " + strings.Repeat("request ", made+1), "continue": "start request lost request "}[when]; kinds != want {
				t.Errorf("records %q, want %q", kinds, want)
			}
		})
	}
}
