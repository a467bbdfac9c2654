package nicctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/runtime/daemon"
	"github.com/p4nic/p4nic/runtime/kernel"
)

// The binary of the tests is also the commands that the scripts run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"nicctl":        func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"no-namespaces": noNamespaces,
		"no-capability": noCapability,
		"nicd": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := daemon.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
			stop()
			os.Exit(code)
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, UpdateScripts: *update, Setup: scriptSetup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"ready":   ready,
			"cut":     cut,
			"flip":    flip,
			"primary": primary,
			"leave":   leave,
			"pack":    capturePack,
			"unpack":  captureUnpack,
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "bpf": // programs can be loaded
				return haveBPF(), nil
			case "root":
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
	})
}

// noRaceSleep is GORACE for commands: the race detector sleeps a second at each exit.
const noRaceSleep = "atexit_sleep_ms=0"

// scriptSetup gives a script the programs of testdata/p4 and places of its own:
//
//	$SOCKET    an address for a nicd
//	$TCP       a free TCP address
//	$INSTANCE  a name that no other script has
//	$ROUTER    the path of p4src/router.p4
func scriptSetup(env *testscript.Env) error {
	programs, err := filepath.Glob("testdata/p4/*.p4")
	if err != nil {
		return err
	}
	for _, p := range programs {
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(env.WorkDir, filepath.Base(p)), b, 0o600); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	tcp := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	socket := "unix://" + filepath.Join(env.WorkDir, "s")
	router, err := filepath.Abs("../p4src/router.p4")
	if err != nil {
		return err
	}
	env.Setenv("ROUTER", router)
	env.Setenv("SOCKET", socket)
	env.Setenv("TCP", tcp)
	instance := fmt.Sprintf("script-%d-%d", os.Getpid(), time.Now().UnixNano()%1e9)
	env.Setenv("INSTANCE", instance)
	env.Defer(func() { // what a script that failed left in the kernel
		if _, err := kernel.Remove(kernel.Options{Instance: instance}); err != nil && haveBPF() {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	env.Values[controllerKey{}] = &controller{}
	env.Setenv("GORACE", noRaceSleep)
	env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "run"))
	env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "home"))
	return nil
}

// exits CODE CMD ARGS...: runs a command and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args[0]) != 1 {
		ts.Fatalf("usage: exits CODE CMD ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		code = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if want := int(args[0][0] - '0'); code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// ready ADDRESS: waits until a nicd answers there.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready ADDRESS")
	}
	c, err := p4rtclient.Dial(args[0], 1, p4rtclient.Security{Insecure: true})
	ts.Check(err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := c.Capabilities(ctx)
		if err == nil {
			return
		}
		c.Conn.ResetConnectBackoff()
		select {
		case <-ctx.Done():
			ts.Fatalf("nicd does not answer: %v", err)
		case <-tick.C:
		}
	}
}

// controller is a P4Runtime client that is primary until it leaves.
type controller struct{ leave func() }

// controllerKey finds the script's other controller.
type controllerKey struct{}

// primary ADDRESS ID: another controller becomes primary with that election id.
func primary(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: primary ADDRESS ID")
	}
	id, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	c, err := p4rtclient.Dial(args[0], 1, p4rtclient.Security{Insecure: true})
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := c.P4RT.StreamChannel(ctx)
	ts.Check(err)
	ts.Check(stream.Send(&p4.StreamMessageRequest{Update: &p4.StreamMessageRequest_Arbitration{
		Arbitration: &p4.MasterArbitrationUpdate{DeviceId: 1, ElectionId: &p4.Uint128{Low: id}},
	}}))
	m, err := stream.Recv()
	ts.Check(err)
	if code := m.GetArbitration().GetStatus().GetCode(); code != 0 {
		ts.Fatalf("not primary: code %d", code)
	}
	other := ts.Value(controllerKey{}).(*controller)
	other.leave = func() {
		_ = stream.CloseSend()
		for { // until nicd has seen it
			if _, err := stream.Recv(); err != nil {
				break
			}
		}
		cancel()
		_ = c.Close()
	}
	ts.Defer(func() { cancel() })
}

// leave: the other controller is gone.
func leave(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: leave")
	}
	ts.Value(controllerKey{}).(*controller).leave()
}

// cut FILE NEW: half of a file.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	rewrite(ts, neg, args, func(b []byte) []byte { return b[:len(b)/2] })
}

// flip FILE NEW: a file with one bit changed in its middle.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	rewrite(ts, neg, args, func(b []byte) []byte {
		b[len(b)/2] ^= 1
		return b
	})
}

func rewrite(ts *testscript.TestScript, neg bool, args []string, change func([]byte) []byte) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: COMMAND FILE NEW")
	}
	b := change([]byte(ts.ReadFile(args[0])))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

func haveBPF() bool {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	return err == nil && p.Close() == nil
}
