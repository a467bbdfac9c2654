package matrix

import (
	"regexp"
	"strconv"
	"strings"
)

// A citation is PREFIX:ID, as `lang:L47`. After one, a range (`lang:L47-L56`,
// `lang:L47 to lang:L56`) and a list (`p4rt:I4, X1, B7`) may go on without the
// prefix. A decision is cited bare, `D6`, in comments and in the names of
// subtests. A test that names its subtests "p4rt:" + row cites the ids that the
// names of the rows begin with.
var (
	citation = regexp.MustCompile(`\b(lang|p4rt|gribi|gnmi|dp|op|fe|datapath|operator|feasibility|p4runtime|language):([A-Z]{1,3}-?|)([0-9]+)\b`)
	rangeEnd = regexp.MustCompile(`^(?:[-–]| to )(?:([a-z0-9]+:))?([A-Z]{1,3}-?)([0-9]+)\b`)
	listNext = regexp.MustCompile(`^(?:, and |, ?| and )([A-Z]{1,3}-?)([0-9]+)\b`)
	leading  = regexp.MustCompile(`^([A-Z]{1,3}-?)([0-9]+)(?: |$)`)
	decision = regexp.MustCompile(`(^|[^\w:.-])D([1-9]|[12][0-9])\b`)
)

// barePrefix is what a test puts before the name of a table's row.
var barePrefix = regexp.MustCompile(`^(lang|p4rt|gribi|gnmi|dp|op|fe):$`)

// leading reads the ids that the name of a row begins with, as "RD5 RD6 one table".
func (c *checklists) leading(prefix, name string) []found {
	var out []found
	for {
		m := leading.FindStringSubmatch(name)
		if m == nil || !c.families[prefix+m[1]] {
			return out
		}
		f := found{id: prefix + m[1] + m[2]}
		if d := m[1] + m[2]; m[1] == "D" && !c.known[f.id] && c.known[d] {
			f.id = d // a decision, which the page has no id for
		} else if !c.known[f.id] {
			f.bad = f.id + " is cited, but no checklist defines it"
		}
		out, name = append(out, f), name[len(m[0]):]
	}
}

// spelled maps the names of pages to the prefixes that cite them, so that the
// likely slip is told with its remedy.
func spelled(prefix string) (right string, slip bool) {
	switch prefix {
	case "datapath":
		return "dp", true
	case "operator":
		return "op", true
	case "feasibility":
		return "fe", true
	case "p4runtime":
		return "p4rt", true
	case "language":
		return "lang", true
	}
	return prefix, false
}

// found is one id in a text.
type found struct {
	id   string
	line int // from 0 within the text
	bad  string
}

// citations reads a text: a comment, a string or a test-data file. Bare
// decisions count only where bare is set.
func (c *checklists) citations(text string, bare bool) []found {
	var out []found
	line := func(at int) int { return strings.Count(text[:at], "\n") }
	add := func(at int, id string) {
		f := found{id: id, line: line(at)}
		if !c.known[id] {
			f.bad = id + " is cited, but no checklist defines it"
		}
		out = append(out, f)
	}
	for _, m := range citation.FindAllStringSubmatchIndex(text, -1) {
		name, family, num := text[m[2]:m[3]], text[m[4]:m[5]], text[m[6]:m[7]]
		right, slip := spelled(name)
		switch {
		case slip && family != "":
			out = append(out, found{line: line(m[0]), bad: name + ":" + family + num + ": the prefix of this page is " + right + ":"})
			continue
		case (family == "") != (right == "fe"):
			continue // a time, an address, a port
		case right == "fe" && (m[1] < len(text) && text[m[1]] == ':' || m[0] > 0 && !strings.ContainsRune(" (\t\n,", rune(text[m[0]-1]))):
			continue // a part of an address
		}
		prefix := right + ":"
		add(m[0], prefix+family+num)
		c.more(text, m[1], prefix, family, num, add)
	}
	if bare {
		for _, m := range decision.FindAllStringSubmatchIndex(text, -1) {
			if id := "D" + text[m[4]:m[5]]; c.known[id] {
				add(m[4]-1, id)
			}
		}
	}
	return out
}

// more reads the ranges and lists that go on after a citation which ends at at.
func (c *checklists) more(text string, at int, prefix, family, num string, add func(int, string)) {
	for {
		if m := rangeEnd.FindStringSubmatch(text[at:]); m != nil && (m[1] == "" || m[1] == prefix) && m[2] == family {
			from, _ := strconv.Atoi(num)
			to, _ := strconv.Atoi(m[3])
			// The last is left to its own match when it has a prefix.
			for k := from + 1; k < to || k == to && m[1] == ""; k++ {
				add(at, prefix+family+strconv.Itoa(k))
			}
			if m[1] != "" {
				return
			}
			at, num = at+len(m[0]), m[3]
			continue
		}
		m := listNext.FindStringSubmatch(text[at:])
		if m == nil {
			return
		}
		// A decision ends the list: `lang:J6, D4` is not lang:D4.
		if m[1] == "D" || !c.families[prefix+m[1]] {
			return
		}
		family, num = m[1], m[2]
		at += len(m[0])
		add(at-1, prefix+family+num)
	}
}
