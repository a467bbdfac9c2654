package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
)

// order gives the packages of tests that a fault in package changed meets: its
// own, then those of the suite that depend on it, as long as their usual times
// fit the budget.
func (c *Config) order(changed string, dependsOn map[string]map[string]bool) []Suite {
	var list []Suite
	left := c.Budget
	take := func(s Suite) {
		if s.Takes <= left {
			list, left = append(list, s), left-s.Takes
		}
	}
	for _, s := range c.Suite {
		if s.Package == changed {
			take(s)
		}
	}
	for _, s := range c.Suite {
		if s.Package != changed && dependsOn[s.Package][changed] {
			take(s)
		}
	}
	return list
}

// dependencies asks the go command what the tests of each package of the suite
// are built of.
func (c *Config) dependencies(root string) (map[string]map[string]bool, error) {
	args := []string{"list", "-test", "-json=ImportPath,Deps"}
	for _, s := range c.Suite {
		args = append(args, "./"+s.Package)
	}
	out, err := goTool(context.Background(), root, args...)
	if err != nil {
		return nil, err
	}
	deps := map[string]map[string]bool{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l struct {
			ImportPath string
			Deps       []string
		}
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return deps, nil
		} else if err != nil {
			return nil, err
		}
		name, ok := strings.CutSuffix(l.ImportPath, ".test")
		if !ok {
			continue
		}
		set := map[string]bool{}
		for _, d := range l.Deps {
			d, _, _ = strings.Cut(d, " ")
			if rel, ok := strings.CutPrefix(d, c.Module+"/"); ok {
				set[rel] = true
			}
		}
		deps[strings.TrimPrefix(name, c.Module+"/")] = set
	}
}

// limit is how long a package of tests may take before it counts as hanging.
func (c *Config) limit(s Suite) time.Duration {
	if c.Limit > 0 {
		return c.Limit
	}
	return 60*time.Second + 10*s.Takes
}

// binary is the name of a package's test binary in a folder.
func (s Suite) binary() string { return strings.ReplaceAll(s.Package, "/", "-") + ".test" }
