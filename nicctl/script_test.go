package nicctl

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The binary of the tests is also the command that the scripts run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"nicctl": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, Cmds: map[string]func(*testscript.TestScript, bool, []string){
		// exits CODE CMD ARGS...: runs a command and compares its exit code.
		"exits": exits,
	}})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args[0]) != 1 {
		ts.Fatalf("usage: exits CODE CMD ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if ee, ok := err.(interface{ ExitCode() int }); ok {
		code = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if want := int(args[0][0] - '0'); code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}
