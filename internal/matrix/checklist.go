package matrix

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// page is one document that defines ids.
type page struct {
	file     string
	prefix   string // of a citation, with its colon; "" for decisions
	families []string
}

// pages lists the documents in the order of docs/checklists/README.md. Ids of a
// family number from 1 without gaps; a page that breaks this is an error, so that
// a slip in a page cannot lose ids.
func pages() []page {
	dir := "docs/checklists/"
	return []page{
		{dir + "p4-language.md", "lang:", []string{"L", "V", "S", "N", "E", "B", "P", "J", "T", "C", "G", "R", "D", "X", "I", "U"}},
		{dir + "p4runtime.md", "p4rt:", []string{"S", "A", "I", "F", "B", "D", "X", "W", "E", "T", "M", "K", "DR", "IT", "AP", "OS", "C", "MT", "PR", "V", "R", "G", "EX", "RD", "PK", "SE", "CP", "Z", "D-", "CL", "Q", "PF", "U"}},
		{dir + "gribi-gnmi.md", "gribi:", []string{"W", "GR", "TF"}},
		{dir + "gribi-gnmi.md", "gnmi:", []string{"GN", "CF", "M", "RS", "CC", "DP", "U"}},
		{dir + "datapath.md", "dp:", []string{"BA", "BR", "RO", "NA", "FW", "LB", "TU", "DI", "TE", "QO", "KV", "OI", "MC", "TR", "TM", "U", "PX"}},
		{dir + "feasibility.md", "fe:", []string{""}},
		{dir + "operator.md", "op:", []string{"OC", "HW", "PL", "HT", "PE", "LV", "NC", "FL", "ST", "SP", "U"}},
		{"docs/decisions.md", "", []string{"D"}},
	}
}

// item is one id where its page defines it.
type item struct {
	id, page, text string
	line           int
	sure           bool // it does not merely follow a colon
}

// checklists is all ids.
type checklists struct {
	items    []item
	known    map[string]bool // ids as cited
	families map[string]bool // "lang:L", "p4rt:D-", "fe:", "D"
}

func readChecklists(fsys fs.FS) (*checklists, error) {
	c := &checklists{known: map[string]bool{}, families: map[string]bool{}}
	for _, p := range pages() {
		text, err := fs.ReadFile(fsys, p.file)
		if err != nil {
			return nil, err
		}
		items, err := definitions(p, string(text))
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			c.known[it.id] = true
		}
		for _, f := range p.families {
			c.families[p.prefix+f] = true
		}
		c.items = append(c.items, items...)
	}
	return c, nil
}

var (
	idToken = regexp.MustCompile(`\b([A-Z]{1,3}-?)([0-9]+)\b`)
	section = regexp.MustCompile(`^## ([0-9]+)\. (.*)`)
)

// definitions finds where the page defines its ids: at the start of a list item,
// a table's cell or a sentence, or after a colon where nothing better is found. Anywhere else an id is a reference.
func definitions(p page, text string) ([]item, error) {
	lines := strings.Split(text, "\n")
	found := map[string]map[int]item{} // family, number
	for _, f := range p.families {
		found[f] = map[int]item{}
	}
	contents := false
	for n, line := range lines {
		if strings.HasPrefix(line, "## ") {
			contents = line == "## Contents"
		}
		if contents {
			continue
		}
		if by := found[""]; by != nil {
			if m := section.FindStringSubmatch(line); m != nil {
				k, _ := strconv.Atoi(m[1])
				by[k] = item{p.prefix + m[1], p.file, excerpt(m[2]), n + 1, true}
			}
			continue
		}
		for _, m := range idToken.FindAllStringSubmatchIndex(line, -1) {
			family, num := line[m[2]:m[3]], line[m[4]:m[5]]
			k, err := strconv.Atoi(num)
			by, sure := found[family], begins(line[:m[0]])
			old, again := by[k]
			if by == nil || err != nil || !sure && !follows(line[:m[0]], ":") || again && (old.sure || !sure) {
				continue
			}
			by[k] = item{p.prefix + family + num, p.file, excerpt(line[m[1]:]), n + 1, sure}
		}
	}
	var items []item
	for _, f := range p.families {
		if len(found[f]) == 0 {
			return nil, fmt.Errorf("%s: no id of the family %s%s", p.file, p.prefix, f)
		}
		for k := 1; k <= len(found[f]); k++ {
			it, ok := found[f][k]
			if !ok {
				return nil, fmt.Errorf("%s: %d ids of %s%s, but no %s%s%d", p.file, len(found[f]), p.prefix, f, p.prefix, f, k)
			}
			items = append(items, it)
		}
	}
	return items, nil
}

// begins tells whether an id after this text stands where a definition does.
func begins(before string) bool {
	return strings.TrimRight(before, " *") == "" || follows(before, "-.;|)]}")
}

// follows tells whether one of marks is the last before an id. After a colon an
// id may be the first of several definitions, or a reference.
func follows(before, marks string) bool {
	before = strings.TrimRight(before, " *")
	return before != "" && strings.ContainsRune(marks, rune(before[len(before)-1]))
}

// excerpt is the start of a definition on one line, cut at the next id.
func excerpt(s string) string {
	s = strings.Trim(s, " *|.;")
	for _, m := range idToken.FindAllStringIndex(s, -1) {
		if m[0] > 0 && begins(s[:m[0]]) {
			s = strings.TrimRight(s[:m[0]], " *|.;")
			break
		}
	}
	const limit = 90
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit-1]) + "…"
	}
	return s
}
