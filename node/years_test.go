package node

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/arena"
)

// A device that counts its readings is known for as long as it goes on: its window turns
// with a counter that wraps after years of a reading a second.
func TestADeviceSendsForYears(t *testing.T) {
	h := newClocked(t, Options{})
	p := open(t, h.Hub)
	if err := p.s.Hello("dev", "", h.turn); err != nil {
		t.Fatal(err)
	}
	p.s.ext.window.n = math.MaxUint32 - 3
	for i := range 40 {
		for try := range 2 {
			r, err := p.s.Publish([]byte("a"), Body{Enc: codec.JSON, Data: fmt.Append(nil, i)}, uint64(i+1), h.turn)
			if err != nil || r.Dup != (try > 0) || r.Seq != uint64(i+1) {
				t.Fatalf("reading %d, sent %d times: %+v, %v", i, try+1, r, err)
			}
		}
	}
}

// Each power cut lets the numbers of a durable topic leap by 2^24 (package store), so that
// a machine that is switched off each evening has some 2^32 apart within the year. Who asks
// for what is stored gets that all the same, each reading once.
func TestStoredReadingsOfHundredsOfPowerCuts(t *testing.T) {
	d := newRAM("plant/")
	h := newClocked(t, Options{Disk: d, TopicCap: 1024})
	seqs := cutOften(t, h, d, "plant/a")
	for name, c := range map[string]struct {
		o    SubOptions
		want []uint64
	}{
		"all":               {SubOptions{HasSince: true}, seqs},
		"the last ones":     {SubOptions{Last: 1000}, seqs[len(seqs)-1000:]},
		"all but some":      {SubOptions{HasSince: true, Since: int64(seqs[100])}, seqs[101:]},
		"those of a minute": {SubOptions{HasSince: true, Since: -60}, seqs},
	} {
		for _, pattern := range []string{"plant/a", "#"} {
			s := open(t, h.Hub)
			s.sub(t, pattern, c.o, h.turn)
			got := numbers(s.all(d, h.now), "plant/a")
			if !slices.Equal(got, c.want) {
				t.Errorf("%s of %s: %d readings, from %d, and not %d, from %d", name, pattern, len(got), got[0], len(c.want), c.want[0])
			}
			s.s.Close(h.turn)
		}
	}
}

// cutOften has a topic's readings of hundreds of runs that ended in power cuts on the disk,
// and some more in memory, and returns their numbers.
func cutOften(t *testing.T, h *clocked, d *ram, topic string) (seqs []uint64) {
	tape := &ramTape{d: d, name: topic}
	for cut := range uint64(600) {
		for range 10 {
			seqs = append(seqs, cut<<24+uint64(len(seqs))+1)
			tape.rows = append(tape.rows, ramRow{seqs[len(seqs)-1], arena.Record{TS: h.now + h.skew, Data: []byte(`"of an earlier run"`)}})
		}
	}
	d.tapes[topic] = tape
	p := open(t, h.Hub)
	for range 5 {
		seqs = append(seqs, p.pub(t, topic, "1", h.turn).Seq)
	}
	return seqs
}

// numbers are those of a topic's readings.
func numbers(lines []string, topic string) (seqs []uint64) {
	for _, l := range lines {
		var seq uint64
		if _, err := fmt.Sscanf(l, topic+" %d", &seq); err == nil {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// So does a reader with a window, of several topics at a time, who asks again in between;
// and what is noted beside its entries is given back.
func TestAWindowOverHundredsOfPowerCuts(t *testing.T) {
	topics := []string{"disk/a", "disk/b", "disk/c"}
	for _, again := range []bool{false, true} {
		b := newBacklog(t, 0)
		var seqs []uint64
		for _, topic := range topics {
			seqs = cutOften(t, b.clocked, b.d, topic)
		}
		before := b.readyBytes.Load()
		b.sub("disk/#")
		if got := b.readyBytes.Load() - before; got != int64(len(topics))*farCost+blockOfEntries {
			t.Errorf("its list takes %d bytes", got)
		}
		got := make(map[string][]uint64)
		for lines := b.ack(100); len(lines) > 0; lines = b.ack(100 - b.w.room) {
			for _, topic := range topics {
				got[topic] = append(got[topic], numbers(lines, topic)...)
			}
			if again && len(got[topics[0]]) > 1000 {
				again = false
				clear(got)
				b.sub("disk/#")
			}
		}
		for _, topic := range topics {
			if !slices.Equal(got[topic], seqs) {
				t.Errorf("%d readings of %s come, and not %d", len(got[topic]), topic, len(seqs))
			}
		}
		if n := len(b.s.s.ext.far); n > 0 {
			t.Errorf("%d are noted for good", n)
		}
		b.s.s.Close(b.turn)
		if got := b.readyBytes.Load(); got != 0 {
			t.Errorf("%d bytes are not given back", got)
		}
	}
}

const blockOfEntries = 512

// A hub that carries on as the last run did gives no epoch twice, after half a milliard of
// deleted topics neither, when they can be counted no further.
func TestEpochsAfterManyDeletions(t *testing.T) {
	h := newClocked(t, Options{Epoch: 7})
	h.deleted = 1<<29 - 2
	used := make(map[uint64]bool)
	for range 3 {
		for range 5 {
			open(t, h.Hub).pub(t, "a", "1", h.turn)
			_, ep := h.ID(h.Find([]byte("a")))
			if used[ep] {
				t.Fatalf("the epoch %d is given twice", ep)
			}
			used[ep] = true
			if err := h.Delete([]byte("a"), nil, h.turn); err != nil {
				t.Fatal(err)
			}
		}
		next, _ := h.restart(t, Options{}, time.Minute, 0)
		h = next
	}
}

// Clients stand in the order in which they came, also where their numbers begin anew.
func TestClientsInOrderAfterManySessions(t *testing.T) {
	h := newClocked(t, Options{})
	h.ids = math.MaxUint32 - 3
	var want, got []uint32
	for range 6 {
		want = append(want, open(t, h.Hub).s.ID())
		h.wait(time.Second)
	}
	for _, c := range h.Clients() {
		got = append(got, c.ID)
	}
	if !slices.Equal(got, want) || slices.IsSorted(want) {
		t.Errorf("%v, and they came as %v", got, want)
	}
}

// A hub that keeps nothing on disk, on a board without a clock, starts at the same time of
// 1970 again and again: who comes back with numbers of an earlier run is told that they are
// others now.
func TestEpochsOfABoardWithoutAClock(t *testing.T) {
	used := make(map[uint64]bool)
	for range 100 {
		h := New(Options{Clock: func() (wall, mono int64) { return 30_000, 1 }})
		if used[h.Epoch()] || h.Epoch() >= 1<<53 {
			t.Errorf("the epoch %d", h.Epoch())
		}
		used[h.Epoch()] = true
		h.Close()
	}
}
