package bmv2tests

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/passes"
)

// rig is a machine of one level with a clock, and what it told.
type rig struct {
	t        *testing.T
	m        *exec.Machine
	now      uint64
	messages []string
}

// eachRig runs f on a program of testdata/arch at every level that can say it.
func eachRig(t *testing.T, program string, levels []string, f func(t *testing.T, r *rig)) {
	p, err := Compile(filepath.Join(archRoot, program), nil)
	check(t, err)
	for _, l := range archLevels {
		if !slices.Contains(levels, l.name) {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			q, err := l.make(p)
			check(t, err)
			r := &rig{t: t, now: 1_000_000_000}
			r.m, err = exec.New(q, exec.Options{
				Now:      func() uint64 { return r.now },
				Rand:     fixedRand,
				HostPort: func(port uint32) bool { return port >= 100 },
				Digest:   func(d ir.Digest) { r.messages = append(r.messages, fmt.Sprintf("%s %x", d.Name, d.Fields)) },
			})
			check(t, err)
			f(t, r)
		})
	}
}

// send gives what comes out for a packet, as "PORT HEX" lines.
func (r *rig) send(port uint32, data string) string {
	r.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(data, " ", ""))
	check(r.t, err)
	var out []string
	for _, o := range r.m.Process(exec.Packet{Port: port, Data: b}).Outputs {
		out = append(out, fmt.Sprintf("%d %x", o.Port, o.Data))
	}
	return strings.Join(out, "\n")
}

func (r *rig) want(port uint32, data, want string) {
	r.t.Helper()
	if got := r.send(port, data); got != want {
		r.t.Errorf("packet %s on %d: got %q, expected %q", data, port, got, want)
	}
}

// entry inserts an entry with an exact key of one byte.
func (r *rig) entry(table, action string, handle uint32, key byte, timeout uint64, args ...[]byte) (index int) {
	r.t.Helper()
	for i, t := range r.m.Program().Tables {
		if t.Name != table {
			continue
		}
		at := slices.IndexFunc(t.Actions, func(a ir.ActionRef) bool { return passes.ControlName(a.Action) == action })
		check(r.t, r.m.Insert(i, ir.Entry{Handle: handle, Action: at, Args: args, Match: []ir.Match{{Value: []byte{key}}}, IdleTimeout: timeout}))
		return i
	}
	r.t.Fatalf("there is no table %s", table)
	return -1
}

// levels that say what bmv2 JSON cannot: digests under conditions, lengths for meters.
var levels = []string{"typed", "core"}

func TestDirectMeters(t *testing.T) {
	t.Run("lang:S28 lang:S35 by the entry, in bytes", func(t *testing.T) {
		eachRig(t, "psa_state.p4", levels, func(t *testing.T, r *rig) {
			table := r.entry("I.with_meter", "I.metered", 1, 7, 0)
			r.want(1, "01 07 0000", "2 01070001") // no rates: green
			check(t, r.m.SetDirectMeter(table, 1, &ir.MeterRates{CBurst: 8, PBurst: 12}))
			r.want(1, "01 07 0000", "2 01070001")
			r.want(1, "01 07 0000", "2 01070001")
			r.want(1, "01 07 0000", "2 01070002")
			r.want(1, "01 07 0000", "2 01070003")
			r.want(1, "01 08 0000", "2 01080001") // the default action has no meter
		})
	})
	t.Run("lang:N14 lang:N28 by the length that the program gives", func(t *testing.T) {
		eachRig(t, "pna_learn.p4", levels, func(t *testing.T, r *rig) {
			table := r.entry("M.with_meter", "M.metered", 1, 7, 0)
			check(t, r.m.SetDirectMeter(table, 1, &ir.MeterRates{CBurst: 100, PBurst: 100}))
			r.want(1, "05 07 3c 00 00000000", "2 05073c0000000001") // 60 of 100
			r.want(1, "05 07 29 00 00000000", "2 0507290000000002") // 41 are too many
			r.want(1, "05 07 28 00 00000000", "2 0507280000000001") // 40 are left
			r.entry("M.with_meter", "M.metered_whole", 2, 8, 0)
			check(t, r.m.SetDirectMeter(table, 2, &ir.MeterRates{CBurst: 8, PBurst: 8}))
			r.want(1, "05 08 00 00 00000000", "2 0508000000000001")
			r.want(1, "05 08 00 00 00000000", "2 0508000000000002")
		})
	})
}

func TestDigests(t *testing.T) {
	t.Run("lang:S33 one a packet that asks, with the fields in order", func(t *testing.T) {
		eachRig(t, "psa_state.p4", levels, func(t *testing.T, r *rig) {
			r.want(1, "04 00 beef", "2 0400beef")
			r.want(1, "03 00 beef", "2 03000000")
			r.want(1, "04 00 0001", "2 04000001")
			want := "[ID.messages [beef 00000002 05] ID.messages [0001 00000002 05]]"
			if got := fmt.Sprint(r.messages); got != want {
				t.Errorf("got %s, expected %s", got, want)
			}
		})
	})
	t.Run("lang:N19 from the main control", func(t *testing.T) {
		eachRig(t, "pna_learn.p4", levels, func(t *testing.T, r *rig) {
			r.want(1, "04 11 22 00 00000000", "2 0411220000000000")
			want := "[M.messages [11 22]]"
			if got := fmt.Sprint(r.messages); got != want {
				t.Errorf("got %s, expected %s", got, want)
			}
		})
	})
}

func TestIdleEntries(t *testing.T) {
	t.Run("lang:S16 lang:S35 NOTIFY_CONTROL tells, NO_TIMEOUT does not", func(t *testing.T) {
		eachRig(t, "psa_state.p4", levels, func(t *testing.T, r *rig) {
			ageing := r.entry("I.ageing", "I.give", 1, 7, 5e9, []byte{0, 1})
			ageless := r.entry("I.ageless", "I.give", 1, 7, 0, []byte{0, 2})
			if err := r.m.Insert(ageless, ir.Entry{Handle: 2, Args: [][]byte{{0, 3}}, Match: []ir.Match{{Value: []byte{8}}}, IdleTimeout: 5e9}); err == nil {
				t.Error("a table without idle timeouts takes an entry with one")
			}
			if got := r.m.SweepIdle(r.now + 5e9 - 1); len(got) != 0 {
				t.Errorf("before the time: %v", got)
			}
			r.now += 3e9
			r.want(1, "02 07 0000", "2 02070001")
			r.want(1, "03 07 0000", "2 03070002")
			if got := r.m.SweepIdle(r.now + 5e9 - 1); len(got) != 0 {
				t.Errorf("after a hit: %v", got)
			}
			want := []exec.Idle{{Table: ageing, Handle: 1}}
			if got := r.m.SweepIdle(r.now + 5e9); !slices.Equal(got, want) {
				t.Errorf("got %v, expected %v", got, want)
			}
			r.want(1, "02 07 0000", "2 02070001") // the entry stays
		})
	})
	t.Run("lang:N28 idle_timeout_with_auto_delete removes", func(t *testing.T) {
		eachRig(t, "pna_learn.p4", levels, func(t *testing.T, r *rig) {
			r.entry("M.fading", "M.give", 1, 7, 5e9, []byte{9})
			r.now += 5e9 - 1
			r.want(1, "06 07 00 00 00000000", "2 0607090000000000")
			r.now++
			r.want(1, "06 07 00 00 00000000", "2 0607000000000000")
			if got := r.m.SweepIdle(r.now); len(got) != 0 {
				t.Errorf("nobody is told: %v", got)
			}
		})
	})
}

// TestCloneSession: what bmv2's own sessions do not have.
func TestCloneSession(t *testing.T) {
	t.Run("lang:S37 class of service, instances, truncation", func(t *testing.T) {
		eachRig(t, "psa_state.p4", levels, func(t *testing.T, r *rig) {
			r.want(1, "06 00 0000 aabbccdd", "") // there is no session yet
			check(t, r.m.SetCloneSession(9, ir.CloneSession{
				Replicas: []ir.Replica{{Port: 3, Instance: 0x101}, {Port: 4, Instance: 0x102}}, ClassOfService: 6, Truncate: 6,
			}))
			r.want(1, "06 00 0000 aabbccdd", "3 06060101aabb\n4 06060102aabb")
			r.want(1, "06 00 0000 aa", "3 06060101aa\n4 06060102aa")
		})
	})
}

func TestLearning(t *testing.T) {
	t.Run("lang:N24 lang:N25 a miss adds an entry", func(t *testing.T) {
		eachRig(t, "pna_learn.p4", levels, func(t *testing.T, r *rig) {
			r.want(1, "00 07 00 00 00000000", "2 0007000000000000") // a miss that adds nothing
			r.want(1, "01 07 55 00 00000000", "2 0107550000000001")
			r.want(1, "00 07 00 00 00000000", "2 00070100aaaaaa55") // flow 1
			r.want(1, "01 07 66 00 00000000", "2 01070100aaaaaa55") // a hit adds nothing
			r.want(1, "01 08 66 00 00000000", "2 0108660000000001")
			r.want(1, "00 08 00 00 00000000", "2 00080200aaaaaa66") // flow 2
			r.want(1, "01 09 77 00 00000000", "2 0109770000000001")
			r.want(1, "01 0a 88 00 00000000", "2 010a880000000002") // three entries are all
			r.want(1, "00 0a 00 00 00000000", "2 000a000000000000")
		})
	})
	t.Run("lang:N5 lang:N26 lang:N28 expire times by profile, restarted and set", func(t *testing.T) {
		eachRig(t, "pna_learn.p4", levels, func(t *testing.T, r *rig) {
			r.m.SetExpireTimes(exec.ExpireTimes{1: 10e9, 2: 30e9})
			r.want(1, "01 07 55 01 00000000", "2 0107550100000001")
			r.now += 6e9
			r.want(1, "02 07 00 00 00000000", "2 02070100aaaaaa55") // restarted
			r.now += 10e9 - 1
			r.want(1, "00 07 00 00 00000000", "2 00070100aaaaaa55") // a hit restarts nothing by itself
			r.now++
			r.want(1, "00 07 00 00 00000000", "2 0007000000000000")
			r.want(1, "01 07 66 01 00000000", "2 0107660100000001")
			r.want(1, "03 07 00 02 00000000", "2 03070202aaaaaa66") // to 30 s
			r.now += 30e9 - 1
			r.want(1, "00 07 00 00 00000000", "2 00070200aaaaaa66")
			r.now++
			r.want(1, "00 07 00 00 00000000", "2 0007000000000000")
			r.want(1, "01 07 77 09 00000000", "2 0107770900000001") // a profile without a time: for ever
			r.now += 1e18
			r.want(1, "00 07 00 00 00000000", "2 00070300aaaaaa77")
		})
	})
}

func TestDirection(t *testing.T) {
	t.Run("lang:N2 lang:N3 lang:N4 lang:N27 from the host and from the network", func(t *testing.T) {
		eachRig(t, "pna_paths.p4", []string{"typed", "core", "json"}, func(t *testing.T, r *rig) {
			r.want(1, "01 03 00 00", "3 01030000"+"110000"+"00000001"+"1faa"+"0100")
			r.want(100, "01 03 00 00", "3 01030000"+"220000"+"00000064"+"1fbb"+"0400")
			r.want(1, "05 03 00 00", "3 05030000"+"111111"+"00000001"+"1faa"+"0300"+"110000"+"00000001"+"1faa"+"0100")
			r.want(100, "05 03 00 00", "3 05030000"+"221111"+"00000064"+"1fbb"+"0600"+"220000"+"00000064"+"1fbb"+"0400")
		})
	})
}
