package packet

import (
	"bytes"
	"testing"
)

// FuzzPackets: whatever comes, nothing panics; what is taken is written and
// read again as the same; and mochi reads it as we do.
func FuzzPackets(f *testing.F) {
	for _, x := range vectors {
		f.Add(unhex(f, x.hex), x.v == V5)
	}
	f.Fuzz(func(t *testing.T, in []byte, five bool) {
		v := V4
		if five {
			v = V5
		}
		for len(in) > 0 {
			pkt, rest, err := Split(in, 1<<16)
			if err != nil || pkt == nil {
				return
			}
			in = rest
			p, err := decode(pkt, v)
			if err != nil {
				continue
			}
			against(t, pkt, v, p)
			out := p.Append(nil, v)
			again, rest, err := Split(out, 1<<17)
			if err != nil || len(rest) > 0 || !bytes.Equal(again, out) {
				t.Fatalf("%x: written %x: %v", pkt, out, err)
			}
			q, err := decode(again, v)
			if err != nil || view(q) != view(p) {
				t.Fatalf("%x: written %x: %v\n%s\n%s", pkt, out, err, view(p), view(q))
			}
			if third := q.Append(nil, v); !bytes.Equal(third, out) {
				t.Fatalf("%x, then %x", out, third)
			}
		}
	})
}

// FuzzSplit: pieces give the packets that the whole gives.
func FuzzSplit(f *testing.F) {
	f.Add([]byte{0xc0, 0, 0x30, 3, 0, 1, 'a', 0x30, 0xff, 0xff, 0xff, 0x7f}, byte(3))
	f.Fuzz(func(t *testing.T, in []byte, step byte) {
		const max = 1 << 12
		var whole, parts [][]byte
		rest, wholeErr := in, (*Error)(nil)
		for {
			var pkt []byte
			if pkt, rest, wholeErr = Split(rest, max); pkt == nil {
				break
			}
			whole = append(whole, pkt)
		}
		var kept []byte
		var err *Error
		for at := 0; at < len(in) && err == nil; {
			n := min(len(in)-at, 1+int(step))
			kept = append(kept, in[at:at+n]...)
			at += n
			for {
				var pkt []byte
				if pkt, kept, err = Split(kept, max); pkt == nil {
					break
				}
				parts = append(parts, bytes.Clone(pkt))
			}
			if len(kept) >= max {
				t.Fatalf("%d bytes are kept", len(kept))
			}
		}
		if err != wholeErr || len(whole) != len(parts) {
			t.Fatalf("%v, %d packets in whole; %v, %d in pieces", wholeErr, len(whole), err, len(parts))
		}
		for i := range whole {
			if !bytes.Equal(whole[i], parts[i]) {
				t.Fatal(i)
			}
		}
	})
}

// FuzzText: names, filters and texts without the fast path give the same.
func FuzzText(f *testing.F) {
	f.Add([]byte("sensors/a+b/äö"))
	f.Fuzz(func(t *testing.T, s []byte) {
		if ValidText(s) != validRunes(s) {
			t.Fatalf("text %q", s)
		}
		if len(s) > 0 && CheckName(s) != checkNameSlow(s) {
			t.Fatalf("name %q", s)
		}
		if CheckFilter(s) == nil && !ValidText(s) {
			t.Fatalf("filter %q", s)
		}
	})
}
