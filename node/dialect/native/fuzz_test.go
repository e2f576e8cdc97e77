package native

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/dialecttest"
)

// FuzzFrame: whatever a peer says, the hub stays in order, and every answer is
// a frame of the grammar in the encoding of the request.
func FuzzFrame(f *testing.F) {
	for _, js := range []string{
		`{"op":"hello","id":1,"opts":{"dev":"d","name":"n","token":"t"}}`,
		`[{"op":"pub","id":1,"topic":"a/b","data":{"v":1}},{"op":"pub","topic":1,"data":2,"seq":4}]`,
		`{"op":"sub","id":2,"topic":"a/#","opts":{"last":3,"since":-5,"rate":2.5,"latest":true,"from":false,"enc":"cbor","pace":4,"ep":7}}`,
		`[{"op":"sub","topic":"$sys/#"},{"op":"unsub","topic":"$sys/#"},{"op":"sub","topic":"+"}]`,
		`{"op":"pub","topic":"g","opts":{"split":true},"data":[{"bn":"x/","n":"a","v":1},{"n":"b","vs":"s"}]}`,
		`[{"op":"get","id":3,"topic":"#","opts":{"last":2}},{"op":"list","opts":{"what":"clients"}},{"op":"list","opts":{"match":"#"}}]`,
		`[{"op":"make","id":4,"topic":"m","opts":{"static":true,"cap":9,"stale":1}},{"op":"delete","topic":"m"},{"op":"ping","data":[]},{"op":"bye"}]`,
	} {
		f.Add(true, []byte(js), true, []byte(js))
		b, err := codec.Transcode(nil, codec.CBOR, codec.JSON, []byte(js))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(false, b, true, []byte(js))
		f.Add(false, []byte{0xa3, 0, 2, 2, 1, 3, 0xf5}, false, b)
	}
	f.Fuzz(func(t *testing.T, text1 bool, b1 []byte, text2 bool, b2 []byte) {
		if text1 && !utf8.Valid(b1) || text2 && !utf8.Valid(b2) {
			t.Skip("the transport refuses it")
		}
		s := newTranscript(t, node.Options{Memory: 64 << 10, TopicCap: 4096, Topics: 50, Subs: 5})
		p, other := s.Open("p", ""), s.Open("other", ProtocolCBOR)
		other.Say(true, []byte(`[{"op":"sub","topic":"#"},{"op":"sub","topic":"$sys/#"}]`))
		for range 2 {
			p.Say(text1, b1)
			p.Say(text2, b2)
			if err := s.Hub.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
			s.Now += 2000
			check(t, p)
			check(t, other)
		}
		p.Close()
		check(t, other)
	})
}

// check reads everything and holds each frame against the codec.
func check(t *testing.T, p *dialecttest.Peer) {
	var d codec.Decoder
	for _, f := range p.Frames() {
		enc := codec.CBOR
		if f.Text {
			enc = codec.JSON
		}
		var m codec.Message
		d.Reset(enc, f.Data)
		if err := d.Next(&m); err != nil {
			t.Fatalf("the hub says %q: %v", f.Data, err)
		}
		if again := codec.Append(nil, enc, &m); !bytes.Equal(again, f.Data) {
			t.Fatalf("the hub says %q, the codec would say %q", f.Data, again)
		}
	}
}
