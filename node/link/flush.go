package link

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"topicd/node"
	"topicd/node/internal/prefetch"
)

// worker is what one flushing goroutine owns.
type worker struct {
	srv     *Server
	out     []byte
	sealed  []byte // what TLS makes of it
	scratch node.Scratch
	turn    node.Turn
	mono    int64 // nanoseconds of the server's clock, as of the last tick
	dues    []due

	loops     bool   // it serves the pacer
	answered  bool   // it has written an answer since this was last cleared
	meanwhile func() // what a loop does in the middle of a round, now and then
}

// batchLimit is how many bytes one write gathers: enough for the saturated
// case (64 readings of 170 bytes), little enough that the rest kept for a
// reader that has stopped stays small.
const batchLimit = 16 << 10

func newWorker(s *Server) *worker { return &worker{srv: s} }

// tick reads the clocks once for everything that one go of the worker does.
func (w *worker) tick() {
	w.mono = w.srv.now()
	w.srv.hub.Tick(&w.turn)
}

// took is how long the worker has been at it since its tick, in nanoseconds.
func (w *worker) took() int64 { return w.srv.now() - w.mono }

// attend writes the sessions that the worker's turn made ready, and those that
// this makes ready in turn (a peer that is gone changes its presence).
func (w *worker) attend() {
	for ready := w.turn.Take(); len(ready) > 0; ready = w.turn.Take() {
		round, late := w.beginRound(len(ready)), false
		for i, s := range ready {
			ready[i] = nil
			w.warm(ready[i+1:])
			late = late || w.late(i)
			w.pass(i)
			if c, ok := s.Sink().(*conn); ok && !late {
				w.flushOrPace(c)
			} else {
				s.Sink().Wake()
			}
		}
		w.endRound(round)
	}
}

// warm fetches what is known of the sessions whose turn comes next. Each piece
// leads to the next one, which is asked for two writes later.
func (w *worker) warm(next []*node.Session) {
	if len(next) < 6 {
		return
	}
	next[5].Warm()
	if c, ok := next[3].Sink().(*conn); ok {
		prefetch.Lines(unsafe.Pointer(c))
	}
	if c, ok := next[1].Sink().(*conn); ok {
		c.sock.warm()
	}
}

// A round is the writing of all sessions that one go made ready. Where all that busy
// sessions have to read takes longer to write than the pace (a thousand dashboards:
// 5.5 ms) every session's time has come again when the next round begins, and the hub
// would do nothing but write, few readings at a time. So a busy session is then not
// written again before twice the time that writing to all of them took: half of the time
// is left for what is read, and a write carries all of it. Measured, W2 saturated: 26
// readings a write become 70, 0.21 µs of CPU a delivery 0.11 (CBOR 0.14, 0.07), as many
// deliveries a second; with three times as long 0.07, but fewer in CBOR.
const (
	gapRounds = 2
	maxGap    = int64(50 * time.Millisecond)
	longRound = 32 // sessions: fewer are not worth looking at the clock
)

// beginRound starts the clock of a round that may be a long one; 0 = it is not.
func (w *worker) beginRound(sessions int) (began int64) {
	if sessions >= longRound {
		began = w.srv.now()
	}
	return began
}

// endRound notes how long it takes to write to all busy sessions: as long as this
// round, or longer where some of them have their rounds at other times.
func (w *worker) endRound(began int64) {
	if began > 0 {
		now := w.srv.now()
		w.srv.rounds.note(now-began, now, w.gap(), int64(w.srv.opt.Pace))
	}
}

// rounds is what the rounds of all workers take. Times are nanoseconds, points in
// time by the server's clock.
type rounds struct {
	all atomic.Int64 // to write to all busy sessions, where it is more than the pace
	at  atomic.Int64 // when that was noted

	mu      sync.Mutex
	written int64 // in rounds since
	since   int64
}

// note takes in a round that took d. In a cycle, the pace or the gap, each busy session
// is written to once. One cycle that another process made long says little: it counts
// for a quarter.
func (r *rounds) note(d, now, gap, pace int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written += d
	cycle, span := max(gap, pace), now-r.since
	all := max(d, r.written*cycle/max(span, cycle))
	switch {
	case span >= cycle:
		r.written, r.since = 0, now
	case gap > 0:
		return
	}
	if gap > 0 {
		all = (3*r.all.Load() + all) / 4
	}
	if all > pace {
		r.all.Store(all)
		r.at.Store(now)
	}
}

// pass is called before the i-th session of a round.
func (w *worker) pass(i int) {
	if i&7 == 7 && w.meanwhile != nil {
		w.meanwhile()
	}
}

// gap is the time between two writes of a busy session that the length of
// rounds asks for, in nanoseconds; soon after the last long one it is forgotten.
func (w *worker) gap() int64 {
	d := w.srv.rounds.all.Load()
	if w.mono-w.srv.rounds.at.Load() > 2*gapRounds*d {
		return 0
	}
	return min(gapRounds*d, maxGap)
}

// flushOrPace writes at once to a connection that was idle for longer than its
// pace; a busy one waits for its time.
func (w *worker) flushOrPace(c *conn) {
	c.mu.Lock()
	at := c.lastWrite + c.paceLocked()
	if c.pace > 0 {
		at = max(at, c.lastWrite+w.gap())
	}
	if w.mono >= at || c.behind != nil || c.life >= done || c.writer != resting {
		w.flushLocked(c)
		return
	}
	add := !c.paced
	c.paced = true
	c.mu.Unlock()
	if add {
		w.srv.pacer.add(due{at: at, c: c}, w)
	}
}

// paceLocked is the time between two writes while busy, in nanoseconds.
func (c *conn) paceLocked() int64 { return int64(c.pace) * int64(time.Microsecond) }

// pace is the pace of connections that did not ask for another, in microseconds.
func (s *Server) pace() int32 {
	return int32(min(max(0, s.opt.Pace/time.Microsecond), maxPace*1000))
}

// flush writes what the connection has to read. Only one goroutine does so at
// a time; another one that comes leaves a note.
func (w *worker) flush(c *conn) {
	c.mu.Lock()
	w.flushLocked(c)
}

// flushLocked is flush with c.mu held, which it gives back: with a thousand
// readers each pair of lock and unlock is one part in five hundred.
func (w *worker) flushLocked(c *conn) {
	if c.life >= lost || c.writer != resting {
		stuck := c.writer == blocked && c.behind != nil && c.behind.cut != nil || c.life == lost
		c.again = true
		c.mu.Unlock()
		if stuck { // it would not read the reason either
			c.sock.shut()
		}
		return
	}
	c.writer = busy
	w.roundsLocked(c)
}

// roundsLocked fills and writes until nothing is left, the socket is full or
// the pace says wait. It ends the caller's right to write and gives c.mu back.
func (w *worker) roundsLocked(c *conn) {
	for {
		c.again = false
		if why := c.takeCutLocked(); why != nil {
			c.mu.Unlock()
			w.srv.cut(c, why, &w.turn)
			c.mu.Lock()
		}
		ended := c.life >= ending && !c.owesLocked()
		c.mu.Unlock()
		out, next := w.out[:0], node.Idle
		if !ended {
			out, next = c.sess.Load().Fill(out, batchLimit, w.turn.Mono, c.wire, &w.scratch)
		}
		c.mu.Lock()
		drain := c.draining && next == node.Again && c.at.since(w.srv.millis()) < w.srv.opt.drain.Milliseconds()
		if !drain { // else the goodbye waits
			w.answered = w.answered || c.behind != nil
			out = c.takeLocked(out)
		}
		keepBuf(&w.out, out)
		if (len(out) > 0 || c.sock.owes()) && !w.writeLocked(c, out) || w.settleLocked(c, next) {
			return
		}
	}
}

// drainFor is how long a goodbye waits for the readings before it: who publishes without
// a pause must not hold up a shutdown.
const drainFor = 600 * time.Millisecond

// keepBuf holds on to a buffer unless a rare large batch has blown it up.
func keepBuf(at *[]byte, b []byte) {
	if *at = b[:0]; cap(b) > 8*batchLimit {
		*at = nil
	}
}

// writeLocked hands b to the socket, for which it gives c.mu back. true: all
// was taken, and c.mu is held again. false: the socket did not take all of it
// (the rest then waits in c.behind) or is broken, and the caller has neither c.mu
// nor the right to write any more.
func (w *worker) writeLocked(c *conn, b []byte) bool {
	c.mu.Unlock()
	b, err := c.sock.seal(b, &w.sealed)
	n := 0
	if err == nil && len(b) > 0 {
		n, err = c.sock.write(b)
	}
	c.mu.Lock()
	return w.wroteLocked(c, b[n:], err)
}

// wroteLocked is the end of writeLocked: left was not taken.
func (w *worker) wroteLocked(c *conn, left []byte, err error) bool {
	c.lastWrite = w.mono
	if err == nil && len(left) == 0 {
		return true
	}
	c.writer = resting
	if c.life == closed {
		c.mu.Unlock()
		c.sock.release()
		return false
	}
	if err != nil {
		c.life = lost
		c.mu.Unlock()
		c.sock.shut()
		return false
	}
	if !c.reserveLocked(len(left) - batchLimit) {
		c.countEndLocked(node.CutSlow)
		c.life = lost
		c.mu.Unlock()
		c.sock.shut()
		return false
	}
	b := c.behindLocked()
	b.rest, b.at = append([]byte(nil), left...), w.mono/int64(time.Millisecond)
	c.countLocked()
	c.writer = blocked
	c.mu.Unlock()
	c.sock.waitWritable(c)
	return false
}

// maxPressed times Options.Unread is what all together may leave unread for the
// second that they have then (pressedStall): a large reading for many who do not
// read would be a MiB each. Who is beyond it is cut at once.
const maxPressed = 2

// settleLocked decides what comes after a complete write. true: the right to
// write and c.mu were given up; false: both are held still, go on.
func (w *worker) settleLocked(c *conn, next int64) bool {
	again := c.lastWrite + c.paceLocked()
	turn := next == node.Again && c.behind == nil && (c.pace > 0 && w.gap() > 0 || w.took() > mostGo)
	switch {
	case c.life == closed:
		c.writer = resting
		c.mu.Unlock()
		c.sock.release()
		return true
	case (c.life == done || c.life == replaced) && !c.owesLocked():
		over := c.life == replaced
		c.writer = resting
		c.mu.Unlock()
		if c.sock.finish(); over {
			c.sock.shut()
		}
		return true
	case turn: // others come first; where rounds are not long, as soon as they have
		again = c.lastWrite + w.gap()
	case next == node.Again || c.behind != nil || c.again && w.mono >= again:
		return false
	}
	c.writer = resting
	pace := (c.again || turn) && !c.paced // published while it was being written: at its pace
	c.paced = c.paced || pace
	held := int64(0)
	if next > 0 { // held back by a rate
		held = w.mono + min(next-w.turn.Mono, maxHeld)*int64(time.Millisecond)
		if c.heldTill != 0 && c.heldTill.since(micros(held)) >= 0 {
			held = 0 // it will be looked at before
		} else {
			c.heldTill = momentOf(micros(held))
		}
	}
	c.mu.Unlock()
	if pace {
		w.srv.pacer.add(due{at: again, c: c}, w)
	}
	if held > 0 {
		w.srv.pacer.add(due{at: held, c: c, held: true}, w)
	}
	return true
}

// mostGo is how long one go of a worker writes to sessions that have more to read than
// one write takes: then they are at the end of the pacer's list, as they are for a write
// each where rounds are long, and others have their turn. Sixty readers with 250 filters
// of MQTT each, 30 µs a reading, had kept the loops for 2.7 s; of a thousand dashboards
// that had more to read than one write takes the first were given the next readings,
// while the last fell behind what their topic holds.
const mostGo = int64(4 * time.Millisecond)

// mostRound is how long a worker writes after it has read: then flushers go on, or what
// is due waits, and it reads what others have sent. A thousand dashboards take 5.5 ms.
const mostRound = int64(20 * time.Millisecond)

// late tells whether the worker is, as it comes to the i-th session of a round. Each
// look at the clock is a part in fifty of a write.
func (w *worker) late(i int) bool {
	return i&3 == 3 && w.took() > mostRound
}

// maxHeld is the longest that the pacer keeps a connection on its list for
// readings held back, in milliseconds: one that is gone must not stay there
// for the quarter of an hour that a rate may ask for.
const maxHeld = 1000

// writable goes on after a full socket has taken more: first the rest of the
// interrupted batch, which is sealed already.
func (w *worker) writable(c *conn) {
	c.mu.Lock()
	if c.writer != blocked || c.life == closed {
		c.mu.Unlock()
		return
	}
	c.writer = busy
	left := c.takeRestLocked()
	c.mu.Unlock()
	n, err := 0, error(nil)
	if len(left) > 0 {
		n, err = c.sock.write(left)
	}
	c.mu.Lock()
	if w.wroteLocked(c, left[n:], err) {
		w.roundsLocked(c)
	}
}
