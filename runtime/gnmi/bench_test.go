package gnmi

import (
	"testing"
	"time"
)

// BenchmarkStreams is one tick of 100 streams of 20 counters each, through gRPC to
// clients that read them.
func BenchmarkStreams(b *testing.B) {
	r := filled(b)
	var all []*viewer
	for range 100 {
		s := r.subscribe(proto(streaming, sub(b, "/interfaces/interface/state/counters", sample, time.Second)))
		s.toSync()
		all = append(all, s)
	}
	updates := 0
	for b.Loop() {
		r.Clock.Advance(time.Second)
		for _, s := range all {
			m, err := s.c.Recv()
			r.check(err)
			updates += len(m.GetUpdate().GetUpdate())
		}
	}
	b.ReportMetric(float64(updates)/b.Elapsed().Seconds(), "updates/s")
}
