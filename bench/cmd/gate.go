package main

import (
	"fmt"
	"os"

	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/bench/p4prog"
	"github.com/p4nic/p4nic/bench/ref"
)

// limits are the recorded ratios of router.p4's net time to the hash look-up of
// the same run, with 1,000 routes. A change that makes the router faster lowers
// them.
func limits() map[bench.Hook]float64 {
	return map[bench.Hook]float64{bench.XDP: 6.7, bench.TC: 6.6}
}

// slack is what CI lets a ratio exceed its limit (docs/design.md, section 6).
const slack = 1.3

// gate fails when the router has become slower, measured by the yardstick. What
// counts is the lower end of the interval: a noisy machine must not fail it.
func gate(o *options) error {
	if o.cfg.MaxRounds == 0 {
		o.cfg.MaxRounds = 100
	}
	for _, h := range o.hooks {
		res, err := o.measure(one{"router", func() (*ref.Scenario, error) {
			s, err := p4prog.Router(o.router, h, 1000, nil, false)
			if err == nil {
				s.Base = bench.NameHash
			}
			return s, err
		}})
		if err != nil {
			return err
		}
		if err := res.Text(os.Stdout); err != nil {
			return err
		}
		row, limit := res.Row("router.p4"), limits()[h]*slack
		if row.Ratio.Lo > limit {
			return fmt.Errorf("router.p4 on %s costs %.2f hash look-ups (at least %.2f), the limit is %.2f", h, row.Ratio.Mid, row.Ratio.Lo, limit)
		}
		fmt.Printf("router.p4 on %s: %.2f hash look-ups, limit %.2f\n", h, row.Ratio.Mid, limit)
	}
	return nil
}
