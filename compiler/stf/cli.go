package stf

import (
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Commands that the tests of p4c hand to bmv2's command line (T2), with its
// arguments, and those for action profiles.

// numberedCommand is a command whose arguments are numbers.
type numberedCommand struct {
	kind     Kind
	min, max int // arguments
	what     string
}

func numbered(word string) (numberedCommand, bool) {
	const many = 1 << 16
	switch word {
	case "mirroring_add":
		return numberedCommand{MirrorAdd, 2, 2, "the session and the port"}, true
	case "mirroring_add_mc":
		return numberedCommand{MirrorAddMC, 2, 2, "the session and the group"}, true
	case "mirroring_delete":
		return numberedCommand{MirrorDelete, 1, 1, "the session"}, true
	case "mirroring_get":
		return numberedCommand{MirrorGet, 1, 1, "the session"}, true
	case "mc_mgrp_create":
		return numberedCommand{GroupCreate, 1, 1, "the group"}, true
	case "mc_mgrp_destroy":
		return numberedCommand{GroupDestroy, 1, 1, "the group"}, true
	case "mc_node_create":
		return numberedCommand{NodeCreate, 1, many, "the replication id and ports"}, true
	case "mc_node_update":
		return numberedCommand{NodeUpdate, 1, many, "the node and ports"}, true
	case "mc_node_associate":
		return numberedCommand{NodeAssociate, 2, 2, "the group and the node"}, true
	case "mc_node_dissociate":
		return numberedCommand{NodeDissociate, 2, 2, "the group and the node"}, true
	case "mc_node_destroy":
		return numberedCommand{NodeDestroy, 1, 1, "the node"}, true
	}
	return numberedCommand{}, false
}

func (p *lineParser) numbers(n numberedCommand, c *Command) error {
	for !p.done() && len(c.Numbers) < n.max {
		v, err := p.number("an argument", 32)
		if err != nil {
			return err
		}
		c.Numbers = append(c.Numbers, uint32(v))
	}
	if len(c.Numbers) < n.min {
		return p.fail("%s takes %s", c.Name, n.what)
	}
	return nil
}

// cells parses the commands on cells of meters and counters.
func (p *lineParser) cells(word string, c *Command) (err error) {
	if c.Name, err = p.name("the array"); err != nil {
		return err
	}
	c.All = word == "meter_array_set_rates"
	if !c.All {
		v, err := p.number("the index", 32)
		if err != nil {
			return err
		}
		c.Index = uint32(v)
	}
	switch word {
	case "counter_write":
		c.Kind = CounterWrite
		for range 2 { // packets, bytes
			v, err := p.number("the value", 32)
			if err != nil {
				return err
			}
			c.Numbers = append(c.Numbers, uint32(v))
		}
		return nil
	case "meter_get_rates":
		c.Kind = MeterRead
		return nil
	}
	c.Kind = MeterSet
	if c.All {
		c.Kind = MeterSetAll
	}
	for !p.done() {
		at := p.at
		rate, burst, is := strings.Cut(p.take(notBlank), ":")
		f, err := strconv.ParseFloat(rate, 64)
		b, err2 := strconv.ParseUint(burst, 10, 64)
		if !is || err != nil || err2 != nil || f < 0 || f > 1e12 {
			p.at = at
			return p.fail("a rate is units a microsecond, :, and the burst in units")
		}
		c.Rates = append(c.Rates, Rate{f, b})
	}
	if len(c.Rates) != 2 {
		return p.fail("a meter has two rates, not %d", len(c.Rates))
	}
	return nil
}

// profile parses `member PROFILE ID ACTION [NAME=VALUE]...` and
// `group PROFILE ID [MEMBER]...`.
func (p *lineParser) profile(word string, c *Command) (err error) {
	if c.Name, err = p.name("the action profile"); err != nil {
		return err
	}
	v, err := p.number("the "+word, 32)
	if err != nil {
		return err
	}
	c.Target = uint32(v)
	if word == "group" {
		c.Kind = Group
		for !p.done() {
			v, err := p.number("a member", 32)
			if err != nil {
				return err
			}
			c.Numbers = append(c.Numbers, uint32(v))
		}
		return nil
	}
	c.Kind = Member
	if c.Action, err = p.name("the action"); err != nil {
		return err
	}
	for !p.done() {
		n, err := p.name("an argument")
		if err != nil {
			return err
		}
		if !p.punct("=") {
			return p.fail("= is missing after argument %s", n)
		}
		v := p.take(valueByte)
		if v == "" {
			return p.fail("the value of argument %s is missing", n)
		}
		c.Args = append(c.Args, Field{n, v})
	}
	return nil
}

// reference parses `member=ID` or `group=ID` in place of an entry's action.
func (p *lineParser) reference(c *Command) bool {
	from := p.at
	switch p.take(nameByte) {
	case "member":
		c.Ref = ir.RefMember
	case "group":
		c.Ref = ir.RefGroup
	}
	if c.Ref != ir.RefNone && p.punct("=") {
		if v, err := p.number("the "+"reference", 32); err == nil {
			c.Target = uint32(v)
			return true
		}
	}
	p.at, c.Ref = from, ir.RefNone
	return false
}
