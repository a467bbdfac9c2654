package diag

import (
	"encoding/json"
	"io"

	"github.com/p4nic/p4nic/compiler/source"
)

// jsonPlace is a span as tools want it. EndLine and EndCol are exclusive and
// left out when the span ends in another file.
type jsonPlace struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	EndLine int    `json:"endLine,omitempty"`
	EndCol  int    `json:"endCol,omitempty"`
}

type jsonNote struct {
	At      *jsonPlace `json:"at,omitempty"`
	Message string     `json:"message"`
}

type jsonFix struct {
	At      *jsonPlace `json:"at,omitempty"`
	Text    string     `json:"text"`
	Message string     `json:"message"`
}

type jsonDiagnostic struct {
	Severity string     `json:"severity"`
	Code     string     `json:"code"`
	Message  string     `json:"message"`
	At       *jsonPlace `json:"at,omitempty"`
	Notes    []jsonNote `json:"notes,omitempty"`
	Fix      *jsonFix   `json:"fix,omitempty"`
}

type jsonList struct {
	Diagnostics []jsonDiagnostic `json:"diagnostics"`
	Errors      int              `json:"errors"`
	Warnings    int              `json:"warnings"`
	Dropped     int              `json:"dropped,omitempty"`
}

// RenderJSON writes the list as one JSON object:
// {"diagnostics": [...], "errors": N, "warnings": N}.
func (l *List) RenderJSON(w io.Writer) error {
	out := jsonList{Diagnostics: []jsonDiagnostic{}, Errors: l.errors, Warnings: l.warnings, Dropped: l.dropped}
	for _, d := range l.All() {
		j := jsonDiagnostic{
			Severity: d.Severity.String(), Code: string(d.Code), Message: d.Message,
			At: place(l.set, d.Span),
		}
		for _, n := range d.Notes {
			j.Notes = append(j.Notes, jsonNote{place(l.set, n.Span), n.Message})
		}
		if d.Fix != nil {
			j.Fix = &jsonFix{place(l.set, d.Fix.Span), d.Fix.Text, d.Fix.Message}
		}
		out.Diagnostics = append(out.Diagnostics, j)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func place(set *source.Set, sp source.Span) *jsonPlace {
	if !sp.IsValid() {
		return nil
	}
	p := set.Position(sp.Lo)
	out := &jsonPlace{File: p.File, Line: p.Line, Col: p.Col}
	if e := set.Position(sp.Hi); e.Line != 0 && e.File == p.File && set.File(sp.Hi) == set.File(sp.Lo) {
		out.EndLine, out.EndCol = e.Line, e.Col
	}
	return out
}
