package rates

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/internal/netnstest"
)

// messages reads the table whole, as a client without tricks does.
func (d *device) messages() (out []*p4v1.ReadResponse, entries int) {
	d.t.Helper()
	conn, err := grpc.NewClient("unix://"+d.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	netnstest.Check(d.t, err)
	defer conn.Close()
	s, err := p4v1.NewP4RuntimeClient(conn).Read(context.Background(), &p4v1.ReadRequest{DeviceId: 1, Entities: []*p4v1.Entity{
		{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{}}}}})
	netnstest.Check(d.t, err)
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return out, entries
		}
		netnstest.Check(d.t, err)
		out = append(out, m)
		entries += len(m.GetEntities())
	}
}

// BenchmarkRead is a wildcard read of a table over gRPC, to a client that does not
// decode, beside a bare loop that marshals the same messages: one after the other,
// in turns. ratio is the read's entries a second over the loop's.
func BenchmarkRead(b *testing.B) {
	const entries, rounds = 300_000, 7
	d := newDevice(b, "sim", entries)
	start(b, d.order(order{Batches: entries / 1000, Size: 1000, Window: 4}))()
	want, n := d.messages()
	if n != entries {
		b.Fatalf("%d entries", n)
	}
	size := 0
	for _, m := range want {
		size += proto.Size(m)
	}
	var reads, loops, ratios, cpus []float64
	for range b.N {
		for range rounds {
			begin := time.Now()
			for _, m := range want {
				if _, err := proto.Marshal(m); err != nil {
					b.Fatal(err)
				}
			}
			loop := time.Since(begin).Seconds()
			before := processorTime()
			out := start(b, d.order(order{Reads: 1}))()
			cpus = append(cpus, 1e6*(processorTime()-before)/entries)
			if out.Bytes != int64(size) {
				b.Fatalf("a read of %d bytes, its messages have %d", out.Bytes, size)
			}
			loops, reads, ratios = append(loops, entries/loop), append(reads, entries/out.Seconds), append(ratios, loop/out.Seconds)
		}
	}
	b.ReportMetric(median(reads), "entries/s")
	b.ReportMetric(median(loops), "marshal-entries/s")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(cpus), "server-us/entry")
	b.ReportMetric(0, "ns/op")
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// BenchmarkReadDelay is what a read of a million entries costs a writer: batches
// of 100 changes, one after the other, while another client reads the table, and
// before and after. delay is the slowest batch's difference.
func BenchmarkReadDelay(b *testing.B) {
	const entries = 1_000_000
	d := newDevice(b, largeEngine(), entries)
	start(b, d.order(order{Batches: entries / 1000, Size: 1000, Window: 4}))()
	write := order{Batches: 3000, Size: 100, Window: 1, Modify: true}
	var alone, beside outcome
	for range b.N {
		out := start(b, d.order(write))()
		alone.Batches = append(alone.Batches, out.Batches...)
		wait := start(b, d.order(order{Reads: 8}))
		out = start(b, d.order(write))()
		beside.Batches = append(beside.Batches, out.Batches...)
		wait()
	}
	slices.Sort(alone.Batches)
	slices.Sort(beside.Batches)
	for _, p := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"max", 1}} {
		i := int(p.at * float64(len(alone.Batches)-1))
		b.ReportMetric(1e3*alone.Batches[i], p.name+"-ms-alone")
		b.ReportMetric(1e3*beside.Batches[i], p.name+"-ms-beside")
	}
	b.ReportMetric(0, "ns/op")
}
