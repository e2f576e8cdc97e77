package ws

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzHead: a head that is taken says what its bytes say.
func FuzzHead(f *testing.F) {
	f.Add([]byte{0x81, 0x81, 1, 2, 3, 4, 'a'}, false, uint16(0))
	f.Add([]byte{0x02, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70, 1, 2, 3, 4, 0, 0}, false, uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, fragmented bool, have uint16) {
		const limit = 1 << 20
		h, ok, err := parseHead(b, fragmented, int(have), limit)
		if !ok || err != nil {
			return
		}
		if h.size > len(b) || h.size > 14 || h.op != b[0]&0x0f || h.fin != (b[0]&0x80 != 0) {
			t.Fatalf("%+v of % x", h, b)
		}
		if h.op < opClose && h.length+uint64(have) > limit || h.op >= opClose && h.length > maxControl {
			t.Fatalf("%+v is over the limit", h)
		}
	})
}

// TestUnmask holds the fast way against RFC 6455 5.3.
func TestUnmask(t *testing.T) {
	key := [4]byte{1, 2, 3, 0xfe}
	for n := range 40 {
		b, want := make([]byte, n), make([]byte, n)
		for i := range b {
			b[i] = byte(i * 7)
			want[i] = b[i] ^ key[i%4]
		}
		unmask(b, binary.LittleEndian.Uint32(key[:]))
		if !bytes.Equal(b, want) {
			t.Fatalf("%d bytes: % x, want % x", n, b, want)
		}
	}
}

// TestServerFrames: heads of every form, also behind other frames.
func TestServerFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		p := bytes.Repeat([]byte{'x'}, n)
		b := append(Wire{}.Begin([]byte("before")), p...)
		b = Wire{}.End(b, len("before"), true)[len("before"):]
		head := []byte{0x81, byte(n)}
		switch {
		case n > 65535:
			head = binary.BigEndian.AppendUint64([]byte{0x81, 127}, uint64(n))
		case n > 125:
			head = binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(n))
		}
		if !bytes.Equal(b, append(head, p...)) {
			t.Errorf("%d bytes: % .20x", n, b)
		}
	}
	long := string(bytes.Repeat([]byte("ä"), 100))
	if b := (Wire{}).Bye(nil, 1002, long); len(b) != 2+2+122 || b[1] != 124 {
		t.Errorf("a long reason makes % x", b)
	}
}
