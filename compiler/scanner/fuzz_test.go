package scanner

import (
	"testing"
	"testing/fstest"

	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
)

// FuzzScan: any text gives tokens that end in one EOF and lie in it, in order; an
// integer has a value, and a name that was quoted is read back.
func FuzzScan(f *testing.F) {
	for _, s := range []string{"", "8w0xFF 16s1_0 0b1 0o7 1e", "\"a\\\"b\" \"open", "a.b>>=c &&& ..", "/* open", "header h { bit<8> x; } // end", "9999999w1 3w9", "\xff\x00", "@pragma x\n#line 3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set := source.NewSet()
		rep := diag.NewList(set, 0)
		opts := preproc.Options{FS: fstest.MapFS{}, Limits: preproc.Limits{IncludeDepth: 2, Files: 4, Tokens: 20_000, Bytes: 1 << 20}}
		tokens := Scan(preproc.RunText(set, opts, "main.p4", text, rep), rep)
		for i, x := range tokens {
			if (x.Kind == EOF) != (i == len(tokens)-1) {
				t.Fatalf("token %d of %d is of kind %v", i, len(tokens), x.Kind)
			}
			if x.Kind == Int && (x.Int == nil || x.Int.Value == nil) {
				t.Errorf("%q has no value", x.Text)
			}
		}
		if got := Unquote(Quote(text)); got != text {
			t.Errorf("quoted and unquoted: %q, want %q", got, text)
		}
		if v, why := ParseInteger(text); (v != nil && v.Value != nil) != (why == "") {
			t.Errorf("ParseInteger(%q) gives %v and %q", text, v, why)
		}
	})
}
