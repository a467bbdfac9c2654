package format

import (
	"strings"

	"github.com/p4nic/p4nic/compiler/preproc"
)

// gap is what stands between an item and the one before.
type gap uint8

const (
	tight   gap = iota // nothing
	spaced             // a space
	newline            // a new line
)

// item is a lexeme with its place in the layout.
type item struct {
	preproc.Lexeme
	role  role
	gap   gap
	may   bool // a line may break before it, see cost; the author's breaks are kept
	cost  int  // of a break, lower is better
	level int  // indentation of a line that begins with it
	cont  bool // it is not the first of its statement
	// match is the index of the bracket that closes the item, 0 for none.
	match int
	// bracket: opens or closes a bracket that continuation lines align to.
	opens, closes bool
	// params: opens the parameters of a declaration.
	params bool
	// oneLine is the opening brace of a body on one line, if the item is in one.
	oneLine int
	// column: what is aligned with those above and below.
	column column
	// block is a brace that begins or ends a body.
	block bool
}

// column says what is aligned in a run of lines of the same kind.
type column uint8

const (
	noColumn    column = iota
	fieldColumn        // names of fields
	typeColumn         // names that typedef and type declare
	constColumn        // the `=` of constants
)

// frameKind is the kind of a bracket.
type frameKind uint8

const (
	fileFrame  frameKind = iota
	codeFrame            // statements or declarations
	caseFrame            // the cases of a switch
	fieldFrame           // the fields of a struct, header or union
	listFrame            // names separated by commas: enum, error, match_kind
	exprFrame            // brackets of an expression, parameters
	rawFrame             // the body of an unstructured annotation
)

// frame is an open bracket.
type frame struct {
	kind    frameKind
	level   int
	depth   int // nesting of exprFrames
	head    int // first item of the current statement
	fresh   bool
	tern    int  // `?` without its `:`
	assign  int  // the `=` of the statement
	keyed   bool // the body of a structured annotation
	oneLine int  // see item
}

func (f *frame) isBlock() bool { return f.kind < exprFrame }

// layouter is the state of one pass over the items.
type layouter struct {
	items  []item
	opened map[int]bool
	stack  []frame
	// conds are the stacks at the open #if, to begin the other groups with.
	conds []cond
	prev  int // the last token, -1 for none
	// end is set where a statement or a line has ended: the next token begins a line.
	end bool
	// pragma is set inside an @pragma, whose body ends with the line.
	pragma bool
	// annotEnd is the last item of the annotation being read, -1 for none.
	annotEnd int
}

type cond struct {
	before, after []frame // at #if; at the end of the first group
	groups        int
}

// layout decides what stands between each two lexemes. Bodies whose opening
// brace is in opened are not put on one line.
func layout(lexemes []preproc.Lexeme, roles []role, opened map[int]bool) []item {
	l := &layouter{items: make([]item, len(lexemes)), opened: opened, prev: -1, annotEnd: -1}
	for i, x := range lexemes {
		l.items[i] = item{Lexeme: x, role: roles[i], oneLine: -1}
	}
	l.matchBrackets()
	l.stack = []frame{{kind: fileFrame, fresh: true, oneLine: -1}}
	for i := range l.items {
		switch l.items[i].Kind {
		case preproc.Directive:
			l.directive(i)
		case preproc.Comment:
			l.comment(i)
		default:
			l.token(i)
		}
	}
	return l.items
}

// matchBrackets pairs brackets; each group of a conditional begins with the
// brackets that were open at the #if.
func (l *layouter) matchBrackets() {
	var open []int
	var conds [][]int
	for i := range l.items {
		it := &l.items[i]
		switch {
		case it.Kind == preproc.Directive:
			switch directiveName(it.Text) {
			case "if", "ifdef", "ifndef":
				conds = append(conds, append([]int(nil), open...))
			case "elif", "elifdef", "elifndef", "else":
				if n := len(conds); n > 0 {
					open = append([]int(nil), conds[n-1]...)
				}
			case "endif":
				if n := len(conds); n > 0 {
					conds = conds[:n-1]
				}
			}
		case it.Kind != preproc.Punct:
		case it.Text == "(" || it.Text == "[" || it.Text == "{":
			open = append(open, i)
		case it.Text == ")" || it.Text == "]" || it.Text == "}":
			if n := len(open); n > 0 {
				l.items[open[n-1]].match = i
				open = open[:n-1]
			}
		}
	}
}

// directiveName returns the word after the `#`.
func directiveName(text string) string {
	s := strings.TrimLeft(strings.TrimPrefix(text, "#"), " \t")
	n := 0
	for n < len(s) && s[n] >= 'a' && s[n] <= 'z' {
		n++
	}
	return s[:n]
}

func (l *layouter) top() *frame { return &l.stack[len(l.stack)-1] }

// directive lays out a directive, and begins each group of a conditional with
// the frames that were open at its beginning.
func (l *layouter) directive(i int) {
	it := &l.items[i]
	it.gap = newline
	f := l.top()
	it.level, it.cont = f.level, !f.fresh
	save := func() []frame { return append([]frame(nil), l.stack...) }
	switch directiveName(it.Text) {
	case "if", "ifdef", "ifndef":
		l.conds = append(l.conds, cond{before: save()})
	case "elif", "elifdef", "elifndef", "else":
		if n := len(l.conds); n > 0 {
			c := &l.conds[n-1]
			if c.groups++; c.groups == 1 {
				c.after = save()
			}
			l.stack = append([]frame(nil), c.before...)
		}
	case "endif":
		if n := len(l.conds); n > 0 {
			if c := l.conds[n-1]; c.groups > 0 {
				l.endif(c)
			}
			l.conds = l.conds[:n-1]
		}
	}
	l.end, l.pragma = true, false
}

// endif chooses the frames that are open behind a conditional: those of its
// first group, and where that opened none, those of before.
func (l *layouter) endif(c cond) {
	l.stack = c.after
	if len(c.after) == len(c.before) {
		fresh := l.top().fresh
		l.stack = c.before
		l.top().fresh = l.top().fresh || fresh
	}
}

// comment lays out a comment; it keeps its line.
func (l *layouter) comment(i int) {
	it := &l.items[i]
	f := l.top()
	it.level, it.cont, it.oneLine = f.level, !f.fresh, f.oneLine
	if l.prev >= 0 && l.items[l.prev].block && l.items[l.prev].Text == "}" {
		it.cont = false // before `else`
	}
	if it.Newlines > 0 || i == 0 || l.items[i-1].Kind == preproc.Directive || endsLine(&l.items[i-1]) {
		it.gap = newline
		if l.pragma {
			l.pragma = false
			l.end, f.fresh = true, true
			it.cont = false
		}
	} else {
		it.gap = spaced
		if l.prev == i-1 && l.prev >= 0 && f.kind == exprFrame && l.items[i-1].opens && !isLineComment(it.Text) {
			it.gap = tight
		}
	}
}

func isLineComment(s string) bool { return strings.HasPrefix(s, "//") }

// token lays out any other lexeme.
func (l *layouter) token(i int) {
	it := &l.items[i]
	closing := it.Kind == preproc.Punct && (it.Text == ")" || it.Text == "]" || it.Text == "}")
	var closed frame
	if closing && len(l.stack) > 1 {
		closed = *l.top()
		l.stack = l.stack[:len(l.stack)-1]
		it.block = closed.isBlock()
		it.closes = !it.block
	} else if closing {
		closed.kind = fileFrame // more closing than opening brackets
		it.block = it.Text == "}"
	}
	f := l.top()
	it.level, it.oneLine = f.level, f.oneLine
	if it.Kind == preproc.Punct && (it.Text == "(" || it.Text == "[" || it.Text == "{") {
		l.open(i, f)
	}
	if it.block && closing {
		it.oneLine = closed.oneLine
	}
	it.gap, it.may, it.cost = l.between(i, f, &closed)
	l.end = false
	if f.fresh && !closing {
		f.head, f.fresh = i, false
		f.tern, f.assign = 0, 0
	}
	it.cont = i != f.head || closing
	if it.block && closing {
		it.cont = false
	}
	l.after(i, f, &closed, closing)
	l.prev = i
}

// after updates the state for what follows the token at i.
func (l *layouter) after(i int, f *frame, closed *frame, closing bool) {
	it := &l.items[i]
	inBlock := f.isBlock()
	switch {
	case it.Kind == preproc.Name && it.Text == "pragma" && l.prev == i-1 && i > 0 && l.items[i-1].Text == "@" && !it.SpaceBefore():
		l.pragma = true
	case it.Kind != preproc.Punct:
	case it.Text == "@" && l.annotEnd < 0 && !l.pragma && f.kind != rawFrame:
		l.annotEnd = l.annotationEnd(i)
	case it.Text == "(" || it.Text == "[" || it.Text == "{":
		l.push(i, f)
		return
	case closing && it.block && inBlock:
		l.endBody(i, f)
	case it.Text == ";" && inBlock:
		l.endStatement(f)
		l.markColumn(f)
	case it.Text == "," && f.kind == listFrame:
		l.endStatement(f)
	case it.Text == "=" && inBlock:
		f.assign = i
	case it.Text == "?":
		f.tern++
	case it.Text == ":" && f.tern > 0:
		f.tern--
	case it.Text == ":" && f.kind == caseFrame:
		if n := l.next(i); n >= 0 && l.items[n].Text != "{" {
			l.endStatement(f)
		}
	}
	if l.annotEnd == i {
		l.annotEnd = -1
		// Annotations before a declaration may have lines of their own.
		f.fresh = f.fresh || inBlock && l.onlyAnnotations(f.head, i)
	} else if inBlock && f.oneLine < 0 && l.macroUse(i, f) {
		l.endStatement(f)
	}
}

// markColumn marks what is aligned in the statement that ends in f.
func (l *layouter) markColumn(f *frame) {
	if f.oneLine >= 0 || l.prev <= f.head {
		return
	}
	name := &l.items[l.prev]
	switch head := l.word(f.head); {
	case f.kind == fieldFrame && name.Kind == preproc.Name:
		name.column = fieldColumn
	case (head == "typedef" || head == "type") && name.Kind == preproc.Name && l.items[l.prev-1].Text != "}":
		name.column = typeColumn
	case head == "const" && f.assign > 0 && l.items[f.assign-1].Kind == preproc.Name && l.items[f.assign-1].Text != "entries":
		l.items[f.assign].column = constColumn
	}
}

func (l *layouter) endStatement(f *frame) {
	f.fresh = true
	l.end = f.oneLine < 0
}

// endBody decides whether the statement goes on behind the `}` at i.
func (l *layouter) endBody(i int, f *frame) {
	n := l.next(i)
	if n < 0 {
		l.endStatement(f)
		return
	}
	switch t := l.items[n].Text; {
	case t == "else" || t == ";" || t == "," || t == ")":
	case l.word(f.head) == "typedef" || l.word(f.head) == "type":
	default:
		l.endStatement(f)
	}
}

// next returns the index of the token after i, -1 for none or where a directive
// comes first.
func (l *layouter) next(i int) int {
	for i++; i < len(l.items); i++ {
		switch l.items[i].Kind {
		case preproc.Comment:
		case preproc.Directive:
			return -1
		default:
			return i
		}
	}
	return -1
}

// newlineAfter tells whether the author ended the line behind item i, comments
// aside.
func (l *layouter) newlineAfter(i int) bool {
	for i++; i < len(l.items); i++ {
		if l.items[i].Newlines > 0 || l.items[i].Kind == preproc.Directive {
			return true
		}
		if l.items[i].Kind != preproc.Comment {
			return false
		}
	}
	return true
}

// annotationEnd returns the last item of the annotation that begins at i.
func (l *layouter) annotationEnd(i int) int {
	name := l.next(i)
	if name < 0 {
		return i
	}
	if body := l.next(name); body >= 0 && (l.items[body].Text == "(" || l.items[body].Text == "[") && l.items[body].match > 0 {
		return l.items[body].match
	}
	return name
}

// onlyAnnotations tells whether the items from head to i are annotations.
func (l *layouter) onlyAnnotations(head, i int) bool {
	for head <= i && head >= 0 {
		if l.items[head].Kind == preproc.Comment {
			head++
			continue
		}
		if l.items[head].Text != "@" {
			return false
		}
		head = l.annotationEnd(head) + 1
	}
	return true
}

// word returns the first word of a statement, its annotations aside.
func (l *layouter) word(head int) string {
	for head >= 0 && head < len(l.items) {
		it := &l.items[head]
		switch {
		case it.Kind == preproc.Comment || it.Kind == preproc.Directive:
			head++
		case it.Text == "@":
			head = l.annotationEnd(head) + 1
		default:
			return it.Text
		}
	}
	return ""
}

// macroUse tells whether a statement ends with item i although no `;` follows:
// NAME or NAME(...) on lines of their own, which must be macros.
func (l *layouter) macroUse(i int, f *frame) bool {
	if f.head < 0 || l.items[f.head].Kind != preproc.Name || keyword(l.items[f.head].Text) || statementWord(l.items[f.head].Text) || !l.newlineAfter(i) {
		return false
	}
	n := l.next(i)
	if n >= 0 && l.items[n].Kind != preproc.Name && l.items[n].Text != "@" && l.items[n].Text != "}" {
		return false
	}
	if i == f.head {
		// A lone name may be the type of a declaration; a keyword that begins a
		// declaration cannot follow it then.
		return n >= 0 && (statementWord(l.items[n].Text) || l.items[n].Text == "}" || l.items[n].Text == "@")
	}
	return l.items[i].Text == ")" && l.next(f.head) >= 0 && l.items[l.next(f.head)].match == i
}

// statementWord tells whether a word begins a statement or declaration and can
// be no name.
func statementWord(s string) bool {
	switch s {
	case "control", "parser", "header", "header_union", "struct", "enum", "typedef", "extern", "package",
		"action", "table", "state", "const", "if", "for", "switch", "return", "exit", "transition", "error", "match_kind", "apply",
		"bit", "int", "bool", "varbit", "void", "abstract", "value_set", "key", "actions", "entries":
		return true
	}
	return false
}
