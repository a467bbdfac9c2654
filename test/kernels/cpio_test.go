package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readCPIO reads what cpio writes: "MODE PATH=CONTENT" of every entry.
func readCPIO(t *testing.T, b []byte) []string {
	t.Helper()
	var out []string
	for {
		if len(b)%4 != 0 || len(b) < 110 || string(b[:6]) != "070701" {
			t.Fatalf("no header in % x", b[:min(len(b), 16)])
		}
		field := func(i int) (v int) {
			if _, err := fmt.Sscanf(string(b[6+8*i:14+8*i]), "%08x", &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		up := func(n int) int { return (n + 3) &^ 3 }
		mode, size, nameSize := field(1), field(6), field(11)
		name := string(b[110 : 110+nameSize-1])
		b = b[up(110+nameSize):]
		if name == "TRAILER!!!" {
			if len(b) != 0 {
				t.Errorf("%d bytes after the trailer", len(b))
			}
			return out
		}
		out = append(out, fmt.Sprintf("%o %s=%s", mode, name, b[:size]))
		b = b[up(size):]
	}
}

func TestCPIO(t *testing.T) {
	var buf bytes.Buffer
	c := newCPIO(&buf)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(c.console())
	check(c.file("a/b/c", 0o755, []byte("12345")))
	check(c.file("a/b/d", 0o644, nil))
	check(c.directory("a/e"))
	check(c.close())
	want := []string{"40755 dev=", "20600 dev/console=", "40755 a=", "40755 a/b=", "100755 a/b/c=12345", "100644 a/b/d=", "40755 a/e="}
	if got := readCPIO(t, buf.Bytes()); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if err := c.file("/absolute", 0o644, nil); err == nil {
		t.Error("an absolute path is taken")
	}
	tool, err := exec.LookPath("cpio")
	if err != nil {
		return // the reader above has looked
	}
	cmd := exec.Command(tool, "-t", "--quiet")
	cmd.Stdin = &buf
	out, err := cmd.Output()
	if names := strings.Fields(string(out)); err != nil || len(names) != len(want) {
		t.Errorf("cpio lists %q, %v", names, err)
	}
}

func TestModuleName(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"kernel/net/veth.ko", "veth"},
		{"act-x.ko.xz", "act_x"},
		{"a/ip6_gre.ko.zst", "ip6_gre"},
		{"modules.dep", ""},
		{"veth.ko.orig", ""},
	} {
		got, ok := moduleName(c.file)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q, %v, want %q", c.file, got, ok, c.want)
		}
	}
}

// elfModule is the least of a module: a section .modinfo.
func elfModule(info string) []byte {
	const strtab = "\x00.modinfo\x00.shstrtab\x00"
	head := []byte("\x7fELF\x02\x01\x01")
	b := make([]byte, 64)
	copy(b, head)
	put := func(at, size int, v uint64) {
		for i := range size {
			b[at+i] = byte(v >> (8 * i))
		}
	}
	infoAt := uint64(64)
	strAt := infoAt + uint64(len(info))
	table := (strAt + uint64(len(strtab)) + 7) &^ 7
	b = append(b, info+strtab...)
	b = append(b, make([]byte, int(table)+3*64-len(b))...)
	put(16, 2, 1)     // ET_REL
	put(18, 2, 62)    // x86-64
	put(20, 4, 1)     // version
	put(40, 8, table) // e_shoff
	put(52, 2, 64)    // e_ehsize
	put(58, 2, 64)    // e_shentsize
	put(60, 2, 3)     // e_shnum
	put(62, 2, 2)     // e_shstrndx
	section := func(i int, name, at, size, kind uint64) {
		s := int(table) + 64*i
		put(s, 4, name)
		put(s+4, 4, kind)
		put(s+24, 8, at)
		put(s+32, 8, size)
	}
	section(1, 1, infoAt, uint64(len(info)), 1)
	section(2, 10, strAt, uint64(len(strtab)), 3)
	return b
}

func TestClosure(t *testing.T) {
	dir := t.TempDir()
	set := &moduleSet{files: map[string]string{}, builtin: map[string]bool{"inside": true}}
	for name, info := range map[string]string{
		"a":    "license=GPL\x00depends=c,b_x\x00name=a\x00",
		"b_x":  "depends=c,inside\x00",
		"c":    "depends=\x00",
		"lost": "depends=nowhere\x00",
	} {
		set.files[name] = filepath.Join(dir, name+".ko")
		if err := os.WriteFile(set.files[name], elfModule(info), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := set.closure([]string{"a", "b-x"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range got {
		names = append(names, m.name)
	}
	if want := []string{"c", "b_x", "a"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if _, err := set.closure([]string{"lost"}); err == nil || !strings.Contains(err.Error(), "nowhere, which lost needs") {
		t.Errorf("a module that is missing: %v", err)
	}
	if _, err := moduleNeeds([]byte("no ELF")); err == nil {
		t.Error("no ELF file is taken for a module")
	}
}
