package ssa

import (
	"errors"
	"strings"
	"testing"
)

// TestRefusals: what is not lowered is refused by construct, line and reason.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name, hdr, state, body, meta string
		construct, reason            string
		line                         int32
	}{
		{name: "digest", meta: "h_t[2] st;", body: "#8:1 extern digest(32w1, {meta});", construct: "extern digest", reason: "cannot be sent", line: 8},
		{name: "unknown extern", body: "#8:1 extern frobnicate(32w1);", construct: "extern frobnicate", reason: "cannot be lowered", line: 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			state := test.state
			if state == "" {
				state = "goto accept;"
			}
			p := coreProgram(t, `program "refused" arch "v1model";
file "prog.p4" {
}
%v1model%
header h_t { bit<8> f; `+test.hdr+` }
struct headers_t { h_t h; }
struct meta_t { bit<100> w; bit<32> n; `+test.meta+` }
parser p (packet_in b, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
	state start { lookahead(meta.n); `+state+` }
}
control vr (inout headers_t hdr, inout meta_t meta) { }
control ig (inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
	`+test.body+`
}
control eg (inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { }
control ck (inout headers_t hdr, inout meta_t meta) { }
control dep (packet_out b, in headers_t hdr) { emit(hdr); }
pipeline { p = p; vr = vr; ig = ig; eg = eg; ck = ck; dep = dep; }
`)
			_, err := Lower(p, Options{})
			var u *Unsupported
			if !errors.As(err, &u) {
				t.Fatalf("error %v, want a refusal", err)
			}
			if !strings.Contains(u.Construct, test.construct) || !strings.Contains(u.Reason, test.reason) {
				t.Errorf("refused %q because %q", u.Construct, u.Reason)
			}
			if test.line != 0 && (u.Pos.Line != test.line || u.File != "prog.p4") {
				t.Errorf("refused at %s:%d, want prog.p4:%d", u.File, u.Pos.Line, test.line)
			}
		})
	}
}
