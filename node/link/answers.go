package link

import (
	"sync"

	"topicd/codec"
	"topicd/node"
)

// backlog is what waits to be done for a connection besides its readings, lent while
// there is something: most connections have nothing most of the time.
type backlog struct {
	b    []byte       // whole frames, to be written behind the readings: answers, pongs, goodbye
	bye  bool         // the last of them is a goodbye: a plain wire's has no bytes
	cut  *codec.Error // why the hub wants it to end
	rest []byte       // what the full socket of a blocked one did not take: it comes first
	at   int64        // since when that takes nothing, milliseconds of the server's clock
}

var spareBacklogs = sync.Pool{New: func() any { return &backlog{b: make([]byte, 0, 512)} }}

// behindLocked is c.behind, lent where there is none.
func (c *conn) behindLocked() *backlog {
	if c.behind == nil {
		c.behind = spareBacklogs.Get().(*backlog)
	}
	return c.behind
}

// owesLocked: there are answers, or a goodbye.
func (c *conn) owesLocked() bool { return c.behind != nil && (len(c.behind.b) > 0 || c.behind.bye) }

// takeLocked appends the answers to out. Nothing is in the backlog then.
func (c *conn) takeLocked(out []byte) []byte {
	a := c.behind
	if a == nil {
		return out
	}
	out = append(out, a.b...)
	a.b, a.bye = a.b[:0], false
	c.doneLocked()
	return out
}

// takeCutLocked is why the hub wants the connection to end, once; nil = it does not.
func (c *conn) takeCutLocked() (why *codec.Error) {
	if c.behind != nil && c.behind.cut != nil {
		why, c.behind.cut = c.behind.cut, nil
		c.doneLocked()
	}
	return why
}

// takeRestLocked is what the socket did not take, once.
func (c *conn) takeRestLocked() (left []byte) {
	if c.behind != nil {
		left, c.behind.rest = c.behind.rest, nil
		c.doneLocked()
	}
	return left
}

// doneLocked gives the backlog back where nothing is in it any more.
func (c *conn) doneLocked() {
	if a := c.behind; !c.owesLocked() && a.cut == nil && a.rest == nil {
		c.behind = nil
		if cap(a.b) <= 4096 {
			spareBacklogs.Put(a)
		}
	}
	c.countLocked()
}

const (
	// maxUnread is what may wait for a peer that does not read, in answers and
	// in the rest of an interrupted write; twice what it asks with where that is
	// larger (an echo of a MiB), and one more on top. Above it the connection is
	// cut without a word: the peer would not read that either.
	maxUnread = 256 << 10
	// fewAnswers beyond the rest of a batch may wait on any connection, however
	// many wait on all together.
	fewAnswers = 3 << 10
)

func (c *conn) unreadLocked() int {
	if c.behind == nil {
		return 0
	}
	return len(c.behind.rest) + len(c.behind.b)
}

// mostUnread is maxUnread, or where the answers of all together are too many what may
// wait for anybody. When a quarter waits it is written while the peer's requests are
// still being read: who asks for much in one go is not cut for it.
func (s *Server) mostUnread() int {
	if s.unread.Full() {
		return batchLimit + fewAnswers
	}
	return maxUnread
}

// mayAnswerLocked reports whether one more answer may be queued.
func (c *conn) mayAnswerLocked() bool {
	if c.life != alive {
		return false
	}
	n := c.unreadLocked()
	// When the answers of all together are too many, those go who wait for more
	// than a few.
	if n > max(maxUnread, 2*int(c.asked)) || n > batchLimit+fewAnswers && c.srv.unread.Full() {
		c.exceedLocked()
	}
	return c.life == alive
}

// exceedLocked has a peer cut that does not read: by its reader, or by a flusher
// where it says nothing itself.
func (c *conn) exceedLocked() {
	c.life = lost
	c.srv.hub.Stats.Add(node.CutReplies, 1)
	c.srv.flushers.add(c)
}

// countLocked keeps the server's count of what waits beyond a batch that was
// interrupted, which each connection may have. To be called when answers or
// pending have changed.
func (c *conn) countLocked() {
	n := int32(max(0, c.unreadLocked()-batchLimit))
	c.srv.unread.Move(int(c.counted), int(n))
	c.counted = n
}

// reserveLocked counts so many bytes more before they are kept, unless that is too
// much for all together: two workers that looked first had both found room.
func (c *conn) reserveLocked(n int) bool {
	if n <= 0 {
		return true
	}
	c.srv.unread.Move(0, n)
	if c.srv.unread.Held() > maxPressed*c.srv.opt.Unread {
		c.srv.unread.Move(n, 0)
		return false
	}
	c.counted += int32(n)
	return true
}

// drains reports whether the reader may go on: the peer reads its answers. It
// gives it the chance to, then cuts it. Where another goroutine writes to it, and the
// system has another process run meanwhile, the rest of what the peer has said is
// parked: nine thousand requests come within 10 ms, and the peer was cut for answers
// that it had no chance to read.
func (c *conn) drains() bool {
	c.mu.Lock()
	gone, n, relieveAt := c.life == lost, c.unreadLocked(), c.srv.mostUnread()/4
	write := n > relieveAt && c.writer != blocked && !gone
	c.mu.Unlock()
	if write {
		w := newWorker(c.srv)
		w.tick()
		w.flush(c)
		w.attend()
	}
	if gone {
		c.over = true
		c.sock.shut()
	}
	c.parked = c.parked || n > relieveAt && c.swamped()
	return !gone
}

// swamped: half of what may wait for the peer does, and somebody writes it.
func (c *conn) swamped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life == alive && c.writer == busy && c.unreadLocked() > c.srv.mostUnread()/2
}
