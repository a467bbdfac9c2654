package bmv2tests

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/internal/packetcase"
)

// Case is a packet case with its program. Beside the sections of packetcase it
// has:
//
//	-- program --    lines
//	    p4 FILE          the source, relative to the folder of the first case folder
//	    define NAME[=V]  a macro
//	    include FILE     the sections of FILE come first, joined with those here
//	    refused TEXT     only ir/exec runs it; the others refuse, saying TEXT
//	    nojson TEXT      bmv2 JSON cannot say it; the export refuses, saying TEXT
//	-- state --      what counters and registers read after the last packet, zeros
//	                 left out; lines as State has them
type Case struct {
	*packetcase.Case
	Path    string // of the file
	P4      string // path of the source
	Defines []string
	Refused string // what engines other than ir/exec say, "" when they run it
	NoJSON  string // what the export says, "" when there is JSON
	State   State  // nil without a section
}

// LoadCase reads a file of the folder root.
func LoadCase(root, path string) (*Case, error) {
	sections, order, err := readSections(path, 0)
	if err != nil {
		return nil, err
	}
	a := &txtar.Archive{}
	for _, name := range order {
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(sections[name])})
	}
	pc, err := packetcase.Parse(txtar.Format(a))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := &Case{Case: pc, Path: path}
	for _, line := range fields(sections["program"]) {
		switch {
		case line[0] == "p4" && len(line) == 2:
			c.P4 = filepath.Join(root, line[1])
		case line[0] == "define" && len(line) == 2:
			c.Defines = append(c.Defines, line[1])
		case line[0] == "include":
		case line[0] == "refused" && len(line) > 1:
			c.Refused = strings.Join(line[1:], " ")
		case line[0] == "nojson" && len(line) > 1:
			c.NoJSON = strings.Join(line[1:], " ")
		default:
			return nil, fmt.Errorf("%s: program: unknown line %q", path, strings.Join(line, " "))
		}
	}
	if rel, err := filepath.Rel(root, path); err == nil {
		c.Name = strings.TrimSuffix(filepath.ToSlash(rel), ".txtar")
	}
	if text, ok := sections["state"]; ok {
		c.State = State{}
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			if k, v, ok := strings.Cut(line, ": "); ok {
				c.State[k] = v
			} else if line != "" {
				return nil, fmt.Errorf("%s: state: expected OBJECT: READING, found %q", path, line)
			}
		}
	}
	return c, nil
}

// readSections reads a file and what it includes: sections by name, and their
// names in order of first mention.
func readSections(path string, depth int) (map[string]string, []string, error) {
	if depth > 4 {
		return nil, nil, fmt.Errorf("%s: includes more than 4 deep", path)
	}
	a, err := txtar.ParseFile(path)
	if err != nil {
		return nil, nil, err
	}
	sections := map[string]string{}
	var order []string
	add := func(name, text string) {
		if _, ok := sections[name]; !ok {
			order = append(order, name)
		}
		sections[name] += text
	}
	for _, f := range a.Files {
		if f.Name != "program" {
			continue
		}
		for _, line := range fields(string(f.Data)) {
			if line[0] != "include" || len(line) != 2 {
				continue
			}
			inc, names, err := readSections(filepath.Join(filepath.Dir(path), line[1]), depth+1)
			if err != nil {
				return nil, nil, err
			}
			for _, n := range names {
				add(n, inc[n])
			}
		}
	}
	for _, f := range a.Files {
		add(f.Name, string(f.Data))
	}
	return sections, order, nil
}

// fields splits a section into words, without comments and empty lines.
func fields(text string) [][]string {
	var lines [][]string
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 0 {
			lines = append(lines, f)
		}
	}
	return lines
}

// LoadCases reads all cases below root: files *.txtar but for common.txtar.
func LoadCases(root string) ([]*Case, error) {
	var cs []*Case
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txtar" || d.Name() == "common.txtar" {
			return err
		}
		c, err := LoadCase(root, path)
		if err != nil {
			return err
		}
		cs = append(cs, c)
		return nil
	})
	return cs, err
}

// Compile compiles the case's program.
func (c *Case) Compile() (*Program, error) { return Compile(c.P4, nil, c.Defines...) }

// Content reads the case's entries.
func (c *Case) Content(p *Program) ([]packetcase.Content, error) {
	return packetcase.ParseEntries(p.Core, c.Entries)
}

// writeState replaces the file's section state.
func (c *Case) writeState(text string) error {
	a, err := txtar.ParseFile(c.Path)
	if err != nil {
		return err
	}
	found := false
	for i := range a.Files {
		if a.Files[i].Name == "state" {
			a.Files[i].Data, found = []byte(text), true
		}
	}
	if !found {
		a.Files = append(a.Files, txtar.File{Name: "state", Data: []byte(text)})
	}
	return os.WriteFile(c.Path, txtar.Format(a), 0o644)
}
