package store

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// fill writes a little of everything.
func (r *rig) fill() {
	r.t.Helper()
	acl := string([]byte{10, 0, 0, 0, 255, 0, 0, 0, 0, 1, 0, 2, 1, 6})
	lpm := string(binary.BigEndian.AppendUint16([]byte{10, 0, 0, 0}, 8))
	r.must(ins(1, 11), ins(2, 12),
		entity.Update{Kind: entity.Insert, Table: storetest.ACL, Key: acl, Priority: 7, HasAction: true, Action: 2, Args: setArgs(1, 1), Extra: entity.Extra{Metadata: []byte("m")}},
		entity.Update{Kind: entity.Insert, Table: storetest.Routes, Key: lpm, HasAction: true, Action: 1, Args: setArgs(2, 2)},
		entity.Update{Kind: entity.Insert, Table: storetest.Init, Key: "\x07", HasAction: true, Action: 1},
		entity.Update{Kind: entity.Delete, Table: storetest.Init, Key: "\x02"},
		entity.Update{Kind: entity.SetDefault, Table: storetest.Keyless, HasAction: true, Action: 1, Args: setArgs(3, 3)})
	r.plane.Count(storetest.Exact, r.handle(1), 5)
}

func TestReconcile(t *testing.T) {
	for _, c := range []struct {
		name, to string
		lost     []string // words of each loss; nil = accepted
		check    func(t *testing.T, before, after map[string]string)
	}{
		{"D1 same tables", "same", nil, func(t *testing.T, before, after map[string]string) {
			if !reflect.DeepEqual(before, after) {
				t.Errorf("after %v\nbefore %v", after, before)
			}
		}},
		{"D1 key fields in another order", "grown", nil, func(t *testing.T, before, after map[string]string) {
			k := "ingress.acl proto=0x06, src=0x0a000000&&&0xff000000, port=0x0001..0x0002 priority 7"
			if after[k] != before["ingress.acl src=0x0a000000&&&0xff000000, port=0x0001..0x0002, proto=0x06 priority 7"] || after[k] == "" {
				t.Errorf("acl entry is %q in %v", after[k], after)
			}
			if len(after) != len(before) {
				t.Errorf("%d entries, before %d", len(after), len(before))
			}
		}},
		{"D1 table gone", "noroutes", []string{"table ingress.routes: the new program has none, 1 entries"}, nil},
		{"D1 key changed", "widekey", []string{"table ingress.exact: key hdr.a was bit<16> and is bit<32>, 2 entries"}, nil},
		{"D1 action gone", "noset", []string{"hdr.a=0x0001, hdr.b=0x0000: the new program has no action ingress.set", "hdr.a=0x0002", "ingress.acl: entry", "ingress.routes: entry", "ingress.keyless: default action ingress.set"}, nil},
		{"D1 smaller but large enough", "smaller", nil, func(t *testing.T, before, after map[string]string) {
			if !reflect.DeepEqual(before, after) {
				t.Errorf("after %v\nbefore %v", after, before)
			}
		}},
		{"D1 initial entries", "init", nil, func(t *testing.T, _, after map[string]string) {
			for k, want := range map[string]bool{"k=0x01": true, "k=0x02": false, "k=0x03": true, "k=0x04": true, "k=0x07": true} {
				if _, ok := after["ingress.init "+k]; ok != want {
					t.Errorf("%s is there: %v", k, ok)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.mustSet(Commit, "")
			r.fill()
			before := dump(r.s)
			pl := r.s.Pipeline()
			if err := r.set(Verify, c.to); err != nil {
				t.Errorf("p4rt:F2: %v", err)
			}
			err := r.set(Reconcile, c.to)
			if c.lost != nil {
				var l *LossError
				if !errors.As(err, &l) || len(l.Lost) != len(c.lost) {
					t.Fatalf("got %v", err)
				}
				for i, w := range c.lost {
					if !strings.Contains(l.Lost[i], w) {
						t.Errorf("loss %d is %q, want %q", i, l.Lost[i], w)
					}
				}
				if reasons([]error{err}) != "invalid" {
					t.Errorf("reason %s", reasons([]error{err}))
				}
				if r.s.Pipeline() != pl || !reflect.DeepEqual(dump(r.s), before) {
					t.Error("p4rt:F8: something changed")
				}
				r.samePlane()
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			r.samePlane()
			after := dump(r.s)
			c.check(t, before, after)
			want := uint64(5)
			if c.to == "grown" {
				want = 0 // the table's size, and so its counters' shape, changed
			}
			if got := r.packets(1); got != want {
				t.Errorf("entry 1 has %d packets, want %d", got, want)
			}
			r.must(ins(3, 1))
			if got := r.packets(3); got != 0 {
				t.Errorf("a new entry has %d packets", got)
			}
			after = dump(r.s)
			r.reopen()
			if again := dump(r.s); !reflect.DeepEqual(again, after) {
				t.Errorf("after a restart %v\nbefore %v", again, after)
			}
			r.samePlane()
		})
	}
}

func TestReconcileCapacity(t *testing.T) {
	r := newRig(t)
	r.mustSet(Commit, "")
	for i := range 3 {
		r.must(entity.Update{Kind: entity.Insert, Table: storetest.ACL, Key: strings.Repeat("\x00", 14), Priority: int32(i + 1), HasAction: true, Action: 1})
	}
	if err := r.set(Reconcile, "smaller"); err == nil || !strings.Contains(err.Error(), "table ingress.acl: 3 entries, its size is 2 now") {
		t.Fatalf("D1: got %v", err)
	}
	r.must(entity.Update{Kind: entity.Delete, Table: storetest.ACL, Key: strings.Repeat("\x00", 14), Priority: 1})
	r.mustSet(Reconcile, "smaller") // handles 2 and 3 become 1 and 2
	r.samePlane()
}

func TestReconcileReusesHandles(t *testing.T) {
	// Clients' and the program's new entries take handles that others used
	// before; nobody inherits counts.
	r := newRig(t)
	r.mustSet(Commit, "")
	r.must(ins(1, 1), ins(2, 1), ins(3, 1), ins(4, 1))
	for a := 1; a <= 4; a++ {
		r.plane.Count(storetest.Exact, r.handle(a), uint64(a))
	}
	r.must(del(2), del(3))
	r.mustSet(Reconcile, "exactinit")
	r.must(ins(5, 1))
	r.samePlane()
	for _, a := range []int{5, 100} {
		r.plane.Count(storetest.Exact, r.handle(a), uint64(a))
	}
	r.reopen()
	for a, want := range map[int]uint64{1: 1, 4: 4, 5: 5, 100: 100} {
		if got := r.packets(a); got != want {
			t.Errorf("entry %d has %d packets, want %d", a, got, want)
		}
	}
}

func TestCommitClears(t *testing.T) {
	r := newRig(t)
	r.mustSet(Commit, "")
	fresh := dump(r.s)
	r.fill()
	r.mustSet(Commit, "same")
	if got := dump(r.s); !reflect.DeepEqual(got, fresh) {
		t.Errorf("p4rt:F4: %v", got)
	}
	r.must(ins(1, 1))
	if got := r.packets(1); got != 0 {
		t.Errorf("p4rt:F4: %d packets", got)
	}
	r.reopen()
	if c := r.s.Pipeline().Config; string(c.Device) != "same" || !c.HasCookie || c.Cookie != 7 || string(c.P4Info) != "info" {
		t.Errorf("p4rt:F10: %+v", c)
	}
}

func TestFailedSet(t *testing.T) {
	boom := errors.New("boom")
	un := &dataplane.Unsupported{Construct: "multicast", File: "a.p4", Line: 3, Reason: "not here"}
	for _, c := range []struct {
		name string
		fail func(*storetest.Plane)
		want string
	}{
		{"p4rt:F8 check", func(p *storetest.Plane) { p.FailCheck = un }, "the program cannot run on books: a.p4:3: multicast: not here"},
		{"p4rt:F8 prepare", func(p *storetest.Plane) { p.FailPrepare = boom }, "boom"},
		{"p4rt:F8 commit", func(p *storetest.Plane) { p.FailCommit = boom }, "boom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.mustSet(Commit, "")
			r.fill()
			before := dump(r.s)
			c.fail(r.plane)
			if err := r.set(Commit, "same"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v", err)
			}
			r.plane.FailCheck = nil
			r.samePlane()
			r.must(ins(3, 1))
			r.must(del(3))
			r.reopen()
			if got := dump(r.s); !reflect.DeepEqual(got, before) || string(r.s.Pipeline().Config.Device) != "" {
				t.Errorf("after a restart %v\nbefore %v", got, before)
			}
		})
	}
}

func TestStartRefusesWhatCannotRun(t *testing.T) {
	r := newRig(t)
	r.mustSet(Commit, "")
	r.close()
	s, err := Open(r.opts)
	if err != nil {
		t.Fatal(err)
	}
	p := storetest.NewPlane()
	p.FailCheck = errors.New("no such helper")
	if err := s.Start(p); err == nil || !strings.Contains(err.Error(), "no such helper") {
		t.Errorf("D6: got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestReconcileKeepsChangedInitialEntries(t *testing.T) {
	r := newRig(t)
	r.mustSet(Commit, "")
	r.must(entity.Update{Kind: entity.Modify, Table: storetest.Init, Key: "\x02", HasAction: true, Action: 1})
	r.reopen()
	r.mustSet(Reconcile, "init") // has no entry 2
	if got := dump(r.s)["ingress.init k=0x02"]; got != "ingress.drop()" {
		t.Errorf("D1: the entry a client changed is %q", got)
	}
}

func TestReconcileDefaultThatBecameTableOnly(t *testing.T) {
	r := newRig(t)
	r.mustSet(Commit, "")
	r.must(entity.Update{Kind: entity.SetDefault, Table: storetest.Routes, HasAction: true, Action: 1, Args: setArgs(1, 1)})
	pl := pipeline(t, "")
	pl.Schema.Tables[storetest.Routes].Actions[1].TableOnly = true
	if err := r.s.SetPipeline(Reconcile, pl); err == nil || !strings.Contains(err.Error(), "table ingress.routes: default action ingress.set: it is only for entries now") {
		t.Errorf("D1: got %v", err)
	}
}
