package bench

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"topicd/codec"
)

// publisher is one connection that publishes. Its reader only hears of refusals
// and pings.
type publisher struct {
	run    *run
	c      *conn
	topics []int // numbers of its topics, in turn
	turn   int
	dead   atomic.Bool
	pong   chan struct{}
	gone   chan struct{} // closed when the connection is lost
}

func (p *publisher) readLoop() {
	var d codec.Decoder
	var m codec.Message
	for {
		enc, data, err := p.c.next()
		if err != nil {
			p.dead.Store(true)
			close(p.gone)
			p.run.lost("publisher", err)
			return
		}
		d.Reset(enc, data)
		for err = d.Next(&m); err != io.EOF; err = d.Next(&m) {
			switch {
			case err != nil:
				p.run.errors.add(0, "the hub sent what cannot be read: "+err.Error())
			case m.Has.Has(codec.KeyID): // a pong, or a ping that was refused: all before it is done
				select {
				case p.pong <- struct{}{}:
				default:
				}
			case m.Op == codec.OpErr:
				p.run.errors.add(m.Err.Code, m.Err.Msg)
				p.run.refused.Add(1)
				p.run.gate.poke()
			case m.Op == codec.OpBye:
				p.run.errors.add(m.Err.Code, m.Err.Msg)
			}
		}
	}
}

// worker publishes for some of the publishers, one after another.
type worker struct {
	run  *run
	pubs []*publisher
	at   int
	buf  []byte
	sent atomic.Int64
	late atomic.Int64 // ns: how far it was behind its schedule at most
}

// one publishes one reading of the next publisher. It reports false when all
// connections are lost.
func (w *worker) one(stamp int64) bool {
	for range w.pubs {
		p := w.pubs[w.at]
		if w.at++; w.at == len(w.pubs) {
			w.at = 0
		}
		if p.dead.Load() {
			continue
		}
		f := &w.run.frames[p.topics[p.turn]]
		if p.turn++; p.turn == len(p.topics) {
			p.turn = 0
		}
		w.buf = w.run.lay.publish(w.buf[:0], f, stamp)
		w.sent.Add(1) // before the write: a delivery must not overtake it
		if p.c.send(w.run.lay.enc, w.buf) == nil {
			return true
		}
		w.sent.Add(-1)
		p.dead.Store(true)
		p.c.net.Close() // its reader tells
	}
	return false
}

// closed publishes as fast as the gate lets it.
func (w *worker) closed(ctx context.Context) {
	const some = 16 // little enough that other workers get their share
	for {
		n := w.run.gate.take(ctx, some)
		if n == 0 {
			return
		}
		for range n {
			if !w.one(w.run.now()) {
				return
			}
		}
	}
}

// coarse is how late a timer may wake us without it being the hub's fault. A
// reading that goes out later than that is stamped with the time it was due: a
// hub that does not take readings would otherwise look quick, as nothing is sent
// while it sleeps (coordinated omission).
const coarse = int64(time.Millisecond)

// paced publishes rate readings a second, evenly.
func (w *worker) paced(ctx context.Context, rate float64, first time.Duration) {
	start := w.run.now() + int64(first)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; ; i++ {
		due := start + int64(float64(i)/rate*1e9)
		now := w.run.now()
		if due > now {
			timer.Reset(time.Duration(due - now))
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			now = w.run.now()
		} else if ctx.Err() != nil {
			return
		}
		stamp := now
		if now-due > coarse {
			stamp = due
			if late := now - due; late > w.late.Load() {
				w.late.Store(late)
			}
		}
		if !w.one(stamp) {
			return
		}
	}
}

// flush waits until the hub has done everything that p sent.
func (p *publisher) flush(wait time.Duration) {
	if p.dead.Load() {
		return
	}
	m := codec.Message{Op: codec.OpPing, ID: requestID, Has: codec.Fields(0).With(codec.KeyID)}
	enc := p.run.lay.enc
	p.c.net.SetWriteDeadline(time.Now().Add(wait))
	if p.c.send(enc, codec.Append(nil, enc, &m)) != nil {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-p.pong:
	case <-p.gone:
	case <-t.C:
		p.run.errors.add(0, "the hub does not answer a publisher's ping")
	}
}
