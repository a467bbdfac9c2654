package p4prog

import (
	"os"
	"testing"

	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// TestRouter holds router.p4, the hand-written router with all its parts and
// without each, and the L3 references against the same routes.
func TestRouter(t *testing.T) {
	netnstest.NeedBPF(t)
	for _, h := range []bench.Hook{bench.XDP, bench.TC} {
		t.Run(h.String(), func(t *testing.T) {
			var off [][]string
			if h == bench.TC {
				off = append(off, []string{"slots", "dce"})
			}
			netnstest.Check(t, bench.Isolated(-1, func(*netns.NS) error {
				s, err := Router("../../p4src/router.p4", h, 1000, off, h == bench.XDP)
				if err != nil {
					return err
				}
				defer s.Close()
				res, err := s.Run(bench.Config{MinRounds: 5, MaxRounds: 5, Copies: 1})
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

// TestRouterLines: the lines' counts add up to all that is executed.
func TestRouterLines(t *testing.T) {
	netnstest.NeedBPF(t)
	lines, err := RouterLines("../../p4src/router.p4", bench.XDP)
	netnstest.Check(t, err)
	sum, routes := 0, false
	for _, l := range lines {
		sum += l.Insns
		routes = routes || l.Text == "ipv4_routes.apply();"
		if l.Stack > l.Insns {
			t.Errorf("%+v", l)
		}
	}
	if sum < 100 || !routes {
		t.Errorf("%d instructions in %v", sum, lines)
	}
}
