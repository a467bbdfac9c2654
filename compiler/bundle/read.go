package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/bindings"
	"github.com/p4nic/p4nic/compiler/p4info"
	"github.com/p4nic/p4nic/proto/bindingspb"
)

// Read unpacks and checks an archive: limits, manifest, digests, P4Info and
// program text. Errors are *Error. The bundle keeps raw.
func Read(raw []byte) (*Bundle, error) {
	files, err := unpack(raw)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Raw: raw}
	if err := b.readManifest(files); err != nil {
		return nil, err
	}
	b.P4Info, b.Entries = new(p4configv1.P4Info), new(p4v1.WriteRequest)
	for _, part := range []struct {
		name string
		msg  proto.Message
	}{{P4InfoName, b.P4Info}, {EntriesName, b.Entries}} {
		if err := p4info.Unmarshal(files[part.name], part.msg); err != nil {
			return nil, &Error{Kind: BadMember, Member: part.name, Err: err}
		}
	}
	b.P4InfoText = files[P4InfoName]
	if b.Program, err = decodeProgram(files[PipelineName]); err != nil {
		return nil, &Error{Kind: BadMember, Member: PipelineName, Err: err}
	}
	if b.Bindings, err = decodeBindings(files[BindingsName]); err != nil {
		return nil, err
	}
	if _, errs := bindings.Check(b.Program, b.Bindings); len(errs) > 0 {
		return nil, &Error{Kind: BadMember, Member: BindingsName, Err: errs[0]}
	}
	return b, nil
}

// ReadBindings unpacks and checks digests as Read does, and parses nothing
// beyond the bindings. They are never nil.
func ReadBindings(raw []byte) (*bindingspb.Bindings, error) {
	files, err := unpack(raw)
	if err != nil {
		return nil, err
	}
	b := &Bundle{}
	if err := b.readManifest(files); err != nil {
		return nil, err
	}
	return decodeBindings(files[BindingsName])
}

func decodeBindings(data []byte) (*bindingspb.Bindings, error) {
	b, err := bindings.Parse(data)
	if err != nil {
		return nil, &Error{Kind: BadMember, Member: BindingsName, Err: err}
	}
	return b, nil
}

// ReadManifest unpacks and checks digests as Read does, and parses nothing
// beyond the manifest.
func ReadManifest(raw []byte) (*Manifest, error) {
	files, err := unpack(raw)
	if err != nil {
		return nil, err
	}
	b := &Bundle{}
	if err := b.readManifest(files); err != nil {
		return nil, err
	}
	return &b.Manifest, nil
}

func unpack(raw []byte) (map[string][]byte, error) {
	if len(raw) > MaxSize {
		return nil, fail(TooLarge, "", "%d bytes, the limit is %d", len(raw), MaxSize)
	}
	zr, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		// A zip's directory stands at its end: an archive that begins like one
		// and has no directory was cut off.
		if bytes.HasPrefix(raw, []byte("PK\x03\x04")) {
			return nil, fail(Truncated, "", "the archive's directory is missing or damaged (%d bytes)", len(raw))
		}
		return nil, fail(NotBundle, "", "no zip archive")
	}
	if len(zr.File) > MaxMembers {
		return nil, fail(TooLarge, "", "%d members, the limit is %d", len(zr.File), MaxMembers)
	}
	files := map[string][]byte{}
	var total uint64
	for _, f := range zr.File {
		if f.Name == "" || len(f.Name) > maxNameLen {
			return nil, fail(BadMember, "", "a member's name has %d bytes", len(f.Name))
		}
		if _, dup := files[f.Name]; dup {
			return nil, fail(BadMember, f.Name, "the member occurs twice")
		}
		if f.Method != zip.Store {
			return nil, fail(BadMember, f.Name, "the member is compressed (method %d); members are stored", f.Method)
		}
		// Members may not overlap, so together they fit the archive.
		total += f.UncompressedSize64
		if f.UncompressedSize64 > uint64(len(raw)) || total > uint64(len(raw)) {
			return nil, fail(TooLarge, f.Name, "%d bytes declared in an archive of %d", f.UncompressedSize64, len(raw))
		}
		data, err := readMember(f)
		if err != nil {
			return nil, err
		}
		files[f.Name] = data
	}
	return files, nil
}

func readMember(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, &Error{Kind: BadMember, Member: f.Name, Err: err}
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, int64(f.UncompressedSize64)+1))
	switch {
	case errors.Is(err, zip.ErrChecksum):
		return nil, fail(BadDigest, f.Name, "the archive's CRC-32 of the member is wrong")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fail(Truncated, f.Name, "%d of %d bytes", len(data), f.UncompressedSize64)
	case err != nil:
		return nil, &Error{Kind: BadMember, Member: f.Name, Err: err}
	case uint64(len(data)) != f.UncompressedSize64:
		return nil, fail(Truncated, f.Name, "%d of %d bytes", len(data), f.UncompressedSize64)
	}
	return data, nil
}

func (b *Bundle) readManifest(files map[string][]byte) error {
	data, ok := files[ManifestName]
	if !ok {
		return fail(NotBundle, ManifestName, "the archive has no such member")
	}
	// The version first: a manifest of another format may have other fields.
	var v struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return &Error{Kind: BadManifest, Member: ManifestName, Err: err}
	}
	if v.Format < 1 || v.Format < Format-1 || v.Format > Format {
		return fail(BadFormat, ManifestName, "format %d; this version reads %d to %d", v.Format, max(1, Format-1), Format)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b.Manifest); err != nil {
		return &Error{Kind: BadManifest, Member: ManifestName, Err: err}
	}
	if _, err := dec.Token(); err != io.EOF {
		return fail(BadManifest, ManifestName, "text after the manifest")
	}
	return b.checkMembers(files)
}

// checkMembers compares the archive with the manifest's list.
func (b *Bundle) checkMembers(files map[string][]byte) error {
	listed := map[string]bool{ManifestName: true}
	last := ""
	for _, m := range b.Manifest.Members {
		if m.Name <= last || m.Name == ManifestName {
			return fail(BadManifest, ManifestName, "members are not sorted, or one is listed twice: %q", m.Name)
		}
		last = m.Name
		listed[m.Name] = true
		data, ok := files[m.Name]
		if !ok {
			return fail(Truncated, m.Name, "the manifest lists the member, the archive lacks it")
		}
		if int64(len(data)) != m.Size {
			return fail(BadDigest, m.Name, "%d bytes, the manifest says %d", len(data), m.Size)
		}
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != m.SHA256 {
			return fail(BadDigest, m.Name, "sha256 is %s, the manifest says %.64s", got, m.SHA256)
		}
	}
	for _, name := range []string{EntriesName, P4InfoName, PipelineName} {
		if !listed[name] {
			return fail(BadManifest, ManifestName, "%s is not listed", name)
		}
	}
	if len(files) != len(listed) {
		for _, name := range sortedKeys(files) {
			if !listed[name] {
				return fail(BadManifest, name, "the manifest does not list the member")
			}
		}
	}
	return nil
}
