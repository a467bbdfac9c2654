package p4gen

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Uncovered are the language ids of docs/checklists/p4-language.md that random
// programs do not use, with the reason.
func Uncovered() map[string]string {
	return map[string]string{
		"L5":   "#error rejects the program",
		"L6":   "diagnostics are no part of a program's behaviour",
		"L35":  "list<> occurs only in constructors that v1model does not have",
		"L39":  "v1model has no extern with abstract methods",
		"L46":  "a rule on programs that are rejected",
		"L81":  "v1model has no @optional parameter, and other functions cannot have one",
		"L123": "an effect of packets, which are cut and too short at random",
		"L124": "a parser that never ends is refused by the engines but the reference",
		"L148": "a rule on programs that are rejected",
		"L153": "a rule on programs that are rejected",
		"L154": "a rule on programs that are rejected",
		"L159": "a rule on programs that are rejected",
		"L160": "a rule on programs that are rejected",
		"L165": "a hidden table takes no entries",
		"L167": "changes P4Info only",
		"L168": "changes P4Info only",
		"L179": "a rule on programs that are rejected",
		"L180": "a hidden table takes no entries",
		"L181": "a rule on names, not on packets",
	}
}

// LanguageIDs is the number of language ids of the checklist.
const LanguageIDs = 182

// CoverageText lists the ids that were cited, one a line in the checklist's
// order, and the others with the reason.
func CoverageText(cited map[string]int) string {
	var b strings.Builder
	why := Uncovered()
	for i := range LanguageIDs {
		id := "L" + strconv.Itoa(i+1)
		switch {
		case cited[id] > 0:
			fmt.Fprintf(&b, "%s covered\n", id)
		case why[id] != "":
			fmt.Fprintf(&b, "%s no: %s\n", id, why[id])
		default:
			fmt.Fprintf(&b, "%s missing\n", id)
		}
	}
	return b.String()
}

// Cited lists ids in the checklist's order.
func Cited(cited map[string]int) []string {
	return slices.SortedFunc(maps.Keys(cited), func(a, b string) int {
		x, _ := strconv.Atoi(a[1:])
		y, _ := strconv.Atoi(b[1:])
		return x - y
	})
}
