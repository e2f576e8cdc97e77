package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/web/answer"
)

// The event stream (HTML Living Standard, section 9.2) of GET /api/stream is a
// session like a WebSocket's: the hub wakes it, and it fills a buffer from its
// cursors on the goroutine that its request has anyway.
//
//	retry: 2000                                  how long a browser waits before it comes back
//	event: gap     data: {"topic":…,"ep":n,"gap":n} who came back did not get everything
//	event: live    data: {"topic":…,"count":n}   the stored readings of that pattern are through
//	id: …          data: {"topic","seq","ts","data","from"?,"drop"?}
//	event: bye     data: {"code","msg","retry"?} why the hub ends it
//	:              a sign of life
//
// A browser that comes back says the last id it saw (Last-Event-ID) and goes on
// there. With one topic's exact name the id is epoch and number of the reading:
// nothing stored is lost or repeated, and what is gone is told first, as a gap.
// With patterns it is a time of the hub's own clock and its epoch: everything up
// to then has been sent. Readings are drained topic by topic, so a number or a time on each of
// them would not be true of the others; the id comes by itself after each round,
// and what a break cuts off between two of them, and the second before, is sent
// again. Whoever minds knows a repeated reading by topic, seq and ts. After a
// restart numbers and that clock begin anew: all that is stored is new then, and a
// gap says the new epoch.

const (
	pingEvery = 15 * time.Second // proxies cut idle streams at 60 s, some at 30
	retryIn   = "retry: 2000\n\n"
	// Bytes of events that are made at a time. A reader that is stuck holds them:
	// with small readings it grows to five times as much.
	piece = 4 << 10
	// A publisher's turn has one time, a little older than the moment in which
	// its last reading is stored.
	turnSlack = 1000 // milliseconds
)

// subscriber is the sink of an event stream.
type subscriber struct {
	wake chan struct{}
	cut  chan *codec.Error
}

// Wake implements node.Sink.
func (b *subscriber) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Cut implements node.Sink.
func (b *subscriber) Cut(why *codec.Error) {
	select {
	case b.cut <- why:
	default:
	}
}

// stream is one event stream.
type stream struct {
	s    *server
	w    http.ResponseWriter
	rc   *http.ResponseController
	sess *node.Session
	sink *subscriber

	time bool   // ids are times
	slow int64  // milliseconds that a rate may hold a reading back
	gaps []byte // events that tell a peer that came back what it has missed

	wrote time.Time // when something was written last
	began int64     // when the round that is under way began, 0 = there is none
	sent  bool      // something was sent in this round
}

// serveStream sends readings as they come: GET /api/stream?topic=PATTERN.
func (s *server) serveStream(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query())
	if err == nil && len(q.topics) == 0 {
		err = codec.Errorf(codec.CodeMalformed, "topic is missing: /api/stream?topic=greenhouse/%%23")
	}
	if err != nil {
		answer.Error(w, err)
		return
	}
	sink := &subscriber{wake: make(chan struct{}, 1), cut: make(chan *codec.Error, 1)}
	sess, err := s.open(r, sink)
	if err != nil {
		answer.Error(w, err)
		return
	}
	defer s.close(sess)
	turn := s.Hub.Turn()
	st := &stream{s: s, w: w, rc: http.NewResponseController(w), sess: sess, sink: sink}
	sess.Describe("sse", "json", turn)
	resume := r.Header.Get("Last-Event-ID")
	if resume == "" {
		resume = r.URL.Query().Get("lastEventId")
	}
	err = st.subscribe(&q, resume, turn)
	turn.Wake()
	if err != nil {
		answer.Error(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold it back
	if r.Method == "HEAD" {
		return
	}
	st.run(r.Context().Done())
}

// subscribe subscribes to each pattern, from where the peer left off if it says so.
func (st *stream) subscribe(q *query, resume string, turn *node.Turn) *codec.Error {
	st.time = len(q.topics) > 1 || codec.HasWildcard(q.topics[0])
	if q.Rate > 0 {
		st.slow = int64(1000/q.Rate) + 1
	}
	o, err := dialect.Subscription(&q.Opts, st.s.Hub.Epoch())
	if err != nil {
		return err
	}
	ep, at, resumes := parseID(resume, st.time)
	if resumes {
		o.HasSince, o.Since, o.Ep = true, 0, 0 // all that is stored, if numbers have begun anew
		switch t := st.s.Hub.Find([]byte(q.topics[0])); {
		case st.time && ep == st.s.Hub.Epoch():
			o.After = at
		case !st.time && t != nil && ep == st.s.Hub.Info(t, turn.Mono).Epoch:
			o.Since = at
		}
	}
	o.Format = events{ids: !st.time}
	for _, p := range q.topics {
		got, err := st.sess.Subscribe([]byte(p), o, turn)
		if err != nil {
			return err
		}
		if st.time {
			got.Ep = st.s.Hub.Epoch()
		}
		if resumes && (got.Gap > 0 || got.Ep != ep) {
			st.gap(p, &got)
		}
	}
	return nil
}

// gap tells how many readings of a topic are gone; in another epoch than the
// peer's all that it did not get of the old one are, too.
func (st *stream) gap(topic string, got *node.Subscribed) {
	b := codec.AppendString(append(st.gaps, "event: gap\ndata: {\"topic\":"...), codec.JSON, topic)
	b = strconv.AppendUint(append(b, `,"ep":`...), got.Ep, 10)
	b = strconv.AppendUint(append(b, `,"gap":`...), got.Gap, 10)
	st.gaps = append(b, "}\n\n"...)
}

// parseID reads "epoch-number", or "epoch-t" and milliseconds of the hub's clock.
func parseID(id string, time bool) (ep uint64, at int64, ok bool) {
	a, b, cut := strings.Cut(id, "-")
	if time {
		b, cut = strings.CutPrefix(b, "t")
	}
	ep, err1 := strconv.ParseUint(a, 10, 53)
	n, err2 := strconv.ParseUint(b, 10, 53)
	return ep, int64(n), cut && err1 == nil && err2 == nil
}

// run sends until the peer is gone, is cut, or the hub goes away.
func (st *stream) run(gone <-chan struct{}) {
	if !st.write(append([]byte(retryIn), st.gaps...)) {
		return
	}
	timer := time.NewTimer(pingEvery)
	defer timer.Stop()
	next := node.Again
	for {
		if next == node.Again { // a busy stream never waits in the select below
			select {
			case why := <-st.sink.cut:
				st.bye(why)
				return
			case <-st.s.quit:
				st.bye(errGoing)
				return
			default:
			}
			var ok bool
			if next, ok = st.step(); !ok {
				return
			}
			continue
		}
		wait := pingEvery - time.Since(st.wrote)
		if next > 0 {
			wait = min(wait, time.Duration(next-st.s.Hub.Mono())*time.Millisecond)
		}
		timer.Reset(max(wait, time.Millisecond))
		select {
		case <-gone:
			return
		case <-st.s.quit:
			st.bye(errGoing)
			return
		case why := <-st.sink.cut:
			st.bye(why)
			return
		case <-st.sink.wake:
			next = node.Again
		case <-timer.C:
			if time.Since(st.wrote) >= pingEvery && !st.ping() {
				return
			}
			if next > 0 {
				next = node.Again
			}
		}
	}
}

// step sends a piece of what there is to read, and tells when to come back.
func (st *stream) step() (next int64, ok bool) {
	now := st.s.Hub.Mono()
	if st.began == 0 {
		st.began = now
	}
	scratch, buf := st.s.scratch.Get().(*node.Scratch), st.s.pieces.Get().(*[]byte)
	b, next := st.sess.Fill((*buf)[:0], piece, now, node.Unframed{}, scratch)
	st.s.scratch.Put(scratch)
	st.sent = st.sent || len(b) > 0
	if next != node.Again { // the end of a round
		if st.sent {
			b = st.mark(b, st.began)
		}
		st.began, st.sent = 0, false
	}
	ok = len(b) == 0 || st.write(b)
	if cap(b) <= 4*piece {
		*buf = b
		st.s.pieces.Put(buf)
	}
	return next, ok
}

// mark appends the id of a round that began at that time: everything older has
// been sent, but for what a rate holds back.
func (st *stream) mark(b []byte, began int64) []byte {
	if !st.time {
		return b
	}
	b = strconv.AppendUint(append(b, "id: "...), st.s.Hub.Epoch(), 10)
	b = append(b, "-t"...)
	return append(strconv.AppendInt(b, began-turnSlack-st.slow, 10), "\n\n"...)
}

// ping is a comment, and with ids by time the peer learns how far it is.
func (st *stream) ping() bool {
	return st.write(st.mark([]byte(":\n\n"), st.s.Hub.Mono()))
}

func (st *stream) bye(why *codec.Error) {
	b := strconv.AppendInt([]byte(`event: bye`+"\n"+`data: {"code":`), int64(why.Code), 10)
	b = codec.AppendString(append(b, `,"msg":`...), codec.JSON, why.Msg)
	if why.Retry > 0 {
		b = strconv.AppendInt(append(b, `,"retry":`...), int64(why.Retry), 10)
	}
	st.write(append(b, "}\n\n"...))
}

// write sends at once; a peer that does not take it in time is gone.
func (st *stream) write(b []byte) bool {
	if _, err := answer.Send(st.w, b); err != nil {
		return st.lost(err)
	}
	if err := st.rc.Flush(); err != nil {
		return st.lost(err)
	}
	st.wrote = time.Now()
	st.sess.Heard(st.s.Hub.Mono())
	return true
}

func (st *stream) lost(err error) bool {
	if answer.IsTimeout(err) {
		st.s.Hub.Stats.Add(node.CutSlow, 1)
	}
	return false
}
