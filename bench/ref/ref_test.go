package ref

import (
	"errors"
	"os"
	"testing"

	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// TestReferences holds every reference against what it must do, on both hooks
// and both kinds of tables; a short measurement goes with it. Among what is held:
// TTL and checksum of routed packets (dp:RO2), a tunnel's source port with the
// inner flow's entropy (dp:TU1), one real for a flow on every instance (dp:LB1),
// the rule that a packet meets first (verifyACL).
func TestReferences(t *testing.T) {
	netnstest.NeedBPF(t)
	for _, c := range All() {
		for _, h := range []bench.Hook{bench.XDP, bench.TC} {
			t.Run(c.Name+"/"+h.String(), func(t *testing.T) {
				err := bench.Isolated(-1, func(*netns.NS) error {
					s, err := c.Make(h, 100)
					if err != nil {
						return err
					}
					defer s.Close()
					res, err := s.Run(bench.Config{MinRounds: 2, MaxRounds: 2, Copies: 1})
					if err != nil {
						return err
					}
					if testing.Verbose() {
						return res.Text(os.Stdout)
					}
					return nil
				})
				if errors.Is(err, ErrNoClang) {
					t.Skip("needs clang")
				}
				netnstest.Check(t, err)
			})
		}
	}
}
