package p4rt

import (
	"slices"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/dataplane"
)

func mcast(verb, body string) string {
	return verb + " packet_replication_engine_entry{multicast_group_entry{" + body + "}}"
}

func clone(verb, body string) string {
	return verb + " packet_replication_engine_entry{clone_session_entry{" + body + "}}"
}

func TestReplicationConformance(t *testing.T) {
	const two = `replicas{port:"\x01" instance:1} replicas{port:"\x02" instance:1}`
	g1, s1 := mcast("INSERT", "multicast_group_id:1 "+two), clone("INSERT", "session_id:1 "+two)
	for _, c := range []writeCase{
		{"PR7 group", nil, g1, codes.OK, ""},
		{"PR7 group twice", []string{g1}, g1, codes.AlreadyExists, "multicast group 1 exists"},
		{"PR7 modify missing", nil, mcast("MODIFY", "multicast_group_id:1 "+two), codes.NotFound, "there is no multicast group 1"},
		{"PR7 modify", []string{g1}, mcast("MODIFY", `multicast_group_id:1 replicas{port:"\x03"}`), codes.OK, ""},
		{"PR7 delete missing", nil, mcast("DELETE", "multicast_group_id:1"), codes.NotFound, "there is no multicast group 1"},
		{"PR7 delete ignores junk", []string{g1}, mcast("DELETE", `multicast_group_id:1 replicas{instance:70000}`), codes.OK, ""},
		{"PR1 group 0", nil, mcast("INSERT", two), codes.InvalidArgument, "multicast_group_id is not set"},
		{"PR1 session 0", nil, clone("INSERT", two), codes.InvalidArgument, "session_id is not set"},
		{"PR2 instance", nil, mcast("INSERT", `multicast_group_id:1 replicas{port:"\x01" instance:65536}`), codes.InvalidArgument, "multicast group 1: replica 1: instance 65536 is above 65535"},
		{"PR3 duplicates", nil, mcast("INSERT", `multicast_group_id:1 replicas{port:"\x01" instance:1} replicas{egress_port:1 instance:1}`), codes.InvalidArgument, "replica 2: port 1, instance 1 is given twice"},
		{"PR3 other instance", nil, mcast("INSERT", `multicast_group_id:1 replicas{port:"\x01" instance:1} replicas{port:"\x01" instance:2}`), codes.OK, ""},
		{"PR5 backups", nil, mcast("INSERT", `multicast_group_id:1 replicas{port:"\x01" backup_replicas{port:"\x02"}}`), codes.Unimplemented, "backup_replicas are not supported"},
		{"PR11 no port", nil, mcast("INSERT", `multicast_group_id:1 replicas{instance:1}`), codes.InvalidArgument, "the port is not set"},
		{"B3 empty port", nil, mcast("INSERT", `multicast_group_id:1 replicas{port:"" instance:1}`), codes.OutOfRange, "port is an empty string"},
		{"B4 wide port", nil, mcast("INSERT", `multicast_group_id:1 replicas{port:"\x01\x00\x00\x00\x00"}`), codes.OutOfRange, "port 0x0100000000 does not fit 32 bits"},
		{"PR7 empty group", nil, mcast("INSERT", "multicast_group_id:1"), codes.OK, ""},
		{"PR7 session twice", []string{s1}, s1, codes.AlreadyExists, "clone session 1 exists"},
		{"PR10 class of service", nil, clone("INSERT", "session_id:1 class_of_service:256 "+two), codes.InvalidArgument, "class_of_service 256"},
		{"PR10 length", nil, clone("INSERT", "session_id:1 packet_length_bytes:-1 "+two), codes.InvalidArgument, "packet_length_bytes -1 is negative"},
		{"PR10 large session", nil, clone("INSERT", "session_id:32768 "+two), codes.InvalidArgument, "sessions are 1 to 32767"},
		{"PR13 unset", nil, "INSERT packet_replication_engine_entry{}", codes.InvalidArgument, "has no type"},
		{"W6 type", nil, mcast("UNSPECIFIED", "multicast_group_id:1"), codes.InvalidArgument, "update type is not set"},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) { ready(t).conform(c) })
	}
}

// TestReplication: what is written reaches the dataplane, is read back as it was
// written, and is there after a restart.
func TestReplication(t *testing.T) {
	r := ready(t)
	entities := []string{
		`packet_replication_engine_entry{multicast_group_entry{multicast_group_id:1 replicas{port:"\x02" instance:5} replicas{egress_port:3 instance:6} metadata:"m"}}`,
		`packet_replication_engine_entry{multicast_group_entry{multicast_group_id:7}}`,
		`packet_replication_engine_entry{clone_session_entry{session_id:9 replicas{port:"\x01\xfe" instance:1} class_of_service:3 packet_length_bytes:64}}`,
	}
	r.mustWrite(parseAll(t, []string{"INSERT " + entities[0], "INSERT " + entities[1], "INSERT " + entities[2]})...)
	check := func(what string, groups, sessions []string, plane ...string) {
		t.Helper()
		for _, q := range []struct {
			in   string
			want []string
		}{
			{"packet_replication_engine_entry{multicast_group_entry{}}", groups}, // PR9
			{"packet_replication_engine_entry{clone_session_entry{}}", sessions}, // PR9
			{`packet_replication_engine_entry{multicast_group_entry{multicast_group_id:1 metadata:"x"}}`, only(groups, "multicast_group_id:1 ")},
			{"packet_replication_engine_entry{clone_session_entry{session_id:8}}", nil},
		} {
			got, err := r.read(parseEntity(t, q.in))
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			same(t, got, q.want...)
		}
		if got := r.plane.Objects(); !slices.Equal(got, plane) {
			t.Errorf("%s: the dataplane has\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(plane, "\n"))
		}
	}
	all := []string{"multicast 1: [{2 5} {3 6}]", "multicast 7: []", "session 9: [{510 1}] cos 3 cut 64"}
	check("p4rt:PR8 PR11 written", entities[:2], entities[2:], all...)
	r.restart()
	check("restarted", entities[:2], entities[2:], all...)
	r.primary()
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT, "grown"); err != nil {
		t.Fatal(err)
	}
	check("D1 reconciled", entities[:2], entities[2:], all...)
	r.mustWrite(parse(t, "MODIFY "+strings.Replace(entities[1], "multicast_group_id:7", `multicast_group_id:7 replicas{port:"\x01"}`, 1)), parse(t, "DELETE "+entities[0]))
	check("p4rt:PR7 modified", []string{`packet_replication_engine_entry{multicast_group_entry{multicast_group_id:7 replicas{port:"\x01"}}}`}, entities[2:], "multicast 7: [{1 0}]", "session 9: [{510 1}] cos 3 cut 64")
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, ""); err != nil {
		t.Fatal(err)
	}
	check("p4rt:F4 committed anew", nil, nil)
}

// TestObjectFailures: what the dataplane refuses is nowhere, and the others of the
// batch are done.
func TestObjectFailures(t *testing.T) {
	r := ready(t)
	r.plane.FailObject = func(what string) error {
		if what == "multicast 2" {
			return dataplane.ErrFull
		}
		return nil
	}
	var us []*p4v1.Update
	for _, id := range []string{"1", "2", "3"} {
		us = append(us, parse(t, mcast("INSERT", "multicast_group_id:"+id)))
	}
	ds := details(r.write(us...))
	if len(ds) != 3 || ds[0].GetCanonicalCode() != 0 || codes.Code(ds[1].GetCanonicalCode()) != codes.ResourceExhausted || ds[2].GetCanonicalCode() != 0 {
		t.Errorf("got %v", ds)
	}
	r.plane.FailObject = nil
	r.restart()
	if got, want := r.plane.Objects(), []string{"multicast 1: []", "multicast 3: []"}; !slices.Equal(got, want) {
		t.Errorf("after a restart %v, want %v", got, want)
	}
}

// bare is an engine without dataplane.Entities.
type bare struct{ dataplane.Plane }

// TestEngineWithoutEntities: UNIMPLEMENTED names the engine.
func TestEngineWithoutEntities(t *testing.T) {
	r := newRig(t)
	r.stop()
	r.startOn(bare{r.plane})
	r.primary()
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, ""); err != nil {
		t.Fatal(err)
	}
	r.conform(writeCase{"", nil, mcast("INSERT", "multicast_group_id:1"), codes.Unimplemented, "multicast group 1: engine books does not support it"})
	got, err := r.read(parseEntity(t, "packet_replication_engine_entry{multicast_group_entry{}}"))
	if err != nil || len(got) != 0 {
		t.Errorf("Q13: %v, %v", got, err)
	}
	info := variantInfo(t, "")
	info.PkgInfo.PlatformProperties = &p4configv1.PlatformProperties{MulticastGroupTableSize: 4}
	_, err = r.client.SetForwardingPipelineConfig(t.Context(), &p4v1.SetForwardingPipelineConfigRequest{DeviceId: 1, ElectionId: eid(1),
		Action: p4v1.SetForwardingPipelineConfigRequest_VERIFY, Config: &p4v1.ForwardingPipelineConfig{P4Info: info, P4DeviceConfig: device("")}})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("p4rt:I3: %v", err)
	}
}

// only gives the texts that contain a word.
func only(all []string, word string) []string {
	var out []string
	for _, s := range all {
		if strings.Contains(s, word) {
			out = append(out, s)
		}
	}
	return out
}
