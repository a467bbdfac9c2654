package bench

import (
	"os"
	"testing"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

func testFrames(t *testing.T, n int) *Frames {
	f, err := MakeFrames(n, 60, func(i int, b []byte) { b[12], b[13], b[30], b[31] = 8, 0, byte(i), byte(i>>8) })
	netnstest.Check(t, err)
	return f
}

func TestQuick(t *testing.T) {
	netnstest.NeedBPF(t)
	err := Isolated(-1, func(*netns.NS) error {
		r, err := NewRig(XDP, testFrames(t, 1024), nil, Config{})
		if err != nil {
			return err
		}
		defer r.Close()
		res, err := r.Run("yardsticks", NameHash)
		if err != nil {
			return err
		}
		return res.Text(os.Stdout)
	})
	netnstest.Check(t, err)
}
