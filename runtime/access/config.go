package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// TLSConfig is the key tls of nicd's configuration.
type TLSConfig struct {
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	ClientCA   string `yaml:"client-ca"`
	Anonymous  bool   `yaml:"anonymous"`
	MinVersion string `yaml:"min-version"`
}

// On tells whether there is a certificate.
func (c *TLSConfig) On() bool { return c.Cert != "" }

// check says what is wrong with it, files aside.
func (c *TLSConfig) check() error {
	var errs []error
	if _, err := c.version(); err != nil {
		errs = append(errs, err)
	}
	switch {
	case (c.Cert == "") != (c.Key == ""):
		errs = append(errs, errors.New("tls: cert and key belong together, one is missing"))
	case c.Cert == "" && (c.ClientCA != "" || c.Anonymous):
		errs = append(errs, errors.New("tls: client-ca and anonymous need cert and key"))
	case c.Cert != "" && c.ClientCA == "" && !c.Anonymous:
		errs = append(errs, errors.New("tls: client-ca is missing: whoever reaches the address would control the device; give the authority of the clients' certificates, or anonymous to let everybody in"))
	}
	return errors.Join(errs...)
}

func (c *TLSConfig) version() (uint16, error) {
	switch c.MinVersion {
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("tls: min-version %q: 1.2 or 1.3 is wanted", c.MinVersion)
}

// Rule is one element of the key access: what some clients may do.
type Rule struct {
	Clients  []string `yaml:"clients"`
	Allow    []string `yaml:"allow"`
	Roles    []string `yaml:"roles,omitempty"`     // of P4Runtime; nil = all, "" is the default role
	GNMIRead []string `yaml:"gnmi-read,omitempty"` // paths for Get and Subscribe; nil = all
	GNMISet  []string `yaml:"gnmi-set,omitempty"`  // paths for Set; nil = all
}

// Limits is the key limits.
type Limits struct {
	Message     int           `yaml:"message-bytes"`
	Connections int           `yaml:"connections"`
	PerAddress  int           `yaml:"connections-per-address"`
	Streams     int           `yaml:"streams"`
	Batch       int           `yaml:"batch"`
	WriteRate   int           `yaml:"write-rate"`
	WriteBurst  int           `yaml:"write-burst"`
	Handshake   time.Duration `yaml:"handshake-timeout"`
	Ping        time.Duration `yaml:"ping-interval"`
}

// maxMessage is what one gRPC message can be: its length has 32 bits, and int is
// what the option takes.
const maxMessage = 1<<31 - 1

func (l *Limits) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("limits: "+format, args...)) }
	for _, n := range []struct {
		name            string
		value, min, max int
	}{
		{"message-bytes", l.Message, 1 << 16, maxMessage}, {"connections", l.Connections, 1, 1 << 20}, {"connections-per-address", l.PerAddress, 1, 1 << 20},
		{"streams", l.Streams, 1, 1 << 20}, {"batch", l.Batch, 1, 1 << 30}, {"write-rate", l.WriteRate, 0, 1 << 30}, {"write-burst", l.WriteBurst, 0, 1 << 30},
	} {
		if n.value < n.min || n.value > n.max {
			bad("%s %d: %d to %d is wanted", n.name, n.value, n.min, n.max)
		}
	}
	for _, d := range []struct {
		name       string
		value, max time.Duration
	}{{"handshake-timeout", l.Handshake, time.Hour}, {"ping-interval", l.Ping, time.Hour}} {
		if d.value < time.Millisecond || d.value > d.max {
			bad("%s %v: 1ms to %v is wanted", d.name, d.value, d.max)
		}
	}
	if l.WriteRate > 0 && l.WriteBurst == 0 {
		bad("write-rate %d wants a write-burst", l.WriteRate)
	}
	return errors.Join(errs...)
}

// Audit is the key audit.
type Audit struct {
	Dir      string `yaml:"dir"`
	On       bool   `yaml:"enabled"`
	MaxBytes int64  `yaml:"file-bytes"`
	Keep     int    `yaml:"files"`
	WhenFull string `yaml:"when-full"`
}

func (a *Audit) check() error {
	var errs []error
	if a.WhenFull != "refuse" && a.WhenFull != "continue" {
		errs = append(errs, fmt.Errorf("audit: when-full %q: refuse or continue is wanted", a.WhenFull))
	}
	if a.MaxBytes < 1<<16 {
		errs = append(errs, fmt.Errorf("audit: file-bytes %d: at least 65536 are wanted", a.MaxBytes))
	}
	if a.Keep < 2 {
		errs = append(errs, fmt.Errorf("audit: files %d: at least 2 are wanted", a.Keep))
	}
	return errors.Join(errs...)
}

// Config is what nicd's configuration says about access.
type Config struct {
	TLS    TLSConfig
	Rules  []Rule
	Limits Limits
	Audit  Audit
}

// Check says all that is wrong, files aside.
func (c *Config) Check() error {
	_, err := compileRules(c.Rules)
	return errors.Join(c.TLS.check(), err, c.Limits.check(), c.Audit.check())
}
