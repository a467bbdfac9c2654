package routemap

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSpread: numbers of buckets stand for weights (D17).
func TestSpread(t *testing.T) {
	for _, c := range []struct {
		weights []uint64
		limit   int
		want    []int
	}{
		{[]uint64{1}, 256, []int{1}},
		{[]uint64{7, 7}, 256, []int{1, 1}},
		{[]uint64{64, 32, 32}, 256, []int{2, 1, 1}},
		{[]uint64{1, 3}, 4, []int{1, 3}},
		{[]uint64{1, 1000}, 8, []int{1, 7}},
		{[]uint64{1, 1, 1000}, 8, []int{1, 1, 6}},
		{[]uint64{100, 101, 99}, 10, []int{3, 4, 3}},
		{[]uint64{5, 6, 7}, 2, []int{1, 1, 1}},
		{[]uint64{1 << 63, 1 << 63, 1 << 63}, 256, []int{86, 85, 85}},
		{[]uint64{18446744073709551615, 1}, 16, []int{15, 1}},
	} {
		if got := spread(c.weights, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("spread(%v, %d) = %v, want %v", c.weights, c.limit, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Uint64Range(1, 1<<40), 1, 40).Draw(t, "weights")
		limit := rapid.IntRange(1, 300).Draw(t, "limit")
		sum := 0
		for i, n := range spread(weights, limit) {
			if n < 1 {
				t.Fatalf("weight %d has %d buckets", weights[i], n)
			}
			sum += n
		}
		if sum > max(limit, len(weights)) {
			t.Fatalf("%d buckets for %d weights, the limit is %d", sum, len(weights), limit)
		}
	})
}

// TestBuddy: ranges never overlap, and everything comes back together.
func TestBuddy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const order = 8
		b := newBuddy(order)
		var used [1 << order]bool
		type part struct {
			base uint32
			n    int
		}
		var have []part
		mark := func(p part, to bool) {
			for i := range p.n {
				if used[int(p.base)+i] == to {
					t.Fatalf("range %d+%d overlaps", p.base, p.n)
				}
				used[int(p.base)+i] = to
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				n := rapid.IntRange(1, 40).Draw(t, "n")
				if base, ok := b.take(n); ok {
					have = append(have, part{base, n})
					mark(have[len(have)-1], true)
				}
			case 1:
				p := part{rapid.Uint32Range(0, 300).Draw(t, "base"), rapid.IntRange(0, 40).Draw(t, "n")}
				if b.reserve(p.base, p.n) {
					have = append(have, p)
					mark(p, true)
				}
			default:
				if len(have) > 0 {
					i := rapid.IntRange(0, len(have)-1).Draw(t, "which")
					mark(have[i], false)
					b.release(have[i].base, have[i].n)
					have = slices.Delete(have, i, i+1)
				}
			}
		}
		for _, p := range have {
			b.release(p.base, p.n)
		}
		if base, ok := b.take(1 << order); !ok || base != 0 {
			t.Fatal("the whole is not free again")
		}
	})
}

func TestPool(t *testing.T) {
	p := newPool(2) // 1, 2, 3
	if !p.reserve(2) || p.reserve(2) || p.reserve(0) || p.reserve(4) {
		t.Error("reserve")
	}
	a, _ := p.take()
	b, _ := p.take()
	if _, ok := p.take(); a != 1 || b != 3 || ok {
		t.Errorf("%d, %d and one more", a, b)
	}
	p.release(2)
	if c, ok := p.take(); !ok || c != 2 {
		t.Errorf("%d, %v", c, ok)
	}
}
