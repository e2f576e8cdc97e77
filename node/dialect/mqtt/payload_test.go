package mqtt

import (
	"bytes"
	"testing"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/mqtt/packet"
)

func TestPayloadsAsOthersSeeThem(t *testing.T) {
	for _, x := range []struct{ payload, json string }{
		{`21.5`, `21.5`},
		{` {"a":1} `, ` {"a":1} `},
		{`"on"`, `"on"`},
		{`ON`, `"ON"`},
		{``, `""`},
		{`NaN`, `"NaN"`},
		{`{"a":1,"a":2}`, `"{\"a\":1,\"a\":2}"`},
		{"\x00\xff", `"AP8"`},
		{"tab\tü\x00", `"tab\tü\u0000"`},
	} {
		out, enc, in := bodyOf(nil, []byte(x.payload))
		if in {
			out = []byte(x.payload)
		}
		if err := codec.Validate(enc, out); err != nil {
			t.Errorf("%q: %v", x.payload, err)
			continue
		}
		got, err := codec.Transcode(nil, codec.JSON, enc, out)
		if err != nil || string(got) != x.json {
			t.Errorf("%q: %s, want %s (%v)", x.payload, got, x.json, err)
		}
	}
}

func TestWhatOthersPublishAsMQTTSeesIt(t *testing.T) {
	for _, x := range []struct {
		enc  codec.Encoding
		data string
		want string
	}{
		{codec.JSON, `21.5`, `21.5`},
		{codec.JSON, `"on"`, `on`},
		{codec.JSON, ` "\u00e4\n" `, "ä\n"},
		{codec.JSON, `{"v":1}`, `{"v":1}`},
		{codec.CBOR, "\xf9\x4d\x60", `21.5`},
		{codec.CBOR, "\x62on", `on`},
		{codec.CBOR, "\x42\x00\xff", "\x00\xff"},
		{codec.CBOR, "\xa1\x61v\x01", `{"v":1}`},
		{codec.CBOR, "\xf5", `true`},
	} {
		got, ok := appendPayload(nil, &node.Reading{CBOR: x.enc == codec.CBOR, Data: []byte(x.data)}, false)
		if !ok || string(got) != x.want {
			t.Errorf("%q: %q, want %q", x.data, got, x.want)
		}
	}
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte(`{"a":[1,2]}`))
	f.Add([]byte("\xff"))
	f.Add([]byte(" \"x\""))
	f.Fuzz(func(t *testing.T, p []byte) {
		out, enc, in := bodyOf(nil, p)
		if in {
			out = p
		}
		if err := codec.Validate(enc, out); err != nil {
			t.Fatal(err)
		}
		got, ok := appendPayload(nil, &node.Reading{CBOR: enc == codec.CBOR, Data: out}, enc == codec.JSON)
		if !ok || !bytes.Equal(got, p) {
			t.Fatalf("%q came back as %q", p, got)
		}
	})
}

// With Config.Values a record with a number goes out as the number, whoever reads it
// and however; what MQTT published, and what is no record, stays as it is.
func TestValuesOfRecords(t *testing.T) {
	h := dialecttest.Start(t, dialecttest.Options{Hub: node.Options{Rate: -1}, MaxFrame: 1 << 20, Plugs: func(h *node.Hub) []dialect.Plug {
		return []dialect.Plug{Plug(Config{Hub: h, Values: true})}
	}})
	addr := h.Bare(t, "mqtt")
	for _, v := range []packet.Version{packet.V4, packet.V5} {
		x := &run{T: t, v: v, ns: string('0'+byte(v)) + "/", b: overTCP(addr)}
		own, all := x.connect("own"), x.connect("all")
		own.sub(1, "t")
		all.sub(0, "#")
		turn := h.Turn()
		pub, err := h.Open(node.Deaf{}, "127.0.0.1:1", "", turn)
		if err != nil {
			t.Fatal(err)
		}
		defer pub.Close(turn)
		cbor, _ := codec.Transcode(nil, codec.CBOR, codec.JSON, []byte(`{"u":"Cel","v":21.5}`))
		for _, c := range []struct {
			enc        codec.Encoding
			data, want string
		}{
			{codec.JSON, `{"u":"Cel","v":21.5}`, "21.5"}, {codec.CBOR, string(cbor), "21.5"}, {codec.JSON, `{"v":-3}`, "-3"},
			{codec.JSON, `{"x":1}`, `{"x":1}`}, {codec.JSON, `[{"n":"a","v":1}]`, `[{"n":"a","v":1}]`}, {codec.JSON, `7`, "7"}, {codec.JSON, `"on"`, "on"},
		} {
			if _, err := pub.Publish(x.n("t"), node.Body{Enc: c.enc, Data: []byte(c.data)}, 0, turn); err != nil {
				t.Fatal(err)
			}
			turn.Wake()
			own.take("q1 t " + c.want)
			all.want("q0 t " + c.want)
		}
		x.connect("p").pub(1, "t", `{"v":1}`)
		own.take(`q1 t {"v":1}`)
		all.want(`q0 t {"v":1}`)
	}
}
