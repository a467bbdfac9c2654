package telemetry_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/internal/clidoc"
	"github.com/p4nic/p4nic/runtime/telemetry"
)

var update = flag.Bool("update", false, "rewrite the table of paths in docs/gnmi-paths.md")

// TestPathsDocs: docs/gnmi-paths.md has every path.
func TestPathsDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString("| path | type | mode | Set |\n|---|---|---|---|\n")
	for _, s := range telemetry.EmptySchema().Sources {
		for _, l := range s.Leaves {
			mode, set := "change", "-"
			switch {
			case l.Volatile:
				mode = "clock"
			case l.Sampled:
				mode = "sample"
			}
			switch {
			case l.Writable:
				set = "yes"
			case l.Class == telemetry.Config:
				set = "same"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", l.Text(), typeName(l.Type), mode, set)
		}
	}
	const path = "../../docs/gnmi-paths.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := clidoc.Replace(string(doc), "paths", b.String())
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case *update:
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case want != string(doc):
		t.Errorf("%s is out of date; go test ./runtime/telemetry -update writes it", path)
	}
}

// typeName is a type as YANG says it.
func typeName(t telemetry.Type) string {
	switch t.Kind {
	case telemetry.Bool:
		return "boolean"
	case telemetry.Uint8:
		return "uint8"
	case telemetry.Uint16:
		return "uint16"
	case telemetry.Uint32:
		return "uint32"
	case telemetry.Uint64:
		return "uint64"
	case telemetry.Int64:
		return "int64"
	case telemetry.Decimal64:
		return "decimal64"
	case telemetry.Enum:
		return "enumeration"
	case telemetry.Identity:
		return "identityref"
	case telemetry.Binary:
		return "binary"
	case telemetry.Strings:
		return "leaf-list string"
	}
	return "string"
}

// TestYANG: yang/p4nic-pipeline.yang and the table of paths have the same leaves
// of the same types, and the version that Capabilities tells.
func TestYANG(t *testing.T) {
	text, err := os.ReadFile("../../yang/p4nic-pipeline.yang")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	schema := telemetry.EmptySchema()
	for _, s := range schema.Sources {
		for _, l := range s.Leaves {
			if s.Origin == telemetry.OriginP4nic {
				want = append(want, l.Text()+" "+typeName(l.Type))
			}
			for _, e := range l.Path {
				if s.Origin == telemetry.OriginP4nic && e.Module != "p4nic-pipeline" {
					t.Errorf("%s: %s is of module %s", l.Text(), e.Name, e.Module)
				}
			}
		}
	}
	slices.Sort(want)
	got := yangLeaves(t, string(text))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the module has\n  %s\nthe table\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	for _, m := range schema.Models {
		if m.Name == "p4nic-pipeline" && !strings.Contains(string(text), "reference \""+m.Version+"\"") {
			t.Errorf("the module has no revision %s", m.Version)
		}
	}
}

var token = regexp.MustCompile(`"[^"]*"|[{};]|[^\s{};"]+`)

// yangLeaves reads the leaves of a module without groupings and augments.
func yangLeaves(t *testing.T, text string) []string {
	t.Helper()
	type level struct{ word, arg, key, typ string }
	var stack []level
	var out, words []string
	path := func() string {
		p := ""
		for _, l := range stack {
			switch l.word {
			case "container":
				p += "/" + l.arg
			case "list":
				p += "/" + l.arg + "[" + l.key + "]"
			case "leaf", "leaf-list":
				p += "/" + l.arg
			}
		}
		return p
	}
	statement := func() (word, arg string) {
		if len(words) > 0 {
			word = words[0]
		}
		if len(words) > 1 {
			arg = words[1]
		}
		words = nil
		return word, arg
	}
	for _, tok := range token.FindAllString(text, -1) {
		switch tok {
		case "{":
			word, arg := statement()
			if word == "type" {
				stack[len(stack)-1].typ = arg
			}
			stack = append(stack, level{word: word, arg: arg})
		case ";":
			word, arg := statement()
			switch word {
			case "key":
				stack[len(stack)-1].key = arg
			case "type":
				stack[len(stack)-1].typ = arg
			}
		case "}":
			if len(stack) == 0 {
				t.Fatal("a } too many")
			}
			switch l := stack[len(stack)-1]; l.word {
			case "leaf":
				out = append(out, path()+" "+l.typ)
			case "leaf-list":
				out = append(out, path()+" leaf-list "+l.typ)
			}
			stack = stack[:len(stack)-1]
		default:
			words = append(words, tok)
		}
	}
	if len(stack) > 0 {
		t.Fatalf("%s is not closed", stack[len(stack)-1].arg)
	}
	return out
}
