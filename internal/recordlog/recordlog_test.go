package recordlog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const magic = "TEST01\n"

func open(t *testing.T, path string) (*Log, []string, error) {
	t.Helper()
	var got []string
	l, err := Open(path, magic, false, func(p []byte) error {
		got = append(got, string(p))
		if string(p) == "bad" {
			return errors.New("no good")
		}
		return nil
	})
	return l, got, err
}

func fill(t *testing.T, path string, records ...string) {
	t.Helper()
	l, _, err := open(t, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := l.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLog: D6, what was appended is there after a crash at any byte.
func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	fill(t, path, "one", "two", strings.Repeat("x", 5000))
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ends := []int{len(magic), len(magic) + 11, len(magic) + 22, len(raw)}
	for cut := len(magic); cut <= len(raw); cut++ {
		if cut > 100 && cut < len(raw)-100 {
			continue
		}
		if err := os.WriteFile(path, raw[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l, got, err := open(t, path)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		whole := 0
		for whole+1 < len(ends) && ends[whole+1] <= cut {
			whole++
		}
		if len(got) != whole || l.Size() != int64(ends[whole]) {
			t.Fatalf("cut at %d: %d records in %d bytes, want %d in %d", cut, len(got), l.Size(), whole, ends[whole])
		}
		if err := l.Append([]byte("more")); err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if _, again, _ := open(t, path); len(again) != whole+1 || again[whole] != "more" {
			t.Fatalf("cut at %d, then more: %q", cut, again)
		}
	}
}

func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	fill(t, path, "one", "two", "three")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"in the middle", slices.Replace(bytes.Clone(raw), len(magic)+9, len(magic)+10, '?'), "checksum is wrong"},
		{"another version", append([]byte("TEST02\n"), raw[len(magic):]...), "this version"},
		{"empty", nil, "this version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(path, c.raw, 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, err := open(t, path)
			if bad := (*CorruptError)(nil); !errors.As(err, &bad) || bad.Path != path || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if now, _ := os.ReadFile(path); !bytes.Equal(now, c.raw) {
				t.Error("a damaged file was changed")
			}
		})
	}
	t.Run("a record that the reader refuses", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log")
		l, _, err := open(t, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []string{"one", "bad"} {
			if err := l.Append([]byte(r)); err != nil {
				t.Fatal(err)
			}
		}
		_ = l.Close()
		if _, _, err := open(t, path); err == nil || !strings.Contains(err.Error(), "no good") {
			t.Errorf("%v", err)
		}
	})
}

func TestRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	fill(t, path, "one", "two")
	l, _, err := open(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Rewrite(func(put func([]byte) error) error { return errors.Join(put([]byte("half")), errors.New("no")) }); err == nil {
		t.Error("a failed rewrite succeeded")
	}
	if err := l.Append([]byte("three")); err != nil {
		t.Fatal(err)
	}
	if err := l.Rewrite(func(put func([]byte) error) error { return errors.Join(put([]byte("a")), put([]byte("b"))) }); err != nil {
		t.Fatal(err)
	}
	if l.Base() != l.Size() {
		t.Errorf("base %d, size %d", l.Base(), l.Size())
	}
	if err := l.Append([]byte("c")); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if _, got, _ := open(t, path); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(path + ".tmp"); !os.IsNotExist(err) {
		t.Errorf("the temporary file: %v", err)
	}
}

func FuzzScan(f *testing.F) {
	path := filepath.Join(f.TempDir(), "log")
	l, err := Open(path, magic, true, func([]byte) error { return nil })
	if err != nil {
		f.Fatal(err)
	}
	_ = l.Append([]byte("one"))
	_ = l.Close()
	raw, _ := os.ReadFile(path)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := int64(len(magic))
		good, err := Scan(raw, magic, func(p []byte) error { n += headerSize + int64(len(p)); return nil })
		if err == nil && (good != n || good > int64(len(raw))) {
			t.Errorf("%d good bytes of %d, records have %d", good, len(raw), n)
		}
	})
}
