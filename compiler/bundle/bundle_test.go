package bundle_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/compiler/ir"
)

const program = `p4nic-ir 1 core
program "t" arch "v1model";
errors { NoError }
header h_t { bit<8> a; varbit<16> v; }
action a () { }
table c.t in c {
	key x : ternary x;
	action a;
	default a();
	size 16;
}
control c (inout bit<8> x) {
	extern log_msg("x");
	apply c.t;
}
pipeline { c = c; }`

func contents(t testing.TB) bundle.Contents {
	t.Helper()
	p, err := ir.Parse("t.ir", []byte(program))
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Contents{
		Compiler: "1.2.3", Program: p,
		P4Info:  &p4configv1.P4Info{PkgInfo: &p4configv1.PkgInfo{Arch: "v1model"}},
		Entries: &p4v1.WriteRequest{Updates: []*p4v1.Update{{Type: p4v1.Update_INSERT}}},
	}
}

func write(t testing.TB) []byte {
	t.Helper()
	raw, err := bundle.Write(contents(t))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRoundTrip(t *testing.T) {
	raw := write(t)
	if !bytes.Equal(raw, write(t)) {
		t.Error("the same contents give other bytes")
	}
	b, err := bundle.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	c := contents(t)
	if !proto.Equal(b.P4Info, c.P4Info) || !proto.Equal(b.Entries, c.Entries) {
		t.Errorf("P4Info %v, entries %v", b.P4Info, b.Entries)
	}
	if b.Program.String() != c.Program.String() {
		t.Errorf("program\n%s\nwant\n%s", b.Program, c.Program)
	}
	if !bytes.Equal(b.Raw, raw) {
		t.Error("Raw is not what was read")
	}
	m := b.Manifest
	if m.Format != 1 || m.Compiler != "1.2.3" || m.Program != "t" || m.Arch != "v1model" {
		t.Errorf("manifest %+v", m)
	}
	if got := strings.Join(m.Requires, " "); got != "arch:v1model extern:log_msg match:ternary varbit" {
		t.Errorf("requires %s", got)
	}
	if len(m.Tables) != 1 || m.Tables[0] != (bundle.TableSize{Name: "c.t", Size: 16, KeyBits: 8}) {
		t.Errorf("tables %+v", m.Tables)
	}
	if only, err := bundle.ReadManifest(raw); err != nil || only.Program != "t" {
		t.Errorf("ReadManifest: %+v, %v", only, err)
	}
}

// Members are stored, sorted and without times, and no data descriptor follows
// them.
func TestLayout(t *testing.T) {
	raw := write(t)
	zr, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range zr.File {
		names = append(names, f.Name)
		if f.Method != zip.Store || f.Flags != 0 || f.ModifiedDate != 0 || f.ModifiedTime != 0 || len(f.Extra) != 0 {
			t.Errorf("%s: method %d flags %#x time %d/%d extra %x", f.Name, f.Method, f.Flags, f.ModifiedDate, f.ModifiedTime, f.Extra)
		}
	}
	if got := strings.Join(names, " "); got != "entries.txtpb manifest.json p4info.txtpb pipeline.ir" {
		t.Errorf("members %s", got)
	}
}

func TestWriteRefuses(t *testing.T) {
	c := contents(t)
	c.Program.Level = ir.Typed
	if _, err := bundle.Write(c); err == nil || !strings.Contains(err.Error(), "level typed, want core") {
		t.Errorf("typed program: %v", err)
	}
	if _, err := bundle.Write(bundle.Contents{}); err == nil {
		t.Error("empty contents are accepted")
	}
}

// archive gives the members of a good bundle, to be changed and packed again.
type archive struct {
	names   []string
	members map[string][]byte
	method  uint16
}

func open(t testing.TB) *archive {
	t.Helper()
	raw := write(t)
	zr, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{members: map[string][]byte{}}
	for _, f := range zr.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		a.names = append(a.names, f.Name)
		a.members[f.Name] = data
	}
	return a
}

// manifest changes the manifest's JSON.
func (a *archive) manifest(t testing.TB, f func(m map[string]any)) {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.members[bundle.ManifestName], &m); err != nil {
		t.Fatal(err)
	}
	f(m)
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	a.members[bundle.ManifestName] = data
}

// replace changes a member and the manifest's digest of it.
func (a *archive) replace(t testing.TB, name, text string) {
	a.members[name] = []byte(text)
	sum := sha256.Sum256([]byte(text))
	a.manifest(t, func(m map[string]any) {
		for _, e := range m["members"].([]any) {
			if e := e.(map[string]any); e["name"] == name {
				e["size"], e["sha256"] = len(text), hex.EncodeToString(sum[:])
			}
		}
	})
}

func (a *archive) pack(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, name := range a.names {
		w, err := zw.CreateHeader(&zip.FileHeader{Name: name, Method: a.method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(a.members[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, a *archive)
		raw    func(raw []byte) []byte
		kind   bundle.Kind
		member string
		want   string
	}{
		{name: "empty", raw: func([]byte) []byte { return nil }, kind: bundle.NotBundle, want: "no zip archive"},
		{name: "text", raw: func([]byte) []byte { return []byte("hello") }, kind: bundle.NotBundle, want: "no zip archive"},
		{name: "cut off", raw: func(raw []byte) []byte { return raw[:len(raw)/2] }, kind: bundle.Truncated, want: "directory is missing"},
		{name: "too large", raw: func([]byte) []byte { return make([]byte, bundle.MaxSize+1) }, kind: bundle.TooLarge, want: "the limit is"},
		{
			name: "a changed byte", raw: func(raw []byte) []byte {
				i := bytes.LastIndex(raw, []byte("log_msg"))
				raw[i] = 'L'
				return raw
			}, kind: bundle.BadDigest, member: "pipeline.ir", want: "CRC-32",
		},
		{name: "a changed member", change: func(_ *testing.T, a *archive) { a.members["p4info.txtpb"][0] = 'q' }, kind: bundle.BadDigest, member: "p4info.txtpb", want: "sha256 is"},
		{name: "a longer member", change: func(_ *testing.T, a *archive) { a.members["entries.txtpb"] = append(a.members["entries.txtpb"], ' ') }, kind: bundle.BadDigest, member: "entries.txtpb", want: "the manifest says"},
		{name: "a missing member", change: func(_ *testing.T, a *archive) { a.names = a.names[:3] }, kind: bundle.Truncated, member: "pipeline.ir", want: "the archive lacks it"},
		{name: "no manifest", change: func(_ *testing.T, a *archive) { a.names = []string{"p4info.txtpb"} }, kind: bundle.NotBundle, member: "manifest.json", want: "no such member"},
		{name: "a member too many", change: func(_ *testing.T, a *archive) { a.names = append(a.names, "z"); a.members["z"] = nil }, kind: bundle.BadManifest, member: "z", want: "does not list"},
		{name: "a member twice", change: func(_ *testing.T, a *archive) { a.names = append(a.names, "pipeline.ir") }, kind: bundle.BadMember, member: "pipeline.ir", want: "occurs twice"},
		{name: "compressed", change: func(_ *testing.T, a *archive) { a.method = zip.Deflate }, kind: bundle.BadMember, member: "entries.txtpb", want: "compressed"},
		{
			name: "many members", change: func(_ *testing.T, a *archive) {
				for i := range bundle.MaxMembers {
					a.names = append(a.names, fmt.Sprint("m", i))
				}
			}, kind: bundle.TooLarge, want: "68 members",
		},
		{name: "a later format", change: func(t *testing.T, a *archive) { a.manifest(t, func(m map[string]any) { m["format"], m["new"] = 9, 1 }) }, kind: bundle.BadFormat, member: "manifest.json", want: "format 9; this version reads 1 to 1"},
		{name: "format 0", change: func(t *testing.T, a *archive) { a.manifest(t, func(m map[string]any) { delete(m, "format") }) }, kind: bundle.BadFormat, member: "manifest.json", want: "format 0"},
		{name: "unknown field", change: func(t *testing.T, a *archive) { a.manifest(t, func(m map[string]any) { m["new"] = 1 }) }, kind: bundle.BadManifest, member: "manifest.json", want: `unknown field "new"`},
		{name: "bad JSON", change: func(_ *testing.T, a *archive) { a.members["manifest.json"] = []byte("{") }, kind: bundle.BadManifest, member: "manifest.json", want: "unexpected end"},
		{name: "text after", change: func(_ *testing.T, a *archive) {
			a.members["manifest.json"] = append(a.members["manifest.json"], "{}"...)
		}, kind: bundle.BadManifest, member: "manifest.json"},
		{
			name: "a member unlisted", change: func(t *testing.T, a *archive) {
				a.manifest(t, func(m map[string]any) { m["members"] = m["members"].([]any)[:2] })
			}, kind: bundle.BadManifest, member: "manifest.json", want: "pipeline.ir is not listed",
		},
		{name: "bad P4Info", change: func(t *testing.T, a *archive) { a.replace(t, "p4info.txtpb", "tables: 1") }, kind: bundle.BadMember, member: "p4info.txtpb"},
		{name: "bad entries", change: func(t *testing.T, a *archive) { a.replace(t, "entries.txtpb", "x") }, kind: bundle.BadMember, member: "entries.txtpb"},
		{name: "bad program", change: func(t *testing.T, a *archive) { a.replace(t, "pipeline.ir", "x") }, kind: bundle.BadMember, member: "pipeline.ir"},
		{
			name: "a typed program", change: func(t *testing.T, a *archive) {
				a.replace(t, "pipeline.ir", "p4nic-ir 1 typed\nprogram \"t\" arch \"v1model\";\nerrors { NoError }\n")
			}, kind: bundle.BadMember, member: "pipeline.ir", want: "level typed, want core",
		},
		{
			name: "a program that does not type", change: func(t *testing.T, a *archive) {
				a.replace(t, "pipeline.ir", strings.Replace(program, "extern log_msg(\"x\");", "x = 9w1;", 1))
			}, kind: bundle.BadMember, member: "pipeline.ir",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var raw []byte
			if c.raw != nil {
				raw = c.raw(write(t))
			} else {
				a := open(t)
				c.change(t, a)
				raw = a.pack(t)
			}
			_, err := bundle.Read(raw)
			e, ok := errors.AsType[*bundle.Error](err)
			if !ok {
				t.Fatalf("error %v", err)
			}
			if e.Kind != c.kind || e.Member != c.member || !strings.Contains(e.Error(), c.want) {
				t.Errorf("error %q (kind %q, member %q), want kind %q, member %q, text %q", e, e.Kind, e.Member, c.kind, c.member, c.want)
			}
		})
	}
}

// Any bytes are read without a panic, and what is accepted is what Write makes
// of the same contents, apart from the order and attributes of zip members.
func FuzzRead(f *testing.F) {
	f.Add(write(f))
	f.Add(open(f).pack(f))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := bundle.Read(raw)
		if err != nil {
			if _, ok := errors.AsType[*bundle.Error](err); !ok {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		if _, err := bundle.Write(bundle.Contents{
			Compiler: b.Manifest.Compiler, P4Info: b.P4Info, Entries: b.Entries, Program: b.Program,
		}); err != nil {
			t.Fatal(err)
		}
	})
}
