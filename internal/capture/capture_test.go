package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func frame(port uint32, ns int64, data string) Frame {
	return Frame{Port: port, Time: time.Unix(0, ns), Data: []byte(data)}
}

func write(t *testing.T, name string, frames ...Frame) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// readAll plays files until the end or an error.
func readAll(files ...File) (string, error) {
	r, err := Open(files)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var out strings.Builder
	for {
		f, err := r.Next()
		if err == io.EOF {
			return out.String(), nil
		}
		if err != nil {
			return out.String(), err
		}
		fmt.Fprintf(&out, "%d:%d:%s/%d ", f.Port, f.Time.UnixNano(), f.Data, f.Length)
	}
}

// TestRoundTrip: both formats keep nanoseconds, empty files are files.
func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"a.pcap", "a.pcapng"} {
		t.Run(name, func(t *testing.T) {
			path := write(t, name, frame(1, 1_000_000_007, "one"), frame(2, 1_000_000_009, "three"), frame(1, 2_000_000_000, ""))
			got, err := readAll(File{path, 4})
			if want := "4:1000000007:one/3 4:1000000009:three/5 4:2000000000:/0 "; err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
			if got, err := readAll(File{write(t, name), 1}); err != nil || got != "" {
				t.Errorf("empty: %q, %v", got, err)
			}
		})
	}
}

// TestMerge: several files in order of time; the one named first wins a tie.
func TestMerge(t *testing.T) {
	a := write(t, "a.pcap", frame(0, 10, "a1"), frame(0, 30, "a2"), frame(0, 30, "a3"))
	b := write(t, "b.pcapng", frame(0, 10, "b1"), frame(0, 20, "b2"), frame(0, 40, "b3"))
	got, err := readAll(File{a, 1}, File{b, 2})
	if want := "1:10:a1/2 2:10:b1/2 2:20:b2/2 1:30:a2/2 1:30:a3/2 2:40:b3/2 "; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestFaults: a fault names file and frame, and frames before it are there.
func TestFaults(t *testing.T) {
	good, err := os.ReadFile(write(t, "a.pcap", frame(0, 10, "first"), frame(0, 20, "second")))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	for _, c := range []struct {
		name, frames, want string
		raw                []byte
	}{
		{"empty", "", "no capture: shorter than a capture's magic number", nil},
		{"text", "", "no capture: ", []byte("hello, this is no capture at all")},
		{"head cut", "", "no capture: the file ends", good[:20]},
		{"header cut", "7:10:first/5 ", "frame 2: the file ends in the middle of it", good[:24+21+5]},
		{"data cut", "7:10:first/5 ", "frame 2: the file ends in the middle of it", good[:len(good)-1]},
		{"link type", "", "link type 101 (Raw), Ethernet is wanted", edit(20, 101)},
		{"length", "", "frame 1: capture length exceeds", edit(24+8, 0, 0, 0, 0x40)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.pcap")
			if err := os.WriteFile(path, c.raw, 0o666); err != nil {
				t.Fatal(err)
			}
			got, err := readAll(File{path, 7})
			var fault *Error
			if !errors.As(err, &fault) || fault.Path != path || !strings.Contains(err.Error(), c.want) || got != c.frames {
				t.Errorf("got %q, %v, want %q, %s", got, err, c.frames, c.want)
			}
		})
	}
}

// TestBlocks: lengths in a pcapng are looked at before they are believed.
func TestBlocks(t *testing.T) {
	good, err := os.ReadFile(write(t, "a.pcapng", frame(0, 10, "first"), frame(0, 20, "second")))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(good, []byte("second")) - 28 // the second frame's block
	for _, c := range []struct {
		name   string
		at     int
		value  []byte
		frames string
		want   string
	}{
		{"block too long", at + 4, []byte{0, 0, 0, 0x7f}, "7:10:first/5 ", "frame 2: a block of 2130706432 bytes"},
		{"block too short", at + 4, []byte{8, 0, 0, 0}, "7:10:first/5 ", "frame 2: a block of 8 bytes"},
		{"frame longer than its block", at + 20, []byte{0, 1, 0, 0}, "7:10:first/5 ", "frame 2: a frame of 256 bytes in a block of 40"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := bytes.Clone(good)
			copy(raw[c.at:], c.value)
			path := filepath.Join(t.TempDir(), "x.pcapng")
			if err := os.WriteFile(path, raw, 0o666); err != nil {
				t.Fatal(err)
			}
			got, err := readAll(File{path, 7})
			if err == nil || !strings.Contains(err.Error(), c.want) || got != c.frames {
				t.Errorf("got %q, %v, want %q, %s", got, err, c.frames, c.want)
			}
		})
	}
}

// FuzzOpen: any bytes give frames or an error, in bounded memory.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	for _, name := range []string{"a.pcap", "a.pcapng"} {
		w, err := Create(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		for i := range 3 {
			if err := w.Write(frame(uint32(i), int64(i), "some data")); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		r, err := Open([]File{{Path: path}})
		if err != nil {
			return
		}
		defer r.Close()
		for {
			f, err := r.Next()
			if err != nil {
				return
			}
			if len(f.Data) > len(raw) {
				t.Fatalf("a frame of %d bytes out of a file of %d", len(f.Data), len(raw))
			}
		}
	})
}
