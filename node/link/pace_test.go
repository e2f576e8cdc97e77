package link_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

// source publishes from outside the connections, as HTTP or a local sensor do.
type source struct {
	t testing.TB
	s *node.Session
}

type nobody struct{}

func (nobody) Wake()            {}
func (nobody) Cut(*codec.Error) {}

func (s *testServer) source() *source {
	s.t.Helper()
	sess, err := s.Hub().Open(nobody{}, "", "", s.Hub().Turn())
	if err != nil {
		s.t.Fatal(err)
	}
	return &source{s.t, sess}
}

// pub publishes one JSON value; on a goroutine its failure ends the process's
// test run through the missing reading.
func (p *source) pub(topic, format string, a ...any) {
	turn := p.s.Hub().Turn()
	if _, err := p.s.Publish([]byte(topic), node.Body{Data: fmt.Appendf(nil, format, a...)}, 0, turn); err != nil {
		p.t.Errorf("publish: %v", err)
	}
	turn.Wake()
}

func (p *source) close() {
	turn := p.s.Hub().Turn()
	p.s.Close(turn)
	turn.Wake()
}

// TestPace: a busy subscriber gets many readings in one write per pace.
func TestPace(t *testing.T) {
	t.Parallel()
	const n, pace = 400, 50 * time.Millisecond
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader, Pace: pace}, node.Options{Rate: -1})
		p := s.source()
		defer p.close()
		c := s.dial()
		c.say(`{"op":"sub","id":1,"topic":"a"}`)
		c.message(`"op":"live"`)
		began := time.Now()
		go func() {
			for i := range n {
				p.pub("a", "%d", i)
				time.Sleep(time.Millisecond)
			}
		}()
		reads := &countReads{Conn: c.nc}
		c.br.Reset(reads)
		for i := range n {
			if m := c.message(`"op":"msg"`); !strings.Contains(m, fmt.Sprintf(`"seq":%d}`, i+1)) {
				t.Fatalf("reading %d is %s", i+1, m)
			}
		}
		writes := int(time.Since(began)/pace) + 2
		if fill := n * 70 / 4096; reads.n > writes+fill {
			t.Errorf("%d reads for %d readings in %v, want at most %d writes", reads.n, n, time.Since(began), writes)
		}
	})
}

type countReads struct {
	net.Conn
	n int
}

func (c *countReads) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n++
	return n, err
}

// TestIdleIsWrittenAtOnce: the pace is between writes, not before the first.
func TestIdleIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	const pace = time.Second
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader, Pace: pace}, node.Options{})
		p := s.source()
		defer p.close()
		c := s.dial()
		c.say(`{"op":"sub","id":1,"topic":"a"}`)
		c.message(`"op":"live"`)
		seq := 0
		reading := func() {
			seq++
			p.pub("a", "%d", seq)
			c.message(fmt.Sprintf(`"seq":%d}`, seq))
		}
		atOnce := func(what string, took func() time.Duration) {
			t.Helper()
			best := time.Hour
			for range 20 { // others may have the processors
				if best = min(best, took()); best <= pace/2 {
					return
				}
			}
			t.Errorf("%s waited %v", what, best)
		}
		atOnce("an idle subscriber", func() time.Duration {
			time.Sleep(pace + 10*time.Millisecond) // now it is idle
			began := time.Now()
			reading()
			took := time.Since(began)
			reading() // now it is busy
			if d := time.Since(began); d < pace {
				t.Errorf("a busy subscriber got the next reading after %v", d)
			}
			return took
		})
		atOnce("an answer", func() time.Duration {
			reading()
			began := time.Now()
			c.say(`{"op":"ping","id":2}`)
			c.message(`"op":"pong"`)
			return time.Since(began)
		})
	})
}

// TestOwnPace: opts.pace overrules the server's, both ways.
func TestOwnPace(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		const own = 300 * time.Millisecond
		s := serve(t, options{Reader: reader, Pace: time.Minute}, node.Options{})
		p := s.source()
		defer p.close()
		for _, pace := range []time.Duration{0, own} {
			c := s.dial()
			topic := fmt.Sprint("t", pace.Milliseconds())
			c.say(`{"op":"sub","id":1,"topic":%q,"opts":{"pace":%d}}`, topic, pace.Milliseconds())
			c.message(`"op":"live"`)
			began := time.Now()
			for i := range 3 {
				p.pub(topic, "%d", i)
				c.message(fmt.Sprintf(`"seq":%d}`, i+1))
			}
			if d := time.Since(began); d > long || pace > 0 && d < 2*pace {
				t.Errorf("three readings took %v at a pace of %v", d, pace)
			}
		}
	})
}

// TestRate: the newest reading is delivered when it is due, without further
// traffic, and tells how many it stands for.
func TestRate(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader}, node.Options{})
		p := s.source()
		defer p.close()
		c := s.dial()
		c.say(`{"op":"sub","id":1,"topic":"a","opts":{"rate":4}}`)
		c.message(`"op":"live"`)
		seq, m := 0, ""
		for range 20 { // a pause between the five, and one of them is due before the last
			seq += 6
			began := time.Now()
			p.pub("a", "1")
			c.message(fmt.Sprintf(`"seq":%d`, seq-5))
			for range 5 {
				p.pub("a", "1")
			}
			m = c.message(`"op":"msg"`)
			if d := time.Since(began); d < 240*time.Millisecond {
				t.Fatalf("%s came after %v, want 250 ms", m, d)
			}
			if newest := fmt.Sprintf(`"seq":%d`, seq); strings.Contains(m, newest) && strings.Contains(m, `"drop":4`) {
				return
			} else if !strings.Contains(m, newest) {
				c.message(newest)
			}
			time.Sleep(300 * time.Millisecond)
		}
		t.Errorf("got %s, want the newest", m)
	})
}

// TestRateDoesNotHoldOthers: a reading held back by its rate for long does not
// hold the readings of other topics.
func TestRateDoesNotHoldOthers(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader, Pace: 100 * time.Millisecond}, node.Options{})
		p := s.source()
		defer p.close()
		c := s.dial()
		c.say(`{"op":"sub","id":1,"topic":"slow","opts":{"rate":0.01}}`)
		c.say(`{"op":"sub","id":2,"topic":"mid","opts":{"rate":10}}`)
		c.say(`{"op":"sub","id":3,"topic":"fast"}`)
		c.message(`"topic":"fast"`)
		p.pub("slow", "1")
		c.message(`"topic":"slow"`)
		p.pub("slow", "2") // due in 100 s
		for i := range 8 {
			began := time.Now()
			p.pub("fast", "%d", i)
			p.pub("mid", "%d", i)
			c.message(fmt.Sprintf(`"topic":"fast","data":%d,`, i))
			if d := time.Since(began); d > long {
				t.Fatalf("reading %d took %v", i+1, d)
			}
		}
		p.pub("mid", "8")
		c.message(`"topic":"mid","data":8,`)
	})
}

// TestPacerForgets: readings that are due in an hour do not keep connections
// that are gone.
func TestPacerForgets(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader}, node.Options{})
		p := s.source()
		defer p.close()
		for range 20 {
			c := s.dial()
			c.say(`{"op":"sub","id":1,"topic":"a","opts":{"rate":0.001}}`)
			c.message(`"op":"live"`)
			p.pub("a", "1")
			c.message(`"op":"msg"`)
			p.pub("a", "2")
			_ = c.nc.Close()
		}
		eventually(t, "the pacer's list is empty", func() bool {
			return s.Due() == 0
		})
	})
}
