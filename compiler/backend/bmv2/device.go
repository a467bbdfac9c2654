package bmv2

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// DeviceConfig finds bmv2 JSON in a p4_device_config: raw, as simple_switch_grpc
// takes it, or as device_data of a p4.tmp.P4DeviceConfig, which older controllers
// send (p4rt:Q4). False means that it is something else.
func DeviceConfig(device []byte) ([]byte, bool) {
	if looksLikeJSON(device) {
		return device, true
	}
	// message P4DeviceConfig { bool reassign = 1; Extras extras = 2; bytes device_data = 3; }
	var data []byte
	for b := device; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || num > 3 {
			return nil, false
		}
		b = b[n:]
		if num == 3 && typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return nil, false
			}
			data, b = v, b[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return nil, false
		}
		b = b[n:]
	}
	return data, looksLikeJSON(data)
}

func looksLikeJSON(b []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{"))
}
