package store

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

const largeSize = 1 << 20

func largeProgram(Config) (*ir.Program, error) {
	b := storetest.NewBuilder("large")
	b.Table("routes", largeSize, true, []ir.Key{storetest.Key("dst", ir.MatchLPM, 32)}, b.Action("NoAction"), b.Action("set", "nh", 16))
	return b.Program, nil
}

func largeOptions(dir string) Options {
	return Options{Dir: dir, Load: largeProgram, BootID: "b", CompactBytes: 1 << 40}
}

func largePipeline(t testing.TB) *Pipeline {
	p, err := largeProgram(Config{})
	if err != nil {
		t.Fatal(err)
	}
	pl, err := NewPipeline(Config{}, p)
	if err != nil {
		t.Fatal(err)
	}
	return pl
}

func largeUpdates(first, n int) []entity.Update {
	us := make([]entity.Update, n)
	for i := range us {
		k := binary.BigEndian.AppendUint32(nil, uint32(first+i))
		us[i] = entity.Update{Kind: entity.Insert, Key: string(binary.BigEndian.AppendUint16(k, 32)), HasAction: true, Action: 1, Args: "\x00\x01"}
	}
	return us
}

func fillLarge(t testing.TB, dir string, n int) {
	s, err := Open(largeOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(nullPlane{storetest.NewPlane()}); err != nil {
		t.Fatal(err)
	}
	pl := largePipeline(t)
	if err := s.SetPipeline(Commit, pl); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < n; i += 1000 {
		if errs, err := s.Apply(Batch{Pipeline: pl, Updates: largeUpdates(i, 1000)}); err != nil || errs != nil {
			t.Fatal(err, errs)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// nullPlane accepts everything and keeps nothing.
type nullPlane struct{ *storetest.Plane }

func (nullPlane) Apply([]dataplane.Op) []error { return nil }

// repair puts the checksums of a journal's records right, as far as lengths
// lead.
func repair(raw []byte) {
	if len(raw) < len(magic) {
		return
	}
	for raw = raw[len(magic):]; len(raw) >= headerSize; {
		n := int64(binary.LittleEndian.Uint32(raw))
		if n > int64(len(raw)-headerSize) {
			return
		}
		binary.LittleEndian.PutUint32(raw[4:], crc32.Checksum(raw[headerSize:headerSize+n], castagnoli()))
		raw = raw[headerSize+n:]
	}
}
