package codec

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"testing"
	"unicode/utf8"
)

// seeds adds everything in the vectors to a fuzz target for enc.
func seeds(f *testing.F, enc Encoding) {
	for _, v := range loadVectors[frameVector](f, "frames.json") {
		if enc == JSON {
			f.Add([]byte(v.JSON))
		} else {
			f.Add(unhex(f, v.CBOR))
		}
	}
	for _, v := range loadVectors[transcodeVector](f, "transcode.json") {
		if enc == JSON {
			f.Add([]byte(v.JSON))
		} else {
			f.Add(unhex(f, v.CBOR))
		}
	}
	for _, v := range loadVectors[refuseVector](f, "refuse.json") {
		if e, in := v.input(f); e == enc && len(in) < 4096 {
			f.Add(in)
		}
	}
	for _, v := range loadVectors[senmlVector](f, "senml.json") {
		if v.JSON != nil && enc == JSON && len(*v.JSON) < 4096 {
			f.Add([]byte(*v.JSON))
		}
		if v.CBOR != nil && enc == CBOR {
			f.Add(unhex(f, *v.CBOR))
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	seeds(f, JSON)
	f.Fuzz(func(t *testing.T, in []byte) { fuzzFrame(t, JSON, in) })
}

func FuzzDecodeCBOR(f *testing.F) {
	seeds(f, CBOR)
	f.Fuzz(func(t *testing.T, in []byte) { fuzzFrame(t, CBOR, in) })
}

// fuzzFrame decodes in; what decodes must say the same after each way of being
// written and read again.
func fuzzFrame(t *testing.T, enc Encoding, in []byte) {
	var d Decoder
	d.Reset(enc, in)
	for n := 0; ; n++ {
		var m Message
		err := d.Next(&m)
		if err == io.EOF {
			break
		}
		if n > len(in) {
			t.Fatal("more objects than bytes")
		}
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Fatalf("%T %v", err, err)
			}
			continue
		}
		var o Opts
		if ParseOpts(enc, m.Opts, &o) != nil || len(m.Opts) > 0 && Validate(enc, m.Opts) != nil {
			continue // in opts what is unknown need only be well-formed
		}
		again(t, &m)
	}
}

func again(t *testing.T, m *Message) {
	t.Helper()
	for _, to := range []Encoding{JSON, CBOR} {
		out := Append(nil, to, m)
		var d Decoder
		d.Reset(to, out)
		var got Message
		if err := d.Next(&got); err != nil {
			t.Fatalf("%+v is written %q: %v", m, out, err)
		}
		if err := d.Next(new(Message)); err != io.EOF {
			t.Fatalf("%q: %v behind it", out, err)
		}
		want := *m
		if to != m.Enc {
			want.Enc, want.Data, want.Opts = to, got.Data, got.Opts
			if m.Has.Has(KeyData) {
				want.Data, _ = transcode(nil, to, m.Enc, m.Data, pageDepth)
			}
			if m.Has.Has(KeyOpts) {
				want.Opts, _ = transcode(nil, to, m.Enc, m.Opts, pageDepth)
			}
		}
		if string(want.Topic) == string(got.Topic) && string(want.From) == string(got.From) {
			got.Topic, got.From = want.Topic, want.From // nil or empty
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\nis written %q and read\n%+v", want, out, got)
		}
	}
}

func FuzzTranscode(f *testing.F) {
	for _, v := range loadVectors[transcodeVector](f, "transcode.json") {
		f.Add([]byte(v.JSON), false)
		f.Add(unhex(f, v.CBOR), true)
	}
	for _, v := range loadVectors[senmlVector](f, "senml.json") {
		if v.CBOR != nil {
			f.Add(unhex(f, *v.CBOR), true)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, isCBOR bool) {
		enc := JSON
		if isCBOR {
			enc = CBOR
		}
		keep := bytes.Clone(in)
		Reading(enc, in)
		if parts, err := Split(enc, in, 1e12); err == nil {
			for _, p := range parts {
				if err := Validate(enc, p.Data); err != nil {
					t.Fatalf("part %q: %v", p.Data, err)
				}
			}
		}
		if Validate(enc, in) != nil {
			return
		}
		if enc == JSON {
			if !json.Valid(in) || !utf8.Valid(in) {
				t.Fatalf("%q is not JSON", in)
			}
			jsonOracle(t, in)
		} else if cborMode.Wellformed(in) != nil {
			t.Fatalf("%x is not CBOR", in)
		} else if !bytes.ContainsAny(in, "\xc0\xc1") { // the oracle's times have a narrower range
			var v map[any]any
			var a any
			if in[0]>>5 == majMap {
				if err := cborMode.Unmarshal(in, &v); err != nil {
					t.Logf("fxamacker/cbor: %v", err)
				}
			} else if in[0]>>5 < majArray {
				if err := cborMode.Unmarshal(in, &a); err != nil {
					t.Fatalf("fxamacker/cbor refuses %x: %v", in, err)
				}
			}
		}
		thereAndBack(t, enc, in)
		if !bytes.Equal(in, keep) {
			t.Fatal("the input was changed")
		}
	})
}
