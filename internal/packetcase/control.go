package packetcase

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Control is what a control plane programs besides tables. Objects have their
// names, so that it serves a program at every level.
type Control struct {
	Groups   map[uint32][]ir.Replica
	Sessions map[uint32]ir.CloneSession
	Meters   []Meter
	Direct   []Meter // of entries: Name is the table's, Cell the handle
	Sets     map[string][][]ir.Match
	Members  []Member
	Choices  []Choice
}

// Meter is the rates of one cell.
type Meter struct {
	Name  string
	Cell  uint32
	Rates ir.MeterRates
}

// Member is a member of an action profile; Action is the action's name.
type Member struct {
	Profile string
	ID      uint32
	Action  string
	Args    [][]byte
}

// Choice is a group of an action selector.
type Choice struct {
	Profile string
	Group   ir.ProfileGroup
}

// ParseControl reads a control section for p, whose lines are
//
//	group ID PORT:INSTANCE...
//	session ID [group=ID] [cut=BYTES] [class=NUMBER] PORT:INSTANCE...
//	meter NAME CELL CIR CBURST PIR PBURST
//	direct TABLE HANDLE CIR CBURST PIR PBURST
//	set NAME VALUE,VALUE...            a member of a value set, one value a field
//	member PROFILE ID -> ACTION(ARGUMENTS)
//	choice PROFILE ID MEMBER:WEIGHT...
func ParseControl(p *ir.Program, text string) (*Control, error) {
	c := &Control{Groups: map[uint32][]ir.Replica{}, Sessions: map[uint32]ir.CloneSession{}, Sets: map[string][][]ir.Match{}}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := c.line(p, line); err != nil {
			return nil, fmt.Errorf("control:%d: %w", i+1, err)
		}
	}
	return c, nil
}

func (c *Control) line(p *ir.Program, line string) error {
	left, right, _ := strings.Cut(line, "->")
	f := strings.Fields(left)
	if len(f) < 2 {
		return errors.New("expected a word and a name")
	}
	switch f[0] {
	case "group", "session":
		id, err := word(f[1])
		if err != nil {
			return err
		}
		if f[0] == "group" {
			c.Groups[id], err = replicas(f[2:], nil)
			return err
		}
		var s ir.CloneSession
		s.Replicas, err = replicas(f[2:], &s)
		c.Sessions[id] = s
		return err
	case "meter", "direct":
		if len(f) != 7 {
			return fmt.Errorf("expected %s NAME CELL CIR CBURST PIR PBURST", f[0])
		}
		var n [5]uint64
		for i, s := range f[2:] {
			v, err := strconv.ParseUint(s, 0, 64)
			if err != nil {
				return err
			}
			n[i] = v
		}
		m := Meter{f[1], uint32(n[0]), ir.MeterRates{CIR: n[1], CBurst: n[2], PIR: n[3], PBurst: n[4]}}
		if f[0] == "meter" {
			c.Meters = append(c.Meters, m)
		} else {
			c.Direct = append(c.Direct, m)
		}
		return nil
	case "set":
		return c.set(p, f)
	case "member", "choice":
		if len(f) < 3 {
			return fmt.Errorf("expected %s PROFILE ID and more", f[0])
		}
		at := slices.IndexFunc(p.Instances, func(i *ir.Instance) bool { return i.Name == f[1] })
		if at < 0 {
			return fmt.Errorf("there is no action profile %s", f[1])
		}
		id, err := word(f[2])
		if err != nil {
			return err
		}
		if f[0] == "member" {
			as := p.ProfileActions(p.Instances[at])
			t := &ir.Table{}
			for _, a := range as {
				t.Actions = append(t.Actions, ir.ActionRef{Action: a})
			}
			var e ir.Entry
			if err := parseAction(t, &e, strings.TrimSpace(right)); err != nil {
				return err
			}
			c.Members = append(c.Members, Member{f[1], id, as[e.Action].Name, e.Args})
			return nil
		}
		g := ir.ProfileGroup{ID: id}
		for _, s := range f[3:] {
			m, w, err := pair(s)
			if err != nil {
				return err
			}
			g.Members = append(g.Members, ir.GroupMember{Member: m, Weight: w})
		}
		c.Choices = append(c.Choices, Choice{f[1], g})
		return nil
	}
	return fmt.Errorf("unknown word %q", f[0])
}

// set adds a member to a value set.
func (c *Control) set(p *ir.Program, f []string) error {
	if len(f) != 3 {
		return errors.New("expected set NAME and values with commas between")
	}
	at := slices.IndexFunc(p.ValueSets, func(v *ir.ValueSet) bool { return v.Name == f[1] })
	if at < 0 {
		return fmt.Errorf("there is no value set %s", f[1])
	}
	types := []ir.Type{p.ValueSets[at].Type}
	switch t := ir.Underlying(types[0]).(type) {
	case *ir.Struct:
		types = nil
		for _, x := range t.Fields {
			types = append(types, x.Type)
		}
	case *ir.Tuple:
		types = t.Elems
	}
	values := strings.Split(f[2], ",")
	if len(values) != len(types) {
		return fmt.Errorf("value set %s has %d fields, not %d", f[1], len(types), len(values))
	}
	var m []ir.Match
	for i, s := range values {
		v, err := number(s, types[i])
		if err != nil {
			return err
		}
		m = append(m, ir.Match{Value: v})
	}
	c.Sets[f[1]] = append(c.Sets[f[1]], m)
	return nil
}

func word(s string) (uint32, error) {
	v, err := strconv.ParseUint(s, 0, 32)
	return uint32(v), err
}

func pair(s string) (a, b uint32, err error) {
	x, y, ok := strings.Cut(s, ":")
	if !ok {
		return 0, 0, fmt.Errorf("expected A:B, found %q", s)
	}
	if a, err = word(x); err != nil {
		return 0, 0, err
	}
	b, err = word(y)
	return a, b, err
}

// replicas reads PORT:INSTANCE..., and before them the rest of a session.
func replicas(f []string, s *ir.CloneSession) ([]ir.Replica, error) {
	var out []ir.Replica
	for _, x := range f {
		if k, v, is := strings.Cut(x, "="); is && s != nil {
			n, err := word(v)
			switch {
			case err != nil:
				return nil, err
			case k == "group":
				s.Group = n
			case k == "cut":
				s.Truncate = n
			case k == "class":
				s.ClassOfService = uint8(n)
			default:
				return nil, fmt.Errorf("unknown word %q", k)
			}
			continue
		}
		port, instance, err := pair(x)
		if err != nil {
			return nil, err
		}
		if instance > 0xffff {
			return nil, fmt.Errorf("instance %d has more than 16 bits", instance)
		}
		out = append(out, ir.Replica{Port: port, Instance: uint16(instance)})
	}
	return out, nil
}
