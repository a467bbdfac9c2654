// Package bundle reads and writes .nicpkg files, the unit that nicctl builds,
// P4Runtime carries as p4_device_config and nicd loads.
//
// In: the P4Info, the initial entries and the core program. Out: the bytes of a
// zip archive, and back. The archive's members are stored, not deflated, sorted
// by name and without times, so equal content gives equal bytes.
//
//	bindings.txtpb  p4nic.bindings.v1.Bindings: what tables mean; where bound
//	bmv2.json       the program for simple_switch; where its format can say it
//	entries.txtpb   p4.v1.WriteRequest: the entries written in the program
//	manifest.json   format, versions, required features, digests of the others
//	p4info.txtpb    p4.config.v1.P4Info
//	pipeline.ir     the core program in text form, with its source map
//
// Must not import: the front end, a back end, runtime.
package bundle

import (
	"fmt"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/proto/bindingspb"
)

// Format is the version of the archive's layout that Write produces. Read
// accepts Format and Format-1 (none before 1).
const Format = 1

// Limits of what Read accepts. They bound memory before anything is parsed.
const (
	MaxSize    = 64 << 20 // bytes of the archive
	MaxMembers = 64
	maxNameLen = 255
)

// Names of the members.
const (
	ManifestName = "manifest.json"
	P4InfoName   = "p4info.txtpb"
	EntriesName  = "entries.txtpb"
	PipelineName = "pipeline.ir"
	BindingsName = "bindings.txtpb" // optional
	BMV2Name     = "bmv2.json"      // optional
)

// Manifest says what a bundle is without parsing its members.
type Manifest struct {
	Format   int    `json:"format"`   // Format
	Compiler string `json:"compiler"` // version of the compiler that wrote it
	Program  string `json:"program"`  // base name of the main source file
	Arch     string `json:"arch"`     // "v1model"
	// Requires names what an engine must offer to run the program, sorted, e.g.
	// "extern:hash", "match:ternary".
	Requires []string `json:"requires"`
	// Tables is the size of every table, in order of declaration.
	Tables []TableSize `json:"tables"`
	// Members are the other files of the archive, sorted by name.
	Members []Member `json:"members"`
}

// TableSize is what a table asks for.
type TableSize struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`    // entries
	KeyBits int    `json:"keyBits"` // of all keys
}

// Member is one file of the archive.
type Member struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // 64 hexadecimal digits
}

// Contents is what Write packs.
type Contents struct {
	Compiler string             // version of the compiler
	P4Info   *p4configv1.P4Info // from p4info.Generate
	Entries  *p4v1.WriteRequest // initial entries; nil when there are none
	Program  *ir.Program        // core level
	// Bindings are checked (compiler/bindings); nil or without tables = none.
	Bindings *bindingspb.Bindings
	// BMV2 is the program as bmv2 JSON, for devices that take it; nil where the
	// format cannot say it.
	BMV2 []byte
}

// Bundle is an archive as Read found it.
type Bundle struct {
	Manifest   Manifest
	P4Info     *p4configv1.P4Info
	P4InfoText []byte               // the member's bytes
	Entries    *p4v1.WriteRequest   // never nil; without updates when there are none
	Program    *ir.Program          // core level, verified
	Bindings   *bindingspb.Bindings // never nil; checked against Program
	Raw        []byte               // the whole archive; P4Runtime's Get returns it
}

// Kind says what is wrong with an archive.
type Kind string

// Kinds of errors.
const (
	NotBundle   Kind = "not a bundle"
	Truncated   Kind = "truncated"
	TooLarge    Kind = "too large"
	BadFormat   Kind = "unknown format"
	BadManifest Kind = "bad manifest"
	BadDigest   Kind = "digest mismatch"
	BadMember   Kind = "bad member"
)

// Error is why Read refused an archive. Member is "" when no single member is
// to blame.
type Error struct {
	Kind   Kind
	Member string
	Detail string
	Err    error // the cause, when another package found it
}

func (e *Error) Error() string {
	s := "bundle: " + string(e.Kind)
	if e.Member != "" {
		s += " in " + e.Member
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

func fail(k Kind, member, format string, args ...any) error {
	return &Error{Kind: k, Member: member, Detail: fmt.Sprintf(format, args...)}
}
