package node

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/arena"
)

// ram is a disk of a few lines: it commits when the test says, and its pages come
// when the test runs its work.
type ram struct {
	mu        sync.Mutex
	prefix    string
	tapes     map[string]*ramTape
	taken     Commit
	committed Commit
	broken    *codec.Error
	work      []func()
}

type ramTape struct {
	d    *ram
	name string
	rows []ramRow
}

type ramRow struct {
	seq uint64
	rec arena.Record
}

func newRAM(prefix string) *ram { return &ram{prefix: prefix, tapes: make(map[string]*ramTape)} }

func (d *ram) Tape(topic string, declared bool, ep, next uint64) (Tape, uint64, uint64) {
	if !declared && !strings.HasPrefix(topic, d.prefix) {
		return nil, 0, 0
	}
	t := d.tapes[topic]
	if t == nil {
		t = &ramTape{d: d, name: topic}
		d.tapes[topic] = t
	}
	if n := len(t.rows); n > 0 {
		next = t.rows[n-1].seq + 1
	}
	return t, ep, next
}

func (d *ram) Committed(c Commit) (bool, *codec.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return c <= d.committed, d.broken
}

func (d *ram) Figures(func(string, int64)) {}

func (d *ram) Go(work func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.work = append(d.work, work)
}

// run does the work that waits; it reports whether there was any.
func (d *ram) run() bool {
	d.mu.Lock()
	work := d.work
	d.work = nil
	d.mu.Unlock()
	for _, w := range work {
		w()
	}
	return len(work) > 0
}

func (t *ramTape) Append(seq, _ uint64, r *arena.Record, _ uint64) (Commit, *codec.Error) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	if t.d.broken != nil {
		return 0, t.d.broken
	}
	c := *r
	c.Name, c.Data = slices.Clone(r.Name), slices.Clone(r.Data)
	t.rows = append(t.rows, ramRow{seq, c})
	t.d.taken++
	return t.d.taken, nil
}

func (t *ramTape) First() uint64 {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	if len(t.rows) == 0 {
		return 1 << 60
	}
	return t.rows[0].seq
}

func (t *ramTape) Read(dst []byte, from, to uint64, quota int) ([]byte, uint64, error) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	next := to
	for _, r := range t.rows {
		if r.seq < from || r.seq >= to {
			continue
		}
		if len(dst) >= quota {
			return dst, r.seq, nil
		}
		dst = AppendPaged(dst, r.seq, &r.rec)
	}
	return dst, next, nil
}

func (t *ramTape) Newest() (uint64, int64) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	if len(t.rows) == 0 {
		return 0, 0
	}
	return t.rows[len(t.rows)-1].seq, 0
}
func (t *ramTape) Limit() uint64 { return 1 << 60 }
func (t *ramTape) Since(ts int64) (uint64, error) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	for _, r := range t.rows {
		if r.rec.TS >= ts {
			return r.seq, nil
		}
	}
	return 1 << 60, nil
}

func (t *ramTape) Last(n int) (uint64, error) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	return t.rows[max(0, len(t.rows)-n)].seq, nil
}

func (t *ramTape) Forget() { delete(t.d.tapes, t.name) }

// all fills and lets the disk work until neither has anything.
func (p *peer) all(d *ram, now int64) (got []string) {
	for {
		f := p.fill(now, 0)
		got = append(got, f...)
		if !d.run() && len(f) == 0 {
			return got
		}
	}
}

// History that memory no longer holds comes from the disk, in order, complete, and
// before the live marker; a subscriber who must wait for it holds up nobody.
func TestHistoryComesFromTheDisk(t *testing.T) {
	d := newRAM("plant/")
	h := newClocked(t, Options{TopicCap: 1024, Disk: d})
	p, s := open(t, h.Hub), open(t, h.Hub)
	const n = 700
	for i := range n {
		p.pub(t, "plant/a", fmt.Sprintf("%04d%s", i, strings.Repeat("x", 60)), h.turn)
		p.pub(t, "plant/b", fmt.Sprintf("%04d", i), h.turn)
		p.pub(t, "c", "1", h.turn)
	}
	s.sub(t, "#", SubOptions{HasSince: true}, h.turn)
	got := s.fill(h.now, 0)
	if len(got) == 0 || len(d.work) != 1 {
		t.Fatalf("before the disk has worked it gets %d readings, and %d pages are asked for", len(got), len(d.work))
	}
	if slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "live") }) {
		t.Error("the live marker comes before the history")
	}
	got = append(got, s.all(d, h.now)...)
	next := map[string]int{}
	for _, l := range got {
		var topic, data string
		var seq, drop int
		if _, err := fmt.Sscan(l, &topic, &seq, &drop, &data); err != nil || !strings.HasPrefix(topic, "plant/") {
			continue
		}
		if seq != next[topic]+1 || drop != 0 || !strings.HasPrefix(data, fmt.Sprintf("%04d", seq-1)) {
			t.Fatalf("%.40q after %d", l, next[topic])
		}
		next[topic] = seq
	}
	if next["plant/a"] != n || next["plant/b"] != n {
		t.Errorf("it got up to %v of %d", next, n)
	}
	if last := got[len(got)-1]; !strings.HasPrefix(last, "live #") {
		t.Errorf("the last is %q", last)
	}
	p.pub(t, "plant/a", "new", h.turn)
	want(t, s.fill(h.now, 0), fmt.Sprintf("plant/a %d 0 new", n+1))
	var raw []byte
	rows := 0
	topic := h.Find([]byte("plant/a"))
	from, to := h.Span(topic, 0, false, 0, h.now)
	h.Read(topic, from, to, &raw, func(r *Reading) bool { rows++; return r.Seq == uint64(rows) })
	if rows != n+1 || !h.Past(topic, 1) || h.Past(topic, n) {
		t.Errorf("Read gives %d from %d to %d", rows, from, to)
	}
}

// While a page is on its way the client asks again, its topic is deleted, or it goes.
func TestPageThatIsNotWantedAnyMore(t *testing.T) {
	for _, what := range []string{"again", "deleted", "unsubscribed", "closed"} {
		d := newRAM("a")
		h := newClocked(t, Options{TopicCap: 1024, Disk: d})
		p, s := open(t, h.Hub), open(t, h.Hub)
		for i := range 200 {
			p.pub(t, "a", fmt.Sprintf("%04d", i), h.turn)
		}
		s.sub(t, "a", SubOptions{HasSince: true}, h.turn)
		s.fill(h.now, 0)
		switch what {
		case "again":
			s.sub(t, "a", SubOptions{HasSince: true, Since: 100}, h.turn)
			if got := s.all(d, h.now); len(got) != 201 || !strings.HasPrefix(got[0], "a 1 0") || !strings.HasPrefix(got[199], "a 200 0") {
				t.Errorf("asked again it gets %d; what it was owed comes once, then live", len(got))
			}
		case "deleted":
			if err := h.Delete([]byte("a"), nil, h.turn); err != nil {
				t.Fatal(err)
			}
			h.sweep()
			s.all(d, h.now)
		case "unsubscribed":
			if err := s.s.Unsubscribe([]byte("a"), h.turn); err != nil {
				t.Fatal(err)
			}
			want(t, s.all(d, h.now))
		case "closed":
			s.s.Close(h.turn)
			d.run()
		}
		if err := h.CheckInvariants(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Pages that nobody takes are bounded: the oldest is read again when its reader reads.
func TestPagesOfStuckReadersAreBounded(t *testing.T) {
	d := newRAM("a")
	h := newClocked(t, Options{TopicCap: 1024, Disk: d, Sessions: 400})
	p := open(t, h.Hub)
	for i := range 200 {
		p.pub(t, "a", fmt.Sprintf("%04d", i), h.turn)
	}
	var readers []*peer
	for range maxPages + 20 {
		s := open(t, h.Hub)
		s.sub(t, "a", SubOptions{HasSince: true}, h.turn)
		s.fill(h.now, 0)
		readers = append(readers, s)
	}
	d.run()
	if n := len(h.pages.list); n != maxPages {
		t.Errorf("%d pages wait", n)
	}
	for i, s := range readers {
		if got := s.all(d, h.now); len(got) != 201 {
			t.Fatalf("reader %d gets %d", i, len(got))
		}
	}
}

type said struct{ text string }

func (a said) Append(dst []byte, f Framer, why *codec.Error) []byte {
	at := len(dst)
	text := a.text
	if why != nil {
		text = fmt.Sprint(text, " ", why.Code)
	}
	return f.End(append(f.Begin(dst), text...), at, true)
}

// An answer waits for its commit, those behind it keep their order, readings do not wait.
func TestAnswersWaitForTheirCommit(t *testing.T) {
	d := newRAM("a")
	h := newClocked(t, Options{Disk: d})
	p, s := open(t, h.Hub), open(t, h.Hub)
	s.sub(t, "#", SubOptions{}, h.turn)
	s.fill(h.now, 0)
	later := func(c Commit, text string) {
		if err := p.s.Later(c, said{text: text}, h.turn); err != nil {
			t.Fatal(err)
		}
	}
	first := p.pub(t, "a", "1", h.turn)
	if first.Commit == 0 || p.pub(t, "b", "1", h.turn).Commit != 0 {
		t.Fatal("only what is published to a durable topic has to be waited for")
	}
	later(first.Commit, "ok 1")
	later(0, "ok b")
	second := p.pub(t, "a", "2", h.turn)
	later(second.Commit, "ok 2")
	want(t, p.fill(h.now, 0))
	want(t, s.fill(h.now, 0), "a 1 0 1", "a 2 0 2", "b 1 0 1")
	d.committed = first.Commit
	p.woken = 0
	h.Committed()
	if p.woken != 1 {
		t.Error("who waits is not woken")
	}
	want(t, p.fill(h.now, 0), "ok 1", "ok b")
	d.broken = &codec.Error{Code: codec.CodeNoRoom, Msg: "full"}
	h.Committed()
	want(t, p.fill(h.now, 0), "ok 2 507")
	if got := p.pub(t, "a", "3", h.turn); got.Unkept == nil {
		t.Error("a reading that the disk does not take says nothing")
	}
	want(t, s.fill(h.now, 0), "a 3 0 3")
	if p.s.Waits() || len(h.laters.sess) != 0 {
		t.Error("nobody waits any more")
	}
	d.broken = nil
	for range maxLater {
		later(1<<40, "never")
	}
	if err := p.s.Later(1<<40, said{}, h.turn); err == nil || err.Code != codec.CodeTooFast {
		t.Errorf("one more: %v", err)
	}
}

// windowed is a format with room for so many readings.
type windowed struct {
	lines
	mu   sync.Mutex
	room int
}

func (w *windowed) Room() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.room
}

func (w *windowed) Append(dst []byte, r *Reading) ([]byte, bool) {
	w.mu.Lock()
	w.room--
	w.mu.Unlock()
	return w.lines.Append(dst, r)
}

// A subscription with a window gets as many readings as fit, and more when the peer
// has acknowledged; nothing is lost meanwhile, on whatever topic.
func TestWindow(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	w := &windowed{room: 3}
	if _, err := s.s.Subscribe([]byte("#"), SubOptions{Format: w}, h.turn); err != nil {
		t.Fatal(err)
	}
	s.fill(h.now, 0)
	for i := range 5 {
		p.pub(t, "a", fmt.Sprint(i), h.turn)
		p.pub(t, "b", fmt.Sprint(i), h.turn)
	}
	got := s.fill(h.now, 0)
	if len(got) != 3 || s.next != Idle {
		t.Fatalf("with room for 3 it gets %q, next %d", got, s.next)
	}
	for range 4 {
		if err := h.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		want(t, s.fill(h.now, 0))
		w.mu.Lock()
		w.room += 2
		w.mu.Unlock()
		s.s.Resume(h.turn)
		h.turn.Wake()
		got = append(got, s.fill(h.now, 0)...)
	}
	if len(got) != 10 || s.s.drop.Load() != 0 {
		t.Errorf("it gets %q", got)
	}
}

// A newcomer by MQTT gets the newest reading that was published with RETAIN, however
// many without it followed; all others get the newest of all.
func TestNewcomersGetWhatIsRetained(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 1024})
	p := open(t, h.Hub)
	pub := func(data string, passing bool) {
		if _, err := p.s.Publish([]byte("a"), Body{Enc: codec.JSON, Data: []byte(data), Passing: passing}, 0, h.turn); err != nil {
			t.Fatal(err)
		}
	}
	newcomer := func(kept bool, lines ...string) {
		t.Helper()
		h.wait(time.Second)
		s := open(t, h.Hub)
		o := SubOptions{Last: 1}
		if kept {
			o = SubOptions{Kept: true}
		}
		s.sub(t, "#", o, h.turn)
		got := s.fill(h.now, 0)
		want(t, got[:len(got)-1], lines...)
		h.wait(time.Second)
		pub("live", true)
		if live := s.fill(h.now, 0); len(live) != 1 || !strings.Contains(live[0], " 0 live") {
			t.Errorf("behind it come %q", live)
		}
		s.s.Close(h.turn)
	}
	pub("native", false)
	newcomer(true, "a 1 0 native")
	newcomer(true, "a 1 0 native")
	newcomer(false, "a 3 0 live")
	for range 60 { // out of the log
		pub("passing", true)
	}
	newcomer(true, "a 1 0 native")
	pub("newer", false)
	newcomer(true, "a 66 0 newer")
	if err := p.s.Unkeep([]byte("a")); err != nil {
		t.Fatal(err)
	}
	newcomer(true)
	if err := h.Delete([]byte("a"), nil, h.turn); err != nil {
		t.Fatal(err)
	}
	h.sweep() // and Check finds no chunk that nobody has
}

// awaited is a task that has work done in the background and speaks once it is. The
// work ends while the task is still asked, as on a fast disk.
type awaited struct {
	s    *Session
	d    *ram
	done bool
}

func (a *awaited) Step(dst []byte, _ int, f Framer) ([]byte, bool) {
	if !a.done {
		a.s.Background(func() { a.done = true })
		a.d.run()
		return dst, false
	}
	at := len(dst)
	return f.End(append(f.Begin(dst), "done\n"...), at, true), true
}

// A task whose work in the background ends before its session has been filled is
// asked again: its session is woken though it is being filled. (A client that MQTT
// sends again what it had not acknowledged before a restart got some of it, and then
// nothing for good.)
func TestBackgroundThatIsFast(t *testing.T) {
	d := newRAM("")
	h := newClocked(t, Options{Disk: d})
	p := open(t, h.Hub)
	if err := p.s.Enqueue(&awaited{s: p.s, d: d}, h.turn); err != nil {
		t.Fatal(err)
	}
	h.turn.Wake()
	p.woken = 0
	got := p.fill(h.now, 0)
	if len(got) == 0 && p.woken == 0 {
		t.Fatal("it waits, and nobody is going to ask it again")
	}
	want(t, append(got, p.fill(h.now, 0)...), "done")
}

// A cursor that waits for the disk does not keep those behind it from going on when
// their window has room again.
func TestWindowBesideTheDisk(t *testing.T) {
	d := newRAM("disk/")
	h := newClocked(t, Options{TopicCap: 1024, Disk: d})
	p, s := open(t, h.Hub), open(t, h.Hub)
	for i := range 100 {
		p.pub(t, "disk/a", fmt.Sprint(i, strings.Repeat("x", 60)), h.turn)
	}
	w := &windowed{room: 1}
	if _, err := s.s.Subscribe([]byte("#"), SubOptions{Format: w, HasSince: true}, h.turn); err != nil {
		t.Fatal(err)
	}
	if got := s.fill(h.now, 0); len(got) != 0 || len(d.work) != 1 {
		t.Fatalf("%q, and %d pages are asked for", got, len(d.work))
	}
	w.room = 0
	p.pub(t, "ram", "1", h.turn)
	want(t, s.fill(h.now, 0)) // no room: held behind the other
	w.room = 1
	s.s.Resume(h.turn)
	want(t, s.fill(h.now, 0), "ram 1 0 1")
}
