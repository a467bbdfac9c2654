package daemon

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// entityRig is a nicd with testdata/entities.p4 between two hosts.
type entityRig struct {
	t      *testing.T
	d      *nicd
	p      pipeline
	ids    map[string]uint32
	hosts  [3]*netns.Packets
	number uint64
}

func newEntityRig(t *testing.T, args []string, defines ...string) *entityRig {
	t.Helper()
	net := newWires(t)
	r := &entityRig{t: t, d: newNicd(t, net.sw, args...), ids: map[string]uint32{}}
	r.hosts[1], r.hosts[2] = netnstest.Packets(t, net.h1, "eth0"), netnstest.Packets(t, net.h2, "eth0")
	r.p = bundleOf(t, compileFile(t, "testdata/entities.p4", defines...))
	add := func(p *p4config.Preamble) { r.ids[p.GetName()] = p.GetId() }
	i := r.p.info
	for _, x := range i.GetTables() {
		add(x.GetPreamble())
	}
	for _, x := range i.GetActions() {
		add(x.GetPreamble())
	}
	for _, x := range i.GetActionProfiles() {
		add(x.GetPreamble())
	}
	for _, x := range i.GetMeters() {
		add(x.GetPreamble())
	}
	for _, x := range i.GetRegisters() {
		add(x.GetPreamble())
	}
	for _, x := range i.GetCounters() {
		add(x.GetPreamble())
	}
	for _, x := range i.GetValueSets() {
		add(x.GetPreamble())
	}
	for _, x := range i.GetDigests() {
		add(x.GetPreamble())
	}
	return r
}

// entity reads an entity in text format; <NAME> stands for an id, [N] for the
// match of destination 02:00:00:00:00:N.
func (r *entityRig) entity(text string) *p4.Entity {
	r.t.Helper()
	text = regexp.MustCompile(`<[\w.]+>`).ReplaceAllStringFunc(text, func(s string) string {
		id, ok := r.ids[s[1:len(s)-1]]
		if !ok {
			r.t.Fatalf("%s is not in the P4Info: %v", s, r.ids)
		}
		return fmt.Sprint(id)
	})
	text = regexp.MustCompile(`\[\d\d\]`).ReplaceAllStringFunc(text, func(s string) string {
		return fmt.Sprintf(`match{field_id:1 exact{value:"\x02\x00\x00\x00\x00\x%s"}}`, s[1:3])
	})
	e := &p4.Entity{}
	if err := prototext.Unmarshal([]byte(text), e); err != nil {
		r.t.Fatalf("%s: %v", text, err)
	}
	return e
}

// write makes the updates, each "VERB entity".
func (r *entityRig) write(k *controller, election uint64, texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		verb, entity, _ := strings.Cut(text, " ")
		u := &p4.Update{Type: p4.Update_Type(p4.Update_Type_value[verb]), Entity: r.entity(entity)}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		_, err := k.c.P4RT.Write(ctx, &p4.WriteRequest{DeviceId: 1, ElectionId: &p4.Uint128{Low: election}, Updates: []*p4.Update{u}})
		cancel()
		if err != nil {
			r.t.Fatalf("%s: %v", text, err)
		}
	}
}

// send sends a frame from host 1 to 02:00:00:00:00:dst and gives its number.
func (r *entityRig) send(dst byte) uint64 {
	r.t.Helper()
	r.number += 0x9e3779b97f4a7c15 // far apart, for the selector's hash
	netnstest.Check(r.t, r.hosts[1].Send(netnstest.Frame([6]byte{2, 0, 0, 0, 0, dst}, [6]byte{2, 0, 0, 0, 0, 1}, r.number)))
	return r.number
}

// stamp waits for a frame at a host and gives the last byte of its source.
func (r *entityRig) stamp(host int, number uint64) byte {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		f, err := r.hosts[host].Recv(deadline)
		if err != nil {
			r.t.Fatalf("frame %d at host %d: %v", number, host, err)
		}
		if n, ok := netnstest.Number(f); ok && n == number {
			return f[11]
		}
	}
}

func (r *entityRig) expect(what string, host int, number uint64, want byte) {
	r.t.Helper()
	if got := r.stamp(host, number); got != want {
		r.t.Errorf("%s: host %d got stamp %#x, want %#x", what, host, got, want)
	}
}

func (r *entityRig) copies(what string) {
	r.t.Helper()
	n := r.send(1)
	r.expect(what+": multicast", 1, n, 0x11)
	r.expect(what+": multicast", 2, n, 0x12)
	n = r.send(2)
	r.expect(what+": the clone", 1, n, 0xc1)
	r.expect(what+": the original", 2, n, 1)
}

var copyEntities = []string{
	`INSERT packet_replication_engine_entry{multicast_group_entry{multicast_group_id:7 replicas{port:"\x01" instance:17} replicas{port:"\x02" instance:18}}}`,
	`INSERT packet_replication_engine_entry{clone_session_entry{session_id:5 replicas{port:"\x01" instance:3}}}`,
	`INSERT table_entry{table_id:<I.act> [01] action{action{action_id:<I.flood> params{param_id:1 value:"\x07"}}}}`,
	`INSERT table_entry{table_id:<I.act> [02] action{action{action_id:<I.mirror> params{param_id:1 value:"\x05"} params{param_id:2 value:"\x02"}}}}`,
}

// TestReplicationByP4Runtime: p4rt:PR12 with a real nicd: a group that a controller writes floods,
// a session mirrors, and both are there after kill -9 and a new start.
func TestReplicationByP4Runtime(t *testing.T) {
	for _, e := range []struct {
		name string
		args []string
	}{
		{"sim", []string{"--engine", "sim", "--port", "1=s1", "--port", "2=s2"}},
		{"tc", []string{"--port", "1=s1,hook=tc", "--port", "2=s2,hook=tc"}},
		{"xdp", []string{"--port", "1=s1,hook=xdp", "--port", "2=s2,hook=xdp"}},
	} {
		t.Run(e.name, func(t *testing.T) {
			if e.name != "sim" {
				netnstest.NeedBPF(t)
			}
			r := newEntityRig(t, e.args, "COPIES")
			r.d.start()
			c := r.d.client()
			netnstest.Check(t, r.d.load(c, r.p, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
			netnstest.Check(t, c.Close())
			k := newController(t, r.d, 10)
			r.write(k, 10, copyEntities...)
			r.copies("written")
			k.close()
			r.d.kill()
			if e.name != "sim" {
				r.copies("without nicd")
			}
			r.d.start()
			r.copies("restarted")
			k = newController(t, r.d, 11)
			r.write(k, 11, `MODIFY packet_replication_engine_entry{multicast_group_entry{multicast_group_id:7 replicas{port:"\x02" instance:19}}}`,
				`DELETE packet_replication_engine_entry{clone_session_entry{session_id:5}}`)
			n := r.send(1)
			r.expect("modified", 2, n, 0x13)
			n = r.send(2)
			r.expect("without session", 2, n, 1)
			_, err := k.c.P4RT.SetForwardingPipelineConfig(t.Context(), &p4.SetForwardingPipelineConfigRequest{DeviceId: 1, ElectionId: &p4.Uint128{Low: 11},
				Action: p4.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT, Config: &p4.ForwardingPipelineConfig{P4Info: r.p.info, P4DeviceConfig: r.p.raw}})
			netnstest.Check(t, err)
			n = r.send(1)
			r.expect("D1 reconciled", 2, n, 0x13)
			k.close()
			r.d.detach()
		})
	}
}

// entityEngines are the engines that have everything.
var entityEngines = []struct {
	name    string
	args    []string
	defines []string
}{
	{"sim", []string{"--engine", "sim", "--port", "1=s1", "--port", "2=s2"}, nil},
	{"tc", []string{"--port", "1=s1,hook=tc", "--port", "2=s2,hook=tc"}, []string{"NOSETS"}},
	{"xdp", []string{"--port", "1=s1,hook=xdp", "--port", "2=s2,hook=xdp"}, []string{"NOSETS"}},
}

// TestEntitiesByP4Runtime: with a real nicd, and again after kill -9: a selector spreads,
// meters mark, a value set is matched, a register is read, digests and idle
// notifications arrive.
func TestEntitiesByP4Runtime(t *testing.T) {
	for _, e := range entityEngines {
		t.Run(e.name, func(t *testing.T) {
			if e.name != "sim" {
				netnstest.NeedBPF(t)
			}
			r := newEntityRig(t, e.args, e.defines...)
			_, sets := r.ids["P.types"]
			r.d.start()
			c := r.d.client()
			netnstest.Check(t, r.d.load(c, r.p, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
			netnstest.Check(t, c.Close())
			k := newController(t, r.d, 10)
			r.write(k, 10, copyEntities...)
			r.write(k, 10,
				`INSERT action_profile_member{action_profile_id:<I.spreader> member_id:1 action{action_id:<I.stamp> params{param_id:1 value:"\x21"}}}`,
				`INSERT action_profile_member{action_profile_id:<I.spreader> member_id:2 action{action_id:<I.stamp> params{param_id:1 value:"\x22"}}}`,
				`INSERT action_profile_group{action_profile_id:<I.spreader> group_id:1 members{member_id:1 weight:1} members{member_id:2 weight:3}}`,
				`INSERT table_entry{table_id:<I.spread> [03] action{action_profile_group_id:1}}`,
				`INSERT table_entry{table_id:<I.act> [03] action{action{action_id:<I.forward> params{param_id:1 value:"\x02"}}}}`,
				`INSERT table_entry{table_id:<I.act> [04] action{action{action_id:<I.learn> params{param_id:1 value:"\x02"}}}}`,
				`INSERT table_entry{table_id:<I.act> [05] action{action{action_id:<I.cell> params{param_id:1 value:"\x03"} params{param_id:2 value:"\x02"}}}}`,
				`INSERT table_entry{table_id:<I.act> [06] action{action{action_id:<I.police> params{param_id:1 value:"\x02"} params{param_id:2 value:"\x02"}}}}`,
				`INSERT table_entry{table_id:<I.policed> [07] action{action{action_id:<I.metered> params{param_id:1 value:"\x02"}}} meter_config{cir:0 cburst:1 pir:0 pburst:2}}`,
				`INSERT table_entry{table_id:<I.act> [07] action{action{action_id:<I.forward> params{param_id:1 value:"\x02"}}}}`,
				`INSERT table_entry{table_id:<I.aged> [08] action{action{action_id:<I.forward> params{param_id:1 value:"\x02"}}} idle_timeout_ns:1000000 metadata:"old"}`,
				`INSERT digest_entry{digest_id:<seen_t> config{max_list_size:1}}`,
				`MODIFY meter_entry{meter_id:<I.rates> index{index:2} config{cir:0 cburst:1 pir:0 pburst:2}}`,
				`MODIFY register_entry{register_id:<I.cells> index{index:3} data{bitstring:"\x2a"}}`,
				`MODIFY counter_entry{counter_id:<I.counts> index{index:3} data{packet_count:100}}`,
			)
			for life := range 2 {
				what := []string{"written", "restarted"}[life]
				if life == 1 && sets {
					r.expect(what+": value set", 2, r.send(5), 0x77)
					r.write(k, 11, `MODIFY value_set_entry{value_set_id:<P.types>}`)
				}
				r.copies(what)
				r.spreads(what)
				r.expect(what+": register", 2, r.send(5), 0x2a)
				for _, m := range []struct{ dst, base byte }{{6, 0x30}, {7, 0x40}} {
					for i := range byte(3) { // green, yellow, red, and nothing comes back
						got := r.stamp(2, r.send(m.dst))
						if life == 0 && got != m.base+i || i == 2 && got != m.base+2 {
							t.Errorf("%s: meter: packet %d got %#x", what, i, got)
						}
					}
				}
				if life == 0 && sets {
					r.write(k, 10, fmt.Sprintf(`MODIFY value_set_entry{value_set_id:<P.types> members{match{field_id:1 exact{value:"\x%02x\x%02x"}}}}`, netnstest.EtherType>>8, netnstest.EtherType&0xff))
					r.expect(what+": value set", 2, r.send(5), 0x77)
				}
				r.stamp(2, r.send(4))
				r.digestAndIdle(k, what)
				k.close()
				if life == 0 {
					r.d.kill()
					r.d.start()
					k = newController(t, r.d, 11)
				}
			}
			r.d.detach()
		})
	}
}

// spreads sends packets that differ in what the selector hashes.
func (r *entityRig) spreads(what string) {
	r.t.Helper()
	seen := map[byte]int{}
	for range 64 {
		seen[r.stamp(2, r.send(3))]++
	}
	// Weights 1 and 3: about 16 and 48.
	if seen[0x21] < 4 || seen[0x22] < 24 || seen[0x21]+seen[0x22] != 64 || seen[0x21] >= seen[0x22] {
		r.t.Errorf("%s: the group spreads %v", what, seen)
	}
}

// digestAndIdle reads the stream until both have come.
func (r *entityRig) digestAndIdle(k *controller, what string) {
	r.t.Helper()
	var digest, idle bool
	for !digest || !idle {
		m := k.next()
		if d := m.GetDigest(); d != nil {
			digest = true
			s := d.GetData()[0].GetStruct().GetMembers()
			if d.GetDigestId() != r.ids["seen_t"] || len(s) != 2 || !bytes.Equal(s[0].GetBitstring(), []byte{2, 0, 0, 0, 0, 4}) || !bytes.Equal(s[1].GetBitstring(), []byte{1}) {
				r.t.Errorf("%s: digest %v", what, d)
			}
		}
		if n := m.GetIdleTimeoutNotification(); n != nil {
			idle = true
			if e := n.GetTableEntry(); len(e) != 1 || e[0].GetTableId() != r.ids["I.aged"] || string(e[0].GetMetadata()) != "old" || e[0].GetIdleTimeoutNs() != 1000000 {
				r.t.Errorf("%s: idle notification %v", what, n)
			}
		}
	}
}
