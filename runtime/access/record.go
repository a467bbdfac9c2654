package access

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"sync"

	gribi "github.com/openconfig/gribi/v1/proto/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/p4nic/p4nic/internal/auditlog"
)

// record is a write that is to be recorded.
type record struct {
	client *Client
	rpc    string
	what   summary
	wire   wire
	failed int
}

// reserve makes sure that a record can be written; release follows.
func (g *Guard) reserve() error {
	if g.audit == nil || g.conf.Audit.WhenFull != "refuse" {
		return nil
	}
	if err := g.audit.Reserve(); err != nil {
		return auditFailed(err)
	}
	return nil
}

func (g *Guard) release() {
	if g.audit != nil && g.conf.Audit.WhenFull == "refuse" {
		g.audit.Release()
	}
}

// room is reserve for a stream, whose records are not one a request.
func (g *Guard) room() error {
	if err := g.reserve(); err != nil {
		return err
	}
	g.release()
	return nil
}

func auditFailed(err error) error {
	return status.Errorf(codes.Unavailable, "%v: %v", errAudit, err)
}

// write records a request and its result. What cannot be written shows in the
// log and in State.
func (g *Guard) write(r record, result error) {
	if g.audit == nil {
		return
	}
	s := status.Convert(result)
	a := auditlog.Record{Kind: auditlog.KindRequest, RPC: strings.TrimPrefix(r.rpc, "/"), Client: r.client.Name, Via: string(r.client.Via), Address: r.client.Address,
		What: r.what, Code: s.Code().String(), Failed: uint64(r.failed)}
	if r.wire.size > 0 {
		a.Bytes, a.Digest = uint64(r.wire.size), hex.EncodeToString(r.wire.digest[:])
	}
	if result != nil {
		a.Message = s.Message()
		a.Failed += refusedParts(s.Proto().GetDetails())
	}
	if err := g.audit.Append(a); err != nil {
		g.complain("the audit log cannot be written", "error", err, "refusing", g.conf.Audit.WhenFull == "refuse")
	}
}

// refusedParts counts the p4.v1.Errors that are none: an accepted update has an
// empty one.
func refusedParts(details []*anypb.Any) (n uint64) {
	for _, d := range details {
		if strings.HasSuffix(d.GetTypeUrl(), "/p4.v1.Error") && len(d.GetValue()) > 0 {
			n++
		}
	}
	return n
}

// trail is what a stream has received and not recorded.
type trail struct {
	mu      sync.Mutex
	one     summary // of a message that is not gRIBI's
	ops     tally
	size    int
	sum     hash.Hash
	waiting bool
	refused error
}

func (t *trail) add(m any, w wire, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = true
	if r, ok := m.(*gribi.ModifyRequest); ok {
		t.ops.add(r)
	} else {
		t.one, _ = describe(m)
	}
	if known {
		if t.sum == nil {
			t.sum = sha256.New()
		}
		t.size += w.size
		write(t.sum, w.digest[:])
	}
}

func (t *trail) pending() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waiting
}

func (t *trail) take(c *Client, rpc string) record {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := record{client: c, rpc: rpc, what: t.one}
	if r.what == nil {
		r.what = t.ops.summary()
	}
	if t.size > 0 {
		r.wire.size = t.size
		t.sum.Sum(r.wire.digest[:0])
		t.sum.Reset()
	}
	t.one, t.ops, t.size, t.waiting = nil, tally{}, 0, false
	return r
}

func (t *trail) refuse(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = err
}

func (t *trail) refusal() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused
}
