package lsp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the recorded exchanges")

// The binary of the tests is also the server.
func TestMain(m *testing.M) {
	if os.Getenv("P4NIC_TEST_LSP") != "" {
		if err := Serve(os.Stdin, os.Stdout, Options{Version: "test"}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// client is an editor: a process with pipes.
type client struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr bytes.Buffer
	msgs   chan map[string]any
	ids    int
	dir    string
	// versions of the open documents; diags as published, by URI.
	versions map[string]int
	diags    map[string]map[string]any
}

func start(t testing.TB, dir string) *client {
	c := &client{t: t, dir: dir, msgs: make(chan map[string]any, 1000), versions: map[string]int{}, diags: map[string]map[string]any{}}
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), "P4NIC_TEST_LSP=1", "XDG_CACHE_HOME="+filepath.Join(dir, ".cache"), "GORACE=atexit_sleep_ms=0")
	c.cmd.Stderr = &c.stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.in.Close(); c.cmd.Process.Kill(); c.cmd.Wait() })
	go func() {
		defer close(c.msgs)
		r := bufio.NewReader(out)
		for {
			body, err := readMessage(r)
			if err != nil {
				return
			}
			var m map[string]any
			if json.Unmarshal(body, &m) == nil {
				c.msgs <- m
			}
		}
	}()
	return c
}

func (c *client) send(v any) {
	c.t.Helper()
	if err := writeMessage(c.in, v); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) notify(method string, params any) {
	c.send(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

// receive returns the next message that is no diagnostics.
func (c *client) receive() map[string]any {
	c.t.Helper()
	for {
		select {
		case m, ok := <-c.msgs:
			if !ok {
				c.t.Fatalf("the server ended: %s", c.stderr.String())
			}
			if m["method"] == "textDocument/publishDiagnostics" {
				p := m["params"].(map[string]any)
				c.diags[p["uri"].(string)] = p
				continue
			}
			if m["method"] == "window/logMessage" {
				c.t.Errorf("the server logs %v", m["params"])
			}
			return m
		case <-time.After(30 * time.Second):
			c.t.Fatal("no answer")
		}
	}
}

// request waits for the answer: its result, or its error.
func (c *client) request(method string, params any) any {
	c.t.Helper()
	c.ids++
	c.send(map[string]any{"jsonrpc": "2.0", "id": c.ids, "method": method, "params": params})
	for {
		m := c.receive()
		if id, ok := m["id"].(float64); ok && int(id) == c.ids {
			if e, ok := m["error"]; ok {
				return map[string]any{"error": e}
			}
			return m["result"]
		}
	}
}

func (c *client) uri(name string) string { return uriOf(filepath.Join(c.dir, name)) }

func (c *client) doc(name string) map[string]any { return map[string]any{"uri": c.uri(name)} }

// settled waits until diagnostics of the current versions were published.
func (c *client) settled() {
	c.t.Helper()
	for {
		c.request("textDocument/documentSymbol", map[string]any{"textDocument": c.doc("settled")})
		done := true
		for uri, v := range c.versions {
			p := c.diags[uri]
			got, _ := p["version"].(float64)
			done = done && p != nil && int(got) == v
		}
		if done {
			// The rest of the same batch.
			c.request("textDocument/documentSymbol", map[string]any{"textDocument": c.doc("settled")})
			return
		}
	}
}

// Each testdata/*.txtar is a session: a folder of files, and in the section
// "session" commands with the answers as recorded (-update records). Lines that
// begin with `> ` are commands:
//
//	> open FILE
//	> edit FILE L:C-L:C "TEXT"    lines and columns from 0, as in the protocol
//	> text FILE SECTION           the whole text anew
//	> close FILE
//	> save FILE
//	> diagnostics                 all that are published
//	> METHOD FILE [L:C [JSON]]    a request of textDocument/; JSON adds params
func TestSessions(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	if len(paths) == 0 {
		t.Fatal("no testdata")
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			last := len(ar.Files) - 1
			for _, f := range ar.Files[:last] {
				files[f.Name] = string(f.Data)
				if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			c := start(t, dir)
			c.request("initialize", map[string]any{"capabilities": map[string]any{}, "initializationOptions": map[string]any{"includeDirs": []string{dir}}})
			c.notify("initialized", map[string]any{})
			var out strings.Builder
			for line := range strings.Lines(string(ar.Files[last].Data)) {
				if cmd, ok := strings.CutPrefix(line, "> "); ok {
					out.WriteString(line)
					out.WriteString(c.command(strings.TrimSpace(cmd), files))
				} else if strings.HasPrefix(line, "#") {
					out.WriteString(line)
				}
			}
			c.shutdown()
			got := strings.ReplaceAll(strings.ReplaceAll(out.String(), uriOf(dir), "$DIR"), dir, "$DIR")
			if got == string(ar.Files[last].Data) {
				return
			}
			if !*update {
				t.Fatalf("got\n%s", got)
			}
			ar.Files[last].Data = []byte(got)
			if err := os.WriteFile(path, txtar.Format(ar), 0o666); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (c *client) shutdown() {
	c.t.Helper()
	c.request("shutdown", nil)
	c.notify("exit", nil)
	for range c.msgs {
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("exit: %v, %s", err, c.stderr.String())
	}
}

// command carries out one command of a session.
func (c *client) command(cmd string, files map[string]string) string {
	c.t.Helper()
	words := strings.SplitN(cmd, " ", 4)
	for len(words) < 4 {
		words = append(words, "")
	}
	name := words[1]
	uri := c.uri(name)
	switch words[0] {
	case "open":
		c.versions[uri] = 1
		c.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "languageId": "p4", "version": 1, "text": files[name]}})
		return ""
	case "close":
		delete(c.versions, uri)
		c.notify("textDocument/didClose", map[string]any{"textDocument": c.doc(name)})
		return ""
	case "save":
		c.notify("textDocument/didSave", map[string]any{"textDocument": c.doc(name)})
		return ""
	case "text", "edit":
		c.versions[uri]++
		change := map[string]any{"text": files[words[2]]}
		if words[0] == "edit" {
			text, err := strconv.Unquote(words[3])
			if err != nil {
				c.t.Fatalf("%s: %v", cmd, err)
			}
			lo, hi, _ := strings.Cut(words[2], "-")
			change = map[string]any{"range": map[string]any{"start": c.place(lo), "end": c.place(hi)}, "text": text}
		}
		c.notify("textDocument/didChange", map[string]any{
			"textDocument": map[string]any{"uri": uri, "version": c.versions[uri]}, "contentChanges": []any{change}})
		return ""
	case "diagnostics":
		c.settled()
		var uris []string
		for u := range c.diags {
			uris = append(uris, u)
		}
		slices.Sort(uris)
		var out strings.Builder
		for _, u := range uris {
			out.WriteString(show(c.diags[u]))
		}
		return out.String()
	}
	params := map[string]any{"textDocument": c.doc(name)}
	if words[2] != "" {
		params["position"] = c.place(words[2])
	}
	if words[3] != "" {
		var more map[string]any
		if err := json.Unmarshal([]byte(words[3]), &more); err != nil {
			c.t.Fatalf("%s: %v", cmd, err)
		}
		for k, v := range more {
			params[k] = v
		}
	}
	return show(c.request("textDocument/"+words[0], params))
}

func (c *client) place(s string) map[string]any {
	l, ch, ok := strings.Cut(s, ":")
	line, err := strconv.Atoi(l)
	col, err2 := strconv.Atoi(ch)
	if !ok || err != nil || err2 != nil {
		c.t.Fatalf("bad place %q", s)
	}
	return map[string]any{"line": line, "character": col}
}

// show prints a result, each element of a list on a line.
func show(v any) string {
	one := func(v any) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(short(v)); err != nil {
			return err.Error() + "\n"
		}
		return b.String()
	}
	if m, ok := v.(map[string]any); ok {
		if items, ok := m["items"].([]any); ok {
			v = items
		}
	}
	list, ok := v.([]any)
	if !ok {
		return one(v)
	}
	if len(list) == 0 {
		return "none\n"
	}
	out := ""
	for _, x := range list {
		out += one(x)
	}
	return out
}

// short writes ranges as L:C-L:C.
func short(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = short(x)
		}
		return out
	case map[string]any:
		if s, ok := v["start"].(map[string]any); ok {
			e := v["end"].(map[string]any)
			return fmt.Sprintf("%v:%v-%v:%v", s["line"], s["character"], e["line"], e["character"])
		}
		out := map[string]any{}
		for k, x := range v {
			out[k] = short(x)
		}
		return out
	}
	return v
}

// The life of a session: what is refused before and after, cancelled requests,
// messages that are none.
func TestLifecycle(t *testing.T) {
	code := func(v any) int {
		m, _ := v.(map[string]any)
		e, _ := m["error"].(map[string]any)
		n, _ := e["code"].(float64)
		return int(n)
	}
	c := start(t, t.TempDir())
	if got := code(c.request("textDocument/hover", map[string]any{})); got != codeNotInitialized {
		t.Errorf("before initialize: %d", got)
	}
	c.request("initialize", map[string]any{})
	tests := []struct {
		name, method string
		params       any
		want         int
	}{
		{"second initialize", "initialize", map[string]any{}, codeInvalidRequest},
		{"unknown method", "textDocument/dance", nil, codeUnknownMethod},
		{"params of a wrong type", "textDocument/hover", []int{1}, codeInvalidParams},
		{"document that is not open", "textDocument/hover", map[string]any{"textDocument": c.doc("no.p4"), "position": c.place("0:0")}, codeInvalidParams},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := code(c.request(tt.method, tt.params)); got != tt.want {
				t.Errorf("code %d, want %d", got, tt.want)
			}
		})
	}
	fmt.Fprintf(c.in, "Content-Length: 3\r\n\r\n{{{")
	if m := c.receive(); code(m) != codeParse {
		t.Errorf("bad JSON: %v", m)
	}
	c.notify("textDocument/didChange", "nonsense")
	c.notify("$/unknown", nil)

	// All in one write: the request waits behind the edits when it is cancelled.
	var all bytes.Buffer
	put := func(v any) {
		if err := writeMessage(&all, v); err != nil {
			t.Fatal(err)
		}
	}
	text := "const bit<8> x = 1;\n" + strings.Repeat("/* long */ ", 1<<16)
	for i := range 20 {
		put(map[string]any{"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": map[string]any{"textDocument": map[string]any{"uri": c.uri(fmt.Sprint(i, ".p4")), "version": 1, "text": text}}})
		put(map[string]any{"jsonrpc": "2.0", "id": fmt.Sprint("s", i), "method": "textDocument/documentSymbol", "params": map[string]any{"textDocument": c.doc(fmt.Sprint(i, ".p4"))}})
	}
	put(map[string]any{"jsonrpc": "2.0", "method": "$/cancelRequest", "params": map[string]any{"id": "s19"}})
	if _, err := c.in.Write(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	cancelled := 0
	for n := 0; n < 20; {
		m := c.receive()
		if _, ok := m["id"].(string); ok {
			n++
			if code(m) == codeCancelled {
				cancelled++
			}
		}
	}
	if cancelled > 1 {
		t.Errorf("%d requests cancelled", cancelled)
	}
	c.request("shutdown", nil)
	if got := code(c.request("textDocument/hover", map[string]any{})); got != codeInvalidRequest {
		t.Errorf("after shutdown: %d", got)
	}
	c.notify("exit", nil)
	for range c.msgs {
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

// A request that is cancelled before its turn is answered with the error that
// the protocol has for it, one that is not keeps its answer.
func TestCancel(t *testing.T) {
	var in bytes.Buffer
	put := func(s string) { fmt.Fprintf(&in, "Content-Length: %d\r\n\r\n%s", len(s), s) }
	put(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`)
	put(`{"jsonrpc":"2.0","id":"a","method":"shutdown"}`)
	put(`{"jsonrpc":"2.0","id":2,"method":"shutdown"}`)
	put(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":"a"}}`)
	put(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":99}}`)
	q := &queue{}
	q.more.L = &q.mu
	q.fill(bufio.NewReader(&in)) // everything waits before the first message is looked at
	var out bytes.Buffer
	s := &server{out: bufio.NewWriter(&out), queue: q, ws: newWorkspace(settings{})}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, `"id":"a","error":{"code":-32800`) || !strings.Contains(got, `"id":2,"result":null`) {
		t.Errorf("got %s", got)
	}
	if len(q.cancelled) != 0 {
		t.Errorf("cancellations are kept: %v", q.cancelled)
	}
}

func TestFraming(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"one", "Content-Length: 2\r\n\r\n{}", "{}"},
		{"other headers, other case", "content-length:2\r\nContent-Type: x\r\n\r\n{}", "{}"},
		{"end", "", "EOF"},
		{"no length", "X: 1\r\n\r\n{}", "bad framing: no Content-Length"},
		{"no header", "{}\n", `bad framing: header "{}"`},
		{"negative", "Content-Length: -1\r\n\r\n", `bad framing: Content-Length " -1"`},
		{"huge", "Content-Length: 99999999999\r\n\r\n", `bad framing: Content-Length " 99999999999"`},
		{"cut header", "Content-Le", "bad framing: EOF"},
		{"cut body", "Content-Length: 5\r\n\r\n{}", "bad framing: unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readMessage(bufio.NewReader(strings.NewReader(tt.in)))
			text := string(got)
			if err != nil {
				text = err.Error()
				if !errors.Is(err, io.EOF) && !errors.Is(err, errFraming) {
					t.Errorf("error %v", err)
				}
			}
			if text != tt.want {
				t.Errorf("got %s, want %s", text, tt.want)
			}
		})
	}
}

// A document in a folder that was given relative is known when it is included.
func TestRelativeIncludeDir(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Mkdir("inc", 0o755); err != nil {
		t.Fatal(err)
	}
	header := filepath.Join(dir, "inc", "h.p4")
	if err := os.WriteFile(header, []byte("typedef bit<8> t;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWorkspace(settings{IncludeDirs: []string{"inc"}})
	w.open(uriOf(filepath.Join(dir, "main.p4")), 1, "#include <h.p4>\nconst t x = 1;\n")
	w.open(uriOf(header), 1, "typedef bit<4> t;\n")
	a, err := w.programOf(w.docs[header])
	if err != nil || filepath.Base(a.root.path) != "main.p4" || a.Diags.HasErrors() {
		t.Fatalf("%v, %+v", err, a)
	}
	if f := a.file(header); f == nil || f.Content != w.docs[header].text {
		t.Errorf("the document is not used: %+v", f)
	}
}

// Positions count UTF-16 code units; both ways agree.
func TestPositions(t *testing.T) {
	l := newLines("aü😀b\r\nc\rd\n")
	tests := []struct {
		offset int
		pos    position
	}{{0, position{0, 0}}, {1, position{0, 1}}, {3, position{0, 2}}, {7, position{0, 4}}, {8, position{0, 5}}, {10, position{1, 0}}, {12, position{2, 0}}, {14, position{3, 0}}}
	for _, tt := range tests {
		if got := l.position(tt.offset); got != tt.pos {
			t.Errorf("position(%d) = %v, want %v", tt.offset, got, tt.pos)
		}
		if got := l.offset(tt.pos); got != tt.offset {
			t.Errorf("offset(%v) = %d, want %d", tt.pos, got, tt.offset)
		}
	}
	for p, want := range map[position]int{{0, 99}: 8, {9, 0}: 14, {-1, 3}: 0} {
		if got := l.offset(p); got != want {
			t.Errorf("offset(%v) = %d, want %d", p, got, want)
		}
	}
}
