package telemetry_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
	"github.com/p4nic/p4nic/runtime/store/storetest"
	"github.com/p4nic/p4nic/runtime/telemetry"
	"github.com/p4nic/p4nic/runtime/telemetry/telemetrytest"
)

// large is a rig whose table "t" has n entries.
func large(b *testing.B, n int) *telemetrytest.Rig {
	r := telemetrytest.New(b)
	pb := storetest.NewBuilder("large")
	pb.Table("t", n+1, true, []ir.Key{storetest.Key("k", ir.MatchExact, 32)}, pb.Action("NoAction"))
	pl, err := store.NewPipeline(store.Config{}, pb.Program)
	if err != nil {
		b.Fatal(err)
	}
	if err := r.Store.SetPipeline(store.Commit, pl); err != nil {
		b.Fatal(err)
	}
	us := make([]entity.Update, n)
	for i := range us {
		us[i] = insertLarge(uint32(i))
	}
	if errs, err := r.Store.Apply(store.Batch{Pipeline: pl, Updates: us}); err != nil || errs != nil {
		b.Fatal(errs, err)
	}
	return r
}

func insertLarge(i uint32) entity.Update {
	return entity.Update{Kind: entity.Insert, Key: string(binary.BigEndian.AppendUint32(nil, i*2654435761)), HasAction: true}
}

// BenchmarkEntries is a collection of 100,000 entries of which none changed since
// the one before, and of their counters.
func BenchmarkEntries(b *testing.B) {
	const n = 100000
	r := large(b, n)
	for _, s := range r.Tel.Hub.Schema.Sources {
		if s.Text() != "/pipeline/tables/table[name]/entries/entry[match]" {
			continue
		}
		name := "entries"
		if s.Counts {
			name = "counters"
		}
		b.Run(name, func(b *testing.B) {
			var last *telemetry.Frame
			for b.Loop() {
				r.Clock.Advance(1)
				f, err := r.Tel.Hub.Frame(b.Context(), s, "t", r.Clock.Now())
				if err != nil || len(f.Rows) != n+1 {
					b.Fatal(len(f.Rows), err)
				}
				last = f
			}
			runtime.KeepAlive(last)
		})
	}
}
