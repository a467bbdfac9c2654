package daemon

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/internal/auditlog"
	"github.com/p4nic/p4nic/internal/certs"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

// secureNicd is a nicd on TCP, with an authority for it and its clients.
type secureNicd struct {
	*nicd
	dir       string
	authority *certs.Authority
	address   string
}

// startSecure runs nicd with mutual TLS and this text behind its configuration.
func startSecure(t *testing.T, config string) *secureNicd {
	t.Helper()
	ns := netnstest.NS(t)
	dir := t.TempDir()
	a, ca, err := certs.NewAuthority("test", time.Now(), time.Hour)
	netnstest.Check(t, err)
	netnstest.Check(t, certs.Write(dir, "ca", ca, false))
	s := &secureNicd{dir: dir, authority: a}
	s.renew()
	path := func(name string) string { return filepath.Join(dir, name) }
	text := fmt.Sprintf("engine: sim\nmetrics: 127.0.0.1:0\ntls: {cert: %s, key: %s, client-ca: %s}\n%s", path("server.crt"), path("server.key"), path("ca.crt"), config)
	netnstest.Check(t, os.WriteFile(path("nicd.yaml"), []byte(text), 0o600))
	s.nicd = newNicd(t, ns, "--config", path("nicd.yaml"), "--listen", "127.0.0.1:0")
	t.Cleanup(s.kill) // the simulator leaves nothing behind
	s.begin()
	return s
}

// begin runs nicd and finds out where it listens.
func (s *secureNicd) begin() {
	s.t.Helper()
	s.start()
	s.address = s.status().GetListeners()[1].GetAddress()
}

// renew makes a new certificate for nicd, which may be running.
func (s *secureNicd) renew() {
	p, err := s.authority.Issue(certs.Request{Use: certs.Server, Names: []string{"localhost"}, From: time.Now(), For: time.Hour})
	if err == nil {
		err = certs.Write(s.dir, "server", p, true)
	}
	if err != nil {
		panic(err)
	}
}

// status is what nicd says over its unix socket.
func (s *secureNicd) status() *nicdpb.StatusResponse {
	s.t.Helper()
	c := s.client()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	st, err := nicdpb.NewNicdClient(c.Conn).Status(ctx, &nicdpb.StatusRequest{})
	netnstest.Check(s.t, err)
	return st
}

// reloaded asks nicd to read its certificate and waits until the status is as it
// must be.
func (s *secureNicd) reloaded(what string, ok func(*nicdpb.Certificate) bool) {
	s.t.Helper()
	netnstest.Check(s.t, s.cmd.Process.Signal(syscall.SIGHUP))
	netnstest.Eventually(s.t, 20*time.Second, what, func() bool { return ok(s.status().GetSecurity().GetCertificate()) })
}

// tls is what a client with this name shows and expects.
func (s *secureNicd) tls(name string) *tls.Config {
	s.t.Helper()
	p, err := s.authority.Issue(certs.Request{Use: certs.Client, Names: []string{name}, From: time.Now(), For: time.Hour})
	netnstest.Check(s.t, err)
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	netnstest.Check(s.t, err)
	ca, err := os.ReadFile(filepath.Join(s.dir, "ca.crt"))
	netnstest.Check(s.t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "localhost"}
}

// dial connects in nicd's network namespace.
func (s *secureNicd) dial(_ context.Context, address string) (c net.Conn, err error) {
	err = s.ns.Do(func() error {
		c, err = net.Dial("tcp", address)
		return err
	})
	return c, err
}

// as is a client with this name; the test closes it.
func (s *secureNicd) as(name string) *p4rtclient.Client {
	s.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.address, grpc.WithTransportCredentials(credentials.NewTLS(s.tls(name))), grpc.WithContextDialer(s.dial))
	netnstest.Check(s.t, err)
	return &p4rtclient.Client{Conn: conn, P4RT: p4.NewP4RuntimeClient(conn), Device: 1, Address: s.address}
}

// serial is the number of the certificate that new connections see.
func (s *secureNicd) serial() string {
	s.t.Helper()
	raw, err := s.dial(context.Background(), s.address)
	netnstest.Check(s.t, err)
	conf := s.tls("probe")
	conf.NextProtos = []string{"h2"}
	c := tls.Client(raw, conf)
	defer c.Close()
	netnstest.Check(s.t, c.Handshake())
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Text(16)
}

func (s *secureNicd) audit(head string) (auditlog.Report, []auditlog.Record, error) {
	var out []auditlog.Record
	rep, err := auditlog.Verify(s.auditDir(), head, func(r auditlog.Record) error { out = append(out, r); return nil })
	return rep, out, err
}

func (s *secureNicd) auditDir() string {
	return filepath.Join(filepath.Dir(s.socket), "state", "audit")
}

// TestCertificateReload: op:SP10: while nicd takes a new certificate, and refuses
// a bad one, the streams that are open go on: mastership of P4Runtime, a
// subscription of gNMI, writes.
func TestCertificateReload(t *testing.T) {
	s := startSecure(t, "")
	prog := bundleOf(t, compileFile(t, "testdata/stamp.p4"))
	c := s.as("spiffe://example.org/controller")
	defer c.Close()
	netnstest.Check(t, s.load(c, prog, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
	const leaf = "/system/state/current-datetime"
	f := follow(t, c.Conn, gpb.SubscriptionMode_SAMPLE, 100*time.Millisecond, leaf)
	n := 0
	alive := func() { // without a new handshake
		t.Helper()
		n++
		s.write(c, prog, p4.Update_INSERT, fmt.Sprintf("wires port=%d drop", n))
		after := time.Now()
		f.until(leaf, func(at time.Time, _ *gpb.TypedValue) bool { return at.After(after) })
	}
	alive()
	first := s.serial()
	s.renew()
	s.reloaded("the new certificate", func(x *nicdpb.Certificate) bool { return x.GetReloads() == 1 && x.GetProblem() == "" })
	second := s.serial()
	if second == first {
		t.Error("new connections see the old certificate")
	}
	alive()
	netnstest.Check(t, os.WriteFile(filepath.Join(s.dir, "server.key"), []byte("no key"), 0o600))
	s.reloaded("a problem", func(x *nicdpb.Certificate) bool {
		return x.GetReloads() == 1 && strings.Contains(x.GetProblem(), "server.key") && x.GetSerial() == second
	})
	if s.serial() != second {
		t.Error("a bad certificate changed what is served")
	}
	if !strings.Contains(s.log.String(), "the new certificate cannot be used; the old one stays") {
		t.Errorf("the log does not say so:\n%s", s.log)
	}
	alive()
	s.renew()
	s.reloaded("the third certificate", func(x *nicdpb.Certificate) bool { return x.GetReloads() == 2 && x.GetProblem() == "" })
	alive()
}

// TestPermissions: op:SP11, op:SP14: what a nicd with rules and limits refuses,
// and that each refusal is counted and on record.
func TestPermissions(t *testing.T) {
	s := startSecure(t, `
access:
  - {clients: ["spiffe://example.org/controller"], allow: ["p4rt.*"]}
  - {clients: ["dns:prometheus.example.org"], allow: [metrics]}
limits: {batch: 100, write-rate: 1, write-burst: 2}
`)
	prog := bundleOf(t, compileFile(t, "testdata/stamp.p4"))
	controller, other := s.as("spiffe://example.org/controller"), s.as("prometheus.example.org")
	defer controller.Close()
	defer other.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	netnstest.Check(t, controller.BecomePrimary(ctx, false))
	netnstest.Check(t, controller.SetPipeline(ctx, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, prog.info, prog.raw))
	schema := p4rtclient.NewSchema(prog.info)
	write := func(c *p4rtclient.Client, n int) error {
		r := &p4.WriteRequest{DeviceId: 1, ElectionId: &p4.Uint128{}}
		for i := range n {
			e, err := schema.ParseEntry([]string{"wires", fmt.Sprintf("port=%d", i+1), "drop"}, true)
			netnstest.Check(t, err)
			r.Updates = append(r.Updates, &p4.Update{Type: p4.Update_INSERT, Entity: &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}}})
		}
		_, err := c.P4RT.Write(ctx, r)
		return err
	}
	refused := func(err error, code codes.Code, words string) {
		t.Helper()
		if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), words) {
			t.Errorf("got %v, want %v with %q", err, code, words)
		}
	}
	refused(write(other, 1), codes.PermissionDenied, "client prometheus.example.org may not call /p4.v1.P4Runtime/Write: the permission p4rt.write is missing")
	_, err := nicdpb.NewNicdClient(controller.Conn).Detach(ctx, &nicdpb.DetachRequest{})
	refused(err, codes.PermissionDenied, "client spiffe://example.org/controller may not call /p4nic.v1.Nicd/Detach: the permission nicd.write is missing")
	refused(write(controller, 101), codes.ResourceExhausted, "101 changes in one request, the limit is 100 (limits: batch)")
	// The first comes while there is something left in the bucket, and leaves a debt of
	// a minute and a half. The election id 0 is no primary's.
	refused(write(controller, 100), codes.PermissionDenied, "not primary")
	refused(write(controller, 100), codes.ResourceExhausted, "writes more than 1 changes a second (limits: write-rate)")
	sec := s.status().GetSecurity()
	if sec.GetDenied() != 2 || sec.GetLimited() != 2 || sec.GetRules() != 2 {
		t.Errorf("%v", sec)
	}

	at := regexp.MustCompile(`msg=metrics address=(\S+) tls=true`).FindStringSubmatch(s.log.String())
	if at == nil {
		t.Fatalf("the log does not say where metrics are:\n%s", s.log)
	}
	for name, want := range map[string]int{"prometheus.example.org": http.StatusOK, "spiffe://example.org/controller": http.StatusForbidden} {
		h := &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls(name), DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return s.dial(ctx, address) }}}
		resp, err := h.Get("https://" + at[1] + "/metrics")
		netnstest.Check(t, err)
		body, err := io.ReadAll(resp.Body)
		netnstest.Check(t, err)
		netnstest.Check(t, resp.Body.Close())
		if resp.StatusCode != want {
			t.Errorf("%s: %s %s", name, resp.Status, body)
		}
	}

	_, records, err := s.audit(sec.GetAudit().GetHead())
	netnstest.Check(t, err)
	var got []string
	for _, r := range records[1:] {
		got = append(got, r.RPC[strings.LastIndex(r.RPC, "/")+1:]+" "+r.Client+" "+r.Code)
	}
	want := []string{"StreamChannel spiffe://example.org/controller OK", "SetForwardingPipelineConfig spiffe://example.org/controller OK",
		"Write prometheus.example.org PermissionDenied", "Detach spiffe://example.org/controller PermissionDenied", "Write spiffe://example.org/controller ResourceExhausted",
		"Write spiffe://example.org/controller PermissionDenied", "Write spiffe://example.org/controller ResourceExhausted"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("on record:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAuditSurvives: op:SP12: every acknowledged write is on record after kill -9,
// the chain goes on after the restart, and a record that was changed shows.
func TestAuditSurvives(t *testing.T) {
	s := startSecure(t, "")
	prog := bundleOf(t, compileFile(t, "testdata/stamp.p4"))
	c := s.as("spiffe://example.org/controller")
	netnstest.Check(t, s.load(c, prog, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
	const writes = 16
	for i := range writes {
		s.write(c, prog, p4.Update_INSERT, fmt.Sprintf("wires port=%d drop", i+1))
	}
	s.kill()
	netnstest.Check(t, c.Close())
	s.begin()
	head := s.status().GetSecurity().GetAudit().GetHead()
	rep, records, err := s.audit(head)
	netnstest.Check(t, err)
	starts, inserts := 0, 0
	for _, r := range records {
		if r.Kind == auditlog.KindStart {
			starts++
		}
		if strings.HasSuffix(r.RPC, "/Write") && r.What["insert"] == "1" && r.Code == "OK" && r.Client == "spiffe://example.org/controller" && len(r.Digest) == 64 {
			inserts++
		}
	}
	if len(rep.Faults) > 0 || starts != 2 || inserts != writes {
		t.Errorf("%d starts, %d inserts, %+v", starts, inserts, rep)
	}

	files, err := auditlog.Files(s.auditDir())
	netnstest.Check(t, err)
	b, err := os.ReadFile(files[0])
	netnstest.Check(t, err)
	lines := bytes.SplitAfter(b, []byte("\n"))
	lines[5] = bytes.Replace(lines[5], []byte("controller"), []byte("contr0ller"), 1)
	netnstest.Check(t, os.WriteFile(files[0], bytes.Join(lines, nil), 0o600))
	if rep, _, _ := s.audit(""); len(rep.Faults) == 0 || rep.Faults[0].Line != 6 {
		t.Errorf("a changed record: %+v", rep)
	}
}
