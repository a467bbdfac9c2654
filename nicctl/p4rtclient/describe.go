package p4rtclient

//lint:file-ignore SA1019 other devices answer with the deprecated forms of ports

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/nicctl/p4value"
)

// DescribeObject turns an entity into names; ok is false for what is none of the
// kinds of objects.
func (s *Schema) DescribeObject(e *p4.Entity) (o Object, ok bool) {
	o = Object{Items: []string{}, Settings: []Pair{}}
	switch x := e.GetEntity().(type) {
	case *p4.Entity_PacketReplicationEngineEntry:
		return o, o.replication(x.PacketReplicationEngineEntry)
	case *p4.Entity_ActionProfileMember:
		m := x.ActionProfileMember
		o.Kind, o.Of, o.ID = Member, nameOf(m.GetActionProfileId(), s.Info.GetActionProfiles()), fmt.Sprint(m.GetMemberId())
		if m.GetAction() != nil {
			o.Action, o.Settings = s.describeAction(m.GetAction())
		}
	case *p4.Entity_ActionProfileGroup:
		g := x.ActionProfileGroup
		o.Kind, o.Of, o.ID = Selector, nameOf(g.GetActionProfileId(), s.Info.GetActionProfiles()), fmt.Sprint(g.GetGroupId())
		for _, m := range g.GetMembers() {
			o.Items = append(o.Items, groupMember(m))
		}
		if g.GetMaxSize() != 0 {
			o.set("size", fmt.Sprint(g.GetMaxSize()))
		}
	case *p4.Entity_MeterEntry:
		m := x.MeterEntry
		o.Kind, o.Of, o.ID = Meter, nameOf(m.GetMeterId(), s.Info.GetMeters()), cellIndex(m.GetIndex())
		if c := m.GetConfig(); c != nil {
			o.set("cir", fmt.Sprint(c.GetCir()))
			o.set("cburst", fmt.Sprint(c.GetCburst()))
			o.set("pir", fmt.Sprint(c.GetPir()))
			o.set("pburst", fmt.Sprint(c.GetPburst()))
			if c.GetEburst() != 0 {
				o.set("eburst", fmt.Sprint(c.GetEburst()))
			}
		}
	case *p4.Entity_RegisterEntry:
		r := x.RegisterEntry
		o.Kind, o.Of, o.ID = Register, nameOf(r.GetRegisterId(), s.Info.GetRegisters()), cellIndex(r.GetIndex())
		o.Items = append(o.Items, dataText(r.GetData()))
	case *p4.Entity_ValueSetEntry:
		v := x.ValueSetEntry
		o.Kind, o.Of = ValueSet, nameOf(v.GetValueSetId(), s.Info.GetValueSets())
		for _, m := range v.GetMembers() {
			o.Items = append(o.Items, s.valueSetMember(v.GetValueSetId(), m))
		}
	case *p4.Entity_DigestEntry:
		d := x.DigestEntry
		o.Kind, o.Of = Digest, nameOf(d.GetDigestId(), s.Info.GetDigests())
		c := d.GetConfig()
		if c.GetMaxListSize() != 0 {
			o.set("list", fmt.Sprint(c.GetMaxListSize()))
		}
		if c.GetMaxTimeoutNs() != 0 {
			o.set("timeout", time.Duration(c.GetMaxTimeoutNs()).String())
		}
		if c.GetAckTimeoutNs() != 0 {
			o.set("ack", time.Duration(c.GetAckTimeoutNs()).String())
		}
	default:
		return o, false
	}
	return o, true
}

func (o *Object) set(name, value string) { o.Settings = append(o.Settings, Pair{name, value}) }

func (o *Object) replication(p *p4.PacketReplicationEngineEntry) bool {
	var rs []*p4.Replica
	switch x := p.GetType().(type) {
	case *p4.PacketReplicationEngineEntry_MulticastGroupEntry:
		o.Kind, o.ID, rs = Multicast, fmt.Sprint(x.MulticastGroupEntry.GetMulticastGroupId()), x.MulticastGroupEntry.GetReplicas()
	case *p4.PacketReplicationEngineEntry_CloneSessionEntry:
		c := x.CloneSessionEntry
		o.Kind, o.ID, rs = Session, fmt.Sprint(c.GetSessionId()), c.GetReplicas()
		if c.GetPacketLengthBytes() != 0 {
			o.set("length", fmt.Sprint(c.GetPacketLengthBytes()))
		}
		if c.GetClassOfService() != 0 {
			o.set("class", fmt.Sprint(c.GetClassOfService()))
		}
	default:
		return false
	}
	for _, r := range rs {
		text := fmt.Sprint(r.GetEgressPort())
		if _, ok := r.GetPortKind().(*p4.Replica_Port); ok {
			text = decimal(r.GetPort())
		}
		if r.GetInstance() != 0 {
			text += ":" + fmt.Sprint(r.GetInstance())
		}
		o.Items = append(o.Items, text)
	}
	return true
}

func groupMember(m *p4.ActionProfileGroup_Member) string {
	text := fmt.Sprint(m.GetMemberId())
	if m.GetWeight() > 1 {
		text += fmt.Sprintf("*%d", m.GetWeight())
	}
	switch w := m.GetWatchKind().(type) {
	case *p4.ActionProfileGroup_Member_WatchPort:
		if len(w.WatchPort) > 0 {
			text += "@" + decimal(w.WatchPort)
		}
	case *p4.ActionProfileGroup_Member_Watch:
		text += "@" + fmt.Sprint(w.Watch)
	}
	return text
}

func cellIndex(i *p4.Index) string {
	if i == nil {
		return "all"
	}
	return strconv.FormatInt(i.GetIndex(), 10)
}

func decimal(b []byte) string { return new(big.Int).SetBytes(b).String() }

func nameOf[T named](id uint32, all []T) string {
	for _, o := range all {
		if o.GetPreamble().GetId() == id {
			return ShortName(o)
		}
	}
	return fmt.Sprintf("%#x", id)
}

func (s *Schema) valueSetMember(id uint32, m *p4.ValueSetMember) string {
	for _, v := range s.Info.GetValueSets() {
		if v.GetPreamble().GetId() != id {
			continue
		}
		byID := map[uint32]*p4.FieldMatch{}
		for _, f := range m.GetMatch() {
			byID[f.GetFieldId()] = f
		}
		var parts []string
		for _, f := range v.GetMatch() {
			text := describeMatch(f, byID[f.GetId()])
			if f.GetName() != "" {
				text = f.GetName() + "=" + text
			}
			parts = append(parts, text)
		}
		return strings.Join(parts, ",")
	}
	return "?"
}

// dataText shows data as parseData reads it: numbers, true and false, names of
// enums, {a,b} for tuples, structs and valid headers, invalid.
func dataText(d *p4.P4Data) string {
	list := func(ms []*p4.P4Data) string {
		var parts []string
		for _, m := range ms {
			parts = append(parts, dataText(m))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	switch x := d.GetData().(type) {
	case *p4.P4Data_Bitstring:
		return "0x" + new(big.Int).SetBytes(x.Bitstring).Text(16)
	case *p4.P4Data_EnumValue:
		return "0x" + new(big.Int).SetBytes(x.EnumValue).Text(16)
	case *p4.P4Data_Bool:
		return strconv.FormatBool(x.Bool)
	case *p4.P4Data_Enum:
		return x.Enum
	case *p4.P4Data_Error:
		return x.Error
	case *p4.P4Data_Tuple:
		return list(x.Tuple.GetMembers())
	case *p4.P4Data_Struct:
		return list(x.Struct.GetMembers())
	case *p4.P4Data_Header:
		if !x.Header.GetIsValid() {
			return "invalid"
		}
		var parts []string
		for _, b := range x.Header.GetBitstrings() {
			parts = append(parts, "0x"+new(big.Int).SetBytes(b).Text(16))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "?"
}

// maxDataDepth bounds types that a P4Info nests.
const maxDataDepth = 64

// parseData reads one value of a type and gives the text behind it.
func (s *Schema) parseData(t *p4config.P4DataTypeSpec, text string, depth int) (*p4.P4Data, string, error) {
	if depth > maxDataDepth {
		return nil, "", fmt.Errorf("the type is nested more than %d deep", maxDataDepth)
	}
	list := func(types []*p4config.P4DataTypeSpec) ([]*p4.P4Data, string, error) {
		rest, ok := strings.CutPrefix(text, "{")
		if !ok {
			return nil, "", fmt.Errorf("%q: {VALUE,...} of %d values is wanted", text, len(types))
		}
		var out []*p4.P4Data
		for i, m := range types {
			var d *p4.P4Data
			var err error
			if d, rest, err = s.parseData(m, rest, depth+1); err != nil {
				return nil, "", err
			}
			out = append(out, d)
			end := ","
			if i == len(types)-1 {
				end = "}"
			}
			if rest, ok = strings.CutPrefix(rest, end); !ok {
				return nil, "", fmt.Errorf("%q: %q is wanted before it", rest, end)
			}
		}
		return out, rest, nil
	}
	word := text
	if i := strings.IndexAny(text, ",}"); i >= 0 {
		word = text[:i]
	}
	rest := text[len(word):]
	info := s.Info.GetTypeInfo()
	switch x := t.GetTypeSpec().(type) {
	case *p4config.P4DataTypeSpec_Bitstring:
		b, err := parseBits(x.Bitstring, word)
		return &p4.P4Data{Data: &p4.P4Data_Bitstring{Bitstring: b}}, rest, err
	case *p4config.P4DataTypeSpec_Bool:
		v, err := strconv.ParseBool(word)
		return &p4.P4Data{Data: &p4.P4Data_Bool{Bool: v}}, rest, err
	case *p4config.P4DataTypeSpec_Enum:
		return &p4.P4Data{Data: &p4.P4Data_Enum{Enum: word}}, rest, nil
	case *p4config.P4DataTypeSpec_Error:
		return &p4.P4Data{Data: &p4.P4Data_Error{Error: word}}, rest, nil
	case *p4config.P4DataTypeSpec_SerializableEnum:
		w := info.GetSerializableEnums()[x.SerializableEnum.GetName()].GetUnderlyingType().GetBitwidth()
		b, err := p4value.Parse(word, int(w))
		return &p4.P4Data{Data: &p4.P4Data_EnumValue{EnumValue: b}}, rest, err
	case *p4config.P4DataTypeSpec_NewType:
		n := info.GetNewTypes()[x.NewType.GetName()]
		if o := n.GetOriginalType(); o != nil {
			return s.parseData(o, text, depth+1)
		}
		b, err := p4value.Parse(word, int(n.GetTranslatedType().GetSdnBitwidth()))
		return &p4.P4Data{Data: &p4.P4Data_Bitstring{Bitstring: b}}, rest, err
	case *p4config.P4DataTypeSpec_Tuple:
		ms, rest, err := list(x.Tuple.GetMembers())
		return &p4.P4Data{Data: &p4.P4Data_Tuple{Tuple: &p4.P4StructLike{Members: ms}}}, rest, err
	case *p4config.P4DataTypeSpec_Struct:
		var types []*p4config.P4DataTypeSpec
		for _, m := range info.GetStructs()[x.Struct.GetName()].GetMembers() {
			types = append(types, m.GetTypeSpec())
		}
		ms, rest, err := list(types)
		return &p4.P4Data{Data: &p4.P4Data_Struct{Struct: &p4.P4StructLike{Members: ms}}}, rest, err
	case *p4config.P4DataTypeSpec_Header:
		if word == "invalid" {
			return &p4.P4Data{Data: &p4.P4Data_Header{Header: &p4.P4Header{}}}, rest, nil
		}
		var types []*p4config.P4DataTypeSpec
		for _, m := range info.GetHeaders()[x.Header.GetName()].GetMembers() {
			types = append(types, &p4config.P4DataTypeSpec{TypeSpec: &p4config.P4DataTypeSpec_Bitstring{Bitstring: m.GetTypeSpec()}})
		}
		ms, rest, err := list(types)
		h := &p4.P4Header{IsValid: true}
		for _, m := range ms {
			h.Bitstrings = append(h.Bitstrings, m.GetBitstring())
		}
		return &p4.P4Data{Data: &p4.P4Data_Header{Header: h}}, rest, err
	}
	return nil, "", fmt.Errorf("values of this type cannot be written here")
}

func parseBits(t *p4config.P4BitstringLikeTypeSpec, word string) ([]byte, error) {
	switch {
	case t.GetBit() != nil:
		return p4value.Parse(word, int(t.GetBit().GetBitwidth()))
	case t.GetInt() != nil:
		w := uint(t.GetInt().GetBitwidth())
		v, ok := new(big.Int).SetString(word, 0)
		half := new(big.Int).Lsh(big.NewInt(1), w-min(w, 1))
		n := (w + 7) / 8
		if ok && strings.HasPrefix(word, "0x") && v.BitLen() <= int(8*n) { // as it is listed
			return v.FillBytes(make([]byte, n)), nil
		}
		if !ok || v.Cmp(half) >= 0 || v.Cmp(new(big.Int).Neg(half)) < 0 {
			return nil, fmt.Errorf("%q is no number of int<%d>", word, w)
		}
		// Two's complement of all bytes, which any server takes (p4rt:B2).
		if v.Sign() < 0 {
			v.Add(v, new(big.Int).Lsh(big.NewInt(1), 8*n))
		}
		return v.FillBytes(make([]byte, n)), nil
	}
	return nil, fmt.Errorf("varbit values cannot be written here")
}
