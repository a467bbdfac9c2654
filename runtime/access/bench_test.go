package access

import (
	"context"
	"fmt"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/internal/p4wire"
)

// BenchmarkWrite is what a Write costs on its way through the gate, with its
// record: ns/op is of a request. "decode" is the codec without the gate.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 1000} {
		r := writeOf(n, "")
		for i, u := range r.GetUpdates() {
			u.Entity = &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{TableId: 0x02000001, Match: []*p4v1.FieldMatch{{FieldId: 1,
				FieldMatchType: &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: []byte{byte(i >> 8), byte(i), 1, 2}}}}}, Action: &p4v1.TableAction{
				Type: &p4v1.TableAction_Action{Action: &p4v1.Action{ActionId: 0x01000001, Params: []*p4v1.Action_Param{{ParamId: 1, Value: []byte{1, 2}}}}}}}}}
		}
		raw, err := proto.Marshal(r)
		if err != nil {
			b.Fatal(err)
		}
		conf := defaults()
		conf.Audit.Dir = b.TempDir()
		g, err := New(Options{Config: conf})
		if err != nil {
			b.Fatal(err)
		}
		c := g.policy.remote(ViaInsecure, address("192.0.2.1:4711"), nil)
		ctx := peer.NewContext(context.Background(), &peer.Peer{AuthInfo: c})
		info := &grpc.UnaryServerInfo{FullMethod: p4v1.P4Runtime_Write_FullMethodName}
		through := &codec{g.baseCodec(), &g.digests}
		data := mem.BufferSlice{mem.SliceBuffer(raw)}
		handle := func(context.Context, any) (any, error) { return nil, nil }
		b.Run(fmt.Sprintf("decode/%d", n), func(b *testing.B) {
			for b.Loop() {
				if err := through.CodecV2.Unmarshal(data, new(p4wire.Write)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("gate/%d", n), func(b *testing.B) {
			for b.Loop() {
				m := new(p4wire.Write)
				if err := through.Unmarshal(data, m); err != nil {
					b.Fatal(err)
				}
				if _, err := g.unary(ctx, m, info, handle); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := g.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
