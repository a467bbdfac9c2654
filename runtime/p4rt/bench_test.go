package p4rt

import (
	"encoding/binary"
	"fmt"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// BenchmarkDecode is the adapter's own share of a Write.
func BenchmarkDecode(b *testing.B) {
	p, err := storetest.Program("")
	if err != nil {
		b.Fatal(err)
	}
	pl, err := store.NewPipeline(store.Config{}, p)
	if err != nil {
		b.Fatal(err)
	}
	bound, err := bind(infoOf(p), pl)
	if err != nil {
		b.Fatal(err)
	}
	u := parse(b, `INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x00\x00" prefix_len:24}} FORWARD}`)
	raw, err := proto.Marshal(u)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("message", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m := &p4v1.Update{}
			if err := proto.Unmarshal(raw, m); err != nil {
				b.Fatal(err)
			}
			if _, _, err := bound.update(m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("wire", func(b *testing.B) {
		d := wireDecoder{b: bound}
		b.ReportAllocs()
		for b.Loop() {
			var e entity.Update
			if !d.update(raw, &e) {
				b.Fatal("left to the messages")
			}
		}
	})
}

// BenchmarkWrite sends batches over gRPC: insert, then delete.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := ready(b)
			us := make([]*p4v1.Update, n)
			for i := range us {
				us[i] = parse(b, `INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x00\x00" prefix_len:32}} FORWARD}`)
				us[i].GetEntity().GetTableEntry().Match[0].GetLpm().Value = binary.BigEndian.AppendUint32(nil, uint32(0x0a000001+i))
			}
			for b.Loop() {
				for _, typ := range []p4v1.Update_Type{p4v1.Update_INSERT, p4v1.Update_DELETE} {
					for _, u := range us {
						u.Type = typ
					}
					r.mustWrite(us...)
				}
			}
			b.ReportMetric(float64(b.N*2*n)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}

// BenchmarkEncode is the adapter's own share of a Read.
func BenchmarkEncode(b *testing.B) {
	r := ready(b)
	r.mustWrite(parse(b, `INSERT table_entry{table_id:ACL priority:5 SRC FORWARD}`))
	bound, err := r.server.binding(r.store.Pipeline())
	if err != nil {
		b.Fatal(err)
	}
	t := bound.byIndex[storetest.ACL]
	var e *entity.Entry
	for e = range r.store.Snapshot(nil).Entries(storetest.ACL) {
		break
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = t.appendEntry(buf[:0], e, asked{})
	}
}
