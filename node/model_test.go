package node

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"topicd/codec"
)

// lines is a Format for tests: one line a reading.
type lines struct{}

func (*lines) Append(dst []byte, r *Reading) ([]byte, bool) {
	return fmt.Appendf(dst, "%s %d %d %s", r.Topic, r.Seq, r.Drop, r.Data), true
}
func (*lines) Live(dst []byte, pattern string, _ uint64, n int64) ([]byte, bool) {
	return fmt.Appendf(dst, "live %s %d", pattern, n), true
}
func (*lines) Text() bool { return true }

type newline struct{}

func (newline) Begin(dst []byte) []byte                  { return dst }
func (newline) End(dst []byte, begin int, _ bool) []byte { return append(dst, '\n') }

// peer is a test's subscriber: what it was sent, and by whom.
type peer struct {
	s       *Session
	woken   int
	cut     *codec.Error
	scratch Scratch
	got     []string
	next    int64
}

func (p *peer) Wake()              { p.woken++ }
func (p *peer) Cut(e *codec.Error) { p.cut = e }

func open(t testing.TB, h *Hub) *peer {
	t.Helper()
	p := &peer{}
	s, err := h.Open(p, "10.0.0.1:1", "/", h.Turn())
	if err != nil {
		t.Fatal(err)
	}
	p.s = s
	return p
}

// fill reads at most limit bytes, or everything with limit 0.
func (p *peer) fill(now int64, limit int) []string {
	var all []string
	for {
		n := limit
		if n == 0 {
			n = 4096
		}
		out, next := p.s.Fill(nil, n, now, newline{}, &p.scratch)
		for _, l := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
			if l != "" {
				all = append(all, l)
			}
		}
		p.next = next
		if next != Again || limit != 0 {
			p.got = append(p.got, all...)
			return all
		}
	}
}

func (p *peer) pub(t testing.TB, topic, data string, turn *Turn) Published {
	t.Helper()
	r, err := p.s.Publish([]byte(topic), Body{Enc: codec.JSON, Data: []byte(data)}, 0, turn)
	if err != nil {
		t.Fatalf("publish to %s: %v", topic, err)
	}
	return r
}

func (p *peer) sub(t testing.TB, pattern string, o SubOptions, turn *Turn) Subscribed {
	t.Helper()
	o.Format = format
	r, err := p.s.Subscribe([]byte(pattern), o, turn)
	if err != nil {
		t.Fatalf("subscribe to %s: %v", pattern, err)
	}
	return r
}

var format = &lines{}

// TestModel runs random operations against the hub, checks its invariants
// after each, and holds what every subscriber was sent against a naive model:
// the right data under each number, in order, and nothing lost uncounted.
func TestModel(t *testing.T) {
	steps := 4000
	if testing.Short() {
		steps = 800
	}
	for _, seed := range []uint64{1, 2, 3, 4, 5, 6} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed)
			for i := range steps {
				op := m.step()
				if err := m.h.CheckInvariants(); err != nil {
					t.Fatalf("step %d, %s: %v", i, op, err)
				}
			}
			for _, p := range m.peers {
				m.drain(p)
			}
			if m.delivered == 0 || m.lost == 0 {
				t.Errorf("the run shows nothing: %d delivered, %d lost", m.delivered, m.lost)
			}
		})
	}
}

type model struct {
	t         *testing.T
	r         *rand.Rand
	h         *Hub
	disk      *ram  // of the topics x/…
	now, skew int64 // the hub's clock, and how far the wall is from it
	turn      *Turn
	peers     []*modelPeer
	data      map[string]string // topic, epoch and number → data
	sent      int
	delivered int
	lost      int
	woken     bool // peers read when they are woken, not otherwise

	most             int // peers
	topics, patterns []string
}

// modelPeer is a peer whose expectations are kept for topics that it has read
// without a break: the number it must see next is the last one + drop + 1.
type modelPeer struct {
	peer
	at     map[string]uint64
	window windowed // of those of its subscriptions that have one
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, r: rand.New(rand.NewPCG(seed, 7)), now: 1_700_000_000_000, data: make(map[string]string)}
	m.most, m.topics, m.patterns = 12, modelTopics, modelPatterns
	m.disk = newRAM("x/")
	m.h = New(Options{Disk: m.disk, Memory: 256 << 10, TopicCap: 4 << 10, Topics: 40, Sessions: 12, Subs: 6, Ready: 1 << 20, Keep: 20 * time.Second, Rate: -1, Clock: func() (wall, mono int64) { return m.now + m.skew, m.now }})
	t.Cleanup(m.h.Close)
	m.turn = m.h.Turn()
	return m
}

var (
	modelTopics   = strings.Fields("a b a/b a/c a/b/c b/a x/1 x/2 x/3 x/1/t y z/z/z k l m n")
	modelPatterns = strings.Fields("# a/# +/b + a/+ x/+/t +/+ a b a/b x/1 y/# z/z/z k")
)

func pick[T any](r *rand.Rand, s []T) T { return s[r.IntN(len(s))] }

func (m *model) step() string {
	m.h.Tick(m.turn)
	defer m.turn.Wake()
	switch n := m.r.IntN(100); {
	case n < 4 && len(m.peers) < m.most:
		p := &modelPeer{at: make(map[string]uint64)}
		s, err := m.h.Open(p, "", "/", m.turn)
		if err != nil {
			m.t.Fatal(err)
		}
		p.s = s
		m.peers = append(m.peers, p)
		return "open"
	case len(m.peers) == 0:
		return "nothing"
	case n < 6:
		i := m.r.IntN(len(m.peers))
		m.peers[i].s.Close(m.turn)
		m.peers = append(m.peers[:i], m.peers[i+1:]...)
		return "close"
	case n < 14:
		return m.subscribe(pick(m.r, m.peers))
	case n < 18:
		p := pick(m.r, m.peers)
		pattern := pick(m.r, m.patterns)
		p.s.Unsubscribe([]byte(pattern), m.turn)
		p.at = make(map[string]uint64) // a pattern left may have served any topic
		return "unsubscribe " + pattern
	case n < 20:
		topic := pick(m.r, m.topics)
		m.h.Delete([]byte(topic), nil, m.turn)
		for _, p := range m.peers {
			delete(p.at, topic)
		}
		return "delete " + topic
	case n == 20: // the clock on the wall is set: by seconds, by hours, from 1970 to today
		m.skew = pick(m.r, []int64{0, -2000, 70_000, -3_600_000, 86_400_000, -m.now, 1000 - m.now})
		m.h.Tick(m.turn)
		return fmt.Sprint("step ", m.skew)
	case n < 22:
		m.now += int64(m.r.IntN(8000))
		m.h.Tick(m.turn)
		m.h.Sweep(m.turn)
		return "sweep"
	case n < 40:
		if p := pick(m.r, m.peers); m.isDue(p) {
			p.woken = 0
			m.check(p, p.fill(m.now, 1+m.r.IntN(600)))
		}
		return "fill"
	case n == 40:
		m.disk.run()
		return "disk"
	case n < 43:
		p := pick(m.r, m.peers)
		m.ack(p, 1+m.r.IntN(4))
		return "ack"
	case n == 43: // others need the memory
		if w := &m.h.pages; len(w.list) > 0 {
			p := w.list[0]
			w.gone(p)
			p.giveUp()
		}
		return "give up"
	case n < 46 && !m.woken:
		m.drain(pick(m.r, m.peers))
		return "drain"
	default:
		m.now += int64(m.r.IntN(30))
		m.h.Tick(m.turn)
		return m.publish(pick(m.r, m.peers))
	}
}

func (m *model) subscribe(p *modelPeer) string {
	o := SubOptions{Format: format, Last: int64(m.r.IntN(4))}
	switch m.r.IntN(5) {
	case 0:
		o.HasSince, o.Since = true, int64(m.r.IntN(50))
	case 1:
		o.HasSince, o.Since = true, -int64(1+m.r.IntN(3))
	case 2:
		o.Latest = true
	case 3:
		o.Rate = float64(1 + m.r.IntN(40))
	}
	if m.r.IntN(3) == 0 {
		o.Format = &p.window
	}
	pattern := pick(m.r, m.patterns)
	_, _ = p.s.Subscribe([]byte(pattern), o, m.turn) // may be refused: too many
	p.at = make(map[string]uint64)                   // replays
	return "subscribe " + pattern
}

func (m *model) publish(p *modelPeer) string {
	return m.publishTo(p, pick(m.r, m.topics))
}

func (m *model) publishTo(p *modelPeer, topic string) string {
	m.sent++
	data := fmt.Sprintf("%d.%s", m.sent, strings.Repeat("x", m.r.IntN(1+m.r.IntN(1500))))
	r, err := p.s.Publish([]byte(topic), Body{Enc: codec.JSON, Data: []byte(data)}, 0, m.turn)
	if err != nil {
		m.t.Fatalf("publish: %v", err)
	}
	m.data[fmt.Sprint(topic, " ", r.Topic.gen, " ", r.Seq)] = data
	return "publish " + topic
}

// ack makes room in the window of a peer.
func (m *model) ack(p *modelPeer, n int) {
	p.window.room = min(p.window.room+n, 8)
	p.s.Resume(m.turn)
}

// drain has a peer read, and acknowledge, all that there is: as its transport would, it
// is filled when it is woken or has acknowledged something, and not otherwise.
func (m *model) drain(p *modelPeer) {
	for range 2000 {
		got := p.fill(m.now, 0)
		m.check(p, got)
		if err := m.h.CheckInvariants(); err != nil {
			m.t.Fatalf("a subscriber that reads: %v", err)
		}
		full := p.window.room <= 0
		if full || len(got) > 0 {
			m.ack(p, 1+m.r.IntN(8))
		}
		if m.disk.run() || full || len(got) > 0 {
			continue
		}
		if p.next == Idle {
			m.caughtUp(p)
			return
		}
		m.now = max(m.now, p.next)
	}
	m.t.Fatal("a subscriber that reads is never through")
}

// caughtUp: nothing is left that the peer could be given, but of topics that have ended.
func (m *model) caughtUp(p *modelPeer) {
	if x := p.s.ext; p.s.ready.Len() > 0 || x != nil && (x.fetching != nil || x.parked.Len() > 0) {
		m.t.Fatalf("session %d is through, and there is more on its lists", p.s.id)
	}
	for b := range p.s.subs.all {
		for _, w := range b.held.waiting() {
			if t := m.h.topics.at(w.topic); !t.dead {
				m.t.Fatalf("session %d is through, and has not read %s from %d on", p.s.id, t.name, w.from)
			}
		}
	}
}

func (m *model) check(p *modelPeer, got []string) {
	for _, l := range got {
		if strings.HasPrefix(l, "live ") {
			continue
		}
		var topic, data string
		var seq, drop uint64
		if _, err := fmt.Sscan(l, &topic, &seq, &drop, &data); err != nil {
			m.t.Fatalf("%q: %v", l, err)
		}
		m.delivered++
		m.lost += int(drop)
		found := false
		for gen := range m.h.deleted + 1 {
			found = found || m.data[fmt.Sprint(topic, " ", gen, " ", seq)] == data
		}
		if !found {
			m.t.Fatalf("session %d got %.60q: nobody published that", p.s.id, l)
		}
		if at, known := p.at[topic]; known && at+drop+1 != seq && seq > at {
			m.t.Fatalf("session %d: %s went from %d to %d with drop %d", p.s.id, topic, at, seq, drop)
		}
		p.at[topic] = seq
	}
}
