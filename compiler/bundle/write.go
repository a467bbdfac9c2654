package bundle

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/p4info"
)

type file struct {
	name string
	data []byte
}

// Write packs c. It is a function of c alone: the same contents give the same
// bytes on every machine.
func Write(c Contents) ([]byte, error) {
	if c.P4Info == nil || c.Program == nil {
		return nil, errors.New("bundle: P4Info and program are required")
	}
	if c.Program.Level != ir.Core {
		return nil, fmt.Errorf("bundle: the program is at level %s, want core", c.Program.Level)
	}
	entries := c.Entries
	if entries == nil {
		entries = &p4v1.WriteRequest{}
	}
	prog, err := encodeProgram(c.Program)
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", PipelineName, err)
	}
	files := []file{
		{EntriesName, p4info.Text(entries)},
		{P4InfoName, p4info.Text(c.P4Info)},
		{PipelineName, prog},
	}
	if len(c.Bindings.GetTables()) > 0 {
		files = append(files, file{BindingsName, p4info.Text(c.Bindings)})
	}
	if c.BMV2 != nil {
		files = append(files, file{BMV2Name, c.BMV2})
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	m := Manifest{
		Format: Format, Compiler: c.Compiler, Program: c.Program.Name, Arch: c.Program.Arch,
		Requires: requires(c.Program), Tables: tableSizes(c.Program),
	}
	for _, f := range files {
		sum := sha256.Sum256(f.data)
		m.Members = append(m.Members, Member{f.name, int64(len(f.data)), hex.EncodeToString(sum[:])})
	}
	mj, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", ManifestName, err)
	}
	return pack(append(files, file{ManifestName, append(mj, '\n')}))
}

// pack writes the zip. Sizes and checksums stand in the local headers, so no
// data descriptor follows a member and a reader can stream it.
func pack(files []file) ([]byte, error) {
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, f := range files {
		w, err := zw.CreateRaw(&zip.FileHeader{
			Name: f.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(f.data),
			CompressedSize64: uint64(len(f.data)), UncompressedSize64: uint64(len(f.data)),
		})
		if err != nil {
			return nil, fmt.Errorf("bundle: %s: %w", f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("bundle: %s: %w", f.name, err)
		}
	}
	if err := zw.Close(); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if buf.Len() > MaxSize {
		return nil, fail(TooLarge, "", "%d bytes, the limit is %d", buf.Len(), MaxSize)
	}
	return buf.Bytes(), nil
}

func tableSizes(p *ir.Program) []TableSize {
	out := []TableSize{}
	for _, t := range p.Tables {
		ts := TableSize{Name: t.Name, Size: p4info.TableSize(t)}
		for _, k := range t.Keys {
			ts.KeyBits += max(0, ir.Width(k.Expr.Type()))
		}
		out = append(out, ts)
	}
	return out
}
