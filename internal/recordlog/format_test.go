package recordlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormat: the bytes of the package's comment: CRC-32C of "123456789" is
// e3069283 (RFC 3720 B.4 names the polynomial).
func TestFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	fill(t, path, "123456789", "\x00")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = "TEST01\n" + "\x09\x00\x00\x00\x83\x92\x06\xe3123456789" + "\x01\x00\x00\x00\x51\x53\x7d\x52\x00"
	if string(raw) != want {
		t.Errorf("got  %q\nwant %q", raw, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestSizes: Size is every byte, Base those that a Rewrite or Open found.
func TestSizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _, err := open(t, path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(size, base int64) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if l.Size() != size || l.Base() != base || info.Size() != size {
			t.Errorf("size %d, base %d, file %d; want %d, %d", l.Size(), l.Base(), info.Size(), size, base)
		}
	}
	check(7, 7)
	for range 3 {
		if err := l.Append([]byte("12345")); err != nil {
			t.Fatal(err)
		}
	}
	check(7+3*13, 7)
	if err := l.Rewrite(func(put func([]byte) error) error { return errors.Join(put([]byte("ab")), put([]byte("c"))) }); err != nil {
		t.Fatal(err)
	}
	check(7+10+9, 26)
	if err := l.Append(make([]byte, 1<<20)); err != nil { // more than what is kept to write from
		t.Fatal(err)
	}
	check(26+8+1<<20, 26)
	if err := l.Append([]byte("z")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, got, err := open(t, path)
	if err != nil || len(got) != 4 || got[0] != "ab" || got[1] != "c" || len(got[2]) != 1<<20 || got[3] != "z" {
		t.Fatalf("%d records, %v", len(got), err)
	}
	check(26+8+1<<20+9, 26+8+1<<20+9)
}

// TestRewriteFails: after an error the old records are there, and no rest of
// the new file.
func TestRewriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	fill(t, path, "one", "two")
	l, _, err := open(t, path)
	if err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	err = l.Rewrite(func(put func([]byte) error) error { return errors.Join(put([]byte("half")), no) })
	if !errors.Is(err, no) || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("error %v", err)
	}
	if err := l.Append([]byte("three")); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(dir + "/*"); len(files) != 1 {
		t.Errorf("left: %v", files)
	}
	_ = l.Close()
	if _, got, err := open(t, path); err != nil || fmt.Sprint(got) != "[one two three]" {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestTmp: what a crash left of a Rewrite goes; what cannot go is told.
func TestTmp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	fill(t, path, "one")
	if err := os.WriteFile(path+".tmp", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, got, err := open(t, path); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := os.Stat(path + ".tmp"); !os.IsNotExist(err) {
		t.Errorf("it stays: %v", err)
	}
	if err := os.MkdirAll(path+".tmp/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(t, path); err == nil {
		t.Error("a folder in its place is not told")
	}
	l, _, err := open(t, filepath.Join(t.TempDir(), "missing", "log"))
	if err == nil {
		t.Errorf("a folder that is not there: %v", l)
	}
	if _, _, err := open(t, t.TempDir()); err == nil {
		t.Error("a folder for a file")
	}
}

// TestPower: with power a record is on the disk when Append returns, so an error
// of the disk is Append's.
func TestPower(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path, magic, true, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte("one")); err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0) // takes a write and cannot be synced
	if err != nil {
		t.Fatal(err)
	}
	file, size := l.f, l.size
	l.f = null
	if err := l.Append([]byte("two")); err == nil || l.Size() != size {
		t.Errorf("a sync that failed: %v, %d bytes of %d", err, l.Size(), size)
	}
	l.power = false
	if err := l.Append([]byte("two")); err != nil || l.Size() != size+11 {
		t.Errorf("without power: %v, %d bytes of %d", err, l.Size(), size)
	}
	_ = null.Close()
	if err := l.Append([]byte("x")); err == nil || !strings.Contains(err.Error(), "cannot be taken back") {
		t.Errorf("a closed file: %v", err)
	}
	_ = file.Close()
}

// TestBehind: a record whose sum is wrong is an error exactly when a good one
// stands behind it.
func TestBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	fill(t, path, "one", "two", "three")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, second, third := len(magic), len(magic)+11, len(magic)+22
	for _, c := range []struct {
		name   string
		at     int // whose last byte is changed
		length int // of the file
		good   int64
		bad    bool
	}{
		{"first of three", first + 10, len(whole), 0, true},
		{"second of three", second + 10, len(whole), 0, true},
		{"last", third + 12, len(whole), int64(third), false},
		{"second, and the third torn", second + 10, len(whole) - 1, int64(second), false},
		{"second, and no third", second + 10, third, int64(second), false},
		{"second, and a header only", second + 10, third + 8, int64(second), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := append([]byte{}, whole[:c.length]...)
			raw[c.at] ^= 1
			good, err := Scan(raw, magic, func([]byte) error { return nil })
			if (err != nil) != c.bad || good != c.good {
				t.Errorf("got %d, %v", good, err)
			}
		})
	}
	raw := append([]byte{}, whole...)
	raw[second+10] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = open(t, path)
	want := fmt.Sprintf("%s: record at byte %d of %d: its checksum is wrong, and acknowledged records follow it; move the file away to start empty, or cut it to %d bytes to keep what precedes", path, second, len(whole), second)
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := os.WriteFile(path, whole[:3], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err = open(t, path); err == nil || !strings.Contains(err.Error(), "the file does not start as one of this version does") {
		t.Errorf("a short file: %v", err)
	}
}
