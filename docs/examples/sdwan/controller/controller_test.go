package controller

import (
	"math"
	"testing"
	"time"
)

// readings are counts at the given milliseconds.
func readings(pairs ...uint64) []Reading {
	var out []Reading
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, Reading{Packets: pairs[i+1], At: time.UnixMilli(int64(pairs[i]))})
	}
	return out
}

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		name           string
		sent, received []Reading
		s, r           float64
		ok             bool
	}{
		{"same moments", readings(0, 100, 100, 200, 200, 300), readings(0, 50, 100, 150, 200, 250), 200, 200, true},
		{"skewed moments, no loss", readings(0, 0, 100, 100, 200, 200), readings(50, 50, 150, 150, 250, 250), 150, 150, true},
		{"a tenth lost", readings(0, 0, 100, 1000, 200, 2000), readings(0, 0, 100, 900, 200, 1800), 2000, 1800, true},
		{"too few", readings(0, 0, 100, 100), readings(0, 0, 100, 100, 200, 200), 0, 0, false},
		{"no common time", readings(0, 0, 1, 1, 2, 2), readings(10, 0, 11, 1, 12, 2), 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, r, ok := overlap(c.sent, c.received)
			if ok != c.ok || math.Abs(s-c.s) > 1e-6 || math.Abs(r-c.r) > 1e-6 {
				t.Errorf("sent %v, received %v, %v; want %v, %v, %v", s, r, ok, c.s, c.r, c.ok)
			}
		})
	}
}

func TestKeep(t *testing.T) {
	var list []Reading
	for i, packets := range []uint64{0, 100, 200, 300, 900, 1500, 2100, 5} {
		list = keep(list, Reading{Packets: packets, At: time.UnixMilli(int64(i))}, 3)
		want := []int{1, 2, 3, 4, 1, 2, 3, 1}[i]
		if len(list) != want || list[len(list)-1].Packets != packets {
			t.Errorf("after %d: %d readings, want %d", packets, len(list), want)
		}
	}
	for range 5 {
		list = keep(list, Reading{Packets: 5}, 3)
	}
	if len(list) != 4 {
		t.Errorf("%d readings are kept, want 4", len(list))
	}
}
