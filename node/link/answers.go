package link

import (
	"sync"

	"topicd/node"
)

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

const (
	// maxUnread is what may wait for a peer that does not read, in answers and
	// in the rest of an interrupted write; twice what it asks with where that is
	// larger (an echo of a MiB), and one more on top. Above it the connection is
	// cut without a word: the peer would not read that either.
	maxUnread = 256 << 10
	// relieveAt is how much waits before it is written while the peer's requests
	// are still being read: who asks for much in one go is not cut for it.
	relieveAt = 64 << 10
	// fewAnswers beyond the rest of a batch may wait on any connection, however
	// many wait on all together.
	fewAnswers = 4 << 10
)

func (c *conn) unreadLocked() int {
	n := c.rest.size()
	if c.answers != nil {
		n += len(c.answers.b)
	}
	return n
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
	gone, n := c.life == lost, c.unreadLocked()
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
	return c.life == alive && c.writer == busy && c.unreadLocked() > maxUnread/2
}
