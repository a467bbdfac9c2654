package corpus

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/p4info"
)

// suites are the programs that p4test itself is tested with
// (backends/p4test/CMakeLists.txt), and the verdict it must give.
var suites = []struct{ glob, want string }{
	{"testdata/p4_16_samples/*.p4", Accept},
	{"testdata/p4_16_samples/dash/*.p4", Accept},
	{"testdata/p4_16_samples/fabric_*/fabric.p4", Accept},
	{"testdata/p4_16_samples/metrics/*.p4", Accept},
	{"testdata/p4_16_samples/omec/*.p4", Accept},
	{"testdata/p4_16_samples/parser-inline/*.p4", Accept},
	{"testdata/p4_16_samples/pins/*.p4", Accept},
	{"testdata/p4_16_errors/*.p4", Reject},
}

// ReadCheckout finds the programs below root and what is recorded of each.
func ReadCheckout(root string) ([]Program, error) {
	var out []Program
	for _, s := range suites {
		names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(s.glob)))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return nil, err
			}
			p, err := readProgram(root, filepath.ToSlash(rel), s.want)
			if err != nil {
				return nil, err
			}
			out = append(out, *p)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has none of the folders of a checkout of %s", root, Repository)
	}
	slices.SortFunc(out, func(a, b Program) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

func readProgram(root, path, want string) (*Program, error) {
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, err
	}
	p := &Program{Path: path, SHA256: hexDigest(text), Arch: architecture(text), Want: want}
	test, err := readIfThere(testOf(root, path))
	if err != nil {
		return nil, err
	}
	if test != nil {
		p.STF = hexDigest(test)
	}
	golden := filepath.Join(root, strings.NewReplacer("_samples/", "_samples_outputs/", "_errors/", "_errors_outputs/").Replace(path))
	stderr, err := readIfThere(golden + "-stderr")
	if err != nil {
		return nil, err
	}
	if p.Want == Reject {
		p.Line = firstErrorLine(stderr, filepath.Base(path))
		return p, nil // what P4Info there is was made before the error
	}
	info, err := readIfThere(golden + ".p4info.txtpb")
	if err != nil {
		return nil, err
	}
	if len(info) > 0 {
		var m configv1.P4Info
		if err := p4info.Unmarshal(info, &m); err != nil {
			return nil, fmt.Errorf("%s.p4info.txtpb: %w", golden, err)
		}
		p.P4Info = Digest(&m)
	}
	entries, err := readIfThere(golden + ".entries.txtpb")
	if err != nil {
		return nil, err
	}
	if entries != nil {
		var m p4v1.WriteRequest
		if err := p4info.Unmarshal(entries, &m); err != nil {
			return nil, fmt.Errorf("%s.entries.txtpb: %w", golden, err)
		}
		p.Entries = Digest(&m)
	}
	return p, nil
}

// testOf is the file of the packet test of a program.
func testOf(root, path string) string {
	return filepath.Join(root, filepath.FromSlash(strings.TrimSuffix(path, ".p4")+".stf"))
}

func readIfThere(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return nil, nil
	}
	return b, err
}

var (
	includeLine = regexp.MustCompile(`(?m)^\s*#\s*include\s*[<"]([^>"]+)[>"]`)
	errorLine   = regexp.MustCompile(`(?m)^([^\s(]+)\((\d+)\):(?: \[--Werror=[^\]]*\] error:|\s?syntax error| error:)`)
	ppErrorLine = regexp.MustCompile(`(?m)^([^\s:(]+):(\d+)(?::\d+)?: (?:fatal )?error:`)
)

// architecture is the name of the architecture file that text includes, without
// its folder; "core" when only core.p4, "none" when neither.
func architecture(text []byte) string {
	out := "none"
	for _, m := range includeLine.FindAllSubmatch(text, -1) {
		base := strings.TrimSuffix(filepath.Base(string(m[1])), ".p4")
		switch base {
		case "v1model", "psa", "pna", "ebpf_model", "xdp_model", "ubpf_model", "tofino", "tna":
			return base
		case "core":
			out = "core"
		default:
			if out == "none" {
				out = "other"
			}
		}
	}
	return out
}

// firstErrorLine is the place of the first error in what p4test printed.
func firstErrorLine(stderr []byte, base string) string {
	m := errorLine.FindSubmatchIndex(stderr)
	if m == nil {
		m = ppErrorLine.FindSubmatchIndex(stderr)
	}
	if m == nil {
		return ""
	}
	file, line := string(stderr[m[2]:m[3]]), string(stderr[m[4]:m[5]])
	if filepath.Base(file) != base {
		return filepath.Base(file) + ":" + line
	}
	return line
}

// Commit is the commit of the checkout at root, "" when root is none (an
// exported tree): then the digests alone tell whether it is the right one.
func Commit(root string) string {
	cmd := exec.Command("git", "-C", root, "rev-parse", "--show-prefix", "HEAD")
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	prefix, head, ok := bytes.Cut(out, []byte("\n"))
	if !ok || len(bytes.TrimSpace(prefix)) > 0 {
		return "" // root lies inside another repository
	}
	return string(bytes.TrimSpace(head))
}

// Changed lists how the programs of a checkout differ from the recorded ones.
func Changed(recorded, found []Program) []string {
	old := map[string]*Program{}
	for i := range recorded {
		old[recorded[i].Path] = &recorded[i]
	}
	var out []string
	for i := range found {
		p := &found[i]
		q := old[p.Path]
		delete(old, p.Path)
		switch {
		case q == nil:
			out = append(out, p.Path+": not recorded")
		case q.SHA256 != p.SHA256:
			out = append(out, fmt.Sprintf("%s: digest %.12s, recorded %.12s", p.Path, p.SHA256, q.SHA256))
		case *q != *p:
			out = append(out, fmt.Sprintf("%s: facts %v, recorded %v", p.Path, *p, *q))
		}
	}
	for path := range old {
		out = append(out, path+": not in the checkout")
	}
	slices.Sort(out)
	return out
}
