package daemon

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzConfig: any file is read, or refused with its name, without a panic; what
// is accepted stays what it is when it is completed again.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{DefaultConfig, "", "# nothing\n", "ports: [{number: 1, netdev: eth1, hook: tc}]", "listen: ['tcp://[::1]:9559']\ninsecure: true",
		"tls: {cert: c, key: k, client-ca: a}\naccess:\n  - {clients: [\"spiffe://a/*\", \"dns:*.b\"], allow: [\"p4rt.*\"], roles: [\"\"], gnmi-set: [\"/a[b=c]/d\"]}",
		"network-instances: [{name: DEFAULT, id: 0}]\nroutes: [{prefix: 10.0.0.0/8, instance: DEFAULT, next-hops: [{address: 10.0.0.1}]}]",
		"limits: {handshake-timeout: 1h, streams: -1}", "a: &a [*a]", "state-dir: {}", "? [1]: 2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "nicd.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(path)
		if err != nil {
			if !strings.HasPrefix(err.Error(), path+": ") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if c.complete() != nil {
			return
		}
		again := c
		if err := again.complete(); err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("completed twice: %v\n%+v\n%+v", err, again, c)
		}
	})
}

// FuzzPort: any value of --port is a port or
// refused, without a panic.
func FuzzPort(f *testing.F) {
	for _, s := range []string{"1=eth1", "2=a,hook=xdp", "3=b,host=c,hook=tc", "=", "1=a,", "99999999999=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParsePort(text); err == nil && !strings.Contains(text, "="+p.Netdev) {
			t.Errorf("%q is %+v", text, p)
		}
	})
}
