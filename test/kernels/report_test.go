package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/test/kernels/guest"
)

// events are those of a job with this output.
func events(job string, exit int, lines ...string) []guest.Event {
	out := []guest.Event{{Kind: guest.Start, Job: job, Seconds: 1}}
	for _, l := range lines {
		out = append(out, guest.Event{Kind: guest.Output, Job: job, Text: l})
	}
	return append(out, guest.Event{Kind: guest.Done, Job: job, Exit: exit, Seconds: 3.5})
}

func TestFaults(t *testing.T) {
	allowed := parseSkips("# a comment of three words\n6.1/amd64 a TestOld\n* a TestAny\n")
	for _, c := range []struct {
		name string
		es   []guest.Event
		want []string
	}{
		{"passed", events("a", 0, "=== RUN   TestX", "--- PASS: TestX (0.00s)", "PASS"), nil},
		{"failed", events("a", 1, "--- FAIL: TestX (0.00s)", "    --- FAIL: TestX/y z (1.00s)", "FAIL"), []string{"failed: TestX", "failed: TestX/y z"}},
		{"panicked", events("a", 2, "panic: x"), []string{"exit code 2"}},
		{"skips", events("a", 0, "--- SKIP: TestOld (0.00s)", "--- SKIP: TestAny (0.00s)", "--- SKIP: TestNew (0.00s)"),
			[]string{"skipped, which test/kernels/skips does not allow: TestNew"}},
		{"other job's skip", events("b", 0, "--- SKIP: TestAny (0.00s)"), []string{"skipped, which test/kernels/skips does not allow: TestAny"}},
		{"cut off", events("a", 0)[:1], []string{"did not end"}},
		{"too slow", []guest.Event{{Kind: guest.Start, Job: "a"}, {Kind: guest.Done, Job: "a", Exit: -1, Text: "not done after 5 s"}}, []string{"not done after 5 s"}},
		{"kernel", append(events("a", 0), guest.Event{Kind: guest.Warning, Job: "a", Text: "WARNING: CPU: 0"}), []string{"the kernel complained:\n    WARNING: CPU: 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			col := &collector{name: "6.1/amd64"}
			for _, e := range c.es {
				col.see(e)
			}
			if len(col.results) != 1 {
				t.Fatalf("%d results", len(col.results))
			}
			if got := col.results[0].faults(allowed); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got, bad := col.summary(allowed), strings.HasPrefix(col.summary(allowed), "FAIL: "); bad != (len(c.want) > 0) {
				t.Errorf("summary %q", got)
			}
			var out bytes.Buffer
			if good := report(&out, col.results, allowed); good != (len(c.want) == 0) {
				t.Errorf("report says %v:\n%s", good, out.String())
			}
		})
	}
}

func TestReportShowsFailures(t *testing.T) {
	col := &collector{name: "6.12/arm64"}
	for _, e := range events("a", 1, "=== RUN   TestX", "    x_test.go:1: wrong", "--- FAIL: TestX (0.00s)", "--- PASS: TestY (0.00s)") {
		col.see(e)
	}
	var out bytes.Buffer
	report(&out, col.results, skips{})
	for _, want := range []string{"=== 6.12/arm64 a\n", "x_test.go:1: wrong", "  failed: TestX\n", "FAIL    1       1       0        2"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, not := range []string{"=== RUN", "--- PASS"} {
		if strings.Contains(out.String(), not) {
			t.Errorf("%q in\n%s", not, out.String())
		}
	}
}

func TestParseFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // part of the error
	}{
		{[]string{"-kernel", "5.10"}, "there are 6.1, 6.12"},
		{[]string{"-arch", "amd64,riscv64"}, "-arch riscv64"},
		{[]string{"-seconds", "0"}, "at least 1"},
		{[]string{"x"}, `unexpected argument "x"`},
	} {
		if _, err := parse(c.args, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.args, err)
		}
	}
	o, err := parse([]string{"-cache", "/c", "-pkg", "demo,./runtime/..."}, &bytes.Buffer{})
	if err != nil || !o.work.Demo || !slices.Equal(o.work.Packages, []string{"./runtime/..."}) ||
		!slices.Equal(o.kernels, []string{"6.1", "6.12"}) || !slices.Equal(o.archs, []string{"amd64", "arm64"}) {
		t.Errorf("got %+v, %v", o, err)
	}
	o, err = parse([]string{"-cache", "/c", "-quick"}, &bytes.Buffer{})
	if err != nil || o.work.Demo || o.work.Run == "" || !slices.Equal(o.kernels, []string{"6.1"}) || !slices.Equal(o.archs, []string{"amd64"}) {
		t.Errorf("-quick: got %+v, %v", o, err)
	}
}
