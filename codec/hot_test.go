package codec

import (
	"encoding/hex"
	"io"
	"testing"
)

const (
	hotBody  = `{"v":21.5,"u":"Cel","t":1700000000,"hum":{"v":48.2,"u":"%RH"},"bat":3.71,"rssi":-67,"ok":true}`
	hotFrame = `{"op":"pub","topic":"greenhouse/1/temp","data":` + hotBody + `}`
)

// hotCBOR is hotFrame as the hub itself would write it.
func hotCBOR(tb testing.TB) (frame, body []byte) {
	body, err := Transcode(nil, CBOR, JSON, []byte(hotBody))
	if err != nil {
		tb.Fatal(err)
	}
	m := Message{Op: OpPub, Topic: []byte("greenhouse/1/temp"), Enc: CBOR, Data: body}
	m.Has = m.Has.With(KeyOp).With(KeyTopic).With(KeyData)
	return Append(nil, CBOR, &m), body
}

func TestSizes(t *testing.T) {
	tests := []struct {
		name string
		hex  string
		json string
	}{
		{"record", "a300020271677265656e686f7573652f312f74656d7003a302f94d600163" + "43656c" + "061a6553f100",
			`{"op":"pub","topic":"greenhouse/1/temp","data":{"v":21.5,"u":"Cel","t":1700000000}}`},
		{"alias", "a300020207" + "03f94d60", `{"op":"pub","topic":7,"data":21.5}`},
	}
	want := [][2]int{{83, 39}, {34, 9}}
	for i, tt := range tests {
		frame, _ := hex.DecodeString(tt.hex)
		if len(tt.json) != want[i][0] || len(frame) != want[i][1] {
			t.Errorf("%s: %d bytes of JSON and %d of CBOR, want %v", tt.name, len(tt.json), len(frame), want[i])
		}
		var d Decoder
		var m Message
		d.Reset(CBOR, frame)
		if err := d.Next(&m); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := Append(nil, JSON, &m); string(got) != tt.json {
			t.Errorf("%s: CBOR to JSON gives\n%s, want\n%s", tt.name, got, tt.json)
		}
		if got := Append(nil, CBOR, &m); string(got) != string(frame) {
			t.Errorf("%s: again in CBOR % x, want % x", tt.name, got, frame)
		}
		if err := d.Next(&m); err != io.EOF {
			t.Errorf("%s: behind the end: %v", tt.name, err)
		}
	}
}

func benchDecode(b *testing.B, enc Encoding, frame []byte) {
	var d Decoder
	var m Message
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(enc, frame)
		if err := d.Next(&m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeJSON(b *testing.B) { benchDecode(b, JSON, []byte(hotFrame)) }

func BenchmarkDecodeCBOR(b *testing.B) {
	frame, _ := hotCBOR(b)
	benchDecode(b, CBOR, frame)
}

func BenchmarkDecodeSmallCBOR(b *testing.B) {
	frame, _ := hex.DecodeString("a300020271677265656e686f7573652f312f74656d7003a302f94d60016343656c061a6553f100")
	benchDecode(b, CBOR, frame)
}

func benchAppendMsg(b *testing.B, enc, dataEnc Encoding, body []byte) {
	dst := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendMsg(dst[:0], enc, "greenhouse/1/temp", 123456, 1700000000123, []byte("esp32-a1"), 0, body, dataEnc)
	}
}

func BenchmarkAppendMsgJSON(b *testing.B) { benchAppendMsg(b, JSON, JSON, []byte(hotBody)) }

func BenchmarkAppendMsgCBOR(b *testing.B) {
	_, body := hotCBOR(b)
	benchAppendMsg(b, CBOR, CBOR, body)
}

func BenchmarkAppendMsgJSONFromCBOR(b *testing.B) {
	_, body := hotCBOR(b)
	benchAppendMsg(b, JSON, CBOR, body)
}

func BenchmarkAppendMsgCBORFromJSON(b *testing.B) { benchAppendMsg(b, CBOR, JSON, []byte(hotBody)) }

func benchTranscode(b *testing.B, to, from Encoding, body []byte) {
	dst := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = Transcode(dst[:0], to, from, body)
	}
}

func BenchmarkTranscodeJSONToCBOR(b *testing.B) { benchTranscode(b, CBOR, JSON, []byte(hotBody)) }

func BenchmarkTranscodeCBORToJSON(b *testing.B) {
	_, body := hotCBOR(b)
	benchTranscode(b, JSON, CBOR, body)
}

func BenchmarkValidateJSON(b *testing.B) {
	body := []byte(hotBody)
	b.ReportAllocs()
	for b.Loop() {
		_ = Validate(JSON, body)
	}
}

func BenchmarkReading(b *testing.B) {
	body := []byte(`{"v":21.5,"u":"Cel","t":1700000000}`)
	b.ReportAllocs()
	for b.Loop() {
		Reading(JSON, body)
	}
}
