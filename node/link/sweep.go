package link

import (
	"time"

	"topicd/node"
)

// sweepLoop keeps all deadlines: pings, dead peers, full sockets, closing
// handshakes, and the hub's own. Once a second for all connections together,
// less often for a hub that nobody is connected to: it should let its board sleep.
//
// A sweep that comes late judges nobody, it only asks for signs of life: whatever
// kept the hub from running (another program, a machine that was stopped) kept it
// from reading too, and what peers said meanwhile lies in their sockets. They have
// until the next one.
func (s *Server) sweepLoop() {
	defer s.wg.Done()
	tick := time.NewTimer(time.Second)
	defer tick.Stop()
	due, late := s.millis()+1000, false
	in := func(d time.Duration) {
		due = s.millis() + d.Milliseconds()
		tick.Reset(d)
	}
	turn := &node.Turn{}
	var rush rush
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		case <-s.kick:
			if due-s.millis() > 1000 { // not each time that one comes: it would never be time
				in(time.Second)
			}
			continue
		}
		late = !late && s.millis() > due+lateSweep
		s.hub.Tick(turn)
		var cuts cuts
		n := s.each(func(c *conn) {
			why := uncut
			if !late {
				why = s.judge(c, turn)
			}
			if cuts.add(c, why); why == uncut {
				s.ping(c, turn)
			}
		})
		cuts.log(s)
		if !late {
			s.hub.Sweep(turn)
		}
		turn.Wake()
		if rush.over(s.count()) {
			s.opt.Settled()
		}
		next := s.hub.SweepIn()
		if n > 0 {
			next = min(next, time.Second)
		}
		in(next)
	}
}

// lateSweep is by how much a sweep is late, in milliseconds: more than the
// scheduling of a busy board makes of a timer, less than any peer is given.
const lateSweep = 500

// rush knows when many connections have come or gone, and few do any more.
type rush struct{ seen, done uint32 }

const rushOf = 256

func (r *rush) over(moved uint32) bool {
	all, new := moved-r.done, moved-r.seen
	r.seen = moved
	if all < rushOf || new > all/64 {
		return false
	}
	r.done = moved
	return true
}

// count is how many connections have come or gone.
func (s *Server) count() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved
}

// cuts are the connections that one sweep ended: a network that goes takes all of
// its devices at once, and that is worth a line, not a thousand.
type cuts struct{ dead, slow cutFor }

type cutFor struct {
	n     int
	first string
}

func (k *cuts) add(c *conn, why node.Counter) {
	at := &k.dead
	switch why {
	case node.CutDead:
	case node.CutSlow:
		at = &k.slow
	default:
		return
	}
	if at.n++; at.n == 1 {
		i := c.sess.Load().Info()
		at.first = i.Client + " at " + i.Addr
	}
}

func (k *cuts) log(s *Server) {
	if k.dead.n > 0 {
		s.opt.Log.Info("connections ended: no sign of life", "n", k.dead.n, "first", k.dead.first)
	}
	if k.slow.n > 0 {
		s.opt.Log.Info("connections ended: they took nothing for too long", "n", k.slow.n, "first", k.slow.first)
	}
}

const uncut node.Counter = -1

// judge returns the counter of why it ended the connection, or uncut.
func (s *Server) judge(c *conn, turn *node.Turn) (why node.Counter) {
	why = uncut
	now := s.millis()
	c.mu.Lock()
	stall := s.opt.Stall.Milliseconds()
	if c.counted > fewAnswers && s.unread.Full() {
		stall = min(stall, pressedStall)
	}
	stalled := c.writer == blocked && c.behind != nil && now-c.behind.at > stall
	unclosed := c.life >= lost || c.life >= ending && c.at.since(now) > s.opt.close.Milliseconds()
	dumb := c.life == alive && c.at != 0 && c.at.since(now) > 0
	silence := int64(c.silence)
	c.mu.Unlock()
	if silence == 0 {
		silence = s.opt.Dead.Milliseconds()
	}
	quiet := turn.Mono - c.sess.Load().LastHeard()
	switch {
	case unclosed:
		c.sock.shut()
	case stalled:
		why = node.CutSlow
	case dumb, silence > 0 && quiet > silence:
		why = node.CutDead
	case quiet > restAfter:
		c.sock.rest()
	}
	if why != uncut { // counted before the peer, or anybody, knows
		if !c.loses(why) {
			why = uncut
		}
		c.sock.shut()
	}
	return why
}

// loses counts that nothing more can be said to the peer. false: it was ended before, for
// something else, or the sweep before has counted it and its reader was not there yet.
func (c *conn) loses(why node.Counter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.countEndLocked(why)
	c.life = max(c.life, lost)
	return first
}

// countEndLocked counts why the connection is about to end, unless it was ended, and
// counted, for something else: then it is false.
func (c *conn) countEndLocked(why node.Counter) (first bool) {
	if first = c.life == alive; first {
		c.srv.hub.Stats.Add(why, 1)
	}
	return first
}

// ping asks for a sign of life when it is time to.
func (s *Server) ping(c *conn, turn *node.Turn) {
	now := s.millis()
	if c.nextPing == 0 || c.nextPing.since(now) < 0 {
		return
	}
	c.nextPing = momentOf(now + s.pingAfter())
	c.mu.Lock()
	if c.life == alive {
		a := c.behindLocked()
		a.b = c.wire.Ping(a.b)
	}
	c.mu.Unlock()
	c.sess.Load().Attend(turn)
}

// restAfter is how long a peer says nothing before its connection rests, in milliseconds.
const restAfter = 1000

// pressedStall is how long a socket may take nothing that keeps a large answer
// while those of all together are too many, in milliseconds: else whoever asks
// next would pay for those who do not read.
const pressedStall = 1000

// closeWait is how long a peer may take to answer our close frame.
const closeWait = 2 * time.Second
