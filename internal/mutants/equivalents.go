package mutants

import (
	"fmt"
	"os"
	"strings"
)

// Equivalents are changes that nothing can tell from the code as it is, each
// with a proof that a reader can check.
type Equivalents struct{ list []equivalent }

type equivalent struct {
	file, function, changed, proof string
}

// ReadEquivalents reads a file of entries:
//
//	== FILE FUNCTION
//	- a line of the code as it is
//	+ the line as it is changed
//	proof: why nothing can tell them apart,
//	on as many lines as it takes
//
// What is only taken away, or only put, has lines of one kind.
func ReadEquivalents(name string) (*Equivalents, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseEquivalents(name, string(text))
}

func parseEquivalents(name, text string) (*Equivalents, error) {
	e := &Equivalents{}
	var cur *equivalent
	proof := false
	for n, l := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(l, "== "):
			file, function, ok := strings.Cut(l[3:], " ")
			if !ok {
				return nil, fmt.Errorf("%s:%d: == FILE FUNCTION is wanted", name, n+1)
			}
			e.list = append(e.list, equivalent{file: file, function: function})
			cur, proof = &e.list[len(e.list)-1], false
		case strings.HasPrefix(l, "#") && cur == nil, strings.TrimSpace(l) == "":
		case cur == nil:
			return nil, fmt.Errorf("%s:%d: an entry begins with ==", name, n+1)
		case strings.HasPrefix(l, "proof: "):
			cur.proof, proof = l[len("proof: "):], true
		case proof:
			cur.proof += "\n" + l
		case strings.HasPrefix(l, "-") || strings.HasPrefix(l, "+"):
			cur.changed += changed(l)
		default:
			return nil, fmt.Errorf("%s:%d: a line of code begins with - or +", name, n+1)
		}
	}
	for _, q := range e.list {
		if q.changed == "" || q.proof == "" {
			return nil, fmt.Errorf("%s: %s %s has no change or no proof", name, q.file, q.function)
		}
	}
	return e, nil
}

// proof gives the proof that m changes nothing, or "".
func (e *Equivalents) proof(m *Mutant) string {
	if e == nil {
		return ""
	}
	for _, q := range e.list {
		if q.file == m.File && q.function == m.Function && q.changed == changed(m.Diff) {
			return q.proof
		}
	}
	return ""
}

// Judge marks a survivor that is on file as equivalent.
func (e *Equivalents) Judge(r *Result) {
	if p := e.proof(r.Mutant); p != "" && r.Outcome == Survived {
		r.Outcome, r.Proof = Equivalent, p
	}
}
