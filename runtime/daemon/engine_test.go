package daemon

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/internal/netnstest"
)

// TestEngineChange: D1: another engine takes over the entries, and the ports from
// what runs in the kernel: each frame is forwarded once, and nothing is left there.
func TestEngineChange(t *testing.T) {
	for _, hook := range []string{"tc", "xdp"} {
		t.Run(hook, func(t *testing.T) {
			netnstest.NeedBPF(t)
			net := newWires(t)
			onKernel := []string{"--port", "1=s1,hook=" + hook, "--port", "2=s2,hook=" + hook}
			onSim := []string{"--engine", "sim", "--port", "1=s1", "--port", "2=s2"}
			d := newNicd(t, net.sw)
			common := d.args
			out, in := netnstest.Packets(t, net.h1, "eth0"), netnstest.Packets(t, net.h2, "eth0")
			stamp := bundleOf(t, compileFile(t, "testdata/stamp.p4"))
			const frames = 50
			sent := uint64(0)
			once := func(when string) {
				t.Helper()
				first := sent
				for range frames {
					netnstest.Check(t, out.Send(udpFrame(sent)))
					sent++
				}
				got := map[uint64]int{}
				for quiet := time.Now().Add(3 * time.Second); time.Now().Before(quiet); {
					f, err := in.Recv(time.Now().Add(50 * time.Millisecond))
					if err == nil && len(f) >= 58 && f[23] == 17 && binary.BigEndian.Uint16(f[36:]) == 7777 {
						got[binary.BigEndian.Uint64(f[42:])]++
						if len(got) == frames { // a second copy is not far behind
							quiet = time.Now().Add(200 * time.Millisecond)
						}
					}
				}
				for n := first; n < sent; n++ {
					if got[n] != 1 {
						t.Fatalf("%s: frame %d arrived %d times", when, n-first, got[n])
					}
				}
			}
			end := func() {
				netnstest.Check(t, d.cmd.Process.Signal(syscall.SIGTERM))
				netnstest.Check(t, d.cmd.Wait())
			}
			d.args = slices.Concat(common, onKernel)
			d.start()
			c := d.client()
			netnstest.Check(t, d.load(c, stamp, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
			d.write(c, stamp, p4.Update_INSERT, "wires port=1 to_port port=2")
			netnstest.Check(t, c.Close())
			once("in the kernel")
			end()
			once("without nicd")
			pins := filepath.Join(pinRoot, d.args[1])

			d.args = slices.Concat(common, []string{"--engine", "sim", "--port", "1=s1", "--port", "2=none"})
			d.refused(exitFailed)
			once("after a start that failed")

			d.args = slices.Concat(common, onSim)
			d.start()
			once("on the simulator")
			if _, err := os.Stat(pins); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is still there: %v", pins, err)
			}
			end()
			d.args = slices.Concat(common, onKernel)
			d.start()
			once("in the kernel again")
			d.detach()
		})
	}
}
