package uplink

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"topicd/node/uplink/wire"
)

// Headers of a reading.
const (
	hdrTopic = "Topicd-Topic"
	hdrSeq   = "Topicd-Seq"
	hdrEp    = "Topicd-Ep"
	hdrTs    = "Topicd-Ts"
	hdrFrom  = "Topicd-From"
	hdrPos   = "Topicd-Pos"
	hdrLow   = "Topicd-Low"
	hdrStore = "Topicd-Store"
	hdrType  = "Content-Type"
	hdrID    = "Nats-Msg-Id"
	hdrExp   = "Nats-Expected-Stream"
	hdrLast  = "Nats-Expected-Last-Subject-Sequence"

	typeJSON = "application/json"
	typeCBOR = "application/cbor"
)

const (
	maxAsks  = 64 // questions under way
	tickTime = 250 * time.Millisecond
	stuckFor = 30 * time.Second // a reading that is too large is tried again
	pageSize = 64 << 10         // read from the log at a time
)

// link is one connection at work: all of it runs on one goroutine.
type link struct {
	u      *Uplink
	w      *window
	nc     *wire.Conn
	errs   chan error
	in     chan *wire.Msg
	inbox  string
	stream string
	direct bool // the stream allows direct gets

	asked   map[uint64]*topic // by the question's number
	asks    int
	nextAsk uint64
	under   int           // readings under way
	nth     uint64        // sendings so far
	newest  uint64        // the newest of them with an answer
	heard   time.Duration // when any answer came
	pause   time.Duration // nothing is sent before: the stream refused
	refused int           // times in a row
	again   bool          // after the pause the stream is looked at anew
	stuck   int           // readings that no stream takes as they are
	readAt  time.Duration // the log is not read before
	began   time.Duration
	buf     []byte
}

// loop sends until the connection ends.
func (l *link) loop(ctx context.Context) error {
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	var saved time.Duration
	for {
		if err := l.pump(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-l.errs:
			return err
		case <-l.nc.Ended():
			return l.nc.Err()
		case m := <-l.in:
			l.heard = l.u.mono()
			if err := l.takeAll(ctx, m); err != nil {
				return err
			}
		case <-l.u.more:
		case <-tick.C:
			if err := l.tick(ctx); err != nil {
				return err
			}
			if now := l.u.mono(); now-saved >= saveEvery {
				saved = now
				l.u.save()
			}
		}
	}
}

// takeAll takes an answer and those that have come with it.
func (l *link) takeAll(ctx context.Context, m *wire.Msg) error {
	for n := 0; ; n++ {
		if err := l.take(ctx, m); err != nil || n == 1024 {
			return err
		}
		select {
		case m = <-l.in:
		default:
			return nil
		}
	}
}

// pump fills the window from the log and sends what may be sent.
func (l *link) pump() error {
	l.fill()
	for i := 0; i < len(l.w.ask) && l.asks < maxAsks; i++ {
		l.w.ask[i].queued = false
		if err := l.question(l.w.ask[i]); err != nil {
			return err
		}
		l.w.ask[i] = nil
		if i+1 == len(l.w.ask) || l.asks >= maxAsks {
			l.w.ask = append(l.w.ask[:0], l.w.ask[i+1:]...)
			break
		}
	}
	if l.pause > l.u.mono() || l.again {
		return l.nc.Flush()
	}
	n := 0
	for n < len(l.w.ready) && (l.refused == 0 || l.under == 0) {
		t := l.w.ready[n]
		l.w.ready[n] = nil
		n++
		t.queued = false
		if t.head == 0 || l.w.at(t.head).under {
			continue
		}
		if !t.known {
			l.w.offer(t)
			continue
		}
		if err := l.send(t, t.head); err != nil {
			return err
		}
	}
	l.w.ready = append(l.w.ready[:0], l.w.ready[n:]...)
	return l.nc.Flush()
}

// fill reads the log into the window. It begins when a quarter of the window is
// free: a page costs a file opened.
func (l *link) fill() {
	w, u := l.w, l.u
	if w.tail-w.head > windowItems*3/4 || w.bytes > windowBytes*3/4 || u.mono() < l.readAt {
		return
	}
	for w.next <= u.opt.Store.Synced() && !w.full() {
		from := w.next
		next, lost, err := u.opt.Store.ReadLog(from, min(pageSize, windowBytes-w.bytes), w.add)
		if err != nil {
			l.readAt = u.mono() + time.Second
			u.opt.Log.Warn("uplink: the log cannot be read", "err", err)
			return
		}
		if from >= u.lostTo {
			for i, n := range lost {
				u.count.lost[i].Add(int64(n))
			}
		}
		if w.next = next; next <= from {
			return
		}
	}
	u.showLow()
}

// showLow shows Status what the oldest reading without an ack is.
func (u *Uplink) showLow() {
	low, ts := u.w.low(), int64(0)
	if u.w.head < u.w.tail {
		ts = u.w.at(u.w.head).ts
	}
	u.stand.mu.Lock()
	if u.stand.low != low {
		u.stand.waiting = u.mono()
	}
	u.stand.low, u.stand.oldest = low, ts
	u.stand.mu.Unlock()
}

// question asks the stream for a topic's last message.
func (l *link) question(t *topic) error {
	l.nextAsk++
	l.asks++
	t.ask, t.asked = l.nextAsk, l.u.mono()
	l.asked[t.ask] = t
	api, body := l.lastOf(t.subject)
	return l.nc.Publish(apiPrefix+api, l.inbox+"q"+strconv.FormatUint(t.ask, 36), nil, body)
}

// send publishes a topic's oldest reading that is not in the stream.
func (l *link) send(t *topic, n uint64) error {
	it, u := l.w.at(n), l.u
	now := u.mono()
	if it.wait > now {
		return nil // tick offers it again
	}
	it.tries++
	it.nth, it.sent, it.under = l.nth+1, now, true
	reply, head := l.compose(t, n, it)
	err := l.nc.Publish(t.subject, reply, head, it.data)
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		it.under = false
		l.tooLarge(it, fmt.Sprintf("a reading of %s has %d bytes with its headers, the server takes %d", t.name, len(it.data)+len(head), l.nc.Info.MaxPayload))
		return nil
	case err != nil:
		it.under = false
		return err
	}
	l.nth++
	l.under++
	u.count.sent.Add(1)
	l.w.sentTo = max(l.w.sentTo, it.place)
	if it.tries > 1 || it.place <= l.w.again {
		u.count.resent.Add(1)
	}
	return nil
}

// compose makes the message of a reading: where the answer is to go, and the headers.
func (l *link) compose(t *topic, n uint64, it *item) (reply string, head []byte) {
	b := append(append(l.buf[:0], l.inbox...), 'a')
	b = append(strconv.AppendUint(b, n, 36), '-')
	b = strconv.AppendUint(b, uint64(it.tries), 36)
	reply = string(b)
	b = wire.AppendHead(b[:0])
	text := func(key, v string) {
		if v != "" {
			b = wire.AppendHeader(b, key, v)
		}
	}
	count := func(key string, v uint64) {
		b = append(append(b, key...), ": "...)
		b = append(strconv.AppendUint(b, v, 10), "\r\n"...)
	}
	b = append(b, hdrID+": "...)
	b = append(l.w.appendID(b, l.u.opt.Site, it), "\r\n"...)
	text(hdrExp, l.stream)
	count(hdrLast, t.last)
	text(hdrTopic, t.name)
	count(hdrEp, it.ep)
	count(hdrSeq, it.seq)
	b = append(b, hdrTs+": "...)
	b = append(strconv.AppendInt(b, it.ts, 10), "\r\n"...)
	text(hdrFrom, string(it.from))
	count(hdrPos, uint64(it.place))
	if low := l.w.low(); low < it.place {
		count(hdrLow, uint64(low))
	}
	text(hdrStore, l.u.id)
	if it.cbor {
		text(hdrType, typeCBOR)
	} else {
		text(hdrType, typeJSON)
	}
	l.buf = wire.EndHead(b)
	return reply, l.buf
}

// take takes an answer: a<reading>-<try> or q<question>.
func (l *link) take(ctx context.Context, m *wire.Msg) error {
	if len(m.Subject) <= len(l.inbox) {
		return nil
	}
	kind, token := m.Subject[len(l.inbox)], m.Subject[len(l.inbox)+1:]
	if kind == 'q' {
		n, err := strconv.ParseUint(token, 36, 64)
		if t := l.asked[n]; err == nil && t != nil {
			return l.answer(ctx, n, t, m)
		}
		return nil
	}
	n, tries, ok := parseToken(token)
	if !ok || n < l.w.head || n >= l.w.tail {
		return nil
	}
	it := l.w.at(n)
	if it.done {
		return nil
	}
	l.newest = max(l.newest, it.nth)
	a := parseAck(m)
	if a.err == nil {
		l.acked(n, it, a)
		return nil
	}
	if it.under && it.tries == tries {
		l.refuse(it, a.err)
	}
	return nil
}

func parseToken(s string) (n uint64, tries uint32, ok bool) {
	for i := range len(s) {
		if s[i] == '-' {
			n, err := strconv.ParseUint(s[:i], 36, 64)
			t, err2 := strconv.ParseUint(s[i+1:], 36, 32)
			return n, uint32(t), err == nil && err2 == nil
		}
	}
	return 0, 0, false
}

// acked: the stream has the reading, and all of its topic before it.
func (l *link) acked(n uint64, it *item, a ack) {
	u, t := l.u, it.t
	if a.dup {
		u.count.duplicates.Add(1)
	}
	if a.seq > u.lastSeq {
		u.lastSeq, u.lastPos = a.seq, it.place
	}
	if !t.known || a.seq >= t.last {
		t.last, t.ep, t.seq, t.known = a.seq, it.ep, it.seq, true
	}
	t.strikes = 0
	for t.head != 0 && t.head <= n {
		if l.w.at(t.head).under {
			l.under--
		}
		u.count.acked.Add(1)
		l.w.finish(t.head)
	}
	l.w.offer(t)
	if l.refused > 0 || u.denied || u.tried > 0 {
		l.fine()
	}
	if l.w.head == l.w.tail {
		u.showLow()
	}
}

// fine: the stream takes readings.
func (l *link) fine() {
	l.refused, l.u.denied, l.u.tried = 0, false, 0
	if l.stuck == 0 {
		l.u.set(Up, "")
	}
}

// refuse: the stream did not take the reading.
func (l *link) refuse(it *item, e *apiError) {
	it.under = false
	l.under--
	t := it.t
	switch e.ErrCode {
	case errWrongLast, errWrongLastID, errInProcess, errLastMoves:
		t.known = false
		if t.strikes++; t.strikes == 1 {
			l.w.offer(t)
		} // else the tick does: no circle at the speed of the line
	case errTooLarge:
		l.tooLarge(it, fmt.Sprintf("stream %s: %s (%s)", l.stream, e.Description, t.name))
	default:
		l.hold(fmt.Sprintf("stream %s: %s", l.stream, e.Description))
		t.known = false
	}
}

// tooLarge puts a reading aside that the stream would take only with other limits.
// Its topic waits, the others go on.
func (l *link) tooLarge(it *item, why string) {
	if it.wait == 0 {
		l.stuck++
	}
	it.wait = l.u.mono() + stuckFor
	l.u.set(Refused, why)
}

// hold stops sending for a while; then the stream is looked at anew.
func (l *link) hold(why string) {
	l.u.set(Refused, why)
	if now := l.u.mono(); !l.again && l.pause <= now {
		l.pause, l.again = now+delay(l.refused), true
		l.refused++
	}
}

// answer: what the last message of a topic is.
func (l *link) answer(ctx context.Context, n uint64, t *topic, m *wire.Msg) error {
	delete(l.asked, n)
	l.asks--
	t.ask = 0
	if code, _ := m.Status(); code == "503" { // nobody is there to answer
		l.hold("stream " + l.stream + " does not answer: it is gone, or has no leader now")
		return nil
	}
	last, err := parseLast(m)
	if err != nil {
		l.hold(said("stream "+l.stream, err).Error())
		return nil
	}
	if last.seq < t.last {
		// Its limits may have removed the message; or the stream is an older one.
		i, err := findStream(ctx, l.nc, l.inbox, l.stream, "")
		if err != nil {
			return err
		}
		site, err := l.getLast(ctx, l.w.prefix+">")
		if err != nil {
			return err
		}
		back, err := l.wentBack(ctx, i, site)
		if err != nil {
			return err
		}
		if back {
			return l.sync(ctx)
		}
	}
	ep, seq := last.ep, last.num
	if last.store != l.u.id {
		ep, seq = 0, 0
	}
	for n := t.head; n != 0; n = l.w.at(n).next {
		if it := l.w.at(n); it.under && it.ep == ep && it.seq <= seq {
			it.under = false
			l.under--
		}
	}
	there := l.w.settle(t, last.seq, ep, seq)
	l.u.count.acked.Add(int64(there))
	l.u.count.duplicates.Add(int64(there))
	l.w.offer(t)
	return nil
}

// tick looks for acks and answers that do not come, and for waits that are over.
func (l *link) tick(ctx context.Context) error {
	now := l.u.mono()
	if l.again && l.pause <= now {
		l.again, l.stuck = false, 0
		return l.resume(ctx)
	}
	if now-l.began > ackWait && l.refused == 0 && (l.u.denied || l.u.tried > 0) {
		l.fine()
	}
	silent := now-l.heard > ackWait
	for n := l.w.head; n < l.w.tail; n++ {
		it := l.w.at(n)
		if it.done || it.t.head != n {
			continue
		}
		t := it.t
		switch {
		case it.under && now-it.sent > ackWait && (silent || l.newest > it.nth):
			it.under = false
			l.under--
			t.known = false
			l.w.offer(t)
		case !it.under && it.wait > 0 && it.wait <= now:
			it.wait = 0
			l.stuck--
			l.w.offer(t)
		case !it.under && it.wait == 0:
			l.w.offer(t)
		}
	}
	for n, t := range l.asked {
		if now-t.asked <= apiTimeout {
			continue
		}
		if silent {
			return fmt.Errorf("%s has not answered for %v", l.nc.URL, ackWait)
		}
		delete(l.asked, n)
		l.asks--
		t.ask = 0
		l.w.offer(t)
	}
	l.u.showLow()
	return nil
}

// resume looks at the stream after it has refused. What does not change stays
// refused; the first reading that is taken ends it.
func (l *link) resume(ctx context.Context) error {
	err := l.sync(ctx)
	var r *refusal
	if errors.As(err, &r) {
		l.hold(r.words)
		return nil
	}
	if l.w.next > l.u.opt.Store.Synced() {
		l.fine() // nothing is there to try it with
	}
	return err
}
