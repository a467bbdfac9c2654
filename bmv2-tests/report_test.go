package bmv2tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/internal/packetcase"
)

func packet(t testing.TB, port uint32, frame string) packetcase.Packet {
	t.Helper()
	b, err := packetcase.ParseFrame(frame)
	check(t, err)
	return packetcase.Packet{Port: port, Data: b}
}

// A report has both packets side by side, by fields, and marks what differs.
func TestReport(t *testing.T) {
	in := packet(t, 1, "hex 0102")
	want := packet(t, 2, "eth dst=02:00:00:00:00:02 src=02:00:00:00:00:01 / ipv4 ttl=63 src=10.0.0.1 dst=10.0.0.2 / hex 01")
	got := packet(t, 2, "eth dst=02:00:00:00:00:02 src=02:00:00:00:00:01 / ipv4 ttl=64 src=10.0.0.1 dst=10.0.0.2 / hex 01 02")
	s := report("xdp", in, []packetcase.Packet{want}, []packetcase.Packet{got})
	for _, line := range []string{
		"in 1 0102",
		"received by xdp",
		"  ! out                  port 2, 35 bytes                   port 2, 36 bytes",
		"    eth.dst              020000000002                       020000000002",
		"  ! ipv4.ttl             3f                                 40",
		"  ! 0023                 -                                  02",
	} {
		if !strings.Contains(s, line+"\n") {
			t.Errorf("no line %q in\n%s", line, s)
		}
	}
	s = report("tc", in, []packetcase.Packet{want}, nil)
	if !strings.Contains(s, "port 2, 35 bytes                   nothing\n") {
		t.Errorf("a drop:\n%s", s)
	}
}

func TestDiffStates(t *testing.T) {
	got := diffStates("tc", State{"a[1]": "1 packets, 9 bytes", "b[0]": "07"}, State{"a[1]": "2 packets, 9 bytes", "c[0]": "01"})
	want := "tc: a[1]: 2 packets, 9 bytes, expected 1 packets, 9 bytes\ntc: b[0]: zero, expected 07\ntc: c[0]: 01, expected zero\n"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// What no packet ran is named with its line.
func TestMissing(t *testing.T) {
	p, err := Compile("../p4src/router.p4", nil)
	check(t, err)
	content, err := packetcase.ParseEntries(p.Core, "")
	check(t, err)
	c := NewCoverage(p.Core)
	check(t, c.Play(content, nil))
	if missing, all := c.Missing(); len(missing) != all || all < 150 {
		t.Errorf("%d of %d places are missing without a packet", len(missing), all)
	}
	check(t, c.Play(content, []packetcase.Packet{packet(t, 1, "eth / ipv4 sum=1")}))
	missing, _ := c.Missing()
	text := strings.Join(missing, "\n")
	for _, ran := range []string{"state RouterParser.parse_ipv4", "bad verify_checksum hdr.ipv4.checksum"} {
		if strings.Contains(text, ran+"\n") {
			t.Errorf("%s ran, but is missing", ran)
		}
	}
	for _, not := range []string{"ok verify_checksum hdr.ipv4.checksum", "table RouterIngress.acl: action RouterIngress.deny of an entry"} {
		if !strings.Contains(text, not) {
			t.Errorf("%s never ran, but is not missing", not)
		}
	}
}

func TestLoadCase(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	write("common.txtar", "-- program --\np4 x.p4\n-- entries --\na\n-- names --\nN 3\n")
	c, err := LoadCase(dir, write("a.txtar", "-- program --\ninclude common.txtar\ndefine A=1\nrefused some words\n-- entries --\nb$N\n-- packets --\nin 1 00\n-- state --\nx[1]: 2 packets, 3 bytes\n"))
	check(t, err)
	if c.Name != "a" || c.P4 != filepath.Join(dir, "x.p4") || c.Entries != "a\nb3\n" || c.Defines[0] != "A=1" || c.Refused != "some words" ||
		len(c.Steps) != 1 || c.State["x[1]"] != "2 packets, 3 bytes" {
		t.Errorf("%+v", c)
	}
	for _, bad := range []struct{ text, want string }{
		{"-- program --\nfrob\n", `unknown line "frob"`},
		{"-- program --\ninclude loop.txtar\n", "more than 4 deep"},
		{"-- program --\ninclude missing.txtar\n", "missing.txtar"},
		{"-- state --\nfrob\n", "expected OBJECT: READING"},
		{"-- packets --\nfrob\n", "packets:1"},
	} {
		if _, err := LoadCase(dir, write("loop.txtar", bad.text)); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%q: %v, want ...%s", bad.text, err, bad.want)
		}
	}
}

// A case that the compiler refuses says why and where.
func TestCompileRefuses(t *testing.T) {
	_, err := Compile("x.p4", []byte("control c( {"))
	if err == nil || !strings.Contains(err.Error(), "x.p4:1:") {
		t.Errorf("error %v", err)
	}
	if _, err = Compile("x.p4", []byte("#include \"y.p4\"\n")); err == nil || !strings.Contains(err.Error(), "y.p4") {
		t.Errorf("error %v", err)
	}
}
