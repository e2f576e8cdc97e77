package link_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"topicd/node"
)

// tally reads readings of one topic until number last and holds every frame
// against what was published: in order, the right data under each number,
// delivered + dropped = published.
func tally(c *raw, last uint64, pause func(n int)) (delivered, dropped uint64, err error) {
	var seq uint64
	for seq < last {
		g, err := c.next()
		if err != nil {
			return delivered, dropped, fmt.Errorf("after reading %d: %w", seq, err)
		}
		if g.op != opText {
			continue
		}
		var m reading
		if err := json.Unmarshal(g.payload, &m); err != nil {
			return delivered, dropped, fmt.Errorf("after reading %d: %w", seq, err)
		}
		if m.Op != "msg" {
			continue
		}
		data, _ := m.Data.(string)
		if m.Seq != seq+1+m.Drop || !strings.HasPrefix(data, fmt.Sprint(m.Seq, " ")) || len(data) != padded {
			return delivered, dropped, fmt.Errorf("reading %d with drop %d and data %.20q after %d", m.Seq, m.Drop, data, seq)
		}
		seq = m.Seq
		delivered++
		dropped += m.Drop
		pause(int(delivered))
	}
	return delivered, dropped, nil
}

const padded = 300

// numbered is data that tells its number.
func numbered(seq int) string { return fmt.Sprintf(`"%-*s"`, padded, fmt.Sprint(seq, " ")) }

// TestSlowReader: a reader that is too slow loses whole readings, counted, and
// no frame is ever broken, however often a write is interrupted.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const n = 6000
	eachReader(t, func(t *testing.T, reader string) {
		s := serveTight(t, options{Reader: reader, Pace: -1}, node.Options{Rate: -1})
		p := s.source()
		defer p.close()
		type result struct {
			delivered, dropped uint64
			err                error
		}
		results := make(chan result, 2)
		published := make(chan struct{})
		for _, slow := range []bool{true, false} {
			c := s.dialTight()
			c.say(`{"op":"sub","id":1,"topic":"a"}`)
			c.message(`"op":"live"`)
			pause := func(int) {}
			if slow {
				pause = func(i int) {
					if i == 100 { // more is published meanwhile than the topic and the sockets hold
						<-published
					}
					if i%100 == 0 {
						time.Sleep(5 * time.Millisecond)
					}
				}
			}
			go func() {
				d, l, err := tally(c, n, pause)
				results <- result{d, l, err}
			}()
		}
		for i := range n {
			p.pub("a", "%s", numbered(i+1))
			if i%200 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		close(published)
		for range 2 {
			r := <-results
			if r.err != nil || r.delivered+r.dropped != n {
				t.Errorf("delivered %d + dropped %d, published %d, %v", r.delivered, r.dropped, n, r.err)
			}
		}
		if n := s.count(node.DropOverrun); n == 0 {
			t.Error("the slow reader lost nothing: the test shows nothing")
		}
	})
}

// TestInterruptedWrites: everything arrives when there is room for it in the
// topic, through writes that are interrupted again and again.
func TestInterruptedWrites(t *testing.T) {
	t.Parallel()
	const n = 3000
	eachReader(t, func(t *testing.T, reader string) {
		s := serveTight(t, options{Reader: reader}, node.Options{Rate: -1, TopicCap: 4 << 20})
		p := s.source()
		defer p.close()
		c := s.dialTight()
		c.say(`{"op":"sub","id":1,"topic":"a"}`)
		c.message(`"op":"live"`)
		for i := range n {
			p.pub("a", "%s", numbered(i+1))
		}
		eventually(t, "the socket is full", func() bool { return s.Blocked() == 1 })
		for range 50 { // pongs come between readings, not within them
			c.send(ping("between"))
		}
		d, l, err := tally(&raw{t: t, nc: c.nc, br: c.br}, n, func(int) {})
		if err != nil || d != n || l != 0 {
			t.Errorf("delivered %d, dropped %d of %d, %v", d, l, n, err)
		}
	})
}

// TestManyConnections: every subscriber gets every reading of many publishers.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	const peers, publishers, each = 80, 10, 20
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader}, node.Options{Rate: -1})
		conns := make([]*raw, peers)
		for i := range conns {
			conns[i] = s.dial()
			conns[i].say(`{"op":"sub","id":1,"topic":"sensors/#","opts":{"from":false}}`)
			conns[i].message(`"op":"ok"`)
		}
		var wg sync.WaitGroup
		for i, c := range conns {
			wg.Go(func() {
				if i < publishers {
					for k := range each {
						c.say(`{"op":"pub","topic":"sensors/%d","data":"%d"}`, i, k+1)
					}
				}
				want := publishers * each
				if i < publishers {
					want -= each
				}
				last := make(map[any]uint64)
				for got := 0; got < want; {
					g, err := c.next()
					if err == nil && g.op == opPing {
						_, err = c.nc.Write(clientFrame(true, 0, opPong, nil))
					}
					var m reading
					if err == nil && g.op == opText {
						err = json.Unmarshal(g.payload, &m)
					}
					if err != nil {
						t.Errorf("peer %d after %d readings: %v", i, got, err)
						return
					}
					if m.Op != "msg" {
						continue
					}
					if m.Seq != last[m.Topic]+1 || m.Data != fmt.Sprint(m.Seq) {
						t.Errorf("peer %d: %+v after %d", i, m, last[m.Topic])
						return
					}
					last[m.Topic] = m.Seq
					got++
				}
			})
		}
		wg.Wait()
	})
}

// TestMuchToReadHoldsNobodyUp: sessions with a long backlog, each reading of which
// takes a while to encode, do not keep the loops from others.
func TestMuchToReadHoldsNobodyUp(t *testing.T) {
	eachToy(t, func(t *testing.T, way, reader string) {
		s := serveToy(t, options{Reader: reader}, node.Options{TopicCap: 16 << 20})
		src := s.source()
		defer src.close()
		const readings = 6000
		for i := range readings {
			src.pub("backlog", `"%2000d"`, i)
		}
		hello := func(p *toyPeer) {
			if err := p.write(toyPacket("hello")); err != nil {
				t.Fatal(err)
			}
			p.wantPacket("hello")
		}
		var slow, others []*toyPeer
		for range 4 {
			p := s.toy(way, net.Dialer{})
			hello(p) // TLS has shaken hands
			others = append(others, p)
		}
		for range 4 {
			p := s.toy(way, net.Dialer{})
			if err := p.write(toyPacket("slow backlog")); err != nil {
				t.Fatal(err)
			}
			slow = append(slow, p)
		}
		for _, p := range slow {
			p.wantPacket(fmt.Sprintf(`"%2000d"`, 0)) // it is at it
		}
		before := s.slow.Load()
		for _, p := range others {
			hello(p)
		}
		if n := s.slow.Load() - before; n > readings/2 {
			t.Errorf("others were answered after %d readings of a backlog", n)
		}
		for _, p := range slow {
			_ = p.nc.Close()
		}
	})
}
