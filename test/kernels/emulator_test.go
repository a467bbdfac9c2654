package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p4nic/p4nic/test/kernels/guest"
)

// asEmulator makes the test binary print this text as an emulator would, and
// with "hang" at its end not end.
const asEmulator = "P4NIC_TEST_AS_EMULATOR"

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(asEmulator); ok {
		if text, hang := strings.CutSuffix(text, "hang"); hang {
			_, _ = os.Stdout.WriteString(text)
			untilKilled()
		}
		_, _ = os.Stdout.WriteString(text)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// untilKilled never returns; waiting for a signal that nobody sends keeps the
// runtime from calling it a deadlock.
func untilKilled() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	for range c {
	}
}

func TestBoot(t *testing.T) {
	line := func(e guest.Event) string { return e.Line() + "\r\n" }
	ready, end := line(guest.Event{Kind: guest.Ready, Text: "6.1"}), line(guest.Event{Kind: guest.End})
	start := line(guest.Event{Kind: guest.Start, Job: "a"})
	for _, c := range []struct {
		name, console string
		limit         time.Duration
		kinds         []guest.Kind
		want          string // part of the error
	}{
		{"whole", "[ 0.0] Linux\r\n" + ready + start + end, time.Minute, []guest.Kind{guest.Ready, guest.Start}, ""},
		{"panic", ready + start + "[ 9.0] Kernel panic - not syncing\r\n", time.Minute, []guest.Kind{guest.Ready, guest.Start},
			"the guest ended before its jobs were done; the last of its console:\n[ 9.0] Kernel panic"},
		{"gave up", line(guest.Event{Kind: guest.Failed, Text: "module veth: exec format error"}), time.Minute, nil,
			"the guest gave up: module veth: exec format error"},
		{"damaged", ready + end[:20] + "\r\n", time.Minute, []guest.Kind{guest.Ready}, "damaged line"},
		{"too long", ready + "hang", 50 * time.Millisecond, []guest.Kind{guest.Ready}, "not done after 50ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv(asEmulator, c.console)
			var log bytes.Buffer
			var kinds []guest.Kind
			v := vm{machine: machine{qemu: self, console: "ttyS0"}, memory: 1, cpus: 1, log: &log}
			err = v.boot(context.Background(), c.limit, func(e guest.Event) { kinds = append(kinds, e.Kind) })
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if !slices.Equal(kinds, c.kinds) {
				t.Errorf("events %v, want %v", kinds, c.kinds)
			}
			if log.String() != strings.TrimSuffix(c.console, "hang") {
				t.Errorf("log %q", log.String())
			}
		})
	}
}

func TestNoEmulator(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := machine{qemu: "qemu-system-x86_64", debian: "qemu-system-x86"}.find()
	if !errors.Is(err, errNoKernel) || !strings.Contains(err.Error(), "apt-get install --no-install-recommends qemu-system-x86") {
		t.Error(err)
	}
}
