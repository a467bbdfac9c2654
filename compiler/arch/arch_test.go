package arch

import (
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	t.Run("lang:V1", func(t *testing.T) {
		for _, name := range []string{"V1Switch", "v1model"} {
			a, err := Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			var slots []string
			for _, s := range a.Slots {
				slots = append(slots, s.Name)
			}
			if got, want := strings.Join(slots, " "), "p vr ig eg ck dep"; got != want {
				t.Errorf("%s: slots %q, want %q", name, got, want)
			}
		}
	})
	t.Run("unknown", func(t *testing.T) {
		_, err := Lookup("MySwitch")
		if err == nil || !strings.Contains(err.Error(), "MySwitch") || !strings.Contains(err.Error(), "V1Switch (v1model)") {
			t.Errorf("error %v", err)
		}
	})
}
