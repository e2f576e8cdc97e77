package arena

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestLog holds the log against a slice of records.
func TestLog(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 13))
	a := New(1 << 20)
	defer a.Close()
	var l Log
	l.Begin(1)
	var want [][]byte
	var first uint64 = 1
	for i := range 20_000 {
		size := r.IntN(300)
		if r.IntN(50) == 0 {
			size = r.IntN(9000)
		}
		data := bytes.Repeat([]byte{byte(i)}, size)
		ext := bytes.Repeat([]byte{7}, max(0, r.IntN(60)-40))
		evicted, ok := l.Append(a, &Record{TS: int64(i), Origin: uint32(i), Name: []byte("dev")[:r.IntN(4)], Data: data, Ext: ext}, 32<<10, 0)
		if !ok {
			t.Fatal("no room")
		}
		want = append(want, append(ext, data...))[evicted:]
		first += uint64(evicted)
		if l.First() != first || int(l.count) != len(want) {
			t.Fatalf("holds %d from %d, want %d from %d", l.count, l.First(), len(want), first)
		}
		if l.bytes > 32<<10 && l.count > 1 {
			t.Fatalf("%d bytes over the cap", l.bytes)
		}
		seq := first + uint64(r.IntN(len(want)))
		raw, to := l.Read(a, seq, nil, 1+r.IntN(4000))
		for ; seq < to; seq++ {
			var rec Record
			rec, raw = Parse(raw)
			if !bytes.Equal(append(rec.Ext, rec.Data...), want[seq-first]) || rec.TS != int64(rec.Origin) {
				t.Fatalf("step %d: record %d differs", i, seq)
			}
		}
		if len(raw) != 0 {
			t.Fatal("bytes behind the last record")
		}
		if i%100 == 0 {
			if err := l.Check(a, make(map[uint32]bool)); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.Clear(a)
	if used, _, _ := a.Usage(); used != 0 {
		t.Fatalf("%d bytes left in an empty arena", used)
	}
}
