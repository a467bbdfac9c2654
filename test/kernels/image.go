package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/p4nic/p4nic/test/kernels/guest"
)

// guestRoot is where the module's files are in a guest, for tests that read
// their testdata and what lies beside them.
const guestRoot = "src"

// work says what guests run: tests of Go packages and commands.
type work struct {
	Packages []string // patterns of go list
	Demo     bool     // nicctl demo
	Run      string   // -test.run of the packages
	Short    bool
	Count    int // how often each test is run
	Seconds  int // for one job
}

// program is a file of the guest and where it comes from.
type program struct {
	name, file string
}

// payload is what guests of one architecture run, built once for all kernels.
type payload struct {
	init     string
	programs []program
	jobs     []guest.Job
}

// goTool runs the go command for the guest's architecture, without C: there is
// no libc in a guest.
func goTool(ctx context.Context, root, arch string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("GOARCH=%s go %s: %w\n%s", arch, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// build builds everything for one architecture into dir.
func build(ctx context.Context, root, dir, arch string, w work) (*payload, error) {
	p := &payload{init: filepath.Join(dir, "init")}
	strip := "-ldflags=-s -w"
	if _, err := goTool(ctx, root, arch, "build", strip, "-o", p.init, "./test/kernels/init"); err != nil {
		return nil, err
	}
	if len(w.Packages) > 0 {
		if err := p.tests(ctx, root, dir, arch, w); err != nil {
			return nil, err
		}
	}
	if w.Demo {
		for _, name := range []string{"nicctl", "nicd"} {
			file := filepath.Join(dir, name)
			if _, err := goTool(ctx, root, arch, "build", strip, "-o", file, "./cmd/"+name); err != nil {
				return nil, err
			}
			p.programs = append(p.programs, program{"bin/" + name, file})
		}
		p.jobs = append(p.jobs, guest.Job{Name: "demo", Dir: "/tmp", Args: []string{"/bin/nicctl", "demo"}, Seconds: w.Seconds})
	}
	return p, nil
}

func (p *payload) tests(ctx context.Context, root, dir, arch string, w work) error {
	format := "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Module.Path}}{{end}}"
	list, err := goTool(ctx, root, arch, append([]string{"list", "-f", format, "--"}, w.Packages...)...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(list) {
		pkg, module, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/")
		// As go test names it; processes show the last part.
		t := program{path.Join("tests", rel, path.Base(rel)+".test"), filepath.Join(dir, strings.ReplaceAll(rel, "/", "-")+".test")}
		if _, err := goTool(ctx, root, arch, "test", "-c", "-ldflags=-s -w", "-o", t.file, pkg); err != nil {
			return err
		}
		p.programs = append(p.programs, t)
		// The test itself gives up first, and says where it hangs.
		args := []string{"/" + t.name, "-test.v", fmt.Sprintf("-test.timeout=%ds", w.Seconds-w.Seconds/20)}
		if w.Count > 1 {
			args = append(args, fmt.Sprintf("-test.count=%d", w.Count))
		}
		if w.Run != "" {
			args = append(args, "-test.run="+w.Run)
		}
		if w.Short {
			args = append(args, "-test.short")
		}
		p.jobs = append(p.jobs, guest.Job{Name: rel, Dir: path.Join("/", guestRoot, rel), Args: args, Seconds: w.Seconds})
	}
	if len(p.programs) == 0 {
		return fmt.Errorf("no tests in %s", strings.Join(w.Packages, " "))
	}
	return nil
}

// writeImage writes the initramfs of a guest.
func writeImage(file, root string, p *payload, modules []module) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	out := bufio.NewWriterSize(f, 1<<20)
	c := newCPIO(out)
	if err := c.console(); err != nil {
		return err
	}
	for _, b := range append([]program{{"init", p.init}}, p.programs...) {
		content, err := os.ReadFile(b.file)
		if err == nil {
			err = c.file(b.name, 0o755, content)
		}
		if err != nil {
			return err
		}
	}
	m := guest.Manifest{Jobs: p.jobs}
	for _, mod := range modules {
		name := "modules/" + mod.name + ".ko"
		if err := c.file(name, 0o644, mod.content); err != nil {
			return err
		}
		m.Modules = append(m.Modules, "/"+name)
	}
	if err := moduleFiles(c, root); err != nil {
		return err
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := c.file(strings.TrimPrefix(guest.ManifestPath, "/"), 0o644, manifest); err != nil {
		return err
	}
	if err := c.close(); err != nil {
		return err
	}
	return out.Flush()
}

// moduleFiles adds the files of this Go module that tests may read: all but Go
// source, programs and what is hidden.
func moduleFiles(c *cpio, root string) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || rel == "bin"):
			return fs.SkipDir
		case d.IsDir():
			// Tests run in the directory of their package, files or not.
			return c.directory(path.Join(guestRoot, filepath.ToSlash(rel)))
		case !d.Type().IsRegular(), strings.HasSuffix(name, ".go"), strings.HasSuffix(name, ".test"):
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return c.file(path.Join(guestRoot, filepath.ToSlash(rel)), 0o644, content)
	})
}
