package daemon

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/p4nic/p4nic/internal/clidoc"
	"github.com/p4nic/p4nic/runtime/access"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs/cli.md and docs/config.md")

// document compares, or with -update writes, a generated part of a page.
func document(t *testing.T, path, name, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := clidoc.Replace(string(b), name, text)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(b) {
		t.Errorf("%s: the part %q is out of date; go test ./runtime/daemon -update writes it", path, name)
	}
}

// TestCLIDocs: docs/cli.md has every flag of nicd as --help shows it.
func TestCLIDocs(t *testing.T) {
	document(t, "../../docs/cli.md", "nicd", clidoc.Markdown(newCommand()))
}

// TestConfigDocs: docs/config.md shows what --print-config writes, and has a row
// with the right default for every key.
func TestConfigDocs(t *testing.T) {
	const path = "../../docs/config.md"
	document(t, path, "default configuration", "```yaml\n"+DefaultConfig+"```\n")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows func(prefix string, v reflect.Value)
	rows = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			f, key := v.Field(i), prefix+v.Type().Field(i).Tag.Get("yaml")
			if _, whole := f.Interface().(PreferenceConfig); f.Kind() == reflect.Struct && !whole {
				rows(key+".", f)
				continue
			}
			def := fmt.Sprintf("`%v`", f)
			if f.Kind() == reflect.String && f.String() == "" {
				def = "`\"\"`"
			}
			if f.Kind() == reflect.Map && f.Len() == 0 {
				def = "`{}`"
			}
			if row := fmt.Sprintf("| `%s` | %s |", key, def); !strings.Contains(string(b), row) {
				t.Errorf("docs/config.md has no row %s", row)
			}
		}
	}
	rows("", reflect.ValueOf(Defaults()))
	for list, row := range map[string]reflect.Type{"ports": reflect.TypeFor[PortConfig](), "access": reflect.TypeFor[access.Rule]()} {
		for i := range row.NumField() {
			key, _, _ := strings.Cut(row.Field(i).Tag.Get("yaml"), ",")
			if row := fmt.Sprintf("| `%s[].%s` |", list, key); !strings.Contains(string(b), row) {
				t.Errorf("docs/config.md has no row %s", row)
			}
		}
	}
}

// TestFlagsOverrideFile: what a flag says counts, the rest is the file's, then
// the defaults; every key has its flag but those of routing and access, which only the file has (tls has four).
func TestFlagsOverrideFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nicd.yaml")
	text := "instance: file\nengine: sim\nstate-dir: /file\ndurability: power\ndevice-id: 7\ncpu-port: 64\nlisten: [/file.sock]\ninsecure: true\nmetrics: /file.http\nreflection: false\nports: [{number: 1, netdev: a}, {number: 2, netdev: b}]\n"
	text += "tls: {cert: /file.crt, key: /file.key, client-ca: /file.ca}\nlimits: {write-rate: 5, write-burst: 6}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := Defaults() // of a nested key, what is not said stays
	fromFile.TLS.Cert, fromFile.TLS.Key, fromFile.TLS.ClientCA = "/file.crt", "/file.key", "/file.ca"
	fromFile.Limits.WriteRate, fromFile.Limits.WriteBurst = 5, 6
	fromFile = Config{
		TLS: fromFile.TLS, Limits: fromFile.Limits, Audit: fromFile.Audit, Access: []access.Rule{},
		Instance: "file", Engine: EngineSim, StateDir: "/file", Durability: "power", DeviceID: 7, CPUPort: 64, Listen: []string{"/file.sock"}, Insecure: true, Metrics: "/file.http",
		Ports:            []PortConfig{{Number: 1, Netdev: "a"}, {Number: 2, Netdev: "b"}},
		ExpireTimes:      map[uint8]time.Duration{},
		NetworkInstances: []InstanceConfig{}, Routes: []RouteConfig{}, Preferences: Defaults().Preferences,
	}
	flags := map[string]func(*Config){
		"instance=flag":          func(c *Config) { c.Instance = "flag" },
		"engine=kernel":          func(c *Config) { c.Engine = EngineKernel },
		"state-dir=/flag":        func(c *Config) { c.StateDir = "/flag" },
		"durability=process":     func(c *Config) { c.Durability = "process" },
		"device-id=8":            func(c *Config) { c.DeviceID = 8 },
		"cpu-port=255":           func(c *Config) { c.CPUPort = 255 },
		"listen=/flag.sock":      func(c *Config) { c.Listen = []string{"/flag.sock"} },
		"insecure=false":         func(c *Config) { c.Insecure = false },
		"tls-cert=/flag.crt":     func(c *Config) { c.TLS.Cert = "/flag.crt" },
		"tls-key=/flag.key":      func(c *Config) { c.TLS.Key = "/flag.key" },
		"tls-client-ca=/flag.ca": func(c *Config) { c.TLS.ClientCA = "/flag.ca" },
		"tls-anonymous=true":     func(c *Config) { c.TLS.Anonymous = true },
		"metrics=/flag.http":     func(c *Config) { c.Metrics = "/flag.http" },
		"reflection=true":        func(c *Config) { c.Reflection = true },
		"port=3=c":               func(c *Config) { c.Ports = []PortConfig{{Number: 3, Netdev: "c"}} },
	}
	tested := map[string]bool{}
	for flag, change := range flags {
		name, value, _ := strings.Cut(flag, "=")
		tested[map[bool]string{true: "ports", false: name}[name == "port"]] = true
		t.Run(name, func(t *testing.T) {
			l := commandLine{file: file}
			want := fromFile
			change(&want)
			want.Audit.Dir = filepath.Join(want.StateDir, "audit")
			change(&l.config)
			if name == "port" {
				l.ports = []string{value}
			}
			got, err := l.merge(func(flag string) bool { return flag == name })
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
	fileOnly := map[string]bool{"tls": true, "access": true, "limits": true, "audit": true, "expire-times": true, "network-instances": true, "routes": true, "route-preferences": true}
	for i := range reflect.TypeFor[Config]().NumField() {
		if key := reflect.TypeFor[Config]().Field(i).Tag.Get("yaml"); !tested[key] && !fileOnly[key] {
			t.Errorf("no flag for the key %s is tested", key)
		}
	}
}
