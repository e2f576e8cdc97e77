package homeassistant

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/exposition"
)

// Options say what is told, and to whom. The zero value of a field means its default.
type Options struct {
	Hub     *node.Hub
	Prefix  string // of Home Assistant's discovery; default homeassistant
	Always  bool   // from the start; else once somebody asks for something below Prefix
	Version string // of the program
	Values  bool   // MQTT's subscribers get a record's bare number, but of what MQTT published
	Log     *slog.Logger
}

// Limits. What is beyond them is counted (Service.Left) and logged once.
const (
	maxTopics = 2048    // sensors' topics
	maxParts  = 32      // records of one topic's pack
	maxBytes  = 2 << 20 // of memory for all of them, about
	maxForm   = 48 << 10
	maxBody   = 8 << 10 // a larger reading is no measurement
)

// Worst is the most memory that it takes, about: what it has seen, and as much that it
// has told and is about to tell.
const Worst = 2 * maxBytes

// Times, in milliseconds of the hub's clock.
const (
	dormant  = 2_000  // between two looks whether somebody asks
	tick     = 1_000  // between two looks whether topics have come or gone
	lull     = 10_000 // between two rounds when none has
	maxShare = 50     // a round may take so small a part of the time: 2 %
	steady   = 60_000 // who is there for so long does not sleep between readings
	jitter   = 1_500  // at most, before everything is sent again
)

// Service publishes the configurations. All but the atomics is owned by Run's goroutine.
type Service struct {
	opt  Options
	hub  *node.Hub
	wake chan struct{}
	cut  atomic.Bool
	left atomic.Int64
	told atomic.Int64 // sensors
	size atomic.Int64 // what they take

	sess    *node.Session
	turn    *node.Turn
	scratch node.Scratch
	out     []byte
	raw     []byte
	text    []byte

	seen   map[string]*sight // sensors' topics, by name
	bytes  int               // of their names
	stamp  uint64            // of the last round
	dirty  bool              // something is to be told
	failed bool              // something was not
	others others
	sent   map[string]*device // by object id
	old    map[string]int64   // configurations of an earlier run, and when they were heard
	there  map[string]*attendance
	going  map[string]int64 // empty configurations, and when their topics may go

	version  uint64 // of the list of topics at the last round
	next     int64  // the next round at the latest
	soonest  int64
	nextLook int64 // who is there
	again    int64 // when everything is sent again, 0 = not
	live     bool  // what was retained below Prefix has been read
	warned   bool
}

// New makes a Service. It does nothing before Run.
func New(o Options) *Service {
	if o.Prefix == "" {
		o.Prefix = "homeassistant"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{opt: o, hub: o.Hub, wake: make(chan struct{}, 1)}
}

// Left is how many sensors there was no room for.
func (s *Service) Left() int64 { return s.left.Load() }

// AppendMetrics appends what it tells of itself in Prometheus' format: how many
// sensors it tells of, what they take, and how many there was no room for.
func (s *Service) AppendMetrics(b []byte) []byte {
	if s == nil {
		return b
	}
	e := exposition.Text{B: b, Part: "homeassistant_"}
	e.Gauge("sensors", "Sensors that Home Assistant is told of.", s.told.Load())
	e.Gauge("bytes", "Bytes of memory that they take, about.", s.size.Load())
	e.Gauge("left", "Sensors that there was no room for.", s.left.Load())
	return e.B
}

// Run waits until somebody asks, and publishes until ctx ends.
func (s *Service) Run(ctx context.Context) {
	for !s.opt.Always && !s.asked() {
		if !s.pause(ctx, dormant) {
			return
		}
	}
	for ctx.Err() == nil {
		if err := s.open(); err != nil {
			s.opt.Log.Error("Home Assistant is not told of sensors yet", "err", err)
		} else {
			s.serve(ctx)
			s.sess.Close(s.turn)
			s.turn.Wake()
		}
		s.pause(ctx, dormant)
	}
}

// asked: somebody wants discovery, or Home Assistant has said that it is there.
func (s *Service) asked() bool {
	p := s.opt.Prefix + "/"
	return s.hub.Asked(p+"status", p) || s.hub.Asked(p+"device/x/config", p)
}

// pause returns after so many milliseconds or when there is something to read;
// false: ctx has ended.
func (s *Service) pause(ctx context.Context, ms int64) bool {
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-s.wake:
	case <-t.C:
	}
	return true
}

// Wake implements node.Sink.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Cut implements node.Sink: the session is opened anew.
func (s *Service) Cut(*codec.Error) {
	s.cut.Store(true)
	s.Wake()
}

// open begins a session, with everything still to be told.
func (s *Service) open() (err *codec.Error) {
	s.turn = s.hub.Turn()
	if s.sess, err = s.hub.Open(s, node.Local, "", s.turn); err != nil {
		return err
	}
	s.cut.Store(false)
	s.seen, s.sent = make(map[string]*sight), make(map[string]*device)
	s.old, s.going = make(map[string]int64), make(map[string]int64)
	s.there, s.others = make(map[string]*attendance), others{}
	s.bytes, s.version, s.next, s.nextLook, s.again, s.live = 0, 0, 0, 0, 0, false
	_ = s.sess.Name(from, s.turn)
	s.sess.Describe("homeassistant", "json", s.turn)
	o := node.SubOptions{Last: 1, NotOwn: true, Format: (*ear)(s)}
	if _, err = s.sess.Subscribe([]byte(s.opt.Prefix+"/#"), o, s.turn); err != nil {
		s.sess.Close(s.turn)
	}
	s.turn.Wake()
	return err
}

// from is what the hub goes by in its configurations' readings.
const from = "topicd-discovery"

func (s *Service) serve(ctx context.Context) {
	for !s.cut.Load() {
		if !s.pause(ctx, s.once()) {
			return
		}
	}
}

// once does what there is to do now, and returns when to come again at the latest.
func (s *Service) once() (ms int64) {
	s.hub.Tick(s.turn)
	s.sess.Heard(s.turn.Mono)
	s.listen()
	if s.live {
		s.step()
	}
	s.turn.Wake()
	if s.again > 0 {
		return min(tick, max(1, s.again-s.turn.Mono))
	}
	return tick
}

// listen reads what others publish below Prefix.
func (s *Service) listen() {
	for {
		out, next := s.sess.Fill(s.out[:0], 16<<10, s.turn.Mono, node.Unframed{}, &s.scratch)
		s.out = out
		if next != node.Again {
			return
		}
	}
}

// step does what is due.
func (s *Service) step() {
	now := s.turn.Mono
	if s.again > 0 && now >= s.again {
		s.again = 0
		for _, d := range s.sent {
			d.sum = 0
		}
		s.dirty = true
	}
	v := s.hub.TopicsVersion()
	if s.dirty || now >= s.next || v != s.version && now >= s.soonest {
		s.version = v
		s.round()
		took := s.hub.Mono() - now
		s.soonest = now + max(tick, took*maxShare)
		s.next = now + max(lull, took*maxShare)
	}
	if s.dirty {
		s.dirty = false
		s.tell()
	}
	s.states()
	s.leave()
}

// born notes that Home Assistant is there, from now on.
func (s *Service) born() {
	if s.live && s.again == 0 {
		s.again = s.turn.Mono + 1 + rand.Int64N(jitter)
	}
}

// ear is the format of the subscription to what others publish below Prefix.
type ear Service

// Append implements node.Format.
func (e *ear) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	s := (*Service)(e)
	what := strings.TrimPrefix(r.Topic, s.opt.Prefix+"/")
	text := r.Data
	if r.CBOR {
		var err error
		if s.text, err = codec.Transcode(s.text[:0], codec.JSON, codec.CBOR, r.Data); err != nil {
			return dst, true
		}
		text = s.text
	}
	if what == "status" {
		if string(text) == `"online"` {
			s.born()
		}
		return dst, true
	}
	if id, ok := s.ours(what); ok && ofTopicd(text) {
		if !s.live {
			s.old[id] = s.turn.Mono
		}
		return dst, true
	}
	if strings.HasSuffix(what, "/config") && s.others.hear(what, text) {
		s.dirty = true
	}
	return dst, true
}

// Live implements node.Format: from here on it is news.
func (e *ear) Live(dst []byte, _ string, _ uint64, _ int64) ([]byte, bool) {
	e.live = true
	return dst, true
}

// Text implements node.Format.
func (e *ear) Text() bool { return true }
