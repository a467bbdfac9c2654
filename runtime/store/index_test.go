package store

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// TestIndex drives an index beside a map: random keys in and out, many of one
// segment, deletions in the middle of runs.
func TestIndex(t *testing.T) {
	for _, size := range []int{4, 3000, 20_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(size), 1))
			x := newIndex(size)
			keys := map[uint32]string{}
			byKey := map[string]uint32{}
			next := uint32(1)
			look := func(key string) uint32 {
				return x.find(x.hash(key, 0), func(h uint32) bool { return keys[h] == key })
			}
			for range 10 * size {
				key := strconv.Itoa(rng.IntN(2 * size))
				h := look(key)
				if h != byKey[key] {
					t.Fatalf("key %s: handle %d, want %d", key, h, byKey[key])
				}
				switch {
				case h == 0 && len(byKey) < size:
					keys[next], byKey[key] = key, next
					x.put(x.hash(key, 0), next)
					next++
				case h != 0 && rng.IntN(2) == 0:
					x.remove(x.hash(key, 0), h)
					delete(byKey, key)
					delete(keys, h)
				}
			}
			if x.count != len(byKey) {
				t.Errorf("%d entries, want %d", x.count, len(byKey))
			}
			for key, h := range byKey {
				if look(key) != h {
					t.Errorf("key %s is lost", key)
				}
			}
		})
	}
	x := newIndex(8)
	if x.hash("a", 1) == x.hash("a", 2) || x.hash("a", 0) == x.hash("b", 0) {
		t.Error("hashes that should differ")
	}
}

// TestChunksAreShared: a snapshot copies nothing, and what changes after it copies
// one chunk and the list of chunks, once.
func TestChunksAreShared(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(largeOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Start(nullPlane{storetest.NewPlane()}); err != nil {
		t.Fatal(err)
	}
	pl := largePipeline(t)
	if err := s.SetPipeline(Commit, pl); err != nil {
		t.Fatal(err)
	}
	const n = 10 * chunkSize
	if _, err := s.Apply(Batch{Pipeline: pl, Updates: largeUpdates(0, n)}); err != nil {
		t.Fatal(err)
	}
	v := s.Snapshot(nil)
	before := v.tables[0].chunks
	u := largeUpdates(3*chunkSize+5, 1)
	u[0].Kind, u[0].Args = entity.Modify, "\x07\x07"
	for range 3 {
		if errs, err := s.Apply(Batch{Pipeline: pl, Updates: u}); err != nil || errs != nil {
			t.Fatal(err, errs)
		}
	}
	after := s.Snapshot(nil).tables[0].chunks
	differ := 0
	for i := range before {
		if before[i] != after[i] {
			differ++
		}
	}
	if differ != 1 {
		t.Errorf("%d chunks were copied, want 1", differ)
	}
	if got := testing.AllocsPerRun(10, func() { s.Snapshot(nil) }); got > 8 {
		t.Errorf("a snapshot takes %v allocations", got)
	}
}
