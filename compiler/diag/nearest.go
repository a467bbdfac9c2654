package diag

// Nearest returns the candidate with the smallest edit distance to a misspelt
// name, "" when none is within a third of the name's length, but one edit, or
// when every letter would change: what a message can ask for with "did you mean".
func Nearest(name string, candidates []string) string {
	best, dist := "", max(1, len(name)/3)+1
	for _, s := range candidates {
		if s == name || len(s) > 2*len(name)+2 {
			continue
		}
		if d := distance(name, s); d < dist && d < len(name) {
			best, dist = s, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that make b of a.
func distance(a, b string) int {
	older, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		older, prev, row = prev, row, older
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
