package wire

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of a connection.
var (
	ErrClosed     = errors.New("the connection is closed")
	ErrTooLarge   = errors.New("larger than the server takes")
	ErrNobody     = errors.New("nobody is there to answer")
	ErrNoAnswer   = errors.New("no answer")
	ErrSilent     = errors.New("the server is silent")
	errMalformed  = errors.New("the server said what is no NATS")
	errCloseByHim = errors.New("the server closed the connection")
)

const (
	pingEvery = time.Minute // over LTE each costs 0.2 KB
	maxPings  = 2
	maxBody   = 64 << 20 // of one message, whatever the server says
)

// Conn is a connection. Its methods may be called from any goroutine.
type Conn struct {
	// static after construction
	URL  string // of the server, without what is secret
	Info Info
	opt  Options
	nc   net.Conn
	r    *bufio.Reader // owned by the reader

	wmu sync.Mutex
	w   *bufio.Writer
	num [32]byte // scratch; guarded by wmu

	mu      sync.Mutex
	subs    map[uint64]*Sub
	nextSub uint64

	denied chan string // what the server said last against what we sent

	pings atomic.Int32
	once  sync.Once
	err   error // why it ended; set before ended is closed
	ended chan struct{}
	wg    sync.WaitGroup
}

// Sub is a subscription: what comes goes into its channel, or is thrown away and
// counted when that is full.
type Sub struct {
	ch      chan<- *Msg
	bound   Bound
	held    atomic.Int64 // bytes that wait in ch
	dropped atomic.Int64
	large   atomic.Int64
}

// Bound is what a subscription keeps of what the server sends: what is beyond it is
// not even read into memory. The zero value is no bound but the server's.
type Bound struct {
	Message int   // bytes of one message
	All     int64 // bytes of all that wait, until Msg.Taken says they do not
}

// Dropped is how many messages found the channel full, or as many bytes in it as
// may wait.
func (s *Sub) Dropped() int64 { return s.dropped.Load() }

// Large is how many messages were larger than one may be.
func (s *Sub) Large() int64 { return s.large.Load() }

// takes tells whether a message of n bytes is to be read.
func (s *Sub) takes(n int) bool {
	switch {
	case s == nil:
		return false
	case s.bound.Message > 0 && n > s.bound.Message:
		s.large.Add(1)
		return false
	case s.bound.All > 0 && s.held.Load()+int64(n) > s.bound.All:
		s.dropped.Add(1)
		return false
	}
	return true
}

// begin starts the goroutines.
func (c *Conn) begin() {
	c.wg.Go(func() { c.fail(c.readLoop()) })
	c.wg.Go(c.pingLoop)
}

// Ended is closed when the connection has ended; Err is why then.
func (c *Conn) Ended() <-chan struct{} { return c.ended }

// Err is why the connection ended.
func (c *Conn) Err() error { return c.err }

// Close ends the connection. What was not flushed is lost.
func (c *Conn) Close() {
	c.fail(ErrClosed)
	c.wg.Wait()
}

func (c *Conn) fail(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.ended)
		_ = c.nc.Close()
	})
}

func (c *Conn) pingLoop() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-tick.C:
			if c.pings.Add(1) > maxPings {
				c.fail(ErrSilent)
				return
			}
			_ = c.say("PING\r\n")
		}
	}
}

// say writes a line at once.
func (c *Conn) say(line string) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_ = c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = c.w.WriteString(line)
	return c.flushLocked()
}

// Flush writes what was published.
func (c *Conn) Flush() error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.w.Buffered() == 0 {
		return nil
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	return c.flushLocked()
}

func (c *Conn) flushLocked() error {
	err := c.w.Flush()
	if err != nil {
		c.fail(err)
	}
	return err
}

// Publish puts a message into the buffer: Flush sends it. head are headers
// (AppendHead … EndHead) or nil.
func (c *Conn) Publish(subject, reply string, head, data []byte) error {
	if len(head)+len(data) > c.Info.MaxPayload && c.Info.MaxPayload > 0 {
		return ErrTooLarge
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	w := c.w
	if w.Available() < len(subject)+len(reply)+len(head)+len(data)+64 {
		_ = c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	if head != nil {
		_ = w.WriteByte('H')
	}
	_, _ = w.WriteString("PUB ")
	_, _ = w.WriteString(subject)
	_ = w.WriteByte(' ')
	if reply != "" {
		_, _ = w.WriteString(reply)
		_ = w.WriteByte(' ')
	}
	if head != nil {
		_, _ = w.Write(strconv.AppendInt(c.num[:0], int64(len(head)), 10))
		_ = w.WriteByte(' ')
	}
	_, _ = w.Write(strconv.AppendInt(c.num[:0], int64(len(head)+len(data)), 10))
	_, _ = w.WriteString("\r\n")
	_, _ = w.Write(head)
	_, _ = w.Write(data)
	_, err := w.WriteString("\r\n") // the writer keeps its first error
	if err != nil {
		c.fail(err)
	}
	return err
}

// Subscribe has what comes for a subject put into ch.
func (c *Conn) Subscribe(subject string, ch chan<- *Msg) (*Sub, error) {
	return c.SubscribeWithin(Bound{}, subject, ch)
}

// SubscribeWithin is Subscribe for what a stranger decides the size of.
func (c *Conn) SubscribeWithin(b Bound, subject string, ch chan<- *Msg) (*Sub, error) {
	s := &Sub{ch: ch, bound: b}
	c.mu.Lock()
	c.nextSub++
	id := c.nextSub
	c.subs[id] = s
	c.mu.Unlock()
	return s, c.say("SUB " + subject + " " + strconv.FormatUint(id, 10) + "\r\n")
}

// Request publishes to a subject and waits for one answer. inbox is a prefix that
// this client may subscribe below.
func (c *Conn) Request(ctx context.Context, inbox, subject string, data []byte) (*Msg, error) {
	ch := make(chan *Msg, 1)
	reply := inbox + "r" + strconv.FormatUint(rand.Uint64(), 36)
	c.mu.Lock()
	c.nextSub++
	id := c.nextSub
	c.subs[id] = &Sub{ch: ch}
	c.mu.Unlock()
	sid := strconv.FormatUint(id, 10)
	defer func() {
		c.mu.Lock()
		delete(c.subs, id)
		c.mu.Unlock()
	}()
	select {
	case <-c.denied: // of something before
	default:
	}
	if err := c.say("SUB " + reply + " " + sid + "\r\nUNSUB " + sid + " 1\r\n"); err != nil {
		return nil, err
	}
	if err := c.Publish(subject, reply, nil, data); err != nil {
		return nil, err
	}
	if err := c.Flush(); err != nil {
		return nil, err
	}
	select {
	case m := <-ch:
		if code, _ := m.Status(); code == "503" && len(m.Data) == 0 {
			return nil, ErrNobody
		}
		return m, nil
	case words := <-c.denied:
		return nil, &Denied{words}
	case <-c.ended:
		return nil, c.err
	case <-ctx.Done():
		_ = c.say("UNSUB " + sid + "\r\n")
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, ErrNoAnswer
		}
		return nil, ctx.Err()
	}
}
