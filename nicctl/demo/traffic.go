package demo

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/internal/netns"
)

// answerTimeout is how long one answer may take.
const answerTimeout = 3 * time.Second

// icmp is what tells ICMP and ICMPv6 apart.
type icmp struct {
	family, proto                int
	request, reply, timeExceeded byte
	innerHeader                  int // bytes of the quoted IP header in an error
}

var (
	icmpV4 = icmp{unix.AF_INET, unix.IPPROTO_ICMP, 8, 0, 11, 20}
	icmpV6 = icmp{unix.AF_INET6, unix.IPPROTO_ICMPV6, 128, 129, 3, 40}
)

// answer is what came back for an echo request.
type answer struct {
	kind byte // ICMP type
	from netip.Addr
}

// pinger sends echo requests from a namespace over a raw socket.
type pinger struct {
	icmp
	fd  int
	to  unix.Sockaddr
	id  uint16
	seq uint16
}

func newPinger(ns *netns.NS, dst string, ttl int) (*pinger, error) {
	addr := netip.MustParseAddr(dst)
	p := &pinger{icmp: icmpV4, id: uint16(rand.Uint32())}
	p.to = &unix.SockaddrInet4{Addr: [4]byte(addr.AsSlice()[:4])}
	level, opt := unix.IPPROTO_IP, unix.IP_TTL
	if addr.Is6() {
		p.icmp = icmpV6
		p.to = &unix.SockaddrInet6{Addr: addr.As16()}
		level, opt = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	err := ns.Do(func() (err error) {
		p.fd, err = unix.Socket(p.family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, p.proto)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ICMP socket: %w", err)
	}
	if ttl > 0 {
		if err := unix.SetsockoptInt(p.fd, level, opt, ttl); err != nil {
			return nil, errors.Join(fmt.Errorf("TTL: %w", err), p.close())
		}
	}
	tv := unix.NsecToTimeval(answerTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// from makes requests leave with an address of the host that is not its first.
func (p *pinger) from(src string) error {
	addr := netip.MustParseAddr(src)
	if addr.Is6() {
		return unix.Bind(p.fd, &unix.SockaddrInet6{Addr: addr.As16()})
	}
	return unix.Bind(p.fd, &unix.SockaddrInet4{Addr: addr.As4()})
}

func (p *pinger) close() error { return unix.Close(p.fd) }

// send sends one echo request with 32 bytes of data.
func (p *pinger) send() error {
	p.seq++
	m := make([]byte, 40)
	m[0] = p.request
	binary.BigEndian.PutUint16(m[4:], p.id)
	binary.BigEndian.PutUint16(m[6:], p.seq)
	if p.family == unix.AF_INET { // the kernel does it for ICMPv6
		binary.BigEndian.PutUint16(m[2:], checksum(m))
	}
	return unix.Sendto(p.fd, m, 0, p.to)
}

// receive waits for what belongs to the last request.
func (p *pinger) receive() (answer, error) {
	deadline := time.Now().Add(answerTimeout)
	buf := make([]byte, 2048)
	for time.Now().Before(deadline) {
		n, from, err := unix.Recvfrom(p.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return answer{}, err
		}
		m := buf[:n]
		a := answer{}
		switch s := from.(type) {
		case *unix.SockaddrInet4:
			a.from = netip.AddrFrom4(s.Addr)
			if n < 20 {
				continue
			}
			m = m[int(m[0]&15)*4:] // a raw IPv4 socket sees the IP header
		case *unix.SockaddrInet6:
			a.from = netip.AddrFrom16(s.Addr)
		}
		if len(m) < 8 {
			continue
		}
		a.kind = m[0]
		if a.kind == p.timeExceeded { // quotes the request
			if m = m[8:]; len(m) < p.innerHeader+8 {
				continue
			}
			m = m[p.innerHeader:]
		} else if a.kind != p.reply {
			continue
		}
		if binary.BigEndian.Uint16(m[4:]) == p.id && binary.BigEndian.Uint16(m[6:]) == p.seq {
			return a, nil
		}
	}
	return answer{}, unix.EAGAIN
}

// ping sends n requests, each after the answer to the one before.
func ping(ns *netns.NS, dst string, n int) error {
	p, err := newPinger(ns, dst, 0)
	if err != nil {
		return err
	}
	defer p.close()
	for i := range n {
		if err := p.send(); err != nil {
			return err
		}
		a, err := p.receive()
		if err != nil {
			return fmt.Errorf("echo request %d of %d to %s: no reply: %w", i+1, n, dst, err)
		}
		if a.kind != p.reply {
			return fmt.Errorf("echo request %d of %d to %s: ICMP type %d from %s instead of a reply", i+1, n, dst, a.kind, a.from)
		}
	}
	return nil
}

// checksum is RFC 1071's.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// sendUDP sends n datagrams of size bytes to nobody in particular.
func sendUDP(ns *netns.NS, dst string, n, size int) error {
	var c net.Conn
	err := ns.Do(func() (err error) {
		c, err = net.Dial("udp", net.JoinHostPort(dst, "9"))
		return err
	})
	if err != nil {
		return err
	}
	defer c.Close()
	for range n {
		if _, err := c.Write(make([]byte, size)); err != nil {
			return err
		}
	}
	return nil
}

// transfer is a TCP connection from h1 to h2 that carries random data.
type transfer struct {
	client, server *net.TCPConn
	sent           atomic.Int64
}

// segments are the TCP segments that each side has sent, retransmissions included.
type segments struct {
	client, server uint32
	retransmitted  uint32
}

// newTransfer connects. Small receive buffers keep what is in flight below what
// the shortest queue on the way holds.
func newTransfer(ctx context.Context, from, to *netns.NS, dst string, window int) (*transfer, error) {
	control := func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, window)
		}); e != nil {
			return e
		}
		return err
	}
	var l net.Listener
	err := to.Do(func() (err error) {
		lc := net.ListenConfig{Control: control}
		l, err = lc.Listen(ctx, "tcp", net.JoinHostPort(dst, "0"))
		return err
	})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	t := &transfer{}
	err = from.Do(func() error {
		d := net.Dialer{Timeout: answerTimeout, Control: control}
		c, err := d.DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return err
		}
		t.client = c.(*net.TCPConn)
		return nil
	})
	if err != nil {
		return nil, err
	}
	c, err := l.Accept()
	if err != nil {
		return nil, errors.Join(err, t.client.Close())
	}
	t.server = c.(*net.TCPConn)
	return t, nil
}

func (t *transfer) close() error { return errors.Join(t.client.Close(), t.server.Close()) }

const chunk = 64 << 10

// run sends chunks until enough says so, compares digests and returns the bytes.
// Each chunk is preceded by its length, zero ends.
func (t *transfer) run(enough func(sent int64) bool) (int64, error) {
	received := make(chan error, 1)
	go func() { received <- t.receive() }()
	digest := sha256.New()
	data := make([]byte, 4+chunk)
	rng := rand.NewChaCha8([32]byte{1})
	for !enough(t.sent.Load()) {
		binary.BigEndian.PutUint32(data, chunk)
		_, _ = rng.Read(data[4:]) // never fails
		digest.Write(data[4:])
		if _, err := t.client.Write(data); err != nil {
			return t.sent.Load(), err
		}
		t.sent.Add(chunk)
	}
	if _, err := t.client.Write(make([]byte, 4)); err != nil {
		return t.sent.Load(), err
	}
	var echoed [sha256.Size]byte
	if _, err := io.ReadFull(t.client, echoed[:]); err != nil {
		return t.sent.Load(), err
	}
	if err := <-received; err != nil {
		return t.sent.Load(), err
	}
	if string(echoed[:]) != string(digest.Sum(nil)) {
		return t.sent.Load(), errors.New("the digests of what was sent and what was received differ")
	}
	return t.sent.Load(), nil
}

// receive digests chunks and answers with the digest.
func (t *transfer) receive() error {
	var digest hash.Hash = sha256.New()
	var size [4]byte
	for {
		if _, err := io.ReadFull(t.server, size[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(size[:])
		if n == 0 {
			_, err := t.server.Write(digest.Sum(nil))
			return err
		}
		if _, err := io.CopyN(digest, t.server, int64(n)); err != nil {
			return err
		}
	}
}

// quiet waits until both sides have acknowledged everything and says what they sent.
func (t *transfer) quiet(ctx context.Context) (segments, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last segments
	for same := 0; ; {
		a, err := tcpInfo(t.client)
		if err != nil {
			return last, err
		}
		b, err := tcpInfo(t.server)
		if err != nil {
			return last, err
		}
		// The SYN-ACK was sent before the server's socket was there to count it.
		now := segments{a.Segs_out, b.Segs_out + 1, a.Total_retrans + b.Total_retrans}
		// Delayed acknowledgements come within 200 ms.
		if a.Unacked+b.Unacked == 0 && now == last {
			if same++; same == 12 {
				return now, nil
			}
		} else {
			same = 0
		}
		last = now
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-tick.C:
		}
	}
}

func tcpInfo(c *net.TCPConn) (*unix.TCPInfo, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var info *unix.TCPInfo
	if e := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); e != nil {
		return nil, e
	}
	return info, err
}
