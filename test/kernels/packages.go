package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// kernelSpec names one of Debian's kernels. The "cloud" packages are built from
// the same source and have every module of networking, without hardware.
type kernelSpec struct {
	Series string // "6.1", "6.12"
	Meta   string // package that depends on the newest image, with %s for the architecture
}

func kernelSpecs() []kernelSpec {
	return []kernelSpec{
		{"6.1", "linux-image-cloud-%s"},
		{"6.12", "linux-image-6.12-cloud-%s"},
	}
}

// apt asks Debian's archive with lists of its own: it changes nothing on the
// machine, needs no root, and knows the packages of a foreign architecture.
type apt struct {
	dir    string // of the architecture, in the cache
	arch   string
	mirror string
}

// keyring comes with Debian, and with Ubuntu as debian-archive-keyring.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// lists are asked again after this time.
const listsAge = 24 * time.Hour

func (a apt) sources() string {
	return fmt.Sprintf("deb [signed-by=%s] %s/debian bookworm main\ndeb [signed-by=%[1]s] %s/debian-security bookworm-security main\n", keyring, a.mirror, a.mirror)
}

// prepare makes the directories and fetches the lists when they are old.
func (a apt) prepare(ctx context.Context) error {
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial", "parts"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"sources.list": a.sources(), "status": ""} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	stamp := filepath.Join(a.dir, "updated")
	if st, err := os.Stat(stamp); err == nil && time.Since(st.ModTime()) < listsAge {
		return nil
	}
	if _, err := os.Stat(keyring); err != nil {
		return fmt.Errorf("%w: install debian-archive-keyring", err)
	}
	if _, err := a.run(ctx, "apt-get", "update"); err != nil {
		return err
	}
	return os.WriteFile(stamp, nil, 0o644)
}

// run runs a program of apt in the directory of packages.
func (a apt) run(ctx context.Context, tool string, args ...string) (string, error) {
	o := []string{"-q"}
	for _, kv := range [][2]string{
		{"APT::Architecture", a.arch},
		{"APT::Architectures", a.arch},
		{"Dir::State", filepath.Join(a.dir, "state")},
		{"Dir::State::status", filepath.Join(a.dir, "status")},
		{"Dir::Cache", filepath.Join(a.dir, "cache")},
		{"Dir::Etc::sourcelist", filepath.Join(a.dir, "sources.list")},
		{"Dir::Etc::sourceparts", filepath.Join(a.dir, "parts")},
		{"Acquire::Languages", "none"},
		{"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false"},
		{"Acquire::Retries", "3"},
		{"APT::Update::Error-Mode", "any"}, // old lists are not silently taken for new ones
		// root's apt would download as _apt, which cannot write into the cache.
		{"APT::Sandbox::User", "root"},
	} {
		o = append(o, "-o", kv[0]+"="+kv[1])
	}
	cmd := exec.CommandContext(ctx, tool, append(o, args...)...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", tool, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// image gives the name of the newest image package that a meta package names.
func (a apt) image(ctx context.Context, meta string) (string, error) {
	out, err := a.run(ctx, "apt-cache", "depends", "--important", meta)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: linux-image-"); ok {
			return "linux-image-" + name, nil
		}
	}
	return "", fmt.Errorf("package %s depends on no image:\n%s", meta, out)
}

// tree is an unpacked image package.
type tree struct {
	dir     string
	release string // of the kernel
}

func (t tree) vmlinuz() string { return filepath.Join(t.dir, "boot", "vmlinuz-"+t.release) }

// errNoKernel says that a kernel is neither in the archive nor in the cache.
var errNoKernel = errors.New("no kernel")

// fetch downloads and unpacks a kernel, or takes it from the cache. When the
// archive cannot be reached, the newest cached one serves, and note says so.
func fetch(ctx context.Context, cache, mirror string, k kernelSpec, arch string) (t tree, note string, err error) {
	latest := filepath.Join(cache, "trees", "latest-"+k.Series+"-"+arch)
	name, err := download(ctx, cache, mirror, k, arch)
	if err != nil {
		old, e := os.ReadFile(latest)
		if e != nil {
			return tree{}, "", fmt.Errorf("%w: %w", errNoKernel, err)
		}
		name, note = string(old), fmt.Sprintf("the archive cannot be asked (%v); using the cached %s", err, old)
	}
	t, err = openTree(filepath.Join(cache, "trees", name))
	if err != nil {
		return tree{}, "", err
	}
	return t, note, os.WriteFile(latest, []byte(name), 0o644)
}

// download brings the newest package of a kernel into the cache and gives the
// name of its tree, which is that of the file without ".deb".
func download(ctx context.Context, cache, mirror string, k kernelSpec, arch string) (string, error) {
	a := apt{dir: filepath.Join(cache, "apt-"+arch), arch: arch, mirror: mirror}
	if err := a.prepare(ctx); err != nil {
		return "", err
	}
	pkg, err := a.image(ctx, fmt.Sprintf(k.Meta, arch))
	if err != nil {
		return "", err
	}
	uris, err := a.run(ctx, "apt-get", "download", "--print-uris", pkg)
	if err != nil {
		return "", err
	}
	f := strings.Fields(uris) // 'URI' FILE SIZE DIGEST
	if len(f) < 2 {
		return "", fmt.Errorf("apt-get gives no address for %s: %q", pkg, uris)
	}
	name := strings.TrimSuffix(f[1], ".deb")
	if _, err := os.Stat(filepath.Join(cache, "trees", name)); err == nil {
		return name, nil
	}
	if _, err := a.run(ctx, "apt-get", "download", pkg); err != nil {
		return "", err
	}
	deb := filepath.Join(a.dir, f[1])
	return name, errors.Join(unpack(ctx, deb, filepath.Join(cache, "trees", name)), os.Remove(deb))
}

// unpack unpacks a package whole or not at all.
func unpack(ctx context.Context, deb, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "unpack-")
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", deb, tmp).CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("dpkg-deb %s: %w\n%s", deb, err, out), os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, dir); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return nil
}

func openTree(dir string) (tree, error) {
	const prefix = "vmlinuz-"
	found, err := filepath.Glob(filepath.Join(dir, "boot", prefix+"*"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%s holds %d kernels", dir, len(found))
	}
	if err != nil {
		return tree{}, err
	}
	return tree{dir: dir, release: strings.TrimPrefix(filepath.Base(found[0]), prefix)}, nil
}
