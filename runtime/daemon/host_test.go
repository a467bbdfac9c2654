package daemon

import (
	"bytes"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/internal/netnstest"
)

// TestHostReachable: principle 5, U6 of the operators: attaching to a port cuts
// nobody off. The host answers over it while nothing is loaded, after nicd was
// killed, after it ended, and after detach.
func TestHostReachable(t *testing.T) {
	for _, hook := range []string{"tc", "xdp"} {
		t.Run(hook, func(t *testing.T) {
			netnstest.NeedBPF(t)
			net := newWires(t)
			reachable := func(when string) {
				t.Helper()
				if err := net.echo(); err != nil {
					t.Errorf("%s the host does not answer: %v", when, err)
				}
			}
			reachable("before nicd")
			d := newNicd(t, net.sw, "--port", "1=s1,hook="+hook, "--port", "2=s2,hook="+hook)
			d.start()
			reachable("with nicd on the port and nothing loaded")
			d.kill()
			reachable("after nicd was killed")
			d.start()
			reachable("after another nicd has taken over")
			c := d.client()
			stamp := bundleOf(t, compileFile(t, "testdata/stamp.p4"))
			netnstest.Check(t, d.load(c, stamp, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
			reachable("with a program that hands packets to the host")
			netnstest.Check(t, c.Close())
			netnstest.Check(t, d.cmd.Process.Signal(syscall.SIGTERM))
			netnstest.Check(t, d.cmd.Wait())
			reachable("with that program, after nicd has ended")
			d.start()
			d.detach()
			reachable("after detach")
		})
	}
}

// echo sends 1 MiB over TCP from h1 to the switch's own address and back.
func (w wires) echo() error {
	var l net.Listener
	if err := w.sw.Do(func() (err error) {
		l, err = net.Listen("tcp", "10.0.1.1:0")
		return err
	}); err != nil {
		return err
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return // the other side reports it
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	var c net.Conn
	if err := w.h1.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", l.Addr().String(), 5*time.Second)
		return err
	}); err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	sent := bytes.Repeat([]byte("p4nic/"), 1<<20/6)
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(sent)
		wrote <- err
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, sent) {
		return io.ErrUnexpectedEOF
	}
	return <-wrote
}
