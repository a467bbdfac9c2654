package main

import (
	"fmt"
	"io"
	"strings"
)

// cpio writes an initramfs in the "newc" format of cpio, as described in the
// kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Parent
// directories are made as they are needed. It is not compressed: the memory of
// an emulator is cheaper than its instructions.
type cpio struct {
	w     io.Writer
	inode uint32
	dirs  map[string]bool
}

func newCPIO(w io.Writer) *cpio { return &cpio{w: w, dirs: map[string]bool{}} }

const (
	typeDir    = 0o040000
	typeFile   = 0o100000
	typeDevice = 0o020000 // of characters
)

// file adds a file. The path has no leading slash.
func (c *cpio) file(path string, perm uint32, content []byte) error {
	if err := c.parents(path); err != nil {
		return err
	}
	return c.entry(path, typeFile|perm, 0, 0, content)
}

// directory adds a directory.
func (c *cpio) directory(path string) error { return c.parents(path + "/") }

// console adds /dev/console, without which process 1 has no output.
func (c *cpio) console() error {
	if err := c.parents("dev/console"); err != nil {
		return err
	}
	return c.entry("dev/console", typeDevice|0o600, 5, 1, nil)
}

func (c *cpio) parents(path string) error {
	for i, r := range path {
		if r != '/' {
			continue
		}
		if dir := path[:i]; !c.dirs[dir] {
			c.dirs[dir] = true
			if err := c.entry(dir, typeDir|0o755, 0, 0, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cpio) close() error { return c.entry("TRAILER!!!", 0, 0, 0, nil) }

func (c *cpio) entry(name string, mode, major, minor uint32, content []byte) error {
	if name == "" || strings.HasPrefix(name, "/") {
		return fmt.Errorf("cpio: path %q", name)
	}
	if uint64(len(content)) > 1<<32-1 {
		return fmt.Errorf("cpio: %s is larger than 4 GiB", name)
	}
	c.inode++
	links := uint32(1)
	if mode&typeDir != 0 && mode&typeFile == 0 {
		links = 2
	}
	head := "070701"
	for _, v := range []uint32{c.inode, mode, 0, 0, links, 0, uint32(len(content)),
		0, 0, major, minor, uint32(len(name) + 1), 0} {
		head += fmt.Sprintf("%08x", v)
	}
	head += name + "\x00"
	// Names and contents end on multiples of four from the start of the header.
	if _, err := io.WriteString(c.w, head+pad(len(head))); err != nil {
		return err
	}
	if _, err := c.w.Write(content); err != nil {
		return err
	}
	_, err := io.WriteString(c.w, pad(len(content)))
	return err
}

func pad(n int) string { return "\x00\x00\x00"[:-n&3] }
