package corpus

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Names of the tables in testdata/corpus.
const (
	factsFile   = "programs.tsv"
	resultsFile = "results.tsv"
	ratchetFile = "ratchet.tsv"
)

const (
	factsHeader   = "path\tsha256\tarch\texpect\tline\tp4info\tentries\tstf"
	resultsHeader = "path\tverdict\tline\tstage\twhy\tp4info\tentries\tstf-typed\tstf-core\tstf-bmv2\tstf-ssa\tprint"
	ratchetHeader = "total\tcount\tof"
)

// Tables is the content of testdata/corpus.
type Tables struct {
	Commit   string // of Repository
	Dumps    string // Dumps.Digest
	Programs []Program
	Results  []Result // same order as Programs
}

// Load reads the tables of dir.
func Load(dir string) (*Tables, error) {
	t := &Tables{}
	meta, rows, err := readTSV(filepath.Join(dir, factsFile), factsHeader)
	if err != nil {
		return nil, err
	}
	t.Commit, t.Dumps = meta["commit"], meta["dumps"]
	for _, r := range rows {
		t.Programs = append(t.Programs, Program{Path: r[0], SHA256: r[1], Arch: r[2], Want: r[3], Line: r[4], P4Info: r[5], Entries: r[6], STF: r[7]})
	}
	if _, rows, err = readTSV(filepath.Join(dir, resultsFile), resultsHeader); err != nil {
		return nil, err
	}
	for i, r := range rows {
		s, err := ParseStage(r[3])
		if err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", resultsFile, i+1, err)
		}
		t.Results = append(t.Results, Result{Path: r[0], Verdict: r[1], Line: r[2], Stage: s, Why: r[4], P4Info: r[5], Entries: r[6], STF: [Engines]string(r[7:11]), Stable: r[11] == "stable"})
	}
	if len(t.Results) != len(t.Programs) {
		return nil, fmt.Errorf("%d programs and %d results", len(t.Programs), len(t.Results))
	}
	for i := range t.Results {
		if t.Results[i].Path != t.Programs[i].Path {
			return nil, fmt.Errorf("row %d: program %s, result %s", i+1, t.Programs[i].Path, t.Results[i].Path)
		}
	}
	return t, nil
}

// Save writes programs and results to dir.
func (t *Tables) Save(dir string) error {
	meta := "# repository\t" + Repository + "\n# commit\t" + t.Commit + "\n# dumps\t" + t.Dumps + "\n"
	var facts, results []string
	for i := range t.Programs {
		p, r := &t.Programs[i], &t.Results[i]
		facts = append(facts, row(p.Path, p.SHA256, p.Arch, p.Want, p.Line, p.P4Info, p.Entries, p.STF))
		results = append(results, row(append([]string{r.Path, r.Verdict, r.Line, r.Stage.String(), r.Why, r.P4Info, r.Entries}, append(r.STF[:], stableWord(r.Stable))...)...))
	}
	if err := writeTSV(filepath.Join(dir, factsFile), meta, factsHeader, facts); err != nil {
		return err
	}
	return writeTSV(filepath.Join(dir, resultsFile), "", resultsHeader, results)
}

func stableWord(ok bool) string {
	if ok {
		return "stable"
	}
	return ""
}

// row joins fields; "-" stands for an empty one, so that columns stay visible.
func row(fields ...string) string {
	for i, f := range fields {
		fields[i] = orDash(strings.Join(strings.Fields(f), " "))
	}
	return strings.Join(fields, "\t")
}

func writeTSV(name, meta, header string, rows []string) error {
	var b bytes.Buffer
	b.WriteString(meta)
	b.WriteString(header + "\n")
	for _, r := range rows {
		b.WriteString(r + "\n")
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

// readTSV returns the "# name<TAB>value" lines and the rows under the header.
func readTSV(name, header string) (map[string]string, [][]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	meta, rows := map[string]string{}, [][]string(nil)
	seen := false
	want := strings.Count(header, "\t") + 1
	sc := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		if k, ok := strings.CutPrefix(line, "# "); ok {
			k, v, _ := strings.Cut(k, "\t")
			meta[k] = v
			continue
		}
		if !seen {
			if line != header {
				return nil, nil, fmt.Errorf("%s:%d: header %q, want %q", name, n, line, header)
			}
			seen = true
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != want {
			return nil, nil, fmt.Errorf("%s:%d: %d fields, want %d", name, n, len(f), want)
		}
		for i := range f {
			if f[i] == "-" {
				f[i] = ""
			}
		}
		rows = append(rows, f)
	}
	return meta, rows, sc.Err()
}
