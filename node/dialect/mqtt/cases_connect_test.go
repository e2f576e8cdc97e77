package mqtt

import (
	"time"

	"topicd/node/dialect/mqtt/packet"
)

var connectCases = []kase{
	{clause: "3.1.0-1", says: "the first packet is a CONNECT", do: func(x *run) {
		p := x.dial()
		p.raw("c000")
		p.closed()
	}},
	{clause: "3.1.0-2", says: "a second CONNECT ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.write((&packet.Connect{Version: x.v, CleanStart: true, ClientID: x.n("a")}).Append(nil))
		p.closed(packet.ProtocolError)
	}},
	{clause: "3.1.2-1", says: "another protocol name is refused", do: func(x *run) {
		p := x.dial()
		p.raw("10 0d 0004 4d515458 04 02 003c 0001 63")
		if b := p.read(); b != nil && packet.TypeOf(b) != packet.CONNACK {
			x.Fatalf("%x", b)
		}
	}},
	{clause: "3.1.2-2", says: "a version that is not known is told by code 1", only: 4, do: func(x *run) {
		p := x.dial()
		p.raw("10 0d 0004 4d515454 07 02 003c 0001 63")
		b := p.read()
		if b == nil || packet.TypeOf(b) != packet.CONNACK || b[3] != 1 && b[3] != 0x84 {
			x.Fatalf("%x", b)
		}
		p.closed()
	}},
	{clause: "3.1.2-3", says: "the reserved flag ends the connection", do: func(x *run) {
		p := x.dial()
		p.raw("10 0d 0004 4d515454 04 03 003c 0001 63")
		p.refused()
	}},
	{clause: "3.1.2-12", says: "a will of QoS 3 ends the connection", do: func(x *run) {
		p := x.dial()
		p.raw("10 13 0004 4d515454 04 1e 003c 0001 63 0001 77 0001 78")
		p.refused()
	}},
	{clause: "3.1.2-11", says: "will flags without a will end the connection", not: "mosquitto: it takes them", do: func(x *run) {
		p := x.dial()
		p.raw("10 0d 0004 4d515454 04 22 003c 0001 63")
		p.refused()
	}},
	{clause: "3.1.3", says: "a CONNECT that is cut ends the connection", do: func(x *run) {
		p := x.dial()
		p.raw("10 0c 0004 4d515454 04 02 003c 0005")
		p.refused()
	}},
	{clause: "1.5.4-1", says: "a client id that is not UTF-8 ends the connection", do: func(x *run) {
		p := x.dial()
		p.raw("10 0e 0004 4d515454 04 02 003c 0002 c328")
		p.refused()
	}},
	{clause: "2.1.3-1", says: "reserved flags of a head end the connection", do: func(x *run) {
		p := x.connect("a")
		p.raw("c100")
		p.closed(packet.Malformed, packet.ProtocolError)
	}, not: "mosquitto: it takes them"},
	{clause: "2.1.2", says: "packet type 0 ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.raw("0000")
		p.closed(packet.Malformed, packet.ProtocolError)
	}},
	{clause: "1.5.5", says: "a length of five bytes ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.raw("30 ff ff ff ff 01")
		p.closed(packet.Malformed)
	}},
	{clause: "3.2.2-1", says: "a clean start has no session, CONNACK comes first", do: func(x *run) {
		p := x.connect("a")
		if p.ack.SessionPresent {
			x.Fatal("session present")
		}
		p.quiet()
	}},
	{clause: "3.1.4-6", says: "packets right behind CONNECT are handled", do: func(x *run) {
		p := x.dial()
		c := packet.Connect{Version: x.v, CleanStart: true, ClientID: x.n("a")}
		s := packet.Subscribe{ID: 7, Filters: packet.Filters(nil).Append(packet.Filter{Filter: x.n("t"), QoS: 1})}
		q := packet.Publish{Topic: x.n("t"), Payload: []byte("x")}
		p.write(q.Append(s.Append(c.Append(nil), x.v), x.v))
		if b := p.read(); b == nil || packet.TypeOf(b) != packet.CONNACK {
			x.Fatalf("%x", b)
		}
		p.want("SUBACK 7 01")
		p.want("q0 t x")
	}},
	{clause: "3.1.3-6", says: "an empty client id is given a name", do: func(x *run) {
		a, b := x.connect("", noID), x.connect("", noID)
		if x.v == packet.V5 && len(a.ack.Props.Val(packet.AssignedClientID)) == 0 {
			x.Fatal("no assigned client identifier") // 3.1.3-7
		}
		a.quiet()
		b.quiet()
	}},
	{clause: "3.1.1 3.1.3-8", says: "an empty client id without clean session is refused with code 2", only: 4, do: func(x *run) {
		p := x.dial()
		if code := p.hello("", noID, keepState); code != 2 {
			x.Fatal(code)
		}
		p.closed()
	}},
	{clause: "3.1.4-3", says: "a second connection of a client ends the first", do: func(x *run) {
		a := x.connect("a")
		b := x.connect("a")
		a.closed(packet.TakenOver)
		b.quiet()
	}},
	{clause: "3.1.2-22", says: "silence of one and a half keep alives ends the connection", do: func(x *run) {
		began := time.Now()
		p := x.connect("a", keepAlive(1))
		p.closed(packet.KeepAliveTimeout)
		if d := time.Since(began); d < time.Second {
			x.Fatal(d)
		}
	}},
	{clause: "3.1.2-23", says: "any packet keeps alive", alone: true, do: func(x *run) {
		p := x.connect("a", keepAlive(uint16(x.seconds(4))))
		for range 5 {
			x.pass(1500 * time.Millisecond)
			p.quiet()
		}
	}},
	{clause: "3.12.4-1", says: "PINGREQ is answered", do: func(x *run) { x.connect("a").quiet() }},
	{clause: "3.14.4-1", says: "DISCONNECT ends the connection", do: func(x *run) { x.connect("a").bye() }},
	{clause: "3.14.4-2", says: "nothing counts behind a DISCONNECT", do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "t")
		p := x.connect("a")
		q := packet.Publish{Topic: x.n("t"), Payload: []byte("x")}
		p.write(q.Append([]byte{0xe0, 0}, x.v))
		p.closed()
		s.quiet()
	}},
	{clause: "2.1.4", says: "packets come in pieces of one byte", do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "t")
		p := x.connect("a")
		q := packet.Publish{Topic: x.n("t"), Payload: make([]byte, 200)}
		for _, c := range q.Append(nil, x.v) {
			p.write([]byte{c})
		}
		s.want("q0 t [200 bytes]")
	}},
	{clause: "3.13", says: "a client that sends what only a server may is cut", do: func(x *run) {
		p := x.connect("a")
		p.raw("d000")
		p.closed(packet.ProtocolError, packet.Malformed)
	}, not: "mosquitto: it takes a PINGRESP"},
	{clause: "3.2", says: "a CONNACK from a client ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.write((&packet.Connack{}).Append(nil, x.v))
		p.closed(packet.ProtocolError, packet.Malformed)
	}},
}

// refused: the connection ends, at most with a CONNACK that says no.
func (p *peer) refused() {
	p.x.Helper()
	b := p.read()
	if b != nil && packet.TypeOf(b) == packet.CONNACK && b[3] != 0 {
		b = p.read()
	}
	if b != nil {
		p.x.Fatalf("not refused: %x", b)
	}
}

// wordCases: what wrong packets get once connected.
var wordCases = []kase{
	{clause: "3.3.2-2", says: "a wildcard in a topic name ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.write((&packet.Publish{Topic: x.n("a/+"), QoS: 0}).Append(nil, x.v))
		p.closed(packet.BadTopic, packet.Malformed, packet.ProtocolError)
	}},
	{clause: "4.7.3-1", says: "an empty topic name ends the connection", only: 4, do: func(x *run) {
		p := x.connect("a")
		p.raw("30 03 0000 78")
		p.closed()
	}},
	{clause: "1.5.4-2", says: "NUL in a topic name ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.write((&packet.Publish{Topic: x.n("a\x00")}).Append(nil, x.v))
		p.closed(packet.Malformed)
	}},
	{clause: "1.5.4-1", says: "a topic name that is not UTF-8 ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.write((&packet.Publish{Topic: x.n("a\xc3\x28")}).Append(nil, x.v))
		p.closed(packet.Malformed)
	}},
	{clause: "3.3.1-4", says: "QoS 3 ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.raw("36 06 0001 61 0001 00")
		p.closed(packet.Malformed)
	}},
	{clause: "2.2.1-3", says: "a PUBLISH of identifier 0 ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.raw("32 06 0001 61 0000 00")
		p.closed(packet.ProtocolError, packet.Malformed)
	}},
	{clause: "2.2.1-3", says: "a SUBSCRIBE of identifier 0 ends the connection", do: func(x *run) {
		p := x.connect("a")
		if x.v == packet.V5 {
			p.raw("82 07 0000 00 0001 61 00")
		} else {
			p.raw("82 06 0000 0001 61 00")
		}
		p.closed(packet.ProtocolError, packet.Malformed)
	}},
	{clause: "3.8.3-2", says: "a SUBSCRIBE of nothing ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.subscribe(nil)
		p.closed(packet.ProtocolError, packet.Malformed)
	}},
	{clause: "3.8.1-1", says: "a SUBSCRIBE with other flags ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.raw("80 06 0001 0001 61 00")
		p.closed(packet.Malformed)
	}},
	{clause: "3.8.3-5", says: "reserved bits of a subscription end the connection", do: func(x *run) {
		p := x.connect("a")
		if x.v == packet.V5 {
			p.raw("82 07 0001 00 0001 61 c0")
		} else {
			p.raw("82 06 0001 0001 61 44")
		}
		p.closed(packet.Malformed, packet.ProtocolError)
	}},
	{clause: "3.10.3-2", says: "an UNSUBSCRIBE of nothing ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.write((&packet.Unsubscribe{ID: 8}).Append(nil, x.v))
		p.closed(packet.ProtocolError, packet.Malformed)
	}},
	{clause: "3.6.1-1", says: "a PUBREL with other flags ends the connection", do: func(x *run) {
		p := x.connect("a")
		p.raw("60 02 0001")
		p.closed(packet.Malformed)
	}},
	{clause: "3.15", says: "AUTH ends the connection where none was begun", only: 5, do: func(x *run) {
		p := x.connect("a")
		p.write((&packet.End{Type: packet.AUTH, Reason: packet.Reauthenticate, Props: packet.Props(nil).AppendVal(packet.AuthMethod, []byte("x"))}).Append(nil, x.v))
		p.closed(packet.ProtocolError)
	}},
	{clause: "3.1.2.11.9", says: "an authentication method that is not known is refused", only: 5, do: func(x *run) {
		p := x.dial()
		code := p.hello("a", func(c *packet.Connect) { c.Props = c.Props.AppendVal(packet.AuthMethod, []byte("x")) })
		if packet.Reason(code) != packet.BadAuthMethod {
			x.Fatal(packet.Reason(code))
		}
		p.closed()
	}},
	{clause: "4.7.1-1", says: "a filter that is none is refused", do: func(x *run) {
		for _, f := range []string{"a/#/b", "a#", "+a"} {
			p := x.connect("a")
			p.subscribe(nil, packet.Filter{Filter: x.n(f)})
			b := p.read()
			if b == nil || packet.TypeOf(b) == packet.DISCONNECT {
				continue
			}
			if d := p.describe(b); d != "SUBACK 7 80" && d != "SUBACK 7 8f" {
				x.Fatal(f, d)
			}
		}
	}},
}
