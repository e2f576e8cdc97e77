package link

import (
	"slices"
	"unicode/utf8"

	"topicd/node"
)

// readBuffer is what one reads into: many small messages come at once. One that is
// longer than half of it is read to where it is kept: a buffer for the largest
// message would lie there unused, and have the collector leave as much garbage again.
const readBuffer = 128 << 10

// room is where the connection's next bytes go, behind the have bytes of its
// unfinished message.
func (c *conn) room(buf []byte) (in []byte, have int) {
	if c.in == nil || len(c.in.part) == 0 {
		return buf, 0
	}
	have = len(c.in.part)
	if have <= len(buf)/2 {
		copy(buf, c.in.part)
		return buf, have
	}
	step := have / 4 // what is not counted may be that much, as where append makes room
	c.in.part = slices.Grow(c.in.part, step)
	return c.in.part[:have+step], have
}

// heard takes what a reader has read: buf begins with the bytes left from before.
// It returns for how many milliseconds the peer is to be left unread.
func (c *conn) heard(buf []byte, turn *node.Turn) (wait int64) {
	c.sess.Load().Heard(turn.Mono)
	if c.over {
		return 0
	}
	c.parked = false
	if !c.feed(buf, turn) {
		return 0
	}
	return c.pause()
}

// unpark hands over what was parked, and then what follows it.
func (c *conn) unpark(turn *node.Turn) (wait int64) {
	c.sess.Load().Heard(turn.Mono)
	if c.swamped() {
		return turnOfOthers
	}
	c.parked = false
	if c.over {
		return 0
	}
	if c.packets {
		if err := c.stream(&Message{}, turn); err != nil {
			c.fail(err, turn)
			return 0
		}
	}
	if c.in != nil && len(c.in.part) > 0 && !c.parked && !c.feed(c.in.part, turn) {
		return 0
	}
	return c.pause()
}

// pause is for how many milliseconds the peer is to be left unread.
func (c *conn) pause() int64 {
	switch {
	case c.over:
		return 0
	case c.parked:
		return turnOfOthers
	}
	return c.sess.Load().Owes()
}

// turnOfOthers is in milliseconds.
const turnOfOthers = 20

// feed takes what was read apart: buf begins with the bytes left from before.
// What is left now is kept. The reader must stop when it returns false.
func (c *conn) feed(buf []byte, turn *node.Turn) bool {
	for len(buf) > 0 && !c.over && !c.parked {
		m, rest, err := c.wire.Split(buf, c.opened(), c.srv.opt.MaxFrame)
		if err == nil && m.Kind == More {
			break
		}
		buf = rest
		if err == nil {
			err = c.take(&m, turn)
		}
		if err != nil {
			c.fail(err, turn)
			return false
		}
		if !c.drains() {
			return false
		}
	}
	if c.over {
		return false
	}
	if c.in == nil && len(buf) == 0 {
		return true
	}
	u, ok := c.unfinished(), false
	if u.part, ok = c.keep(u.part, buf); !ok {
		c.fail(errPartials, turn)
		return false
	}
	c.finished()
	return true
}

// opened is how far the message in pieces is.
func (c *conn) opened() Open {
	if c.in == nil {
		return Open{}
	}
	return c.in.open
}

// unfinished is c.in, made where there was none.
func (c *conn) unfinished() *unfinished {
	if c.in == nil {
		c.in = &unfinished{}
	}
	return c.in
}

// finished drops c.in where there is nothing in it any more.
func (c *conn) finished() {
	if c.in.size() == 0 && !c.opened().Pieces {
		c.in = nil
	}
}

// fewParts is what of unfinished messages any connection may keep, whatever others do:
// else a few that park most of a large message each had those ended whose small ones
// came in two reads.
const fewParts = 1 << 10

// crowded: with n bytes more the connection keeps more than a few, and all together too
// much. A thousand of them may not each park most of a large message.
func (c *conn) crowded(n int) bool { return c.in.size()+n > fewParts && c.srv.partials.Full() }

// takes counts n bytes more that the connection keeps; false: it is crowded.
func (c *conn) takes(n int) bool {
	c.srv.partials.Move(0, n)
	if c.crowded(n) {
		c.srv.partials.Give(n)
		return false
	}
	return true
}

// keep replaces what is kept of an unfinished message by rest, which may be the
// end of it. false: there is no room for it.
func (c *conn) keep(old, rest []byte) ([]byte, bool) {
	if len(rest)+len(old) == 0 {
		return nil, true
	}
	if more := len(rest) - len(old); more <= 0 {
		c.srv.partials.Give(-more)
	} else if !c.takes(more) {
		return old, false
	}
	switch {
	case len(rest) == 0:
		return nil, true
	case cap(old) > 2*len(rest)+512: // what is not counted is not kept
		return append([]byte(nil), rest...), true
	default:
		return append(old[:0], rest...), true
	}
}

// take handles one message of the wire.
func (c *conn) take(m *Message, turn *node.Turn) *Broken {
	switch m.Kind {
	case Ping:
		if c.tooMany(turn) {
			return errPings
		}
		c.mu.Lock()
		if c.mayAnswerLocked() {
			a := c.behindLocked()
			a.b = c.wire.Pong(a.b, m.Payload)
		}
		c.attendUnlock(turn)
		return nil
	case Pong:
		if c.tooMany(turn) {
			return errPings
		}
		return nil
	case Bye:
		c.finish(m.Code, "", turn) // RFC 6455 5.5.1: the code is echoed
		return nil
	case Piece:
		return c.piece(m, turn)
	}
	if c.packets {
		return c.stream(m, turn)
	}
	return c.message(m.Text, m.Payload, turn)
}

// tooMany counts pings and pongs. They are answered from a buffer, but each wakes
// somebody.
func (c *conn) tooMany(turn *node.Turn) bool {
	most := c.srv.opt.Pings
	return most > 0 && !c.pings.Take(1, most, 1000, turn.Mono)
}

// piece puts a message together.
func (c *conn) piece(m *Message, turn *node.Turn) *Broken {
	if !m.Last && c.sess.Load().Overdrawn(1, 0, turn.Mono) {
		return errFlood // pieces without an end
	}
	u := c.unfinished()
	if !u.open.Pieces {
		u.text = m.Text
	}
	if u.open.Pieces, u.open.Bytes = !m.Last, u.open.Bytes+int32(len(m.Payload)); m.Last {
		u.open.Bytes = 0
	}
	if c.packets {
		return c.stream(m, turn) // its borders are its own
	}
	if m.Last { // it is kept no longer
		c.srv.partials.Move(0, len(m.Payload))
	} else if !c.takes(len(m.Payload)) {
		return errPartials
	}
	u.msg = append(u.msg, m.Payload...)
	if !m.Last {
		return nil
	}
	msg := u.msg
	u.msg = nil
	c.finished()
	c.srv.partials.Give(len(msg))
	return c.message(u.text, msg, turn)
}

// message hands one whole message to the dialect.
func (c *conn) message(text bool, p []byte, turn *node.Turn) *Broken {
	if text && !utf8.Valid(p) {
		return errUTF8
	}
	c.mu.Lock()
	speaking := c.life == alive
	if c.asked = int32(len(p)); speaking {
		c.at = 0
	}
	c.mu.Unlock()
	if speaking { // RFC 6455 5.5.1: what comes after our goodbye does not count
		c.dialect.Frame(c, text, p, turn)
	}
	return nil
}

// stream hands a dialect that frames itself its packets, in whatever pieces they come.
func (c *conn) stream(m *Message, turn *node.Turn) *Broken {
	if m.Text {
		return errText
	}
	in, had := m.Payload, 0
	if c.in != nil && len(c.in.msg) > 0 {
		had = len(c.in.msg)
		c.srv.partials.Move(0, len(in)) // most of it is done with soon
		c.in.msg = append(c.in.msg, in...)
		in = c.in.msg
	}
	began := c.sess.Load().Worked()
	for len(in) > 0 && c.packets && !c.parked {
		n, err := c.dialect.(node.Splitter).Split(in, c.srv.opt.MaxFrame)
		if err != nil {
			c.dialect.Bye(c, err, turn)
			return &Broken{closeCode(err.Code), err.Msg}
		}
		if n == 0 {
			break
		}
		if err := c.message(false, in[:n:n], turn); err != nil {
			return err
		}
		if !c.parked { // the dialect is done with it
			in = in[n:]
			c.parked = len(in) > 0 && c.sess.Load().Worked()-began > node.PieceOfWork
		}
		if c.over || !c.drains() {
			return nil
		}
	}
	if c.in == nil && len(in) == 0 {
		return nil
	}
	u, ok := c.unfinished(), false
	if u.msg, ok = c.keep(u.msg, in); !ok || len(in) > had && c.crowded(0) { // the beginning of a packet, until more comes
		return errPartials
	}
	c.finished()
	return nil
}

// fail ends a connection that broke the protocol.
func (c *conn) fail(b *Broken, turn *node.Turn) {
	why := node.CutProtocol
	switch b {
	case errPings:
		why = node.CutPings
	case errFlood:
		why = node.CutFlood
	case errPartials:
		why = node.CutRoom
		c.dialect.Bye(c, errParts, turn)
	}
	c.mu.Lock()
	c.countEndLocked(why)
	c.mu.Unlock()
	c.finish(b.Code, b.Reason, turn)
}

// finish ends the goodbyes, or the connection that broke the protocol: what
// still comes is not looked at.
func (c *conn) finish(code int, reason string, turn *node.Turn) {
	c.over = true
	c.forget()
	c.mu.Lock()
	c.endLocked(code, reason)
	if c.life == ending {
		c.life = done
	}
	c.mu.Unlock()
	c.sess.Load().Attend(turn)
	c.Wake() // a session with readings that it will never be sent is on no turn any more
}

// forget drops what is not whole: it never will be.
func (c *conn) forget() {
	c.srv.partials.Give(c.in.size())
	c.in = nil
}

// gone ends the session. Its reader calls it, once.
func (c *conn) gone(turn *node.Turn) {
	c.forget()
	c.dialect.Close(c, turn)
	c.sess.Load().Close(turn)
	c.mu.Lock()
	c.life = closed
	c.behind = nil
	c.countLocked()
	free := c.writer != busy
	c.mu.Unlock()
	if free {
		c.sock.release()
	}
	c.srv.remove(c)
	c.srv.opt.Gone(c.sess.Load().Info().Addr)
}
