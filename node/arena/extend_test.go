package arena

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// oldest keeps what left a log.
type oldest struct {
	t    *testing.T
	gone [][]byte
}

func (o *oldest) Leaves(a *Arena, l *Log) {
	var buf [2048]byte
	r, ok := l.Oldest(a, buf[:])
	if !ok {
		o.t.Fatal("the oldest record cannot be read")
	}
	o.gone = append(o.gone, bytes.Clone(r.Data))
}

// TestExtend holds a log whose newest record grows against a slice of records, and what
// leaves it is told, whole and in order.
func TestExtend(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for _, limit := range []uint32{512, 700, 4 << 10, 16 << 10} {
		a := New(1 << 20)
		var l Log
		l.Begin(1)
		var all [][]byte
		for i := range 5000 {
			data := bytes.Repeat([]byte{byte(i)}, 1+r.IntN(40))
			if len(all) == 0 || len(all[len(all)-1]) > int(limit)/5+r.IntN(10) {
				if _, ok := l.Append(a, &Record{TS: int64(len(all)), Name: []byte("x"), Data: data}, limit, 1); !ok {
					t.Fatal("no room")
				}
				all = append(all, data)
			} else {
				if !l.Extend(a, data, limit) {
					t.Fatal("no room")
				}
				all[len(all)-1] = append(all[len(all)-1], data...)
			}
			if l.bytes > limit && l.count > 1 {
				t.Fatalf("%d bytes, over the %d that it may take", l.bytes, limit)
			}
			if err := l.Check(a, make(map[uint32]bool)); err != nil {
				t.Fatal(err)
			}
			raw, _ := l.Read(a, l.First(), nil, 1<<20)
			for at := l.First() - 1; len(raw) > 0; at++ {
				var rec Record
				if rec, raw = Parse(raw); !bytes.Equal(rec.Data, all[at]) || rec.TS != int64(at) {
					t.Fatalf("step %d: record %d differs", i, at)
				}
			}
		}
		l.Clear(a)
		a.Close()
	}
}

func TestWhatLeavesIsTold(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 6))
	a := New(1 << 20)
	defer a.Close()
	var l Log
	l.Begin(1)
	var all [][]byte
	o := &oldest{t: t}
	gone := 0
	for i := range 5000 {
		data := bytes.Repeat([]byte{byte(i)}, r.IntN(1+r.IntN(1500)))
		all = append(all, data)
		n, ok := l.AppendTelling(a, &Record{Data: data}, 8<<10, 0, o)
		if gone += n; !ok || len(o.gone) != gone || l.First() != uint64(gone)+1 {
			t.Fatalf("%d have gone, %d were told", gone, len(o.gone))
		}
	}
	for i, data := range o.gone {
		if !bytes.Equal(data, all[i]) {
			t.Fatalf("record %d was told as another", i)
		}
	}
}
