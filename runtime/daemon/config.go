package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/p4nic/p4nic/internal/instance"
	"github.com/p4nic/p4nic/runtime/access"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// Config is what nicd is told by its file and flags.
type Config struct {
	Instance   string       `yaml:"instance"`
	Engine     string       `yaml:"engine"`
	StateDir   string       `yaml:"state-dir"`
	Durability string       `yaml:"durability"`
	DeviceID   uint64       `yaml:"device-id"`
	CPUPort    uint32       `yaml:"cpu-port"`
	Listen     []string     `yaml:"listen"`
	Insecure   bool         `yaml:"insecure"`
	Metrics    string       `yaml:"metrics"`
	Reflection bool         `yaml:"reflection"`
	Ports      []PortConfig `yaml:"ports"`

	TLS    access.TLSConfig `yaml:"tls"`
	Access []access.Rule    `yaml:"access"`
	Limits access.Limits    `yaml:"limits"`
	Audit  access.Audit     `yaml:"audit"`

	// ExpireTimes are by expire time profile.
	ExpireTimes map[uint8]time.Duration `yaml:"expire-times"`

	NetworkInstances []InstanceConfig `yaml:"network-instances"`
	Routes           []RouteConfig    `yaml:"routes"`
	Preferences      PreferenceConfig `yaml:"route-preferences"`
}

// PortConfig is one port.
type PortConfig struct {
	Number uint32 `yaml:"number"`
	Netdev string `yaml:"netdev"`
	Hook   string `yaml:"hook,omitempty"`
	Host   string `yaml:"host,omitempty"`
}

// Engines that nicd has.
const (
	EngineKernel = "kernel"
	EngineSim    = "sim"
)

// DefaultConfig is what --print-config writes, with every default.
const DefaultConfig = `# Configuration of nicd. Every value below is the default.

# Name of this instance: it names the socket, the state directory and the pins
# under /sys/fs/bpf/p4nic. Two instances on one machine need two names.
instance: nic0

# kernel: eBPF on XDP and tc (needs root or CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON).
# sim: the reference interpreter on packet sockets, for laptops and CI.
engine: kernel

# Where the journal lives; empty means /var/lib/p4nic/INSTANCE for root.
state-dir: ""

# What an acknowledged write survives: process (kill -9) or power (loss of power,
# at the price of one fdatasync per group of writes).
durability: process

# P4Runtime device id of the NIC.
device-id: 1

# Port number that means controllers: what the pipeline sends there becomes a
# packet-in, and a packet-out enters the pipeline from there.
cpu-port: 510

# Addresses to listen on; empty means unix:///run/p4nic/INSTANCE.sock for root,
# mode 0600. HOST:PORT speaks TLS with the certificate of tls; without one it is
# refused, on loopback too, unless insecure is true: then it is in the clear, and
# whoever reaches it controls the device. tcp://HOST:PORT is always in the clear.
listen: []
insecure: false

# Address of the HTTP listener that serves /metrics to Prometheus, by the rules of
# listen; empty means none.
metrics: ""

# Certificate of nicd (PEM, the chain behind it) with its key, and the authority
# of its clients' certificates. nicctl cert init makes all of them. The files are
# read again when they change, and on SIGHUP; connections stay. anonymous lets
# clients without a certificate in. min-version is 1.2 or 1.3.
tls: {cert: "", key: "", client-ca: "", anonymous: false, min-version: "1.2"}

# What clients may do. Without rules every client that got in may do everything;
# with rules a client may do what the rules that name it allow, together. Clients
# of the unix socket may do everything. docs/security.md lists the permissions.
# access:
#   - {clients: ["spiffe://example.org/controller/*"], allow: ["p4rt.*", "gribi.*"], roles: [""]}
#   - {clients: ["dns:monitor.example.org"], allow: [gnmi.get, gnmi.subscribe, metrics]}
#   - {clients: ["cn:tenant-blue"], allow: [gnmi.set], gnmi-set: ["/network-instances/network-instance[name=blue]"]}
access: []

# Limits. connections are those of TCP, streams the RPCs at a time of one
# connection, batch the changes of one request; write-rate is the changes a second
# of one client, write-burst what it may save up, 0 means no limit. Clients that
# ping more often than ping-interval are cut off.
limits:
  message-bytes: 268435456
  connections: 1024
  connections-per-address: 256
  streams: 256
  batch: 8388608
  write-rate: 0
  write-burst: 0
  handshake-timeout: 10s
  ping-interval: 500ms

# The audit log: a record of every write, in files of file-bytes of which files
# are kept; dir is the directory audit of state-dir where it is empty. when-full
# says what becomes of writes that cannot be recorded: refuse or continue.
audit: {enabled: true, dir: "", file-bytes: 67108864, files: 16, when-full: refuse}

# Whether clients such as grpcurl can ask which services there are.
reflection: true

# Ports: a P4 port number (1 to 500) and a netdev.
#   hook: xdp or tc; empty chooses xdp for physical netdevs, tc for veth and tap.
#   host: only with engine sim, the netdev that leads to the host's own stack.
# ports:
#   - {number: 1, netdev: eth1}
#   - {number: 2, netdev: eth2, hook: tc}
ports: []

# How long entries that packets add live without use, by the number of the expire
# time profile that the program gives them (PNA's add on miss); a profile that is
# not here never expires.
# expire-times: {1: 30s, 2: 2h}
expire-times: {}

# Network instances (VRFs): a name and the id that the pipeline's keys have for it,
# 0 for DEFAULT. Naming one gives the tables that the program binds to routes
# (@p4nic_bind) to routemap: gRIBI, static routes and the kernel fill them, and
# P4Runtime only reads them.
#   kernel-table: follow this routing table of the kernel (254 is main) and, with
#   it, the host's own addresses; 0 or absent means none.
# network-instances:
#   - {name: DEFAULT, id: 0, kernel-table: 254}
#   - {name: blue, id: 7}
network-instances: []

# Static routes. A next hop has an address, an interface (a port's netdev) or
# both; a target of host or drop stands in the place of next hops.
# routes:
#   - prefix: 198.51.100.0/24
#     next-hops: [{address: 192.0.2.1, interface: eth1, vlan: 0, weight: 1}]
#   - {instance: blue, prefix: 192.0.2.254/32, target: host}
routes: []

# Which source wins where several know a prefix: the smallest number.
route-preferences: {connected: 0, static: 1, gribi: 5, kernel: 20}
`

// maxSocketPath is what sockaddr_un holds besides its terminating zero (unix(7)).
const maxSocketPath = 107

// maxPort is the largest port number; above are ports with a meaning (D8).
const maxPort = 500

// Defaults is DefaultConfig as a value.
func Defaults() Config {
	var c Config
	if err := yaml.UnmarshalWithOptions([]byte(DefaultConfig), &c, yaml.Strict()); err != nil {
		panic("daemon: the default configuration does not parse: " + err.Error()) // a test proves that it does
	}
	return c
}

// LoadConfig reads a file over the defaults. Unknown keys are errors.
func LoadConfig(path string) (Config, error) {
	c := Defaults()
	b, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	// A document that holds nothing would set everything to nothing.
	var content any
	if err := yaml.Unmarshal(b, &content); err == nil && content == nil {
		return c, nil
	}
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil {
		return c, fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, true))
	}
	return c, nil
}

// ParsePort reads NUMBER=NETDEV[,hook=xdp|tc][,host=NETDEV].
func ParsePort(s string) (PortConfig, error) {
	var p PortConfig
	number, rest, ok := strings.Cut(s, "=")
	n, err := strconv.ParseUint(number, 10, 32)
	if !ok || err != nil {
		return p, fmt.Errorf("port %q: NUMBER=NETDEV is wanted, such as 1=eth1", s)
	}
	p.Number = uint32(n)
	words := strings.Split(rest, ",")
	p.Netdev = words[0]
	for _, w := range words[1:] {
		switch k, v, _ := strings.Cut(w, "="); k {
		case "hook":
			p.Hook = v
		case "host":
			p.Host = v
		default:
			return p, fmt.Errorf("port %q: unknown option %q; there are hook=xdp, hook=tc and host=NETDEV", s, w)
		}
	}
	return p, nil
}

// complete fills in what depends on the instance's name and checks everything;
// it reports all that is wrong.
func (c *Config) complete() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := instance.Validate(c.Instance); err != nil {
		return err
	}
	if c.StateDir == "" {
		c.StateDir = instance.StateDir(c.Instance)
	}
	if len(c.Listen) == 0 {
		c.Listen = []string{"unix://" + instance.Socket(c.Instance)}
	}
	if c.Engine != EngineKernel && c.Engine != EngineSim {
		bad("engine %q: kernel or sim is wanted", c.Engine)
	}
	if c.Durability != "process" && c.Durability != "power" {
		bad("durability %q: process or power is wanted", c.Durability)
	}
	if c.DeviceID == 0 {
		bad("device-id 0 is never valid in P4Runtime")
	}
	if err := dataplane.CheckCPUPort(c.CPUPort); err != nil {
		errs = append(errs, err)
	}
	for profile, t := range c.ExpireTimes {
		if t <= 0 {
			bad("expire-times: profile %d: %s is no time", profile, t)
		}
	}
	if c.Audit.Dir == "" {
		c.Audit.Dir = filepath.Join(c.StateDir, "audit")
	}
	gate := c.gate()
	if err := gate.Check(); err != nil {
		errs = append(errs, err)
	}
	for _, l := range c.Listen {
		if err := c.checkListen(l); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Metrics != "" {
		if err := c.checkListen(c.Metrics); err != nil {
			errs = append(errs, fmt.Errorf("metrics: %w", err))
		}
	}
	if err := c.checkRouting(); err != nil {
		errs = append(errs, err)
	}
	numbers, netdevs := map[uint32]string{}, map[string]uint32{}
	for _, p := range c.Ports {
		switch {
		case p.Number == 0 || p.Number > maxPort:
			bad("port %d (%s): numbers are 1 to %d", p.Number, p.Netdev, maxPort)
		case p.Number == c.CPUPort:
			bad("port %d (%s): that is the CPU port", p.Number, p.Netdev)
		case p.Netdev == "":
			bad("port %d: a netdev is missing", p.Number)
		case p.Hook != "" && p.Hook != "xdp" && p.Hook != "tc":
			bad("port %d (%s): hook %q: xdp or tc is wanted", p.Number, p.Netdev, p.Hook)
		case c.Engine == EngineSim && p.Hook != "":
			bad("port %d (%s): hook is for the kernel engine", p.Number, p.Netdev)
		case c.Engine == EngineKernel && p.Host != "":
			bad("port %d (%s): host is for the simulator; with the kernel engine the netdev's own stack is the host", p.Number, p.Netdev)
		case numbers[p.Number] != "":
			bad("port %d is given to %s and to %s", p.Number, numbers[p.Number], p.Netdev)
		case netdevs[p.Netdev] != 0:
			bad("%s is port %d and port %d", p.Netdev, netdevs[p.Netdev], p.Number)
		default:
			numbers[p.Number], netdevs[p.Netdev] = p.Netdev, p.Number
		}
	}
	return errors.Join(errs...)
}

// gate is what the configuration says about access.
func (c *Config) gate() access.Config {
	return access.Config{TLS: c.TLS, Rules: c.Access, Limits: c.Limits, Audit: c.Audit}
}

// via tells how clients of an address come.
func (c *Config) via(address string) access.Via {
	if _, unix := unixPath(address); unix {
		return access.ViaUnix
	}
	if c.TLS.On() && !strings.HasPrefix(address, clearScheme) {
		return access.ViaTLS
	}
	return access.ViaInsecure
}

// clearScheme marks addresses that have no TLS although there is a certificate.
const clearScheme = "tcp://"

// checkListen refuses TCP in the clear without insecure (D21).
func (c *Config) checkListen(address string) error {
	if path, ok := unixPath(address); ok {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("listen %q: a unix socket needs an absolute path", address)
		}
		if len(path) > maxSocketPath {
			return fmt.Errorf("listen %q: the path of a unix socket has at most %d bytes, this one %d", address, maxSocketPath, len(path))
		}
		return nil
	}
	host, _, err := net.SplitHostPort(strings.TrimPrefix(address, clearScheme))
	if err != nil {
		return fmt.Errorf("listen %q: unix:///PATH, HOST:PORT or tcp://HOST:PORT is wanted", address)
	}
	switch {
	case c.via(address) == access.ViaTLS || c.Insecure:
		return nil
	case c.TLS.On():
		return fmt.Errorf("listen %q: it is in the clear: whoever reaches it would control the device; leave tcp:// out, or --insecure to allow it", address)
	}
	return fmt.Errorf("listen %q: a TCP address%s has no certificate: whoever reaches it would control the device; give it one (tls; nicctl cert init makes one), use a unix socket, or --insecure to allow it", address, loopback(host))
}

func loopback(host string) string {
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return ", on loopback too,"
	}
	return ""
}

// unixPath is the path of a unix:///PATH, unix:PATH or /PATH address.
func unixPath(address string) (string, bool) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return strings.TrimPrefix(path, "//"), true
	}
	return address, strings.HasPrefix(address, "/")
}
