package store

import (
	"testing"

	"github.com/p4nic/p4nic/runtime/entity"
)

// TestWatch: a watcher is told of every change of content and of no refusal, and
// one value may stand for many.
func TestWatch(t *testing.T) {
	r := newRig(t)
	changed, cancel := r.s.Watch()
	told := func(what string, want bool) {
		t.Helper()
		got := false
		select {
		case <-changed:
			got = true
		default:
		}
		if got != want {
			t.Errorf("%s: told %v, want %v", what, got, want)
		}
	}
	told("nothing happened", false)
	r.mustSet(Commit, "")
	told("a pipeline", true)
	key := string(make([]byte, r.s.Pipeline().Schema.Tables[0].KeySize))
	insert := entity.Update{Kind: entity.Insert, Key: key, HasAction: true}
	r.must(insert)
	r.must(entity.Update{Kind: entity.Modify, Key: key, HasAction: true})
	told("two changes", true)
	told("nothing since", false)
	if err := r.apply(insert)[0]; err == nil {
		t.Error("a second INSERT was taken")
	}
	told("a refusal", false)
	cancel()
	r.must(entity.Update{Kind: entity.Delete, Key: key})
	told("a change after cancel", false)
}
