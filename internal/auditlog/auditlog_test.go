package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// clock gives a second more each time.
func clock() func() time.Time {
	at := time.Unix(1_800_000_000, 0)
	return func() time.Time { at = at.Add(time.Second); return at }
}

func request(n int) Record {
	return Record{Kind: KindRequest, RPC: "p4.v1.P4Runtime/Write", Client: "spiffe://example.org/ctl", Via: "tls", Address: "192.0.2.1:4711",
		What: map[string]string{"insert": fmt.Sprint(n)}, Bytes: 100, Digest: strings.Repeat("ab", 32), Code: "OK"}
}

// written makes a log of n requests behind its start, in files of few records.
func written(t *testing.T, n int, o Options) string {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Now == nil {
		o.Now = clock()
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := l.Append(request(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return o.Dir
}

func verify(t *testing.T, dir, head string) Report {
	t.Helper()
	rep, err := Verify(dir, head, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// TestChain: op:SP12: what was written is found again, over files and restarts.
func TestChain(t *testing.T) {
	now := clock()
	dir := written(t, 20, Options{MaxBytes: 2000, Now: now})
	written(t, 5, Options{Dir: dir, MaxBytes: 2000, Now: now})
	var seen []Record
	rep, err := Verify(dir, "", func(r Record) error { seen = append(seen, r); return nil })
	if err != nil || len(rep.Faults) > 0 || rep.Torn || rep.Records != 27 || rep.First != 1 || rep.Last != 27 || rep.Files < 4 {
		t.Fatalf("%+v, %v", rep, err)
	}
	if r := seen[3]; r.Sequence != 4 || r.What["insert"] != "2" || r.Client != "spiffe://example.org/ctl" || !r.Time.After(seen[2].Time) {
		t.Errorf("record 4 is %+v", r)
	}
	if seen[0].Kind != KindStart || seen[21].Kind != KindStart {
		t.Errorf("kinds %s, %s", seen[0].Kind, seen[21].Kind)
	}
	if again := verify(t, dir, rep.Head); len(again.Faults) > 0 {
		t.Errorf("%+v", again)
	}
	if _, err := Verify(dir, zeroHash, nil); !errors.Is(err, ErrHead) {
		t.Errorf("a hash that is not there: %v", err)
	}
	files, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestTamper: op:SP12: every kind of change is found, at its place.
func TestTamper(t *testing.T) {
	lines := func(f func(l [][]byte) [][]byte) func(string) error {
		return func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			l := f(bytes.SplitAfter(bytes.TrimSuffix(b, nil), []byte("\n")))
			return os.WriteFile(path, bytes.Join(l, nil), 0o600)
		}
	}
	replace := func(line int, old, by string) func(string) error {
		return lines(func(l [][]byte) [][]byte {
			l[line-1] = bytes.Replace(l[line-1], []byte(old), []byte(by), 1)
			return l
		})
	}
	const second = 1 // the second of several files
	for _, c := range []struct {
		name   string
		file   int
		change func(path string) error
		want   []string
	}{
		{"a value changed", second, replace(2, `"insert":"`, `"insert":"9`), []string{":2: the record does not have the hash"}},
		{"who changed", second, replace(1, "example.org", "example.net"), []string{":1: the record does not have the hash"}},
		{"a hash changed", second, replace(2, `","hash":"`, `","hash":"0`), []string{":2: no record: it does not end in a hash"}},
		{"a record removed", second, lines(func(l [][]byte) [][]byte { return append(l[:1:1], l[2:]...) }), []string{":2: record 9 follows record 7: 1 are missing"}},
		{"two records removed", second, lines(func(l [][]byte) [][]byte { return append(l[:1:1], l[3:]...) }), []string{"2 are missing"}},
		{"a record twice", second, lines(func(l [][]byte) [][]byte { return append(l[:2:2], l[1:]...) }), []string{":3: record 8 follows record 8: it is there twice"}},
		{"records exchanged", second, lines(func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l }),
			[]string{":2: record 9 follows record 7: 1 are missing", ":3: record 8 follows record 9", ":4: record 10 follows record 8: 1 are missing"}},
		{"a line put in", second, lines(func(l [][]byte) [][]byte { return append(l[:1:1], append([][]byte{[]byte("{}\n")}, l[1:]...)...) }), []string{":2: no record"}},
		{"a record replaced by a good one", second, lines(func(l [][]byte) [][]byte {
			r, _, _ := decode(bytes.TrimSpace(l[1]))
			r.Client = "somebody else"
			l[1], _, _ = encode(&r)
			return l
		}), []string{":3: record 9 does not follow the record that is in front of it"}},
		{"changed and the next removed", second, lines(func(l [][]byte) [][]byte {
			l[1] = bytes.Replace(l[1], []byte("OK"), []byte("KO"), 1)
			return append(l[:2:2], l[3:]...)
		}), []string{":2: the record does not", ":3: record 10 follows record 8: 1 are missing"}},
		{"cut within a record", second, func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, info.Size()-10)
		}, []string{"the file ends within a record, and others follow it: it was cut"}},
		{"cut behind a record", second, lines(func(l [][]byte) [][]byte { return l[:2] }), []string{"are missing"}},
		{"a file removed", second, os.Remove, []string{"are missing"}},
		{"the first file cut at its start", 0, lines(func(l [][]byte) [][]byte { return l[1:] }), []string{":1: the file begins with record 2, by its name with 1: records are missing"}},
		{"the first file renamed", 0, func(path string) error { return os.Rename(path, filepath.Join(filepath.Dir(path), fileName(2))) },
			[]string{"begins with record 1, by its name with 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := written(t, 20, Options{MaxBytes: 2000})
			files, err := Files(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.change(files[c.file]); err != nil {
				t.Fatal(err)
			}
			rep := verify(t, dir, "")
			if len(rep.Faults) != len(c.want) {
				t.Fatalf("faults: %v, want %d", rep.Faults, len(c.want))
			}
			for i, w := range c.want {
				if !strings.Contains(rep.Faults[i].String(), w) {
					t.Errorf("fault %d is %q, want %q", i, rep.Faults[i], w)
				}
			}
		})
	}
}

// TestCutAtEnd: a cut at the end is no fault of the chain, but the hash that was
// noted elsewhere is gone.
func TestCutAtEnd(t *testing.T) {
	dir := written(t, 3, Options{})
	head := verify(t, dir, "").Head
	files, _ := Files(dir)
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.LastIndexByte(b[:len(b)-1], '\n') + 1
	if err := os.WriteFile(files[0], b[:cut], 0o600); err != nil {
		t.Fatal(err)
	}
	if rep := verify(t, dir, ""); len(rep.Faults) > 0 || rep.Torn {
		t.Errorf("%+v", rep)
	}
	if _, err := Verify(dir, head, nil); !errors.Is(err, ErrHead) {
		t.Errorf("got %v", err)
	}
}

// TestEveryByte: no byte of a log can be changed unseen.
func TestEveryByte(t *testing.T) {
	dir := written(t, 3, Options{})
	files, _ := Files(dir)
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range good[:len(good)-1] { // without the last newline, the log is torn
		bad := bytes.Clone(good)
		bad[i] ^= 1
		rep := Report{}
		c := chain{rep: &rep}
		if err := c.read(bytes.NewReader(bad), filepath.Base(files[0]), true); err != nil {
			t.Fatal(err)
		}
		if len(rep.Faults) == 0 {
			t.Fatalf("byte %d (%q) can be changed", i, good[i])
		}
	}
}

// TestTorn: what a crash left is cut off and told.
func TestTorn(t *testing.T) {
	now := clock()
	dir := written(t, 2, Options{Now: now})
	files, _ := Files(dir)
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], append(b, `{"seq":4,"ti`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if rep := verify(t, dir, ""); !rep.Torn || len(rep.Faults) > 0 {
		t.Errorf("%+v", rep)
	}
	written(t, 1, Options{Dir: dir, Now: now})
	var texts []string
	rep, err := Verify(dir, "", func(r Record) error { texts = append(texts, r.Kind+" "+r.Text); return nil })
	if err != nil || rep.Torn || len(rep.Faults) > 0 || rep.Records != 6 || !strings.HasPrefix(texts[3], "repair 12 bytes at the end of") {
		t.Errorf("%+v, %v, %q", rep, err, texts)
	}
}

// TestBadEnd: a log whose last record was changed is not gone on with unseen.
func TestBadEnd(t *testing.T) {
	now := clock()
	dir := written(t, 2, Options{Now: now})
	files, _ := Files(dir)
	b, _ := os.ReadFile(files[0])
	at := bytes.LastIndex(b, []byte("192.0.2.1"))
	b[at] = '2'
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	written(t, 1, Options{Dir: dir, Now: now})
	rep := verify(t, dir, "")
	if len(rep.Faults) != 1 || !strings.Contains(rep.Faults[0].Text, "does not have the hash") || rep.Files != 2 || rep.Last != 6 {
		t.Errorf("%+v", rep)
	}
}

// TestKeep: old files go, the rest stays whole.
func TestKeep(t *testing.T) {
	dir := written(t, 40, Options{MaxBytes: 2000, Keep: 3})
	rep := verify(t, dir, "")
	if rep.Files != 3 || len(rep.Faults) > 0 || rep.First < 20 || rep.Last != 41 {
		t.Errorf("%+v", rep)
	}
}

// disk is a full disk in the place of the system's.
type disk struct {
	full    bool
	promise bool // allocate works as on a real file system
	short   bool // a failed write leaves a part
}

func (d *disk) disk() Disk {
	return Disk{
		Write: func(f *os.File, b []byte, at int64) error {
			if d.full {
				if d.short {
					_ = writeAt(f, b[:len(b)/2], at)
				}
				return unix.ENOSPC
			}
			return writeAt(f, b, at)
		},
		Allocate: func(f *os.File, at, n int64) error {
			switch {
			case !d.promise:
				return unix.EOPNOTSUPP
			case d.full:
				return unix.ENOSPC
			}
			return nil
		},
	}
}

// TestFullDisk: what is lost is counted and told; Reserve refuses beforehand
// where the file system can promise, and after the first loss where it cannot.
func TestFullDisk(t *testing.T) {
	for _, d := range []*disk{{promise: true}, {promise: true, short: true}, {short: true}} {
		t.Run(fmt.Sprintf("%+v", *d), func(t *testing.T) {
			dir := t.TempDir()
			l, err := Open(Options{Dir: dir, Now: clock(), Disk: d.disk()})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Reserve(); err != nil {
				t.Fatal(err)
			}
			d.full = true
			promised := d.promise
			for range 2000 { // more than what was kept
				if err = l.Reserve(); err != nil {
					break
				}
				if !promised {
					break
				}
			}
			if promised && !errors.Is(err, unix.ENOSPC) || !promised && err != nil {
				t.Errorf("Reserve on a full disk: %v", err)
			}
			for range 3 {
				if err := l.Append(request(1)); !errors.Is(err, unix.ENOSPC) {
					t.Errorf("Append: %v", err)
				}
			}
			if err := l.Reserve(); !errors.Is(err, unix.ENOSPC) {
				t.Errorf("Reserve after a loss: %v", err)
			}
			if s := l.State(); s.Lost != 3 || !strings.Contains(s.Problem, "no space left") {
				t.Errorf("%+v", s)
			}
			d.full = false
			if err := l.Append(request(2)); err != nil {
				t.Fatal(err)
			}
			if s := l.State(); s.Lost != 3 || s.Problem != "" {
				t.Errorf("%+v", s)
			}
			if err := l.Reserve(); err != nil {
				t.Error(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			var kinds []string
			rep, err := Verify(dir, "", func(r Record) error { kinds = append(kinds, fmt.Sprint(r.Kind, r.Count)); return nil })
			if err != nil || len(rep.Faults) > 0 || strings.Join(kinds, " ") != "start0 lost3 request0" {
				t.Errorf("%+v, %v, %v", rep, err, kinds)
			}
		})
	}
}

// TestConcurrent: records of many goroutines make one chain.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(Options{Dir: dir, MaxBytes: 20000, Keep: 100})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				if err := l.Reserve(); err != nil {
					t.Error(err)
				}
				if err := l.Append(request(i)); err != nil {
					t.Error(err)
				}
				l.Release()
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if rep := verify(t, dir, ""); len(rep.Faults) > 0 || rep.Records != 801 {
		t.Errorf("%+v", rep)
	}
}

// TestBounds: a record is never longer than what is kept for it.
func TestBounds(t *testing.T) {
	long := strings.Repeat("\x00\u00e9\"", 5000)
	r := Record{Kind: KindRequest, Text: long, RPC: long, Client: long, Address: long, Message: long, What: map[string]string{long: long}}
	line, _, err := encode(&r)
	if err != nil || len(line) > maxLine {
		t.Fatalf("%d bytes, %v", len(line), err)
	}
	if _, _, err := decode(line[:len(line)-1]); err != nil {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	var good []byte
	head := zeroHash
	for i := range 3 {
		r := request(i)
		r.Sequence, r.Previous, r.Time = uint64(i+1), head, time.Unix(int64(i), 0).UTC()
		line, hash, err := encode(&r)
		if err != nil {
			f.Fatal(err)
		}
		good, head = append(good, line...), hash
	}
	f.Add(good)
	f.Add([]byte("{}\n"))
	f.Add(good[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		rep := Report{}
		n := uint64(0)
		c := chain{rep: &rep, each: func(r Record) error {
			n++
			line, hash, err := encode(&r)
			if err == nil && len(line) <= maxLine && hash == rep.Head && !bytes.Contains(b, line) {
				t.Errorf("a record that is not in the file: %s", line)
			}
			return nil
		}}
		if err := c.read(bytes.NewReader(b), fileName(1), true); err != nil {
			t.Fatal(err)
		}
		if n != rep.Records || rep.Records > uint64(bytes.Count(b, []byte("\n"))) {
			t.Errorf("%d records of %d lines", rep.Records, bytes.Count(b, []byte("\n")))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	l, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	r := request(1000)
	for b.Loop() {
		if err := l.Reserve(); err != nil {
			b.Fatal(err)
		}
		if err := l.Append(r); err != nil {
			b.Fatal(err)
		}
		l.Release()
	}
}
