package mqtt

import (
	"fmt"
	"strings"

	"topicd/node/dialect/mqtt/packet"
)

var publishCases = []kase{
	{clause: "3.3", says: "a publish reaches who subscribed, and nobody else", do: func(x *run) {
		s, o, p := x.connect("s"), x.connect("o"), x.connect("p")
		s.sub(0, "t")
		o.sub(0, "u")
		p.pub(0, "t", "21.5")
		s.want("q0 t 21.5")
		o.quiet()
		p.quiet()
	}},
	{clause: "3.3.3", says: "any bytes arrive as they came", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(1, "t")
		for _, b := range []string{"", " 21.50 ", `{"a": 1, "b":[true , null]}`, `"text"`, "text", "ä\n", "\x00\x01\xff", "1e999", `{"a":1,"a":2}`, "{", "-", "0x12", "\"\\ud800\"", strings.Repeat("[", 40),
			"NaN", "01", "\xef\xbb\xbf1", "true", "null ", strings.Repeat("x", 30_000), "\x18\x01", "`a`"} {
			p.pub(1, "t", b)
			s.take("q1 t " + short([]byte(b)))
		}
	}},
	{clause: "3.3.3", says: "an empty payload that is not retained is delivered", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(0, "cmnd/POWER")
		p.pub(0, "cmnd/POWER", "")
		s.want("q0 cmnd/POWER ")
	}},
	{clause: "3.3.1-5", says: "a newcomer gets the retained message, with RETAIN", do: func(x *run) {
		p := x.connect("p")
		p.pub(1, "t", "1", retain)
		p.pub(1, "t", "2", retain)
		for _, f := range []string{"t", "+", "#"} {
			s := x.connect("s")
			s.sub(1, f)
			s.take("q1 t 2 retain")
			s.quiet()
		}
	}},
	{clause: "3.3.1-8", says: "who was there gets it without RETAIN", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(0, "t")
		p.pub(0, "t", "1", retain)
		s.want("q0 t 1")
	}},
	{clause: "3.3.1-6", says: "an empty retained message ends the retained one", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(0, "t")
		p.pub(0, "t", "1", retain)
		p.pub(0, "t", "", retain)
		s.want("q0 t 1")
		s.want("q0 t ")
		n := x.connect("n")
		n.sub(0, "t")
		n.quiet()
	}},
	{clause: "3.3.1-8", says: "what is not retained does not replace what is", do: func(x *run) {
		p := x.connect("p")
		p.pub(0, "t", "kept", retain)
		for i := range 20 {
			p.pub(0, "t", fmt.Sprint("live ", i))
		}
		n := x.connect("n")
		n.sub(0, "t")
		n.want("q0 t kept retain")
		n.quiet()
	}},
	{clause: "3.3.1-8", says: "what was not retained does not reach newcomers", do: func(x *run) {
		p, n := x.connect("p"), x.connect("n")
		p.pub(1, "t", "live")
		n.sub(1, "t")
		n.quiet()
	}},
	{clause: "3.3.1-5", says: "many retained messages reach a newcomer", do: func(x *run) {
		p := x.connect("p")
		var want []string
		for i := range 50 {
			p.pub(0, fmt.Sprintf("m/%d", i), "v", retain)
			want = append(want, fmt.Sprintf("q0 m/%d v retain", i))
		}
		n := x.connect("n")
		n.sub(0, "m/#")
		n.wantSet(want...)
		n.quiet()
	}},
	{clause: "3.3.5-1", says: "overlapping subscriptions deliver at the highest QoS", not: "mosquitto: in 3.1.1 the first one found counts", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(2, "a/#")
		s.sub(0, "a/+")
		s.sub(1, "a/b")
		p.pub(2, "a/b", "x")
		// once at the highest, or once for each
		b := s.read()
		best := s.describe(b)
		first := best
		for range 3 {
			if best[:2] == "q2" {
				break
			}
			best = s.describe(s.read())
		}
		if best != "q2 a/b x" {
			x.Fatal(first, best)
		}
	}},
	{clause: "3.3.4-9", says: "a long name", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		name := strings.Repeat("level/", 40) + strings.Repeat("ä", 300)
		s.sub(0, name)
		p.pub(0, name, "x")
		s.want("q0 " + name + " x")
	}},
	{clause: "3.3", says: "half a megabyte, retained", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(1, "camera")
		b := strings.Repeat("\xff\xd8jpeg\x00", 75_000)
		p.pub(1, "camera", b, retain)
		s.take(fmt.Sprintf("q1 camera [%d bytes]", len(b)))
		n := x.connect("n")
		n.sub(0, "camera")
		n.want(fmt.Sprintf("q0 camera [%d bytes] retain", len(b)))
	}},
	{clause: "4.6", says: "order is kept", do: func(x *run) {
		for q := range byte(3) {
			s, p := x.connect("s"), x.connect("p")
			s.sub(q, "t")
			var b []byte
			for i := range 50 {
				b = (&packet.Publish{Topic: x.n("t"), Payload: fmt.Append(nil, i), QoS: min(q, 1), ID: uint16(i + 1)}).Append(b, x.v)
			}
			p.write(b)
			for i := range 50 {
				if q > 0 {
					p.want(fmt.Sprintf("PUBACK %d", i+1))
				}
				s.take(fmt.Sprintf("q%d t %d", min(q, 1), i))
			}
		}
	}},
	{clause: "3.3.1-3", says: "DUP of a publisher is not handed on", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(1, "t")
		p.pub(1, "t", "x", func(q *packet.Publish) { q.Dup = true })
		s.take("q1 t x")
	}},
}

var qosCases = []kase{
	{clause: "3.8.4-8", says: "the lower of two QoS is delivered", do: func(x *run) {
		p := x.connect("p")
		for sub := range byte(3) {
			s := x.connect("s")
			s.sub(sub, "t")
			for pub := range byte(3) {
				p.pub(pub, "t", "x")
				s.take(fmt.Sprintf("q%d t x", min(sub, pub)))
			}
		}
	}},
	{clause: "4.3.3-10", says: "a QoS 2 message sent twice is delivered once", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(2, "t")
		q := packet.Publish{Topic: x.n("t"), Payload: []byte("x"), QoS: 2, ID: 5}
		p.write(q.Append(nil, x.v))
		p.want("PUBREC 5")
		q.Dup = true
		p.write(q.Append(nil, x.v))
		p.want("PUBREC 5")
		p.answer(packet.PUBREL, 5)
		p.want("PUBCOMP 5")
		s.take("q2 t x")
		s.quiet()
	}},
	{clause: "4.3.3-12", says: "the identifier is free after PUBCOMP", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(2, "t")
		p.pub(2, "t", "1")
		p.pub(2, "t", "2")
		s.take("q2 t 1")
		s.take("q2 t 2")
	}},
	{clause: "4.3.3", says: "a PUBREL of nothing is answered", do: func(x *run) {
		p := x.connect("p")
		p.answer(packet.PUBREL, 9)
		if d := p.describe(p.read()); !strings.HasPrefix(d, "PUBCOMP 9") {
			x.Fatal(d)
		}
		p.quiet()
	}},
	{clause: "4.3.2", says: "acknowledgements of nothing do no harm", do: func(x *run) {
		p := x.connect("p")
		p.answer(packet.PUBACK, 9)
		p.answer(packet.PUBCOMP, 9)
		p.quiet()
	}},
	{clause: "4.9", says: "QoS 2 to a reader that answers late", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(2, "t")
		p.pub(2, "t", "1")
		p.pub(2, "t", "2")
		s.want("q2 t 1")
		one := s.id
		s.want("q2 t 2")
		two := s.id
		if one == two {
			x.Fatal("one identifier for two messages")
		}
		s.answer(packet.PUBREC, two)
		s.want(fmt.Sprintf("PUBREL %d", two))
		s.answer(packet.PUBREC, one)
		s.want(fmt.Sprintf("PUBREL %d", one))
		s.answer(packet.PUBCOMP, one)
		s.answer(packet.PUBCOMP, two)
		s.quiet()
	}},
	{clause: "2.2.1", says: "more messages than a window go out as they are acknowledged", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(1, "t")
		for i := range 100 {
			p.pub(1, "t", fmt.Sprint(i))
		}
		for i := range 100 {
			s.take(fmt.Sprintf("q1 t %d", i))
		}
		s.quiet()
	}},
}
