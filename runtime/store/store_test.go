package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

func loadVariant(c Config) (*ir.Program, error) { return storetest.Program(string(c.Device)) }

type rig struct {
	t     testing.TB
	dir   string
	plane *storetest.Plane
	s     *Store
	opts  Options
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, dir: t.TempDir(), plane: storetest.NewPlane()}
	r.opts = Options{Dir: r.dir, Load: loadVariant, BootID: "boot1"}
	r.open()
	t.Cleanup(func() {
		if r.s != nil {
			r.close()
		}
		if b := r.plane.Breaches(); len(b) > 0 {
			t.Errorf("the store broke the dataplane's contract: %s", strings.Join(b, "; "))
		}
	})
	return r
}

func (r *rig) open() {
	r.t.Helper()
	s, err := Open(r.opts)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := s.Start(r.plane); err != nil {
		r.t.Fatal(err)
	}
	r.s = s
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.s.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.s = nil
}

func (r *rig) reopen() {
	r.t.Helper()
	r.close()
	r.open()
}

func pipeline(t testing.TB, variant string) *Pipeline {
	t.Helper()
	p, err := storetest.Program(variant)
	if err != nil {
		t.Fatal(err)
	}
	pl, err := NewPipeline(Config{HasCookie: true, Cookie: 7, P4Info: []byte("info"), Device: []byte(variant)}, p)
	if err != nil {
		t.Fatal(err)
	}
	return pl
}

func (r *rig) set(m Mode, variant string) error {
	r.t.Helper()
	return r.s.SetPipeline(m, pipeline(r.t, variant))
}

func (r *rig) mustSet(m Mode, variant string) {
	r.t.Helper()
	if err := r.set(m, variant); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) apply(us ...entity.Update) []error {
	r.t.Helper()
	errs, err := r.s.Apply(Batch{Pipeline: r.s.Pipeline(), Updates: us})
	if err != nil {
		r.t.Fatal(err)
	}
	if errs == nil {
		errs = make([]error, len(us))
	}
	return errs
}

func (r *rig) must(us ...entity.Update) {
	r.t.Helper()
	for i, err := range r.apply(us...) {
		if err != nil {
			r.t.Fatalf("update %d: %v", i, err)
		}
	}
}

// dump shows all entries by table name, key and content.
func dump(s *Store) map[string]string {
	out := map[string]string{}
	v := s.Snapshot(nil)
	if v.Pipeline == nil {
		return out
	}
	for i, t := range v.Pipeline.Schema.Tables {
		out[t.Name+" default"] = show(t, v.Default(i))
		for e := range v.Entries(i) {
			out[t.Name+" "+t.FormatKey(e.Key, e.Priority)] = show(t, e)
		}
	}
	return out
}

func show(t *entity.Table, e *entity.Entry) string {
	s := fmt.Sprintf("%s(%x)", t.Actions[e.Action].Name, e.Args)
	if e.Extra != nil {
		s += fmt.Sprintf(" meta %q %d", e.Extra.Metadata, e.Extra.ControllerMetadata)
	}
	if e.Flags != 0 {
		s += fmt.Sprintf(" flags %d", e.Flags)
	}
	return s
}

// samePlane fails when the dataplane holds something else than the store.
func (r *rig) samePlane() {
	r.t.Helper()
	v := r.s.Snapshot(nil)
	if v.Pipeline == nil {
		return
	}
	for i, t := range v.Pipeline.Schema.Tables {
		want := map[uint32]ir.Entry{0: t.Machine(v.Default(i))}
		for e := range v.Entries(i) {
			want[e.Handle] = t.Machine(e)
		}
		if got := r.plane.Table(i); !reflect.DeepEqual(got, want) {
			r.t.Fatalf("table %s: the dataplane holds %v, the store %v", t.Name, got, want)
		}
	}
}

func exactKey(a, b int) string {
	k := binary.BigEndian.AppendUint16(nil, uint16(a))
	return string(binary.BigEndian.AppendUint16(k, uint16(b)))
}

func setArgs(port, mac int) string {
	b := binary.BigEndian.AppendUint16(nil, uint16(port))
	b = append(b, 0, 0)
	return string(binary.BigEndian.AppendUint32(b, uint32(mac)))
}

func ins(a, port int) entity.Update {
	return entity.Update{Kind: entity.Insert, Table: storetest.Exact, Key: exactKey(a, 0), HasAction: true, Action: 1, Args: setArgs(port, 0)}
}

func del(a int) entity.Update {
	return entity.Update{Kind: entity.Delete, Table: storetest.Exact, Key: exactKey(a, 0)}
}

func reasons(errs []error) string {
	var out []string
	for _, err := range errs {
		var e *entity.Error
		switch {
		case err == nil:
			out = append(out, "ok")
		case errors.As(err, &e):
			out = append(out, e.Reason.String())
		default:
			out = append(out, err.Error())
		}
	}
	return strings.Join(out, ", ")
}

func TestUpdates(t *testing.T) {
	one := string([]byte{1})
	lpm := func(v uint32, n int) string {
		return string(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(nil, v), uint16(n)))
	}
	mod := func(u entity.Update) entity.Update { u.Kind = entity.Modify; return u }
	noAction := func(u entity.Update) entity.Update { u.HasAction, u.Args = false, ""; return u }
	constKey := func(k, m byte, prio int32, kind entity.Kind) entity.Update {
		return entity.Update{Kind: kind, Table: storetest.Const, Key: string([]byte{k, m}), Priority: prio}
	}
	withSet := func(u entity.Update, action int) entity.Update {
		u.HasAction, u.Action, u.Args = true, action, setArgs(1, 2)
		return u
	}
	for _, c := range []struct {
		name string
		in   []entity.Update
		want string
	}{
		{"p4rt:W3 INSERT twice", []entity.Update{ins(1, 1), ins(1, 2)}, "ok, exists"},
		{"p4rt:W4 MODIFY missing", []entity.Update{mod(ins(1, 1))}, "not found"},
		{"p4rt:W5 DELETE missing", []entity.Update{del(1)}, "not found"},
		{"p4rt:W7 later updates are tried", []entity.Update{del(9), ins(1, 1), del(8), mod(ins(1, 2))}, "not found, ok, not found, ok"},
		{"p4rt:W13 in order", []entity.Update{ins(1, 1), del(1), ins(1, 2), mod(ins(1, 3)), del(1), del(1)}, "ok, ok, ok, ok, ok, not found"},
		{"p4rt:T5 other priority is another entry", []entity.Update{
			withSet(entity.Update{Kind: entity.Insert, Table: storetest.ACL, Key: strings.Repeat("\x00", 14), Priority: 1}, 2),
			withSet(entity.Update{Kind: entity.Insert, Table: storetest.ACL, Key: strings.Repeat("\x00", 14), Priority: 2}, 2)}, "ok, ok"},
		{"p4rt:T7 keyless", []entity.Update{withSet(entity.Update{Kind: entity.Insert, Table: storetest.Keyless}, 1)}, "invalid"},
		{"p4rt:T8 full", []entity.Update{ins(1, 1), ins(2, 1), ins(3, 1), ins(4, 1), ins(5, 1)}, "ok, ok, ok, ok, full"},
		{"p4rt:T8 room made in the batch", []entity.Update{ins(1, 1), ins(2, 1), ins(3, 1), ins(4, 1), del(2), ins(5, 1), ins(6, 1)}, "ok, ok, ok, ok, ok, ok, full"},
		{"p4rt:T11 INSERT without action", []entity.Update{noAction(ins(1, 1))}, "invalid"},
		{"p4rt:T11 MODIFY without action", []entity.Update{ins(1, 1), noAction(mod(ins(1, 1)))}, "ok, ok"},
		{"p4rt:T18 default", []entity.Update{
			withSet(entity.Update{Kind: entity.SetDefault, Table: storetest.Exact}, 1), {Kind: entity.ResetDefault, Table: storetest.Exact}}, "ok, ok"},
		{"p4rt:T19 const default", []entity.Update{
			withSet(entity.Update{Kind: entity.SetDefault, Table: storetest.TheConst}, 1), {Kind: entity.ResetDefault, Table: storetest.TheConst}}, "denied, denied"},
		{"p4rt:K1 const table", []entity.Update{
			withSet(constKey(1, 1, 1, entity.Insert), 1), withSet(constKey(0x10, 0xf0, 2, entity.Modify), 1), constKey(0x10, 0xf0, 2, entity.Delete)}, "denied, denied, denied"},
		{"p4rt:K2 counter of a const entry", []entity.Update{
			func() entity.Update {
				u := constKey(0x10, 0xf0, 2, entity.Modify)
				u.Counter = &entity.Counter{Packets: 5}
				return u
			}(),
			func() entity.Update {
				u := constKey(0x10, 0xf0, 2, entity.SetCounter)
				u.Counter = &entity.Counter{Packets: 5}
				return u
			}()}, "ok, ok"},
		{"p4rt:K5 initial entries", []entity.Update{
			{Kind: entity.Delete, Table: storetest.Init, Key: one},
			{Kind: entity.Modify, Table: storetest.Init, Key: one, HasAction: true, Action: 1},
			{Kind: entity.Modify, Table: storetest.Init, Key: "\x02", HasAction: true, Action: 1},
			{Kind: entity.Delete, Table: storetest.Init, Key: "\x02"},
			{Kind: entity.Insert, Table: storetest.Init, Key: "\x05", HasAction: true, Action: 1}}, "denied, denied, ok, ok, ok"},
		{"p4rt:DR1 counter of a table without", []entity.Update{
			func() entity.Update {
				u := withSet(entity.Update{Kind: entity.Insert, Table: storetest.Routes, Key: lpm(0x0a000000, 8)}, 1)
				u.Counter = &entity.Counter{}
				return u
			}()}, "invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.mustSet(Commit, "")
			if got := reasons(r.apply(c.in...)); got != c.want {
				t.Errorf("results are %s, want %s", got, c.want)
			}
			r.samePlane()
			before := dump(r.s)
			r.reopen()
			if after := dump(r.s); !reflect.DeepEqual(before, after) {
				t.Errorf("after a restart: %v\nbefore: %v", after, before)
			}
			r.samePlane()
		})
	}
}

func TestMessagesNameObjectValueLimit(t *testing.T) {
	r := newRig(t)
	r.mustSet(Commit, "")
	r.must(ins(1, 1), ins(2, 1), ins(3, 1), ins(4, 1))
	for _, c := range []struct {
		u    entity.Update
		want string
	}{
		{ins(5, 1), "table ingress.exact is full: its size is 4"},
		{ins(1, 1), "table ingress.exact: entry hdr.a=0x0001, hdr.b=0x0000 exists"},
		{del(9), "table ingress.exact: no entry hdr.a=0x0009, hdr.b=0x0000"},
		{entity.Update{Kind: entity.Delete, Table: storetest.Init, Key: "\x01"}, "table ingress.init: entry k=0x01 is const"},
		{entity.Update{Kind: entity.ResetDefault, Table: storetest.TheConst}, "table ingress.theconst: its default action is const"},
	} {
		t.Run("p4rt:E7 "+c.want, func(t *testing.T) {
			if err := r.apply(c.u)[0]; err == nil || err.Error() != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// counters reads the packets of the exact table's entry a.
func (r *rig) packets(a int) uint64 {
	r.t.Helper()
	v := r.s.Snapshot(r.s.Pipeline(), Key{Table: storetest.Exact, Key: exactKey(a, 0)})
	if v.Found[0] == nil {
		r.t.Fatalf("no entry %d", a)
	}
	var out [1]entity.Counter
	if err := v.Counters(storetest.Exact, []entity.Entry{*v.Found[0]}, out[:]); err != nil {
		r.t.Fatal(err)
	}
	return out[0].Packets
}

func (r *rig) handle(a int) uint32 {
	return r.s.Snapshot(r.s.Pipeline(), Key{Table: storetest.Exact, Key: exactKey(a, 0)}).Found[0].Handle
}

func TestCounterBases(t *testing.T) {
	want := func(t *testing.T, r *rig, a int, n uint64) {
		t.Helper()
		if got := r.packets(a); got != n {
			t.Errorf("entry %d has %d packets, want %d", a, got, n)
		}
	}
	setCounter := func(a int, n uint64) entity.Update {
		return entity.Update{Kind: entity.SetCounter, Table: storetest.Exact, Key: exactKey(a, 0), Counter: &entity.Counter{Packets: n}}
	}
	t.Run("D12 write up and down", func(t *testing.T) {
		r := newRig(t)
		r.mustSet(Commit, "")
		r.must(ins(1, 1))
		r.plane.Count(storetest.Exact, r.handle(1), 10)
		r.must(setCounter(1, 1000))
		r.plane.Count(storetest.Exact, r.handle(1), 1)
		want(t, r, 1, 1001)
		r.must(setCounter(1, 0))
		want(t, r, 1, 0)
		r.reopen() // the plane lived on
		r.plane.Count(storetest.Exact, r.handle(1), 2)
		want(t, r, 1, 2)
	})
	t.Run("D12 new owner of a handle", func(t *testing.T) {
		r := newRig(t)
		r.mustSet(Commit, "")
		r.must(ins(1, 1), ins(2, 1), ins(3, 1), ins(4, 1))
		r.plane.Count(storetest.Exact, r.handle(2), 7)
		r.must(del(2))
		r.must(ins(5, 1))
		want(t, r, 5, 0)
		r.plane.Count(storetest.Exact, r.handle(5), 3)
		want(t, r, 5, 3)
		r.reopen()
		want(t, r, 5, 3)
	})
	t.Run("D11 handle given on within a batch", func(t *testing.T) {
		r := newRig(t)
		r.mustSet(Commit, "")
		r.must(ins(1, 1), ins(2, 1), ins(3, 1), ins(4, 1))
		h := r.handle(2)
		r.plane.Count(storetest.Exact, h, 7)
		six := ins(6, 1)
		six.Counter = &entity.Counter{Packets: 50}
		r.must(del(2), ins(5, 1), del(5), six)
		if r.handle(6) != h {
			t.Fatalf("entry 6 has handle %d, want %d", r.handle(6), h)
		}
		want(t, r, 6, 50)
		r.plane.Count(storetest.Exact, h, 1)
		r.must(setCounter(6, 60))
		r.reopen()
		want(t, r, 6, 60)
	})
	t.Run("p4rt:DR3 MODIFY leaves the counter", func(t *testing.T) {
		r := newRig(t)
		r.mustSet(Commit, "")
		r.must(ins(1, 1))
		r.plane.Count(storetest.Exact, r.handle(1), 4)
		u := ins(1, 2)
		u.Kind = entity.Modify
		r.must(u)
		want(t, r, 1, 4)
	})
	t.Run("D12 a dataplane that lost its state", func(t *testing.T) {
		r := newRig(t)
		r.mustSet(Commit, "")
		r.must(ins(1, 1))
		r.plane.Count(storetest.Exact, r.handle(1), 4)
		r.must(setCounter(1, 0))
		r.close()
		r.plane = storetest.NewPlane()
		r.open()
		want(t, r, 1, 0)
		r.plane.Count(storetest.Exact, r.handle(1), 4)
		r.reopen()
		want(t, r, 1, 4)
	})
	t.Run("indirect", func(t *testing.T) {
		r := newRig(t)
		r.mustSet(Commit, "")
		read := func(i uint32) uint64 {
			var out [1]entity.Counter
			if err := r.s.Snapshot(nil).Cells("ingress.cells", []uint32{i}, out[:]); err != nil {
				t.Fatal(err)
			}
			return out[0].Packets
		}
		r.plane.CountCell("ingress.cells", 3, 9)
		old := r.s.Snapshot(nil)
		r.must(entity.Update{Kind: entity.SetCells, Instance: "ingress.cells", Index: 2, Count: 2, Counter: &entity.Counter{Packets: 100}})
		r.plane.CountCell("ingress.cells", 3, 1)
		r.reopen()
		if a, b, c := read(2), read(3), read(4); a != 100 || b != 101 || c != 0 {
			t.Errorf("cells 2, 3, 4 read %d, %d, %d", a, b, c)
		}
		if len(old.cells["ingress.cells"]) != 0 {
			t.Error("an old snapshot sees the new base")
		}
		r.mustSet(Reconcile, "same")
		if b := read(3); b != 101 {
			t.Errorf("cell 3 reads %d after a reconcile", b)
		}
		r.mustSet(Commit, "same")
		if b := read(3); b != 0 {
			t.Errorf("cell 3 reads %d in a fresh pipeline", b)
		}
	})
}

func TestApplyErrors(t *testing.T) {
	fail := func(key string, kind dataplane.OpKind) func(dataplane.Op) error {
		return func(op dataplane.Op) error {
			if op.Kind == kind && len(op.Entry.Match) > 0 && string(op.Entry.Match[0].Value) == key {
				return dataplane.ErrFull
			}
			return nil
		}
	}
	mod := func(a, port int) entity.Update { u := ins(a, port); u.Kind = entity.Modify; return u }
	keep := func(a int) entity.Update {
		return entity.Update{Kind: entity.Modify, Table: storetest.Exact, Key: exactKey(a, 0), Extra: entity.Extra{ControllerMetadata: 5}}
	}
	four := []entity.Update{ins(1, 1), ins(2, 1), ins(3, 1), ins(4, 1)}
	for _, c := range []struct {
		name   string
		before []entity.Update
		fail   func(dataplane.Op) error
		in     []entity.Update
		want   string
		left   int // entries of the table
	}{
		{"D6 INSERT", nil, fail("\x00\x01", dataplane.Insert), []entity.Update{ins(1, 1), ins(2, 1)}, "full, ok", 1},
		{"D6 what rests on it", nil, fail("\x00\x01", dataplane.Insert), []entity.Update{ins(1, 1), mod(1, 2), keep(1), del(1)}, "full, not found, not found, not found", 0},
		{"D6 MODIFY", four, fail("\x00\x01", dataplane.Modify), []entity.Update{mod(1, 9), keep(1)}, "full, ok", 4},
		{"D6 DELETE whose handle was given on", four, fail("\x00\x01", dataplane.Delete), []entity.Update{del(1), ins(5, 1), mod(5, 2), keep(5)}, "full, full, not found, not found", 4},
		{"D6 INSERT on a handle given on", four, fail("\x00\x05", dataplane.Insert), []entity.Update{del(1), ins(5, 1), ins(6, 1)}, "ok, full, full", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.mustSet(Commit, "")
			r.must(c.before...)
			r.plane.FailOp = c.fail
			if got := reasons(r.apply(c.in...)); got != c.want {
				t.Errorf("results are %s, want %s", got, c.want)
			}
			r.plane.FailOp = nil
			r.samePlane()
			if n := r.s.Snapshot(nil).Count(storetest.Exact); n != c.left {
				t.Errorf("%d entries are left, want %d", n, c.left)
			}
			before := dump(r.s)
			r.reopen()
			if after := dump(r.s); !reflect.DeepEqual(before, after) {
				t.Errorf("after a restart: %v\nbefore: %v", after, before)
			}
			// No handle is lost or given twice.
			for i := c.left; i < 4; i++ {
				r.must(ins(100+i, 1))
			}
			if got := reasons(r.apply(ins(200, 1))); got != "full" {
				t.Errorf("one entry too many: %s", got)
			}
			r.samePlane()
		})
	}
}

func TestJournalWriteFails(t *testing.T) {
	r := newRig(t)
	r.mustSet(Commit, "")
	r.must(ins(1, 1))
	good := r.s.journal.f
	ro, err := os.Open(filepath.Join(r.dir, journalName)) // writing fails, and so does cutting
	if err != nil {
		t.Fatal(err)
	}
	r.s.journal.f = diskFile{ro}
	if _, err := r.s.Apply(Batch{Pipeline: r.s.Pipeline(), Updates: []entity.Update{ins(2, 1)}}); err == nil {
		t.Fatal("acknowledged without a journal")
	}
	r.s.journal.f = good
	if _, err := r.s.Apply(Batch{Pipeline: r.s.Pipeline(), Updates: []entity.Update{ins(3, 1)}}); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("accepted after the journal broke: %v", err)
	}
	ro.Close()
	r.samePlane()
	r.reopen()
	if n := r.s.Snapshot(nil).Count(storetest.Exact); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestWholeCallErrors(t *testing.T) {
	r := newRig(t)
	if _, err := r.s.Apply(Batch{}); !errors.Is(err, ErrNoPipeline) {
		t.Errorf("without pipeline: %v", err)
	}
	r.mustSet(Commit, "")
	old := r.s.Pipeline()
	r.mustSet(Commit, "same")
	if _, err := r.s.Apply(Batch{Pipeline: old, Updates: []entity.Update{ins(1, 1)}}); !errors.Is(err, ErrPipelineChanged) {
		t.Errorf("with an old pipeline: %v", err)
	}
	s := r.s
	r.close()
	if _, err := s.Apply(Batch{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	s, err := Open(r.opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(Batch{}); !errors.Is(err, ErrNotStarted) {
		t.Errorf("not started: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	r := newRig(t)
	_, err := Open(r.opts)
	var l *LockedError
	if !errors.As(err, &l) || l.PID != os.Getpid() {
		t.Fatalf("D18: a second holder got %v", err)
	}
	if want := fmt.Sprintf("process %d", os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Errorf("%q does not name %s", err, want)
	}
}

func TestElections(t *testing.T) {
	r := newRig(t)
	for _, e := range []Election{{0, 5}, {1, 2}} {
		if err := r.s.SaveElection("role", e); err != nil {
			t.Fatal(err)
		}
	}
	r.mustSet(Commit, "") // rewrites the journal
	r.reopen()
	if e, ok := r.s.Election("role"); !ok || e != (Election{1, 2}) {
		t.Errorf("D6: after a restart %v %v", e, ok)
	}
	r.close()
	r.opts.BootID = "boot2"
	r.open()
	if e, ok := r.s.Election("role"); ok {
		t.Errorf("p4rt:S6: after a boot %v", e)
	}
}

func TestSnapshotIsStable(t *testing.T) {
	r := newRig(t)
	r.mustSet(Commit, "")
	r.must(ins(1, 1), ins(2, 1))
	v := r.s.Snapshot(r.s.Pipeline(), Key{Table: storetest.Exact, Key: exactKey(1, 0)}, Key{Table: storetest.Exact, Key: exactKey(9, 0)})
	if v.Found[0] == nil || v.Found[1] != nil {
		t.Fatalf("found %v", v.Found)
	}
	r.must(del(1), ins(3, 1), ins(4, 1))
	n := 0
	for e := range v.Entries(storetest.Exact) {
		n++
		if e.Key != exactKey(1, 0) && e.Key != exactKey(2, 0) {
			t.Errorf("p4rt:RD10: the snapshot shows %x", e.Key)
		}
	}
	if n != 2 || v.Count(storetest.Exact) != 2 {
		t.Errorf("p4rt:RD10: %d entries, Count %d", n, v.Count(storetest.Exact))
	}
}
