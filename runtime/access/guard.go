// Package access is nicd's gate: who may come in, what they may do, how much of
// it, and the record of what they changed.
//
// In: connections and RPCs of every service, and the parts tls, access, limits
// and audit of the configuration. Out: the same RPCs, or refusals that name the
// client and what it lacks; an audit log.
// Must not import: any other package of runtime; it knows messages, not devices.
//
// The files: config.go is the configuration; certificates.go loads and reloads;
// listener.go lets connections in, handshake.go makes a Client (client.go) of
// each; rules.go says what a Client may do, methods.go what an RPC needs;
// intercept.go applies both, rate.go and the audit log (describe.go, record.go,
// digest.go).
package access

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/p4nic/p4nic/internal/auditlog"
)

// Options of New.
type Options struct {
	Config  Config
	Version string           // of nicd, for the audit log
	Now     func() time.Time // nil = time.Now
	Log     *slog.Logger     // nil = slog.Default
	Disk    auditlog.Disk    // of the audit log; zero = the real one
}

// Guard is the gate.
type Guard struct {
	conf    Config
	policy  *policy
	certs   *certificates // nil: no TLS
	methods map[string]*method
	audit   *auditlog.Log // nil: off
	rate    *rate
	places  places
	digests digests
	counts  counts
	now     func() time.Time
	log     *slog.Logger
	quiet   quiet
	stop    chan struct{}
	wg      sync.WaitGroup
	once    sync.Once
}

// counts are what operators see.
type counts struct {
	handshakes, denied, limited, full atomic.Uint64
}

// New makes the gate; Close ends it.
func New(o Options) (*Guard, error) {
	if err := o.Config.Check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	p, err := compileRules(o.Config.Rules)
	if err != nil {
		return nil, err
	}
	l := &o.Config.Limits
	g := &Guard{conf: o.Config, policy: p, methods: methods(), now: o.Now, log: o.Log, stop: make(chan struct{}),
		rate:   &rate{perSecond: float64(l.WriteRate), burst: float64(l.WriteBurst), now: o.Now, buckets: map[string]*bucket{}},
		places: places{by: map[string]int{}, max: l.Connections, maxBy: l.PerAddress}}
	if o.Config.TLS.On() {
		if g.certs, err = newCertificates(o.Config.TLS, o.Now, o.Log); err != nil {
			return nil, err
		}
		ticker := time.NewTicker(every)
		g.wg.Go(func() {
			defer ticker.Stop()
			g.certs.watch(ticker.C, g.stop)
		})
	}
	if a := &o.Config.Audit; a.On {
		if g.audit, err = auditlog.Open(auditlog.Options{Dir: a.Dir, MaxBytes: a.MaxBytes, Keep: a.Keep, Version: o.Version, Now: o.Now, Disk: o.Disk}); err != nil {
			return nil, errors.Join(fmt.Errorf("audit: %w", err), g.Close())
		}
	}
	return g, nil
}

// ServerOptions are the options of nicd's gRPC server.
func (g *Guard) ServerOptions() []grpc.ServerOption {
	l := &g.conf.Limits
	return []grpc.ServerOption{
		grpc.Creds(handshake{g}),
		grpc.ChainUnaryInterceptor(g.unary),
		grpc.ChainStreamInterceptor(g.stream),
		grpc.ForceServerCodecV2(&codec{g.baseCodec(), &g.digests}),
		grpc.MaxRecvMsgSize(l.Message),
		grpc.MaxConcurrentStreams(uint32(l.Streams)),
		grpc.MaxHeaderListSize(1 << 16),
		grpc.ConnectionTimeout(l.Handshake),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: l.Ping, PermitWithoutStream: true}),
	}
}

// TLS tells whether there is a certificate.
func (g *Guard) TLS() bool { return g.certs != nil }

// Reload reads certificates again, as SIGHUP asks for.
func (g *Guard) Reload() {
	if g.certs != nil {
		g.certs.reload(true)
	}
}

// Close ends it, after the servers.
func (g *Guard) Close() error {
	var err error
	g.once.Do(func() {
		close(g.stop)
		g.wg.Wait()
		if g.audit != nil {
			err = g.audit.Close()
		}
	})
	return err
}

// State is what operators are told.
type State struct {
	Certificate *CertificateState // nil: no TLS
	Audit       *AuditState       // nil: off
	Connections int               // of TCP that are open
	Handshakes  uint64            // that failed
	Full        uint64            // connections that were closed because too many were open
	Denied      uint64            // requests without permission
	Limited     uint64            // requests over a limit of rate or batch
	Rules       int
}

// AuditState is how the audit log is.
type AuditState struct {
	auditlog.State
	Refusing bool // writes are refused while there is a problem
}

// State tells how the gate is.
func (g *Guard) State() State {
	s := State{Connections: g.places.taken(), Handshakes: g.counts.handshakes.Load(), Full: g.counts.full.Load(), Denied: g.counts.denied.Load(),
		Limited: g.counts.limited.Load(), Rules: len(g.conf.Rules)}
	if g.certs != nil {
		c := g.certs.state()
		s.Certificate = &c
	}
	if g.audit != nil {
		s.Audit = &AuditState{g.audit.State(), g.conf.Audit.WhenFull == "refuse"}
	}
	return s
}

// refused notes a handshake that failed.
func (g *Guard) refused(client net.Addr, err error) {
	g.counts.handshakes.Add(1)
	g.complain("connection refused: "+refusal(err), "client", client.String())
}

// quiet lets one complaint a second through, and counts the others.
type quiet struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (g *Guard) complain(message string, args ...any) {
	q := &g.quiet
	q.mu.Lock()
	now := g.now()
	if !q.last.IsZero() && now.Sub(q.last) < time.Second && !now.Before(q.last) {
		q.skipped++
		q.mu.Unlock()
		return
	}
	skipped := q.skipped
	q.last, q.skipped = now, 0
	q.mu.Unlock()
	if skipped > 0 {
		args = append(args, "and_others", skipped)
	}
	g.log.Warn(message, args...)
}

// HTTP guards /metrics: h answers clients with the permission metrics.
func (g *Guard) HTTP(h http.Handler, via Via) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c *Client
		switch {
		case via == ViaUnix: // the socket is the owner's and root's alone
			h.ServeHTTP(w, r)
			return
		case r.TLS != nil:
			c = g.policy.remote(ViaTLS, address(r.RemoteAddr), verified(*r.TLS))
		default:
			c = g.policy.remote(ViaInsecure, address(r.RemoteAddr), nil)
		}
		if !c.rights.may(Metrics) {
			g.counts.denied.Add(1)
			http.Error(w, fmt.Sprintf("%s has not the permission %s", c, Metrics), http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// address is a net.Addr of text.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }
