package uplink

import (
	"context"

	"topicd/node/store"
)

// sync asks the stream where this site stands and puts the window there. It is called
// after each connect, and when the stream may be another one than before.
func (l *link) sync(ctx context.Context) error {
	u := l.u
	i, err := findStream(ctx, l.nc, l.inbox, u.opt.Stream, u.w.prefix+"x")
	if err != nil {
		return err
	}
	l.stream, l.direct = i.Config.Name, i.Config.Direct
	last, err := l.getLast(ctx, u.w.prefix+">")
	if err != nil {
		return err
	}
	place, seq := u.cursors(l.stream)
	cursor, known := u.opt.Store.Acked(Client, place, nil)
	if at, ok := u.opt.Store.Acked(Client, seq, nil); ok && u.lastSeq == 0 {
		u.lastSeq, u.lastPos = uint64(at), 0
	}
	back, err := l.wentBack(ctx, i, last)
	if err != nil {
		return err
	}
	ours := last.seq > 0 && u.wrote(&last)
	from := cursor
	switch {
	case back: // a stream that lost its end: what of it each topic has is asked for
		from, u.lastSeq, u.lastPos, u.saved = 0, 0, 0, 0
		if ours {
			u.lostTo = last.low
		}
	case ours && last.seq == u.lastSeq && u.lastPos == last.pos && u.w.low() > 0: // as we left it
		from = u.w.low()
	case ours:
		from = last.low
	case u.w.low() > cursor:
		from = u.w.low()
	}
	if !known && u.lostTo == 0 && !ours {
		u.lostTo = u.sinceStart()
	}
	u.lostTo = max(u.lostTo, cursor)
	same := ours && !back && last.seq == u.lastSeq && last.pos == u.lastPos
	for _, t := range u.w.topics {
		if !same || t.head != 0 {
			t.known = false
		}
	}
	if ours {
		u.lastSeq, u.lastPos = max(u.lastSeq, last.seq), last.pos
	}
	u.w.rewind(from)
	clear(l.asked)
	l.under, l.asks = 0, 0
	u.stand.mu.Lock()
	u.stand.server, u.stand.stream = l.nc.URL, l.stream
	u.stand.mu.Unlock()
	return nil
}

// sinceStart counts what went since this uplink was started and before it was ever up.
// What went before is no loss of it. It returns where counting goes on.
func (u *Uplink) sinceStart() store.Place {
	next, lost, _ := u.opt.Store.ReadLog(u.start, 1, func(*store.Reading) bool { return false })
	u.lose(lost)
	return next
}

func (u *Uplink) lose(lost store.Lost) {
	for i, n := range lost {
		u.count.lost[i].Add(int64(n))
	}
}

// wrote: the message is a reading of this store's log as it is now. A store that was
// itself restored does not know the reading, or has another one at its place.
func (u *Uplink) wrote(m *lastMessage) bool {
	if m.store != u.id || m.pos == 0 || m.pos > u.opt.Store.Synced() || m.low > m.pos+1 {
		return false
	}
	same := true
	_, _, err := u.opt.Store.ReadLog(m.pos, 1, func(r *store.Reading) bool {
		if r.Place == m.pos {
			same = r.Topic == m.topic && r.Ep == m.ep && r.Seq == m.num
		}
		return false
	})
	return same && err == nil
}

// wentBack: what was acked last is not in the stream any more, and was not removed
// by the stream's own limits: it was restored from an older copy, or made anew.
func (l *link) wentBack(ctx context.Context, i *streamInfo, last lastMessage) (bool, error) {
	u := l.u
	made := u.made
	u.made = i.Created
	switch {
	case u.lastSeq == 0 || last.seq >= u.lastSeq && u.wrote(&last):
		return false, nil
	case i.State.Last < u.lastSeq || made != "" && made != i.Created:
		return true, nil
	case i.State.First > u.lastSeq:
		return false, nil
	case l.direct: // by its number a message could be any site's: no right is needed to ask so
		return last.seq > 0 && u.wrote(&last), nil
	}
	m, err := l.getSeq(ctx, u.lastSeq)
	if err != nil {
		return false, err
	}
	return m.seq > 0 && (m.store != u.id || u.lastPos > 0 && m.pos != u.lastPos), nil
}
