package nicctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzUserConfig: any nicctl.yaml is read, or refused with its name.
func FuzzUserConfig(f *testing.F) {
	for _, s := range []string{"", "address: a:1\ntls-ca: ca.crt\n", "tls-cert: [1]", "x: 1", "&a [*a]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "nicctl.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readUserConfig(path); err != nil && !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("the error does not name the file: %v", err)
		}
	})
}
