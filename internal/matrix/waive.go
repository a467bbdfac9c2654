package matrix

import (
	"io/fs"
	"strconv"
	"strings"
)

const waiverFile = "internal/matrix/waivers.tsv"

// waived says why an id needs no test. exact: its line names this id alone.
type waived struct {
	reason string
	exact  bool
	line   int
}

type waivers struct {
	by     map[string]waived
	faults []Fault
}

// readWaivers reads the lines `IDS <tab> reason`, where IDS is one id, a range
// `lang:B1-B6` or a family `lang:U*`. Of several lines for an id the first holds.
func readWaivers(fsys fs.FS, list *checklists) (*waivers, error) {
	text, err := fs.ReadFile(fsys, waiverFile)
	if err != nil {
		return nil, err
	}
	w := &waivers{by: map[string]waived{}}
	for n, l := range strings.Split(string(text), "\n") {
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		fault := func(s string) { w.faults = append(w.faults, Fault{waiverFile, n + 1, s}) }
		ids, reason, _ := strings.Cut(l, "\t")
		if strings.TrimSpace(reason) == "" {
			fault(ids + " is waived without a reason")
			continue
		}
		covered := list.pattern(ids)
		if len(covered) == 0 {
			fault(ids + " names no id of a checklist")
		}
		for _, id := range covered {
			if _, ok := w.by[id]; !ok {
				w.by[id] = waived{strings.TrimSpace(reason), id == ids, n + 1}
			}
		}
	}
	return w, nil
}

// pattern gives the ids that one id, a range or FAMILY* names.
func (c *checklists) pattern(s string) []string {
	if c.known[s] {
		return []string{s}
	}
	family, all := strings.CutSuffix(s, "*")
	from, to := 1, len(c.items)
	if !all {
		first, last, ok := strings.Cut(s, "-")
		family = strings.TrimRight(first, "0123456789")
		rest, ok2 := strings.CutPrefix(last, family[strings.Index(family, ":")+1:])
		if !ok || !ok2 {
			return nil
		}
		var err1, err2 error
		from, err1 = strconv.Atoi(first[len(family):])
		to, err2 = strconv.Atoi(rest)
		if err1 != nil || err2 != nil || !c.known[family+strconv.Itoa(to)] {
			return nil
		}
	}
	var ids []string
	for k := from; k <= to && c.known[family+strconv.Itoa(k)]; k++ {
		ids = append(ids, family+strconv.Itoa(k))
	}
	return ids
}
