package access

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/p4nic/p4nic/internal/certs"
)

// loaded is a certificate with all that belongs to it.
type loaded struct {
	config *tls.Config // for gRPC; HTTP takes a clone
	leaf   *x509.Certificate
	at     time.Time
	raw    [3][]byte // content of the files that it came from
}

// certificates holds the certificate that new connections get, and takes a new
// one when its files change. Connections that are there keep theirs.
type certificates struct {
	conf    TLSConfig
	now     func() time.Time
	log     *slog.Logger
	live    atomic.Pointer[loaded]
	mu      sync.Mutex // one reload at a time; guards what follows
	stamps  [3]stamp
	problem string // why the files are not what is live; empty when they are
	reloads uint64
}

// stamp tells a file from what it was without reading it.
type stamp struct {
	size, inode int64
	mod         time.Time
}

// CertificateState is what operators are told.
type CertificateState struct {
	Subject    string
	Serial     string // hexadecimal
	NotBefore  time.Time
	NotAfter   time.Time
	Loaded     time.Time
	Reloads    uint64 // changes that were taken since the start
	Problem    string // why the files are not what is served; empty when they are
	ClientAuth bool   // clients need a certificate
}

// newCertificates reads the files; what is wrong with them is an error here, and
// a problem later.
func newCertificates(conf TLSConfig, now func() time.Time, log *slog.Logger) (*certificates, error) {
	c := &certificates{conf: conf, now: now, log: log}
	c.stamps = c.look()
	l, err := c.load()
	if err != nil {
		return nil, err
	}
	c.live.Store(l)
	return c, nil
}

func (c *certificates) files() [3]string {
	return [3]string{c.conf.Cert, c.conf.Key, c.conf.ClientCA}
}

// look stamps the files; through links, as a change of what they lead to counts.
func (c *certificates) look() [3]stamp {
	var out [3]stamp
	for i, path := range c.files() {
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err == nil {
			out[i] = stamp{size: info.Size(), mod: info.ModTime()}
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				out[i].inode = int64(s.Ino)
			}
		}
	}
	return out
}

// load reads and checks the files.
func (c *certificates) load() (*loaded, error) {
	l := &loaded{at: c.now()}
	for i, path := range c.files() {
		if path == "" {
			continue
		}
		var err error
		if l.raw[i], err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	pair, err := tls.X509KeyPair(l.raw[0], l.raw[1])
	if err != nil {
		return nil, fmt.Errorf("tls: %s with %s: %w", c.conf.Cert, c.conf.Key, err)
	}
	if l.leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return nil, fmt.Errorf("tls: %s: %w", c.conf.Cert, err)
	}
	if err := certs.CheckDates(l.leaf, c.now()); err != nil {
		return nil, fmt.Errorf("tls: %s: %w", c.conf.Cert, err)
	}
	version, err := c.conf.version()
	if err != nil {
		return nil, err
	}
	l.config = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: version, NextProtos: []string{"h2"},
		// A resumed session would not show its client's certificate to a new
		// client-ca; connections live long enough.
		SessionTicketsDisabled: true,
		Time:                   c.now,
	}
	if c.conf.ClientCA != "" {
		list, err := certs.Parse(l.raw[2])
		if err != nil {
			return nil, fmt.Errorf("tls: %s: %w", c.conf.ClientCA, err)
		}
		l.config.ClientCAs = x509.NewCertPool()
		for _, ca := range list {
			if !ca.IsCA {
				return nil, fmt.Errorf("tls: %s: the certificate of %s is no authority's", c.conf.ClientCA, certs.Subject(ca))
			}
			l.config.ClientCAs.AddCert(ca)
		}
		l.config.ClientAuth = tls.RequireAndVerifyClientCert
		if c.conf.Anonymous {
			l.config.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	return l, nil
}

// reload takes what the files hold now. forced reads them although they look as
// before. What cannot be used changes nothing but the problem.
func (c *certificates) reload(forced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps := c.look()
	if stamps == c.stamps && !forced {
		return
	}
	l, err := c.load()
	if err != nil {
		// A certificate and its key are replaced one after the other; while they do
		// not fit, the stamps stay old and each look tries again.
		if text := err.Error(); text != c.problem {
			c.problem = text
			c.log.Error("the new certificate cannot be used; the old one stays", "error", text, "subject", certs.Subject(c.live.Load().leaf),
				"until", c.live.Load().leaf.NotAfter.UTC())
		}
		return
	}
	old := c.live.Load()
	c.stamps, c.problem = stamps, ""
	same := true
	for i := range l.raw {
		same = same && bytes.Equal(l.raw[i], old.raw[i])
	}
	if same {
		return
	}
	c.live.Store(l)
	c.reloads++
	c.log.Info("new certificate; connections that are there keep the old one", "subject", certs.Subject(l.leaf), "until", l.leaf.NotAfter.UTC())
}

// every is how often files are looked at.
const every = time.Second

// watch looks at the files with every tick until stop is closed.
func (c *certificates) watch(tick <-chan time.Time, stop <-chan struct{}) {
	warned := false
	for {
		select {
		case <-tick:
			c.reload(false)
			if left := c.live.Load().leaf.NotAfter.Sub(c.now()); left > 0 {
				warned = false
			} else if !warned {
				warned = true
				c.log.Error("the certificate has expired: clients will refuse it", "subject", certs.Subject(c.live.Load().leaf), "cert", c.conf.Cert)
			}
		case <-stop:
			return
		}
	}
}

func (c *certificates) state() CertificateState {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.live.Load()
	s := CertificateState{Subject: certs.Subject(l.leaf), Serial: l.leaf.SerialNumber.Text(16), NotBefore: l.leaf.NotBefore, NotAfter: l.leaf.NotAfter,
		Loaded: l.at, Reloads: c.reloads, Problem: c.problem, ClientAuth: l.config.ClientAuth == tls.RequireAndVerifyClientCert}
	if s.Problem == "" {
		if err := certs.CheckDates(l.leaf, c.now()); err != nil {
			s.Problem = err.Error()
		}
	}
	return s
}

// forGRPC is the tls.Config that asks for the live certificate with each
// handshake.
func (c *certificates) forGRPC() *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.live.Load().config, nil }}
}

// forHTTP is the same for /metrics.
func (c *certificates) forHTTP() *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		conf := c.live.Load().config.Clone()
		conf.NextProtos = []string{"http/1.1"}
		return conf, nil
	}}
}

// refusal puts an error of a handshake, as the server sees it, into words.
func refusal(err error) string {
	var record tls.RecordHeaderError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &record):
		return "the client does not speak TLS"
	case errors.As(err, &cert) && len(cert.UnverifiedCertificates) > 0:
		return fmt.Sprintf("the certificate of %s: %v", certs.Subject(cert.UnverifiedCertificates[0]), cert.Err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "the handshake took too long"
	}
	return err.Error()
}
