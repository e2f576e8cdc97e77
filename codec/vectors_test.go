package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
)

// loadVectors reads a file of golden vectors, shared with firmware authors.
func loadVectors[T any](tb testing.TB, name string) []T {
	tb.Helper()
	b, err := os.ReadFile("../firmware-notes/vectors/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	var out []T
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return out
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatalf("%q: %v", s, err)
	}
	return b
}

type frameVector struct {
	Name, Dir, Note string
	JSON, CBOR      string
	JSONToCBOR      string   `json:"jsonToCbor"`
	AlsoJSON        []string `json:"alsoJson"`
	AlsoCBOR        []string `json:"alsoCbor"`
	Batch           *int
}

// all decodes every object of a frame and writes each with enc.
func all(enc, to Encoding, frame []byte) (out [][]byte, err error) {
	var d Decoder
	d.Reset(enc, frame)
	for {
		var m Message
		switch err := d.Next(&m); {
		case err == io.EOF:
			return out, nil
		case err != nil:
			return out, err
		}
		out = append(out, Append(nil, to, &m))
	}
}

func TestFrames(t *testing.T) {
	vectors := loadVectors[frameVector](t, "frames.json")
	if len(vectors) < 40 {
		t.Errorf("only %d frames", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			cborFrame := unhex(t, v.CBOR)
			fromJSON := cborFrame
			if v.JSONToCBOR != "" {
				fromJSON = unhex(t, v.JSONToCBOR)
			}
			check := func(what string, from, to Encoding, frame, want []byte) {
				t.Helper()
				objects, err := all(from, to, frame)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				got := bytes.Join(objects, nil)
				if v.Batch != nil {
					if len(objects) != *v.Batch {
						t.Errorf("%s: %d objects, want %d", what, len(objects), *v.Batch)
					}
					got = batch(to, objects)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s: got\n%q, want\n%q", what, got, want)
				}
			}
			check("JSON to JSON", JSON, JSON, []byte(v.JSON), []byte(v.JSON))
			check("CBOR to CBOR", CBOR, CBOR, cborFrame, cborFrame)
			check("CBOR to JSON", CBOR, JSON, cborFrame, []byte(v.JSON))
			check("JSON to CBOR", JSON, CBOR, []byte(v.JSON), fromJSON)
			for _, s := range v.AlsoJSON {
				check("also "+s, JSON, JSON, []byte(s), []byte(v.JSON))
			}
			for _, s := range v.AlsoCBOR {
				check("also "+s, CBOR, JSON, unhex(t, s), []byte(v.JSON))
			}
		})
	}
}

func batch(enc Encoding, objects [][]byte) []byte {
	if enc == CBOR {
		return append(appendHead(nil, majArray, uint64(len(objects))), bytes.Join(objects, nil)...)
	}
	return append(append([]byte("["), bytes.Join(objects, []byte(","))...), ']')
}

type transcodeVector struct{ Name, Dir, Note, JSON, CBOR string }

func TestTranscode(t *testing.T) {
	vectors := loadVectors[transcodeVector](t, "transcode.json")
	if len(vectors) < 60 {
		t.Errorf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			c := unhex(t, v.CBOR)
			if v.Dir != "json-cbor" {
				got, err := Transcode([]byte("x"), JSON, CBOR, c)
				if err != nil || string(got) != "x"+v.JSON {
					t.Errorf("to JSON: %q, %v, want %q", got, err, v.JSON)
				}
			}
			if v.Dir != "cbor-json" {
				got, err := Transcode([]byte("x"), CBOR, JSON, []byte(v.JSON))
				if err != nil || string(got) != "x"+string(c) {
					t.Errorf("to CBOR: %x, %v, want %x", got, err, c)
				}
			}
			for _, in := range []struct {
				enc  Encoding
				data []byte
			}{{JSON, []byte(v.JSON)}, {CBOR, c}} {
				if err := Validate(in.enc, in.data); err != nil {
					t.Errorf("Validate %s: %v", in.enc, err)
				}
				if got, err := Transcode(nil, in.enc, in.enc, in.data); err != nil || !bytes.Equal(got, in.data) {
					t.Errorf("%s to itself: %q, %v", in.enc, got, err)
				}
				thereAndBack(t, in.enc, in.data)
			}
		})
	}
}

// thereAndBack checks that going to the other encoding and back twice changes
// nothing after the first time, and that every stop validates.
func thereAndBack(t *testing.T, enc Encoding, data []byte) {
	t.Helper()
	other := CBOR - enc
	step := func(to, from Encoding, in []byte) []byte {
		t.Helper()
		out, err := Transcode(nil, to, from, in)
		if err != nil {
			t.Fatalf("%s to %s of %q: %v", from, to, in, err)
		}
		if err := Validate(to, out); err != nil {
			t.Fatalf("%s to %s of %q gives %q: %v", from, to, in, out, err)
		}
		return out
	}
	a := step(other, enc, data)
	b := step(enc, other, a)
	c := step(other, enc, b)
	d := step(enc, other, c)
	if !bytes.Equal(b, d) {
		t.Fatalf("%s %q goes to %q, then %q, then %q", enc, data, a, b, d)
	}
}

type refuseVector struct {
	Name, Enc, Level, Why string
	Text                  *string
	Hex                   *string
	Code                  int
	ID                    *uint64
}

func (v *refuseVector) input(tb testing.TB) (Encoding, []byte) {
	enc := JSON
	if v.Enc == "cbor" {
		enc = CBOR
	}
	if v.Text != nil {
		return enc, []byte(*v.Text)
	}
	return enc, unhex(tb, *v.Hex)
}

func TestRefuse(t *testing.T) {
	vectors := loadVectors[refuseVector](t, "refuse.json")
	if len(vectors) < 80 {
		t.Errorf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Enc+" "+v.Name, func(t *testing.T) {
			enc, in := v.input(t)
			if v.Level == "body" {
				refuseBody(t, enc, in, v.Code)
				return
			}
			var d Decoder
			d.Reset(enc, in)
			id, hasID, bad := uint64(0), false, error(nil)
			for {
				var m Message
				err := d.Next(&m)
				if err == io.EOF {
					break
				}
				if err != nil {
					id, hasID, bad = m.ID, m.Has.Has(KeyID), err
				}
			}
			wantCode(t, bad, v.Code)
			if hasID != (v.ID != nil) || hasID && id != *v.ID {
				t.Errorf("id %d, %v, want %v", id, hasID, v.ID)
			}
		})
	}
}

// refuseBody checks that every way in refuses the body.
func refuseBody(t *testing.T, enc Encoding, in []byte, code int) {
	t.Helper()
	wantCode(t, Validate(enc, in), code)
	for _, to := range []Encoding{JSON, CBOR} {
		out, err := Transcode([]byte("x"), to, enc, in)
		wantCode(t, err, code)
		if string(out) != "x" {
			t.Errorf("Transcode to %s left %q", to, out)
		}
	}
	if _, err := Records(enc, in, 0); err == nil {
		t.Error("Records accepts it")
	}
	frame := append([]byte(`{"op":"pub","topic":"a","data":`), in...)
	frame = append(frame, '}')
	if enc == CBOR {
		frame = append([]byte{0xa3, 0, 2, 2, 0x61, 'a', 3}, in...)
	}
	var d Decoder
	d.Reset(enc, frame)
	var m Message
	err := d.Next(&m)
	var e *Error
	if !errors.As(err, &e) || e.Code != code && e.Code != CodeMalformed {
		t.Errorf("as data of a pub: %v", err)
	}
}

func wantCode(t *testing.T, err error, code int) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want code %d", err, code)
	}
	if e.Code != code || e.Msg == "" || strings.Contains(e.Msg, "%!") {
		t.Errorf("got %v, want code %d", e, code)
	}
}

type senmlVector struct {
	Name, Note string
	JSON       *string
	CBOR       *string
	Now        int64
	Code       int
	Records    []json.RawMessage
	Reading    *struct {
		V float64
		U string
	}
	Split     [][2]string
	SplitCode int
}

func TestSenML(t *testing.T) {
	for _, v := range loadVectors[senmlVector](t, "senml.json") {
		if v.JSON != nil {
			t.Run("json "+v.Name, func(t *testing.T) { v.run(t, JSON, []byte(*v.JSON)) })
		}
		if v.CBOR != nil {
			t.Run("cbor "+v.Name, func(t *testing.T) { v.run(t, CBOR, unhex(t, *v.CBOR)) })
		}
	}
}

func (v *senmlVector) run(t *testing.T, enc Encoding, in []byte) {
	value, unit, ok := Reading(enc, in)
	if ok != (v.Reading != nil) || ok && (value != v.Reading.V || unit != v.Reading.U) {
		t.Errorf("Reading is %v %q %v, want %v", value, unit, ok, v.Reading)
	}
	recs, err := Records(enc, in, v.Now)
	parts, splitErr := Split(enc, in, v.Now)
	if v.Code != 0 {
		wantCode(t, err, v.Code)
		wantCode(t, splitErr, v.Code)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(recs) != len(v.Records) {
		t.Fatalf("%d records, want %d", len(recs), len(v.Records))
	}
	for i := range recs {
		got := AppendRecord(nil, JSON, &recs[i])
		var a, b map[string]any
		if json.Unmarshal(got, &a) != nil || json.Unmarshal(v.Records[i], &b) != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("record %d is %s, want %s", i, got, v.Records[i])
		}
	}
	if v.SplitCode != 0 {
		wantCode(t, splitErr, v.SplitCode)
	}
	if v.Split == nil {
		return
	}
	if splitErr != nil || len(parts) != len(v.Split) {
		t.Fatalf("Split: %v, %v, want %v", parts, splitErr, v.Split)
	}
	for i, p := range parts {
		got, err := Transcode(nil, JSON, enc, p.Data)
		if err != nil || p.Name != v.Split[i][0] || string(got) != v.Split[i][1] {
			t.Errorf("part %d is %s %s %v, want %v", i, p.Name, got, err, v.Split[i])
		}
	}
}
