package nicctl

import (
	"os"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/internal/version"
)

// compileText compiles a program that is in memory, under the given name. Its
// includes are the built-in ones. The error holds the first diagnostic.
func compileText(name, text string, defines []string) ([]byte, error) {
	res, err := driver.Compile(driver.Options{
		Path: name, Defines: defines,
		ReadFile: func(path string) ([]byte, error) {
			if path == name {
				return []byte(text), nil
			}
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
		},
	})
	if err != nil {
		return nil, err
	}
	if err := res.Diags.Err(); err != nil {
		return nil, err
	}
	return res.Bundle(version.Version)
}
