package wsock

import (
	"net"
	"sync"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
)

// conn is one WebSocket connection: a session's peer and sink.
type conn struct {
	// What a delivery touches stands first, on one line of cache: with a
	// thousand readers that is what a delivery costs besides the system call.

	// guarded by mu
	mu       sync.Mutex
	busy     bool  // somebody fills and writes
	again    bool  // something came up meanwhile
	blocked  bool  // pending waits for the socket
	paced    bool  // on the pacer's list, to be written at its pace
	ending   bool  // a close frame is queued: nothing may follow it
	draining bool  // the close frame waits until the readings are written
	done     bool  // and nothing is waited for: the socket ends once all is written
	closed   bool  // the socket is gone, or goes when busy ends
	dead     bool  // a write has failed: its reader will see the end
	excess   bool  // more answers came up than may wait: it is about to be cut
	pace     int32 // microseconds

	lastWrite int64        // nanoseconds of the server's clock
	answers   *answerBuf   // behind the readings: answers, pongs, close; nil = none
	cut       *codec.Error // why the hub wants it to end

	// static after construction
	sess *node.Session
	sock socket
	srv  *Server

	// guarded by mu
	pending   []byte // what the socket did not take
	blockedAt int64  // since when, milliseconds of the server's clock
	heldTill  int64  // when the pacer looks for readings held back by a rate; 0 = it need not
	endAt     int64  // since when it is ending

	// owned by the reader
	dialect node.Dialect // written under mu as well
	part    []byte       // bytes of a frame that is not whole yet
	msg     *fragments   // a message that is not whole yet
	over    bool         // nothing more is read
	pings   int32        // in this second
	second  int64        // of the hub's clock

	counted  int32 // bytes that wait in the server's count; guarded by mu
	idx      int32 // in the server's list; guarded by the server's mu
	nextPing int64 // milliseconds of the server's clock; owned by the sweeper
}

// fragments are the payloads of a message so far (RFC 6455 5.4).
type fragments struct {
	b    []byte
	text bool
}

func (m *fragments) size() int {
	if m == nil {
		return 0
	}
	return len(m.b)
}

// answerBuf is a buffer of whole frames, lent while there are some: most
// connections have none to say most of the time.
type answerBuf struct{ b []byte }

var spareBufs = sync.Pool{New: func() any { return &answerBuf{b: make([]byte, 0, 512)} }}

// queueLocked is the buffer to append an answer to.
func (c *conn) queueLocked() *answerBuf {
	if c.answers == nil {
		c.answers = spareBufs.Get().(*answerBuf)
	}
	return c.answers
}

// takeLocked appends the answers to out.
func (c *conn) takeLocked(out []byte) []byte {
	a := c.answers
	if a == nil {
		return out
	}
	out = append(out, a.b...)
	c.answers = nil
	c.countLocked()
	if cap(a.b) <= 4096 {
		a.b = a.b[:0]
		spareBufs.Put(a)
	}
	return out
}

// socket is the seam between connections and their transports.
type socket interface {
	// start begins reading. Nothing was read before.
	start(c *conn)
	// write takes what it can of b without blocking.
	write(b []byte) (n int, err error)
	// warm fetches what write will read: see worker.warm.
	warm()
	// waitWritable has conn.writable called when the socket takes more. It is
	// called with the connection's rest in conn.pending.
	waitWritable(c *conn)
	// finish says that nothing more will be written; what was is delivered.
	finish()
	// shut ends the connection: its reader then calls conn.gone. Any goroutine
	// may call it, more than once.
	shut()
	// release frees the descriptor. Nothing uses the socket after it.
	release()
}

// Session implements node.Peer.
func (c *conn) Session() *node.Session { return c.sess }

// Speak implements node.Peer.
func (c *conn) Speak(d node.Dialect) {
	c.mu.Lock()
	c.dialect = d
	c.mu.Unlock()
}

// SetPace implements node.Peer.
func (c *conn) SetPace(ms int) {
	c.mu.Lock()
	if c.pace = int32(min(ms, maxPace) * 1000); ms < 0 {
		c.pace = c.srv.pace()
	}
	c.mu.Unlock()
}

const maxPace = 10_000 // milliseconds: longer and the peer had better poll

// Send implements node.Peer.
func (c *conn) Send(text bool, payload []byte, turn *node.Turn) {
	c.mu.Lock()
	if c.mayAnswerLocked() {
		a := c.queueLocked()
		a.b = appendFrame(a.b, text, payload)
	}
	c.attendUnlock(turn)
}

// attendUnlock unlocks and has what was queued written soon: with the readings
// that wait for their pace, unless that is long.
func (c *conn) attendUnlock(turn *node.Turn) {
	urgent := c.paced && c.paceLocked() > answerWait
	c.countLocked()
	c.mu.Unlock()
	c.sess.Attend(turn)
	if urgent {
		c.Wake()
	}
}

const answerWait = 20e6 // nanoseconds

// End implements node.Peer.
func (c *conn) End(code int, reason string, turn *node.Turn) {
	c.mu.Lock()
	c.endLocked(code, reason)
	c.attendUnlock(turn)
}

func (c *conn) endLocked(code int, reason string) {
	if c.ending || c.closed {
		return
	}
	a := c.queueLocked()
	a.b = appendClose(a.b, code, reason)
	c.ending, c.endAt = true, c.srv.millis()
}

// Wake implements node.Sink.
func (c *conn) Wake() { c.srv.flushers.add(c) }

// Cut implements node.Sink: the hub's locks may be held, so it only leaves a
// note for a flusher.
func (c *conn) Cut(why *codec.Error) {
	c.mu.Lock()
	if c.cut == nil {
		c.cut = why
	}
	c.mu.Unlock()
	c.srv.flushers.add(c)
}

// feed parses what was read: buf begins with the bytes left from before. What
// is left now is kept. The reader must stop when it returns false.
func (c *conn) feed(buf []byte, turn *node.Turn) bool {
	for !c.over {
		h, ok, err := parseHead(buf, c.msg != nil, c.msg.size(), c.srv.opt.MaxFrame)
		if err != nil {
			c.fail(err, turn)
			return false
		}
		if !ok || uint64(len(buf)-h.size) < h.length {
			break
		}
		payload := buf[h.size : h.size+int(h.length)]
		buf = buf[h.size+int(h.length):]
		unmask(payload, h.mask)
		if err := c.frame(h, payload, turn); err != nil {
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
	return c.keep(buf, turn)
}

const (
	// maxUnread is what may wait for a peer that does not read, in answers and
	// in the rest of an interrupted write; two messages where those are larger,
	// and one more on top. Above it the connection is cut without a word: the
	// peer would not read that either.
	maxUnread = 256 << 10
	// relieveAt is how much waits before it is written while the peer's requests
	// are still being read: who asks for much in one go is not cut for it.
	relieveAt = 64 << 10
)

func (c *conn) unreadLocked() int {
	n := len(c.pending)
	if c.answers != nil {
		n += len(c.answers.b)
	}
	return n
}

// mayAnswerLocked reports whether one more answer may be queued.
func (c *conn) mayAnswerLocked() bool {
	if c.ending || c.closed || c.excess {
		return false
	}
	n := c.unreadLocked()
	// When the answers of all together are too many, those go who wait for more
	// than a few.
	if n > max(maxUnread, 2*c.srv.opt.MaxFrame) || n > batchLimit+fewAnswers && c.srv.unread.Load() > c.srv.opt.Unread {
		c.exceedLocked()
	}
	return !c.excess
}

// exceedLocked has a peer cut that does not read: by its reader, or by a flusher
// where it says nothing itself.
func (c *conn) exceedLocked() {
	c.excess = true
	c.srv.hub.Stats.Add(node.CutReplies, 1)
	c.srv.flushers.add(c)
}

const fewAnswers = 4 << 10

// countLocked keeps the server's count of what waits beyond a batch that was
// interrupted, which each connection may have. To be called when answers or
// pending have changed.
func (c *conn) countLocked() {
	n := int32(max(0, c.unreadLocked()-batchLimit))
	if n != c.counted {
		c.srv.unread.Add(int64(n - c.counted))
		c.counted = n
	}
}

// drains reports whether the reader may go on: the peer reads its answers. It
// gives it the chance to, then cuts it.
func (c *conn) drains() bool {
	c.mu.Lock()
	write := c.unreadLocked() > relieveAt && !c.blocked && !c.excess
	excess := c.excess
	c.mu.Unlock()
	if write {
		w := newWorker(c.srv)
		w.tick()
		w.flush(c)
		w.attend()
	}
	if excess {
		c.over = true
		c.sock.shut()
	}
	return !excess
}

// keep holds the unparsed rest until more comes. All rests together are
// bounded: a thousand connections may not each park most of a large frame.
func (c *conn) keep(rest []byte, turn *node.Turn) bool {
	if len(rest) == len(c.part) && len(rest) == 0 {
		return true
	}
	if !c.srv.hold(len(rest) - len(c.part)) {
		c.fail(errPartials, turn)
		return false
	}
	switch {
	case len(rest) == 0:
		c.part = nil
	case cap(c.part) > 2*len(rest)+512: // what is not counted is not kept
		c.part = append([]byte(nil), rest...)
	default:
		c.part = append(c.part[:0], rest...)
	}
	return true
}

// frame handles one unmasked frame.
func (c *conn) frame(h head, p []byte, turn *node.Turn) *broken {
	switch h.op {
	case opPing:
		if c.tooMany(turn.Mono) {
			return errPings
		}
		c.mu.Lock()
		if c.mayAnswerLocked() {
			a := c.queueLocked()
			a.b = appendControl(a.b, opPong, p)
		}
		c.attendUnlock(turn)
		return nil
	case opPong:
		if c.tooMany(turn.Mono) {
			return errPings
		}
		return nil
	case opClose:
		code, err := checkClose(p)
		if err != nil {
			return err
		}
		c.finish(code, "", turn) // RFC 6455 5.5.1: the code is echoed
		return nil
	}
	if h.fin && c.msg == nil {
		return c.message(h.op == opText, p, turn)
	}
	if !h.fin && c.sess.Overdrawn(1, 0, turn.Mono) {
		return errFlood // fragments without an end
	}
	if !c.srv.hold(len(p)) {
		return errPartials
	}
	if c.msg == nil {
		c.msg = &fragments{text: h.op == opText}
	}
	c.msg.b = append(c.msg.b, p...)
	if !h.fin {
		return nil
	}
	msg := c.msg
	c.msg = nil
	c.srv.hold(-len(msg.b))
	return c.message(msg.text, msg.b, turn)
}

// message hands one whole message to the dialect.
func (c *conn) message(text bool, p []byte, turn *node.Turn) *broken {
	if text && !utf8.Valid(p) {
		return errUTF8
	}
	c.mu.Lock()
	ending := c.ending
	c.mu.Unlock()
	if ending {
		return nil // RFC 6455 5.5.1: what comes after our close frame does not count
	}
	c.dialect.Frame(c, text, p, turn)
	return nil
}

// tooMany counts pings and pongs. They are answered from a buffer, but each
// costs a wake of the writer.
func (c *conn) tooMany(now int64) bool {
	if now/1000 != c.second {
		c.second, c.pings = now/1000, 0
	}
	c.pings++
	return c.srv.opt.Pings > 0 && int(c.pings) > c.srv.opt.Pings
}

// fail ends a connection that broke the protocol.
func (c *conn) fail(b *broken, turn *node.Turn) {
	why := node.CutProtocol
	switch b {
	case errPings:
		why = node.CutPings
	case errFlood:
		why = node.CutFlood
	}
	c.srv.hub.Stats.Add(why, 1)
	c.finish(b.code, b.reason, turn)
}

// finish ends the closing handshake, or the connection that broke it: what
// still comes is not looked at.
func (c *conn) finish(code int, reason string, turn *node.Turn) {
	c.over = true
	c.forget()
	c.mu.Lock()
	c.endLocked(code, reason)
	c.done = true
	c.mu.Unlock()
	c.sess.Attend(turn)
	c.Wake() // a session with readings that it will never be sent is on no turn any more
}

// forget drops what is not whole: it never will be.
func (c *conn) forget() {
	c.srv.hold(-len(c.part) - c.msg.size())
	c.part, c.msg = nil, nil
}

// gone ends the session. Its reader calls it, once.
func (c *conn) gone(turn *node.Turn) {
	c.forget()
	c.dialect.Close(c, turn)
	c.sess.Close(turn)
	c.mu.Lock()
	c.closed = true
	c.answers, c.pending = nil, nil
	c.countLocked()
	free := !c.busy
	c.mu.Unlock()
	if free {
		c.sock.release()
	}
	c.srv.remove(c)
	c.srv.opt.Gone(c.sess.Info().Addr)
}

// remote is the peer's address without allocation where that is possible.
func remote(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
