package bmv2tests

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// said is what testdata/arch/nic_sessions.p4 answers.
func said(hit, state, ok, value int) string {
	return fmt.Sprintf("2 %02x%02x%02x%08x", hit, state, ok, value)
}

// TestSessions: one state, two keys (D16).
func TestSessions(t *testing.T) {
	t.Run("both keys appear and vanish together", func(t *testing.T) {
		eachRig(t, "nic_sessions.p4", levels, func(t *testing.T, r *rig) {
			r.want(1, "00 10 00 00 00", said(0, 0, 0, 0))
			r.want(1, "01 10 20 05 00", said(0, 0, 1, 0))
			r.want(1, "00 10 00 00 00", said(1, 6, 0, 0)) // 5, and 1 of the wide field
			r.want(1, "00 20 00 00 00", said(2, 6, 0, 0))
			r.want(1, "01 10 30 09 00", said(1, 6, 0, 0)) // the original key is taken
			r.want(1, "01 30 20 09 00", said(0, 0, 0, 0)) // the reply key is
			r.want(1, "01 20 30 09 00", said(2, 6, 0, 0)) // a key is taken by either side
			r.want(1, "00 30 00 00 00", said(0, 0, 0, 0))
			r.want(1, "06 20 00 00 00", said(2, 6, 1, 0))
			r.want(1, "00 10 00 00 00", said(0, 0, 0, 0))
			r.want(1, "06 20 00 00 00", said(0, 0, 0, 0)) // there is no current one
			r.want(1, "01 20 20 02 00", said(0, 0, 1, 0)) // both keys may be one
			r.want(1, "00 20 00 00 00", said(1, 3, 0, 0))
			r.counts("M.strict", 1, exec.SessionCounts{Created: 2, Removed: 1, Clashes: 3})
		})
	})
	t.Run("marks, counts", func(t *testing.T) {
		eachRig(t, "nic_sessions.p4", levels, func(t *testing.T, r *rig) {
			r.want(1, "02 10 00 01 00", said(0, 0, 0, 0))
			r.want(1, "01 10 20 05 03", said(0, 0, 1, 0))
			r.want(1, "02 10 00 01 00", said(1, 6, 0, 0))
			r.want(1, "02 20 00 06 00", said(2, 6, 0, 1))
			r.want(1, "02 20 00 00 00", said(2, 6, 0, 7))
			r.want(1, "05 10 00 00 00 aa", said(1, 6, 0, 0)+"aa")
			r.want(1, "05 20 00 00 00", said(2, 6, 0, 0))
			r.want(1, "05 20 00 00 00", said(2, 6, 0, 0))
			var all []string
			check(t, r.m.Sessions("M.strict", r.now, func(s exec.SessionInfo) bool {
				all = append(all, fmt.Sprintf("%x %x %x marks %d profile %d %v", s.Original, s.Reply, s.State, s.Marks, s.Profile, s.Counts))
				return true
			}))
			want := "[[10 112233445566778899] [20 112233445566778899] [05 010000000000000000] marks 7 profile 3 [{1 6} {2 10}]]"
			if got := fmt.Sprint(all); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	})
	t.Run("expire times by profile: over from that moment on", func(t *testing.T) {
		eachRig(t, "nic_sessions.p4", levels, func(t *testing.T, r *rig) {
			r.m.SetExpireTimes(exec.ExpireTimes{1: 10e9, 2: 30e9})
			r.want(1, "01 10 20 05 01", said(0, 0, 1, 0))
			r.now += 6e9
			r.want(1, "00 10 00 00 00", said(1, 6, 0, 0)) // a look-up restarts nothing
			r.want(1, "03 20 00 00 00", said(2, 6, 0, 0))
			r.now += 10e9 - 1
			r.want(1, "04 20 00 00 02", said(2, 6, 0, 0)) // 30 s after the restart
			r.now += 20e9
			r.want(1, "00 10 00 00 00", said(1, 6, 0, 0))
			r.now++
			r.want(1, "00 10 00 00 00", said(0, 0, 0, 0))
			r.counts("M.strict", 1, exec.SessionCounts{Created: 1})
			r.want(1, "01 10 30 05 00", said(0, 0, 1, 0)) // its keys are free
			r.want(1, "00 20 00 00 00", said(0, 0, 0, 0))
			r.m.SweepIdle(r.now + 1e18)
			r.counts("M.strict", 1, exec.SessionCounts{Created: 2, Expired: 1}) // profile 0 never expires
		})
	})
	t.Run("a full object refuses", func(t *testing.T) {
		eachRig(t, "nic_sessions.p4", levels, func(t *testing.T, r *rig) {
			r.m.SetExpireTimes(exec.ExpireTimes{1: 10e9})
			for i := range 3 {
				r.want(1, fmt.Sprintf("01 1%d 2%d 05 01", i, i), said(0, 0, 1, 0))
			}
			r.want(1, "01 13 23 05 01", said(0, 0, 0, 0))
			r.want(1, "00 12 00 00 00", said(1, 6, 0, 0))
			r.counts("M.strict", 3, exec.SessionCounts{Created: 3, Refused: 1})
			r.now += 10e9
			r.want(1, "01 13 23 05 01", said(0, 0, 1, 0)) // an expired one makes room
			r.counts("M.strict", 3, exec.SessionCounts{Created: 4, Refused: 1, Expired: 1})
		})
	})
	t.Run("or evicts what would end no later", func(t *testing.T) {
		eachRig(t, "nic_sessions.p4", levels, func(t *testing.T, r *rig) {
			r.m.SetExpireTimes(exec.ExpireTimes{1: 10e9, 2: 30e9, 3: 5e9})
			r.want(1, "0b 10 20 05 02", said(0, 0, 1, 0))
			r.want(1, "0b 11 21 05 01", said(0, 0, 1, 0))
			r.want(1, "0b 12 22 05 00", said(0, 0, 1, 0))
			r.want(1, "0b 13 23 05 01", said(0, 0, 1, 0)) // the second goes
			r.want(1, "0a 21 00 00 00", said(0, 0, 0, 0))
			r.want(1, "0a 10 00 00 00", said(1, 6, 0, 0))
			r.want(1, "0a 22 00 00 00", said(2, 6, 0, 0))
			r.want(1, "0b 14 24 05 01", said(0, 0, 1, 0)) // and the fourth
			r.want(1, "0b 15 25 05 03", said(0, 0, 0, 0)) // nothing is as short-lived
			r.counts("M.lenient", 3, exec.SessionCounts{Created: 5, Evicted: 2, Refused: 1})
		})
	})
	t.Run("ended by the operator", func(t *testing.T) {
		eachRig(t, "nic_sessions.p4", levels, func(t *testing.T, r *rig) {
			r.want(1, "01 10 20 05 01", said(0, 0, 1, 0))
			r.want(1, "01 11 21 06 01", said(0, 0, 1, 0))
			n, err := r.m.EndSessions("M.strict", func(s exec.SessionInfo) bool { return slices.Equal(s.State[0], []byte{6}) })
			check(t, err)
			r.want(1, "00 21 00 00 00", said(0, 0, 0, 0))
			r.want(1, "00 20 00 00 00", said(2, 6, 0, 0))
			if n != 1 {
				t.Errorf("%d ended", n)
			}
		})
	})
}

func (r *rig) counts(name string, live int, want exec.SessionCounts) {
	r.t.Helper()
	got, n, err := r.m.SessionCounts(name)
	check(r.t, err)
	if got != live || n != want {
		r.t.Errorf("%d sessions, %+v; want %d, %+v", got, n, live, want)
	}
}

// TestPortPool: ports belong to the packet, then to its session.
func TestPortPool(t *testing.T) {
	used := func(r *rig, pool uint32, want int) {
		r.t.Helper()
		got, ports, err := r.m.PoolUse("M.ports", pool)
		check(r.t, err)
		if got != want || ports != 3 {
			r.t.Errorf("pool %d: %d of %d ports are taken, want %d of 3", pool, got, ports, want)
		}
	}
	eachRig(t, "nic_sessions.p4", levels, func(t *testing.T, r *rig) {
		r.m.SetExpireTimes(exec.ExpireTimes{1: 10e9})
		r.want(1, "07 10 20 65 00", said(0, 0, 1, 1001))   // the one that is wanted
		r.want(1, "07 10 21 65 00", said(1, 102, 0, 1000)) // taken; but the key is taken too: given back
		used(r, 0, 1)
		r.want(1, "08 00 00 00 00", said(0, 0, 1, 1002)) // nobody takes it over: given back
		used(r, 0, 1)
		r.want(1, "09 00 00 00 00", said(0, 0, 1, 1000))
		used(r, 0, 1)
		r.want(1, "07 11 21 00 00", said(0, 0, 1, 1002))
		r.want(1, "07 12 22 00 00", said(0, 0, 1, 1000))
		r.want(1, "08 00 00 00 00", said(0, 0, 0, 0))    // none is left
		r.want(1, "08 00 00 66 01", said(0, 0, 1, 1002)) // the other pool has its own
		r.want(1, "08 00 00 66 02", said(0, 0, 0, 0))    // there is no third
		used(r, 0, 3)
		used(r, 1, 0)
		r.want(1, "06 21 00 00 00", said(2, 1, 1, 0))
		used(r, 0, 2)
		r.now += 10e9
		r.m.SweepIdle(r.now)
		used(r, 0, 0)
	})
	t.Run("two goroutines never hold one port", func(t *testing.T) {
		eachRig(t, "nic_sessions.p4", []string{"core"}, func(t *testing.T, r *rig) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 2000 {
						r.m.Process(exec.Packet{Port: 1, Data: []byte{8, 0, 0, 0, 0}, Now: 1})
						r.m.Process(exec.Packet{Port: 1, Data: []byte{7, 1, 2, 0, 0}, Now: 1})
						r.m.Process(exec.Packet{Port: 1, Data: []byte{6, 2, 0, 0, 0}, Now: 1})
					}
				})
			}
			wg.Wait()
			n, err := r.m.EndSessions("M.strict", func(exec.SessionInfo) bool { return true })
			check(t, err)
			live, counts, err := r.m.SessionCounts("M.strict")
			check(t, err)
			if live != 0 || n > 1 || counts.Created != counts.Removed {
				t.Errorf("%d live, %d ended, %+v", live, n, counts)
			}
			used(r, 0, 0)
		})
	})
}

// TestLearnTable: keys that packets teach, with a value that moves.
func TestLearnTable(t *testing.T) {
	counts := func(r *rig, keys int, want exec.LearnCounts) {
		r.t.Helper()
		got, n, err := r.m.LearnCounts("M.learnt")
		check(r.t, err)
		if got != keys || n != want {
			r.t.Errorf("%d keys, %+v; want %d, %+v", got, n, keys, want)
		}
	}
	const known, added, moved, full = 1, 2, 3, 4
	eachRig(t, "nic_sessions.p4", levels, func(t *testing.T, r *rig) {
		r.m.SetExpireTimes(exec.ExpireTimes{1: 10e9, 2: 30e9})
		r.want(1, "0d 10 00 00 00", said(0, 0, 0, 0))
		r.want(1, "0c 10 00 05 01", said(0, 0, 0, added))
		r.want(1, "0d 10 00 00 00", said(0, 0, 1, 0x0c0d0e05))
		r.now += 6e9
		r.want(1, "0c 10 00 05 01", said(0, 0, 0, known)) // which restarts the timer
		r.now += 6e9
		r.want(1, "0c 10 00 07 01", said(0, 0, 0, moved))
		r.want(1, "0c 11 00 05 02", said(0, 0, 0, added))
		r.want(1, "0c 12 00 05 02", said(0, 0, 0, full))
		r.now += 10e9
		r.want(1, "0d 10 00 00 00", said(0, 0, 0, 0)) // over
		counts(r, 2, exec.LearnCounts{Added: 2, Moved: 1, Refused: 1})
		r.want(1, "0c 12 00 05 02", said(0, 0, 0, added)) // in its place
		counts(r, 2, exec.LearnCounts{Added: 3, Moved: 1, Refused: 1, Expired: 1})
		r.want(1, "0e 11 00 00 00", said(0, 0, 1, 0))
		r.want(1, "0e 11 00 00 00", said(0, 0, 0, 0))
		r.want(1, "0c 12 00 05 01", said(0, 0, 0, known)) // with another time to live
		r.now += 10e9
		r.m.SweepIdle(r.now)
		counts(r, 0, exec.LearnCounts{Added: 3, Moved: 1, Refused: 1, Expired: 2, Forgotten: 1})
	})
}
