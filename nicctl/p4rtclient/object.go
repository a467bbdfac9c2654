package p4rtclient

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/nicctl/p4value"
)

// ObjectKind is a kind of what a device holds besides tables.
type ObjectKind string

// Kinds of objects, as commands are called.
const (
	Multicast ObjectKind = "multicast"
	Session   ObjectKind = "session"
	Member    ObjectKind = "member"
	Selector  ObjectKind = "selector"
	Meter     ObjectKind = "meter"
	Register  ObjectKind = "register"
	ValueSet  ObjectKind = "valueset"
	Digest    ObjectKind = "digest"
)

// Object is one of them as people read it. Its words are what ParseObject reads.
type Object struct {
	Kind     ObjectKind `json:"kind"`
	Of       string     `json:"of,omitempty"` // action profile, meter, register, value set or digest
	ID       string     `json:"id,omitempty"` // of a group, session, member or cell
	Action   string     `json:"action,omitempty"`
	Items    []string   `json:"items"`    // replicas, members, values
	Settings []Pair     `json:"settings"` // parameters of the action, or of the object
}

// String is the object in the form that ParseObject reads.
func (o Object) String() string {
	var words []string
	for _, w := range []string{o.Of, o.ID, o.Action} {
		if w != "" {
			words = append(words, w)
		}
	}
	words = append(words, o.Items...)
	for _, p := range o.Settings {
		words = append(words, p.Name+"="+p.Value)
	}
	return strings.Join(words, " ")
}

// ParseObject reads an object as people write it:
//
//	multicast GROUP PORT[:INSTANCE]...
//	session   SESSION PORT[:INSTANCE]... [length=BYTES] [class=N]
//	member    PROFILE ID ACTION [PARAM=VALUE...]
//	selector  PROFILE GROUP ID[*WEIGHT][@PORT]... [size=N]
//	meter     METER INDEX|all cir=N cburst=N pir=N pburst=N, or none of these
//	register  REGISTER INDEX|all VALUE
//	valueset  SET [VALUE|FIELD=VALUE[,FIELD=VALUE]...]...
//	digest    DIGEST [list=N] [timeout=TIME] [ack=TIME]
//
// withValue false reads what names it (for deletion and for reading); what follows
// is checked all the same.
func (s *Schema) ParseObject(kind ObjectKind, words []string, withValue bool) (*p4.Entity, error) {
	w := &words
	var e *p4.Entity
	var err error
	switch kind {
	case Multicast:
		e, err = parseMulticast(w)
	case Session:
		e, err = parseSession(w)
	case Member:
		e, err = s.parseMember(w, withValue)
	case Selector:
		e, err = s.parseSelector(w)
	case Meter:
		e, err = s.parseMeter(w)
	case Register:
		e, err = s.parseRegister(w, withValue)
	case ValueSet:
		e, err = s.parseValueSet(w)
	case Digest:
		e, err = s.parseDigest(w)
	default:
		return nil, fmt.Errorf("kind %q is not known", kind)
	}
	if err == nil && len(*w) > 0 {
		err = fmt.Errorf("%q is not expected", (*w)[0])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return e, nil
}

// next takes a word.
func next(words *[]string, what string) (string, error) {
	if len(*words) == 0 {
		return "", fmt.Errorf("%s is missing", what)
	}
	w := (*words)[0]
	*words = (*words)[1:]
	return w, nil
}

func number(text, what string, low, high uint64) (uint64, error) {
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s %s: a number from %d to %d is wanted", what, text, low, high)
	}
	return n, nil
}

func nextNumber(words *[]string, what string, low, high uint64) (uint64, error) {
	text, err := next(words, what)
	if err != nil {
		return 0, err
	}
	return number(text, what, low, high)
}

// settings takes all NAME=VALUE words; each name is known and comes once.
func settings(words *[]string, known ...string) (map[string]string, error) {
	out := map[string]string{}
	var rest []string
	for _, w := range *words {
		name, text, ok := strings.Cut(w, "=")
		if !ok {
			rest = append(rest, w)
			continue
		}
		if !slices.Contains(known, name) {
			return nil, unknown("setting", name, slices.Clone(known))
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		out[name] = text
	}
	*words = rest
	return out, nil
}

func portBytes(text string) ([]byte, error) {
	n, err := number(text, "port", 0, math.MaxUint32)
	if err != nil {
		return nil, err
	}
	return p4value.Canonical([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), nil
}

// replicas takes all remaining words.
func parseReplicas(words *[]string) ([]*p4.Replica, error) {
	var out []*p4.Replica
	for _, w := range *words {
		port, instance, more := strings.Cut(w, ":")
		b, err := portBytes(port)
		if err != nil {
			return nil, err
		}
		r := &p4.Replica{PortKind: &p4.Replica_Port{Port: b}}
		if more {
			n, err := number(instance, "instance", 0, math.MaxUint32)
			if err != nil {
				return nil, err
			}
			r.Instance = uint32(n)
		}
		out = append(out, r)
	}
	*words = nil
	return out, nil
}

func parseMulticast(words *[]string) (*p4.Entity, error) {
	id, err := nextNumber(words, "group", 1, math.MaxUint32)
	if err != nil {
		return nil, err
	}
	rs, err := parseReplicas(words)
	if err != nil {
		return nil, err
	}
	return multicastEntity(&p4.MulticastGroupEntry{MulticastGroupId: uint32(id), Replicas: rs}), nil
}

func multicastEntity(m *p4.MulticastGroupEntry) *p4.Entity {
	return &p4.Entity{Entity: &p4.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: &p4.PacketReplicationEngineEntry{
		Type: &p4.PacketReplicationEngineEntry_MulticastGroupEntry{MulticastGroupEntry: m}}}}
}

func sessionEntity(c *p4.CloneSessionEntry) *p4.Entity {
	return &p4.Entity{Entity: &p4.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: &p4.PacketReplicationEngineEntry{
		Type: &p4.PacketReplicationEngineEntry_CloneSessionEntry{CloneSessionEntry: c}}}}
}

func parseSession(words *[]string) (*p4.Entity, error) {
	id, err := nextNumber(words, "session", 1, math.MaxUint32)
	if err != nil {
		return nil, err
	}
	set, err := settings(words, "length", "class")
	if err != nil {
		return nil, err
	}
	c := &p4.CloneSessionEntry{SessionId: uint32(id)}
	if text, ok := set["length"]; ok {
		n, err := number(text, "length", 1, math.MaxInt32)
		if err != nil {
			return nil, err
		}
		c.PacketLengthBytes = int32(n)
	}
	if text, ok := set["class"]; ok {
		n, err := number(text, "class", 0, math.MaxUint32)
		if err != nil {
			return nil, err
		}
		c.ClassOfService = uint32(n)
	}
	if c.Replicas, err = parseReplicas(words); err != nil {
		return nil, err
	}
	return sessionEntity(c), nil
}

// named takes the name of an object of the P4Info.
func nextNamed[T named](words *[]string, what string, all []T) (T, error) {
	var zero T
	name, err := next(words, what)
	if err != nil {
		return zero, err
	}
	return find(what, name, all)
}

func (s *Schema) parseMember(words *[]string, withValue bool) (*p4.Entity, error) {
	p, err := nextNamed(words, "action profile", s.Info.GetActionProfiles())
	if err != nil {
		return nil, err
	}
	id, err := nextNumber(words, "member", 1, math.MaxUint32)
	if err != nil {
		return nil, err
	}
	m := &p4.ActionProfileMember{ActionProfileId: p.GetPreamble().GetId(), MemberId: uint32(id)}
	if len(*words) == 0 && withValue {
		return nil, fmt.Errorf("an action is missing; there are: %s", strings.Join(s.profileActions(p), ", "))
	}
	if len(*words) > 0 {
		a, err := s.profileAction(p, (*words)[0])
		if err != nil {
			return nil, err
		}
		if m.Action, err = parseParams(a, (*words)[1:]); err != nil {
			return nil, err
		}
		*words = nil
		if !withValue {
			m.Action = nil
		}
	}
	return &p4.Entity{Entity: &p4.Entity_ActionProfileMember{ActionProfileMember: m}}, nil
}

// actionsOf are the actions of the tables that have a profile.
func (s *Schema) actionsOf(p *p4config.ActionProfile) []*p4config.Action {
	var out []*p4config.Action
	for _, id := range p.GetTableIds() {
		for _, r := range s.tables[id].GetActionRefs() {
			if a := s.actions[r.GetId()]; a != nil && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

func (s *Schema) profileActions(p *p4config.ActionProfile) []string {
	var out []string
	for _, a := range s.actionsOf(p) {
		out = append(out, ShortName(a))
	}
	return out
}

func (s *Schema) profileAction(p *p4config.ActionProfile, name string) (*p4config.Action, error) {
	return find("action of "+ShortName(p), name, s.actionsOf(p))
}

func (s *Schema) parseSelector(words *[]string) (*p4.Entity, error) {
	p, err := nextNamed(words, "action profile", s.Info.GetActionProfiles())
	if err != nil {
		return nil, err
	}
	id, err := nextNumber(words, "group", 1, math.MaxUint32)
	if err != nil {
		return nil, err
	}
	set, err := settings(words, "size")
	if err != nil {
		return nil, err
	}
	g := &p4.ActionProfileGroup{ActionProfileId: p.GetPreamble().GetId(), GroupId: uint32(id)}
	if text, ok := set["size"]; ok {
		n, err := number(text, "size", 1, math.MaxInt32)
		if err != nil {
			return nil, err
		}
		g.MaxSize = int32(n)
	}
	for _, w := range *words {
		m := &p4.ActionProfileGroup_Member{Weight: 1}
		if p.GetWeightsDisallowed() {
			m.Weight = 0
		}
		text, port, watched := strings.Cut(w, "@")
		text, weight, weighted := strings.Cut(text, "*")
		n, err := number(text, "member", 1, math.MaxUint32)
		if err != nil {
			return nil, err
		}
		m.MemberId = uint32(n)
		if weighted {
			if n, err = number(weight, "weight", 1, math.MaxInt32); err != nil {
				return nil, err
			}
			m.Weight = int32(n)
		}
		if watched {
			b, err := portBytes(port)
			if err != nil {
				return nil, err
			}
			m.WatchKind = &p4.ActionProfileGroup_Member_WatchPort{WatchPort: b}
		}
		g.Members = append(g.Members, m)
	}
	*words = nil
	return &p4.Entity{Entity: &p4.Entity_ActionProfileGroup{ActionProfileGroup: g}}, nil
}

// index takes INDEX or all, which is nil.
func nextIndex(words *[]string) (*p4.Index, error) {
	if len(*words) > 0 && (*words)[0] == "all" {
		*words = (*words)[1:]
		return nil, nil
	}
	n, err := nextNumber(words, "index", 0, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	return &p4.Index{Index: int64(n)}, nil
}

func (s *Schema) parseMeter(words *[]string) (*p4.Entity, error) {
	m, err := nextNamed(words, "meter", s.Info.GetMeters())
	if err != nil {
		return nil, err
	}
	out := &p4.MeterEntry{MeterId: m.GetPreamble().GetId()}
	if out.Index, err = nextIndex(words); err != nil {
		return nil, err
	}
	names := []string{"cir", "cburst", "pir", "pburst"}
	set, err := settings(words, append(slices.Clone(names), "eburst")...)
	if err != nil {
		return nil, err
	}
	if len(set) > 0 {
		c := &p4.MeterConfig{}
		for i, to := range []*int64{&c.Cir, &c.Cburst, &c.Pir, &c.Pburst} {
			text, ok := set[names[i]]
			if !ok {
				return nil, fmt.Errorf("%s=N is missing", names[i])
			}
			n, err := number(text, names[i], 0, math.MaxInt64)
			if err != nil {
				return nil, err
			}
			*to = int64(n)
		}
		if text, ok := set["eburst"]; ok {
			n, err := number(text, "eburst", 0, math.MaxInt64)
			if err != nil {
				return nil, err
			}
			c.Eburst = int64(n)
		}
		out.Config = c
	}
	return &p4.Entity{Entity: &p4.Entity_MeterEntry{MeterEntry: out}}, nil
}

func (s *Schema) parseRegister(words *[]string, withValue bool) (*p4.Entity, error) {
	r, err := nextNamed(words, "register", s.Info.GetRegisters())
	if err != nil {
		return nil, err
	}
	out := &p4.RegisterEntry{RegisterId: r.GetPreamble().GetId()}
	if out.Index, err = nextIndex(words); err != nil {
		return nil, err
	}
	if withValue || len(*words) > 0 {
		text, err := next(words, "a value")
		if err != nil {
			return nil, err
		}
		d, rest, err := s.parseData(r.GetTypeSpec(), text, 0)
		if err == nil && rest != "" {
			err = fmt.Errorf("%q is not expected", rest)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ShortName(r), err)
		}
		out.Data = d
	}
	return &p4.Entity{Entity: &p4.Entity_RegisterEntry{RegisterEntry: out}}, nil
}

func (s *Schema) parseValueSet(words *[]string) (*p4.Entity, error) {
	v, err := nextNamed(words, "value set", s.Info.GetValueSets())
	if err != nil {
		return nil, err
	}
	out := &p4.ValueSetEntry{ValueSetId: v.GetPreamble().GetId()}
	for _, w := range *words {
		m := &p4.ValueSetMember{}
		for _, part := range strings.Split(w, ",") {
			f, text, err := valueSetField(v, part)
			if err != nil {
				return nil, err
			}
			fm, err := parseMatch(f, text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w, err)
			}
			if fm != nil {
				m.Match = append(m.Match, fm)
			}
		}
		out.Members = append(out.Members, m)
	}
	*words = nil
	return &p4.Entity{Entity: &p4.Entity_ValueSetEntry{ValueSetEntry: out}}, nil
}

// valueSetField reads FIELD=VALUE, or VALUE where there is one field.
func valueSetField(v *p4config.ValueSet, part string) (*p4config.MatchField, string, error) {
	name, text, named := strings.Cut(part, "=")
	if !named {
		if len(v.GetMatch()) != 1 {
			return nil, "", fmt.Errorf("%q is no FIELD=VALUE", part)
		}
		return v.GetMatch()[0], part, nil
	}
	var names []string
	for _, f := range v.GetMatch() {
		if f.GetName() == name {
			return f, text, nil
		}
		names = append(names, f.GetName())
	}
	return nil, "", unknown("field of "+ShortName(v), name, names)
}

func (s *Schema) parseDigest(words *[]string) (*p4.Entity, error) {
	d, err := nextNamed(words, "digest", s.Info.GetDigests())
	if err != nil {
		return nil, err
	}
	set, err := settings(words, "list", "timeout", "ack")
	if err != nil {
		return nil, err
	}
	c := &p4.DigestEntry_Config{}
	if text, ok := set["list"]; ok {
		n, err := number(text, "list", 0, math.MaxInt32)
		if err != nil {
			return nil, err
		}
		c.MaxListSize = int32(n)
	}
	for name, to := range map[string]*int64{"timeout": &c.MaxTimeoutNs, "ack": &c.AckTimeoutNs} {
		if text, ok := set[name]; ok {
			t, err := time.ParseDuration(text)
			if err != nil || t < 0 {
				return nil, fmt.Errorf("%s=%s: a time such as 100ms is wanted", name, text)
			}
			*to = int64(t)
		}
	}
	return &p4.Entity{Entity: &p4.Entity_DigestEntry{DigestEntry: &p4.DigestEntry{DigestId: d.GetPreamble().GetId(), Config: c}}}, nil
}

// ObjectQuery asks for the objects of a kind: all, or those that words name.
func (s *Schema) ObjectQuery(kind ObjectKind, words []string) (*p4.Entity, error) {
	if len(words) > 0 {
		switch kind {
		case Member, Selector:
			if len(words) == 1 {
				p, err := nextNamed(&words, "action profile", s.Info.GetActionProfiles())
				if err != nil {
					return nil, err
				}
				if kind == Member {
					return &p4.Entity{Entity: &p4.Entity_ActionProfileMember{ActionProfileMember: &p4.ActionProfileMember{ActionProfileId: p.GetPreamble().GetId()}}}, nil
				}
				return &p4.Entity{Entity: &p4.Entity_ActionProfileGroup{ActionProfileGroup: &p4.ActionProfileGroup{ActionProfileId: p.GetPreamble().GetId()}}}, nil
			}
		case Meter, Register:
			if len(words) == 1 {
				words = append(words, "all")
			}
		}
		e, err := s.ParseObject(kind, words, false)
		if err != nil {
			return nil, err
		}
		if d := e.GetDigestEntry(); d != nil {
			d.Config = nil
		}
		return e, nil
	}
	switch kind {
	case Multicast:
		return multicastEntity(&p4.MulticastGroupEntry{}), nil
	case Session:
		return sessionEntity(&p4.CloneSessionEntry{}), nil
	case Member:
		return &p4.Entity{Entity: &p4.Entity_ActionProfileMember{ActionProfileMember: &p4.ActionProfileMember{}}}, nil
	case Selector:
		return &p4.Entity{Entity: &p4.Entity_ActionProfileGroup{ActionProfileGroup: &p4.ActionProfileGroup{}}}, nil
	case Meter:
		return &p4.Entity{Entity: &p4.Entity_MeterEntry{MeterEntry: &p4.MeterEntry{}}}, nil
	case Register:
		return &p4.Entity{Entity: &p4.Entity_RegisterEntry{RegisterEntry: &p4.RegisterEntry{}}}, nil
	case ValueSet:
		return &p4.Entity{Entity: &p4.Entity_ValueSetEntry{ValueSetEntry: &p4.ValueSetEntry{}}}, nil
	case Digest:
		return &p4.Entity{Entity: &p4.Entity_DigestEntry{DigestEntry: &p4.DigestEntry{}}}, nil
	}
	return nil, errors.New("kind is not known")
}
