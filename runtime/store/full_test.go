package store

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/runtime/entity"
)

// TestDiskFull: a write that the disk has no room for is refused, is nowhere
// afterwards, and does not fill the log; when there is room again, writes go on.
func TestDiskFull(t *testing.T) {
	r := newRig(t)
	var log bytes.Buffer
	r.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
	r.reopen()
	r.mustSet(Commit, "")
	r.must(ins(1, 10))
	before := dump(r.s)

	// A file that cannot grow.
	name := filepath.Join(r.dir, journalName)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	full := os.NewFile(uintptr(fd), name+".tmp")
	if _, err := full.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_GROW); err != nil {
		t.Fatal(err)
	}
	good := r.s.journal.f
	r.s.journal.f = diskFile{full}
	for range 5 {
		_, err := r.s.Apply(Batch{Pipeline: r.s.Pipeline(), Updates: []entity.Update{ins(2, 20)}})
		var e *entity.Error
		if !errors.As(err, &e) || e.Reason != entity.Unavailable || !strings.Contains(err.Error(), "write "+name+": ") {
			t.Fatalf("a write that the disk has no room for: %v", err)
		}
	}
	if n := strings.Count(log.String(), "cannot be written"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, &log)
	}
	if got := dump(r.s); !reflect.DeepEqual(got, before) {
		t.Errorf("after refused writes %v, before %v", got, before)
	}

	r.s.journal.f = good
	full.Close()
	r.must(ins(2, 20))
	if !strings.Contains(log.String(), "can be written again") {
		t.Errorf("the log does not say that the journal can be written again:\n%s", &log)
	}
	after := dump(r.s)
	r.reopen()
	if got := dump(r.s); !reflect.DeepEqual(got, after) {
		t.Errorf("after a restart %v, before %v", got, after)
	}
}
