package access

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/p4nic/p4nic/internal/certs"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

func (r *rig) status(conf *tls.Config) error {
	_, err := nicdpb.NewNicdClient(r.dial(conf)).Status(ctx(r.t), &nicdpb.StatusRequest{})
	return err
}

// TestHandshakes: op:SP10, gnmi:GN8: who comes in over TLS and who does not, and
// the words on both sides.
func TestHandshakes(t *testing.T) {
	p, strange := newPKI(t), newPKI(t)
	conf := defaults()
	conf.TLS = p.config()
	past := time.Now().Add(-2 * time.Hour)
	noALPN := p.tls(p.client("c"))
	noALPN.NextProtos = []string{"http/1.1"}
	for _, c := range []struct {
		name   string
		client *tls.Config
		says   string // nicctl's words; "" = it comes in
		log    string
	}{
		{"a client of the authority", p.tls(p.client("spiffe://example.org/c")), "", ""},
		{"no certificate", p.tls(nil), "wants a client certificate", "client didn't provide a certificate"},
		{"another authority", p.tls(strange.client("c")), "does not know the authority", "certificate of c: x509: certificate signed by unknown authority"},
		{"expired", p.tls(p.issue(certs.Request{Use: certs.Client, Names: []string{"old"}, From: past, For: time.Hour})), "(--tls-cert) has expired", "certificate of old: x509: certificate has expired"},
		{"not yet", p.tls(p.issue(certs.Request{Use: certs.Client, Names: []string{"new"}, From: time.Now().Add(time.Hour), For: time.Hour})), "(--tls-cert) has expired", "certificate of new: x509: certificate has expired or is not yet valid"},
		{"a server's certificate", p.tls(p.issue(certs.Request{Use: certs.Server, Names: []string{"s"}, From: time.Now(), For: time.Hour})), "refuses this client's certificate", "incompatible key usage"},
		{"another server name", func() *tls.Config { c := p.tls(p.client("c")); c.ServerName = "other"; return c }(), "is for localhost, not other", "bad certificate"},
		{"a server of another authority", strange.tls(p.client("c")), "not of an authority in --tls-ca", "bad certificate"},
		{"TLS 1.1", func() *tls.Config {
			c := p.tls(p.client("c"))
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			return c
		}(), "no version of TLS in common", "unsupported versions"},
		{"TLS 1.2", func() *tls.Config { c := p.tls(p.client("c")); c.MaxVersion = tls.VersionTLS12; return c }(), "", ""},
		{"in the clear", nil, "does not answer without TLS", "the client does not speak TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, conf, ViaTLS)
			err := r.status(c.client)
			if c.says == "" {
				wantError(t, err, codes.OK, "")
				return
			}
			if status := certs.Explain(err.Error(), c.client != nil); !strings.Contains(status, c.says) {
				t.Errorf("the client hears %q of %v, want %q", status, err, c.says)
			}
			eventually(t, "the log says "+c.log+"\n"+r.log.String(), func() bool { return strings.Contains(r.log.String(), c.log) })
			if s := r.g.State(); s.Handshakes == 0 {
				t.Errorf("%+v", s)
			}
		})
	}
	t.Run("TLS to a server in the clear", func(t *testing.T) {
		r := newRig(t, defaults(), ViaInsecure)
		if err := r.status(p.tls(nil)); !strings.Contains(certs.Explain(err.Error(), true), "does not speak TLS there") {
			t.Error(err)
		}
	})
	t.Run("no HTTP/2", func(t *testing.T) {
		r := newRig(t, conf, ViaTLS)
		raw, err := tls.Dial("tcp", r.addr, noALPN)
		if err == nil { // an answer is what is refused
			_, err = raw.Read(make([]byte, 1))
		}
		if err == nil {
			t.Error("it came in")
		}
	})
	t.Run("1.3 only", func(t *testing.T) {
		conf := conf
		conf.TLS.MinVersion = "1.3"
		r := newRig(t, conf, ViaTLS)
		old := p.tls(p.client("c"))
		old.MaxVersion = tls.VersionTLS12
		if err := r.status(old); err == nil {
			t.Error("TLS 1.2 came in")
		}
		wantError(t, r.status(p.tls(p.client("c"))), codes.OK, "")
	})
	t.Run("anonymous", func(t *testing.T) {
		conf := conf
		conf.TLS.Anonymous = true
		r := newRig(t, conf, ViaTLS)
		wantError(t, r.status(p.tls(nil)), codes.OK, "")
		wantError(t, r.status(p.tls(p.client("c"))), codes.OK, "")
		if err := r.status(p.tls(strange.client("c"))); err == nil {
			t.Error("a certificate that cannot be verified came in")
		}
	})
}

// TestFiles: what is wrong with the files is said at the start.
func TestFiles(t *testing.T) {
	p := newPKI(t)
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		check(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	old, err := p.a.Issue(certs.Request{Use: certs.Server, Names: []string{"s"}, From: time.Now().Add(-2 * time.Hour), For: time.Hour})
	check(t, err)
	check(t, certs.Write(p.dir, "old", old, false))
	for _, c := range []struct {
		name   string
		change func(c *TLSConfig)
		want   string
	}{
		{"no file", func(c *TLSConfig) { c.Cert = p.path("nowhere") }, "nowhere: no such file"},
		{"no PEM", func(c *TLSConfig) { c.Cert = write("c", "hello") }, "failed to find any PEM data"},
		{"another key", func(c *TLSConfig) { c.Key = p.path("ca.key") }, "private key does not match public key"},
		{"expired", func(c *TLSConfig) { c.Cert, c.Key = p.path("old.crt"), p.path("old.key") }, "the certificate of s expired on "},
		{"no authority", func(c *TLSConfig) { c.ClientCA = p.path("server.crt") }, "the certificate of localhost is no authority's"},
		{"authority without PEM", func(c *TLSConfig) { c.ClientCA = write("c", "hello") }, "there is no certificate in PEM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := defaults()
			conf.TLS, conf.Audit.On = p.config(), false
			c.change(&conf.TLS)
			if _, err := New(Options{Config: conf}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestReload: op:SP10: a new certificate serves new connections, old ones and
// their streams stay; a bad one changes nothing and is told.
func TestReload(t *testing.T) {
	p := newPKI(t)
	conf := defaults()
	conf.TLS = p.config()
	r := newRig(t, conf, ViaTLS)
	client := p.client("c")
	old := r.dial(p.tls(client))
	stream, err := p4v1.NewP4RuntimeClient(old).StreamChannel(ctx(t))
	check(t, err)
	talk := func() {
		t.Helper()
		check(t, stream.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{Arbitration: &p4v1.MasterArbitrationUpdate{DeviceId: 1}}}))
		for range 2 {
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
	}
	talk()
	shown := func() string {
		t.Helper()
		conf := p.tls(client)
		conf.NextProtos = []string{"h2"}
		c, err := tls.Dial("tcp", r.addr, conf)
		check(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Text(16)
	}
	first := shown()

	t.Run("by itself when the files change", func(t *testing.T) {
		p.server("localhost", "new.example.org")
		eventually(t, "the new certificate", func() bool { return shown() != first })
		if s := r.g.State().Certificate; s.Reloads != 1 || s.Problem != "" || s.Serial != shown() {
			t.Errorf("%+v", s)
		}
		talk()
	})
	second := shown()
	t.Run("bad files keep what is there", func(t *testing.T) {
		check(t, os.WriteFile(p.path("server.crt"), []byte("no certificate"), 0o600))
		r.g.Reload() // SIGHUP
		s := r.g.State().Certificate
		if shown() != second || s.Reloads != 1 || !strings.Contains(s.Problem, "failed to find any PEM data") {
			t.Errorf("%+v", s)
		}
		if !strings.Contains(r.log.String(), "the new certificate cannot be used; the old one stays") {
			t.Errorf("log: %s", r.log)
		}
		talk()
	})
	t.Run("a certificate without its key, then the key", func(t *testing.T) {
		pair, err := p.a.Issue(certs.Request{Use: certs.Server, Names: []string{"localhost"}, From: time.Now(), For: time.Hour})
		check(t, err)
		check(t, os.WriteFile(p.path("server.crt"), pair.Cert, 0o600))
		r.g.Reload()
		if s := r.g.State().Certificate; shown() != second || !strings.Contains(s.Problem, "private key does not match") {
			t.Errorf("%+v", s)
		}
		check(t, os.WriteFile(p.path("server.key"), pair.Key, 0o600))
		r.g.Reload()
		if s := r.g.State().Certificate; shown() == second || s.Reloads != 2 || s.Problem != "" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("nothing new", func(t *testing.T) {
		r.g.Reload()
		if s := r.g.State().Certificate; s.Reloads != 2 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("another authority of clients", func(t *testing.T) {
		q := newPKI(t)
		b, err := os.ReadFile(q.path("ca.crt"))
		check(t, err)
		check(t, os.WriteFile(p.path("ca.crt"), b, 0o600))
		r.g.Reload()
		if err := r.status(p.tls(client)); err == nil {
			t.Error("a client of the old authority came in")
		}
		wantError(t, r.status(p.tls(q.client("c"))), codes.OK, "")
		talk() // of the old authority, and open
	})
}

// TestUnix: the kernel says who it is; rules do not bind.
func TestUnix(t *testing.T) {
	conf := defaults()
	conf.Rules = []Rule{{Clients: []string{"cn:nobody"}, Allow: []string{"metrics"}}}
	r := newRig(t, conf, ViaInsecure)
	dir, err := os.MkdirTemp("", "p4nic")
	check(t, err)
	defer os.RemoveAll(dir)
	r.serve("unix", dir+"/s", ViaUnix)
	c := r.dialTarget("unix:" + dir + "/s")
	if _, err := p4v1.NewP4RuntimeClient(c).Write(ctx(t), writeOf(1, "")); err != nil {
		t.Fatal(err)
	}
	x := r.records()[1]
	if !strings.HasPrefix(x.Client, "uid ") || x.Via != "unix" || !strings.HasPrefix(x.Address, "pid ") {
		t.Errorf("%+v", x)
	}
}

// TestMetrics: /metrics is for those with the permission.
func TestMetrics(t *testing.T) {
	p := newPKI(t)
	conf := defaults()
	conf.TLS, conf.Rules = p.config(), []Rule{{Clients: []string{"cn:prometheus"}, Allow: []string{"metrics"}}}
	r := newRig(t, conf, ViaTLS)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x 1\n")) })
	s := &http.Server{Handler: r.g.HTTP(h, ViaTLS)}
	go func() { _ = s.Serve(r.g.ListenHTTP(l, ViaTLS)) }()
	defer s.Close()
	for name, want := range map[string]int{"prometheus": http.StatusOK, "somebody": http.StatusForbidden} {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: p.tls(p.client(name))}}
		resp, err := c.Get("https://" + l.Addr().String() + "/metrics")
		check(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, want)
		}
	}
}
