package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDefaults: what --print-config writes is valid and is the default.
func TestDefaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nicd.yaml")
	if err := os.WriteFile(path, []byte(DefaultConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	if c.Instance != "nic0" || c.Engine != EngineKernel || c.DeviceID != 1 || len(c.Listen) != 1 || !strings.HasPrefix(c.Listen[0], "unix://") {
		t.Errorf("defaults are %+v", c)
	}
}

// TestConfigRefused: every mistake is named (D21 for addresses).
func TestConfigRefused(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown key", "instnace: x", "unknown field"},
		{"no YAML", "ports: [", "sequence"},
		{"instance", "instance: a/b", "only letters"},
		{"engine", "engine: asic", `engine "asic"`},
		{"durability", "durability: forever", `durability "forever"`},
		{"device 0 (p4rt:S7)", "device-id: 0", "device-id 0"},
		{"host port as CPU port", "cpu-port: 509", "CPU port 509: 1 to 508 and 510 are possible"},
		{"no CPU port", "cpu-port: 0", "CPU port 0: 1 to 508 and 510 are possible"},
		{"CPU port as port", "cpu-port: 255\nports: [{number: 255, netdev: a}]", "port 255 (a): that is the CPU port"},
		{"TCP", "listen: ['10.0.0.1:9559']", "--insecure"},
		{"TCP on loopback", "listen: ['127.0.0.1:9559']", "on loopback too"},
		{"metrics on TCP", "metrics: '127.0.0.1:9100'", "--insecure"},
		{"TCP in the clear beside TLS", "tls: {cert: c, key: k, client-ca: a}\nlisten: ['tcp://127.0.0.1:9559']", "leave tcp:// out"},
		{"certificate without key", "tls: {cert: c}", "cert and key belong together"},
		{"TLS for everybody", "tls: {cert: c, key: k}", "client-ca is missing"},
		{"old TLS", "tls: {min-version: '1.1'}", "1.2 or 1.3"},
		{"unknown key of tls", "tls: {certificate: c}", "unknown field"},
		{"a rule for nobody", "access: [{allow: [metrics]}]", "access: rule 1: it names no clients"},
		{"a rule for nothing", "access: [{clients: ['*']}]", "it allows nothing"},
		{"unknown permission", "access: [{clients: ['*'], allow: [p4rt.everything]}]", `permission "p4rt.everything" is unknown`},
		{"unknown client", "access: [{clients: [alice], allow: ['*']}]", `client "alice"`},
		{"star within a name", "access: [{clients: ['dns:a.*.b'], allow: ['*']}]", "* stands at the end of a URI"},
		{"bad path", "access: [{clients: ['*'], allow: [gnmi.set], gnmi-set: ['/a[b']}]", "gnmi-set: path"},
		{"wildcard path", "access: [{clients: ['*'], allow: [gnmi.set], gnmi-set: ['/a/*']}]", "without wildcards"},
		{"limit 0", "limits: {streams: 0}", "limits: streams 0: 1 to"},
		{"limit of time", "limits: {handshake-timeout: 0s}", "handshake-timeout 0s"},
		{"rate without burst", "limits: {write-rate: 5}", "wants a write-burst"},
		{"audit", "audit: {when-full: panic}", `when-full "panic"`},
		{"audit files", "audit: {files: 1, file-bytes: 1}", "files 1: at least 2"},
		{"metrics nowhere", "metrics: somewhere", "metrics: listen"},
		{"no address", "listen: [somewhere]", "HOST:PORT"},
		{"relative socket", "listen: ['unix:relative']", "absolute"},
		{"long socket", "listen: ['/" + strings.Repeat("x", 107) + "']", "at most 107 bytes, this one 108"},
		{"port 0", "ports: [{number: 0, netdev: a}]", "numbers are 1 to 500"},
		{"port with a meaning (D8)", "ports: [{number: 509, netdev: a}]", "numbers are 1 to 500"},
		{"port twice", "ports: [{number: 1, netdev: a}, {number: 1, netdev: b}]", "port 1 is given to a and to b"},
		{"netdev twice", "ports: [{number: 1, netdev: a}, {number: 2, netdev: a}]", "a is port 1 and port 2"},
		{"no netdev", "ports: [{number: 1}]", "a netdev is missing"},
		{"hook", "ports: [{number: 1, netdev: a, hook: nowhere}]", `hook "nowhere"`},
		{"host on the kernel engine", "ports: [{number: 1, netdev: a, host: b}]", "host is for the simulator"},
		{"hook on the simulator", "engine: sim\nports: [{number: 1, netdev: a, hook: tc}]", "hook is for the kernel engine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "nicd.yaml")
			if err := os.WriteFile(path, []byte(c.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := LoadConfig(path)
			if err == nil {
				err = cfg.complete()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to contain %q", err, c.want)
			}
		})
	}
}

func TestParsePort(t *testing.T) {
	for _, c := range []struct {
		in   string
		want PortConfig
		bad  string
	}{
		{"1=eth1", PortConfig{Number: 1, Netdev: "eth1"}, ""},
		{"2=eth2,hook=xdp", PortConfig{Number: 2, Netdev: "eth2", Hook: "xdp"}, ""},
		{"3=p3,host=h3", PortConfig{Number: 3, Netdev: "p3", Host: "h3"}, ""},
		{"eth1", PortConfig{}, "NUMBER=NETDEV"},
		{"x=eth1", PortConfig{}, "NUMBER=NETDEV"},
		{"1=eth1,speed=9", PortConfig{}, "unknown option"},
	} {
		got, err := ParsePort(c.in)
		switch {
		case c.bad == "" && (err != nil || got != c.want):
			t.Errorf("%s: got %+v, %v, want %+v", c.in, got, err, c.want)
		case c.bad != "" && (err == nil || !strings.Contains(err.Error(), c.bad)):
			t.Errorf("%s: got %v, want it to contain %q", c.in, err, c.bad)
		}
	}
}

// TestEmptyConfig: a file that says nothing is the defaults.
func TestEmptyConfig(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "blank": "\n\n", "comments": "# nothing\n# engine: sim\n", "null": "---\n"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "nicd.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := LoadConfig(path)
			if err != nil || c.Engine != EngineKernel || c.DeviceID != 1 {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}
