package link

import (
	"runtime"
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node"
	"topicd/node/bound"
)

// conn is one connection: a session's peer and sink. doc.go has the table of
// what a connection can be.
type conn struct {
	// What a delivery touches stands first, on one line of cache: with a
	// thousand readers that is what a delivery costs besides the system call.

	// guarded by mu
	mu       sync.Mutex
	life     life
	writer   writer
	again    bool  // something came up while somebody wrote
	paced    bool  // on the pacer's list, to be written at its pace
	draining bool  // the goodbye waits until the readings are written
	packets  bool  // the dialect frames itself: it is a node.Splitter
	over     bool  // nothing more is read; owned by the reader
	parked   bool  // what it has said is kept until others have had their turn: of who frames itself in msg, of messages in part; owned by the reader
	pace     int32 // microseconds
	idx      int32 // in the server's list; guarded by the server's mu

	lastWrite int64    // nanoseconds of the server's clock
	behind    *backlog // what waits besides the readings; nil = nothing

	sess atomic.Pointer[node.Session] // its own, or the one that Adopt gave it

	// static after construction
	sock socket
	*carrier

	dialect node.Dialect // written under mu as well, owned by the reader

	in    *unfinished     // owned by the reader; nil = all that has come was whole
	pings bound.Allowance // and pongs; owned by the reader

	// guarded by mu
	heldTill moment // when the pacer looks for readings held back by a rate, microseconds; 0 = it need not
	at       moment // alive: when its first message must have come, 0 = it has; else since when it is ending
	silence  int32  // milliseconds without a sign of life; 0 = the server's, negative = any
	counted  int32  // bytes of what waits that stand in the server's count
	asked    int32  // bytes of the message that is being answered

	nextPing moment // 0 = none; owned by the sweeper
}

// moment is a point in time by the server's clock, in milliseconds unless something
// else is said, of which only differences count: those of a few days. 0 = none.
type moment uint32

func momentOf(clock int64) moment { return moment(clock) | 1 }

// since is the time from m to a time of the clock.
func (m moment) since(clock int64) int64 { return int64(int32(moment(clock) - m)) }

// carrier is what all connections of a server on the same wire share.
type carrier struct {
	srv  *Server
	wire Wire
}

// unfinished is what has come of something that is not whole yet.
type unfinished struct {
	part []byte // of a frame, as the wire has it
	msg  []byte // of a message in pieces, or of a dialect's packet
	text bool   // the message in pieces is text
	open Open   // how far it is
}

func (u *unfinished) size() int {
	if u == nil {
		return 0
	}
	return len(u.part) + len(u.msg)
}

// life is how far a connection is from its end. It only rises.
type life uint8

const (
	alive    life = iota
	ending        // the goodbye is queued: nothing may follow it
	done          // and the peer's is not waited for: the socket ends once all is written
	replaced      // and neither is that the peer sees it: another one waits to take its place
	lost          // nothing can be said to it any more: its socket is shut, its reader will see that
	closed        // its reader has: the socket goes when nobody writes
)

// writer is what is done about writing. Whoever makes it busy owns the socket's
// writing side until it makes it something else.
type writer uint8

const (
	resting writer = iota
	busy           // somebody fills and writes
	blocked        // pending waits for the socket
)

// socket is the seam between connections and their transports.
type socket interface {
	// start begins reading. Nothing was read before.
	start(c *conn)
	// seal makes of b what the socket writes: itself, or what TLS makes of it
	// behind what TLS has to say, which lies in buf.
	seal(b []byte, buf *[]byte) ([]byte, error)
	// owes tells whether TLS has something to say.
	owes() bool
	// write takes what it can of sealed bytes without blocking.
	write(b []byte) (n int, err error)
	// warm fetches what write will read: see worker.warm.
	warm()
	// waitWritable has conn.writable called when the socket takes more. It is
	// called with what it did not take in conn.behind.rest.
	waitWritable(c *conn)
	// resume reads on after the peer was left unread for a while; parked: what has been
	// read before is first.
	resume(c *conn, parked bool)
	// rest is for a connection that was quiet for a while.
	rest()
	// finish says that nothing more will be written; what was is delivered.
	finish()
	// shut ends the connection: its reader then calls conn.gone. Any goroutine
	// may call it, more than once.
	shut()
	// release frees the descriptor. Nothing uses the socket after it.
	release()
}

var (
	_ node.Sink = (*conn)(nil)
	_ node.Peer = (*conn)(nil)
)

// Session implements node.Peer.
func (c *conn) Session() *node.Session { return c.sess.Load() }

// Adopt implements node.Peer.
func (c *conn) Adopt(s *node.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writer == busy { // somebody reads from the old one, for microseconds
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	c.sess.Store(s)
}

// Again implements node.Peer.
func (c *conn) Again() { c.parked = true }

// Speak implements node.Peer.
func (c *conn) Speak(d node.Dialect) {
	_, packets := d.(node.Splitter)
	c.mu.Lock()
	c.dialect, c.packets = d, packets
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

// SetSilence implements node.Peer.
func (c *conn) SetSilence(ms int) {
	c.mu.Lock()
	c.silence = int32(min(max(ms, -1), maxSilence))
	c.mu.Unlock()
}

const maxSilence = 7 * 24 * 3600 * 1000 // milliseconds

// Send implements node.Peer.
func (c *conn) Send(text bool, payload []byte, turn *node.Turn) {
	c.mu.Lock()
	if c.mayAnswerLocked() {
		a := c.behindLocked()
		at := len(a.b)
		a.b = c.wire.End(append(c.wire.Begin(a.b), payload...), at, text)
	}
	c.attendUnlock(turn)
}

// attendUnlock unlocks and has what was queued written soon: with the readings
// that wait for their pace, unless that is long.
func (c *conn) attendUnlock(turn *node.Turn) {
	urgent := c.paced && c.paceLocked() > answerWait
	c.countLocked()
	c.mu.Unlock()
	c.sess.Load().Attend(turn)
	if urgent {
		c.Wake()
	}
}

const answerWait = 20e6 // nanoseconds

// End implements node.Peer.
func (c *conn) End(code int, reason string, turn *node.Turn) {
	c.mu.Lock()
	c.endLocked(code, reason)
	if _, bare := c.wire.(plain); bare && c.life == ending {
		c.life = done // the peer has no goodbye that could be waited for
	}
	c.attendUnlock(turn)
}

func (c *conn) endLocked(code int, reason string) {
	if c.life != alive {
		return
	}
	a := c.behindLocked()
	a.b, a.bye = c.wire.Bye(a.b, code, reason), true
	c.life, c.at = ending, momentOf(c.srv.millis())
}

// Wake implements node.Sink.
func (c *conn) Wake() { c.srv.flushers.add(c) }

// Cut implements node.Sink: the hub's locks may be held, so it only leaves a
// note for a flusher.
func (c *conn) Cut(why *codec.Error) {
	c.mu.Lock()
	if b := c.behindLocked(); b.cut == nil {
		b.cut = why
	}
	c.mu.Unlock()
	c.srv.flushers.add(c)
}
