package packetcase

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestParseFrame(t *testing.T) {
	const macs = "020000000002020000000001"
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"01 02ff", "0102ff"},
		{"eth dst=02:00:00:00:00:02 src=02:00:00:00:00:01 / hex 00 01", macs + "88b5" + "0001"},
		{"eth dst=02:00:00:00:00:02 src=02:00:00:00:00:01 type=0x600 / vlan pcp=7 vid=0xabc / arp spa=10.0.0.1",
			macs + "0600" + "eabc0806" + "0001080006040001" + "0000000000000a000001" + "00000000000000000000"},
		// RFC 1071 by hand: 4500 001c 0000 0000 4011 0000 0a00 0001 0a00 0002.
		{"ipv4 src=10.0.0.1 dst=10.0.0.2 / udp sport=1 dport=2", "4500001c0000000040" + "1166cf" + "0a0000010a000002" + "000100020008ebd8"},
		{"ipv4 ttl=1 sum=0x1234 opt=01010101 id=5 flags=2 frag=3 proto=6 len=9", "46000009000540030106" + "1234" + "0000000000000000" + "01010101"},
		{"ipv6 hops=1 src=::1 dst=::2 / hop / icmpv6 type=135 code=1 sum=0", "60000000" + "00100001" + strings.Repeat("00", 15) + "01" + strings.Repeat("00", 15) + "02" +
			"3a00010400000000" + "8701000000000000"},
		{"icmp rest=0x00010002 / hex 01", "0800" + "f6fc" + "00010002" + "01"},
		{"tcp sport=1 dport=2 sum=7 opt=01010100", "00010002" + "0000000000000000" + "6002ffff" + "00070000" + "01010100"},
		{"hex ffff / cut 1", "ff"},
		{"hex 0000 / flip 0 / flip 15 / pad 3", "800100"},
	} {
		got, err := ParseFrame(c.in)
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("%s: got %x %v, want %s", c.in, got, err, c.want)
		}
	}
	for _, c := range []struct{ in, want string }{
		{"eth x=1", "eth has no field x"},
		{"eth dst", "expected FIELD=VALUE"},
		{"eth type=1 type=2", "given twice"},
		{"eth type=0x10000", "does not fit"},
		{"eth opt=00000000", "eth has no field opt"},
		{"ipv4 opt=00", "multiple of 4"},
		{"frob", "there is no layer"},
		{"eth / / ipv4", "an empty layer"},
		{"eth / cut 15", "does not fit a frame of 14 bytes"},
		{"eth / flip 112", "does not fit"},
		{"eth / cut 1 / ipv4", "layer ipv4 after cut"},
		{"eth / cut", "takes one number"},
		{"eth / pad 65537", "does not fit"},
	} {
		if _, err := ParseFrame(c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want ...%s", c.in, err, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	c, err := Parse([]byte("-- names --\nA 02:00:00:00:00:01\nAB 02:00:00:00:00:02 # longer\n-- entries --\nt x=$A\n-- packets --\nin 1 eth dst=$AB src=$A # c\n  / hex 01\n  / hex 02\nout 2 01\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Entries != "t x=02:00:00:00:00:01\n" {
		t.Errorf("entries %q", c.Entries)
	}
	if got := hex.EncodeToString(c.Steps[0].In.Data); got != "02000000000202000000000188b50102" || c.Steps[0].Line != 1 || len(c.Steps[0].Want) != 1 {
		t.Errorf("step %+v", c.Steps[0])
	}
	if _, err := Parse([]byte("-- names --\nA\n")); err == nil {
		t.Error("a name without a value is accepted")
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add("eth dst=02:00:00:00:00:02 / vlan vid=7 / ipv4 src=10.0.0.1 opt=01010101 / tcp flags=0x12 / hex 00 / cut 4 / flip 3")
	f.Add("ipv6 src=::1 / hop / icmpv6 type=1")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4096 {
			return
		}
		b, err := ParseFrame(s)
		if err != nil {
			return
		}
		again, err := ParseFrame(hex.EncodeToString(b))
		if err != nil || string(again) != string(b) {
			t.Fatalf("%q: %x, and its bytes read back %x %v", s, b, again, err)
		}
	})
}
