package format

import (
	"strings"

	"github.com/p4nic/p4nic/compiler/preproc"
)

// between says what stands before the item at i in frame f; closed is the frame
// that it closes, if it is a closing bracket.
func (l *layouter) between(i int, f, closed *frame) (g gap, may bool, cost int) {
	it := &l.items[i]
	if l.prev < 0 {
		return newline, false, 0
	}
	last := &l.items[i-1]
	if last.Kind == preproc.Directive || last.Kind == preproc.Comment && it.Newlines > 0 || endsLine(last) {
		return newline, false, 0
	}
	if l.pragma {
		if l.newlineAfter(l.prev) {
			l.pragma = false
			f.fresh = true
			return newline, false, 0
		}
		return written(it), false, 0
	}
	if f.kind == rawFrame || closed.kind == rawFrame && it.closes {
		if it.SpaceBefore() && !l.items[l.prev].opens && !it.closes {
			// A `#` that begins a line would be a directive.
			return spaced, it.Text[0] != '#', 10 * f.depth
		}
		return tight, it.Newlines > 0, 10 * f.depth
	}
	if l.end {
		return newline, false, 0
	}
	prev := &l.items[l.prev]
	if it.block && it.Text == "}" {
		switch {
		case closed.oneLine < 0:
			return newline, false, 0
		case prev.block && prev.Text == "{":
			return spaced, false, 0 // the empty body: { }
		}
		return spaced, false, 0
	}
	g = l.space(i, f)
	depth := f.depth
	if it.closes {
		depth = closed.depth
	}
	may, cost = breakable(prev, it, f)
	if f.fresh && !closingText(it) && f.isBlock() {
		may, cost = true, 7 // after an annotation
	}
	if f.isBlock() && f.oneLine >= 0 {
		may = false
	}
	return g, may, cost + 10*depth
}

// breakable tells whether a line may break between two tokens, and at what cost.
func breakable(prev, it *item, f *frame) (bool, int) {
	switch {
	case prev.Kind == preproc.Punct && prev.opens, it.closes && it.role != angleClose:
		return f.kind == exprFrame || it.closes, 6
	case prev.Text == "," && prev.Kind == preproc.Punct:
		if f.kind != exprFrame {
			return f.kind != listFrame, 30 // between type arguments
		}
		return true, 0
	case isOperator(prev) && prev.role != unary:
		return true, operatorCost(prev.Text)
	case isOperator(it) && it.role != unary:
		return true, 50 + operatorCost(it.Text)
	case prev.Text == "=" && prev.Kind == preproc.Punct && !it.block:
		return true, 25
	case prev.Text == ";" && f.kind == exprFrame: // for
		return true, 1
	case it.Text == "@":
		return true, 8
	case prev.Text == ")" && it.Kind == preproc.Name || prev.Text == "else" && it.Text != "if" && !it.block:
		return true, 60
	}
	return false, 0
}

func closingText(it *item) bool { return it.Kind == preproc.Punct && (it.closes || it.block) }

// isOperator tells whether an item is an operator between two operands.
func isOperator(it *item) bool {
	if it.Kind != preproc.Punct {
		return false
	}
	switch it.Text {
	case "<", ">", "+", "-":
		return it.role == binary
	case "*", "/", "%", "&", "|", "^", "|+|", "|-|", "++", "<<", "<=", ">=", "==", "!=", "&&", "||", "&&&", "..", "?":
		return true
	}
	return false
}

func operatorCost(op string) int {
	switch op {
	case "||":
		return 1
	case "&&":
		return 2
	case "?":
		return 3
	}
	return 5
}

// space says whether a space stands between the last token and the item at i,
// which are on one line.
func (l *layouter) space(i int, f *frame) gap {
	a, b := &l.items[l.prev], &l.items[i]
	if i-1 > l.prev { // a comment on the line
		if b.Text == "," || b.Text == ";" || b.Text == ")" || b.Text == "]" {
			return tight
		}
		return spaced
	}
	// What no rule of the language covers, in a group that is not compiled, and
	// `@pragma`, which is not `@ pragma`.
	if a.Kind == preproc.Bad || b.Kind == preproc.Bad || a.Text == "@" && b.Text == "pragma" {
		return written(b)
	}
	// `>>` and `> >` are not the same (L14).
	if a.Text == ">" && a.Kind == preproc.Punct && b.Kind == preproc.Punct && b.Text[0] == '>' {
		return written(b)
	}
	g := wanted(a, b, f, l.colonIsTernary(i, f))
	if g == tight && glues(a.Text, b.Text) {
		return spaced
	}
	return g
}

// endsLine tells whether nothing can follow an item on its line.
func endsLine(it *item) bool {
	return it.Kind == preproc.Comment && isLineComment(it.Text) || it.Kind == preproc.Bad && it.Text[0] == '"'
}

// written is the spacing of the source.
func written(it *item) gap {
	if it.SpaceBefore() {
		return spaced
	}
	return tight
}

// colonIsTernary tells whether the `:` at i, or the one before i, belongs to a
// `?`.
func (l *layouter) colonIsTernary(i int, f *frame) bool {
	if l.items[i].Text == ":" {
		return f.tern > 0
	}
	return l.items[l.prev].Text == ":" && l.items[l.prev].gap == spaced
}

// wanted is the spacing of house style between two tokens.
func wanted(a, b *item, f *frame, ternary bool) gap {
	if b.Kind == preproc.Punct {
		switch b.Text {
		case ",", ";":
			return tight
		case ")", "]":
			return tight
		case "}":
			if a.Text == "{" && a.opens {
				return tight // {}
			}
			return spaced
		case ".":
			if b.role != rootDot {
				return tight
			}
		case ":":
			if !ternary {
				return tight
			}
			return spaced
		case "=":
			if f.keyed {
				return tight
			}
		case "(":
			return beforeParen(a)
		case "[":
			if isWord(a.Text) || a.Text == ")" || a.Text == "]" || a.role == angleClose {
				return tight
			}
		}
		if b.role == angleOpen || b.role == angleClose {
			return tight
		}
	}
	if a.Kind == preproc.Punct {
		switch a.Text {
		case "(", "[", ".", "@", "~", "!":
			return tight
		case ":":
			if f.kind == exprFrame && !ternary {
				return tight
			}
		case "=":
			if f.keyed {
				return tight
			}
		}
		if a.role == unary || a.role == angleOpen {
			return tight
		}
	}
	return spaced
}

// beforeParen is the spacing between a token and `(`.
func beforeParen(a *item) gap {
	switch {
	case a.role == castEnd:
		return spaced
	case a.Kind == preproc.Name && keyword(a.Text):
		return spaced
	case a.Kind == preproc.Name, a.Text == "]", a.role == angleClose, a.role == unary:
		return tight
	case a.Kind == preproc.Punct:
		switch a.Text {
		case "(", "[", ".", "!", "~", ")":
			return tight
		}
	}
	return spaced
}

// glues tells whether two tokens become others when nothing stands between
// them.
func glues(a, b string) bool {
	if isWord(a) && isWord(b) {
		return true
	}
	if isWord(a) || isWord(b) || strings.HasPrefix(a, `"`) || strings.HasPrefix(b, `"`) {
		return false
	}
	if a == "/" && (b[0] == '/' || b[0] == '*') {
		return true
	}
	return !preproc.Splits(a, b)
}
