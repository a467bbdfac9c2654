package p4prog

import (
	"os"
	"testing"

	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

func TestRouter(t *testing.T) {
	netnstest.NeedBPF(t)
	for _, h := range []bench.Hook{bench.XDP, bench.TC} {
		t.Run(h.String(), func(t *testing.T) {
			netnstest.Check(t, bench.Isolated(-1, func(*netns.NS) error {
				s, err := Router("../../p4src/router.p4", h, 1000, [][]string{{"slots", "dce"}}, true)
				if err != nil {
					return err
				}
				defer s.Close()
				res, err := s.Run(bench.Config{MinRounds: 5, MaxRounds: 5, Copies: 2})
				if err != nil {
					return err
				}
				if testing.Verbose() {
					return res.Text(os.Stdout)
				}
				return nil
			}))
		})
	}
}
