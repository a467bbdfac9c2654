// Package auditlog is a log of who changed what that shows when somebody tampers
// with it: lines of JSON, each with the SHA-256 of the line before.
//
// In: records. Out: files audit-FIRST.jsonl in a directory, and a verdict on them.
// Must not import: any other package of this module.
//
// A line is
//
//	{"seq":N,"time":T,"prev":HASH,...,"hash":HASH}
//
// where hash is the SHA-256, in hexadecimal, of the bytes of the line in front of
// ,"hash": and prev the hash of the line before, in the file before where it is
// the first of its file; the first of all has 64 zeros. So a line that was
// changed, removed, put in or moved breaks the chain at its place. There is no
// key: who can write the files can write a new chain from any place to the end.
// Against that, and against a cut at the end, the last hash is shown elsewhere
// (nicctl status): a copy of it names everything before.
package auditlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Kinds of records.
const (
	KindRequest = "request" // of a client; RPC to Failed say which
	KindStart   = "start"   // nicd began to write; Text is its version
	KindRepair  = "repair"  // the end of the file was not whole after a crash; Text says what was done
	KindLost    = "lost"    // Count records could not be written, because of Text
)

// Record is one line. The zero value of a field is left out, but for the first
// three and Code.
type Record struct {
	Sequence uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Previous string    `json:"prev"`
	Kind     string    `json:"kind"`
	Count    uint64    `json:"count,omitempty"`
	Text     string    `json:"text,omitempty"`

	RPC     string            `json:"rpc,omitempty"`     // "p4.v1.P4Runtime/Write"
	Client  string            `json:"client,omitempty"`  // identity: "spiffe://example.org/ctl", "uid 0 (root)"
	Via     string            `json:"via,omitempty"`     // "unix", "tls", "insecure"
	Address string            `json:"address,omitempty"` // of the client
	What    map[string]string `json:"what,omitempty"`    // counts and ids, by kind of request
	Bytes   uint64            `json:"bytes,omitempty"`   // of the request, as it came
	Digest  string            `json:"digest,omitempty"`  // SHA-256 of these bytes; of requests of a stream, of their SHA-256s one after another
	Code    string            `json:"code,omitempty"`    // gRPC status
	Message string            `json:"message,omitempty"` // of the status
	Failed  uint64            `json:"failed,omitempty"`  // parts of the request that were refused, where each has its own result
}

// Limits of what a line holds, so that room for one can be kept.
const (
	maxText = 300     // bytes of a text
	maxLine = 8 << 10 // bytes of a line; what is longer loses What
)

const (
	hashKey = `,"hash":"`
	tailLen = len(hashKey) + 2*sha256.Size + len(`"}`)
)

// zeroHash is what the first record of all has in the place of a hash before it.
var zeroHash = strings.Repeat("0", 2*sha256.Size)

// encode gives the line of a record, with its newline, and its hash.
func encode(r *Record) (line []byte, hash string, err error) {
	for _, s := range []*string{&r.Text, &r.RPC, &r.Client, &r.Address, &r.Message} {
		*s = clip(*s)
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, "", err
	}
	if len(body)+tailLen+1 > maxLine {
		r.What = map[string]string{"omitted": "the description is too long"}
		if body, err = json.Marshal(r); err != nil {
			return nil, "", err
		}
	}
	body = body[:len(body)-1] // the closing brace
	sum := sha256.Sum256(body)
	hash = hex.EncodeToString(sum[:])
	line = append(body, hashKey...)
	line = append(line, hash...)
	return append(line, '"', '}', '\n'), hash, nil
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	s = s[:maxText]
	for len(s) > 0 && !utf8.ValidString(s[max(0, len(s)-utf8.UTFMax):]) {
		s = s[:len(s)-1]
		if len(s) < maxText-utf8.UTFMax {
			break // it never was UTF-8; JSON replaces what is not
		}
	}
	return s + "..."
}

var errHash = errors.New("the record does not have the hash that it says: it was changed")

// decode reads a line without its newline. With errHash the record is what the
// line says.
func decode(line []byte) (r Record, hash string, err error) {
	n := len(line) - tailLen
	if n < 2 || !bytes.HasPrefix(line[n:], []byte(hashKey)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return r, "", errors.New("no record: it does not end in a hash")
	}
	body := line[:n]
	hash = string(line[n+len(hashKey) : len(line)-2])
	d := json.NewDecoder(bytes.NewReader(append(bytes.Clone(body), '}')))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, "", fmt.Errorf("no record: %w", err)
	}
	if d.More() {
		return r, "", errors.New("no record: something follows it on its line")
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != hash {
		return r, hash, errHash
	}
	return r, hash, nil
}
