package access

import (
	"crypto/tls"
	"net"
	"sync"
)

// Listen counts the connections of l, which came via via, and closes those that
// are over the limits. The unix socket has none: an operator must get in while
// others try to keep everybody out.
func (g *Guard) Listen(l net.Listener, via Via) net.Listener { return &listener{l, g, via} }

// ListenHTTP is Listen for /metrics: it speaks TLS itself.
func (g *Guard) ListenHTTP(l net.Listener, via Via) net.Listener {
	l = g.Listen(l, via)
	if via == ViaTLS {
		return tls.NewListener(l, g.certs.forHTTP())
	}
	return l
}

type listener struct {
	net.Listener
	g   *Guard
	via Via
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.via == ViaUnix {
			return &conn{c, l.via, func() {}}, nil
		}
		if leave, ok := l.g.places.take(c.RemoteAddr()); ok {
			return &conn{c, l.via, leave}, nil
		}
		l.g.counts.full.Add(1)
		l.g.complain("connection refused: too many are open (limits)", "client", c.RemoteAddr().String())
		_ = c.Close()
	}
}

// places are the connections that are open.
type places struct {
	mu         sync.Mutex
	all        int
	by         map[string]int // by address without port
	max, maxBy int
}

func (p *places) take(a net.Addr) (leave func(), ok bool) {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		host = a.String()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= p.max || p.by[host] >= p.maxBy {
		return nil, false
	}
	p.all++
	p.by[host]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all--
		if p.by[host]--; p.by[host] == 0 {
			delete(p.by, host)
		}
	}), true
}

func (p *places) taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}
