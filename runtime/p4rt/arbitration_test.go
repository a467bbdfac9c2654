package p4rt

import (
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/p4nic/p4nic/runtime/store"
)

func TestFirstArbitration(t *testing.T) {
	for _, c := range []struct {
		id   string
		m    *p4v1.MasterArbitrationUpdate
		code codes.Code
		text string
	}{
		{"A1 unknown device", &p4v1.MasterArbitrationUpdate{DeviceId: 5, ElectionId: eid(1)}, codes.NotFound, "device 5 is unknown"},
		{"S7 device 0", &p4v1.MasterArbitrationUpdate{ElectionId: eid(1)}, codes.NotFound, "device 0 is unknown"},
		{"A2 Q10 used id", &p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: eid(7)}, codes.InvalidArgument, "election id (0,7) is already used"},
		{"A3 role config", &p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: eid(9), Role: &p4v1.Role{Config: &anypb.Any{TypeUrl: "x/y"}}}, codes.InvalidArgument, "role config x/y"},
		{"A4 too many", &p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: eid(9)}, codes.ResourceExhausted, "the limit is 3"},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.MaxStreams = 3 })
			a := r.session()
			a.arbitrate(eid(7))
			a.expect(codes.OK, eid(7))
			if c.code == codes.ResourceExhausted {
				for range 2 {
					b := r.session()
					b.arbitrate(nil)
					b.expect(codes.AlreadyExists, eid(7))
				}
			}
			b := r.session()
			b.send(c.m)
			b.expectEnd(c.code, c.text)
			// The primary heard nothing of it and still is.
			a.arbitrate(eid(7))
			a.expect(codes.OK, eid(7))
		})
	}
}

func TestLaterArbitration(t *testing.T) {
	for _, c := range []struct {
		id   string
		m    *p4v1.MasterArbitrationUpdate
		code codes.Code
		text string
	}{
		{"A6 other device", &p4v1.MasterArbitrationUpdate{DeviceId: 2, ElectionId: eid(2)}, codes.FailedPrecondition, "this stream is for device 1"},
		{"A7 other role", &p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: eid(2), Role: &p4v1.Role{Name: "x"}}, codes.FailedPrecondition, `not for role "x"`},
		{"A8 role config", &p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: eid(2), Role: &p4v1.Role{Config: &anypb.Any{TypeUrl: "x/y"}}}, codes.InvalidArgument, "role config"},
		{"A9 used id", &p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: eid(7)}, codes.InvalidArgument, "election id (0,7) is already used"},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) {
			r := newRig(t)
			a := r.session()
			a.arbitrate(eid(7))
			a.expect(codes.OK, eid(7))
			b := r.session()
			b.arbitrate(eid(3))
			b.expect(codes.AlreadyExists, eid(7))
			b.send(c.m)
			b.expectEnd(c.code, c.text)
		})
	}
}

func TestElection(t *testing.T) {
	t.Run("p4rt:A11 p4rt:A17 p4rt:A24 higher id takes over", func(t *testing.T) {
		r := newRig(t)
		a, b, c := r.session(), r.session(), r.session()
		a.arbitrate(eid(5))
		a.expect(codes.OK, eid(5))
		b.arbitrate(nil) // A13
		b.expect(codes.AlreadyExists, eid(5))
		c.arbitrate(&p4v1.Uint128{High: 1})
		for _, s := range []*session{a, b} {
			s.expect(codes.AlreadyExists, &p4v1.Uint128{High: 1})
		}
		c.expect(codes.OK, &p4v1.Uint128{High: 1})
	})
	t.Run("p4rt:A12 lower id stays backup without primary", func(t *testing.T) {
		r := newRig(t)
		a, b := r.session(), r.session()
		a.arbitrate(eid(5))
		a.expect(codes.OK, eid(5))
		b.arbitrate(eid(4))
		b.expect(codes.AlreadyExists, eid(5))
		a.cancel()
		b.expect(codes.NotFound, eid(5)) // A30, and no promotion
		b.arbitrate(eid(4))
		b.expect(codes.NotFound, eid(5))
		b.arbitrate(eid(5)) // A15: the id of the dead one
		b.expect(codes.OK, eid(5))
	})
	t.Run("p4rt:A30 half-close", func(t *testing.T) {
		r := newRig(t)
		a, b := r.session(), r.session()
		a.arbitrate(eid(5))
		a.expect(codes.OK, eid(5))
		b.arbitrate(nil)
		b.expect(codes.AlreadyExists, eid(5))
		if err := a.s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		b.expect(codes.NotFound, eid(5))
	})
	t.Run("p4rt:A13 p4rt:A26 CL9 unset ids, never a primary", func(t *testing.T) {
		r := newRig(t)
		for range 3 {
			s := r.session()
			s.arbitrate(nil)
			s.expect(codes.NotFound, nil)
		}
	})
	t.Run("p4rt:A14 zero is an id", func(t *testing.T) {
		r := newRig(t)
		a := r.session()
		a.arbitrate(&p4v1.Uint128{})
		a.expect(codes.OK, &p4v1.Uint128{})
		b := r.session()
		b.arbitrate(&p4v1.Uint128{})
		b.expectEnd(codes.InvalidArgument, "election id (0,0) is already used")
	})
	t.Run("p4rt:A10 p4rt:A16 primary steps down", func(t *testing.T) {
		r := newRig(t)
		a, b := r.session(), r.session()
		a.arbitrate(eid(5))
		a.expect(codes.OK, eid(5))
		b.arbitrate(eid(3))
		b.expect(codes.AlreadyExists, eid(5))
		a.arbitrate(eid(2))
		a.expect(codes.NotFound, eid(5))
		b.expect(codes.NotFound, eid(5))
		b.arbitrate(eid(6))
		a.expect(codes.AlreadyExists, eid(6))
		b.expect(codes.OK, eid(6))
	})
	t.Run("p4rt:A24 same message again", func(t *testing.T) {
		r := newRig(t)
		a, b := r.session(), r.session()
		a.arbitrate(eid(5))
		a.expect(codes.OK, eid(5))
		b.arbitrate(eid(3))
		b.expect(codes.AlreadyExists, eid(5))
		a.arbitrate(eid(5))
		a.expect(codes.OK, eid(5))
		b.expect(codes.AlreadyExists, eid(5))
		a.arbitrate(eid(8)) // raises its own
		b.expect(codes.AlreadyExists, eid(8))
		a.expect(codes.OK, eid(8))
	})
	t.Run("p4rt:A25 backups answer alone", func(t *testing.T) {
		r := newRig(t)
		a, b := r.session(), r.session()
		a.arbitrate(eid(5))
		a.expect(codes.OK, eid(5))
		b.arbitrate(eid(3))
		b.expect(codes.AlreadyExists, eid(5))
		b.arbitrate(eid(4))
		b.expect(codes.AlreadyExists, eid(5))
		a.arbitrate(eid(6)) // the next thing a hears is its own
		a.expect(codes.OK, eid(6))
	})
	t.Run("p4rt:A19 p4rt:A26 roles are apart", func(t *testing.T) {
		r := newRig(t)
		a, b := r.session(), r.session()
		a.arbitrate(eid(5))
		a.expect(codes.OK, eid(5))
		b.send(&p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: eid(5), Role: &p4v1.Role{Name: "sdn_controller"}})
		m, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetDeviceId() != 1 || m.GetRole().GetName() != "sdn_controller" || m.GetRole().GetConfig() != nil || m.GetElectionId().GetLow() != 5 || m.GetStatus().GetCode() != 0 {
			t.Errorf("got %v", m)
		}
		// S5: another connection with the triple writes.
		_, err = r.client.Write(t.Context(), &p4v1.WriteRequest{DeviceId: 1, Role: "sdn_controller", ElectionId: eid(5)})
		if status.Code(err) != codes.FailedPrecondition {
			t.Errorf("write of the role: %v", err)
		}
	})
	t.Run("p4rt:A26 default role stays unset", func(t *testing.T) {
		r := newRig(t)
		a := r.session()
		a.arbitrate(eid(5))
		if m, err := a.next(); err != nil || m.GetRole() != nil {
			t.Errorf("got %v %v", m, err)
		}
	})
}

func TestElectionSurvivesRestart(t *testing.T) {
	r := newRig(t)
	a := r.session()
	a.arbitrate(eid(9))
	a.expect(codes.OK, eid(9))
	r.restart()
	b := r.session()
	b.arbitrate(eid(8))
	b.expect(codes.NotFound, eid(9)) // D6
	b.arbitrate(eid(9))
	b.expect(codes.OK, eid(9))
	r.stop()
	r.sopts.BootID = "another"
	r.start()
	c := r.session()
	c.arbitrate(eid(1))
	c.expect(codes.OK, eid(1)) // p4rt:S6
}

// TestTakeOverWaits checks p4rt:A17 and p4rt:A18: while a write of the old
// primary is under way, it is refused new ones, the others hear of the change,
// and the new primary waits.
func TestTakeOverWaits(t *testing.T) {
	r := ready(t)
	old := r.session()
	old.arbitrate(eid(2))
	old.expect(codes.OK, eid(2))
	entered, release := make(chan struct{}), make(chan struct{})
	r.plane.Entered = func() {
		close(entered)
		<-release
	}
	write := func(id *p4v1.Uint128, text string) error {
		_, err := r.client.Write(t.Context(), &p4v1.WriteRequest{DeviceId: 1, ElectionId: id, Updates: []*p4v1.Update{parse(t, text)}})
		return err
	}
	first := make(chan error, 1)
	go func() { first <- write(eid(2), "INSERT table_entry{table_id:EXACT KEY1 FORWARD}") }()
	<-entered
	next := r.session()
	next.arbitrate(eid(3))
	old.expect(codes.AlreadyExists, eid(3))
	if err := write(eid(2), "INSERT table_entry{table_id:EXACT KEY2 FORWARD}"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a new write of the old primary: %v", err)
	}
	if err := write(eid(3), "INSERT table_entry{table_id:EXACT KEY2 FORWARD}"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a write of the new primary before its turn: %v", err)
	}
	r.plane.Entered = nil
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the write under way: %v", err)
	}
	next.expect(codes.OK, eid(3))
	if err := write(eid(3), "DELETE table_entry{table_id:EXACT KEY1}"); err != nil {
		t.Errorf("the new primary's write: %v", err)
	}
}

func TestSaveFails(t *testing.T) {
	r := newRig(t)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	a := r.session()
	a.arbitrate(eid(1))
	a.expectEnd(codes.Unavailable, "closed")
}

func TestStreamErrors(t *testing.T) {
	r := newRig(t)
	packet := &p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Packet{Packet: &p4v1.PacketOut{Payload: []byte{1}}}}
	ack := &p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_DigestAck{DigestAck: &p4v1.DigestListAck{DigestId: 4}}}
	other := &p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Other{Other: &anypb.Any{TypeUrl: "a/b"}}}
	s := r.session()
	expect := func(t *testing.T, m *p4v1.StreamMessageRequest, code codes.Code) {
		t.Helper()
		if err := s.s.Send(m); err != nil {
			t.Fatal(err)
		}
		got, err := s.s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e := got.GetError(); codes.Code(e.GetCanonicalCode()) != code || e.GetDetails() == nil || e.GetSpace() == "" {
			t.Errorf("got %v, want %v", got, code)
		}
	}
	t.Run("p4rt:A31 before arbitration", func(t *testing.T) { expect(t, packet, codes.PermissionDenied) })
	s.arbitrate(eid(1))
	s.expect(codes.OK, eid(1))
	t.Run("p4rt:SE1 packet", func(t *testing.T) { expect(t, packet, codes.Unimplemented) })
	t.Run("p4rt:SE1 digest", func(t *testing.T) { expect(t, ack, codes.FailedPrecondition) })
	t.Run("p4rt:SE5 other", func(t *testing.T) { expect(t, other, codes.Unimplemented) })
	t.Run("empty", func(t *testing.T) { expect(t, &p4v1.StreamMessageRequest{}, codes.InvalidArgument) })
	t.Run("p4rt:A28 the stream stays", func(t *testing.T) {
		s.arbitrate(eid(1))
		s.expect(codes.OK, eid(1))
	})
}

func TestQueue(t *testing.T) {
	st := newStream()
	e := &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Error{Error: &p4v1.StreamError{}}}
	for range 2 * maxErrorsWaiting {
		st.push(e)
	}
	if n := len(st.take()); n != maxErrorsWaiting {
		t.Errorf("p4rt:SE3: %d errors wait", n)
	}
	a := st.answer(&store.Election{}, codes.OK)
	for range maxWaiting {
		st.push(a)
	}
	select {
	case <-st.full:
		t.Error("full too early")
	default:
	}
	st.push(a)
	select {
	case <-st.full:
	default:
		t.Error("a client that does not read is kept")
	}
}
