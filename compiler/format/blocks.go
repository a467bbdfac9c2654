package format

import "github.com/p4nic/p4nic/compiler/preproc"

// open prepares the opening bracket at i: whether it begins a body.
func (l *layouter) open(i int, f *frame) {
	it := &l.items[i]
	it.block = it.Text == "{" && f.isBlock() && l.beginsBody(i, f)
	it.opens = !it.block
}

// beginsBody tells whether the `{` at i begins a body, and not a list or struct
// expression.
func (l *layouter) beginsBody(i int, f *frame) bool {
	if l.prev < 0 || f.fresh {
		return true
	}
	prev := &l.items[l.prev]
	if prev.Kind != preproc.Punct {
		return prev.Text != "return"
	}
	switch prev.Text {
	case "=":
		return l.isProperty(f) || l.hasStatements(i)
	case ")":
		return prev.role != castEnd
	case ":":
		return prev.gap != spaced
	case ">":
		return prev.role == angleClose
	case "]", "}", ";", "{":
		return true
	}
	return false
}

// isProperty tells whether a statement is one of the table properties that are
// lists of statements.
func (l *layouter) isProperty(f *frame) bool {
	switch l.word(f.head) {
	case "key", "actions", "entries":
		return true
	case "const":
		return l.items[l.prev-1].Text == "entries"
	}
	return false
}

// hasStatements tells whether the braces begun at i hold declarations: the
// methods of an object.
func (l *layouter) hasStatements(i int) bool {
	for j := i + 1; j < l.items[i].match; j++ {
		it := &l.items[j]
		switch {
		case it.Kind != preproc.Punct:
		case it.Text == ";":
			return true
		case it.Text == "{" && l.items[j-1].Text == ")" && l.items[j-1].role != castEnd:
			return true
		case it.match > j:
			j = it.match
		}
	}
	return false
}

// push opens the frame of the bracket at i.
func (l *layouter) push(i int, f *frame) {
	it := &l.items[i]
	in := frame{kind: exprFrame, level: f.level, depth: f.depth + 1, head: -1, oneLine: f.oneLine}
	switch {
	case it.block:
		head := l.word(f.head)
		in = frame{kind: l.bodyKind(head, f), level: f.level + 1, fresh: true, oneLine: -1}
		if l.fitsOneLine(i, head, in.kind) {
			in.oneLine = i
		} else {
			l.end = true
		}
	case it.Text == "(" && (f.kind == rawFrame || l.annotEnd >= 0 && l.annotEnd == it.match):
		in.kind = rawFrame
	case it.Text == "[" && l.annotEnd >= 0 && l.annotEnd == it.match:
		in.keyed = true
	case f.kind == rawFrame:
		in.kind = rawFrame
	case it.Text == "(" && f.isBlock():
		it.params = l.isParams(i, f)
	}
	l.stack = append(l.stack, in)
}

// bodyKind is the kind of the body of a statement that begins with head.
func (l *layouter) bodyKind(head string, f *frame) frameKind {
	switch head {
	case "typedef", "type":
		if n := l.next(f.head); n >= 0 && l.items[n].Text != "enum" {
			return fieldFrame
		}
		return listFrame
	case "struct", "header", "header_union":
		return fieldFrame
	case "enum", "error", "match_kind":
		return listFrame
	case "switch":
		if f.kind != caseFrame {
			return caseFrame
		}
	}
	return codeFrame
}

// fitsOneLine tells whether the body begun at i stays on one line: it is empty,
// or the author wrote it so and it is short. (printItems refuses it where the
// line becomes too long.)
func (l *layouter) fitsOneLine(i int, head string, kind frameKind) bool {
	end := l.items[i].match
	if end == 0 || l.opened[i] {
		return false
	}
	if end == i+1 {
		return true
	}
	statements := 0
	for j := i + 1; j <= end; j++ {
		it := &l.items[j]
		if it.Newlines > 0 || it.Kind == preproc.Comment || it.Kind == preproc.Directive || it.Text == "{" && it.match != j+1 {
			return false
		}
		if it.Text == ";" {
			statements++
		}
	}
	switch head {
	case "struct", "header", "header_union", "enum", "error", "match_kind", "key", "actions":
		return true
	case "if", "for", "switch", "control", "parser", "extern", "else", "table", "package", "transition", "const", "entries", "{":
		return false
	}
	return kind == codeFrame && statements <= 1
}

// isParams tells whether the `(` at i begins the parameters of a declaration.
func (l *layouter) isParams(i int, f *frame) bool {
	switch l.word(f.head) {
	case "control", "parser", "package", "action", "extern", "abstract":
		return true
	case "if", "for", "switch", "transition", "return", "key", "apply":
		return false
	}
	if n := l.next(i); n >= 0 {
		switch l.items[n].Text {
		case "in", "out", "inout":
			return true
		}
	}
	if m := l.items[i].match; m > 0 {
		if n := l.next(m); n >= 0 && l.items[n].Text == "{" {
			return true
		}
	}
	return false
}
