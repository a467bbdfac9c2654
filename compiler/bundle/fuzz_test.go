package bundle_test

import (
	"errors"
	"testing"

	"github.com/p4nic/p4nic/compiler/bundle"
)

// FuzzMembers: any content of a member behind a manifest that vouches for it is
// read or refused, naming the bundle's fault. FuzzRead alone hardly gets there:
// what it changes has the wrong checksum.
func FuzzMembers(f *testing.F) {
	a := open(f)
	for i, name := range a.names {
		f.Add(uint8(i), string(a.members[name]))
	}
	f.Fuzz(func(t *testing.T, member uint8, text string) {
		a := open(t)
		name := a.names[int(member)%len(a.names)]
		if name == bundle.ManifestName {
			a.members[name] = []byte(text)
		} else {
			a.replace(t, name, text)
		}
		raw := a.pack(t)
		b, err := bundle.Read(raw)
		if err == nil {
			if b.Program == nil || b.P4Info == nil {
				t.Error("a bundle without a program or P4Info")
			}
			return
		}
		var e *bundle.Error
		if !errors.As(err, &e) {
			t.Fatalf("error of type %T: %v", err, err)
		}
	})
}
