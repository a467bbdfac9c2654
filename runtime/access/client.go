package access

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/p4nic/p4nic/internal/certs"
)

// Via is how a client came.
type Via string

// Ways of clients.
const (
	ViaUnix     Via = "unix"     // the unix socket: the kernel says who it is
	ViaTLS      Via = "tls"      // TLS: its certificate says who it is, where it has one
	ViaInsecure Via = "insecure" // TCP in the clear: nobody
)

// anonymous is the name of clients without a certificate.
const anonymous = "anonymous"

// Client is who made a connection. It is the AuthInfo of its gRPC connection.
type Client struct {
	Name    string // "spiffe://example.org/ctl", "ctl.example.org", "uid 0 (root)", "anonymous"
	Via     Via
	Address string // "192.0.2.1:4711"; "pid 812" on the unix socket
	rights  rights
	bucket  string // key of its write rate
}

// AuthType implements credentials.AuthInfo.
func (c *Client) AuthType() string { return string(c.Via) }

// GetCommonAuthInfo says what the way is worth.
func (c *Client) GetCommonAuthInfo() credentials.CommonAuthInfo {
	if c.Via == ViaInsecure {
		return credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}
	}
	return credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}
}

func (c *Client) String() string {
	if c.Name == anonymous {
		return fmt.Sprintf("client %s (%s)", c.Address, map[Via]string{ViaTLS: "without a certificate", ViaInsecure: "without TLS"}[c.Via])
	}
	return "client " + c.Name
}

// clientOf is the client of an RPC. Every connection went through a handshake of
// this package.
func clientOf(ctx context.Context) (*Client, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, false
	}
	c, ok := p.AuthInfo.(*Client)
	return c, ok
}

// local names the process at the other end of a unix socket. It has all rights:
// the socket is nicd's owner's and root's alone.
func local(conn *net.UnixConn) (*Client, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	name := "uid " + strconv.FormatUint(uint64(cred.Uid), 10)
	if u, err := user.LookupId(strconv.FormatUint(uint64(cred.Uid), 10)); err == nil {
		name += " (" + u.Username + ")"
	}
	return &Client{Name: name, Via: ViaUnix, Address: fmt.Sprintf("pid %d", cred.Pid), rights: rights{full: true}, bucket: name}, nil
}

// remote names a client of TCP; cert is nil where it has none.
func (p *policy) remote(via Via, address net.Addr, cert *x509.Certificate) *Client {
	c := &Client{Name: anonymous, Via: via, Address: address.String()}
	var names []string
	if cert != nil {
		c.Name = certs.Subject(cert)
		c.bucket, names = c.Name, identities(cert)
	} else {
		c.bucket = c.Address // of each address its own, and not of each connection
		if host, _, err := net.SplitHostPort(c.Address); err == nil {
			c.bucket = host
		}
		names = []string{anonymous}
	}
	c.rights = p.rights(names)
	return c
}

// identities are the names by which rules know a certificate: uri:, dns:, ip: and
// cn:. With several URIs none counts: which of them a SPIFFE identity is would be
// a guess (SPIFFE X.509-SVID section 2).
func identities(c *x509.Certificate) []string {
	var out []string
	if len(c.URIs) == 1 {
		out = append(out, "uri:"+c.URIs[0].String())
	}
	for _, n := range c.DNSNames {
		out = append(out, "dns:"+n)
	}
	if c.Subject.CommonName != "" {
		out = append(out, "cn:"+c.Subject.CommonName)
	}
	return append(out, certified)
}

// certified is a name that every client with a certificate has.
const certified = "*"
