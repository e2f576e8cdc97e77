package uplink

import (
	"context"
	"errors"
	"fmt"
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
			u.lose(lost)
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

// tick looks for acks and answers that do not come, and for waits that are over.
func (l *link) tick(ctx context.Context) error {
	now := l.u.mono()
	if l.again && l.pause <= now {
		l.again, l.stuck = false, 0
		return l.resume(ctx)
	}
	slow := l.u.opt.slow
	if now-l.began > slow && l.refused == 0 && (l.u.denied || l.u.tried > 0) {
		l.fine()
	}
	silent := now-l.heard > slow
	for n := l.w.head; n < l.w.tail; n++ {
		it := l.w.at(n)
		if it.done || it.t.head != n {
			continue
		}
		t := it.t
		switch {
		case it.under && now-it.sent > slow && (silent || l.newest > it.nth):
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
		if now-t.asked <= slow {
			continue
		}
		if silent {
			return fmt.Errorf("%s has not answered for %v", l.nc.URL, slow)
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
