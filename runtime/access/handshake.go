package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
)

// conn is a connection that a Listener let in.
type conn struct {
	net.Conn
	via   Via
	leave func() // gives its place back; once
}

func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// Bounds of what is read of a client that was refused.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 16
)

// linger lets a client that was refused read why: the connection is closed when
// the client has, or soon. Closed at once, with something of the client unread or
// still to come, it would be reset, and the client's system would throw the alert
// away. With TLS 1.3 a client has sent its first request by then.
func (c *conn) linger() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	if c.Conn.SetDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
}

// handshake makes a Client of each connection: it is the TransportCredentials of
// nicd's gRPC server, which serves unix sockets, TLS and, where allowed, TCP in
// the clear.
type handshake struct{ g *Guard }

// ServerHandshake implements credentials.TransportCredentials. The time it may
// take is the server's ConnectionTimeout.
func (h handshake) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, ok := raw.(*conn)
	if !ok {
		return nil, nil, errors.New("access: a connection of a listener that is not from Listen")
	}
	switch c.via {
	case ViaUnix:
		u, ok := c.Conn.(*net.UnixConn)
		if !ok {
			return nil, nil, errors.New("access: no unix socket")
		}
		client, err := local(u)
		return raw, client, err
	case ViaInsecure:
		return raw, h.g.policy.remote(ViaInsecure, c.RemoteAddr(), nil), nil
	}
	t := tls.Server(c, h.g.certs.forGRPC())
	if err := t.HandshakeContext(context.Background()); err != nil {
		h.g.refused(c.RemoteAddr(), err)
		c.linger()
		return nil, nil, err
	}
	state := t.ConnectionState()
	if state.NegotiatedProtocol != "h2" { // gRPC requires ALPN of its clients
		err := errors.New("the client does not offer HTTP/2 (ALPN h2)")
		h.g.refused(c.RemoteAddr(), err)
		return nil, nil, errors.Join(err, t.Close())
	}
	return t, h.g.policy.remote(ViaTLS, c.RemoteAddr(), verified(state)), nil
}

// verified is the client's certificate, nil where it has none. What it holds was
// checked against the authority.
func verified(s tls.ConnectionState) *x509.Certificate {
	if len(s.VerifiedChains) == 0 || len(s.PeerCertificates) == 0 {
		return nil
	}
	return s.PeerCertificates[0]
}

// ClientHandshake implements credentials.TransportCredentials.
func (h handshake) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("access: for servers only")
}

// Info implements credentials.TransportCredentials.
func (h handshake) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "p4nic"}
}

// Clone implements credentials.TransportCredentials.
func (h handshake) Clone() credentials.TransportCredentials { return h }

// OverrideServerName implements credentials.TransportCredentials.
func (h handshake) OverrideServerName(string) error { return nil }
