package gribi

import (
	"testing"

	aftpb "github.com/openconfig/gribi/v1/proto/gribi_aft"
	spb "github.com/openconfig/gribi/v1/proto/service"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/rib"
)

// FuzzOperation: any AFTOperation becomes one of the RIB's, which is invalid with
// a reason or names what it is about.
func FuzzOperation(f *testing.F) {
	for _, op := range []*spb.AFTOperation{
		{}, {Op: spb.AFTOperation_ADD},
		{Op: spb.AFTOperation_ADD, NetworkInstance: "DEFAULT", Entry: &spb.AFTOperation_Ipv4{Ipv4: &aftpb.Afts_Ipv4EntryKey{Prefix: "10.0.0.0/8", Ipv4Entry: &aftpb.Afts_Ipv4Entry{}}}},
		{Op: spb.AFTOperation_REPLACE, Entry: &spb.AFTOperation_Ipv6{Ipv6: &aftpb.Afts_Ipv6EntryKey{Prefix: "2001:db8::/32"}}},
		{Op: spb.AFTOperation_ADD, Entry: &spb.AFTOperation_NextHop{NextHop: &aftpb.Afts_NextHopKey{Index: 1, NextHop: &aftpb.Afts_NextHop{}}}},
		{Op: spb.AFTOperation_ADD, Entry: &spb.AFTOperation_NextHopGroup{NextHopGroup: &aftpb.Afts_NextHopGroupKey{Id: 1, NextHopGroup: &aftpb.Afts_NextHopGroup{
			NextHop: []*aftpb.Afts_NextHopGroup_NextHopKey{{Index: 1}}}}}},
		{Op: spb.AFTOperation_DELETE, Entry: &spb.AFTOperation_Mpls{Mpls: &aftpb.Afts_LabelEntryKey{}}},
	} {
		raw, err := proto.Marshal(op)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := &spb.AFTOperation{}
		if proto.Unmarshal(raw, in) != nil {
			return
		}
		op := decode(in)
		if op.Invalid != "" {
			return
		}
		switch op.Entity {
		case rib.RouteEntity:
			if !op.Prefix.IsValid() || op.Prefix != op.Prefix.Masked() {
				t.Errorf("prefix %v of %v", op.Prefix, in)
			}
		case rib.GroupEntity, rib.HopEntity:
		default:
			t.Errorf("entity %d of %v", op.Entity, in)
		}
	})
}
