package p4rt

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

func pair(a, b byte) ir.Digest {
	return ir.Digest{Name: "ingress.digest", Fields: [][]byte{{a}, {b}}}
}

// digest reads a list: the first members of its structs.
func (c *session) digest() (*p4v1.DigestList, string) {
	c.t.Helper()
	m, err := c.s.Recv()
	if err != nil {
		c.t.Fatal(err)
	}
	d := m.GetDigest()
	if d == nil {
		c.t.Fatalf("got %v, not a digest", m)
	}
	var out []string
	for _, x := range d.GetData() {
		out = append(out, fmt.Sprintf("%x", x.GetStruct().GetMembers()[0].GetBitstring()))
	}
	return d, strings.Join(out, " ")
}

// ack acknowledges a list; when it returns the server knows.
func (c *session) ack(d *p4v1.DigestList) {
	c.t.Helper()
	for _, a := range []*p4v1.DigestListAck{{DigestId: d.DigestId, ListId: d.ListId}, {DigestId: 99}} {
		if err := c.s.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_DigestAck{DigestAck: a}}); err != nil {
			c.t.Fatal(err)
		}
	}
	m, err := c.s.Recv() // p4rt:G7
	if e := m.GetError(); err != nil || codes.Code(e.GetCanonicalCode()) != codes.InvalidArgument || e.GetDigestListAck().GetDigestListAck().GetDigestId() != 99 {
		c.t.Fatalf("got %v, %v", m, err)
	}
}

func digestRig(t *testing.T, config string) (*rig, *session) {
	t.Helper()
	r := newRig(t)
	c := r.primary()
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, "objects"); err != nil {
		t.Fatal(err)
	}
	r.mustWrite(parse(t, "INSERT digest_entry{digest_id:DIGEST config{"+config+"}}"))
	return r, c
}

func (r *rig) digests(ds ...ir.Digest) {
	r.t.Helper()
	for _, d := range ds {
		if !r.plane.Send(d) {
			r.t.Fatal("nobody listens to digests")
		}
	}
}

func TestDigests(t *testing.T) {
	const hour = "3600000000000"
	t.Run("p4rt:G5 one list a digest", func(t *testing.T) {
		r, c := digestRig(t, "")
		r.digests(pair(1, 0xf), pair(1, 0xf), pair(2, 0))
		d, got := c.digest()
		want := &p4v1.P4Data{}
		if err := prototext.Unmarshal([]byte(`struct{members{bitstring:"\x01"} members{bitstring:"\xff"}}`), want); err != nil {
			t.Fatal(err)
		}
		if got != "01" || d.DigestId != idDigest || d.ListId == 0 || d.Timestamp == 0 || !proto.Equal(d.Data[0], want) {
			t.Errorf("p4rt:G6 G11: got %v", d)
		}
		e, _ := c.digest() // no cache: the same again
		f, got := c.digest()
		if e.ListId == d.ListId || f.ListId == e.ListId || got != "02" {
			t.Errorf("p4rt:G6: lists %d, %d, %d; %s", d.ListId, e.ListId, f.ListId, got)
		}
	})
	t.Run("p4rt:G2 G3 list size", func(t *testing.T) {
		r, c := digestRig(t, "max_list_size:3 max_timeout_ns:"+hour)
		r.digests(pair(1, 0), pair(2, 0), pair(1, 0), pair(2, 0), pair(3, 0), pair(4, 0), pair(5, 0), pair(1, 0))
		for _, want := range []string{"01 02 03", "04 05 01"} {
			if _, got := c.digest(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
	t.Run("p4rt:G2 timeout", func(t *testing.T) {
		r, c := digestRig(t, "max_timeout_ns:1000000")
		r.digests(pair(1, 0))
		if _, got := c.digest(); got != "01" {
			t.Errorf("got %s", got)
		}
		r.digests(pair(1, 0))
		if _, got := c.digest(); got != "01" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("p4rt:G4 G7 acknowledged", func(t *testing.T) {
		r, c := digestRig(t, "max_list_size:1 ack_timeout_ns:"+hour)
		r.digests(pair(1, 0), pair(2, 0), pair(1, 0), pair(3, 0))
		one, _ := c.digest()
		for _, want := range []string{"02", "03"} {
			if _, got := c.digest(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		c.ack(one)
		r.digests(pair(2, 0), pair(1, 0))
		if _, got := c.digest(); got != "01" {
			t.Errorf("got %s, want 01", got)
		}
	})
	t.Run("p4rt:G4 acknowledgement too late", func(t *testing.T) {
		r, c := digestRig(t, "max_list_size:1 ack_timeout_ns:1")
		r.digests(pair(1, 0), pair(1, 0))
		for range 2 {
			if _, got := c.digest(); got != "01" {
				t.Errorf("got %s", got)
			}
		}
	})
	t.Run("p4rt:G1 disabled", func(t *testing.T) {
		r, c := digestRig(t, "")
		r.mustWrite(parse(t, "DELETE digest_entry{digest_id:DIGEST}"))
		r.digests(pair(1, 0), ir.Digest{Name: "other"})
		for r.server.DigestCounts().Disabled < 2 {
			runtime.Gosched()
		}
		r.mustWrite(parse(t, "INSERT digest_entry{digest_id:DIGEST}"))
		r.digests(ir.Digest{Name: "ingress.digest", Fields: [][]byte{{1}}}, pair(2, 0))
		if _, got := c.digest(); got != "02" {
			t.Errorf("got %s", got)
		}
		if n := r.server.DigestCounts(); n.Malformed != 1 || n.Messages != 4 || n.Lists != 1 {
			t.Errorf("counts %+v", n)
		}
	})
	t.Run("p4rt:G10 not primary", func(t *testing.T) {
		r, c := digestRig(t, "")
		c.arbitrate(nil) // steps down
		c.expect(codes.NotFound, eid(1))
		r.digests(pair(1, 0))
		for r.server.DigestCounts().NoPrimary < 1 {
			runtime.Gosched()
		}
		if err := c.s.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_DigestAck{DigestAck: &p4v1.DigestListAck{DigestId: idDigest}}}); err != nil {
			t.Fatal(err)
		}
		m, err := c.s.Recv()
		if err != nil || codes.Code(m.GetError().GetCanonicalCode()) != codes.PermissionDenied {
			t.Errorf("got %v, %v", m, err)
		}
	})
	t.Run("restarted", func(t *testing.T) {
		r, _ := digestRig(t, "")
		r.restart()
		c := r.session()
		c.arbitrate(eid(2))
		c.expect(codes.OK, eid(2))
		r.digests(pair(7, 0))
		if _, got := c.digest(); got != "07" {
			t.Errorf("got %s", got)
		}
	})
}

// TestIdleNotifications: p4rt:IT4, IT5, IT7.
func TestIdleNotifications(t *testing.T) {
	r := newRig(t)
	c := r.primary()
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, "objects"); err != nil {
		t.Fatal(err)
	}
	r.mustWrite(parse(t, `INSERT table_entry{table_id:METERED K1 action{PORT7} idle_timeout_ns:1000000 metadata:"m" controller_metadata:4}`),
		parse(t, "INSERT table_entry{table_id:METERED K2 action{PORT7}}"))
	if r.plane.Table(storetest.Metered)[1].IdleTimeout != 1000000 {
		t.Errorf("the dataplane has %+v", r.plane.Table(storetest.Metered)[1])
	}
	want := parseEntity(t, `table_entry{table_id:METERED K1 idle_timeout_ns:1000000 metadata:"m" controller_metadata:4}`).GetTableEntry()
	notice := func() {
		t.Helper()
		m, err := c.s.Recv()
		n := m.GetIdleTimeoutNotification()
		if err != nil || len(n.GetTableEntry()) != 1 || n.GetTimestamp() == 0 || !proto.Equal(n.GetTableEntry()[0], want) {
			t.Fatalf("got %v, %v", m, err)
		}
	}
	if !r.plane.Age(storetest.Metered, 1) {
		t.Fatal("nobody listens")
	}
	notice()
	notice() // the dataplane says that it was not hit since
	// An entry without a timeout, and one that is gone: nothing is told.
	r.plane.Age(storetest.Metered, 2)
	r.plane.Age(storetest.Metered, 3)
	// MODIFY changes the timeout in the dataplane, without an action too (T11).
	r.mustWrite(parse(t, `MODIFY table_entry{table_id:METERED K1 idle_timeout_ns:2000000}`))
	if e := r.plane.Table(storetest.Metered)[1]; e.IdleTimeout != 2000000 || e.Action != 1 {
		t.Errorf("the dataplane has %+v", e)
	}
	want = parseEntity(t, `table_entry{table_id:METERED K1 idle_timeout_ns:2000000}`).GetTableEntry()
	notice()
	r.mustWrite(parse(t, `DELETE table_entry{table_id:METERED K1}`))
	r.plane.Age(storetest.Metered, 1)
	c.arbitrate(eid(1))
	c.expect(codes.OK, eid(1)) // and nothing before
}
