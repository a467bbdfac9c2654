package p4rtclient

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

// FuzzParseEntry: any line is an entry or refused; the line that an entry is shown
// as is read as the same entry.
func FuzzParseEntry(f *testing.F) {
	for _, s := range []string{"ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group group=1", "acl port=1 src=10.0.0.0/8 src_port=1024..65535 priority=10 deny",
		"ipv6_routes vrf=0x1 prefix=2001:db8::/32 to_host", "ipv4_routes default to_host", "interfaces port=1 vlan=0 set_interface vrf=0 mac=02:00:00:00:01:01", "=", "acl a=&&&"} {
		f.Add(s, true)
	}
	f.Add("ipv4_routes vrf=0 prefix=10.0.2.0/24", false)
	s := routerSchema(f)
	f.Fuzz(func(t *testing.T, line string, withAction bool) {
		e, err := s.ParseEntry(strings.Fields(line), withAction)
		if err != nil || !withAction {
			return
		}
		shown := s.Describe(e).String()
		again, err := s.ParseEntry(strings.Fields(shown), true)
		if err != nil || !proto.Equal(again, e) {
			t.Errorf("%q is shown as %q, which is %v (%v), want %v", line, shown, again, err, e)
		}
	})
}
