package lsp

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ast"
	"github.com/p4nic/p4nic/compiler/diag"
	"github.com/p4nic/p4nic/compiler/parser"
	"github.com/p4nic/p4nic/compiler/preproc"
	"github.com/p4nic/p4nic/compiler/source"
	"github.com/p4nic/p4nic/compiler/types"
	"github.com/p4nic/p4nic/p4src"
)

// completer collects the completions at one place.
type completer struct {
	w      *workspace
	doc    *document
	root   *document
	start  int // where the word under the cursor begins
	end    int // the cursor
	tokens []preproc.Lexeme
	items  []completionItem
	seen   map[string]bool
}

// complete offers what can stand at a place: members after a dot, annotations
// after @, and by the construct around it table properties, actions, match
// kinds, states, or names, types and keywords.
func (w *workspace) complete(p positionParams) (any, error) {
	d, err := w.document(p.TextDocument)
	if err != nil {
		return nil, err
	}
	a, err := w.programOf(d)
	if err != nil {
		return nil, err
	}
	c := &completer{w: w, doc: d, root: a.root, end: newLines(d.text).offset(p.Position), seen: map[string]bool{}}
	for c.start = c.end; c.start > 0 && isWordByte(d.text[c.start-1]); {
		c.start--
	}
	if c.readTokens() {
		c.collect(a)
	}
	slices.SortStableFunc(c.items, func(a, b completionItem) int { return cmp.Compare(a.Label, b.Label) })
	return completionList{Items: append([]completionItem{}, c.items...)}, nil
}

func isWordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// readTokens reads the tokens before the word. It returns false inside a comment
// or string; in an #include it offers files.
func (c *completer) readTokens() bool {
	set := source.NewSet()
	f, err := set.Add(c.doc.path, c.doc.text[:c.start])
	if err != nil {
		return false
	}
	line := c.doc.text[strings.LastIndexByte(c.doc.text[:c.start], '\n')+1 : c.start]
	for _, l := range preproc.Lexemes(f) {
		switch l.Kind {
		case preproc.Comment:
			open := strings.HasPrefix(l.Text, "//") && !strings.Contains(c.doc.text[f.Offset(l.Lo):c.start], "\n")
			if open || strings.HasPrefix(l.Text, "/*") && !strings.HasSuffix(l.Text, "*/") {
				return false
			}
		case preproc.Directive:
			if f.Offset(l.Hi) >= len(strings.TrimRight(c.doc.text[:c.start], " \t")) && strings.HasPrefix(strings.TrimSpace(line), "#") {
				c.includes(line)
				return false
			}
		case preproc.Bad:
			if l.Text[0] == '"' {
				return false
			}
		default:
			c.tokens = append(c.tokens, l)
		}
	}
	return true
}

// includes offers the built-in files.
func (c *completer) includes(line string) {
	if !strings.Contains(line, "include") {
		return
	}
	files, err := fs.Glob(p4src.Include(), "*.p4")
	if err != nil {
		return
	}
	for _, f := range files {
		c.add(completionItem{Label: f, Kind: compModule})
	}
}

func (c *completer) add(it completionItem) {
	if it.Label != "" && !c.seen[it.Label] {
		c.seen[it.Label] = true
		c.items = append(c.items, it)
	}
}

func (c *completer) words(list string, kind completionKind) {
	for _, w := range strings.Fields(list) {
		c.add(completionItem{Label: w, Kind: kind})
	}
}

// token returns the n-th token before the word, from 1; "" beyond the first.
func (c *completer) token(n int) string {
	if n > len(c.tokens) {
		return ""
	}
	return c.tokens[len(c.tokens)-n].Text
}

func (c *completer) collect(a *analysis) {
	switch c.token(1) {
	case ".":
		c.members()
		return
	case "@":
		for _, w := range annotations {
			c.add(completionItem{Label: w.name, Kind: compProperty, Detail: w.text})
		}
		return
	}
	around := c.around()
	s := c.scopes(a)
	switch {
	case c.token(1) == "transition" || around.head == "select" && around.last == ":":
		for _, name := range s.states {
			c.add(completionItem{Label: name, Kind: compEvent, Detail: "state"})
		}
		c.words("accept reject", compEvent)
		if around.head != "select" {
			c.words("select", compKeyword)
		}
	case around.head == "actions" || around.head == "entries" && around.last == ":" || around.statement == "default_action":
		for _, o := range s.objects {
			if o.Kind == types.ActionObj {
				c.object(o)
			}
		}
		c.words("@tableonly @defaultonly", compKeyword)
	case around.head == "key" && around.last == ":":
		for _, name := range matchKinds(a.Tree) {
			c.add(completionItem{Label: name, Kind: compEnumMember, Detail: "match kind"})
		}
	case around.head == "table" && around.fresh:
		c.properties(a)
	default:
		c.general(s, around)
	}
}

// context is the construct around a place.
type context struct {
	head      string // what the innermost braces belong to; "(" within parentheses; "" at the top
	statement string // first word of the statement
	last      string // the token before the word
	fresh     bool   // the word begins a statement
}

// around finds out what is around the word from the brackets that are open.
func (c *completer) around() context {
	type open struct {
		text, head string
		words      []string // of the statement so far
	}
	stack := []open{{}}
	for _, t := range c.tokens {
		top := &stack[len(stack)-1]
		switch t.Text {
		case "(", "[":
			top.words = append(top.words, t.Text)
			stack = append(stack, open{text: t.Text, head: t.Text})
		case "{":
			stack = append(stack, open{text: "{", head: headOf(top.words, top.head)})
		case ")", "]", "}":
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
			if top = &stack[len(stack)-1]; t.Text == "}" {
				top.words = nil
			} else {
				top.words = append(top.words, t.Text)
			}
		case ";":
			top.words = nil
		default:
			top.words = append(top.words, t.Text)
		}
	}
	top := stack[len(stack)-1]
	out := context{head: top.head, last: c.token(1), fresh: len(top.words) == 0}
	for _, w := range top.words {
		if w != "const" {
			out.statement = w
			break
		}
	}
	return out
}

// headOf says what braces belong to by the words of the statement before them.
func headOf(words []string, outer string) string {
	for _, w := range words {
		switch w {
		case "control", "parser", "table", "action", "state", "apply", "switch", "struct", "header", "header_union",
			"enum", "extern", "select", "key", "actions", "entries", "if", "else", "for":
			return w
		}
	}
	if len(words) == 0 {
		return "apply" // a block
	}
	if outer == "" {
		return "action" // a function
	}
	return "{"
}

func (c *completer) properties(a *analysis) {
	for _, p := range properties {
		if p.arch != "" && !slices.ContainsFunc(a.Set.Files(), func(f *source.File) bool { return strings.HasSuffix(f.Name, p.arch+".p4") }) {
			continue
		}
		c.add(completionItem{Label: p.name, Kind: compProperty, Detail: p.text})
	}
}

func matchKinds(tree *ast.Program) []string {
	var out []string
	for _, d := range tree.Decls {
		if m, ok := d.(*ast.MatchKindDecl); ok {
			for _, id := range m.Members {
				out = append(out, id.Name)
			}
		}
	}
	return out
}

// general offers names, types and the keywords that can begin something here.
func (c *completer) general(s scopes, around context) {
	for _, o := range s.objects {
		c.object(o)
	}
	c.words(typeWords, compKeyword)
	switch around.head {
	case "":
		c.words(topWords, compKeyword)
	case "(":
		c.words(paramWords, compKeyword)
		c.words(valueWords, compKeyword)
	case "control":
		c.words(controlWords, compKeyword)
	case "parser":
		c.words(parserWords, compKeyword)
	case "table":
		c.words(valueWords, compKeyword)
	case "struct", "header", "header_union", "extern":
	case "state":
		c.words(statementWords+" transition "+valueWords, compKeyword)
	default:
		c.words(statementWords+" "+valueWords, compKeyword)
	}
}

func (c *completer) object(o *types.Object) {
	it := completionItem{Label: o.Name, Kind: compVariable}
	switch o.Kind {
	case types.ConstObj:
		it.Kind = compConstant
	case types.TypeObj:
		it.Kind = compStruct
	case types.FuncObj, types.ActionObj:
		it.Kind = compFunction
	case types.TableObj, types.InstObj, types.ValueSetObj:
		it.Kind = compClass
	}
	if o.Type != nil {
		it.Detail = typeText(o.Type)
	}
	c.add(it)
}

// scopes are the names that are visible at a place.
type scopes struct {
	objects []*types.Object
	states  []string
}

// scopes collects the names from the innermost scope outwards.
func (c *completer) scopes(a *analysis) scopes {
	var out scopes
	f := a.file(c.doc.path)
	if f == nil {
		return out
	}
	pos := f.Pos(c.start)
	for _, n := range slices.Backward(a.index.scopes) {
		if n.Pos() > pos || n.End() < pos || a.Set.File(n.Pos()) != f {
			continue
		}
		for _, child := range ast.Children(n) {
			if child.Pos() > pos {
				continue
			}
			if d, ok := child.(*ast.DeclStmt); ok {
				child = d.Decl
			}
			if d, ok := child.(*ast.StateDecl); ok && n != ast.Node(d) {
				continue
			}
			if o := a.Info.Defs[child]; o != nil {
				out.objects = append(out.objects, o)
			}
		}
		if p, ok := n.(*ast.ParserDecl); ok {
			for _, s := range p.States {
				out.states = append(out.states, s.Name.Name)
			}
		}
	}
	out.objects = append(out.objects, a.Info.TopOrder...)
	return out
}

// marker stands for the word that is being typed.
const marker = "p4nic_completes_here"

// maxBlank bounds the lines taken out to make a text parse.
const maxBlank = 4

// members offers the members of what stands before the dot. The text is parsed
// with a word in the place of the one that is being typed, and with different
// ends of the statement, since it is unfinished as a rule. Where an error before
// it keeps the parser from reading it, the line with the error is taken out.
func (c *completer) members() {
	before, after := c.doc.text[:c.start], c.doc.text[c.end:]
	for range maxBlank {
		bad := -1
		for _, rest := range []string{"", ";", "();", " = 0;", ");", ") {}", "));", "; }", ") {} }", ": reject; }"} {
			tree, rep := c.parse(before + marker + rest + after)
			var m *ast.MemberExpr
			ast.Walk(tree, func(n ast.Node) {
				if e, ok := n.(*ast.MemberExpr); ok && e.Member.Name == marker {
					m = e
				}
			})
			if m != nil {
				c.membersOf(m, types.Check(tree, diag.NewList(rep.Set(), 0)))
				return
			}
			if bad < 0 {
				bad = c.lastError(rep, len(before)+len(marker))
			}
		}
		var ok bool
		if before, ok = blank(before, bad); !ok {
			return
		}
	}
}

// lastError is the offset of the last error in the document before end, -1 for
// none.
func (c *completer) lastError(rep *diag.List, end int) int {
	at := -1
	for _, d := range rep.All() {
		if f := rep.Set().File(d.Span.Lo); f != nil && f.Name == c.doc.path && d.Severity == diag.Error {
			if o := f.Offset(d.Span.Lo); o <= end {
				at = max(at, o)
			}
		}
	}
	return at
}

// blank takes out the line of text that has the byte at offset, or the last one
// before it that is not empty, but not the last line, which is being typed.
func blank(text string, offset int) (string, bool) {
	last := strings.LastIndexByte(text, '\n')
	if offset < 0 || last < 0 {
		return text, false
	}
	for end := min(offset, last); end > 0; {
		if n := strings.IndexByte(text[end:], '\n'); n >= 0 && offset < last {
			end += n
		}
		start := strings.LastIndexByte(text[:end], '\n') + 1
		if line := text[start:end]; strings.TrimSpace(line) != "" && line[0] != '#' {
			return text[:start] + text[end:], true
		}
		end, offset = start-1, last
	}
	return text, false
}

// parse parses the program with another text for the document.
func (c *completer) parse(text string) (*ast.Program, *diag.List) {
	o := c.w.preproc()
	o.ReadFile = func(path string) ([]byte, error) {
		if path == c.doc.path {
			return []byte(text), nil
		}
		return c.w.readFile(path)
	}
	rep := diag.NewList(source.NewSet(), 0)
	return parser.ParseFile(rep.Set(), o, c.root.path, rep), rep
}

func (c *completer) membersOf(m *ast.MemberExpr, info *types.Info) {
	t := info.Types[m.X].Type
	if t == nil {
		return
	}
	t = types.Subst(t, nil)
	if tt, ok := t.(*types.TypeType); ok {
		c.typeMembers(types.Subst(tt.Of, nil), info)
		return
	}
	switch t := t.(type) {
	case *types.Struct:
		c.fields(t.Fields)
		if t.Kind == ast.Header {
			c.builtins("isValid setValid setInvalid")
		} else if t.Kind == ast.HeaderUnion {
			c.builtins("isValid")
		}
	case *types.Record:
		c.fields(t.Fields)
	case *types.Stack:
		c.builtins("next last lastIndex size push_front pop_front")
	case *types.Extern:
		for _, f := range t.Base().Methods {
			c.add(completionItem{Label: f.Name, Kind: compMethod, Detail: f.String()})
		}
	case *types.TableType, *types.Block:
		c.builtins("apply")
	case *types.TableResult:
		c.builtins("hit miss action_run")
	}
	if _, ok := types.SizeOf(t, true); ok {
		c.builtins("minSizeInBits minSizeInBytes maxSizeInBits maxSizeInBytes")
	}
}

func (c *completer) typeMembers(t types.Type, info *types.Info) {
	switch t := t.(type) {
	case *types.Enum:
		for _, m := range t.Members {
			c.add(completionItem{Label: m.Name, Kind: compEnumMember, Detail: t.Name})
		}
	case *types.Basic:
		if t.Kind == types.Error {
			for _, name := range info.Errors {
				c.add(completionItem{Label: name, Kind: compEnumMember, Detail: "error"})
			}
		}
	case *types.Block:
		c.builtins("apply")
	}
}

func (c *completer) fields(list []*types.Field) {
	for _, f := range list {
		c.add(completionItem{Label: f.Name, Kind: compField, Detail: typeText(f.Type)})
	}
}

func (c *completer) builtins(names string) {
	for _, b := range builtinMembers {
		if slices.Contains(strings.Fields(names), b.name) {
			c.add(completionItem{Label: b.name, Kind: compMethod, Detail: b.text})
		}
	}
}
