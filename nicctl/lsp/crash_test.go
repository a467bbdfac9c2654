package lsp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// ask opens a text as a document and asks everything about a place in it, in
// process. A fault of the server is one in the answers or in the log.
func ask(t *testing.T, text string, line, col int) {
	t.Helper()
	var in, out bytes.Buffer
	id := 0
	put := func(method string, params any, request bool) {
		m := map[string]any{"jsonrpc": "2.0", "method": method, "params": params}
		if request {
			id++
			m["id"] = id
		}
		if err := writeMessage(&in, m); err != nil {
			t.Fatal(err)
		}
	}
	doc := map[string]any{"uri": "file:///t.p4"}
	at := map[string]any{"textDocument": doc, "position": map[string]any{"line": line, "character": col}, "newName": "other",
		"range": rangeOf{End: position{line, col}}, "context": map[string]any{}}
	put("initialize", map[string]any{}, true)
	put("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": "file:///t.p4", "version": 1, "text": text}}, false)
	put("textDocument/didChange", map[string]any{"textDocument": doc, "contentChanges": []any{map[string]any{"range": rangeOf{position{line, col}, position{line, col + 1}}, "text": "."}}}, false)
	for _, m := range []string{"definition", "typeDefinition", "references", "documentHighlight", "hover", "documentSymbol", "completion", "formatting", "prepareRename", "rename", "codeAction"} {
		put("textDocument/"+m, at, true)
	}
	put("shutdown", nil, true)
	put("exit", nil, false)
	if err := Serve(&in, &out, Options{}); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(&out)
	for {
		body, err := readMessage(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Method string
			Params struct{ Message string }
			Error  *rpcError
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		if m.Method == "window/logMessage" || m.Error != nil && m.Error.Code == codeInternal {
			t.Fatalf("%s\nat %d:%d of\n%s", m.Params.Message, line, col, text)
		}
	}
}

// programs with holes: parts taken out, doubled, and changed.
func mutate(r *rand.Rand, text string) string {
	lines := strings.Split(text, "\n")
	for range 1 + r.IntN(4) {
		i := r.IntN(len(lines))
		switch r.IntN(4) {
		case 0:
			lines = append(lines[:i], lines[min(len(lines), i+1+r.IntN(3)):]...)
		case 1:
			lines[i] += lines[r.IntN(len(lines))]
		case 2:
			lines[i] = lines[i][:r.IntN(len(lines[i])+1)]
		default:
			lines[i] = strings.Replace(lines[i], []string{";", "{", "(", " ", "bit"}[r.IntN(5)], []string{".", "}", "<", "@", "😀"}[r.IntN(5)], 1)
		}
		if len(lines) == 0 {
			lines = []string{""}
		}
	}
	return strings.Join(lines, "\n")
}

func TestNeverCrashes(t *testing.T) {
	b, err := os.ReadFile("testdata/navigate.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "-- main.p4 --\n")
	text, _, _ = strings.Cut(text, "-- types.p4 --\n")
	text = strings.Replace(text, `#include "types.p4"`, "header h_t { bit<8> kind; bit<8> more; }", 1)
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			s := mutate(r, text)
			line := r.IntN(strings.Count(s, "\n") + 1)
			ask(t, s, line, r.IntN(40))
		})
	}
}

func FuzzRequests(f *testing.F) {
	f.Add("header h { bit<8> a; }\ncontrol c(inout h x) { apply { x.a = 1; } }", 1, 33)
	f.Add("#define M(a) a\n#include <core.p4>\nconst bit<8> x = M(1);", 2, 18)
	f.Fuzz(func(t *testing.T, text string, line, col int) { ask(t, text, line, col) })
}
