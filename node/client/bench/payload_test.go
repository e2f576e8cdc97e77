package bench

import (
	"io"
	"strconv"
	"testing"

	"topicd/codec"
)

// The hub's own frames take the short way, and it says what the codec says.
func TestScan(t *testing.T) {
	for _, written := range []codec.Encoding{codec.JSON, codec.CBOR} {
		for _, size := range []int{MinSize, 100, 300, 70_000} {
			l := newLayout(written, "bench/0a1b2c3d/", size)
			if len(l.body) != size {
				t.Fatalf("%s: %d bytes instead of %d", written, len(l.body), size)
			}
			if err := codec.Validate(written, l.body); err != nil {
				t.Fatal(err)
			}
			for _, heard := range []codec.Encoding{codec.JSON, codec.CBOR} {
				as := l.heardAs(heard)
				for _, want := range []reading{{0, 0, 1, 0}, {7, 1, 23, 0}, {12_345, 123_456_789_012, 1 << 33, 4711}} {
					testScan(t, l, as, want)
				}
			}
		}
	}
}

func testScan(t *testing.T, l, as *layout, want reading) {
	t.Helper()
	topic := l.prefix + strconv.Itoa(want.topic)
	f := l.frame(topic)
	var d codec.Decoder
	var m codec.Message
	d.Reset(l.enc, l.publish(nil, &f, want.stamp))
	if err := d.Next(&m); err != nil || m.Op != codec.OpPub || string(m.Topic) != topic {
		t.Fatalf("published %v %s: %v", m.Op, m.Topic, err)
	}
	frame := codec.AppendMsg(nil, as.enc, topic, want.seq, 1_700_000_000_000, nil, want.drop, m.Data, l.enc)
	if got, ok := as.scan(frame); !ok || got != want {
		t.Errorf("%s heard as %s: scanned %+v %v, not %+v", l.enc, as.enc, got, ok, want)
	}
	for i := range min(len(frame), 200) { // cut short it is none
		if got, ok := as.scan(frame[:i]); ok {
			t.Fatalf("scanned %q as %+v", frame[:i], got)
		}
	}
	d.Reset(as.enc, frame)
	if err := d.Next(&m); err != nil {
		t.Fatal(err)
	}
	if got, ok := as.understand(&m); !ok || got != want {
		t.Errorf("%s heard as %s: understood %+v %v, not %+v", l.enc, as.enc, got, ok, want)
	}
	named := codec.AppendMsg(nil, as.enc, topic, want.seq, 1, []byte("who"), 0, m.Data, as.enc)
	if _, ok := as.scan(named); ok {
		t.Error("a reading with a publisher's name is not the short form")
	}
}

// What scans is what the codec says too, whatever the bytes.
func FuzzScan(f *testing.F) {
	layouts := []*layout{newLayout(codec.JSON, "bench/x/", MinSize), newLayout(codec.CBOR, "bench/x/", MinSize)}
	for _, l := range layouts {
		f.Add(codec.AppendMsg(nil, l.enc, "bench/x/7", 5, 1_700_000_000_000, nil, 3, l.body, l.enc))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, l := range layouts {
			got, ok := l.scan(frame)
			var d codec.Decoder
			var m codec.Message
			d.Reset(l.enc, frame)
			if !ok || d.Next(&m) == io.EOF || m.Op != codec.OpMsg {
				continue // what is not a frame never comes from a hub
			}
			if want, ok := l.understand(&m); ok && want != got {
				t.Errorf("%s: %+v, not %+v: %q", l.enc, got, want, frame)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
		l := newLayout(enc, "bench/0a1b2c3d/", 100)
		frame := codec.AppendMsg(nil, enc, l.prefix+"7", 12345, 1_700_000_000_000, nil, 0, l.body, enc)
		b.Run(enc.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := l.scan(frame); !ok {
					b.Fatal("not scanned")
				}
			}
		})
	}
}
