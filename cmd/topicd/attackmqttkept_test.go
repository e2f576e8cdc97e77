package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"topicd/node/dialect/mqtt/packet"
)

// What a hostile peer may have kept, or done over and over, by MQTT.

// mqttPub publishes with QoS 1 and returns the reason of the answer; false: the
// connection has ended.
func (s *siege) mqttPub(c net.Conn, q packet.Publish) (why packet.Reason, ok bool) {
	q.QoS, q.ID = 1, 1
	if _, err := c.Write(q.Append(nil, packet.V5)); err != nil {
		return 0, false
	}
	for {
		switch pkt := s.packet(c); {
		case pkt == nil:
			return 0, false
		case packet.TypeOf(pkt) == packet.PUBACK:
			var a packet.Ack
			if err := a.Decode(pkt, packet.V5); err != nil {
				s.Fatal(err)
			}
			return a.Reason, true
		}
	}
}

// filters are a SUBSCRIBE and the UNSUBSCRIBE of the same.
func filters(n int, name func(i int) string) (sub, unsub []byte) {
	q, u := packet.Subscribe{ID: 7}, packet.Unsubscribe{ID: 8}
	for i := range n {
		f := []byte(name(i))
		q.Filters, u.Filters = q.Filters.Append(packet.Filter{Filter: f}), u.Filters.Append(f)
	}
	return q.Append(nil, packet.V5), u.Append(nil, packet.V5)
}

// during runs n of them side by side, until the attack's time is over.
func (s *siege) during(n int, f func(k int, over func() bool)) {
	end := time.Now().Add(s.lasts())
	var wg sync.WaitGroup
	for k := range n {
		wg.Go(func() { f(k, func() bool { return time.Now().After(end) }) })
	}
	wg.Wait()
}

// manyProps are as many user properties as fit into what is kept of a message.
func manyProps(size int) (p packet.Props) {
	for len(p) < size-16 {
		p = p.AppendUser("k", "v")
	}
	return p.AppendNum(packet.MessageExpiry, 1000)
}

// mqttSlow: a CONNECT a byte at a time is not waited for.
func (s *siege) mqttSlow() {
	q := packet.Connect{Version: packet.V5, ClientID: []byte(strings.Repeat("c", 1000)), KeepAlive: 60}
	b := q.Append(nil)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range 60 {
		c := s.mqtt(fmt.Sprintf("127.0.9.%d", i/30+1), "", 0)
		wg.Go(func() {
			for _, x := range b {
				if _, err := c.Write([]byte{x}); err != nil {
					return
				}
				if time.Sleep(100 * time.Millisecond); !s.full && time.Since(began) > s.lasts() {
					return
				}
			}
		})
	}
	if wg.Wait(); time.Since(began) > 40*time.Second {
		s.Errorf("a CONNECT was waited for for %v", time.Since(began))
	}
}

// mqttRetained: messages of 60 KB to ever more topics, and readers of them all.
func (s *siege) mqttRetained() {
	for i := range 20 {
		c := s.mqtt(fmt.Sprintf("127.0.9.%d", i/10+3), fmt.Sprint("all", i), packet.V5)
		narrow(c)
		sub, _ := filters(1, func(int) string { return "#" })
		_, _ = c.Write(sub)
	}
	s.during(3, func(k int, over func() bool) {
		c := s.mqtt(fmt.Sprintf("127.0.9.%d", k+5), fmt.Sprint("retains", k), packet.V5)
		for i := 0; !over(); i++ {
			q := packet.Publish{Topic: fmt.Appendf(nil, "retained/%d/%d", k, i), Payload: make([]byte, 60_000), Retain: true}
			if i%3 == 0 {
				q.Payload, q.Props = nil, manyProps(60_000)
			}
			if _, ok := s.mqttPub(c, q); !ok {
				return
			}
		}
	})
	s.newcomer("127.0.9.9")
}

// mqttKept: a retained message is kept beside a topic's later readings, and none of
// them makes it go.
func (s *siege) mqttKept() {
	c := s.mqtt("127.0.9.10", "keeps", packet.V5)
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute)) // 36 MB, of which a session may have 16 a second
	for i := range 40 {
		q := packet.Publish{Topic: fmt.Appendf(nil, "kept/%d", i), Payload: make([]byte, 900_000), Retain: true}
		for range 2 {
			if _, ok := s.mqttPub(c, q); !ok {
				s.Fatal("the connection has ended")
			}
			q.Payload, q.Retain = []byte("1"), false
		}
	}
	s.newcomer("127.0.9.11")
}

// mqttWills: each connection leaves a large one behind, at once or for later.
func (s *siege) mqttWills() {
	s.during(4, func(k int, over func() bool) {
		for i := 0; !over(); i++ {
			w := packet.Will{Topic: fmt.Appendf(nil, "will/%d/%d", k, i), Payload: make([]byte, 60_000), Retain: true, QoS: byte(i % 3)}
			for range i % 4 {
				w.Props = w.Props.AppendUser("k", strings.Repeat("v", 60_000))
			}
			if i%2 == 0 {
				w.Props = w.Props.AppendNum(packet.WillDelay, 1000)
			}
			q := packet.Connect{Version: packet.V5, KeepAlive: 60, ClientID: fmt.Appendf(nil, "will%d/%d", k, i), HasWill: true, Will: w}
			q.Props = q.Props.AppendNum(packet.SessionExpiry, 1000)
			c := s.mqtt(fmt.Sprintf("127.0.9.%d", k+20), "", 0)
			if _, err := c.Write(q.Append(nil)); err == nil {
				s.packet(c)
			}
			_ = c.Close()
		}
	})
	s.newcomer("127.0.9.24")
}

// mqttTakeOver: they drive each other out, and say much before they are in.
func (s *siege) mqttTakeOver() {
	var behind []byte
	for range 50 {
		behind = (&packet.Publish{Topic: []byte("one"), Payload: make([]byte, 1000)}).Append(behind, packet.V5)
	}
	s.during(8, func(k int, over func() bool) {
		for !over() {
			q := packet.Connect{Version: packet.V5, KeepAlive: 60, ClientID: []byte("one")}
			q.Props = manyProps(200_000)[:0].AppendUser("k", strings.Repeat("v", 60_000)).AppendNum(packet.SessionExpiry, 1000)
			c := s.mqtt(fmt.Sprintf("127.0.9.%d", k+30), "", 0)
			if _, err := c.Write(append(q.Append(nil), behind...)); err == nil {
				s.packet(c)
			}
			_ = c.Close()
		}
	})
	c := s.mqtt("127.0.9.39", "one", packet.V4)
	if _, ok := s.mqttPub(c, packet.Publish{Topic: []byte("one"), Payload: []byte("1")}); !ok {
		s.Error("the last one is not served")
	}
}

// mqttShares: each asks all topics when it is made.
func (s *siege) mqttShares() {
	c := s.mqtt("127.0.9.80", "many", packet.V5)
	var b []byte
	for i := range 2000 { // with 12,000 in a hub whose readings fill their memory it took 40 MiB, 53 over TLS
		b = (&packet.Publish{Topic: fmt.Appendf(nil, "topics/%d", i), Payload: []byte("1")}).Append(b, packet.V5)
	}
	_, _ = c.Write(b)
	s.mqttPub(c, packet.Publish{Topic: []byte("topics"), Payload: []byte("1")})
	s.during(8, func(k int, over func() bool) {
		c := s.mqtt(fmt.Sprintf("127.0.9.%d", k+40), fmt.Sprint("shares", k), packet.V5)
		_ = c.SetDeadline(time.Now().Add(s.lasts() + time.Second)) // it is left unread until it has paid for them
		sub, unsub := filters(30, func(i int) string { return fmt.Sprintf("$share/%d-%d/+/#", k, i) })
		for !over() {
			if _, err := c.Write(sub); err != nil || s.packet(c) == nil {
				return
			}
			if _, err := c.Write(unsub); err != nil || s.packet(c) == nil {
				return
			}
		}
	})
}

// mqttUnread: answers as long as what is asked, to who does not read them.
func (s *siege) mqttUnread() {
	sub, unsub := filters(60_000, func(i int) string { return string(rune('a' + i%20)) })
	for i := range 60 {
		c := s.mqtt(fmt.Sprintf("127.0.9.%d", i/30+50), fmt.Sprint("unread", i), packet.V5)
		narrow(c)
		go func() {
			for range 10 {
				if _, err := c.Write(sub); err != nil {
					return
				}
				if _, err := c.Write(unsub); err != nil {
					return
				}
			}
		}()
	}
	time.Sleep(s.lasts())
}

// mqttFilters: each of many readers wants each message for 250 reasons, and of each
// message its 10,000 properties.
func (s *siege) mqttFilters() {
	for i := range 60 {
		c := s.mqtt(fmt.Sprintf("127.0.9.%d", i/30+60), fmt.Sprint("filters", i), packet.V5)
		q := packet.Subscribe{ID: 7, Props: packet.Props(nil).AppendNum(packet.SubscriptionID, uint32(i+1))}
		for k := range 250 {
			f := strings.Split("many/a/b/c/d/e/f/g", "/")
			for b := range len(f) - 1 {
				if k>>b&1 != 0 {
					f[b+1] = "+"
				}
			}
			if k&7 == 0 {
				f[7] = "#"
			}
			q.Filters = q.Filters.Append(packet.Filter{Filter: []byte(strings.Join(f, "/")), QoS: byte(i % 2)})
		}
		_, _ = c.Write(q.Append(nil, packet.V5))
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}
	s.during(2, func(k int, over func() bool) {
		c := s.mqtt(fmt.Sprintf("127.0.9.%d", k+62), fmt.Sprint("load", k), packet.V5)
		go func() { _, _ = io.Copy(io.Discard, c) }()
		props := manyProps(60_000)
		for i := 0; !over(); i++ {
			q := packet.Publish{Topic: fmt.Appendf(nil, "many/a/b/c/d/e/f/%d", i%100), Payload: []byte("1")}
			if i%2 == k {
				q.Topic = []byte("many/a/b/c/d/e/f/g")
			}
			if i%50 == 0 {
				q.Props = props
			}
			if _, err := c.Write(q.Append(nil, packet.V5)); err != nil {
				return
			}
		}
	})
}

// mqttAliases: names that are no topics, sixteen for each connection.
func (s *siege) mqttAliases() {
	for i := range 120 {
		c := s.mqtt(fmt.Sprintf("127.0.9.%d", i/30+70), fmt.Sprint("aliases", i), packet.V5)
		for k := range 16 {
			q := packet.Publish{Topic: fmt.Appendf(nil, "$x/%d/%s", i, strings.Repeat("x", 1000)), Payload: []byte("1"), Props: packet.Props(nil).AppendNum(packet.TopicAlias, uint32(k+1))}
			if _, ok := s.mqttPub(c, q); !ok {
				break
			}
		}
	}
}
