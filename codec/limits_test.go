package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"topicd/node/nodetest/race"
)

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool forgets under -race")
	}
	frame, body := hotCBOR(t)
	var d Decoder
	var m Message
	dst := make([]byte, 0, 1024)
	plainBody := []byte(hotBody)
	record := []byte{0xa2, 1, 0x63, 'C', 'e', 'l', 2, 0xf9, 0x4d, 0x60}
	pack := []byte(`[{"bn":"a","bu":"Cel"},{"v":21.5}]`)
	topic := []byte("greenhouse/1/temp")
	decode := func(enc Encoding, frame []byte) func() {
		return func() {
			d.Reset(enc, frame)
			if err := d.Next(&m); err != nil {
				t.Fatal(err)
			}
			if err := d.Next(&m); err != io.EOF {
				t.Fatal(err)
			}
		}
	}
	msg := func(enc, dataEnc Encoding, data []byte) func() {
		return func() {
			dst = AppendMsg(dst[:0], enc, "greenhouse/1/temp", 1234, 1700000000123, []byte("esp32"), 3, data, dataEnc)
		}
	}
	tests := map[string]func(){
		"decode JSON":         decode(JSON, []byte(hotFrame)),
		"decode JSON escapes": decode(JSON, []byte(`{"op":"pub","top\u0069c":"\u0061","data":{"\u0061":"\n","b":1}}`)),
		"decode CBOR":         decode(CBOR, frame),
		"msg JSON":            msg(JSON, JSON, []byte(hotBody)),
		"msg CBOR":            msg(CBOR, CBOR, body),
		"msg JSON from CBOR":  msg(JSON, CBOR, body),
		"msg CBOR from JSON":  msg(CBOR, JSON, []byte(hotBody)),
		"Validate":            func() { _ = Validate(JSON, plainBody) },
		"Reading":             func() { Reading(CBOR, record) },
		"Reading JSON":        func() { Reading(JSON, pack) },
		"CheckTopic":          func() { _ = CheckTopic(topic) },
		"Match":               func() { Match("greenhouse/+/temp/#", "greenhouse/1/temp") },
	}
	for name, f := range tests {
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// hostile are the bodies of about 64 KiB that cost the most.
func hostile() map[string]struct {
	enc  Encoding
	data []byte
} {
	const size = 64 << 10
	type body = struct {
		enc  Encoding
		data []byte
	}
	wide := func(format string) []byte {
		var b bytes.Buffer
		b.WriteByte('[')
		for n := 0; b.Len() < size; n++ {
			if n > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('{')
			for k := 0; k < MaxPairs; k++ {
				if k > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, format, k)
			}
			b.WriteByte('}')
		}
		b.WriteByte(']')
		return b.Bytes()
	}
	ints := append([]byte{0x9f}, bytes.Repeat(append([]byte{0xb9, 4, 0}, func() (b []byte) {
		for k := 0; k < MaxPairs; k++ {
			b = append(b, 0x19, 1+byte(k>>8), byte(k), 0)
		}
		return
	}()...), 16)...)
	deep := append([]byte(strings.Repeat("[", MaxDepth)), strings.Repeat("1,", size/2)...)
	deep = append(deep, '1')
	deep = append(deep, strings.Repeat("]", MaxDepth)...)
	labels := append(bytes.Repeat([]byte{0xa1, 0}, MaxDepth-1), 0x9a, 0, 0, 0xf0, 0)
	labels = append(labels, make([]byte, 0xf000)...)
	return map[string]body{
		"JSON wide maps":           {JSON, wide(`"%03x":0`)},
		"JSON wide, same ends":     {JSON, wide(`"a%03xb":0`)},
		"JSON wide, escaped":       {JSON, wide(`"\u0061%03x":0`)},
		"CBOR wide maps":           {CBOR, append(ints, 0xff)},
		"CBOR labels in labels":    {CBOR, labels},
		"JSON deep and long":       {JSON, deep},
		"JSON escapes":             {JSON, []byte(`"` + strings.Repeat(`\u00e9`, size/6) + `"`)},
		"JSON empty maps":          {JSON, []byte("[" + strings.Repeat("{},", size/3) + "1]")},
		"JSON floats":              {JSON, []byte("[" + strings.Repeat("1e-100,", size/7) + "1]")},
		"JSON long number":         {JSON, []byte("0." + strings.Repeat("3", size))},
		"CBOR float16 array":       {CBOR, append([]byte{0xd8, 80, 0x59, 0xff, 0xfe}, bytes.Repeat([]byte{0x35, 0x55}, 0x7fff)...)},
		"CBOR tiny floats":         {CBOR, append([]byte{0x99, 0x55, 0x55}, bytes.Repeat([]byte{0xf9, 0x35, 0x55}, 0x5555)...)},
		"CBOR decimal fractions":   {CBOR, append([]byte{0x99, 0x18, 0x00}, bytes.Repeat([]byte{0xc4, 0x82, 0x39, 1, 0x3f, 0x1a, 0x81, 0x82, 0x83, 0x84}, 0x1800)...)},
		"CBOR long bignums":        {CBOR, append([]byte{0x99, 0x01, 0xee}, bytes.Repeat(append([]byte{0xc2, 0x58, 128, 0x7f}, bytes.Repeat([]byte{0x55}, 127)...), 0x1ee)...)},
		"CBOR empty maps":          {CBOR, append([]byte{0x99, 0xff, 0x00}, bytes.Repeat([]byte{0xa0}, 0xff00)...)},
		"JSON maps of twelve keys": {JSON, []byte("[" + strings.Repeat(`{"aac":0,"abc":0,"adc":0,"aec":0,"afc":0,"agc":0,"ahc":0,"aic":0,"ajc":0,"akc":0,"alc":0,"amc":0},`, size/97) + "1]")},
	}
}

// TestHostile: the worst bodies are taken; what they cost is for the benchmark.
// A whole second means that something has become quadratic in the frame.
func TestHostile(t *testing.T) {
	for name, b := range hostile() {
		took := time.Hour
		for try := 0; try < 20 && took > time.Second; try++ { // others may have the processors for seconds
			start := time.Now()
			if err := Validate(b.enc, b.data); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			took = min(took, time.Since(start))
		}
		if took > time.Second {
			t.Errorf("%s: %d bytes take %v", name, len(b.data), took)
		}
	}
}

func BenchmarkHostileValidate(b *testing.B) {
	for name, h := range hostile() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_ = Validate(h.enc, h.data)
			}
		})
	}
}

func BenchmarkHostileTranscode(b *testing.B) {
	var dst []byte
	for name, h := range hostile() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				dst, _ = Transcode(dst[:0], CBOR-h.enc, h.enc, h.data)
			}
		})
	}
}

// The two below put our figures beside known ones on the same machine.

func BenchmarkRefJSONValid(b *testing.B) {
	body := []byte(hotBody)
	for b.Loop() {
		json.Valid(body)
	}
}

func BenchmarkRefCBORWellformed(b *testing.B) {
	_, body := hotCBOR(b)
	for b.Loop() {
		_ = cbor.Wellformed(body)
	}
}
