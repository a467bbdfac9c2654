package store

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// The victim is this test binary run again: a store that writes batch after batch
// and tells of each acknowledgement, until kill -9 ends it, from outside or at one
// of its own fail points.
const victimEnv = "P4NIC_STORE_VICTIM" // directory, first batch, fail point or -1

func TestMain(m *testing.M) {
	if order := os.Getenv(victimEnv); order != "" {
		if err := victim(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func victimOptions(dir string) Options {
	return Options{Dir: dir, Load: largeProgram, BootID: "b", CompactBytes: 20_000, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func victim(order string) error {
	f := strings.Split(order, "\n")
	first, err := strconv.Atoi(f[1])
	if err != nil {
		return err
	}
	point, err := strconv.Atoi(f[2])
	if err != nil {
		return err
	}
	o := victimOptions(f[0])
	left := 1 // of a start there is one a life, and of compactions few
	if point < int(fpCompactStarted) {
		left += first % 5
	}
	o.fail = func(p failPoint) {
		if int(p) != point {
			return
		}
		if left--; left == 0 {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	}
	s, err := Open(o)
	if err != nil {
		return err
	}
	if err := s.Start(nullPlane{storetest.NewPlane()}); err != nil {
		return err
	}
	for n := first; n < first+victimBatches; n++ {
		us := victimBatch(n, map[string]string{})
		if errs, err := s.Apply(Batch{Pipeline: s.Pipeline(), Updates: us}); err != nil || errs != nil {
			return fmt.Errorf("batch %d: %v %v", n, err, errs)
		}
		fmt.Println(n)
	}
	select {} // for the kill
}

// victimBatches is how far a victim gets at most.
const victimBatches = 120

// victimBatch is batch n of all runs, and makes have what is there afterwards: it
// inserts keys of its own, deletes half of those of the batch three before and
// modifies the others of the one two before.
func victimBatch(n int, have map[string]string) []entity.Update {
	key := func(n, i int) string {
		return string(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(nil, uint32(n*64+i)), 32))
	}
	args := func(n, i int) string { return string([]byte{byte(n), byte(i)}) }
	var us []entity.Update
	for i := range 40 {
		us = append(us, entity.Update{Kind: entity.Insert, Key: key(n, i), HasAction: true, Action: 1, Args: args(n, i)})
		have[key(n, i)] = args(n, i)
	}
	for i := 0; n >= 3 && i < 40; i += 2 {
		us = append(us, entity.Update{Kind: entity.Delete, Key: key(n-3, i)})
		delete(have, key(n-3, i))
	}
	for i := 1; n >= 2 && i < 40; i += 2 {
		us = append(us, entity.Update{Kind: entity.Modify, Key: key(n-2, i), HasAction: true, Action: 1, Args: args(n, i)})
		have[key(n-2, i)] = args(n, i)
	}
	return us
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(victimOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(nullPlane{storetest.NewPlane()}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetPipeline(Commit, largePipeline(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	next, have := 0, map[string]string{}
	for life := range 24 {
		point := -1 // from outside
		if life%2 == 0 {
			point = []int{int(fpAppended), int(fpApplied), int(fpPublished), int(fpCompactStarted), int(fpCompactSnapshot), int(fpCompactCopied),
				int(fpCompactReady), int(fpCompactRenamed), int(fpCompactSynced), int(fpStartAppended), int(fpPlanned), int(fpMarked)}[life/2%12]
		}
		c := exec.Command(exe)
		c.Env = append(os.Environ(), victimEnv+"="+fmt.Sprintf("%s\n%d\n%d", dir, next, point))
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		first, left := next, 1+rng.IntN(30)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() != strconv.Itoa(next) {
				t.Fatalf("victim says %q, want %d", lines.Text(), next)
			}
			victimBatch(next, have)
			next++
			// A point that is not met in time makes it a kill from outside.
			if left--; left == 0 && point < 0 || next == first+victimBatches {
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		err = c.Wait()
		if ws, ok := c.ProcessState.Sys().(interface{ Signaled() bool }); err == nil || !ok || !ws.Signaled() {
			t.Fatalf("the victim of life %d was not killed: %v", life, err)
		}
		s, err := Open(victimOptions(dir))
		if err != nil {
			t.Fatalf("D6: after life %d: %v", life, err)
		}
		got := map[string]string{}
		for e := range s.Snapshot(nil).Entries(0) {
			got[strings.Clone(e.Key)] = strings.Clone(e.Args)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if maps.Equal(got, have) {
			continue
		}
		before := len(have)
		victimBatch(next, have)
		if !maps.Equal(got, have) { // else: written, and killed before it could say so
			t.Fatalf("D6: after life %d, point %d, and batch %d: %d entries, want %d or %d", life, point, next-1, len(got), before, len(have))
		}
		next++
	}
	if next < 50 {
		t.Errorf("only %d batches", next)
	}
}
