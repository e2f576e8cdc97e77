package mqtt

import (
	"fmt"
	"time"

	"topicd/node/dialect/mqtt/packet"
)

var sessionCases = []kase{
	{clause: "3.1.2-5", says: "a session that is kept is present, its subscriptions live", do: func(x *run) {
		s := x.persistent("s")
		if s.ack.SessionPresent {
			x.Fatal("present at first")
		}
		s.sub(1, "t")
		s.bye()
		s = x.persistent("s")
		if !s.ack.SessionPresent {
			x.Fatal("not present")
		}
		x.connect("p").pub(1, "t", "x")
		s.take("q1 t x")
	}},
	{clause: "3.1.2-4", says: "a clean start ends the session that was there", do: func(x *run) {
		s := x.persistent("s")
		s.sub(1, "t")
		s.bye()
		s = x.connect("s")
		if s.ack.SessionPresent {
			x.Fatal("present")
		}
		x.connect("p").pub(1, "t", "x")
		s.quiet()
		s.bye()
		if s = x.persistent("s"); s.ack.SessionPresent {
			x.Fatal("present after the clean one")
		}
	}},
	{clause: "4.1", says: "messages of QoS 1 and 2 wait for a client that is away", do: func(x *run) {
		s := x.persistent("s")
		s.sub(2, "t")
		s.bye()
		p := x.connect("p")
		p.pub(1, "t", "1")
		p.pub(2, "t", "2")
		p.pub(1, "t", "3")
		s = x.persistent("s")
		s.take("q1 t 1")
		s.take("q2 t 2")
		s.take("q1 t 3")
		s.quiet()
		s.bye()
		s = x.persistent("s")
		s.quiet()
	}},
	{clause: "4.4.0-1", says: "a QoS 1 message that was not acknowledged is sent again with DUP and its identifier", do: func(x *run) {
		s := x.persistent("s")
		s.sub(1, "t")
		p := x.connect("p")
		p.pub(1, "t", "1")
		p.pub(1, "t", "2")
		s.want("q1 t 1")
		one := s.id
		s.want("q1 t 2")
		two := s.id
		s.cut()
		s = x.persistent("s")
		s.want("q1 t 1 dup")
		if s.id != one {
			x.Fatal("another identifier")
		}
		s.want("q1 t 2 dup")
		if s.id != two {
			x.Fatal("another identifier")
		}
		s.answer(packet.PUBACK, one)
		s.answer(packet.PUBACK, two)
		s.quiet()
		s.bye()
		x.persistent("s").quiet()
	}},
	{clause: "4.4.0-1", says: "a PUBREL that was not answered is sent again", do: func(x *run) {
		s := x.persistent("s")
		s.sub(2, "t")
		x.connect("p").pub(2, "t", "1")
		s.want("q2 t 1")
		id := s.id
		s.answer(packet.PUBREC, id)
		s.want(fmt.Sprintf("PUBREL %d", id))
		s.cut()
		s = x.persistent("s")
		s.want(fmt.Sprintf("PUBREL %d", id))
		s.answer(packet.PUBCOMP, id)
		s.quiet()
		s.bye()
		x.persistent("s").quiet()
	}},
	{clause: "4.4.0-1", says: "a QoS 2 message without PUBREC is sent again with DUP", do: func(x *run) {
		s := x.persistent("s")
		s.sub(2, "t")
		x.connect("p").pub(2, "t", "1")
		s.want("q2 t 1")
		id := s.id
		s.cut()
		s = x.persistent("s")
		s.want("q2 t 1 dup")
		if s.id != id {
			x.Fatal("another identifier")
		}
		s.answer(packet.PUBREC, id)
		s.want(fmt.Sprintf("PUBREL %d", id))
		s.answer(packet.PUBCOMP, id)
		s.quiet()
	}},
	{clause: "4.3.3", says: "a QoS 2 publish goes on after the connection was lost", do: func(x *run) {
		s, p := x.connect("s"), x.persistent("p")
		s.sub(2, "t")
		q := packet.Publish{Topic: x.n("t"), Payload: []byte("x"), QoS: 2, ID: 3}
		p.write(q.Append(nil, x.v))
		p.want("PUBREC 3")
		p.cut()
		p = x.persistent("p")
		q.Dup = true
		p.write(q.Append(nil, x.v))
		p.want("PUBREC 3")
		p.answer(packet.PUBREL, 3)
		p.want("PUBCOMP 3")
		s.take("q2 t x")
		s.quiet()
	}},
	{clause: "3.1.4-3", says: "a persistent session is taken over while it is connected", do: func(x *run) {
		a := x.persistent("a")
		a.sub(1, "t")
		b := x.persistent("a")
		if !b.ack.SessionPresent {
			x.Fatal("not present")
		}
		a.closed(packet.TakenOver)
		x.connect("p").pub(1, "t", "x")
		b.take("q1 t x")
	}},
	{clause: "3.1.2.11.2", says: "without an expiry a session ends with its connection", only: 5, do: func(x *run) {
		s := x.connect("s", keepState)
		s.sub(1, "t")
		s.bye()
		if s = x.connect("s", keepState); s.ack.SessionPresent {
			x.Fatal("present")
		}
	}},
	{clause: "3.1.2-23", says: "a session ends when its expiry has passed", only: 5, do: func(x *run) {
		s := x.connect("s", keepState, expiry(1))
		s.sub(1, "t")
		for wait := 2500 * time.Millisecond; ; wait *= 2 { // a busy machine may be late
			s.bye()
			time.Sleep(wait) // the session's own time
			if s = x.connect("s", keepState, expiry(1)); !s.ack.SessionPresent {
				return
			}
			if wait > 10*time.Second {
				x.Fatal("present")
			}
		}
	}},
	{clause: "3.14.2.2.2", says: "DISCONNECT changes the expiry", only: 5, do: func(x *run) {
		s := x.persistent("s")
		s.bye(packet.Props(nil).AppendNum(packet.SessionExpiry, 0))
		if s = x.persistent("s"); s.ack.SessionPresent {
			x.Fatal("present")
		}
	}},
	{clause: "3.14.2.2.2", says: "DISCONNECT may not bring an expiry that was 0", only: 5, do: func(x *run) {
		p := x.connect("p")
		p.write((&packet.End{Type: packet.DISCONNECT, Props: packet.Props(nil).AppendNum(packet.SessionExpiry, 5)}).Append(nil, x.v))
		p.closed(packet.ProtocolError)
	}},
	{clause: "3.8.4-3", says: "unsubscribed while others publish, and back", do: func(x *run) {
		s, p := x.persistent("s"), x.connect("p")
		s.sub(1, "t")
		s.unsub(map[packet.Version]string{4: "", 5: " 00"}[x.v], "t")
		p.pub(1, "t", "lost")
		s.sub(1, "t")
		p.pub(1, "t", "x")
		s.take("q1 t x")
		s.quiet()
	}},
}

func w(x *run, topic, payload string, qos byte, retain bool) packet.Will {
	return packet.Will{Topic: x.n(topic), Payload: []byte(payload), QoS: qos, Retain: retain}
}

var willCases = []kase{
	{clause: "3.1.2-8", says: "a will is sent when the connection is lost", do: func(x *run) {
		s := x.connect("s")
		s.sub(2, "will")
		for qos := range byte(3) {
			x.connect("w", lastWill(w(x, "will", "gone", qos, false))).cut()
			s.take(fmt.Sprintf("q%d will gone", qos))
		}
	}},
	{clause: "3.1.2-10", says: "no will after a DISCONNECT", do: func(x *run) {
		s := x.connect("s")
		s.sub(1, "will")
		x.connect("w", lastWill(w(x, "will", "gone", 1, false))).bye()
		s.quiet()
	}},
	{clause: "3.1.2-15", says: "a will may be retained", do: func(x *run) {
		s := x.connect("s")
		s.sub(1, "LWT")
		x.connect("w", lastWill(w(x, "LWT", "Offline", 1, true))).cut()
		s.take("q1 LWT Offline")
		n := x.connect("n")
		n.sub(1, "LWT")
		n.take("q1 LWT Offline retain")
	}},
	{clause: "3.1.2-8", says: "a will is sent when the keep alive ends", do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "will")
		x.connect("w", keepAlive(1), lastWill(w(x, "will", "gone", 0, false)))
		s.want("q0 will gone")
	}},
	{clause: "3.1.2-8", says: "a will is sent after a protocol error", do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "will")
		p := x.connect("w", lastWill(w(x, "will", "gone", 0, false)))
		p.raw("0000")
		p.closed()
		s.want("q0 will gone")
	}},
	{clause: "3.1.4-3", says: "a will is sent when the client is taken over", do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "will")
		x.connect("w", lastWill(w(x, "will", "gone", 0, false)))
		x.connect("w").quiet()
		s.want("q0 will gone")
	}},
	{clause: "3.1.3", says: "a will without payload", do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "will")
		x.connect("w", lastWill(w(x, "will", "", 0, false))).cut()
		s.want("q0 will ")
	}},
	{clause: "3.14.2.1", says: "DISCONNECT may ask for the will", only: 5, do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "will")
		p := x.connect("w", lastWill(w(x, "will", "gone", 0, false)))
		p.raw("e0 01 04")
		p.closed()
		s.want("q0 will gone")
	}},
	{clause: "3.1.3.2.2", says: "a will waits for its delay", only: 5, do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "will")
		q := w(x, "will", "gone", 0, false)
		q.Props = q.Props.AppendNum(packet.WillDelay, 2)
		p := x.connect("w", keepState, expiry(100), lastWill(q))
		begin := time.Now()
		p.cut()
		s.want("q0 will gone")
		if d := time.Since(begin); d < time.Second { // Mosquitto counts whole seconds
			x.Fatalf("after %v", d)
		}
	}},
	{clause: "3.1.3-9", says: "who comes back in time has no will sent", only: 5, alone: true, do: func(x *run) {
		s := x.connect("s", keepAlive(60_000))
		s.sub(0, "will", "late", "t")
		leave := func(id, topic string) {
			q := w(x, topic, "gone", 0, false)
			q.Props = q.Props.AppendNum(packet.WillDelay, uint32(x.seconds(10)))
			x.connect(id, keepState, expiry(1000), lastWill(q)).cut()
		}
		leave("w", "will")
		p := x.persistent("w", keepAlive(60_000))
		leave("z", "late") // and does not come back
		over := make(chan struct{})
		defer close(over)
		go func() {
			for {
				select {
				case <-over:
					return
				case <-time.After(20 * time.Millisecond):
					x.pass(time.Second)
				}
			}
		}()
		s.want("q0 late gone")
		p.pub(0, "t", "x")
		s.want("q0 t x")
	}},
	{clause: "3.1.2.5", says: "a will goes when the session ends before its delay", only: 5, not: "mosquitto: it waits", do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "will")
		q := w(x, "will", "gone", 0, false)
		q.Props = q.Props.AppendNum(packet.WillDelay, 100)
		x.connect("w", lastWill(q)).cut()
		s.want("q0 will gone")
	}},
	{clause: "3.1.3.2", says: "a will has properties", only: 5, do: func(x *run) {
		s := x.connect("s")
		s.sub(0, "will")
		q := w(x, "will", "gone", 0, false)
		q.Props = q.Props.AppendVal(packet.ContentType, []byte("text/plain")).AppendUser("a", "b")
		x.connect("w", lastWill(q)).cut()
		s.want("q0 will gone 3=text/plain a:b")
	}},
}
