package gnmi

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// typedValue encodes one leaf (gnmi:GN7).
func typedValue(e gpb.Encoding, t telemetry.Type, v telemetry.Value) *gpb.TypedValue {
	switch e {
	case gpb.Encoding_JSON:
		return &gpb.TypedValue{Value: &gpb.TypedValue_JsonVal{JsonVal: appendJSON(nil, false, t, v)}}
	case gpb.Encoding_JSON_IETF:
		return &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: appendJSON(nil, true, t, v)}}
	}
	switch t.Kind {
	case telemetry.Bool:
		return &gpb.TypedValue{Value: &gpb.TypedValue_BoolVal{BoolVal: v.Bool()}}
	case telemetry.Uint8, telemetry.Uint16, telemetry.Uint32, telemetry.Uint64:
		return &gpb.TypedValue{Value: &gpb.TypedValue_UintVal{UintVal: v.U}}
	case telemetry.Int64:
		return &gpb.TypedValue{Value: &gpb.TypedValue_IntVal{IntVal: v.Signed()}}
	case telemetry.Decimal64:
		return &gpb.TypedValue{Value: &gpb.TypedValue_DoubleVal{DoubleVal: float64(v.Signed()) / math.Pow10(t.Digits)}}
	case telemetry.Binary:
		return &gpb.TypedValue{Value: &gpb.TypedValue_BytesVal{BytesVal: []byte(v.S)}}
	case telemetry.Strings:
		a := &gpb.ScalarArray{}
		for _, s := range v.L {
			a.Element = append(a.Element, &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: s}})
		}
		return &gpb.TypedValue{Value: &gpb.TypedValue_LeaflistVal{LeaflistVal: a}}
	}
	return &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: t.Text(v)}}
}

// appendJSON writes a value as JSON. With ietf it is RFC 7951: 64-bit numbers are
// strings and identities have their module; without, numbers are numbers.
func appendJSON(b []byte, ietf bool, t telemetry.Type, v telemetry.Value) []byte {
	quote := func(s string) []byte {
		return appendString(b, s)
	}
	switch t.Kind {
	case telemetry.Bool:
		return strconv.AppendBool(b, v.Bool())
	case telemetry.Uint8, telemetry.Uint16, telemetry.Uint32:
		return strconv.AppendUint(b, v.U, 10)
	case telemetry.Uint64, telemetry.Int64, telemetry.Decimal64:
		if ietf {
			return quote(t.Text(v))
		}
		return append(b, t.Text(v)...)
	case telemetry.Identity:
		if ietf {
			return quote(v.S)
		}
		return quote(t.Text(v))
	case telemetry.Binary:
		return quote(base64.StdEncoding.EncodeToString([]byte(v.S)))
	case telemetry.Strings:
		b = append(b, '[')
		for i, s := range v.L {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, s)
		}
		return append(b, ']')
	}
	return quote(v.S)
}

// appendString writes a JSON string. Names come from netdevs and programs, so
// what is no UTF-8 is replaced (RFC 8259 section 8.1).
func appendString(b []byte, s string) []byte {
	q, err := json.Marshal(strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil { // a string always has a JSON form
		return append(b, `""`...)
	}
	return append(b, q...)
}

// keyJSON writes a list key, which paths carry as text.
func keyJSON(b []byte, ietf bool, t telemetry.Type, text string) []byte {
	switch t.Kind {
	case telemetry.Uint32:
		return append(b, text...)
	case telemetry.Uint64:
		if !ietf {
			return append(b, text...)
		}
	}
	return appendString(b, text)
}
