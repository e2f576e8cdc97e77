package mqtt

import (
	"fmt"
	"strings"
	"time"

	"topicd/node/dialect/mqtt/packet"
)

var none packet.Props

var fiveCases = []kase{
	{clause: "3.3.2.3", says: "properties of a message are handed on in order", only: 5, do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(1, "t")
		p.pub(1, "t", "x", with(none.AppendNum(packet.PayloadFormat, 1).AppendVal(packet.ContentType, []byte("text/plain")).AppendVal(packet.ResponseTopic, x.n("re")).
			AppendVal(packet.CorrelationData, []byte("42")).AppendUser("b", "1").AppendUser("a", "2").AppendUser("b", "3")))
		b := s.read()
		d := s.describe(b)
		for _, part := range []string{"q1 t x", " 1=1", " 3=text/plain", " 8=re", " 9=42", " b:1 a:2 b:3"} {
			if !strings.Contains(d, part) {
				x.Fatal(d)
			}
		}
	}},
	{clause: "3.3.2.3", says: "properties of a retained message are kept", only: 5, do: func(x *run) {
		p := x.connect("p")
		p.pub(1, "t", "x", retain, with(none.AppendUser("a", "1")))
		n := x.connect("n")
		n.sub(0, "t")
		n.want("q0 t x retain a:1")
	}},
	{clause: "3.3.2.3", says: "a client of 3.1.1 gets them without properties", only: 5, do: func(x *run) {
		p := x.connect("p")
		x4 := *x
		x4.v = packet.V4
		s := x4.connect("s")
		s.sub(1, "t")
		p.pub(1, "t", "x", with(none.AppendUser("a", "1")))
		s.take("q1 t x")
	}},
	{clause: "3.3.2-5", says: "a message that has expired is not delivered", only: 5, do: func(x *run) {
		s, p := x.persistent("s"), x.connect("p")
		s.sub(1, "t")
		s.bye()
		p.pub(1, "t", "short", with(none.AppendNum(packet.MessageExpiry, 1)))
		p.pub(1, "t", "long", with(none.AppendNum(packet.MessageExpiry, 1000)))
		p.pub(1, "r", "short", retain, with(none.AppendNum(packet.MessageExpiry, 1)))
		time.Sleep(2100 * time.Millisecond) // the messages' own time
		s = x.persistent("s")
		b := s.read()
		d := s.describe(b)
		var left int
		if _, err := fmt.Sscanf(d, "q1 t long 2=%d", &left); err != nil || left > 998 || left < 900 {
			x.Fatal(d) // 3.3.2-6: less what it has waited
		}
		s.answer(packet.PUBACK, s.id)
		s.sub(1, "r")
		s.quiet()
	}},
	{clause: "3.3.4-3", says: "subscription identifiers come with the message", only: 5, do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.subscribe(none.AppendNum(packet.SubscriptionID, 300), packet.Filter{Filter: x.n("t"), QoS: 1})
		s.want("SUBACK 7 01")
		p.pub(1, "t", "x")
		s.take("q1 t x 11=300")
		s.subscribe(none.AppendNum(packet.SubscriptionID, 1), packet.Filter{Filter: x.n("t"), QoS: 0}) // 3.8.4-3
		s.want("SUBACK 7 00")
		p.pub(1, "t", "y")
		s.want("q0 t y 11=1")
	}},
	{clause: "3.3.4-3", says: "overlapping subscriptions bring each identifier", only: 5, do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.subscribe(none.AppendNum(packet.SubscriptionID, 1), packet.Filter{Filter: x.n("t/#")})
		s.want("SUBACK 7 00")
		s.subscribe(none.AppendNum(packet.SubscriptionID, 2), packet.Filter{Filter: x.n("t/a")})
		s.want("SUBACK 7 00")
		p.pub(0, "t/a", "x")
		d := s.describe(s.read())
		if !strings.Contains(d, " 11=1 11=2") && !strings.Contains(d, " 11=2 11=1") {
			d += " " + s.describe(s.read())
		}
		if !strings.Contains(d, "11=1") || !strings.Contains(d, "11=2") {
			x.Fatal(d)
		}
	}},
	{clause: "3.8.3-3", says: "no local", only: 5, do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.subscribe(nil, packet.Filter{Filter: x.n("t"), QoS: 1, NoLocal: true})
		s.want("SUBACK 7 01")
		s.pub(1, "t", "own")
		p.pub(1, "t", "other")
		s.take("q1 t other")
		s.quiet()
	}},
	{clause: "3.8.3", says: "without no local the own messages come back", do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "t")
		s.write((&packet.Publish{Topic: x.n("t"), Payload: []byte("own")}).Append(nil, x.v))
		s.want("q0 t own")
	}},
	{clause: "3.3.1-12", says: "retain as published", only: 5, do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.subscribe(nil, packet.Filter{Filter: x.n("t"), AsPublished: true})
		s.want("SUBACK 7 00")
		p.pub(0, "t", "1", retain)
		p.pub(0, "t", "2")
		s.want("q0 t 1 retain")
		s.want("q0 t 2")
	}},
	{clause: "3.3.1-9", says: "retain handling", only: 5, do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		p.pub(0, "t", "r", retain)
		for i, want := range []bool{true, true, false, false} {
			s.subscribe(nil, packet.Filter{Filter: x.n("t"), RetainHandling: []byte{1, 0, 1, 2}[i]})
			s.want("SUBACK 7 00")
			if want {
				s.want("q0 t r retain")
			}
			s.quiet()
		}
		n := x.connect("n")
		n.subscribe(nil, packet.Filter{Filter: x.n("t"), RetainHandling: 2})
		n.want("SUBACK 7 00")
		n.quiet()
	}},
	{clause: "3.3.4-9", says: "no more unacknowledged messages than the client's receive maximum", only: 5, do: func(x *run) {
		s, p := x.connect("s", num(packet.ReceiveMaximum, 2)), x.connect("p")
		s.sub(2, "t")
		for i := range 5 {
			p.pub(byte(1+i%2), "t", fmt.Sprint(i))
		}
		s.want("q1 t 0")
		first := s.id
		s.want("q2 t 1")
		second := s.id
		s.quiet()
		s.answer(packet.PUBREC, second)
		s.want(fmt.Sprintf("PUBREL %d", second))
		s.quiet() // PUBREC frees nothing
		s.answer(packet.PUBACK, first)
		s.take("q1 t 2")
		s.answer(packet.PUBCOMP, second)
		s.take("q2 t 3")
		s.take("q1 t 4")
		s.quiet()
	}},
	{clause: "3.3.4-7", says: "QoS 0 does not wait for acknowledgements", only: 5, do: func(x *run) {
		s, p := x.connect("s", num(packet.ReceiveMaximum, 1)), x.connect("p")
		s.sub(1, "t")
		s.sub(0, "u")
		p.pub(1, "t", "1")
		p.pub(1, "t", "2")
		s.want("q1 t 1")
		id := s.id
		p.pub(0, "u", "x")
		s.want("q0 u x")
		s.answer(packet.PUBACK, id)
		s.take("q1 t 2")
	}},
	{clause: "3.3.4-9", says: "more than the server's receive maximum ends the connection", only: 5, not: "mosquitto: it answers quota exceeded", do: func(x *run) {
		p := x.connect("p")
		most := p.ack.Props.Num(packet.ReceiveMaximum, 65535)
		if most > 2000 {
			x.Skip("it says none")
		}
		var b []byte
		for i := range most + 1 {
			b = (&packet.Publish{Topic: x.n("t"), QoS: 2, ID: uint16(i + 1)}).Append(b, x.v)
		}
		p.write(b)
		for range most {
			if b := p.read(); b == nil || packet.TypeOf(b) != packet.PUBREC {
				break
			}
		}
		p.closed(packet.TooManyInFlight)
	}},
	{clause: "3.1.2-24", says: "nothing larger than the client's maximum packet size", only: 5, do: func(x *run) {
		s, p := x.connect("s", num(packet.MaximumPacketSize, 100)), x.connect("p")
		s.sub(1, "t")
		p.pub(1, "t", strings.Repeat("x", 200))
		p.pub(1, "t", "small")
		s.take("q1 t small")
	}},
	{clause: "3.2.2.3.6", says: "more than the server's maximum packet size ends the connection", only: 5, do: func(x *run) {
		p := x.connect("p")
		most := p.ack.Props.Num(packet.MaximumPacketSize, 0)
		if most == 0 {
			x.Fatal("it says none")
		}
		b := appendLength([]byte{0x30}, most)
		p.write(append(b, 0, 1, 'a', 0))
		p.closed(packet.TooLarge)
	}},
	{clause: "3.2.2-15", says: "a packet as large as the maximum is taken", only: 5, do: func(x *run) {
		p := x.connect("p")
		most := int(p.ack.Props.Num(packet.MaximumPacketSize, 0))
		q := packet.Publish{Topic: x.n("t"), QoS: 1, ID: 1}
		q.Payload = make([]byte, most)
		q.Payload = q.Payload[:most-(q.Size(x.v)-most)]
		p.write(q.Append(nil, x.v))
		p.want("PUBACK 1")
	}},
	{clause: "4.10", says: "a request and its response", only: 5, do: func(x *run) {
		a, b := x.connect("a"), x.connect("b")
		a.sub(1, "re/a")
		b.sub(1, "ask")
		a.pub(1, "ask", "?", with(none.AppendVal(packet.ResponseTopic, x.n("re/a")).AppendVal(packet.CorrelationData, []byte{1, 2})))
		b.take("q1 ask ? 8=re/a 9=\x01\x02")
		b.pub(1, "re/a", "!", with(none.AppendVal(packet.CorrelationData, []byte{1, 2})))
		a.take("q1 re/a ! 9=\x01\x02")
	}},
	{clause: "3.3.4-6", says: "a subscription identifier from a client ends the connection", only: 5, not: "mosquitto: it takes it", do: func(x *run) {
		p := x.connect("p")
		p.write((&packet.Publish{Topic: x.n("t"), Props: none.AppendNum(packet.SubscriptionID, 1)}).Append(nil, x.v))
		p.closed(packet.ProtocolError, packet.Malformed)
	}},
	{clause: "2.2.2", says: "a property that stands there twice ends the connection", only: 5, do: func(x *run) {
		p := x.connect("p")
		p.write((&packet.Publish{Topic: x.n("t"), Props: none.AppendNum(packet.PayloadFormat, 1).AppendNum(packet.PayloadFormat, 1)}).Append(nil, x.v))
		p.closed(packet.ProtocolError, packet.Malformed)
	}},
	{clause: "2.2.2", says: "a property of another packet ends the connection", only: 5, do: func(x *run) {
		p := x.connect("p")
		p.write((&packet.Publish{Topic: x.n("t"), Props: none.AppendNum(packet.SessionExpiry, 1)}).Append(nil, x.v))
		p.closed(packet.ProtocolError, packet.Malformed)
	}},
	{clause: "3.4.2.1", says: "a publish that nobody hears is acknowledged", only: 5, do: func(x *run) {
		p := x.connect("p")
		p.write((&packet.Publish{Topic: x.n("t"), QoS: 1, ID: 1}).Append(nil, x.v))
		var a packet.Ack
		if err := a.Decode(p.read(), x.v); err != nil || a.Reason.Failed() {
			x.Fatal(err, a.Reason)
		}
	}},
	{clause: "3.2.2.3", says: "CONNACK tells what is limited", only: 5, do: func(x *run) {
		p := x.connect("p")
		for v := range p.ack.Props.All {
			switch v.ID {
			case packet.MaximumQoS, packet.RetainAvailable, packet.WildcardAvailable, packet.SubIDAvailable, packet.SharedAvailable:
				if v.Num == 0 {
					x.Fatal("not available: ", v.ID)
				}
			}
		}
	}},
}

// appendLength appends a variable byte integer.
func appendLength(b []byte, n uint32) []byte {
	for ; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}

func alias(n uint32) func(*packet.Publish) {
	return func(q *packet.Publish) { q.Props = q.Props.AppendNum(packet.TopicAlias, n) }
}
func noTopic(q *packet.Publish) { q.Topic = nil }

var aliasCases = []kase{
	{clause: "3.3.2-12", says: "a topic alias stands for its topic, and can be given another", only: 5, do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		if p.ack.Props.Num(packet.TopicAliasMaximum, 0) < 2 {
			x.Fatal("no aliases")
		}
		s.sub(0, "#")
		say := func(topic, want string, o ...func(*packet.Publish)) {
			p.pub(0, topic, want[2:], o...)
			s.want("q0 " + want)
		}
		say("a", "a 1", alias(1))
		say("", "a 2", noTopic, alias(1))
		say("b", "b 3", alias(1))
		say("", "b 4", noTopic, alias(1))
		say("c", "c 5", alias(2))
		say("", "b 6", noTopic, alias(1))
	}},
	{clause: "3.3.2-8", says: "alias 0 ends the connection", only: 5, do: func(x *run) {
		p := x.connect("p")
		p.write((&packet.Publish{Topic: x.n("t"), Props: none.AppendNum(packet.TopicAlias, 0)}).Append(nil, x.v))
		p.closed(packet.BadAlias, packet.ProtocolError, packet.Malformed)
	}},
	{clause: "3.3.2-9", says: "an alias above the maximum ends the connection", only: 5, do: func(x *run) {
		p := x.connect("p")
		p.write((&packet.Publish{Topic: x.n("t"), Props: none.AppendNum(packet.TopicAlias, 65535)}).Append(nil, x.v))
		p.closed(packet.BadAlias)
	}},
	{clause: "3.3.2.3.4", says: "an alias that was never given ends the connection", only: 5, do: func(x *run) {
		p := x.connect("p")
		p.write((&packet.Publish{Props: none.AppendNum(packet.TopicAlias, 1)}).Append(nil, x.v))
		p.closed(packet.BadAlias, packet.ProtocolError)
	}},
	{clause: "3.3.2-7", says: "aliases end with their connection", only: 5, do: func(x *run) {
		p := x.persistent("p")
		p.pub(0, "a", "1", alias(1))
		p.bye()
		p = x.persistent("p")
		p.write((&packet.Publish{Props: none.AppendNum(packet.TopicAlias, 1)}).Append(nil, x.v))
		p.closed(packet.BadAlias, packet.ProtocolError)
	}},
	{clause: "3.1.2-26", says: "aliases to a client stay below its maximum", only: 5, do: func(x *run) {
		s, p := x.connect("s", num(packet.TopicAliasMaximum, 2)), x.connect("p")
		s.sub(0, "#")
		names := map[uint32]string{}
		for i := range 12 {
			p.pub(0, fmt.Sprint("n", i%4), fmt.Sprint(i))
			var q packet.Publish
			if err := q.Decode(s.read(), x.v); err != nil {
				x.Fatal(err)
			}
			if q.Alias > 2 {
				x.Fatal(q.Alias)
			}
			name := strings.TrimPrefix(string(q.Topic), x.ns)
			if name == "" {
				name = names[uint32(q.Alias)]
			} else if q.Alias > 0 {
				names[uint32(q.Alias)] = name
			}
			if name != fmt.Sprint("n", i%4) || string(q.Payload) != fmt.Sprint(i) {
				x.Fatal(i, name, string(q.Payload))
			}
		}
	}},
}

var sharedCases = []kase{
	{clause: "4.8.2", says: "members of a share take turns, each message goes to one", do: func(x *run) {
		a, b, p := x.connect("a"), x.connect("b"), x.connect("p")
		for _, m := range []*peer{a, b} {
			m.subscribe(nil, packet.Filter{Filter: x.filter("$share/g/t/#"), QoS: 1})
			m.want("SUBACK 7 01")
		}
		for i := range 20 {
			p.pub(1, fmt.Sprint("t/", i%3), fmt.Sprint(i))
		}
		seen := map[string]int{}
		for _, m := range []*peer{a, b} {
			m.write([]byte{0xc0, 0})
			n := 0
			for {
				pkt := m.read()
				if packet.TypeOf(pkt) == packet.PINGRESP {
					break
				}
				var q packet.Publish
				if err := q.Decode(pkt, x.v); err != nil {
					x.Fatal(err)
				}
				seen[string(q.Payload)]++
				n++
				m.answer(packet.PUBACK, q.ID)
			}
			if n < 5 {
				x.Errorf("one member got %d of 20", n)
			}
		}
		for i := range 20 {
			if seen[fmt.Sprint(i)] != 1 {
				x.Errorf("%d came %d times", i, seen[fmt.Sprint(i)])
			}
		}
	}},
	{clause: "4.8.2", says: "a share stands beside an ordinary subscription", only: 5, do: func(x *run) {
		a, p := x.connect("a"), x.connect("p")
		a.subscribe(nil, packet.Filter{Filter: x.filter("$share/g/t")}, packet.Filter{Filter: x.n("t")})
		a.want("SUBACK 7 00 00")
		p.pub(0, "t", "x")
		a.want("q0 t x")
		a.want("q0 t x")
		a.quiet()
	}},
	{clause: "3.3.1", says: "no retained message by a share", not: "mosquitto: it sends it", do: func(x *run) {
		p, a := x.connect("p"), x.connect("a")
		p.pub(0, "t", "r", retain)
		a.subscribe(nil, packet.Filter{Filter: x.filter("$share/g/t")})
		a.want("SUBACK 7 00")
		a.quiet()
	}},
	{clause: "4.8.2-5", says: "who leaves a share gets no more, the others all", do: func(x *run) {
		a, b, p := x.connect("a"), x.connect("b"), x.connect("p")
		for _, m := range []*peer{a, b} {
			m.subscribe(nil, packet.Filter{Filter: x.filter("$share/g/t"), QoS: 1})
			m.want("SUBACK 7 01")
		}
		a.unsub(map[packet.Version]string{4: "", 5: " 00"}[x.v], "$share/g/t")
		for i := range 4 {
			p.pub(1, "t", fmt.Sprint(i))
			b.take(fmt.Sprintf("q1 t %d", i))
		}
		a.quiet()
	}},
	{clause: "4.8.2", says: "what a member that ends has not acknowledged another one gets", not: "mosquitto: it forgets it", do: func(x *run) {
		a := x.connect("a")
		a.subscribe(nil, packet.Filter{Filter: x.filter("$share/g/t"), QoS: 1})
		a.want("SUBACK 7 01")
		p := x.connect("p")
		p.pub(1, "t", "1")
		a.take("q1 t 1")
		p.pub(1, "t", "2")
		a.want("q1 t 2")
		p.pub(1, "t", "3")
		a.want("q1 t 3")
		b := x.connect("b")
		b.subscribe(nil, packet.Filter{Filter: x.filter("$share/g/t"), QoS: 1})
		b.want("SUBACK 7 01")
		a.bye()
		b.take("q1 t 2")
		b.take("q1 t 3")
		p.pub(1, "t", "4")
		b.take("q1 t 4")
		b.quiet()
	}},
	{clause: "4.8.2", says: "two shares each get all", do: func(x *run) {
		a, b, p := x.connect("a"), x.connect("b"), x.connect("p")
		a.subscribe(nil, packet.Filter{Filter: x.filter("$share/g/t"), QoS: 1})
		a.want("SUBACK 7 01")
		b.subscribe(nil, packet.Filter{Filter: x.filter("$share/h/t"), QoS: 1})
		b.want("SUBACK 7 01")
		for i := range 3 {
			p.pub(1, "t", fmt.Sprint(i))
			a.take(fmt.Sprintf("q1 t %d", i))
			b.take(fmt.Sprintf("q1 t %d", i))
		}
	}},
	{clause: "3.8.3-4", says: "no local on a share ends the connection", only: 5, not: "mosquitto: it takes it", do: func(x *run) {
		p := x.connect("p")
		p.subscribe(nil, packet.Filter{Filter: x.filter("$share/g/t"), NoLocal: true})
		p.closed(packet.ProtocolError)
	}},
}
