package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/fields"
)

// restart ends h in order and begins the next run, so much later, of which the wall
// tells skew.
func (h *clocked) restart(t testing.TB, o Options, later, skew time.Duration) (*clocked, []byte) {
	t.Helper()
	var file bytes.Buffer
	if _, left, err := h.Carry(&file, func() bool { return true }); err != nil || left > 0 {
		t.Fatalf("%d topics are left out: %v", left, err)
	}
	c, err := ParseCarried(bytes.Clone(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	next := &clocked{now: 1, skew: h.now + h.skew + (later + skew).Milliseconds()}
	o.Carried = c
	o.Epoch = 99
	o.Clock = func() (wall, mono int64) { return next.now + next.skew, next.now }
	next.Hub = New(o)
	next.TakeBack()
	next.turn = next.Hub.Turn()
	t.Cleanup(func() {
		if err := next.Hub.CheckInvariants(); err != nil {
			t.Error(err)
		}
		next.Hub.Close()
	})
	return next, file.Bytes()
}

// What a clean stop hands on is there with its ts, number, declaration and history, and
// is no news to who had it.
func TestARestartIsNoNews(t *testing.T) {
	for name, skew := range map[string]time.Duration{"a clock that goes on": 0, "a boot in 1970": -500_000 * time.Hour, "a clock set forward": 1000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			o := Options{Epoch: 7}
			h := newClocked(t, o)
			p := open(t, h.Hub)
			for i := range 5000 {
				h.wait(time.Second)
				p.pub(t, "a", fmt.Sprintf(`{"u":"Cel","v":%d.5}`, i%50), h.turn)
			}
			p.pub(t, "text", `"hello"`, h.turn)
			p.pub(t, "gone", `1`, h.turn)
			if err := h.Delete([]byte("gone"), nil, h.turn); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Make([]byte("slow"), MakeOptions{Stale: 30, Cap: 9000}); err != nil {
				t.Fatal(err)
			}
			p.pub(t, "slow", `2`, h.turn)
			if _, err := h.Make([]byte("silent"), MakeOptions{Static: true}); err != nil {
				t.Fatal(err)
			}
			was, mono := h.Info(h.Find([]byte("a")), h.now), h.Mono()
			minutes := bucketsOf(h.Hub, "a", 60_000, Always)
			h.wait(10 * time.Second)
			next, _ := h.restart(t, o, time.Minute, skew)

			now := next.Mono()
			is := next.Info(next.Find([]byte("a")), now)
			if is.Seq != was.Seq || is.TS != was.TS || is.Epoch != was.Epoch || is.Readings != 1 || is.Past == 0 {
				t.Errorf("it is %+v, was %+v", is, was)
			}
			if got := bucketsOf(next.Hub, "a", 60_000, Always); fmt.Sprint(got) != fmt.Sprint(minutes) {
				sameBuckets(t, got, minutes)
			}
			if now <= mono || next.Epoch() != 7 || next.Run() != 99 {
				t.Errorf("the clock goes from %d to %d, epoch %d of run %d", mono, now, next.Epoch(), next.Run())
			}
			slow := next.Info(next.Find([]byte("slow")), now)
			if stale := skew >= 0; slow.Cap != 9000 || slow.Stale != stale { // a clock that knows no better says what it knows
				t.Errorf("%+v", slow)
			}
			// Who had it all gets nothing, by number or by position; a newcomer the newest.
			for what, o := range map[string]SubOptions{
				"number":   {HasSince: true, Since: int64(was.Seq), Ep: was.Epoch},
				"position": {HasSince: true, After: mono + 1, Ep: 7},
			} {
				s := open(t, next.Hub)
				pattern := "a"
				if o.After > 0 {
					pattern = "#"
				}
				s.sub(t, pattern, o, next.turn)
				for _, l := range s.fill(next.now, 0) {
					if strings.HasPrefix(l, "a ") {
						t.Errorf("who goes on by its %s gets %q", what, l)
					}
				}
			}
			s := open(t, next.Hub)
			s.sub(t, "text", SubOptions{Last: 1}, next.turn)
			want(t, s.fill(next.now, 0), `text 1 0 "hello"`, "live text 1")
			q := open(t, next.Hub)
			if r := q.pub(t, "a", "3", next.turn); r.Seq != was.Seq+1 {
				t.Errorf("the next number is %d after %d", r.Seq, was.Seq)
			}
			if r := q.pub(t, "gone", "3", next.turn); next.epochOf(r.Topic) <= was.Epoch {
				t.Error("a topic that is born anew has an epoch that was")
			}
		})
	}
}

// It is taken back exactly once a run, unless somebody hands it on again, and twice over
// it is the same.
func TestCarriedTwice(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 8 << 10})
	p := open(t, h.Hub)
	for i := range 3000 {
		h.wait(5 * time.Second)
		p.pub(t, "a", fmt.Sprint(i), h.turn)
	}
	p.s.Publish([]byte("retained"), Body{Enc: codec.JSON, Data: []byte("1"), QoS: 1}, 0, h.turn)
	p.s.Publish([]byte("retained"), Body{Enc: codec.JSON, Data: []byte("2"), QoS: 1, Passing: true}, 0, h.turn)
	all := bucketsOf(h.Hub, "a", 3_600_000, Always)
	next, one := h.restart(t, Options{TopicCap: 8 << 10}, 0, 0)
	if x := next.Find([]byte("retained")).rare; x == nil || !x.passing || x.kept != 1 || x.copy.Count() != 1 {
		t.Errorf("what MQTT retains is lost: %+v", x)
	}
	again, two := next.restart(t, Options{TopicCap: 8 << 10}, 0, 0)
	sameBuckets(t, bucketsOf(again.Hub, "a", 3_600_000, Always), all)
	if d := len(two) - len(one); d < -20 || d > 20 {
		t.Errorf("%d bytes, and %d", len(one), len(two))
	}
	if again.TakeBack() != 0 {
		t.Error("it is taken back twice")
	}
}

// What a disk has is left to it; what goes beyond the limits is left out and counted.
func TestCarryIsBounded(t *testing.T) {
	d := newRAM("x/")
	h := newClocked(t, Options{Disk: d})
	p := open(t, h.Hub)
	for i := range 100 {
		p.pub(t, fmt.Sprint("a/", i), "1", h.turn)
	}
	p.pub(t, "x/1", "1", h.turn)
	n := 0
	var file bytes.Buffer
	topics, left, err := h.Carry(&file, func() bool { n++; return n <= 60 })
	if topics != 60 || left != 40 || err != nil || bytes.Contains(file.Bytes(), []byte("x/1")) {
		t.Errorf("%d topics are kept, %d left: %v", topics, left, err)
	}
	c, err := ParseCarried(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	small := New(Options{Carried: c, Topics: 10, Memory: 64 << 10})
	defer small.Close()
	if n := small.TakeBack(); n != 10 {
		t.Errorf("%d topics are taken back where 10 may be", n)
	}
	if err := small.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func carriedFile(t testing.TB) []byte {
	h := newClocked(t, Options{TopicCap: 4 << 10})
	p := open(t, h.Hub)
	for i := range 500 {
		h.wait(20 * time.Second)
		p.pub(t, "a/b", fmt.Sprintf(`{"t":%d,"h":1}`, i), h.turn)
	}
	p.pub(t, "c", `"text"`, h.turn)
	var file bytes.Buffer
	if _, _, err := h.Carry(&file, func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// A file that a power cut or somebody has changed is refused as a whole.
func TestDamagedCarriedIsRefused(t *testing.T) {
	file := carriedFile(t)
	if _, err := ParseCarried(bytes.Clone(file)); err != nil {
		t.Fatal(err)
	}
	for i := range file {
		if _, err := ParseCarried(file[:i]); err == nil {
			t.Fatalf("cut at %d of %d it is taken", i, len(file))
		}
		bad := bytes.Clone(file)
		bad[i] ^= 1 << (i % 8)
		if _, err := ParseCarried(bad); err == nil {
			t.Fatalf("with another byte at %d it is taken", i)
		}
	}
}

// FuzzCarried: whatever a file says under a good sum, it is refused or makes a hub that
// is sound.
func FuzzCarried(f *testing.F) {
	file := carriedFile(f)
	f.Add(file[:len(file)-4])
	f.Add([]byte(carryMagic + "\x07\x00\x01\x01\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		text = binary.LittleEndian.AppendUint32(text, fields.Sum(0, text))
		c, err := ParseCarried(text)
		if err != nil {
			return
		}
		h := New(Options{Carried: c, Memory: 128 << 10, TopicCap: 16 << 10})
		defer h.Close()
		h.TakeBack()
		if err := h.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		for _, topic := range h.Topics("") {
			s := h.Steps(topic, 60_000, Always)
			for !s.Next(func(*Bucket) bool { return true }) {
			}
		}
		p := open(t, h)
		for i := range 100 {
			p.pub(t, "a/b", fmt.Sprint(i), h.Turn())
		}
	})
}
