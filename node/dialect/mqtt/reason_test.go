package mqtt

import (
	"testing"

	"topicd/codec"
	"topicd/node/dialect/mqtt/packet"
)

func TestEveryErrorHasAReasonThatItsPacketMayCarry(t *testing.T) {
	for _, code := range codec.Codes {
		for _, in := range []packet.Type{packet.CONNACK, packet.PUBACK, packet.PUBREC, packet.SUBACK, packet.UNSUBACK, packet.DISCONNECT} {
			r := reasonOf(&codec.Error{Code: code}, in)
			if !r.In(in) || !r.Failed() && r != packet.NoSubscription {
				t.Errorf("%d in %s: %s", code, in, r)
			}
			if r == packet.Unspecified {
				t.Errorf("%d in %s has no reason of its own", code, in)
			}
			if c := returnCode(r); in == packet.CONNACK && (c < 1 || c > 5) {
				t.Errorf("%d: return code %d", code, c)
			}
			if c := subCode(r, packet.V4); in == packet.SUBACK && c != 0x80 {
				t.Errorf("%d: SUBACK %02x", code, c)
			}
		}
	}
}
