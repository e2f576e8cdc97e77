package packet

import (
	"bytes"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

// benchPublishes are what a sensor sends, and an MQTT 5 client with properties.
var benchPublishes = []struct {
	name string
	v    Version
	p    Publish
}{
	{"qos0", V4, Publish{Topic: []byte("sensors/kitchen/temp"), Payload: []byte(`{"t":21.5}`)}},
	{"qos1", V4, Publish{Topic: []byte("sensors/kitchen/temp"), Payload: []byte(`{"t":21.5}`), QoS: 1, ID: 7}},
	{"v5", V5, Publish{Topic: []byte("sensors/kitchen/temp"), Payload: []byte(`{"t":21.5}`), QoS: 1, ID: 7}},
	{"v5alias", V5, Publish{Payload: []byte(`{"t":21.5}`), Props: Props(nil).AppendNum(TopicAlias, 3)}},
	{"v5props", V5, Publish{Topic: []byte("sensors/kitchen/temp"), Payload: []byte(`{"t":21.5}`), QoS: 1, ID: 7,
		Props: Props(nil).AppendNum(PayloadFormat, 1).AppendVal(ContentType, []byte("application/json")).AppendUser("fw", "1.2")}},
}

func BenchmarkPublishDecode(b *testing.B) {
	for _, x := range benchPublishes {
		pkt := x.p.Append(nil, x.v)
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			var p Publish
			for b.Loop() {
				pkt, _, _ := Split(pkt, 1<<20)
				if err := p.Decode(pkt, x.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPublishAppend(b *testing.B) {
	for _, x := range benchPublishes {
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = x.p.Append(dst[:0], x.v)
			}
		})
	}
}

func BenchmarkMochi(b *testing.B) {
	x := benchPublishes[1]
	pkt := x.p.Append(nil, x.v)
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := packets.Packet{ProtocolVersion: 4}
			_ = p.FixedHeader.Decode(pkt[0])
			_ = p.PublishDecode(pkt[2:])
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		p := packets.Packet{ProtocolVersion: 4}
		_ = p.FixedHeader.Decode(pkt[0])
		_ = p.PublishDecode(pkt[2:])
		var buf bytes.Buffer
		for b.Loop() {
			buf.Reset()
			_ = p.PublishEncode(&buf)
		}
	})
}

func TestTheHotPathAllocatesNothing(t *testing.T) {
	for _, x := range benchPublishes {
		pkt := x.p.Append(nil, x.v)
		dst := make([]byte, 0, 256)
		var p Publish
		var a Ack
		ack := (&Ack{Type: PUBACK, ID: 7}).Append(nil, V5)
		if n := testing.AllocsPerRun(100, func() {
			pkt, _, _ := Split(pkt, 1<<20)
			_ = p.Decode(pkt, x.v)
			dst = p.Append(dst[:0], x.v)
			_ = a.Decode(ack, V5)
			dst = a.Append(dst[:0], V5)
		}); n != 0 {
			t.Errorf("%s: %v allocations", x.name, n)
		}
	}
}
