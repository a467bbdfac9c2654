package bench

import (
	"math"
	"slices"
)

// Interval is a median with its 95 % interval.
type Interval struct {
	Lo  float64 `json:"lo"`
	Mid float64 `json:"median"`
	Hi  float64 `json:"hi"`
}

// Width is the whole width of the interval relative to the median.
func (v Interval) Width() float64 {
	if v.Mid == 0 {
		return math.Inf(1)
	}
	return (v.Hi - v.Lo) / math.Abs(v.Mid)
}

// Scale multiplies all three by f > 0.
func (v Interval) Scale(f float64) Interval { return Interval{v.Lo * f, v.Mid * f, v.Hi * f} }

// Median of xs, which stay in order; NaN for none.
func Median(xs []float64) float64 { return MedianInterval(xs).Mid }

// MedianInterval gives the median of xs and an interval that holds the median of
// what they were drawn from with 95 %: of n sorted values those of the ranks k
// and n+1-k, where a binomial (n, 1/2) is below k in at most 2.5 % of cases. It
// assumes nothing of the distribution; of fewer than six values it is all.
func MedianInterval(xs []float64) Interval {
	n := len(xs)
	if n == 0 {
		return Interval{math.NaN(), math.NaN(), math.NaN()}
	}
	s := slices.Sorted(slices.Values(xs))
	mid := s[n/2]
	if n%2 == 0 {
		mid = (s[n/2-1] + s[n/2]) / 2
	}
	k := rank(n)
	return Interval{s[k], mid, s[n-1-k]}
}

// rank is the largest k, from 0, with P(binomial(n, 1/2) <= k) <= 2.5 %, or 0.
func rank(n int) int {
	logAll := float64(n) * math.Ln2
	lgn, _ := math.Lgamma(float64(n) + 1)
	var p float64
	for k := 0; k <= n/2; k++ {
		a, _ := math.Lgamma(float64(k) + 1)
		b, _ := math.Lgamma(float64(n-k) + 1)
		p += math.Exp(lgn - a - b - logAll)
		if p > 0.025 {
			return max(k-1, 0)
		}
	}
	return 0
}
