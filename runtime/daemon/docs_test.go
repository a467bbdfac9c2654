package daemon

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/internal/clidoc"
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
	defaults := reflect.ValueOf(Defaults())
	for i := range defaults.NumField() {
		key := defaults.Type().Field(i).Tag.Get("yaml")
		def := fmt.Sprintf("`%v`", defaults.Field(i))
		switch defaults.Field(i).Kind() {
		case reflect.String:
			def = fmt.Sprintf("`%q`", defaults.Field(i))
			if s := defaults.Field(i).String(); s != "" {
				def = "`" + s + "`"
			}
		}
		if row := fmt.Sprintf("| `%s` | %s |", key, def); !strings.Contains(string(b), row) {
			t.Errorf("docs/config.md has no row %s", row)
		}
	}
	port := reflect.TypeFor[PortConfig]()
	for i := range port.NumField() {
		key, _, _ := strings.Cut(port.Field(i).Tag.Get("yaml"), ",")
		if row := fmt.Sprintf("| `ports[].%s` |", key); !strings.Contains(string(b), row) {
			t.Errorf("docs/config.md has no row %s", row)
		}
	}
}

// TestFlagsOverrideFile: what a flag says counts, the rest is the file's, then
// the defaults; every key but those of routing, which only the file has, has its flag.
func TestFlagsOverrideFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nicd.yaml")
	text := "instance: file\nengine: sim\nstate-dir: /file\ndurability: power\ndevice-id: 7\ncpu-port: 64\nlisten: [/file.sock]\ninsecure: true\nmetrics: /file.http\nreflection: false\nports: [{number: 1, netdev: a}, {number: 2, netdev: b}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := Config{
		Instance: "file", Engine: EngineSim, StateDir: "/file", Durability: "power", DeviceID: 7, CPUPort: 64, Listen: []string{"/file.sock"}, Insecure: true, Metrics: "/file.http",
		Ports:            []PortConfig{{Number: 1, Netdev: "a"}, {Number: 2, Netdev: "b"}},
		NetworkInstances: []InstanceConfig{}, Routes: []RouteConfig{}, Preferences: Defaults().Preferences,
	}
	flags := map[string]func(*Config){
		"instance=flag":      func(c *Config) { c.Instance = "flag" },
		"engine=kernel":      func(c *Config) { c.Engine = EngineKernel },
		"state-dir=/flag":    func(c *Config) { c.StateDir = "/flag" },
		"durability=process": func(c *Config) { c.Durability = "process" },
		"device-id=8":        func(c *Config) { c.DeviceID = 8 },
		"cpu-port=255":       func(c *Config) { c.CPUPort = 255 },
		"listen=/flag.sock":  func(c *Config) { c.Listen = []string{"/flag.sock"} },
		"insecure=false":     func(c *Config) { c.Insecure = false },
		"metrics=/flag.http": func(c *Config) { c.Metrics = "/flag.http" },
		"reflection=true":    func(c *Config) { c.Reflection = true },
		"port=3=c":           func(c *Config) { c.Ports = []PortConfig{{Number: 3, Netdev: "c"}} },
	}
	tested := map[string]bool{}
	for flag, change := range flags {
		name, value, _ := strings.Cut(flag, "=")
		tested[map[bool]string{true: "ports", false: name}[name == "port"]] = true
		t.Run(name, func(t *testing.T) {
			l := commandLine{file: file}
			want := fromFile
			change(&want)
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
	fileOnly := map[string]bool{"network-instances": true, "routes": true, "route-preferences": true}
	for i := range reflect.TypeFor[Config]().NumField() {
		if key := reflect.TypeFor[Config]().Field(i).Tag.Get("yaml"); !tested[key] && !fileOnly[key] {
			t.Errorf("no flag for the key %s is tested", key)
		}
	}
}
