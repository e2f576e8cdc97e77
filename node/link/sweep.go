package link

import (
	"time"

	"topicd/node"
)

// sweepLoop keeps all deadlines: pings, dead peers, full sockets, closing
// handshakes, and the hub's own. Once a second for all connections together,
// less often for a hub that nobody is connected to: it should let its board sleep.
func (s *Server) sweepLoop() {
	defer s.wg.Done()
	tick := time.NewTimer(time.Second)
	defer tick.Stop()
	var conns []*conn
	turn := &node.Turn{}
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		case <-s.kick:
			tick.Reset(time.Second)
			continue
		}
		s.hub.Tick(turn)
		conns = s.all(conns)
		for i, c := range conns {
			s.sweep(c, turn)
			conns[i] = nil
		}
		s.hub.Sweep(turn)
		turn.Wake()
		next := s.hub.SweepIn()
		if len(conns) > 0 {
			next = min(next, time.Second)
		}
		tick.Reset(next)
	}
}

func (s *Server) sweep(c *conn, turn *node.Turn) {
	now := s.millis()
	c.mu.Lock()
	stall := s.opt.Stall.Milliseconds()
	if c.counted > fewAnswers && s.unread.Full() {
		stall = min(stall, pressedStall)
	}
	stalled := c.writer == blocked && now-c.blockedAt > stall
	unclosed := c.life >= ending && now-c.endAt > closeWait
	dumb := c.greetBy != 0 && now > c.greetBy
	silence := int64(c.silence)
	c.mu.Unlock()
	if silence == 0 {
		silence = s.opt.Dead.Milliseconds()
	}
	switch {
	case unclosed:
		c.sock.shut()
	case stalled:
		s.hub.Stats.Add(node.CutSlow, 1)
		c.sock.shut()
	case dumb, silence > 0 && turn.Mono-c.sess.LastHeard() > silence:
		s.hub.Stats.Add(node.CutDead, 1)
		c.sock.shut()
	case now >= c.nextPing:
		c.nextPing = now + s.pingAfter()
		s.ping(c, turn)
	}
}

// ping asks for a sign of life.
func (s *Server) ping(c *conn, turn *node.Turn) {
	c.mu.Lock()
	if c.life == alive {
		a := c.queueLocked()
		a.b = c.wire.Ping(a.b)
	}
	c.mu.Unlock()
	c.sess.Attend(turn)
}

// pressedStall is how long a socket may take nothing that keeps a large answer
// while those of all together are too many, in milliseconds: else whoever asks
// next would pay for those who do not read.
const pressedStall = 1000

// closeWait is how long a peer may take to answer our close frame.
const closeWait = 2000 // milliseconds
