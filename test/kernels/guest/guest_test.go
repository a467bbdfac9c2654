package guest

import (
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for _, e := range []Event{
		{Kind: Ready, Text: "6.1.0-56-cloud-amd64"},
		{Kind: Output, Job: "a", Text: "\x00\t\"p4nic-guest {}\"\r\n\u2028 é"},
		{Kind: Done, Job: "a", Exit: -1, Seconds: 0.25},
	} {
		line := e.Line()
		if strings.ContainsAny(line, "\n\r") {
			t.Errorf("%q is more than a line", line)
		}
		for _, before := range []string{"", "[    1.0] half a message "} {
			got, ok, err := Parse(before + line + "\r\n")
			if err != nil || !ok || got != e {
				t.Errorf("%q: got %+v, %v, %v; want %+v", before+line, got, ok, err, e)
			}
		}
	}
	if e, ok, err := Parse("[    0.0] Linux version 6.1"); ok || err != nil {
		t.Errorf("a kernel message is event %+v, %v", e, err)
	}
	if _, ok, err := Parse(prefix + `{"Kind":"ou`); !ok || err == nil {
		t.Errorf("a damaged event: %v, %v", ok, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Event{Kind: Done, Job: "x", Exit: 1}.Line())
	f.Add("[ 1.0] p4nic-guest {")
	f.Fuzz(func(t *testing.T, line string) {
		e, ok, err := Parse(line)
		if !ok || err != nil {
			return
		}
		if again, ok, err := Parse(e.Line()); !ok || err != nil || again != e {
			t.Errorf("%+v came back as %+v, %v, %v", e, again, ok, err)
		}
	})
}
