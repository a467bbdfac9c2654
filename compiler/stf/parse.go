package stf

import (
	"fmt"
	"strconv"
	"strings"
)

// maxTest bounds a file.
const maxTest = 16 << 20

// Parse reads a test. name is the file's, for errors, which are *ParseError.
func Parse(name string, text []byte) (*Test, error) {
	if len(text) > maxTest {
		return nil, &ParseError{name, 1, 1, fmt.Sprintf("%d bytes, the limit is %d", len(text), maxTest)}
	}
	t := &Test{Name: name}
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#") // also inside packets (T12)
		p := &lineParser{file: name, line: i + 1, text: line}
		p.skip()
		if p.done() {
			continue
		}
		c, err := p.command()
		if err != nil {
			return nil, err
		}
		c.Line = i + 1
		t.Commands = append(t.Commands, *c)
	}
	return t, nil
}

// lineParser reads one line.
type lineParser struct {
	file string
	line int
	text string
	at   int
}

func (p *lineParser) fail(format string, args ...any) error {
	return &ParseError{p.file, p.line, p.at + 1, fmt.Sprintf(format, args...)}
}

func (p *lineParser) skip() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *lineParser) done() bool { return p.at >= len(p.text) }

// take reads the longest run of bytes that ok accepts, and the blanks behind it.
func (p *lineParser) take(ok func(byte) bool) string {
	from := p.at
	for p.at < len(p.text) && ok(p.text[p.at]) {
		p.at++
	}
	s := p.text[from:p.at]
	p.skip()
	return s
}

func (p *lineParser) punct(s string) bool {
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		p.skip()
		return true
	}
	return false
}

func nameByte(c byte) bool {
	return c == '_' || c == '$' || c == '&' || c == '.' || c == '[' || c == ']' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func valueByte(c byte) bool {
	return c == '*' || c == '&' || c == '/' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func dataByte(c byte) bool {
	return c == '*' || c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func notBlank(c byte) bool { return c != ' ' && c != '\t' && c != '\r' }

func (p *lineParser) name(what string) (string, error) {
	s := p.take(nameByte)
	if s == "" {
		return "", p.fail("%s is missing", what)
	}
	return s, nil
}

func (p *lineParser) number(what string, bits int) (uint64, error) {
	at := p.at
	s := p.take(func(c byte) bool { return valueByte(c) && c != '/' && c != '*' && c != '.' })
	v, err := strconv.ParseUint(s, 0, bits)
	if err != nil && s != "" && strings.Trim(s, "0123456789") == "" {
		v, err = strconv.ParseUint(s, 10, bits) // leading zeros are no octal numbers
	}
	if err != nil {
		p.at = at
		return 0, p.fail("%s: %q is no number of up to %d bits", what, s, bits)
	}
	return v, nil
}

func (p *lineParser) command() (*Command, error) {
	word := p.take(notBlank)
	c := &Command{}
	var err error
	switch w := strings.ToLower(word); w {
	case "add":
		c.Kind = Add
		err = p.add(c)
	case "setdefault":
		c.Kind = SetDefault
		if c.Table, err = p.name("the table"); err == nil {
			err = p.action(c)
		}
	case "remove":
		c.Kind = RemoveAll
		if s := p.take(nameByte); !strings.EqualFold(s, "all") {
			err = p.fail("remove takes the word all")
		}
	case "packet":
		c.Kind = SendPacket
		err = p.packet(c)
	case "expect":
		c.Kind = Expect
		err = p.expect(c)
	case "no_packet":
		c.Kind = NoPacket
	case "wait":
		c.Kind = Wait
		p.take(notBlank) // seconds, for switches that have a clock
	case "check_counter":
		c.Kind = CheckCounter
		err = p.checkCounter(c)
	case "register_read", "register_write", "register_reset", "counter_read", "counter_reset":
		err = p.array(w, c)
	case "counter_write", "meter_get_rates", "meter_set_rates", "meter_array_set_rates":
		err = p.cells(w, c)
	case "member", "group":
		err = p.profile(w, c)
	default:
		if n, is := numbered(w); is {
			c.Kind, c.Name = n.kind, w
			err = p.numbers(n, c)
			break
		}
		p.at = 0
		p.skip()
		return nil, p.fail("unknown command %q", word)
	}
	if err == nil && !p.done() {
		err = p.fail("%q is left over", p.text[p.at:])
	}
	return c, err
}

func (p *lineParser) add(c *Command) (err error) {
	if c.Table, err = p.name("the table"); err != nil {
		return err
	}
	from := p.at
	if s := p.take(func(b byte) bool { return b >= '0' && b <= '9' }); s != "" {
		if c.Priority, err = strconv.Atoi(s); err != nil || c.Priority > 1<<30 {
			p.at = from
			return p.fail("priority %s is too large", s)
		}
		c.HasPrio = true
	}
	for {
		from = p.at
		n, err := p.name("a key or the action")
		if err != nil {
			return err
		}
		if !p.punct(":") {
			p.at = from
			break
		}
		v := p.take(valueByte)
		if v == "" {
			return p.fail("the value of key %s is missing", n)
		}
		c.Keys = append(c.Keys, Field{n, v})
	}
	if p.reference(c) {
		return nil
	}
	if err := p.action(c); err != nil {
		return err
	}
	if p.punct("=") {
		if c.ID, err = p.name("the entry's name"); err != nil {
			return err
		}
		c.ID = strings.TrimPrefix(c.ID, "$")
	}
	return nil
}

func (p *lineParser) action(c *Command) (err error) {
	if c.Action, err = p.name("the action"); err != nil {
		return err
	}
	if !p.punct("(") {
		return p.fail("( is missing after action %s", c.Action)
	}
	for !p.punct(")") {
		if len(c.Args) > 0 && !p.punct(",") {
			return p.fail(", or ) is missing")
		}
		n, err := p.name("an argument")
		if err != nil {
			return err
		}
		if !p.punct(":") { // by position
			c.Args = append(c.Args, Field{"", n})
			continue
		}
		v := p.take(valueByte)
		if v == "" {
			return p.fail("the value of argument %s is missing", n)
		}
		c.Args = append(c.Args, Field{n, v})
	}
	return nil
}

func (p *lineParser) packet(c *Command) error {
	port, err := p.number("the port", 32)
	if err != nil {
		return err
	}
	c.Port = uint32(port)
	data, mask, err := p.data()
	if err != nil {
		return err
	}
	for _, m := range mask {
		if m != 0xff {
			return p.fail("a packet to send has no wildcards")
		}
	}
	c.Data = data
	return nil
}

func (p *lineParser) expect(c *Command) error {
	port, err := p.number("the port", 32)
	if err != nil {
		return err
	}
	c.Port = uint32(port)
	if p.done() {
		c.Any = true
		return nil
	}
	if c.Data, c.Mask, err = p.data(); err != nil {
		return err
	}
	c.Exact = p.punct("$")
	return nil
}

// data reads hexadecimal digits with blanks anywhere between them; * is any.
func (p *lineParser) data() (data, mask []byte, err error) {
	half := false
	for {
		s := p.take(dataByte)
		if s == "" {
			break
		}
		for i := range len(s) {
			v, m := byte(0), byte(15)
			switch ch := s[i]; {
			case ch == '*':
				m = 0
			case ch <= '9':
				v = ch - '0'
			default:
				v = ch&^0x20 - 'A' + 10
			}
			if half {
				data[len(data)-1] |= v
				mask[len(mask)-1] |= m
			} else {
				data, mask = append(data, v<<4), append(mask, m<<4)
			}
			half = !half
		}
	}
	if half {
		return nil, nil, p.fail("an odd number of hexadecimal digits")
	}
	return data, mask, nil
}

func (p *lineParser) checkCounter(c *Command) (err error) {
	if c.Name, err = p.name("the counter"); err != nil {
		return err
	}
	if !p.punct("(") {
		return p.fail("( is missing after counter %s", c.Name)
	}
	if !p.done() && (p.text[p.at] < '0' || p.text[p.at] > '9') {
		if c.Handle, err = p.name("the index"); err != nil {
			return err
		}
		c.Handle = strings.TrimPrefix(c.Handle, "$")
	} else {
		v, err := p.number("the index", 32)
		if err != nil {
			return err
		}
		c.Index = uint32(v)
	}
	if !p.punct(")") {
		return p.fail(") is missing")
	}
	if p.done() {
		return nil
	}
	switch w := p.take(nameByte); strings.ToLower(w) {
	case "bytes":
		c.Bytes = true
	case "packets":
	default:
		return p.fail("packets or bytes is wanted, not %q", w)
	}
	for _, o := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.punct(o) {
			c.Op = o
			c.Value, err = p.number("the value", 64)
			return err
		}
	}
	return p.fail("a comparison is missing")
}

func (p *lineParser) array(word string, c *Command) (err error) {
	kinds := map[string]Kind{"register_read": RegisterRead, "register_write": RegisterWrite, "register_reset": RegisterReset,
		"counter_read": CounterRead, "counter_reset": CounterReset}
	c.Kind = kinds[word]
	if c.Name, err = p.name("the array"); err != nil {
		return err
	}
	if p.done() {
		c.All = true
		if c.Kind == RegisterWrite {
			return p.fail("the index is missing")
		}
		return nil
	}
	v, err := p.number("the index", 32)
	if err != nil {
		return err
	}
	c.Index = uint32(v)
	if c.Kind == RegisterWrite {
		if c.Text = p.take(valueByte); c.Text == "" {
			return p.fail("the value is missing")
		}
	}
	return nil
}
