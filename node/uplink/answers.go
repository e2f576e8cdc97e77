package uplink

import (
	"context"
	"fmt"
	"strconv"

	"topicd/node/uplink/wire"
)

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
