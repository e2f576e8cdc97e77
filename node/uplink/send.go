package uplink

import (
	"errors"
	"fmt"
	"strconv"

	"topicd/node/uplink/wire"
)

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
