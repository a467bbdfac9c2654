package nicctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// registerSecurity adds the flags of TLS.
func (f *deviceFlags) registerSecurity(fl *pflag.FlagSet) {
	fl.BoolVar(&f.security.Insecure, "insecure", false, "talk to a TCP address without TLS")
	fl.StringVar(&f.security.CA, "tls-ca", "", "trust servers whose certificate an authority in `FILE` signed (default: the system's)")
	fl.StringVar(&f.security.Cert, "tls-cert", "", "show the client certificate in `FILE`")
	fl.StringVar(&f.security.Key, "tls-key", "", "key of the client certificate, in `FILE`")
	fl.StringVar(&f.security.ServerName, "tls-server-name", "", "expect `NAME` in the server's certificate (default: the host of the address)")
}

// userConfig is the file CONFIG/p4nic/nicctl.yaml.
type userConfig struct {
	Address    string `yaml:"address"`
	CA         string `yaml:"tls-ca"`
	Cert       string `yaml:"tls-cert"`
	Key        string `yaml:"tls-key"`
	ServerName string `yaml:"tls-server-name"`
}

// userConfigPath is where that file is; "" where there is no place for it.
func userConfigPath() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "p4nic", "nicctl.yaml")
}

func readUserConfig(path string) (userConfig, error) {
	var c userConfig
	if path == "" {
		return c, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, true))
	}
	return c, nil
}

// completeSecurity fills in what no flag says: from the environment, then from
// the file. A relative path of the file is relative to the file.
func (f *deviceFlags) completeSecurity(given func(flag string) bool) error {
	for _, name := range []string{"tls-ca", "tls-cert", "tls-key", "tls-server-name"} {
		if f.security.Insecure && given(name) {
			return usageError{fmt.Errorf("--insecure and --%s exclude each other", name)}
		}
	}
	path := userConfigPath()
	c, err := readUserConfig(path)
	if err != nil {
		return usageError{err}
	}
	for _, file := range []*string{&c.CA, &c.Cert, &c.Key} {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(filepath.Dir(path), *file)
		}
	}
	// A certificate and its key come from one place.
	if given("tls-cert") || given("tls-key") || os.Getenv("P4NIC_TLS_CERT") != "" || os.Getenv("P4NIC_TLS_KEY") != "" {
		c.Cert, c.Key = "", ""
	}
	for _, v := range []struct {
		flag, env, file string
		value           *string
	}{
		{"tls-ca", "P4NIC_TLS_CA", c.CA, &f.security.CA},
		{"tls-cert", "P4NIC_TLS_CERT", c.Cert, &f.security.Cert},
		{"tls-key", "P4NIC_TLS_KEY", c.Key, &f.security.Key},
		{"tls-server-name", "P4NIC_TLS_SERVER_NAME", c.ServerName, &f.security.ServerName},
	} {
		switch env := os.Getenv(v.env); {
		case given(v.flag):
		case env != "":
			*v.value = env
		default:
			*v.value = v.file
		}
	}
	if !given("address") && !given("target") && !given("instance") {
		if f.address = os.Getenv("P4NIC_ADDRESS"); f.address == "" {
			f.address = c.Address
		}
	}
	return nil
}
